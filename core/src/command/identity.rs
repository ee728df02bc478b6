//! `whoami`, `doing`, `address`: who this agent is, what it works on, where it can be reached.

use serde::{Deserialize, Serialize};

use crate::protocol::address::{Address, AddressError};
use crate::protocol::layout::{AgentHome, Place};
use crate::protocol::time::Day;

use super::error::Error;
use super::session::Session;
use super::texts::{self, Edit};

/// Shows or sets who the agent is.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Whoami {
    /// The new identity.
    pub set: Option<String>,
}

/// Shows or changes what the agent works on.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Doing {
    /// The change.
    pub edit: Option<Edit>,
}

/// Which of the two texts.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum SelfText {
    /// Who the agent is.
    Identity,
    /// What it works on.
    Tasks,
}

impl SelfText {
    /// The text's file on a day.
    fn place(self, home: &AgentHome, day: Day) -> Place {
        match self {
            Self::Identity => home.identity(day),
            Self::Tasks => home.tasks(day),
        }
    }
}

/// What a command did with a text.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Done {
    /// It was looked up.
    Shown,
    /// It is now as given.
    Set,
    /// A line was added.
    Appended,
}

impl Done {
    /// What an edit does.
    #[must_use]
    pub const fn of(edit: &Edit) -> Self {
        match edit {
            Edit::Set(_) => Self::Set,
            Edit::Append(_) => Self::Appended,
        }
    }
}

/// What is known of an agent's identity or tasks.
#[derive(Debug, Serialize)]
pub struct SelfTextOutcome {
    /// The agent.
    pub agent: String,
    /// `identity` or `tasks`.
    pub kind: SelfText,
    /// `shown`, `set` or `appended`.
    pub done: Done,
    /// The day of the newest text; absent when there is none.
    pub date: Option<Day>,
    /// The text; absent when there is none. After a change it is the text as changed.
    pub text: Option<String>,
    /// Its file.
    pub path: Option<String>,
}

/// Shows or sets who the agent is.
///
/// # Errors
/// When the mailbox cannot be read or written.
pub async fn whoami(session: &mut Session, whoami: Whoami) -> Result<SelfTextOutcome, Error> {
    show_or_edit(session, SelfText::Identity, whoami.set.map(Edit::Set)).await
}

/// Shows or changes what the agent works on. A line is added to today's text, not to an earlier day's.
///
/// # Errors
/// When the mailbox cannot be read or written.
pub async fn doing(session: &mut Session, doing: Doing) -> Result<SelfTextOutcome, Error> {
    show_or_edit(session, SelfText::Tasks, doing.edit).await
}

async fn show_or_edit(session: &mut Session, kind: SelfText, edit: Option<Edit>) -> Result<SelfTextOutcome, Error> {
    session.enter().await?;
    let done = edit.as_ref().map_or(Done::Shown, Done::of);
    let newest = match edit {
        Some(edit) => Some(texts::edit_today(session, |day| Ok(kind.place(&session.home, day)), edit).await?),
        None => newest_of(session, kind).await?,
    };
    Ok(SelfTextOutcome {
        agent: session.address().to_string(),
        kind,
        done,
        date: newest.as_ref().map(|newest| newest.day),
        path: newest.as_ref().map(|newest| session.shown(&kind.place(&session.home, newest.day))),
        text: newest.map(|newest| newest.text),
    })
}

/// The newest text of a kind.
pub(super) async fn newest_of(session: &Session, kind: SelfText) -> Result<Option<texts::Dated>, Error> {
    let days = session.days().await?;
    texts::newest(
        &session.cx,
        &days,
        |day| async move { texts::read(&session.cx, &kind.place(&session.home, day)).await },
    )
    .await
}

/// Shows the agent's address.
#[derive(Clone, Copy, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ShowAddress {
    /// The address alone, for programs.
    #[serde(default)]
    pub quiet: bool,
}

/// The agent's address.
#[derive(Debug, Serialize)]
pub struct AddressOutcome {
    /// The address.
    pub address: String,
    /// Its accounts on relays.
    pub relay_addresses: Vec<String>,
    /// Whether only the address is shown.
    #[serde(skip)]
    pub quiet: bool,
}

/// Shows the agent's address.
///
/// # Errors
/// When there is no config yet and none can be written.
pub async fn address(session: &mut Session, arguments: ShowAddress) -> Result<AddressOutcome, Error> {
    session.enter().await?;
    let relays = session.config.relays().iter();
    let relay_addresses = relays.filter_map(|relay| relay.address.as_ref().map(ToString::to_string)).collect();
    Ok(AddressOutcome { address: session.address().to_string(), relay_addresses, quiet: arguments.quiet })
}

/// The address that an agent's name means: a bare name is one on this machine, `name@localhost`.
///
/// # Errors
/// [`AddressError`] when it is none.
pub fn agent_address(name: &str) -> Result<Address, AddressError> {
    let address = Address::parse(name)?;
    if address.as_str().contains('@') || address.relay_account().is_some() {
        return Ok(address);
    }
    Address::parse(&format!("{address}@localhost"))
}
