//! Attachments that lie at a relay as blobs: sent in parts, from where an earlier try got to, and fetched in parts, with their
//! hash checked before anything is made of them.

use super::{Mailbox, version2_call};
use crate::engine::cx::{Cx, FILE_LIMIT};
use crate::protocol::config::RelayAccount;
use crate::protocol::relay::version2::{BlobName, BlobRef, Held, Put};
use crate::protocol::relay::{Attachment, Content, RelayError};
use crate::protocol::text;
use crate::protocol::time::{Now, parse_date};

/// Bytes of one part.
const PART: u64 = 4 << 20;

/// How often a call that failed is tried again, and the pause before the first of these tries; it doubles.
const TRIES: u32 = 3;
const FIRST_PAUSE_MS: i64 = 1_000;

/// The most blobs of one message.
const MOST_BLOBS: usize = 100;

/// How many parts a blob may take, at most, for so many bytes: a relay that takes or gives a byte at a time is not followed for ever.
const fn most_parts(bytes: u64) -> u64 {
    2 * (bytes / PART) + 16
}

/// Tries that are left, with a pause before each.
struct Patience {
    tries: u32,
}

impl Patience {
    const fn new() -> Self {
        Self { tries: 0 }
    }

    /// Waits before another try; hands the error back when it is of no use.
    async fn wait(&mut self, cx: &Cx, error: RelayError) -> Result<(), RelayError> {
        let may_pass = matches!(error, RelayError::Unreachable { .. } | RelayError::ServerFault { .. });
        self.tries += 1;
        if !may_pass || self.tries > TRIES || !cx.sleep_ms(FIRST_PAUSE_MS << self.tries.min(8)).await {
            return Err(error);
        }
        Ok(())
    }
}

/// Makes sure that a relay has a blob, and keeps it for a while from now on.
///
/// # Errors
/// What the relay says, or that it cannot be reached.
pub(super) async fn upload(cx: &Cx, account: &RelayAccount, name: &BlobName, bytes: &[u8]) -> Result<(), RelayError> {
    let total = bytes.len() as u64;
    let mut patience = Patience::new();
    let mut at = loop {
        match version2_call::blob_head(cx, account, name).await {
            Ok(Held::Part(at)) => break at,
            // Its first byte again lets its time begin anew; it may also have run out just now.
            Ok(Held::Whole) => match version2_call::blob_put(cx, account, name, 0, total, part(bytes, 0, 1)).await {
                Ok(Put::Until(at)) => break at,
                Ok(Put::Whole) => return Ok(()),
                Ok(Put::WrongHash) => break 0,
                Err(error) => patience.wait(cx, error).await?,
            },
            Err(error) => patience.wait(cx, error).await?,
        }
    };
    for _ in 0..most_parts(total) {
        // What cannot be true is begun anew.
        at = if at < total { at } else { 0 };
        match version2_call::blob_put(cx, account, name, at, total, part(bytes, at, PART)).await {
            Ok(Put::Whole) => return Ok(()),
            Ok(Put::Until(next)) => at = next,
            Ok(Put::WrongHash) => at = 0,
            Err(error) => {
                patience.wait(cx, error).await?;
                at = match version2_call::blob_head(cx, account, name).await {
                    Ok(Held::Whole) => return Ok(()),
                    Ok(Held::Part(at)) => at,
                    Err(_) => at,
                };
            }
        }
    }
    let what = format!("it does not get on with a blob of {total} bytes");
    Err(RelayError::WrongShape { server: account.server.clone(), what })
}

fn part(bytes: &[u8], first: u64, length: u64) -> &[u8] {
    let rest = usize::try_from(first).ok().and_then(|first| bytes.get(first..)).unwrap_or_default();
    rest.get(..usize::try_from(length).unwrap_or(usize::MAX)).unwrap_or(rest)
}

/// What a message's attachments hold, those in blobs fetched from the relay that brings it: name and content. In the place of one
/// that cannot be had stands a text that says so, and why.
///
/// # Errors
/// A failure that may pass: the message is to be asked for again. One whose time at the relay is half over is taken as it is.
pub(super) async fn contents(
    mailbox: &Mailbox<'_>,
    account: Option<&RelayAccount>,
    attachments: Vec<Attachment>,
    until_ms: Option<i64>,
) -> Result<Contents, RelayError> {
    let mut contents = Contents { files: Vec::new(), missing: None };
    let mut budget = Budget { bytes: FILE_LIMIT, blobs: MOST_BLOBS };
    for Attachment { name, content } in attachments {
        match content {
            Content::Inline(bytes) => {
                budget.bytes = budget.bytes.saturating_sub(bytes.len() as u64);
                contents.files.push((name, bytes));
            }
            Content::Blob(blob) => match fetch(mailbox, account, &blob, &mut budget).await {
                Ok(Ok(bytes)) => contents.files.push((name, bytes)),
                Ok(Err(why)) => contents.miss(&name, &blob, &why),
                Err(error) if is_over(until_ms, mailbox.cx.now()) => contents.miss(&name, &blob, &error.to_string()),
                Err(error) => return Err(error),
            },
        }
    }
    Ok(contents)
}

