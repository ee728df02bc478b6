//! One delivery cycle over any number of transports: what waits goes out, what came in is stored, durably and once.
//!
//! | file | what it does |
//! |---|---|
//! | [`plan`] | which transports can carry a message to a recipient; pure |
//! | [`outbox`] | delivers what waits, keeps the state per recipient, gives up with a notice |
//! | `post` | what one relay is given: message by message in version 1, in batches in version 2 |
//! | [`fetch`] | what relays have; of version 1, into the spool before anything else happens to it |
//! | `collect` | what a relay of version 2 has: stored, then acknowledged |
//! | `blobs` | attachments that lie at a relay |
//! | [`receive`] | from a transport to the inbox: filter, verify, policy, dedupe |
//! | [`listen`] | waits at relays of version 2 for what comes |
//! | [`adopt`] | looks over what others dropped into the inbox, and what a process that died had stored |
//! | [`memo`] | which API a relay speaks, and what else a run has found out |

pub mod adopt;
mod blobs;
mod collect;
pub mod fetch;
pub mod listen;
pub mod memo;
mod open_days;
pub mod outbox;
pub mod plan;
mod post;
pub mod receive;
pub mod relay_call;
pub mod version2_call;

use serde::Serialize;

use crate::engine;
use crate::engine::cx::Cx;
use crate::engine::effect::EntryKind;
use crate::protocol::address::Address;
use crate::protocol::config::{Config, RelayAccount, Secret};
use crate::protocol::dedupe::{Save, SeenIds};
use crate::protocol::filter::{Filter, Pattern};
use crate::protocol::id::MessageId;
use crate::protocol::keyring::{Keyring, KeyringError};
use crate::protocol::layout::{AgentHome, Folder, PathError, Place, RelPath, Root};
use crate::protocol::time::Day;
use crate::protocol::verdict::VerdictSeal;

/// What stops a cycle. What a single transport or message has wrong is in the [`Report`] instead.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// An effect failed, or the operation was cancelled.
    #[error(transparent)]
    Engine(#[from] engine::error::Error),
    /// A name is no path.
    #[error(transparent)]
    Path(#[from] PathError),
    /// The keyring is damaged: nothing is received until it is mended, since every key would look new.
    #[error("{place}: {source}")]
    Keyring {
        /// The keyring file.
        place: Place,
        /// What is wrong with it.
        source: KeyringError,
    },
    /// Other processes keep taking the names of a message that is to be stored. It stays in the spool.
    #[error("other files took the names of message {id} in {place}; run the command again")]
    Taken {
        /// The folder.
        place: Place,
        /// The message.
        id: MessageId,
    },
}

/// What a cycle works on.
#[derive(Clone, Copy)]
pub struct Mailbox<'a> {
    /// The door to the host.
    pub cx: &'a Cx,
    /// The config.
    pub config: &'a Config,
    /// The agent's paths.
    pub home: &'a AgentHome,
    /// What this run has found out.
    pub memo: &'a memo::Memo,
}

/// What a cycle did.
#[derive(Debug, Default, Serialize)]
pub struct Report {
    /// Messages that waited, and what became of them.
    pub delivered: Vec<outbox::Delivery>,
    /// Messages that came in.
    pub received: Vec<receive::Received>,
    /// Messages that came again and are here already.
    pub repeated: usize,
    /// Messages that the address filter turned away.
    pub blocked: usize,
    /// What each relay said.
    pub relays: Vec<fetch::RelayReport>,
}

impl Report {
    /// What went wrong, a line each.
    pub fn problems(&self) -> impl Iterator<Item = &str> {
        self.relays.iter().filter_map(|relay| relay.problem.as_deref())
    }
}

/// Runs one cycle: delivers what waits, finishes what an earlier cycle had fetched, looks over what was dropped in, fetches from every
/// relay but those that somebody [listens](listen) to.
///
/// # Errors
/// When the mailbox itself cannot be read or written. A transport that fails is in the report, and the others are served.
pub async fn cycle(mailbox: &Mailbox<'_>, listening: &[RelayAccount]) -> Result<Report, Error> {
    let mut report = Report { delivered: outbox::deliver_all(mailbox).await?, ..Report::default() };
    receive_all(mailbox, listening, &mut report).await?;
    Ok(report)
}

async fn receive_all(mailbox: &Mailbox<'_>, listening: &[RelayAccount], report: &mut Report) -> Result<(), Error> {
    let mut stored = fetch::resume(mailbox).await?;
    // Before anything new comes: what lies in the inbox and was not entered yet may come again over a relay.
    stored.add(adopt::adopt(mailbox).await?);
    let (relays, fetched) = fetch::fetch(mailbox, listening).await?;
    stored.add(fetched);
    report.received = stored.received;
    report.repeated = stored.repeated;
    report.blocked = stored.blocked;
    report.relays = relays;
    Ok(())
}

