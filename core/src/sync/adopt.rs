//! Messages that somebody else dropped into the inbox: a neighbour, or another client used on the same mailbox. They are
//! verified, the policy is applied, and the verdict is written down, as if they had come by a transport. What a process that
//! died had stored, in the inbox or held back, is entered in the keyring and among the seen ids.

use std::collections::BTreeSet;

use serde::{Deserialize, Serialize};

use super::receive::{self, Received, Stored};
use super::{Error, Mailbox};
use crate::engine::cx::{EFFECTS_IN_FLIGHT, WRITES_IN_FLIGHT};
use crate::engine::effect::EntryKind;
use crate::engine::event::Level;
use crate::engine::lock;
use crate::protocol::dedupe::{MessageKey, SeenIds};
use crate::protocol::envelope::{InvalidReason, Opened, Proof};
use crate::protocol::id::MessageId;
use crate::protocol::keyring::Keyring;
use crate::protocol::layout::{Folder, Place};
use crate::protocol::message::{Head, Message};
use crate::protocol::time::Day;
use crate::protocol::verdict::{Origin, Verdict, VerdictSeal};

/// A file that was changed this recently may still be being written by a client that does not write at once; unless it
/// verifies, it waits for the next look.
const SETTLE_MS: i64 = 2_000;

/// So many files are looked over under one lock, which does not last for more.
const AT_ONCE: usize = 200;

/// Enough of a file to tell whether it has a verdict.
const HEAD_BYTES: u64 = 4096;

/// A neighbour's message goes to the day on which its delivery was first begun, which may be tried for so many days.
const LATEST_DAYS: usize = 6;

/// What is kept of the last look (`.sync_state.json`).
#[derive(Debug, Default, Serialize, Deserialize)]
struct LastLook {
    /// Files changed before this moment (unix milliseconds) were looked at.
    #[serde(default)]
    adopted_until_ms: i64,
    /// What a newer version wrote.
    #[serde(flatten)]
    unknown: serde_json::Map<String, serde_json::Value>,
}

/// A message file that changed since the last look.
struct Candidate {
    day: Day,
    /// The inbox, or where policy holds messages back: nobody drops anything there, but who stored it may have died before it
    /// entered what it had learned.
    folder: Folder,
    id: MessageId,
    modified_ms: i64,
}

impl Candidate {
    fn place(&self, mailbox: &Mailbox<'_>) -> Place {
        mailbox.home.message(self.day, self.folder, &self.id)
    }

    fn attachments(&self, mailbox: &Mailbox<'_>) -> Place {
        mailbox.home.attachments(self.day, self.folder, &self.id)
    }
}

/// Looks over what was dropped into the inbox, or held back, since the last look: only files that changed since are read.
///
/// # Errors
/// When the mailbox cannot be read or written.
pub async fn adopt(mailbox: &Mailbox<'_>) -> Result<Stored, Error> {
    let (cx, home) = (mailbox.cx, mailbox.home);
    let state_place = home.sync_state();
    let state = cx.read(&state_place).await?.unwrap_or_default();
    let mut look: LastLook = serde_json::from_slice(&state).unwrap_or_default();
    let now_ms = cx.now().unix_ms;
    // Set back, the clock would hide what came since.
    let since_ms = if look.adopted_until_ms > now_ms { 0 } else { look.adopted_until_ms };
    let mut candidates = changed_since(mailbox, since_ms).await?;
    if candidates.is_empty() {
        return Ok(Stored::default());
    }
    if candidates.len() > AT_ONCE {
        candidates = stored_first(mailbox, candidates).await?;
    }
    let mut stored = Stored::default();
    let mut rest = candidates.into_iter().peekable();
    while rest.peek().is_some() {
        let some = rest.by_ref().take(AT_ONCE).collect();
        stored.add(lock::locked(cx, &home.lock(), look_over(mailbox, some)).await?);
    }
    look.adopted_until_ms = now_ms - SETTLE_MS;
    cx.write(&state_place, serde_json::to_vec_pretty(&look).unwrap_or_default()).await?;
    Ok(stored)
}

