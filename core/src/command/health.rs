//! `status` and `doctor`: how the mailbox and its transports are.

use serde::{Deserialize, Serialize};

use crate::engine::cx::EFFECTS_IN_FLIGHT;
use crate::engine::lock;
use crate::protocol::config::RelayAccount;
use crate::protocol::identity::Identity;
use crate::protocol::keyring::Keyring;
use crate::protocol::layout::Folder;
use crate::protocol::relay::version2::Api;
use crate::protocol::text;
use crate::protocol::trust::{Binding, UsedNonces};
use crate::sync::{relay_call, version2_call};

use super::error::Error;
use super::mail;
use super::session::Session;

/// Shows the state of the mailbox and of every transport.
#[derive(Clone, Copy, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Status {}

/// The state of the mailbox and of every transport.
#[derive(Debug, Serialize)]
pub struct StatusOutcome {
    /// The version of azall.
    pub version: &'static str,
    /// The agent.
    pub agent: String,
    /// The agent's folder.
    pub mailbox: String,
    /// The config file.
    pub config: String,
    /// How many days the mailbox has.
    pub days: usize,
    /// Messages received today.
    pub inbox_today: usize,
    /// Messages delivered today.
    pub sent_today: usize,
    /// Messages that wait, on all days.
    pub waiting: usize,
    /// Messages that were given up, on all days.
    pub failed: usize,
    /// Messages held back, on all days.
    pub held: usize,
    /// The transports.
    pub transports: Vec<TransportState>,
}

/// The state of a transport.
#[derive(Debug, Serialize)]
pub struct TransportState {
    /// What it is and where.
    pub name: String,
    /// Whether it answers.
    pub reachable: bool,
    /// What it says, or what is wrong.
    pub detail: String,
}

/// Shows the state of the mailbox and of every transport.
///
/// # Errors
/// When the mailbox cannot be read.
pub async fn status(session: &mut Session, _: Status) -> Result<StatusOutcome, Error> {
    session.enter().await?;
    let session = &*session;
    let days = session.days().await?;
    let today = session.today();
    let count = |day, folder| async move { mail::names(session, day, folder).await.map(|names| names.ids.len()) };
    let [mut waiting, mut failed, mut held] = [0; 3];
    for (folder, total) in [(Folder::Outbox, &mut waiting), (Folder::Failed, &mut failed), (Folder::Held, &mut held)] {
        for found in session.cx.all(EFFECTS_IN_FLIGHT, days.iter().map(|day| count(*day, folder))).await {
            *total += found?;
        }
    }
    Ok(StatusOutcome {
        version: env!("CARGO_PKG_VERSION"),
        agent: session.address().to_string(),
        mailbox: session.shown(&session.home.dir()),
        config: session.config_shown.clone(),
        days: days.len(),
        inbox_today: count(today, Folder::Inbox).await?,
        sent_today: count(today, Folder::Sent).await?,
        waiting,
        failed,
        held,
        transports: transports(session).await?,
    })
}

/// Every transport, with what it says.
async fn transports(session: &Session) -> Result<Vec<TransportState>, Error> {
    let neighbours = session.mailbox().neighbours().await?.len().saturating_sub(1);
    let mut states = vec![TransportState {
        name: format!("folder {}", session.mailboxes_shown),
        reachable: true,
        detail: text::count(neighbours, "other agent", "other agents"),
    }];
    let relays = session.config.relays().iter().map(|account| async move {
        let name = format!("relay {}", account.server);
        match relay(session, account).await {
            Ok(server) => TransportState { name, reachable: true, detail: server },
            Err(why) => TransportState { name, reachable: false, detail: why },
        }
    });
    states.extend(session.cx.all(EFFECTS_IN_FLIGHT, relays).await);
    Ok(states)
}

/// What a relay calls itself, or why nothing can be sent or fetched there.
async fn relay(session: &Session, account: &RelayAccount) -> Result<String, String> {
    let (facts, api) = relay_call::status(&session.cx, &account.server).await.map_err(|error| error.to_string())?;
    if account.token.is_none() {
        return Err("answers, but the config has no token for it; see `azall register`".to_owned());
    }
    let accepted = match api {
        Api::Version1 => relay_call::check_token(&session.cx, account).await,
        Api::Version2(_) => version2_call::check_token(&session.cx, account).await,
    };
    accepted.map_err(|error| error.to_string())?;
    let server = facts.into_iter().find(|(name, _)| name == "server");
    Ok(server.map_or_else(|| "answers".to_owned(), |(_, value)| value))
}

/// Looks for faults.
#[derive(Clone, Copy, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Doctor {}

/// What was found.
#[derive(Debug, Serialize)]
pub struct Diagnosis {
    /// What was looked at, in order.
    pub findings: Vec<Finding>,
}

/// One thing that was looked at.
#[derive(Debug, Serialize)]
pub struct Finding {
    /// How it is.
    pub state: Health,
    /// What was looked at, and what is wrong with it.
    pub what: String,
    /// What to do about it.
    pub mend: Option<String>,
}

/// How something is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Health {
    /// As it should be.
    Good,
    /// Worth a look.
    Caution,
    /// Wrong.
    Fault,
}

impl Diagnosis {
    /// 1 when there is a fault, 0 otherwise.
    #[must_use]
    pub fn exit_code(&self) -> u8 {
        u8::from(self.findings.iter().any(|finding| finding.state == Health::Fault))
    }

    fn add(&mut self, state: Health, what: impl Into<String>, mend: Option<&str>) {
        self.findings.push(Finding { state, what: what.into(), mend: mend.map(str::to_owned) });
    }

