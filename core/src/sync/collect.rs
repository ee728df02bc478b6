//! What a relay of version 2 has: page by page, each message stored and only then acknowledged. What cannot be stored waits there,
//! and what was stored and not acknowledged comes again and is known.

use super::fetch::{self, Arrived, GoesOn, RelayReport};
use super::receive::{self, KeptBy, Stored};
use super::{Error, Mailbox, blobs, version2_call};
use crate::protocol::config::RelayAccount;
use crate::protocol::relay::version2::{Cursor, Limits, Page};
use crate::protocol::relay::{Content, RelayError, RelayMessage};
use crate::protocol::spool;
use crate::protocol::text;
use sha2::{Digest, Sha256};

/// The most pages in one go: a relay that always has more is left for other things in between.
const MOST_PAGES: usize = 100;

/// Collects all that a relay has, from the oldest on. What was stored is told whatever the relay says then.
///
/// # Errors
/// When the mailbox cannot be written.
pub(super) async fn all(
    mailbox: &Mailbox<'_>,
    account: &RelayAccount,
    limits: Limits,
) -> Result<(Result<RelayReport, RelayError>, Stored), Error> {
    let mut report = RelayReport::new(&account.server);
    let mut stored = Stored::default();
    let mut goes_on = GoesOn { account: account.clone(), limits, after: None, all_done: true };
    for _ in 0..MOST_PAGES {
        let page = match version2_call::page(mailbox.cx, account, &limits, goes_on.after.as_ref(), 0).await {
            Ok(page) => page,
            Err(error) if stored.is_nothing() => return Ok((Err(error), stored)),
            Err(error) => {
                report.blame(error);
                return Ok((Ok(report), stored));
            }
        };
        let before = goes_on.after.clone();
        let is_last = page.is_last(&limits);
        goes_on.after = page.next.clone().or(goes_on.after);
        let is_told = page.next.is_some();
        let taken = take(mailbox, account, limits, page, &mut report).await?;
        stored.add(taken.stored);
        goes_on.all_done &= taken.all_done;
        if is_last || !is_told || goes_on.after == before {
            // A relay that does not say where to go on is not listened to.
            report.goes_on = is_told.then_some(goes_on);
            return Ok((Ok(report), stored));
        }
    }
    Ok((Ok(report), stored))
}

/// What was done with a page.
pub(super) struct Taken {
    pub(super) stored: Stored,
    /// Whether all of it is stored and acknowledged.
    pub(super) all_done: bool,
}

/// Stores the messages of a page and acknowledges them: first those that are whole as they came, together, then one by one those
/// with something in a blob.
///
/// # Errors
/// When the mailbox cannot be written; then nothing is acknowledged that is not stored.
pub(super) async fn take(
    mailbox: &Mailbox<'_>,
    account: &RelayAccount,
    limits: Limits,
    page: Page,
    report: &mut RelayReport,
) -> Result<Taken, Error> {
    let server = &account.server;
    let mut taken = Taken { stored: Stored::default(), all_done: true };
    if let Some(problem) = &page.problem {
        report.blame(format!("{server}: {problem}"));
        taken.all_done = false;
    }
    set_aside(mailbox, account, &page, report).await?;
    let (mut cursors, mut arrivals, mut with_blobs) = (Vec::new(), Vec::new(), Vec::new());
    for entry in page.entries {
        match entry.message {
            Ok(message) if has_blob(&message) => with_blobs.push((entry.cursor, message)),
            Ok(message) => {
                cursors.push(entry.cursor);
                arrivals.extend(complete(mailbox, account, limits, message, report).await);
            }
            // It is set aside.
            Err(_) => cursors.push(entry.cursor),
        }
    }
    report.messages += arrivals.len();
    if !arrivals.is_empty() {
        let day = mailbox.cx.now().day();
        let arrivals = arrivals.into_iter().map(|arrived| arrived.arrival).collect();
        taken.stored.add(receive::store(mailbox, arrivals, day, KeptBy::Relay).await?);
    }
    taken.ack(mailbox, account, &cursors, report).await;
    for (cursor, message) in with_blobs {
        let Some(arrived) = complete(mailbox, account, limits, message, report).await else {
            taken.all_done = false;
            continue;
        };
        report.messages += 1;
        let day = mailbox.cx.now().day();
        taken.stored.add(receive::store(mailbox, vec![arrived.arrival], day, KeptBy::Relay).await?);
        taken.ack(mailbox, account, &[cursor], report).await;
    }
    Ok(taken)
}

impl Taken {
    async fn ack(
        &mut self,
        mailbox: &Mailbox<'_>,
        account: &RelayAccount,
        cursors: &[Cursor],
        report: &mut RelayReport,
    ) {
        if let Err(error) = version2_call::ack(mailbox.cx, account, cursors).await {
            report.blame(error);
            self.all_done = false;
        }
    }
}

fn has_blob(message: &RelayMessage) -> bool {
    message.payload.attachments.iter().any(|attachment| matches!(attachment.content, Content::Blob(_)))
}

/// A message with all that belongs to it; `None` when it is to be asked for again.
async fn complete(
    mailbox: &Mailbox<'_>,
    account: &RelayAccount,
    limits: Limits,
    message: RelayMessage,
    report: &mut RelayReport,
) -> Option<Arrived> {
    let until_ms = blobs::patience_ends_ms(&message.timestamp, limits.message_ttl_s);
    let server = account.server.as_str();
    match fetch::arrival(mailbox, Some(account), server, message, until_ms).await {
        Ok(arrived) => {
            arrived.missing.iter().for_each(|missing| report.blame(format!("{server}: {missing}")));
            Some(arrived)
        }
        Err(error) => {
            report.blame(error);
            None
        }
    }
}

/// Keeps what cannot be read of a page, durably, before it is acknowledged. It is named by what is in it: a relay that says the same
/// again fills no disk.
async fn set_aside(
    mailbox: &Mailbox<'_>,
    account: &RelayAccount,
    page: &Page,
    report: &mut RelayReport,
) -> Result<(), Error> {
    let raw: Vec<&str> = page.entries.iter().filter_map(|entry| entry.raw.as_deref()).collect();
    let Some(first) = page.entries.iter().find(|entry| entry.raw.is_some()) else { return Ok(()) };
    let body = format!("{{\"messages\":[{}]}}", raw.join(","));
    let name = text::hex(Sha256::digest(&body).get(..8).unwrap_or_default());
    let aside = mailbox.home.spool().join(&format!("{name}.damaged"))?;
    let file = spool::encode(account.server.as_str(), mailbox.cx.now(), body.as_bytes());
    mailbox.cx.write_private(&aside, file).await?;
    let why = match &first.message {
        Ok(message) => message.payload.problems.first().map(|problem| format!("message {}: {problem}", message.id)),
        Err(why) => Some(format!("a message cannot be read: {why}")),
    };
    let more = if raw.len() > 1 { format!(" (and {} more like it)", raw.len() - 1) } else { String::new() };
    report.blame(format!("{}: {}{more}; it is kept in .spool", account.server, why.unwrap_or_default()));
    Ok(())
}