/// Files that changed since the last look, on days that a message can still be dropped into.
async fn changed_since(mailbox: &Mailbox<'_>, since_ms: i64) -> Result<Vec<Candidate>, Error> {
    let now = mailbox.cx.now();
    let last = crate::protocol::time::Now { unix_ms: since_ms, ..now }.day();
    let mut first = now.day();
    for _ in 0..LATEST_DAYS {
        first = first.previous();
    }
    if since_ms > 0 {
        first = first.min(last);
    }
    let days = mailbox.days().await?.into_iter().filter(|day| *day >= first);
    let mut found = Vec::new();
    for (day, folder) in days.flat_map(|day| [Folder::Inbox, Folder::Held].map(|folder| (day, folder))) {
        for entry in mailbox.cx.list_with_meta(&mailbox.home.folder(day, folder)).await? {
            if entry.kind == EntryKind::File
                && entry.modified_ms >= since_ms
                && let Some(id) = MessageId::of_file(&entry.name)
            {
                found.push(Candidate { day, folder, id, modified_ms: entry.modified_ms });
            }
        }
    }
    Ok(found)
}

/// Those first that have a verdict, as far as their heads tell: what was stored is entered before what was dropped is judged, which
/// may be the same message.
async fn stored_first(mailbox: &Mailbox<'_>, candidates: Vec<Candidate>) -> Result<Vec<Candidate>, Error> {
    let mut has_verdict = BTreeSet::new();
    for candidates in candidates.chunk_by(|one, other| (one.day, one.folder) == (other.day, other.folder)) {
        for some in candidates.chunks(AT_ONCE) {
            let Some(Candidate { day, folder, .. }) = some.first() else { continue };
            let names = some.iter().map(|candidate| candidate.id.file_name()).collect();
            let heads = mailbox.cx.read_many(&mailbox.home.folder(*day, *folder), names, HEAD_BYTES).await?;
            for (candidate, head) in some.iter().zip(heads) {
                if head.is_ok_and(|head| Head::parse(&head.bytes).verdict.is_some()) {
                    has_verdict.insert((*day, *folder, candidate.id.clone()));
                }
            }
        }
    }
    let is_stored = |it: &Candidate| has_verdict.contains(&(it.day, it.folder, it.id.clone()));
    let (mut stored, dropped): (Vec<_>, Vec<_>) = candidates.into_iter().partition(is_stored);
    stored.extend(dropped);
    Ok(stored)
}

async fn look_over(mailbox: &Mailbox<'_>, candidates: Vec<Candidate>) -> Result<Stored, Error> {
    super::memo::learn_own_key(mailbox).await;
    let reads = candidates.into_iter().map(|candidate| async move {
        let bytes = mailbox.cx.read(&candidate.place(mailbox)).await;
        (candidate, bytes)
    });
    let mut messages = Vec::new();
    for (candidate, bytes) in mailbox.cx.all(EFFECTS_IN_FLIGHT, reads).await {
        let message = bytes?.map(|bytes| Message::parse(&bytes));
        messages.extend(message.filter(|message| !is_own_notice(mailbox, message)).map(|message| (candidate, message)));
    }
    if messages.is_empty() {
        return Ok(Stored::default());
    }
    let mut look = Look::begin(mailbox).await?;
    let mut dropped = Vec::new();
    for (candidate, message) in messages {
        if !look.enter(&candidate, &message).await? {
            dropped.push((candidate, message));
        }
    }
    // What was stored is entered by now: it may be the same message.
    for (candidate, message) in dropped {
        look.take(&candidate, message).await?;
    }
    look.end().await
}

/// What looking over some files needs and changes; all of it under the lock.
struct Look<'a> {
    mailbox: &'a Mailbox<'a>,
    keyring: Keyring,
    seen: SeenIds,
    seal: VerdictSeal,
    stored: Stored,
    judged: Vec<Judged>,
}

impl<'a> Look<'a> {
    async fn begin(mailbox: &'a Mailbox<'a>) -> Result<Self, Error> {
        let (keyring, seen) = (mailbox.keyring().await?, mailbox.seen().await?);
        Ok(Self { mailbox, keyring, seen, seal: mailbox.seal(), stored: Stored::default(), judged: Vec::new() })
    }

