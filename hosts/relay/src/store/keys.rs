//! The bytes of every key and value. Numbers in keys are big-endian, so that their order is that of the bytes; numbers in
//! values are little-endian. A change here is a new [`FORMAT`].

use azall_core::protocol::relay::version2::BlobName;
use bytes::Bytes;

use super::accounts::Account;
use super::blobs::Known;
use super::inboxes::Inbox;
use super::message::{AccountId, Cursor, MessageId, Stored};
use super::name::AgentName;
use crate::engine::{EngineError, Head, Key};

/// The version of all of this.
pub(crate) const FORMAT: u32 = 1;

/// In [`Table::Facts`](crate::engine::Table::Facts): the id that the next account gets.
pub(crate) const NEXT_ACCOUNT: &[u8] = b"next account";
/// In [`Table::Facts`](crate::engine::Table::Facts): followed by the id of an account that is being deleted.
pub(crate) const DELETING: &[u8] = b"deleting ";

/// A value that is not what this version writes.
fn corrupt(what: &str) -> EngineError {
    EngineError::Corrupt(what.into())
}

/// Takes numbers and bytes off the front of a value.
struct Reader<'a>(&'a [u8]);

impl<'a> Reader<'a> {
    fn array<const N: usize>(&mut self) -> Option<[u8; N]> {
        let (first, rest) = self.0.split_first_chunk()?;
        self.0 = rest;
        Some(*first)
    }

    fn bytes(&mut self, len: usize) -> Option<&'a [u8]> {
        let (first, rest) = self.0.split_at_checked(len)?;
        self.0 = rest;
        Some(first)
    }

    fn u8(&mut self) -> Option<u8> {
        self.array::<1>().map(|[byte]| byte)
    }

    fn u32(&mut self) -> Option<u32> {
        self.array().map(u32::from_le_bytes)
    }

    fn u64(&mut self) -> Option<u64> {
        self.array().map(u64::from_le_bytes)
    }

    fn i64(&mut self) -> Option<i64> {
        self.array().map(i64::from_le_bytes)
    }

    fn name(&mut self) -> Option<AgentName> {
        let len = self.u8()?;
        AgentName::parse(std::str::from_utf8(self.bytes(len.into())?).ok()?).ok()
    }

    /// The key of an account, if it has one.
    fn public_key(&mut self) -> Option<Option<[u8; 32]>> {
        match self.u8()? {
            0 => Some(None),
            1 => self.array().map(Some),
            _ => None,
        }
    }

    /// The value, if nothing is left.
    fn end<T>(self, value: T) -> Option<T> {
        self.0.is_empty().then_some(value)
    }
}

fn with_name(head: Head, name: &AgentName) -> Head {
    let text = name.as_str().as_bytes();
    head.with(&[u8::try_from(text.len()).unwrap_or(0)]).with(text)
}

fn with_public_key(head: Head, key: Option<&[u8; 32]>) -> Head {
    match key {
        None => head.with(&[0]),
        Some(key) => head.with(&[1]).with(key),
    }
}

/// A fact about the store.
pub(crate) fn fact(name: &[u8]) -> Key {
    Key::new().with(name)
}

pub(crate) fn number(value: u32) -> Head {
    Head::new().with(&value.to_le_bytes())
}

pub(crate) fn read_number(value: &[u8]) -> Result<u32, EngineError> {
    let mut reader = Reader(value);
    reader.u32().and_then(|number| reader.end(number)).ok_or_else(|| corrupt("a number"))
}

/// That an account is being deleted.
pub(crate) fn deleting(id: AccountId) -> Key {
    fact(DELETING).with(&id.0.to_be_bytes())
}

/// The account in a key that [`deleting`] made.
pub(crate) fn read_deleting(key: &[u8]) -> Result<AccountId, EngineError> {
    key.strip_prefix(DELETING).and_then(read_account_id).ok_or_else(|| corrupt("the id of an account"))
}

fn read_account_id(key: &[u8]) -> Option<AccountId> {
    key.try_into().ok().map(|bytes| AccountId(u32::from_be_bytes(bytes)))
}

/// An account, its inbox.
pub(crate) fn account(id: AccountId) -> Key {
    Key::new().with(&id.0.to_be_bytes())
}

pub(crate) fn read_account(key: &[u8]) -> Result<AccountId, EngineError> {
    read_account_id(key).ok_or_else(|| corrupt("the id of an account"))
}

pub(crate) fn account_value(account: &Account) -> Head {
    let head = Head::new().with(&account.registered_ms.to_le_bytes()).with(&account.token);
    with_public_key(with_name(head, &account.name), account.key.as_ref())
}

pub(crate) fn read_account_value(key: &[u8], value: &[u8]) -> Result<Account, EngineError> {
    let read = || {
        let id = read_account_id(key)?;
        let mut reader = Reader(value);
        let (registered_ms, token) = (reader.i64()?, reader.array()?);
        let (name, key) = (reader.name()?, reader.public_key()?);
        reader.end(Account { id, name, key, token, registered_ms })
    };
    read().ok_or_else(|| corrupt("an account"))
}

/// The account of a name.
pub(crate) fn name(name: &AgentName) -> Key {
    Key::new().with(name.as_str().as_bytes())
}

