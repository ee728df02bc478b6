//! Facts about a store, for people and for metrics.

use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

use super::inboxes::Inbox;

/// How much is in the store, and what has happened since it was opened.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
#[non_exhaustive]
pub struct Facts {
    /// Accounts.
    pub accounts: u64,
    /// Messages that wait.
    pub messages: u64,
    /// Their payloads, in bytes.
    pub message_bytes: u64,
    /// Blobs that are complete.
    pub blobs: u64,
    /// Their size in bytes.
    pub blob_bytes: u64,
    /// Messages stored since the store was opened.
    pub appended: u64,
    /// Messages removed since then, expired ones included.
    pub removed: u64,
    /// Messages expired since then.
    pub expired: u64,
    /// Commits since then.
    pub commits: u64,
    /// Requests that wait for the writer.
    pub queued: u64,
    /// Accounts at which somebody waits for messages.
    pub doorbells: u64,
}

/// What is counted as it happens.
pub(crate) struct Counters {
    pub(crate) messages: AtomicU64,
    pub(crate) message_bytes: AtomicU64,
    pub(crate) appended: AtomicU64,
    pub(crate) removed: AtomicU64,
    pub(crate) expired: AtomicU64,
    pub(crate) commits: AtomicU64,
    /// Whether the last commit went well.
    pub(crate) is_writable: AtomicBool,
}

impl Default for Counters {
    fn default() -> Self {
        let zero = AtomicU64::default;
        Self {
            messages: zero(),
            message_bytes: zero(),
            appended: zero(),
            removed: zero(),
            expired: zero(),
            commits: zero(),
            is_writable: AtomicBool::new(true),
        }
    }
}

impl Counters {
    /// An inbox has become another. The numbers wrap, so that the order of addition means nothing.
    pub(crate) fn count(&self, before: &Inbox, after: &Inbox) {
        let messages = u64::from(after.count).wrapping_sub(before.count.into());
        self.messages.fetch_add(messages, Ordering::Relaxed);
        self.message_bytes.fetch_add(after.bytes.wrapping_sub(before.bytes), Ordering::Relaxed);
    }
}
