//! Calls of version 2 of a relay as effects.

use super::relay_call::{CALL_TIMEOUT_MS, PART_TIMEOUT_MS, call, reply, token};
use crate::engine::cx::Cx;
use crate::protocol::address::Address;
use crate::protocol::config::RelayAccount;
use crate::protocol::identity::Identity;
use crate::protocol::relay::version2::{
    self, AgentCard, BlobName, Challenge, Cursor, Entry, Held, Limits, Listed, Page, Put, Receipt,
};
use crate::protocol::relay::{ANSWER_LIMIT, AgentName, Registered, RelayError, ServerUrl};

/// The most bytes of a page: 4 MiB of payloads, each byte escaped, and what stands around them; or one larger message.
const PAGE_LIMIT: u64 = 64 << 20;

/// The most bytes of an answer about a batch: a line for each of its recipients.
const RECEIPTS_LIMIT: u64 = 16 << 20;

/// Asks for a text to sign.
///
/// # Errors
/// What the relay says, or that it cannot be reached.
pub async fn challenge(cx: &Cx, server: &ServerUrl) -> Result<Challenge, RelayError> {
    let answer = call(cx, server, version2::challenge(server), ANSWER_LIMIT, CALL_TIMEOUT_MS).await?;
    version2::parse_challenge(server, reply(&answer))
}

/// Makes an account that owns a key, or gets it back.
///
/// # Errors
/// What the relay says, or that it cannot be reached.
pub async fn register(cx: &Cx, server: &ServerUrl, name: &AgentName, key: &Identity) -> Result<Registered, RelayError> {
    let challenge = challenge(cx, server).await?;
    let request = version2::register_with_key(server, name, key, &challenge);
    let answer = call(cx, server, request, ANSWER_LIMIT, CALL_TIMEOUT_MS).await?;
    version2::parse_registered_with_key(server, name, reply(&answer))
}

/// Who an account is; `None` when there is none of this name.
///
/// # Errors
/// What the relay says, or that it cannot be reached.
pub async fn agent(cx: &Cx, server: &ServerUrl, account: &Address) -> Result<Option<AgentCard>, RelayError> {
    let Some(request) = version2::agent(server, account) else { return Ok(None) };
    let answer = call(cx, server, request, ANSWER_LIMIT, CALL_TIMEOUT_MS).await?;
    version2::parse_agent(server, reply(&answer))
}

/// A page of the accounts.
///
/// # Errors
/// What the relay says, or that it cannot be reached.
pub async fn list_agents(cx: &Cx, server: &ServerUrl, after: Option<&AgentName>) -> Result<Listed, RelayError> {
    let request = version2::list_agents(server, after);
    let answer = call(cx, server, request, ANSWER_LIMIT, CALL_TIMEOUT_MS).await?;
    version2::parse_listed(server, reply(&answer))
}

/// Sends messages: for each, what became of it for each of its recipients.
///
/// # Errors
/// What the relay says of all of them, or that it cannot be reached.
pub async fn send_batch(cx: &Cx, account: &RelayAccount, entries: &[Entry]) -> Result<Vec<Vec<Receipt>>, RelayError> {
    let server = &account.server;
    let request = version2::send_batch(server, token(account)?, entries);
    let counts: Vec<usize> = entries.iter().map(|entry| entry.to.len()).collect();
    let answer = call(cx, server, request, RECEIPTS_LIMIT, CALL_TIMEOUT_MS).await?;
    version2::parse_sent_batch(server, &counts, reply(&answer))
}

/// The messages after a cursor; waits so many seconds for one.
///
/// # Errors
/// What the relay says, or that it cannot be reached.
pub async fn page(
    cx: &Cx,
    account: &RelayAccount,
    limits: &Limits,
    after: Option<&Cursor>,
    wait_s: u64,
) -> Result<Page, RelayError> {
    let server = &account.server;
    let request = version2::page(server, token(account)?, after, limits.page_messages, wait_s);
    let answer = call(cx, server, request, PAGE_LIMIT, PART_TIMEOUT_MS + wait_s * 1000).await?;
    version2::parse_page(server, reply(&answer))
}

/// Whether the relay accepts the account's token. Nothing is changed: what waits is only looked at.
///
/// # Errors
/// That it does not, what else the relay says, or that it cannot be reached.
pub async fn check_token(cx: &Cx, account: &RelayAccount) -> Result<(), RelayError> {
    let server = &account.server;
    let request = version2::page(server, token(account)?, None, 1, 0);
    let answer = call(cx, server, request, PAGE_LIMIT, CALL_TIMEOUT_MS).await?;
    version2::parse_page(server, reply(&answer)).map(|_| ())
}

/// Lets the relay delete messages.
///
/// # Errors
/// What the relay says, or that it cannot be reached.
pub async fn ack(cx: &Cx, account: &RelayAccount, cursors: &[Cursor]) -> Result<(), RelayError> {
    let server = &account.server;
    for cursors in cursors.chunks(1000) {
        let request = version2::ack(server, token(account)?, cursors);
        let answer = call(cx, server, request, ANSWER_LIMIT, CALL_TIMEOUT_MS).await?;
        version2::parse_acked(server, reply(&answer))?;
    }
    Ok(())
}

/// How much of a blob a relay has.
///
/// # Errors
/// What the relay says, or that it cannot be reached.
pub async fn blob_head(cx: &Cx, account: &RelayAccount, name: &BlobName) -> Result<Held, RelayError> {
    let request = version2::blob_head(&account.server, token(account)?, name);
    let answer = call(cx, &account.server, request, ANSWER_LIMIT, CALL_TIMEOUT_MS).await?;
    version2::parse_blob_head(&account.server, reply(&answer))
}

/// Sends a part of a blob.
///
/// # Errors
/// What the relay says, or that it cannot be reached.
pub async fn blob_put(
    cx: &Cx,
    account: &RelayAccount,
    name: &BlobName,
    first: u64,
    total: u64,
    part: &[u8],
) -> Result<Put, RelayError> {
    let request = version2::blob_put(&account.server, token(account)?, name, first, total, part);
    let answer = call(cx, &account.server, request, ANSWER_LIMIT, PART_TIMEOUT_MS).await?;
    version2::parse_blob_put(&account.server, reply(&answer))
}

/// Bytes of a blob, at most `length` from `first` on; `None` when it is not there.
///
/// # Errors
/// What the relay says, or that it cannot be reached.
pub async fn blob_part(
    cx: &Cx,
    account: &RelayAccount,
    name: &BlobName,
    first: u64,
    length: u64,
) -> Result<Option<Vec<u8>>, RelayError> {
    let request = version2::blob_part(&account.server, token(account)?, name, first, length);
    let answer = call(cx, &account.server, request, length + ANSWER_LIMIT, PART_TIMEOUT_MS).await?;
    let part = version2::parse_blob_part(&account.server, first, length, reply(&answer))?;
    Ok(part.map(<[u8]>::to_vec))
}
