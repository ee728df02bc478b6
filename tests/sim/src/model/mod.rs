//! What must be true of the mailboxes once everything has come to rest, whoever wrote them.
//!
//! The model knows nothing of effects, locks or schedules. It looks at plain trees of files, one per disk, and at a [`Log`]
//! of what was asked and what the commands answered, and says what is [wrong](check). So it judges a simulated world and a
//! folder of real files of a real program alike: read the folder into a [`Tree`], note in the log what was run, call
//! [`check`].
//!
//! A message is known by its *marker*: a text of its own (`marker:17`) that is the first line of its body. Ids and file
//! names differ between transports and copies; a marker does not.
//!
//! Four excuses are known, and all are counted by whoever carries the messages or sets the clocks, never guessed:
//! - **A relay lost it.** A relay of version 1 deletes what it hands out. A copy that it handed out in an answer which no
//!   living client made durable, or held in memory when it crashed, is [lost](Log::lost); a recipient may go without a
//!   message if *every* copy that any relay took for it was lost.
//! - **The recipient's filter turned it away**: a pattern that matches the sender was, or may have been, in force at some
//!   time after the message was sent ([`Block`]).
//! - **A relay lost a blob**, or the clock was set so that its time seemed over: then a notice stands in the place of the attachment,
//!   the message counts as one that somebody changed, and may be there once more, whole, by another relay.
//! - **A neighbour dropped it and the clock was set.** What neighbours drop is found by the time of its last change, in the
//!   inboxes of the last days. A message that was dropped before the clock was set forward by days, or while it showed a
//!   time before the last look, may not be looked over: it is in the inbox and can be read, but carries no verdict, its key
//!   need not be in the keyring, and a relay may have brought it as well, if a clock of its disk was [set](Log::clock_set).

mod delivery;
mod files;

use std::collections::{BTreeMap, BTreeSet};

use azall_core::protocol::envelope::Opened;
use azall_core::protocol::filter::Pattern;
use azall_core::protocol::message::Headers;

use crate::disk::Tree;

pub use files::{Filed, secrets};

/// How a marker begins.
const MARKER: &str = "marker:";

/// A mailbox and where it lies.
#[derive(Clone, Debug, Default)]
pub struct Mailbox {
    /// The agent's address.
    pub address: String,
    /// The index of its disk among the trees.
    pub disk: usize,
    /// The agent's folder in the tree, without a slash at its end.
    pub home: String,
    /// Its config file in the tree.
    pub config: String,
}

/// A message that a `send` or `reply` was asked to send.
#[derive(Clone, Debug)]
pub struct Asked {
    /// Its marker.
    pub marker: String,
    /// The index of the sender's mailbox.
    pub from: usize,
    /// When, in the log's own count.
    pub at: u64,
    /// Whether the command answered that it is queued or sent.
    pub acknowledged: bool,
    /// The files that go with it.
    pub attachments: Vec<(String, Vec<u8>)>,
}

/// A text that a command was asked to keep and said that it did.
#[derive(Clone, Debug)]
pub struct Kept {
    /// The index of the mailbox.
    pub mailbox: usize,
    /// The folder of a day: `remember` or `notes`.
    pub folder: &'static str,
    /// A line that must be in one of its files.
    pub line: String,
}

/// A pattern on a mailbox's blacklist.
#[derive(Clone, Debug)]
pub struct Block {
    /// The index of the mailbox.
    pub mailbox: usize,
    /// The pattern.
    pub pattern: String,
    /// Whether the command said that it is on the list, and nobody took it off.
    pub acknowledged: bool,
    /// When it was taken off again for sure; `None` while it may be in force.
    pub until: Option<u64>,
}

impl Block {
    /// Whether the pattern is of this sender.
    #[must_use]
    pub fn is_of(&self, sender: &str) -> bool {
        Pattern::new(&self.pattern).is_ok_and(|pattern| pattern.matches(sender))
    }
}

/// A token that bound a mailbox.
#[derive(Clone, Debug)]
pub struct Bound {
    /// The index of the mailbox.
    pub mailbox: usize,
    /// The token.
    pub token: String,
    /// Its nonce, hex.
    pub nonce: String,
}

/// What was asked, and what the commands answered.
#[derive(Clone, Debug, Default)]
pub struct Log {
    /// Messages.
    pub asked: Vec<Asked>,
    /// Memories and notes that were acknowledged.
    pub kept: Vec<Kept>,
    /// Patterns.
    pub blocks: Vec<Block>,
    /// By mailbox: fingerprints that a keyring write which was acknowledged held.
    pub pinned: BTreeMap<usize, BTreeSet<String>>,
    /// Bindings that a command reported.
    pub bound: Vec<Bound>,
    /// By mailbox: servers that `relay add` said it added.
    pub relays: Vec<(usize, String)>,
    /// Marker and mailbox of a message that a person dropped from those held.
    pub dropped: BTreeSet<(String, usize)>,
    /// By marker and mailbox: how many copies relays have taken.
    pub copies: BTreeMap<(String, usize), u64>,
    /// Disks of machines whose clock was set back, or forward by hours.
    pub clock_set: BTreeSet<usize>,
    /// Whether a relay has lost blobs, or spoke version 1 alone for a while: then a message may be there with a notice in the
    /// place of an attachment.
    pub blobs_lost: bool,
    /// By marker and mailbox: how many of these copies a relay lost.
    pub lost: BTreeMap<(String, usize), u64>,
}

impl Log {
    /// Notes that a relay took a copy.
    pub fn copied(&mut self, marker: &str, mailbox: usize) {
        *self.copies.entry((marker.to_owned(), mailbox)).or_default() += 1;
    }