impl Mailbox<'_> {
    /// The address filter.
    #[must_use]
    pub fn filter(&self) -> Filter {
        let settings = self.config.filter();
        let patterns = |globs: &[String]| globs.iter().filter_map(|glob| Pattern::new(glob).ok()).collect();
        Filter {
            mode: settings.mode,
            blacklist: patterns(&settings.blacklist),
            whitelist: patterns(&settings.whitelist),
            log_blocked: settings.log_blocked,
        }
    }

    /// Seals and reads `Verdict` headers.
    #[must_use]
    pub fn seal(&self) -> VerdictSeal {
        VerdictSeal::new(self.config.agent_key().map_or("", Secret::expose).as_bytes())
    }

    /// The keyring; empty when there is none yet.
    ///
    /// # Errors
    /// When it is damaged or cannot be read.
    pub async fn keyring(&self) -> Result<Keyring, Error> {
        let place = self.home.keyring();
        let Some(bytes) = self.cx.read(&place).await? else { return Ok(Keyring::default()) };
        Keyring::parse(&bytes).map_err(|source| Error::Keyring { place, source })
    }

    /// The addresses that are mine: the agent's, and its accounts on relays.
    #[must_use]
    pub fn addresses(&self) -> Vec<Address> {
        let mut mine = vec![self.config.agent().clone()];
        mine.extend(self.config.relays().iter().filter_map(|relay| relay.address.clone()));
        mine
    }

    /// Whether an address is mine, under the name that relays know it by too: to them `alice` is `alice.agenttalk`. One that
    /// certifies a key is mine only if it is this agent's, as far as [that is known](memo::learn_own_key).
    #[must_use]
    pub fn is_mine(&self, address: &Address) -> bool {
        let on_relays = plan::relay_name(address);
        let short = on_relays.as_ref().and_then(Address::uncertified);
        let is_own_key = short.is_some() && address.certified_fingerprint() == self.memo.own_key();
        let is_it = |mine: &Address| {
            mine.same_as(address)
                || on_relays.as_ref().is_some_and(|name| mine.same_as(name))
                // My own may be the certified one, and then the short one names the same account.
                || mine.uncertified().is_some_and(|mine| on_relays.as_ref().is_some_and(|name| mine.same_as(name)))
                || (is_own_key && short.as_ref().is_some_and(|short| mine.same_as(short)))
        };
        self.addresses().iter().any(is_it)
    }

    /// The days of this mailbox, oldest first.
    ///
    /// # Errors
    /// When the agent's folder cannot be listed.
    pub async fn days(&self) -> Result<Vec<Day>, Error> {
        let entries = self.cx.list(&self.home.dir()).await?;
        let folders = entries.iter().filter(|entry| entry.kind.is_folder());
        Ok(folders.filter_map(|entry| Day::parse(&entry.name)).collect())
    }

    /// The addresses that have a folder among the mailboxes.
    ///
    /// # Errors
    /// When the mailboxes folder cannot be listed.
    pub async fn neighbours(&self) -> Result<Vec<Address>, Error> {
        let entries = self.cx.list(&Place::new(Root::Mailboxes, RelPath::default())).await?;
        let folders = entries.iter().filter(|entry| entry.kind.is_folder());
        Ok(folders.filter_map(|entry| Address::parse(&entry.name).ok()).collect())
    }

    /// The ids of messages received so far.
    ///
    /// # Errors
    /// When they cannot be read.
    pub async fn seen(&self) -> Result<SeenIds, Error> {
        let bytes = self.cx.read(&self.home.seen_ids()).await?.unwrap_or_default();
        Ok(SeenIds::parse(&bytes, receive::SEEN_IDS))
    }

    /// Moves a message with its attachments from one folder of a day to another. A crash leaves it whole in one of them,
    /// and at most a copy of its attachments in the other.
    ///
    /// # Errors
    /// When a file cannot be read, written or moved.
    pub async fn refile(&self, day: Day, id: &MessageId, from: Folder, to: Folder) -> Result<(), Error> {
        let (old, new) = (self.home.attachments(day, from, id), self.home.attachments(day, to, id));
        let entries = self.cx.list(&old).await?;
        for entry in entries.iter().filter(|entry| entry.kind == EntryKind::File) {
            if let Some(bytes) = self.cx.read(&old.join(&entry.name)?).await? {
                self.cx.write(&new.join(&entry.name)?, bytes).await?;
            }
        }
        self.cx.rename(&self.home.message(day, from, id), &self.home.message(day, to, id)).await?;
        if !entries.is_empty() {
            self.cx.remove(&old).await?;
        }
        Ok(())
    }

    /// Writes what is new in the seen ids: added to the file, or the whole file once it has grown too long.
    ///
    /// # Errors
    /// When it cannot be written.
    pub async fn write_seen(&self, seen: &mut SeenIds) -> Result<(), Error> {
        let place = self.home.seen_ids();
        match seen.unsaved() {
            Save::Nothing => {}
            Save::Append(lines) => self.cx.append(&place, lines, false).await?,
            Save::Rewrite(text) => self.cx.write(&place, text).await?,
        }
        seen.mark_saved();
        Ok(())
    }
}
