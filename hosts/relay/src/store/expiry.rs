//! What has waited too long is removed: a few messages with each commit, found by a heap of the inboxes that hold
//! something, never by a sweep over everything.

use std::cmp::Reverse;
use std::collections::BinaryHeap;
use std::ops::ControlFlow;
use std::sync::atomic::Ordering;

use super::Shared;
use super::error::StoreError;
use super::idempotency;
use super::keys;
use super::message::{AccountId, Cursor};
use super::writer::Removal;
use crate::engine::{Batch, Key, Table};

/// No more messages than this with one commit.
const MESSAGES: usize = 500;
/// No more inboxes than this with one commit.
const INBOXES: usize = 500;
/// No more answers to idempotency keys than this with one commit.
const ANSWERS: usize = 500;

/// An inbox, what in it has expired, and how old the rest of it may be.
pub(crate) type Due = (AccountId, Vec<Removal>, i64);

/// Which inbox to look at when.
pub(crate) struct Expiry {
    ttl_ms: i64,
    /// By the time before which nothing in the inbox came. Each inbox is in here once at most.
    watched: BinaryHeap<Reverse<(i64, AccountId)>>,
    /// Answers before this one are gone.
    forgotten: Option<Key>,
}

impl Expiry {
    pub(crate) fn new(ttl_ms: i64) -> Self {
        Self { ttl_ms, watched: BinaryHeap::new(), forgotten: None }
    }

    pub(crate) fn watch(&mut self, account: AccountId, oldest_ms: i64) {
        self.watched.push(Reverse((oldest_ms, account)));
    }

    pub(crate) fn is_due(&self, now_ms: i64) -> bool {
        self.watched.peek().is_some_and(|Reverse((oldest_ms, _))| oldest_ms.saturating_add(self.ttl_ms) <= now_ms)
    }

    /// Some inboxes in which something may have expired. They are watched no more.
    pub(crate) fn due(&mut self, shared: &Shared, now_ms: i64) -> Result<Vec<Due>, StoreError> {
        let mut all = Vec::new();
        let mut left = MESSAGES;
        while left > 0 && all.len() < INBOXES && self.is_due(now_ms) {
            let Some(Reverse((oldest_ms, account))) = self.watched.pop() else { break };
            match self.expired(shared, account, now_ms, left) {
                Ok(due) => {
                    left = left.saturating_sub(due.1.len());
                    all.push(due);
                }
                Err(error) => {
                    self.watch(account, oldest_ms);
                    all.into_iter().for_each(|(account, ..)| self.watch(account, oldest_ms));
                    return Err(error);
                }
            }
        }
        Ok(all)
    }

    fn expired(&self, shared: &Shared, account: AccountId, now_ms: i64, most: usize) -> Result<Due, StoreError> {
        let inbox = shared.inboxes.get(account);
        let mut found = Vec::new();
        let mut rest_ms = now_ms;
        if inbox.count == 0 {
            return Ok((account, found, rest_ms));
        }
        let mut failed = None;
        let (first, last) = (keys::message(account, Cursor(inbox.first)), keys::message(account, Cursor(u64::MAX)));
        shared.engine.scan(Table::Messages, first.bytes(), last.bytes(), &mut |key, value| {
            let read = keys::read_message_key(key).and_then(|(_, cursor)| keys::read_message(cursor, &value));
            match read {
                Ok(message) if message.id.ms.saturating_add(self.ttl_ms) <= now_ms && found.len() < most => {
                    found.push((message.cursor, message.payload.len() as u64));
                    ControlFlow::Continue(())
                }
                Ok(message) => {
                    rest_ms = message.id.ms;
                    ControlFlow::Break(())
                }
                Err(error) => {
                    failed = Some(error);
                    ControlFlow::Break(())
                }
            }
        })?;
        match failed {
            None => Ok((account, found, rest_ms)),
            Some(error) => Err(error.into()),
        }
    }

    /// Removes some of the answers to idempotency keys that are too old to count.
    pub(crate) fn forget_answers(&mut self, shared: &Shared, batch: &mut Batch, now_ms: i64) -> Result<(), StoreError> {
        let good_day = idempotency::oldest_day(shared, now_ms);
        if shared.first_answer_day.load(Ordering::Relaxed) >= good_day {
            return Ok(());
        }
        // Where it was left off: what has been removed before that need not be passed over again.
        let first = self.forgotten.unwrap_or_default();
        let last = keys::idempotency(good_day.saturating_sub(1), AccountId(u32::MAX), &[0xff; 16]);
        let mut left = ANSWERS;
        shared.engine.scan(Table::Idempotency, first.bytes(), last.bytes(), &mut |key, _| {
            let key = Key::new().with(key);
            batch.remove(Table::Idempotency, key);
            self.forgotten = Some(key);
            left -= 1;
            if left == 0 { ControlFlow::Break(()) } else { ControlFlow::Continue(()) }
        })?;
        if left == ANSWERS {
            shared.first_answer_day.store(good_day, Ordering::Relaxed);
        }
        Ok(())
    }
}
