//! The trust commands: an agent is bound to the owner who proves that they can read its files.

use serde::{Deserialize, Serialize};

use crate::engine::effect::Facts;
use crate::engine::lock;
use crate::protocol::address::Address;
use crate::protocol::config::AgentKey;
use crate::protocol::layout::AgentHome;
use crate::protocol::text;
use crate::protocol::trust::{
    BindRefusal, Binding, BindingError, Expected, MachineFingerprint, Nonce, NoncesError, PendingToken, Token,
    TokenRefusal, UsedNonces, armor, bind, check_text,
};

use super::error::Error;
use super::session::Session;

/// Why a trust command was not carried out.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum TrustError {
    /// A bound agent takes no further token.
    #[error("agent {agent} is already bound to {owner}; run `azall trust-revoke` on this machine first")]
    AlreadyBound {
        /// The agent.
        agent: String,
        /// Its owner.
        owner: String,
    },
    /// The host cannot tell one machine from another, and a token is bound to one.
    #[error("this host does not know which machine it runs on, and a token is bound to one; run the native azall")]
    UnknownMachine,
    /// A token was refused.
    #[error("REJECTED: {0}")]
    Refused(#[from] BindRefusal),
    /// A token that was to be checked is not good.
    #[error("INVALID: {0}")]
    Invalid(TokenRefusal),
    /// The binding file is damaged; it is never taken for no binding.
    #[error("{path}: {source}")]
    Binding {
        /// The file.
        path: String,
        /// What is wrong with it.
        source: BindingError,
    },
    /// The file of used nonces is damaged; it is never taken for empty.
    #[error("{path}: {source}")]
    Nonces {
        /// The file.
        path: String,
        /// What is wrong with it.
        source: NoncesError,
    },
    /// The agent is not among these mailboxes, or has no key.
    #[error("there is no agent {agent} with a key in this mailboxes folder")]
    NoSuchAgent {
        /// The agent.
        agent: String,
    },
    /// Revoking needs to be meant.
    #[error("this frees agent {agent} from its owner {owner}; say --yes to go on")]
    Unconfirmed {
        /// The agent.
        agent: String,
        /// Its owner.
        owner: String,
    },
}

impl TrustError {
    /// 3 where policy refuses, 2 where the command has to be said otherwise, 1 otherwise.
    #[must_use]
    pub const fn exit_code(&self) -> u8 {
        match self {
            Self::AlreadyBound { .. } | Self::Refused(_) => 3,
            Self::Unconfirmed { .. } => 2,
            _ => 1,
        }
    }
}

/// Makes a token.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct TrustGen {
    /// The agent, if not the configured one.
    pub agent: Option<String>,
    /// Even if the agent is bound; the token will be refused until the binding is revoked.
    #[serde(default)]
    pub force: bool,
    /// Raw base64 alone.
    #[serde(default)]
    pub quiet: bool,
}

/// A token. It is made to be handed over, and proves nothing once it has expired or was used.
#[derive(Serialize)]
pub struct TrustToken {
    /// The agent.
    pub agent: String,
    /// Raw base64.
    pub token: String,
    /// The armored form.
    pub armor: String,
    /// When it expires, UTC.
    pub expires: String,
    /// Whether only the raw form is to be shown.
    #[serde(skip)]
    pub quiet: bool,
}

impl std::fmt::Debug for TrustToken {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("TrustToken").field("agent", &self.agent).finish_non_exhaustive()
    }
}

/// Makes a token and leaves it, privately, where an owner's page finds it.
///
/// # Errors
/// When the agent is bound already, or is none of this mailboxes folder.
pub async fn generate(session: &mut Session, arguments: TrustGen) -> Result<TrustToken, Error> {
    session.enter().await?;
    let agent = Agent::named(session, arguments.agent.as_deref()).await?;
    if let Some(binding) = agent.binding(session).await?.filter(Binding::is_locked).filter(|_| !arguments.force) {
        return Err(agent.already_bound(&binding).into());
    }
    let facts = session.cx.host_facts().await?;
    let machine = fingerprint(&facts)?;
    let token = Token::build(&agent.expected(session, &machine), Nonce::new(session.cx.random::<32>().await?));
    let machine_name = machine_label(&facts.machine_name, &facts.system);
    let pending = PendingToken::new(&token, agent.key.expose(), &machine_name);
    session.cx.write_private(&agent.home.trust_token_pending(), pending.to_json()).await?;
    let expires_ms = i64::try_from(token.expires()).unwrap_or(i64::MAX / 1000).saturating_mul(1000);
    Ok(TrustToken {
        agent: agent.address.to_string(),
        token: token.to_base64(),
        armor: armor::format(&token, &machine_name),
        expires: crate::protocol::time::Now::utc(expires_ms).utc_iso(),
        quiet: arguments.quiet,
    })
}

