//! Leases: messages on their way to whoever asked, hidden from other leases until they are delivered or given back.

use std::sync::Arc;

use parking_lot::Mutex;

use super::Shared;
use super::error::StoreError;
use super::message::{AccountId, ByAccount, Cursor, Stored};
use super::writer::Removal;

/// What is on its way: ranges of cursors, both ends included.
#[derive(Default)]
pub(crate) struct Leases {
    ranges: Mutex<ByAccount<Vec<(u64, u64)>>>,
}

impl Leases {
    /// Takes what nobody has, from the first such cursor on up to where the next lease begins.
    pub(crate) fn reserve(&self, account: AccountId, first: u64) -> (u64, u64) {
        let mut all = self.ranges.lock();
        let ranges = all.entry(account).or_default();
        ranges.sort_unstable();
        let mut range = (first, u64::MAX);
        for &(from, to) in ranges.iter() {
            if from <= range.0 && range.0 <= to {
                range.0 = to.saturating_add(1);
            } else if from > range.0 {
                range.1 = from - 1;
                break;
            }
        }
        // Nothing follows the last cursor.
        if range.0 == u64::MAX {
            range.1 = 0;
        } else {
            ranges.push(range);
        }
        range
    }

    /// Makes a lease end earlier, or nowhere.
    pub(crate) fn shrink(&self, account: AccountId, range: (u64, u64), last: Option<u64>) {
        let mut all = self.ranges.lock();
        let Some(ranges) = all.get_mut(&account) else { return };
        match (ranges.iter().position(|one| *one == range), last) {
            (Some(at), None) => {
                ranges.swap_remove(at);
            }
            (Some(at), Some(last)) => {
                if let Some(range) = ranges.get_mut(at) {
                    range.1 = last;
                }
            }
            (None, _) => {}
        }
        if ranges.is_empty() {
            all.remove(&account);
        }
    }
}

/// Messages that are handed out to one asker. Dropped without [`delivered`](Self::delivered), they are back again.
pub struct Lease {
    pub(crate) shared: Arc<Shared>,
    pub(crate) account: AccountId,
    pub(crate) range: (u64, u64),
    pub(crate) removals: u32,
    /// The messages, oldest first.
    pub messages: Vec<Stored>,
}

impl Lease {
    /// They have reached who asked: removes them. How many were still there.
    ///
    /// # Errors
    /// The files cannot be written; the messages are back again.
    pub async fn delivered(self) -> Result<usize, StoreError> {
        let found: Vec<Removal> = self.messages.iter().map(|one| (one.cursor, one.payload.len() as u64)).collect();
        if found.is_empty() {
            return Ok(0);
        }
        self.shared.remove(self.account, found, self.removals).await
    }

    /// The cursors, oldest first.
    pub fn cursors(&self) -> impl Iterator<Item = Cursor> + '_ {
        self.messages.iter().map(|one| one.cursor)
    }
}

impl Drop for Lease {
    fn drop(&mut self) {
        self.shared.leases.shrink(self.account, self.range, None);
    }
}