/// Whether there may be no time for another try: the moment is past, or so far away that a clock must be wrong.
fn is_over(until_ms: Option<i64>, now: Now) -> bool {
    const YEAR_MS: i64 = 366 * 86_400_000;
    until_ms.is_none_or(|until_ms| until_ms <= now.unix_ms || until_ms > now.unix_ms.saturating_add(YEAR_MS))
}

/// Until when a message is asked for again whose blob cannot be fetched: half of the time that the relay keeps it.
pub(super) fn patience_ends_ms(timestamp: &str, message_ttl_s: u64) -> Option<i64> {
    let half_ms = i64::try_from(message_ttl_s.saturating_mul(500)).unwrap_or(i64::MAX);
    parse_date(timestamp, 0).map(|taken_ms| taken_ms.saturating_add(half_ms))
}

/// What a message's attachments hold.
#[derive(Debug)]
pub(super) struct Contents {
    pub(super) files: Vec<(String, Vec<u8>)>,
    /// The first attachment that cannot be had, and why.
    pub(super) missing: Option<String>,
}

impl Contents {
    fn miss(&mut self, name: &str, blob: &BlobRef, why: &str) {
        let BlobRef { name: hash, size } = blob;
        let shown = text::for_terminal_line(text::prefix(name, 200)).into_owned();
        let notice = format!(
            "The attachment {shown} of this message is missing: {why}.\nAsk the sender for it again.\n\nSize: {size} bytes\nSHA-256: {hash}\n"
        );
        self.files.push((format!("{name}.missing.txt"), notice.into_bytes()));
        self.missing.get_or_insert_with(|| format!("the attachment {shown} is missing: {why}"));
    }
}

/// What one message may still cost.
struct Budget {
    bytes: u64,
    blobs: usize,
}

/// A blob's bytes, or why they will never be had.
async fn fetch(
    mailbox: &Mailbox<'_>,
    account: Option<&RelayAccount>,
    blob: &BlobRef,
    budget: &mut Budget,
) -> Result<Result<Vec<u8>, String>, RelayError> {
    let Some(account) = account else {
        return Ok(Err("the relay that holds it is no longer in the config".to_owned()));
    };
    if budget.blobs == 0 || blob.size > budget.bytes {
        return Ok(Err(format!("the attachments are more or larger than azall takes ({FILE_LIMIT} bytes in all)")));
    }
    let bytes = match download(mailbox.cx, account, blob).await {
        Ok(Some(bytes)) => bytes,
        Ok(None) => return Ok(Err(format!("{} does not have it (any more)", account.server))),
        Err(error) => return Err(error),
    };
    budget.blobs -= 1;
    budget.bytes = budget.bytes.saturating_sub(blob.size);
    if BlobName::of(&bytes) != blob.name {
        return Ok(Err("what the relay has in its place is not what was sent".to_owned()));
    }
    Ok(Ok(bytes))
}

/// A blob, part by part. No room is made on the word of a sender: it grows as bytes come.
async fn download(cx: &Cx, account: &RelayAccount, blob: &BlobRef) -> Result<Option<Vec<u8>>, RelayError> {
    let mut bytes: Vec<u8> = Vec::new();
    let mut patience = Patience::new();
    for _ in 0..most_parts(blob.size) {
        let at = bytes.len() as u64;
        if at == blob.size {
            return Ok(Some(bytes));
        }
        match version2_call::blob_part(cx, account, &blob.name, at, PART.min(blob.size - at)).await {
            Ok(Some(part)) => bytes.extend(part),
            Ok(None) => return Ok(None),
            Err(error) => patience.wait(cx, error).await?,
        }
    }
    if bytes.len() as u64 == blob.size {
        return Ok(Some(bytes));
    }
    let what = "it gives a blob in parts that are too small".to_owned();
    Err(RelayError::WrongShape { server: account.server.clone(), what })
}