/// The machine's name as a token shows it.
fn machine_label(name: &str, system: &str) -> String {
    format!("{name}-{}", system.to_lowercase())
}

/// Checks a token.
#[derive(Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct TrustVerify {
    /// The token, armored or raw.
    pub token: String,
}

impl std::fmt::Debug for TrustVerify {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("TrustVerify").finish_non_exhaustive()
    }
}

/// A token that is good.
#[derive(Debug, Serialize)]
pub struct TrustVerified {
    /// Always true: a token that is not good is an error.
    pub valid: bool,
    /// The agent that it is for.
    pub agent: String,
    /// The first hex digits of its nonce.
    pub nonce: String,
    /// When it was made, unix seconds.
    pub created: u64,
    /// Whether it was used already.
    pub used: bool,
}

/// Checks a token without using it up.
///
/// # Errors
/// [`TrustError::Invalid`] with the reason.
pub async fn verify(session: &mut Session, arguments: TrustVerify) -> Result<TrustVerified, Error> {
    session.enter().await?;
    let agent = Agent::named(session, None).await?;
    let machine = this_machine(session).await?;
    let token = check_text(&arguments.token, &agent.expected(session, &machine)).map_err(TrustError::Invalid)?;
    let nonces = agent.nonces(session).await?;
    Ok(TrustVerified {
        valid: true,
        agent: token.agent().to_owned(),
        nonce: text::hex(token.nonce().as_bytes().get(..8).unwrap_or_default()),
        created: token.created(),
        used: nonces.contains(token.nonce()),
    })
}

/// Binds the agent to an owner.
#[derive(Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct TrustBind {
    /// The owner's address.
    pub owner: String,
    /// The token, armored or raw.
    pub token: String,
}

impl std::fmt::Debug for TrustBind {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("TrustBind").field("owner", &self.owner).finish_non_exhaustive()
    }
}

/// An agent that was bound.
#[derive(Debug, Serialize)]
pub struct Bound {
    /// The agent.
    pub agent: String,
    /// Its owner.
    pub owner: String,
    /// Since when.
    pub since: String,
}

/// Binds the agent by a token that was made for it.
///
/// # Errors
/// [`TrustError::Refused`] with the reason.
pub async fn bind_by_token(session: &mut Session, arguments: TrustBind) -> Result<Bound, Error> {
    session.enter().await?;
    let agent = Agent::named(session, None).await?;
    let machine = this_machine(session).await?;
    agent.bind(session, &machine, &arguments.token, &arguments.owner, false).await
}

/// Binds the agent on this machine in one step.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct TrustBindLocal {
    /// The owner's address.
    pub owner: String,
    /// Also when it is bound already.
    #[serde(default)]
    pub force: bool,
}

/// Makes a token and binds by it: whoever runs this can read the agent's files.
///
/// # Errors
/// As [`bind_by_token`].
pub async fn bind_locally(session: &mut Session, arguments: TrustBindLocal) -> Result<Bound, Error> {
    session.enter().await?;
    let agent = Agent::named(session, None).await?;
    agent.bind_locally(session, &arguments.owner, arguments.force).await
}

/// Binds every agent of this mailboxes folder.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct TrustBindAll {
    /// The owner's address.
    pub owner: String,
    /// Also those that are bound already.
    #[serde(default)]
    pub force: bool,
}

/// What became of each agent.
#[derive(Debug, Serialize)]
pub struct BoundAll {
    /// The owner.
    pub owner: String,
    /// Agents that were bound to it.
    pub bound: Vec<String>,
    /// Agents that were its own already.
    pub kept: Vec<String>,
    /// Agents that are not its own: why.
    pub refused: Vec<(String, String)>,
    /// The exit code: 0, or that of the gravest refusal.
    #[serde(skip)]
    pub code: u8,
}

