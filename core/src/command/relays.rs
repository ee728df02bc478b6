//! `register` and `relay`: accounts on AgentTalk relays.

use serde::{Deserialize, Serialize};

use crate::engine::event::Level;
use crate::protocol::address::Address;
use crate::protocol::config::{Config, RelayAccount, Transport};
use crate::protocol::id::Fingerprint;
use crate::protocol::layout::AgentHome;
use crate::protocol::relay::version2::Api;
use crate::protocol::relay::{AgentName, Registered as Account, RelayError, ServerUrl, Token, UrlError};
use crate::sync::{relay_call, version2_call};

use super::error::Error;
use super::session::Session;

/// Makes an account on a relay.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Register {
    /// The account's name.
    pub name: AgentName,
    /// The relay.
    pub server: ServerUrl,
    /// Also in a config that exists already.
    #[serde(default)]
    pub yes: bool,
}

/// A new account.
#[derive(Debug, Serialize)]
pub struct Registered {
    /// Its address.
    pub address: Address,
    /// The address that certifies the agent's key, where the account owns it.
    pub certified_address: Option<Address>,
    /// The relay.
    pub server: String,
    /// This agent's key.
    pub fingerprint: Fingerprint,
    /// The config file, which holds the token.
    pub config: String,
}

/// Why an account was not made.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum RelayCommandError {
    /// There is a config, and nobody said to change it.
    #[error("{config} exists and belongs to {agent}; say --yes to add the account to it, or give another --config")]
    Unconfirmed {
        /// The config file.
        config: String,
        /// Its agent.
        agent: String,
    },
    /// The relay did not make the account.
    #[error(transparent)]
    Relay(#[from] RelayError),
    /// Not a URL that a token may be sent to.
    #[error(transparent)]
    Url(#[from] UrlError),
    /// No account with this URL or address is in the config.
    #[error("the config has no relay {named:?}; `azall relay list` shows those it has")]
    NoSuchRelay {
        /// What was to be removed.
        named: String,
    },
}

impl RelayCommandError {
    /// 2 where the command has to be said otherwise, 1 otherwise.
    #[must_use]
    pub const fn exit_code(&self) -> u8 {
        match self {
            Self::Unconfirmed { .. } | Self::Url(_) => 2,
            _ => 1,
        }
    }
}

/// Makes an account and writes it into the config. The first account names the agent; a further one is added to its relays. Where the
/// relay knows version 2 the account belongs to the agent's key, and whoever has the key gets the account back: a second time, and after
/// a crash in between, it is the same one with a new token.
///
/// # Errors
/// What the relay says; a config that exists, without `yes`.
pub async fn register(session: &mut Session, register: Register) -> Result<Registered, Error> {
    if session.found && !register.yes {
        let (config, agent) = (session.config_shown.clone(), session.address().to_string());
        return Err(RelayCommandError::Unconfirmed { config, agent }.into());
    }
    let earlier = (session.address().clone(), session.shown(&session.home.dir()), !session.days().await?.is_empty());
    let api = relay_call::api(&session.cx, &register.server).await.map_err(RelayCommandError::Relay)?;
    let account = match api {
        Api::Version1 => relay_call::register(&session.cx, &register.server, &register.name).await,
        Api::Version2(_) => account_of_key(session, &register).await?,
    };
    let account = account.map_err(RelayCommandError::Relay)?;
    let enter = |config: &mut Config| {
        let is_first = config.relays().is_empty();
        if is_first {
            config.set_agent(&account.address)?;
            config.set_transport(Transport::AgentTalk)?;
            return config.set_agenttalk(&register.server, &account.token);
        }
        config.set_account(&register.server, &account.address, &account.token)
    };
    // The token cannot be had a second time: it is in the first write.
    if session.found || !session.begin_config(enter).await? {
        let path = session.config_shown.clone();
        session.change_config(enter, |source| Error::Config { path, source }).await?;
    }
    session.enter().await?;
    tell_of_earlier_mailbox(session, earlier);
    let identity = session.identity().await?;
    let owns_key = matches!(api, Api::Version2(_));
    let certified = owns_key.then(|| format!("{}.{}.agenttalk", register.name, identity.fingerprint()));
    Ok(Registered {
        address: account.address,
        certified_address: certified.and_then(|address| Address::parse(&address).ok()),
        server: register.server.to_string(),
        fingerprint: identity.fingerprint(),
        config: session.config_shown.clone(),
    })
}

/// An account that the agent's key owns. The key is durable before anybody else hears of it.
async fn account_of_key(session: &Session, register: &Register) -> Result<Result<Account, RelayError>, Error> {
    let Register { server, name, .. } = register;
    let home = home_of_account(session, name)?;
    let was_there = session.admit(&home).await? || !session.cx.list(&home.dir()).await?.is_empty();
    let key = session.identity_at(&home.identity_key()).await?;
    session.cx.make_durable(&home.identity_key()).await?;
    let account = version2_call::register(&session.cx, server, name, &key).await;
    if !was_there && account.as_ref().is_err_and(RelayError::leaves_no_account) {
        leave_no_neighbour(session, &home).await?;
    }
    Ok(account)
}

/// The mailbox that the agent has, or will have once it has the account.
fn home_of_account(session: &Session, name: &AgentName) -> Result<AgentHome, Error> {
    if session.config.relays().is_empty() {
        Ok(AgentHome::new(&Address::parse(&format!("{name}.agenttalk"))?))
    } else {
        Ok(session.home.clone())
    }
}

/// Takes away the mailbox of an account that was not to be had, with the key that was made for it: the name is somebody
/// else's, and what is sent to them from here would go into that folder.
async fn leave_no_neighbour(session: &Session, home: &AgentHome) -> Result<(), Error> {
    let key = home.identity_key();
    let entries = session.cx.list(&home.dir()).await?;
    if entries.iter().all(|entry| entry.name == key.path.file_name()) {
        session.cx.remove(&home.dir()).await?;
    }
    Ok(())
}

/// An agent that gets another name gets another mailbox: what is in the earlier one is not lost, only not shown any more.
fn tell_of_earlier_mailbox(session: &Session, (address, path, has_days): (Address, String, bool)) {
    if has_days && !address.same_as(session.address()) {
        let what = format!(
            "this agent is {} from now on; the mailbox of {address}, with its memories, stays in {path}",
            session.address()
        );
        session.cx.emit(Level::Warning, what);
    }
}

/// What to do with the relays of the config.
#[derive(Clone, Debug, Deserialize)]
#[serde(rename_all = "kebab-case", rename_all_fields = "snake_case", deny_unknown_fields)]
pub enum RelayCommand {
    /// List them.
    List,
    /// Add an account.
    Add(RelayAccount),
    /// Remove an account, by its URL or address.
    Remove(String),
}

/// The relays of the config.
#[derive(Debug, Serialize)]
pub struct RelayList {
    /// What was done, if anything was.
    pub done: Option<String>,
    /// The accounts.
    pub relays: Vec<RelayRow>,
}

/// An account on a relay. The token is never shown.
#[derive(Debug, Serialize)]
pub struct RelayRow {
    /// The relay.
    pub server: String,
    /// The account's address, where the config tells it.
    pub address: Option<Address>,
    /// Whether the config has a token for it.
    pub has_token: bool,
}

/// Lists, adds or removes relays.
///
/// # Errors
/// A config that cannot be written; a relay that is not there.
pub async fn relay(session: &mut Session, command: RelayCommand) -> Result<RelayList, Error> {
    session.enter().await?;
    let path = session.config_shown.clone();
    let failed = |source| Error::Config { path, source };
    let done = match command {
        RelayCommand::List => None,
        RelayCommand::Add(account) => {
            let added = session.change_config(|config| config.add_relay(&account), failed).await?;
            Some(format!("{} {}", account.server, if added { "added" } else { "was there already" }))
        }
        RelayCommand::Remove(named) => {
            let is_there = session.config.clone().remove_relay(&named).is_ok_and(|removed| removed > 0);
            if !is_there {
                return Err(RelayCommandError::NoSuchRelay { named }.into());
            }
            session.change_config(|config| config.remove_relay(&named), failed).await?;
            Some(format!("{named} removed"))
        }
    };
    let row = |account: &RelayAccount| RelayRow {
        server: account.server.to_string(),
        address: account.address.clone(),
        has_token: account.token.is_some(),
    };
    Ok(RelayList { done, relays: session.config.relays().iter().map(row).collect() })
}

/// The relay of a host or URL as a person gives it: without a scheme, plain HTTP for this machine and HTTPS elsewhere.
///
/// # Errors
/// Not a URL; plain HTTP to another machine, unless `insecure`.
pub fn server_url(host: &str, port: Option<u16>, insecure: bool) -> Result<ServerUrl, UrlError> {
    let with_port = |url: String| match port {
        Some(port) => format!("{}:{port}", url.trim_end_matches('/')),
        None => url,
    };
    let url = if host.contains("://") {
        ServerUrl::parse(&with_port(host.to_owned()))?
    } else {
        let plain = ServerUrl::parse(&with_port(format!("http://{host}")))?;
        if plain.is_loopback() { plain } else { ServerUrl::parse(&with_port(format!("https://{host}")))? }
    };
    url.require_private(insecure)?;
    Ok(url)
}

/// An account of `relay add`.
///
/// # Errors
/// Plain HTTP to another machine, unless `insecure`.
pub fn account(
    url: &str,
    token: Option<Token>,
    address: Option<Address>,
    insecure: bool,
) -> Result<RelayAccount, UrlError> {
    Ok(RelayAccount { server: server_url(url, None, insecure)?, token, address })
}
