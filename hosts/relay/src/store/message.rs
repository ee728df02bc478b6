//! Messages, as they are handed in and out.

use std::collections::HashMap;
use std::fmt;
use std::hash::{BuildHasherDefault, Hasher};
use std::str::FromStr;
use std::sync::Arc;

use bytes::Bytes;

use super::name::AgentName;

/// An account. Ids count up and are never used again.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct AccountId(pub(crate) u32);

impl AccountId {
    /// The account of this number, which may never have been given.
    pub(crate) fn from_number(number: u64) -> Option<Self> {
        u32::try_from(number).ok().map(Self)
    }

    pub(crate) fn number(self) -> u64 {
        self.0.into()
    }
}

/// A map by account. Ids are given by the relay, so that nobody can choose them to collide.
pub(crate) type ByAccount<T> = HashMap<AccountId, T, BuildHasherDefault<SpreadId>>;

/// Spreads the ids of accounts, which count up.
#[derive(Default)]
pub(crate) struct SpreadId(u64);

impl Hasher for SpreadId {
    fn finish(&self) -> u64 {
        self.0
    }

    fn write(&mut self, bytes: &[u8]) {
        bytes.iter().for_each(|byte| self.write_u32(u32::from(*byte)));
    }

    fn write_u32(&mut self, id: u32) {
        self.0 = (self.0 ^ u64::from(id)).wrapping_add(1).wrapping_mul(0x9e37_79b9_7f4a_7c15).rotate_left(32);
    }
}

/// The place of a message in its inbox. A later message has a greater one; none is used twice.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub struct Cursor(pub(crate) u64);

impl fmt::Display for Cursor {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.0)
    }
}

/// Text that is not a cursor.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("not a cursor of this relay")]
pub struct BadCursor;

impl FromStr for Cursor {
    type Err = BadCursor;

    fn from_str(text: &str) -> Result<Self, BadCursor> {
        if text.len() > 20 || !text.bytes().all(|byte| byte.is_ascii_digit()) {
            return Err(BadCursor);
        }
        text.parse().map(Self).map_err(|_| BadCursor)
    }
}

/// The id of a message: `<unix ms>_<sender>_<8 hex>`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct MessageId {
    pub(crate) ms: i64,
    pub(crate) sender: AgentName,
    pub(crate) tail: u32,
}

impl fmt::Display for MessageId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}_{}_{:08x}", self.ms, self.sender, self.tail)
    }
}

/// What makes a repeated send harmless: 1 to 128 visible ASCII characters, chosen by the sender.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct IdempotencyKey(Arc<str>);

/// Text that is not an idempotency key.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("an idempotency key is 1 to 128 visible ASCII characters")]
pub struct BadIdempotencyKey;

impl IdempotencyKey {
    /// Takes a key.
    ///
    /// # Errors
    /// It is not one.
    pub fn parse(text: &str) -> Result<Self, BadIdempotencyKey> {
        let good = (1..=128).contains(&text.len()) && text.bytes().all(|byte| byte.is_ascii_graphic());
        if good { Ok(Self(text.into())) } else { Err(BadIdempotencyKey) }
    }

    pub(crate) fn as_str(&self) -> &str {
        &self.0
    }
}

/// A message to be stored.
#[derive(Debug, Clone)]
pub struct Outgoing {
    /// To whom; who is refused already stays so.
    pub to: Vec<Result<AccountId, Refusal>>,
    /// What; never looked into.
    pub payload: Bytes,
    /// Makes repeating harmless.
    pub idempotency_key: Option<IdempotencyKey>,
}

/// Why a message was not stored for a recipient.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, thiserror::Error)]
#[non_exhaustive]
pub enum Refusal {
    /// The recipient must fetch something first.
    #[error("the recipient's inbox is full")]
    InboxFull,
    /// Larger than this relay takes.
    #[error("the message is too large")]
    TooLarge,
    /// Nobody of that name.
    #[error("there is no such agent here")]
    NoSuchAgent,
    /// Not an address of this relay. Never decided by the store.
    #[error("not an address of this relay")]
    BadAddress,
}

/// A message that waits.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Stored {
    /// Its place in the inbox.
    pub cursor: Cursor,
    /// Its id.
    pub id: MessageId,
    /// The key that the sender's account had when it sent.
    pub from_key: Option<[u8; 32]>,
    /// What was sent.
    pub payload: Bytes,
}

impl Stored {
    /// Who sent it.
    #[must_use]
    pub fn from_name(&self) -> AgentName {
        self.id.sender
    }

    /// When it came, in unix milliseconds.
    #[must_use]
    pub fn timestamp_ms(&self) -> i64 {
        self.id.ms
    }
}

/// Some of what waits in an inbox, oldest first.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Page {
    /// The messages.
    pub messages: Vec<Stored>,
    /// Where to go on.
    pub next: Cursor,
}

/// A message that waits, without its payload.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Waiting {
    /// Its place in the inbox.
    pub cursor: Cursor,
    /// Its id.
    pub id: MessageId,
}