pub(crate) fn inbox_value(inbox: &Inbox) -> Head {
    Head::new()
        .with(&inbox.count.to_le_bytes())
        .with(&inbox.bytes.to_le_bytes())
        .with(&inbox.next.to_le_bytes())
        .with(&inbox.first.to_le_bytes())
        .with(&inbox.oldest_ms.to_le_bytes())
}

pub(crate) fn read_inbox_value(value: &[u8]) -> Result<Inbox, EngineError> {
    let read = || {
        let mut reader = Reader(value);
        let (count, bytes) = (reader.u32()?, reader.u64()?);
        let (next, first, oldest_ms) = (reader.u64()?, reader.u64()?, reader.i64()?);
        reader.end(Inbox { count, bytes, next, first, oldest_ms, ..Inbox::default() })
    };
    read().ok_or_else(|| corrupt("the counters of an inbox"))
}

/// A message in an inbox.
pub(crate) fn message(account: AccountId, cursor: Cursor) -> Key {
    Key::new().with(&account.0.to_be_bytes()).with(&cursor.0.to_be_bytes())
}

/// The first and the last key that a message in an inbox can have.
pub(crate) fn all_messages(account: AccountId) -> (Key, Key) {
    (message(account, Cursor(0)), message(account, Cursor(u64::MAX)))
}

pub(crate) fn read_message_key(key: &[u8]) -> Result<(AccountId, Cursor), EngineError> {
    let read = || {
        let (account, cursor) = key.split_first_chunk::<4>()?;
        Some((AccountId(u32::from_be_bytes(*account)), Cursor(u64::from_be_bytes(cursor.try_into().ok()?))))
    };
    read().ok_or_else(|| corrupt("the key of a message"))
}

/// All of a message but its payload, which follows.
pub(crate) fn message_head(id: &MessageId, from_key: Option<&[u8; 32]>) -> Head {
    let head = Head::new().with(&id.ms.to_le_bytes()).with(&id.tail.to_le_bytes());
    with_public_key(with_name(head, &id.sender), from_key)
}

pub(crate) fn read_message(cursor: Cursor, value: &Bytes) -> Result<Stored, EngineError> {
    let read = || {
        let mut reader = Reader(value);
        let (ms, tail) = (reader.i64()?, reader.u32()?);
        let (sender, from_key) = (reader.name()?, reader.public_key()?);
        let payload = value.slice(value.len() - reader.0.len()..);
        Some(Stored { cursor, id: MessageId { ms, sender, tail }, from_key, payload })
    };
    read().ok_or_else(|| corrupt("a message"))
}

/// The answer to a message that was sent with an idempotency key.
pub(crate) fn idempotency(day: u32, account: AccountId, hash: &[u8; 16]) -> Key {
    Key::new().with(&day.to_be_bytes()).with(&account.0.to_be_bytes()).with(hash)
}

/// The first and the last key that the answers of a day to an account can have.
pub(crate) fn all_answers(day: u32, account: AccountId) -> (Key, Key) {
    (idempotency(day, account, &[0; 16]), idempotency(day, account, &[0xff; 16]))
}

/// The day in a key that [`idempotency`] made.
pub(crate) fn read_idempotency_day(key: &[u8]) -> Result<u32, EngineError> {
    key.first_chunk().map(|day| u32::from_be_bytes(*day)).ok_or_else(|| corrupt("an idempotency key"))
}

/// Who was accepted, and under which id.
pub(crate) fn idempotency_value(accepted: &[(AccountId, MessageId)]) -> Vec<u8> {
    let mut value = Vec::with_capacity(accepted.len() * 16);
    for (account, id) in accepted {
        value.extend_from_slice(&account.0.to_le_bytes());
        value.extend_from_slice(&id.ms.to_le_bytes());
        value.extend_from_slice(&id.tail.to_le_bytes());
    }
    value
}

pub(crate) fn read_idempotency_value(
    sender: AgentName,
    value: &[u8],
) -> Result<Vec<(AccountId, MessageId)>, EngineError> {
    let mut reader = Reader(value);
    let mut accepted = Vec::with_capacity(value.len() / 16);
    while !reader.0.is_empty() {
        let mut read =
            || Some((AccountId(reader.u32()?), MessageId { ms: reader.i64()?, sender, tail: reader.u32()? }));
        accepted.push(read().ok_or_else(|| corrupt("the answer to an idempotency key"))?);
    }
    Ok(accepted)
}

/// A blob.
pub(crate) fn blob(name: &BlobName) -> Key {
    Key::new().with(name.as_hash())
}

pub(crate) fn read_blob(key: &[u8]) -> Result<BlobName, EngineError> {
    key.try_into().map(BlobName::from_hash).map_err(|_| corrupt("the name of a blob"))
}

/// The value in two parts.
pub(crate) fn blob_value(known: &Known) -> (Head, Bytes) {
    let head = Head::new().with(&known.size.to_le_bytes()).with(&known.expires_ms.to_le_bytes());
    (head, known.owners.iter().flat_map(|owner| owner.0.to_le_bytes()).collect())
}

pub(crate) fn read_blob_value(value: &[u8]) -> Result<Known, EngineError> {
    let read = || {
        let mut reader = Reader(value);
        let (size, expires_ms) = (reader.u64()?, reader.i64()?);
        let mut owners = Vec::new();
        while !reader.0.is_empty() {
            owners.push(AccountId(reader.u32()?));
        }
        Some(Known { size, expires_ms, owners })
    };
    read().ok_or_else(|| corrupt("a blob"))
}