    /// A file that was read, or why it cannot be used.
    fn file<E: std::fmt::Display>(&mut self, path: &str, read: Result<&str, E>, mend: &str) {
        match read {
            Ok(what) => self.add(Health::Good, format!("{path}: {what}"), None),
            Err(error) => self.add(Health::Fault, format!("{path}: {error}"), Some(mend)),
        }
    }
}

/// Looks over config, keys, mail and transports, and explains each fault and its mend. Nothing is changed.
///
/// # Errors
/// When a file cannot be read at all.
pub async fn doctor(session: &mut Session, _: Doctor) -> Result<Diagnosis, Error> {
    let mut diagnosis = Diagnosis { findings: Vec::new() };
    if !session.found {
        let what = format!("{}: there is no config yet", session.config_shown);
        diagnosis.add(Health::Caution, what, Some("run `azall quickstart`"));
        return Ok(diagnosis);
    }
    for warning in session.config.warnings() {
        let what = format!("{}: {warning}", session.config_shown);
        diagnosis.add(Health::Caution, what, Some("correct the key in the config"));
    }
    if let Err(error) = session.enter().await {
        let mend = "use the config that this mailbox was made with";
        diagnosis.add(Health::Fault, session.located(error).to_string(), Some(mend));
        return Ok(diagnosis);
    }
    diagnosis.add(Health::Good, format!("{}: agent {}", session.config_shown, session.address()), None);
    check_writing(session, &mut diagnosis).await;
    check_files(session, &mut diagnosis).await?;
    check_mail(session, &mut diagnosis).await?;
    for transport in transports(session).await? {
        let what = format!("{}: {}", transport.name, transport.detail);
        let state = if transport.reachable { Health::Good } else { Health::Fault };
        let mend = "check that the server runs, its URL (`azall relay list`) and the network";
        diagnosis.add(state, what, (!transport.reachable).then_some(mend));
    }
    Ok(diagnosis)
}

/// Whether the mailbox can be written: the lock is taken and let go.
async fn check_writing(session: &Session, diagnosis: &mut Diagnosis) {
    let nothing = async { Ok::<_, Error>(()) };
    if let Err(error) = lock::locked(&session.cx, &session.home.lock(), nothing).await {
        let mend = "nothing is received or sent until this is mended";
        diagnosis.add(Health::Fault, session.located(error).to_string(), Some(mend));
    }
}

async fn check_files(session: &Session, diagnosis: &mut Diagnosis) -> Result<(), Error> {
    let home = &session.home;
    if let Some(bytes) = session.cx.read(&home.identity_key()).await? {
        let path = session.shown(&home.identity_key());
        diagnosis.file(&path, Identity::parse(&bytes).map(|_| "the key pair is whole"), "restore it from a backup");
    }
    if let Some(bytes) = session.cx.read(&home.keyring()).await? {
        let path = session.shown(&home.keyring());
        let keyring = Keyring::parse(&bytes);
        let damaged: Vec<String> =
            keyring.iter().flat_map(|keyring| keyring.damaged().iter().map(ToString::to_string)).collect();
        diagnosis.file(&path, keyring.as_ref().map(|_| "the keyring can be read"), "restore it from a backup");
        for entry in damaged {
            diagnosis.add(
                Health::Caution,
                format!("{path}: {entry}"),
                Some("remove the entry; the key is learned again"),
            );
        }
    }
    if let Some(bytes) = session.cx.read(&home.trust()).await? {
        let path = session.shown(&home.trust());
        diagnosis.file(&path, Binding::parse(&bytes).map(|_| "the binding can be read"), "run `azall trust-revoke`");
    }
    if let Some(bytes) = session.cx.read(&home.used_nonces()).await? {
        let path = session.shown(&home.used_nonces());
        let mend = "restore it from a backup, or remove it once every token that you made has expired";
        diagnosis.file(&path, UsedNonces::parse(&bytes).map(|_| "the used nonces can be read"), mend);
    }
    let spool = session.cx.list(&home.spool()).await?;
    let (damaged, waiting): (Vec<_>, Vec<_>) = spool.iter().partition(|entry| entry.name.ends_with(".damaged"));
    if !waiting.is_empty() {
        let what = text::count(waiting.len(), "fetch was not finished", "fetches were not finished");
        diagnosis.add(Health::Caution, what, Some("run `azall inbox`: it goes on where that ended"));
    }
    if !damaged.is_empty() {
        let (one, several) = ("answer of a relay", "answers of relays");
        let what = format!("{} could not be understood whole", text::count(damaged.len(), one, several));
        let mend = format!("look at what ends in .damaged in {}, then remove it", session.shown(&home.spool()));
        diagnosis.add(Health::Caution, what, Some(&mend));
    }
    Ok(())
}

async fn check_mail(session: &Session, diagnosis: &mut Diagnosis) -> Result<(), Error> {
    let days = session.days().await?;
    let listing = mail::list(session, &days, &Folder::ALL).await?;
    for file in &listing.damaged {
        let what = format!("{}: {}", file.path, file.reason);
        diagnosis.add(Health::Fault, what, Some("look at the file; move it away if it is no message"));
    }
    let count = |folder| listing.messages.iter().filter(|row| row.location.folder == folder).count();
    for (folder, one, several, mend) in [
        (
            Folder::Outbox,
            "message waits to be delivered",
            "messages wait to be delivered",
            "run `azall daemon --once` and read why",
        ),
        (Folder::Held, "message is held back", "messages are held back", "see `azall held`"),
        (Folder::Failed, "message was given up", "messages were given up", "read the notices in the inbox"),
    ] {
        if count(folder) > 0 {
            diagnosis.add(Health::Caution, text::count(count(folder), one, several), Some(mend));
        }
    }
    let messages = text::count(listing.messages.len(), "message", "messages");
    diagnosis.add(Health::Good, format!("{messages} on {}", text::count(days.len(), "day", "days")), None);
    Ok(())
}