/// Binds every agent whose key lies in this mailboxes folder.
///
/// # Errors
/// When the folder cannot be listed. What an agent says against it is in the outcome.
pub async fn bind_all(session: &mut Session, arguments: TrustBindAll) -> Result<BoundAll, Error> {
    session.enter().await?;
    let TrustBindAll { owner, force } = arguments;
    let mut outcome = BoundAll { owner, bound: Vec::new(), kept: Vec::new(), refused: Vec::new(), code: 0 };
    for address in session.mailbox().neighbours().await? {
        let name = address.to_string();
        match bind_one(session, &name, &outcome.owner, force).await {
            Ok(true) => outcome.bound.push(name),
            Ok(false) => outcome.kept.push(name),
            // A folder without a key is no agent's.
            Err(Error::Trust(TrustError::NoSuchAgent { .. })) => {}
            Err(error) => {
                outcome.code = outcome.code.max(error.exit_code());
                outcome.refused.push((name, error.to_string()));
            }
        }
    }
    Ok(outcome)
}

/// Binds an agent by its name; false when it is the owner's already.
async fn bind_one(session: &Session, name: &str, owner: &str, force: bool) -> Result<bool, Error> {
    let agent = Agent::named(session, Some(name)).await?;
    let is_kept = |binding: &Binding| binding.is_locked() && binding.owner() == text::strip(owner);
    if !force && agent.binding(session).await?.as_ref().is_some_and(is_kept) {
        return Ok(false);
    }
    agent.bind_locally(session, owner, force).await.map(|_| true)
}

/// Shows the binding.
#[derive(Clone, Copy, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct TrustStatus {}

/// The binding of an agent.
#[derive(Debug, Serialize)]
pub struct TrustState {
    /// The agent.
    pub agent: String,
    /// `bound` or `unbound`.
    pub status: &'static str,
    /// The owner, if there is one.
    pub owner: Option<String>,
    /// Since when.
    pub since: Option<String>,
    /// Whether it was made on this machine.
    pub machine_matches: Option<bool>,
    /// Whether a further token can bind the agent anew.
    pub accepts_new_bindings: bool,
}

/// Shows whether the agent is bound, and to whom.
///
/// # Errors
/// When the binding is damaged.
pub async fn status(session: &mut Session, _: TrustStatus) -> Result<TrustState, Error> {
    session.enter().await?;
    let agent = Agent::named(session, None).await?;
    let binding = agent.binding(session).await?.filter(Binding::is_active);
    let machine = this_machine(session).await?;
    Ok(TrustState {
        agent: agent.address.to_string(),
        status: if binding.is_some() { "bound" } else { "unbound" },
        owner: binding.as_ref().map(|binding| binding.owner().to_owned()),
        since: binding.as_ref().map(|binding| binding.bound_since().to_owned()),
        machine_matches: binding.as_ref().map(|binding| *binding.machine() == machine),
        accepts_new_bindings: binding.as_ref().is_none_or(|binding| !binding.is_locked()),
    })
}

/// Undoes the binding.
#[derive(Clone, Copy, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct TrustRevoke {
    /// It is meant.
    #[serde(default)]
    pub yes: bool,
}

/// What was undone.
#[derive(Debug, Serialize)]
pub struct Revoked {
    /// The agent.
    pub agent: String,
    /// The owner that it had, if it had one and the file said so.
    pub owner: Option<String>,
}

/// Undoes the binding. Only who can write the agent's files can do this.
///
/// # Errors
/// Without `yes`.
pub async fn revoke(session: &mut Session, arguments: TrustRevoke) -> Result<Revoked, Error> {
    session.enter().await?;
    let agent = Agent::named(session, None).await?;
    let place = agent.home.trust();
    let Some(bytes) = session.cx.read(&place).await? else {
        return Ok(Revoked { agent: agent.address.to_string(), owner: None });
    };
    // A damaged file is a binding too: revoking is the way out of it.
    let owner = Binding::parse(&bytes).ok().map(|binding| binding.owner().to_owned());
    if !arguments.yes {
        let owner = owner.unwrap_or_else(|| "(damaged)".to_owned());
        return Err(TrustError::Unconfirmed { agent: agent.address.to_string(), owner }.into());
    }
    lock::locked(&session.cx, &agent.home.lock(), async { Ok::<_, Error>(session.cx.remove(&place).await?) }).await?;
    Ok(Revoked { agent: agent.address.to_string(), owner })
}

