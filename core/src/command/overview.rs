//! `dates`, `tree`, `directory`: what lies in the mailbox, and who else is here.

use std::collections::BTreeSet;

use serde::{Deserialize, Serialize};

use crate::engine::cx::{Cx, EFFECTS_IN_FLIGHT};
use crate::engine::effect::{EntryKind, ReadFile};
use crate::engine::event::Level;
use crate::protocol::address::Address;
use crate::protocol::id::Fingerprint;
use crate::protocol::keyring::Keyring;
use crate::protocol::layout::{AgentHome, Folder, Place};
use crate::protocol::relay::version2::Api;
use crate::protocol::relay::{RelayError, ServerUrl};
use crate::protocol::text;
use crate::protocol::time::Day;
use crate::sync::{Mailbox, memo, relay_call, version2_call};

use super::error::Error;
use super::session::Session;
use super::texts;

/// Lists the days.
#[derive(Clone, Copy, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Dates {}

/// The days of a mailbox.
#[derive(Debug, Serialize)]
pub struct DateList {
    /// The agent.
    pub agent: String,
    /// The days, oldest first.
    pub days: Vec<DayCounts>,
}

/// How much lies in a day.
#[derive(Debug, Serialize)]
pub struct DayCounts {
    /// The day.
    pub date: Day,
    /// Messages received.
    pub inbox: usize,
    /// Messages delivered.
    pub sent: usize,
    /// Messages that wait.
    pub pending: usize,
    /// Notes.
    pub notes: usize,
    /// Memories.
    pub memories: usize,
}

/// Lists the days with what lies in them.
///
/// # Errors
/// When the mailbox cannot be read.
pub async fn dates(session: &mut Session, _: Dates) -> Result<DateList, Error> {
    session.enter().await?;
    let session = &*session;
    let days = session.days().await?;
    let counts = session.cx.all(EFFECTS_IN_FLIGHT, days.into_iter().map(|day| day_counts(session, day))).await;
    Ok(DateList { agent: session.address().to_string(), days: counts.into_iter().collect::<Result<_, _>>()? })
}

async fn day_counts(session: &Session, date: Day) -> Result<DayCounts, Error> {
    let home = &session.home;
    let count = async |folder: Place| -> Result<usize, Error> {
        let entries = session.cx.list(&folder).await?;
        Ok(entries.iter().filter(|entry| entry.kind == EntryKind::File && entry.name.ends_with(".txt")).count())
    };
    Ok(DayCounts {
        date,
        inbox: count(home.folder(date, Folder::Inbox)).await?,
        sent: count(home.folder(date, Folder::Sent)).await?,
        pending: count(home.folder(date, Folder::Outbox)).await?,
        notes: count(home.notes(date)).await?,
        memories: count(home.memories(date)).await?,
    })
}

/// Shows the folders and files of a day.
#[derive(Clone, Copy, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Tree {
    /// This day instead of today.
    pub date: Option<Day>,
}

/// The folders and files of a day.
#[derive(Debug, Serialize)]
pub struct TreeOutcome {
    /// The agent.
    pub agent: String,
    /// The day.
    pub date: Day,
    /// Everything in the day's folder, each folder before what is in it; empty when there is no such folder.
    pub entries: Vec<TreeEntry>,
}

/// A file or folder of a tree.
#[derive(Debug, Serialize)]
pub struct TreeEntry {
    /// The path below the day's folder.
    pub path: String,
    /// Whether it is a folder.
    pub folder: bool,
}

/// Shows the folders and files of a day.
///
/// # Errors
/// When a folder cannot be read.
pub async fn tree(session: &mut Session, tree: Tree) -> Result<TreeOutcome, Error> {
    session.enter().await?;
    let date = tree.date.unwrap_or_else(|| session.today());
    let day = session.home.day(date);
    let mut entries = Vec::new();
    // Folders of one depth are listed side by side.
    let mut depth = vec![(String::new(), day)];
    while !depth.is_empty() {
        let listings = session.cx.all(EFFECTS_IN_FLIGHT, depth.iter().map(|(_, place)| session.cx.list(place))).await;
        let mut deeper = Vec::new();
        for ((path, place), listing) in depth.iter().zip(listings) {
            for entry in listing? {
                let path = if path.is_empty() { entry.name.clone() } else { format!("{path}/{}", entry.name) };
                // A link, or a name that no path may hold, is shown and not followed.
                if let (EntryKind::Folder, Ok(place)) = (entry.kind, place.join(&entry.name)) {
                    deeper.push((path.clone(), place));
                }
                entries.push(TreeEntry { path, folder: entry.kind.is_folder() });
            }
        }
        depth = deeper;
    }
    entries.sort_by(|a, b| a.path.split('/').cmp(b.path.split('/')));
    Ok(TreeOutcome { agent: session.address().to_string(), date, entries })
}

/// Characters of an identity or task in the directory.
const DIRECTORY_TEXT: usize = 200;

/// The most pages of a relay's accounts that are asked for, of a thousand each.
const MOST_PAGES: usize = 10;

/// How much of them is read: enough for that many characters of any kind, with white space around.
const DIRECTORY_BYTES: u64 = 64 * 1024;

/// Lists the agents that are known.
#[derive(Clone, Copy, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Directory {}

/// The agents that are known, those of this machine first. As JSON it is an array.
#[derive(Debug, Serialize)]
#[serde(transparent)]
pub struct AgentList {
    /// The agents, each once.
    pub agents: Vec<AgentEntry>,
}

/// An agent of the directory.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct AgentEntry {
    /// The address.
    pub address: Address,
    /// The beginning of its identity, empty when it is not known.
    pub identity: String,
    /// The beginning of what it works on, empty when that is not known.
    pub doing: String,
    /// How it is known. For people: the machine form is the reference's, and has these three fields.
    #[serde(skip)]
    pub known_by: KnownBy,
}