    /// Notes that a relay lost a copy.
    pub fn lose(&mut self, marker: &str, mailbox: usize) {
        *self.lost.entry((marker.to_owned(), mailbox)).or_default() += 1;
    }
}

/// The marker of a message's body; empty when it has none.
#[must_use]
pub fn marker_of(body: &str) -> String {
    let none = Headers::default();
    let opened = Opened::read(&none, body);
    let line = opened.text().lines().next().unwrap_or_default();
    if line.starts_with(MARKER) { line.to_owned() } else { String::new() }
}

/// The marker with this number.
#[must_use]
pub fn marker(number: u64) -> String {
    format!("{MARKER}{number}")
}

/// Everything that is wrong, a line each; empty when all is well.
///
/// `roots` are, by disk, the folders and files below which everything must lie.
#[must_use]
pub fn check(disks: &[Tree], mailboxes: &[Mailbox], roots: &[Vec<String>], log: &Log) -> Vec<String> {
    let mut wrong = Vec::new();
    for (tree, roots) in disks.iter().zip(roots) {
        let is_inside = |path: &str| roots.iter().any(|root| path == root || path.starts_with(&format!("{root}/")));
        wrong.extend(
            tree.keys().filter(|path| !is_inside(path)).map(|path| format!("{path} lies outside of every root")),
        );
    }
    let contents: Vec<files::Contents> =
        mailboxes.iter().map(|mailbox| files::Contents::read(&disks[mailbox.disk], mailbox, &mut wrong)).collect();
    delivery::check(mailboxes, &contents, log, &mut wrong);
    check_kept(mailboxes, disks, log, &mut wrong);
    check_keys(mailboxes, &contents, log, &mut wrong);
    check_config(mailboxes, &contents, log, &mut wrong);
    wrong
}

/// Memories and notes are there, and the index of memories lists them.
fn check_kept(mailboxes: &[Mailbox], disks: &[Tree], log: &Log, wrong: &mut Vec<String>) {
    for kept in &log.kept {
        let mailbox = &mailboxes[kept.mailbox];
        let tree = &disks[mailbox.disk];
        let folder = format!("/{}/", kept.folder);
        let below = format!("{}/", mailbox.home);
        let holds = |bytes: &[u8]| String::from_utf8_lossy(bytes).lines().any(|line| line == kept.line);
        let found = tree
            .range(below.clone()..)
            .take_while(|(path, _)| path.starts_with(&below))
            .find(|(path, bytes)| path.contains(&folder) && path.ends_with(".txt") && holds(bytes));
        let Some((path, _)) = found else {
            wrong.push(format!("{}: {:?} was kept in {} and is gone", mailbox.address, kept.line, kept.folder));
            continue;
        };
        let index = tree.get(&format!("{}/remember_index.txt", mailbox.home)).map(Vec::as_slice).unwrap_or_default();
        let shown = path.strip_prefix(&below).unwrap_or(path);
        if kept.folder == "remember" && !String::from_utf8_lossy(index).contains(shown) {
            wrong.push(format!("{}: the index of memories does not list {shown}", mailbox.address));
        }
    }
}

/// Keys once pinned stay, nonces once burned stay burned, a token binds once.
fn check_keys(mailboxes: &[Mailbox], contents: &[files::Contents], log: &Log, wrong: &mut Vec<String>) {
    for (mailbox, pinned) in &log.pinned {
        let lost = pinned.difference(&contents[*mailbox].keys);
        wrong.extend(lost.map(|key| format!("{}: the keyring has lost the key {key}", mailboxes[*mailbox].address)));
    }
    for (at, (mailbox, contents)) in mailboxes.iter().zip(contents).enumerate() {
        let is_looked_over = |filed: &&Filed| filed.has_verdict || !log.clock_set.contains(&mailbox.disk);
        // Blocked between its first and its second time, it is stored, and not learned from again.
        let is_blocked =
            |filed: &&Filed| log.blocks.iter().any(|block| block.mailbox == at && block.is_of(&filed.from));
        let incoming = contents.filed.iter().filter(|filed| filed.is_incoming() && !filed.has_notice());
        let learned = incoming.filter(is_looked_over).filter(|filed| !is_blocked(filed));
        let keys: BTreeSet<&String> = learned.filter_map(|filed| filed.proven_key.as_ref()).collect();
        let unknown = keys.into_iter().filter(|key| !contents.keys.contains(*key));
        let tell = |key| format!("{}: a message by {key}, which the keyring does not know", mailbox.address);
        wrong.extend(unknown.map(tell));
    }
    for (at, bound) in log.bound.iter().enumerate() {
        let address = &mailboxes[bound.mailbox].address;
        if log.bound[..at].iter().any(|earlier| earlier.token == bound.token) {
            wrong.push(format!("{address}: one token has bound twice"));
        }
        if !contents[bound.mailbox].nonces.contains(&bound.nonce) {
            wrong.push(format!("{address}: the nonce {} of a token that was used is not burned", bound.nonce));
        }
    }
}

/// What a command said that it changed in the config is changed.
fn check_config(mailboxes: &[Mailbox], contents: &[files::Contents], log: &Log, wrong: &mut Vec<String>) {
    for block in log.blocks.iter().filter(|block| block.acknowledged) {
        if !contents[block.mailbox].blacklist.contains(&block.pattern) {
            wrong.push(format!("{}: {} is no longer blocked", mailboxes[block.mailbox].address, block.pattern));
        }
    }
    for (mailbox, server) in &log.relays {
        if !contents[*mailbox].servers.contains(server) {
            wrong.push(format!("{}: the relay {server} is no longer in the config", mailboxes[*mailbox].address));
        }
    }
}
