//! Answers by idempotency key: a message that is sent again is not stored again.

use std::collections::HashMap;
use std::sync::atomic::Ordering;

use bytes::Bytes;
use sha2::{Digest, Sha256};

use super::Shared;
use super::accounts::Account;
use super::clock::millis;
use super::error::StoreError;
use super::keys;
use super::message::{AccountId, IdempotencyKey, MessageId};
use crate::engine::{Batch, Head, Table};

/// Answers lie under the day on which they were given, so that old ones are found together.
const DAY_MS: i64 = 24 * 3600 * 1000;

/// The day of a time.
pub(crate) fn day(ms: i64) -> u32 {
    u32::try_from(ms.div_euclid(DAY_MS)).unwrap_or(0)
}

/// The first day of which answers are still good.
pub(crate) fn oldest_day(shared: &Shared, now_ms: i64) -> u32 {
    day(now_ms.saturating_sub(millis(shared.limits.message_ttl)))
}

/// The answer to one message.
pub(crate) struct KeyedAnswer {
    account: AccountId,
    hash: [u8; 16],
    day: u32,
    accepted: Vec<(AccountId, MessageId)>,
    is_changed: bool,
}

impl KeyedAnswer {
    pub(crate) fn accepted(&self) -> &[(AccountId, MessageId)] {
        &self.accepted
    }

    pub(crate) fn accept(&mut self, to: AccountId, id: MessageId) {
        self.accepted.push((to, id));
        self.is_changed = true;
    }
}

/// Day and recipients.
type Given = (u32, Vec<(AccountId, MessageId)>);

/// The answers that a batch will have given.
#[derive(Default)]
pub(crate) struct Answers {
    given: HashMap<(AccountId, [u8; 16]), Given>,
}

impl Answers {
    /// What was answered to this key before, if anything.
    pub(crate) fn find(
        &self,
        shared: &Shared,
        sender: &Account,
        key: &IdempotencyKey,
        now_ms: i64,
    ) -> Result<KeyedAnswer, StoreError> {
        let hash = hash(key);
        let account = sender.id;
        let known = match self.given.get(&(account, hash)) {
            Some(given) => Some(given.clone()),
            None => read(shared, sender, &hash, now_ms)?,
        };
        let (day, accepted) = known.unwrap_or_else(|| (day(now_ms), Vec::new()));
        Ok(KeyedAnswer { account, hash, day, accepted, is_changed: false })
    }

    /// Adds an answer to the batch.
    pub(crate) fn keep(&mut self, answer: KeyedAnswer, batch: &mut Batch) {
        if answer.is_changed {
            let key = keys::idempotency(answer.day, answer.account, &answer.hash);
            let value = keys::idempotency_value(&answer.accepted);
            batch.put(Table::Idempotency, key, Head::new(), Bytes::from(value));
            self.given.insert((answer.account, answer.hash), (answer.day, answer.accepted));
        }
    }
}

/// Looks at every day of which there are answers; only those still good count.
fn read(shared: &Shared, sender: &Account, hash: &[u8; 16], now_ms: i64) -> Result<Option<Given>, StoreError> {
    let kept_since = shared.first_answer_day.load(Ordering::Relaxed);
    let oldest_ms = now_ms.saturating_sub(millis(shared.limits.message_ttl));
    for day in (day(oldest_ms).max(kept_since)..=day(now_ms)).rev() {
        let key = keys::idempotency(day, sender.id, hash);
        let Some(value) = shared.engine.read(Table::Idempotency, key.bytes())? else { continue };
        let mut accepted = keys::read_idempotency_value(sender.name, &value)?;
        accepted.retain(|(_, id)| id.ms > oldest_ms);
        if !accepted.is_empty() {
            return Ok(Some((day, accepted)));
        }
    }
    Ok(None)
}

fn hash(key: &IdempotencyKey) -> [u8; 16] {
    let digest: [u8; 32] = Sha256::digest(key.as_str().as_bytes()).into();
    digest.first_chunk().copied().unwrap_or_default()
}