/// How an agent is known.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum KnownBy {
    /// It has a mailbox on this machine.
    Mailbox,
    /// It has an account on this relay, which may belong to a key.
    Relay {
        /// The relay.
        server: String,
        /// The account's key, by the relay's word.
        fingerprint: Option<Fingerprint>,
    },
    /// A message came from it.
    Keyring,
}

/// Lists the agents that are known: those on this machine, those on the relays of the config, those that have written.
/// A relay that does not answer is told and left out, as is a keyring that cannot be read.
///
/// # Errors
/// When the mailboxes folder cannot be listed.
pub async fn directory(session: &mut Session, _: Directory) -> Result<AgentList, Error> {
    session.enter().await?;
    let session = &*session;
    let mut agents = neighbours(session).await?;
    let mut listed: BTreeSet<String> = agents.iter().map(|agent| agent.address.key()).collect();
    let mut others = on_relays(session).await;
    others.extend(in_keyring(session).await);
    for (address, known_by) in others {
        if listed.insert(address.key()) {
            agents.push(AgentEntry { address, identity: String::new(), doing: String::new(), known_by });
        }
    }
    Ok(AgentList { agents })
}

/// The accounts on the relays of the config, by address.
async fn on_relays(session: &Session) -> Vec<(Address, KnownBy)> {
    let relays = session.config.relays();
    let servers: Vec<ServerUrl> = relays.iter().map(|relay| relay.server.clone()).collect();
    let apis = memo::apis(&session.mailbox(), &servers).await;
    let asked = servers.iter().map(|server| {
        let speaks_2 = matches!(apis.get(server), Some(Ok(Api::Version2(_))));
        accounts_on(&session.cx, server, speaks_2)
    });
    let mut found = Vec::new();
    for (server, answer) in servers.iter().zip(session.cx.all(EFFECTS_IN_FLIGHT, asked).await) {
        match answer {
            Ok(accounts) => found.extend(accounts.into_iter().map(|(address, fingerprint)| {
                let server = server.to_string();
                (address, KnownBy::Relay { server, fingerprint })
            })),
            Err(error) => session.cx.emit(Level::Warning, format!("the agents of a relay are left out: {error}")),
        }
    }
    found.sort_by(|(a, _), (b, _)| a.cmp(b));
    found
}

/// The accounts on a relay, with their keys where it tells them.
async fn accounts_on(
    cx: &Cx,
    server: &ServerUrl,
    speaks_2: bool,
) -> Result<Vec<(Address, Option<Fingerprint>)>, RelayError> {
    let mut found = Vec::new();
    let mut after = None;
    for _ in 0..if speaks_2 { MOST_PAGES } else { 0 } {
        match version2_call::list_agents(cx, server, after.as_ref()).await {
            Ok(page) => {
                found.extend(page.agents);
                after = page.next;
            }
            Err(RelayError::NotVersion2 { .. }) => break,
            Err(error) => return Err(error),
        }
        if after.is_none() {
            return Ok(found);
        }
    }
    if found.is_empty() {
        found.extend(relay_call::agents(cx, server).await?.into_iter().map(|address| (address, None)));
    }
    Ok(found)
}

/// The senders whose key is accepted, by address.
async fn in_keyring(session: &Session) -> Vec<(Address, KnownBy)> {
    let keyring = session.mailbox().keyring().await.unwrap_or_else(|error| {
        session.cx.emit(Level::Warning, format!("the agents of the keyring are left out: {error}"));
        Keyring::default()
    });
    let names = keyring.entries().flat_map(|(key, entry)| entry.addresses().iter().map(move |name| (key, name)));
    let accepted = names.filter_map(|(key, name)| Address::parse(name).ok().filter(|it| keyring.is_accepted(it, key)));
    let addresses: BTreeSet<Address> = accepted.collect();
    addresses.into_iter().map(|address| (address, KnownBy::Keyring)).collect()
}

/// The agents that have a mailbox on this machine, this one included.
///
/// # Errors
/// When the mailboxes folder cannot be listed. A mailbox that cannot be read is listed without texts.
async fn neighbours(session: &Session) -> Result<Vec<AgentEntry>, Error> {
    let addresses = session.mailbox().neighbours().await?;
    Ok(session.cx.all(EFFECTS_IN_FLIGHT, addresses.into_iter().map(|address| agent_entry(session, address))).await)
}

async fn agent_entry(session: &Session, address: Address) -> AgentEntry {
    let home = AgentHome::new(&address);
    let days = Mailbox { home: &home, ..session.mailbox() }.days().await.unwrap_or_default();
    let newest = async |place: fn(&AgentHome, Day) -> Place| {
        let read = |day| short_text(&session.cx, place(&home, day));
        let newest = texts::newest(&session.cx, &days, read).await;
        let text = newest.ok().flatten().map(|newest| newest.text).unwrap_or_default();
        text::prefix(text::strip(&text), DIRECTORY_TEXT).to_owned()
    };
    let (identity, doing) = (newest(AgentHome::identity).await, newest(AgentHome::tasks).await);
    AgentEntry { address, identity, doing, known_by: KnownBy::Mailbox }
}

/// Another agent's text. One that cannot be read, or is too long to be one, counts as none: it is not ours to mend.
async fn short_text(cx: &Cx, place: Place) -> Result<Option<String>, Error> {
    let bytes = cx.ask(ReadFile { place, limit: DIRECTORY_BYTES }).await;
    Ok(bytes.ok().map(|bytes| text::decode(&bytes).into_owned()))
}