async fn this_machine(session: &Session) -> Result<MachineFingerprint, Error> {
    Ok(fingerprint(&session.cx.host_facts().await?)?)
}

/// Without facts every machine would have the same fingerprint.
fn fingerprint(facts: &Facts) -> Result<MachineFingerprint, TrustError> {
    let parts = &facts.fingerprint_parts;
    if parts.iter().all(String::is_empty) {
        Err(TrustError::UnknownMachine)
    } else {
        Ok(MachineFingerprint::of_facts(parts))
    }
}

/// An agent of this mailboxes folder with its key.
struct Agent {
    address: Address,
    home: AgentHome,
    key: crate::protocol::config::Secret,
}

impl Agent {
    /// The configured agent, or another one by its name; the other's key comes from its own folder.
    async fn named(session: &Session, name: Option<&str>) -> Result<Self, Error> {
        let own = || Self {
            address: session.address().clone(),
            home: session.home.clone(),
            key: session.config.agent_key().cloned().unwrap_or_default(),
        };
        let Some(name) = name else { return Ok(own()) };
        let address = Address::parse(name)?;
        if address.same_as(session.address()) {
            return Ok(own());
        }
        let home = AgentHome::new(&address);
        let place = home.agent_key();
        let Some(bytes) = session.cx.read(&place).await? else {
            return Err(TrustError::NoSuchAgent { agent: address.to_string() }.into());
        };
        let key = AgentKey::parse(&bytes).map_err(|source| Error::KeyFile { path: session.shown(&place), source })?;
        Ok(Self { address, home, key: key.key })
    }

    fn expected<'a>(&'a self, session: &Session, machine: &'a MachineFingerprint) -> Expected<'a> {
        Expected { agent: &self.address, agent_key: self.key.expose(), machine, now: session.cx.now() }
    }

    async fn binding(&self, session: &Session) -> Result<Option<Binding>, Error> {
        let place = self.home.trust();
        let Some(bytes) = session.cx.read(&place).await? else { return Ok(None) };
        Ok(Some(Binding::parse(&bytes).map_err(|source| TrustError::Binding { path: session.shown(&place), source })?))
    }

    async fn nonces(&self, session: &Session) -> Result<UsedNonces, Error> {
        let place = self.home.used_nonces();
        let Some(bytes) = session.cx.read(&place).await? else { return Ok(UsedNonces::default()) };
        Ok(UsedNonces::parse(&bytes).map_err(|source| TrustError::Nonces { path: session.shown(&place), source })?)
    }

    fn already_bound(&self, binding: &Binding) -> TrustError {
        TrustError::AlreadyBound { agent: self.address.to_string(), owner: binding.owner().to_owned() }
    }

    /// Under the agent's lock: of two that bind by one token, one wins. The nonce is durable before the binding.
    async fn bind(
        &self,
        session: &Session,
        machine: &MachineFingerprint,
        token: &str,
        owner: &str,
        force: bool,
    ) -> Result<Bound, Error> {
        let cx = &session.cx;
        lock::locked(cx, &self.home.lock(), async {
            let current = if force { None } else { self.binding(session).await? };
            let mut nonces = self.nonces(session).await?;
            let expected = self.expected(session, machine);
            let binding = bind(token, owner, &expected, current.as_ref(), &mut nonces).map_err(TrustError::Refused)?;
            cx.write_private(&self.home.used_nonces(), nonces.to_json()).await?;
            cx.write_private(&self.home.trust(), binding.to_json()).await?;
            cx.remove(&self.home.trust_token_pending()).await?;
            Ok(Bound {
                agent: self.address.to_string(),
                owner: binding.owner().to_owned(),
                since: binding.bound_since().to_owned(),
            })
        })
        .await
    }

    async fn bind_locally(&self, session: &Session, owner: &str, force: bool) -> Result<Bound, Error> {
        if let Some(binding) = self.binding(session).await?.filter(Binding::is_locked).filter(|_| !force) {
            return Err(self.already_bound(&binding).into());
        }
        let machine = this_machine(session).await?;
        let nonce = Nonce::new(session.cx.random::<32>().await?);
        let token = Token::build(&self.expected(session, &machine), nonce).to_base64();
        self.bind(session, &machine, &token, owner, force).await
    }
}