    /// Enters what was learned of a message that has its verdict, which a crash may have prevented; `false` when it has none.
    async fn enter(&mut self, candidate: &Candidate, message: &Message) -> Result<bool, Error> {
        let header = message.headers.value("Verdict").unwrap_or_default();
        let Some(sealed) = self.seal.read(header, &receive::subjects(&message.headers)) else { return Ok(false) };
        if !sealed.is_of(&message.body) {
            // Copied from the message that it belongs to, or the message was changed since.
            if candidate.folder == Folder::Inbox {
                self.mailbox.memo.doubt(candidate.day, &candidate.id);
            }
            return Ok(false);
        }
        let is_new = key(&sealed.verdict, message).is_some_and(|key| !self.seen.contains(&key));
        // What is among the seen ids is acknowledged to relays, so its name has to outlive a loss of power: who wrote the file
        // may have died before that.
        if !is_new || self.mailbox.cx.make_durable(&candidate.place(self.mailbox)).await? {
            enter_again(self.mailbox, &mut self.keyring, &mut self.seen, &sealed.verdict, message);
        }
        Ok(true)
    }

    /// Judges a message that has no verdict, to be written down at the end.
    async fn take(&mut self, candidate: &Candidate, message: Message) -> Result<(), Error> {
        let mailbox = self.mailbox;
        match judge(mailbox, &mut self.keyring, candidate, message).await? {
            Adopted::Later => {}
            Adopted::Blocked => self.stored.blocked += 1,
            Adopted::As(message) if is_repeated(mailbox, &self.seen, candidate, &message).await? => {
                mailbox.cx.remove(&candidate.place(mailbox)).await?;
                mailbox.cx.remove(&candidate.attachments(mailbox)).await?;
                self.stored.repeated += 1;
            }
            Adopted::As(message) => {
                // It may have been dropped on another day as well.
                if let Some(key) = &message.key {
                    self.seen.insert(key);
                }
                self.judged.push(message);
            }
        }
        Ok(())
    }

    async fn end(self) -> Result<Stored, Error> {
        let Self { mailbox, keyring, mut seen, mut stored, judged, .. } = self;
        // First what was learned: a message with its verdict is not looked at again.
        if keyring.is_dirty() {
            mailbox.cx.write_private(&mailbox.home.keyring(), keyring.to_json()).await?;
        }
        let written = judged.into_iter().map(|message| write_down(mailbox, message));
        for received in mailbox.cx.all(WRITES_IN_FLIGHT, written).await {
            stored.received.push(received?);
        }
        mailbox.write_seen(&mut seen).await?;
        Ok(stored)
    }
}

/// What a message is known by whose headers are proven, whatever brings it.
fn key(verdict: &Verdict, message: &Message) -> Option<MessageKey> {
    let id = MessageId::parse(message.headers.value("Message-ID")?).ok()?;
    verdict.fingerprint.filter(|_| verdict.origin == Origin::Valid).map(|signer| MessageKey::signed(&signer, &id))
}

/// Whether a transport has brought this very message as well: it is among the seen ids, and another file holds it. What is held
/// back stays.
async fn is_repeated(
    mailbox: &Mailbox<'_>,
    seen: &SeenIds,
    candidate: &Candidate,
    judged: &Judged,
) -> Result<bool, Error> {
    if candidate.folder == Folder::Held {
        return Ok(false);
    }
    let Message { headers, body } = Message::from_text(&judged.text);
    if !judged.key.as_ref().is_some_and(|key| seen.contains(key)) {
        return is_held(mailbox, judged, &body).await;
    }
    // A file's name is the id, or begins with it where another message has that name.
    let begins = headers.value("Message-ID").unwrap_or_default().to_owned();
    for day in mailbox.days().await? {
        for folder in [Folder::Inbox, Folder::Held] {
            for entry in mailbox.cx.list(&mailbox.home.folder(day, folder)).await? {
                let Some(id) = MessageId::of_file(&entry.name) else {
                    continue;
                };
                let is_itself = (day, folder, &id) == (candidate.day, candidate.folder, &candidate.id);
                if is_itself || !id.as_str().starts_with(&begins) {
                    continue;
                }
                let other = mailbox.cx.read(&mailbox.home.message(day, folder, &id)).await?.unwrap_or_default();
                // This one is removed, so the other one has to last.
                if Message::parse(&other).body == body
                    && mailbox.cx.make_durable(&mailbox.home.message(day, folder, &id)).await?
                {
                    return Ok(true);
                }
            }
        }
    }
    Ok(false)
}

