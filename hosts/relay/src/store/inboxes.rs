//! The inboxes' counters, in memory: how much is in one is never counted.

use parking_lot::RwLock;

use super::message::{AccountId, ByAccount};

/// Inboxes are spread over this many maps, so that growing one keeps nobody waiting for long.
const SHARDS: usize = 64;

/// What is known of an inbox.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Inbox {
    /// How many messages are in it.
    pub(crate) count: u32,
    /// How many bytes of payload.
    pub(crate) bytes: u64,
    /// The cursor of the next message.
    pub(crate) next: u64,
    /// No message has a smaller cursor.
    pub(crate) first: u64,
    /// No message is older.
    pub(crate) oldest_ms: i64,
    /// How often something was removed; not kept on disk.
    pub(crate) removals: u32,
    /// Whether the expiry looks after it; not kept on disk.
    pub(crate) is_watched: bool,
}

impl Default for Inbox {
    fn default() -> Self {
        Self { count: 0, bytes: 0, next: 1, first: 1, oldest_ms: 0, removals: 0, is_watched: false }
    }
}

impl Inbox {
    /// Counts a message in; its cursor.
    pub(crate) fn add(&mut self, bytes: usize, now_ms: i64) -> u64 {
        let cursor = self.next;
        if self.count == 0 {
            self.first = cursor;
            self.oldest_ms = now_ms;
        }
        self.next += 1;
        self.count += 1;
        self.bytes += bytes as u64;
        cursor
    }

    /// Counts a message out.
    pub(crate) fn take(&mut self, cursor: u64, bytes: u64) {
        self.count = self.count.saturating_sub(1);
        self.bytes = self.bytes.saturating_sub(bytes);
        if cursor == self.first {
            self.first += 1;
        }
        if self.count == 0 {
            self.first = self.next;
        }
    }
}

/// All inboxes that ever held something.
pub(crate) struct Inboxes {
    shards: Vec<RwLock<ByAccount<Inbox>>>,
}

impl Default for Inboxes {
    fn default() -> Self {
        Self { shards: (0..SHARDS).map(|_| RwLock::default()).collect() }
    }
}

impl Inboxes {
    fn shard(&self, account: AccountId) -> Option<&RwLock<ByAccount<Inbox>>> {
        self.shards.get(account.0 as usize % SHARDS)
    }

    pub(crate) fn get(&self, account: AccountId) -> Inbox {
        self.shard(account).and_then(|shard| shard.read().get(&account).copied()).unwrap_or_default()
    }

    pub(crate) fn put(&self, account: AccountId, inbox: Inbox) {
        if let Some(shard) = self.shard(account) {
            shard.write().insert(account, inbox);
        }
    }

    pub(crate) fn remove(&self, account: AccountId) {
        if let Some(shard) = self.shard(account) {
            shard.write().remove(&account);
        }
    }
}