/// Whether it was held back before, by a process that died before it entered it among the seen ids, and its sender, who was
/// slow, dropped it a second time.
async fn is_held(mailbox: &Mailbox<'_>, judged: &Judged, body: &str) -> Result<bool, Error> {
    let Received { day, id, .. } = &judged.received;
    let place = mailbox.home.message(*day, Folder::Held, id);
    let is_it =
        mailbox.cx.read(&place).await?.is_some_and(|held| judged.key.is_some() && Message::parse(&held).body == body);
    // The other one is removed, so this one has to last.
    Ok(is_it && mailbox.cx.make_durable(&place).await?)
}

/// What was learned of a message that has its verdict: a crash may have kept it from being entered.
fn enter_again(mailbox: &Mailbox<'_>, keyring: &mut Keyring, seen: &mut SeenIds, verdict: &Verdict, message: &Message) {
    let Some(key) = key(verdict, message) else { return };
    seen.insert(&key);
    if verdict.fingerprint.is_some_and(|signer| keyring.entry(&signer).is_none()) {
        let opened = Opened::read(&message.headers, &message.body);
        receive::learn(keyring, verdict, &opened, &message.headers, mailbox.cx.now());
    }
}

/// A notice that this client wrote to its own inbox: unsigned, from me to me, about a message of mine.
fn is_own_notice(mailbox: &Mailbox<'_>, message: &Message) -> bool {
    let value = |name| message.headers.value(name).unwrap_or_default();
    let me = mailbox.config.agent().as_str();
    value("Message-ID").starts_with("undelivered-") && value("From") == me && value("To") == me
}

enum Adopted {
    Later,
    Blocked,
    As(Judged),
}

/// A message with its verdict, not written yet.
struct Judged {
    text: String,
    key: Option<MessageKey>,
    /// Where it lies by now; [`Received::folder`] is where it belongs.
    lies_in: Folder,
    received: Received,
}

async fn judge(
    mailbox: &Mailbox<'_>,
    keyring: &mut Keyring,
    candidate: &Candidate,
    mut message: Message,
) -> Result<Adopted, Error> {
    let cx = mailbox.cx;
    let is_held = candidate.folder == Folder::Held;
    let attachments = candidate.attachments(mailbox);
    let from = message.headers.value("From").unwrap_or_default().to_owned();
    // What is held back was accepted when it came.
    if !is_held && !mailbox.filter().accepts(&from) {
        cx.emit(Level::Info, format!("blocked by the address filter: {from}"));
        cx.remove(&candidate.place(mailbox)).await?;
        cx.remove(&attachments).await?;
        return Ok(Adopted::Blocked);
    }
    let opened = Opened::read(&message.headers, &message.body);
    let mut proof = receive::prove_at_rest(&opened, keyring, &message.headers);
    if proof == Proof::Valid && !receive::attachments_match(mailbox, &attachments, &opened).await? {
        proof = Proof::Invalid(InvalidReason::Attachments);
    }
    let verdict = receive::judge(mailbox, &proof, &opened, keyring, &message.headers);
    let is_fresh = cx.now().unix_ms - candidate.modified_ms < SETTLE_MS;
    if is_fresh && !verdict.is_proven() {
        return Ok(Adopted::Later);
    }
    receive::learn(keyring, &verdict, &opened, &message.headers, cx.now());
    let folder = if is_held { Folder::Held } else { receive::folder_by_policy(mailbox, &verdict) };
    message.headers.remove_local();
    receive::set_verdict(&mut message, &mailbox.seal(), &verdict);
    let subject = message.headers.value("Subject").unwrap_or_default().to_owned();
    let key = key(&verdict, &message);
    let received = Received { day: candidate.day, id: candidate.id.clone(), folder, from, subject, verdict };
    Ok(Adopted::As(Judged { text: message.to_text(), key, lies_in: candidate.folder, received }))
}

/// Moves what policy holds back, and writes the verdict down.
async fn write_down(mailbox: &Mailbox<'_>, judged: Judged) -> Result<Received, Error> {
    let (cx, home) = (mailbox.cx, mailbox.home);
    let Judged { text, lies_in, received, .. } = judged;
    let day = received.day;
    let place = home.message(day, received.folder, &received.id);
    // Out of the inbox before the verdict is on it: what is held back never stays there.
    if received.folder != lies_in {
        mailbox.refile(day, &received.id, lies_in, received.folder).await?;
    }
    cx.write(&place, text).await?;
    Ok(received)
}
