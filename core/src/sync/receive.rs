//! From what a transport handed over to files in the mailbox: filter, verify, decide, store, remember.

use std::collections::{BTreeMap, BTreeSet};

use sha2::{Digest, Sha256};

use super::{Error, Mailbox, memo, open_days};
use crate::engine::cx::WRITES_IN_FLIGHT;
use crate::engine::effect::EntryKind;
use crate::engine::event::Level;
use crate::engine::lock;
use crate::protocol::address::Address;
use crate::protocol::config::{OnKeyChange, SignaturePolicy};
use crate::protocol::dedupe::{MessageKey, SeenIds};
use crate::protocol::envelope::{self, InvalidReason, Kind, Opened, Proof, SignedHeaders};
use crate::protocol::filter::Filter;
use crate::protocol::id::MessageId;
use crate::protocol::keyring::Keyring;
use crate::protocol::layout::{Folder, Place};
use crate::protocol::message::{Headers, Message};
use crate::protocol::name::{AttachmentName, UniqueNames};
use crate::protocol::spool;
use crate::protocol::text;
use crate::protocol::time::Day;
use crate::protocol::verdict::{Origin, Peer, Subjects, Verdict, VerdictSeal};

/// How many messages are stored under one hold of the lock.
const MESSAGES_PER_LOCK: usize = 2_000;

/// How many messages are remembered as received: as many as the reference keeps.
pub(super) const SEEN_IDS: usize = 10_000;

/// One message as a transport handed it over; nothing in it is trusted.
#[derive(Debug)]
pub struct Arrival {
    /// The transport, as people know it.
    pub transport: String,
    /// The transport's id.
    pub id: String,
    /// The sender, as the transport says; empty for a local one.
    pub from: String,
    /// The recipient, as the transport says.
    pub to: String,
    /// The subject, outside of any signature.
    pub subject: String,
    /// The date, as the transport says.
    pub date: String,
    /// The body, with its envelope.
    pub body: String,
    /// Attachments: name and content.
    pub attachments: Vec<(String, Vec<u8>)>,
}

/// A message that was stored.
#[derive(Clone, Debug, serde::Serialize)]
pub struct Received {
    /// The day that it lies under.
    pub day: Day,
    /// Its id here.
    pub id: MessageId,
    /// Where it lies: the inbox, or held back.
    pub folder: Folder,
    /// The sender.
    pub from: String,
    /// The subject.
    pub subject: String,
    /// What is known of its origin.
    #[serde(flatten)]
    pub verdict: Verdict,
}

/// What became of the arrivals.
#[derive(Debug, Default)]
pub struct Stored {
    /// New messages.
    pub received: Vec<Received>,
    /// Messages that were here already.
    pub repeated: usize,
    /// Messages that the address filter turned away.
    pub blocked: usize,
}

impl Stored {
    /// Whether nothing came, known or not.
    #[must_use]
    pub fn is_nothing(&self) -> bool {
        self.received.is_empty() && self.repeated == 0 && self.blocked == 0
    }

    /// Adds what another part did.
    pub fn add(&mut self, part: Self) {
        self.received.extend(part.received);
        self.repeated += part.repeated;
        self.blocked += part.blocked;
    }
}

/// What keeps arrivals until they are stored, and hands them over again after a crash.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum KeptBy {
    /// A file of the spool, which tells the day.
    Spool,
    /// The relay, which knows nothing of days.
    Relay,
}

/// Stores arrivals into the folders of `day`. When it returns, all of them are durable (or filtered, or known already) and
/// may be acknowledged. Doing it twice stores them once.
///
/// # Errors
/// When a file cannot be read or written; arrivals stored up to then stay stored.
pub async fn store(mailbox: &Mailbox<'_>, arrivals: Vec<Arrival>, day: Day, kept: KeptBy) -> Result<Stored, Error> {
    memo::learn_own_key(mailbox).await;
    let mut stored = Stored::default();
    let filter = mailbox.filter();
    let mut waiting = arrivals.into_iter().filter(|arrival| {
        let accepted = filter.accepts(&arrival.from);
        if !accepted {
            stored.blocked += 1;
            log_blocked(mailbox, &filter, &arrival.from);
        }
        accepted
    });
    let mut batches = Vec::new();
    loop {
        let batch: Vec<Arrival> = waiting.by_ref().take(MESSAGES_PER_LOCK).collect();
        if batch.is_empty() {
            break;
        }
        batches.push(batch);
    }
    drop(waiting);
    for batch in batches {
        stored.add(lock::locked(mailbox.cx, &mailbox.home.lock(), store_batch(mailbox, batch, day, kept)).await?);
    }
    Ok(stored)
}

fn log_blocked(mailbox: &Mailbox<'_>, filter: &Filter, sender: &str) {
    if filter.log_blocked {
        mailbox.cx.emit(Level::Info, format!("blocked by the address filter: {sender}"));
    }
}

/// What reading a batch needs and changes; all of it under the lock.
struct Desk<'a> {
    mailbox: &'a Mailbox<'a>,
    filter: Filter,
    keyring: Keyring,
    seen: SeenIds,
    seal: VerdictSeal,
    /// Names in the day's inbox and held folders.
    taken: BTreeSet<String>,
    /// The same of other days, on which messages may lie that were stored and not yet entered among the seen ids.
    unfinished: Vec<(Day, BTreeSet<String>)>,
    day: Day,
}

/// A message as it will lie on disk.
struct Filed {
    id: MessageId,
    /// The id under which it lies if another message has that one: the same each time that it comes.
    spare: MessageId,
    folder: Folder,
    text: String,
    attachments: Vec<(AttachmentName, Vec<u8>)>,
    received: Received,
}

async fn store_batch(mailbox: &Mailbox<'_>, batch: Vec<Arrival>, day: Day, kept: KeptBy) -> Result<Stored, Error> {
    if kept == KeptBy::Relay {
        open_days::open(mailbox, day).await?;
    }
    let mut desk = Desk::open(mailbox, day).await?;
    let messages: Vec<(Headers, &Arrival)> =
        batch.iter().map(|arrival| (transport_headers(arrival), arrival)).collect();
    let opened: Vec<Opened<'_>> =
        messages.iter().map(|(headers, arrival)| Opened::read(headers, &arrival.body)).collect();
    let proofs = envelope::check_batch(&opened, |fingerprint| desk.keyring.lookup(fingerprint));

    let mut stored = Stored::default();
    let mut filed = Vec::new();
    for (((headers, arrival), opened), proof) in messages.iter().zip(&opened).zip(proofs) {
        match desk.file(headers.clone(), arrival, opened, proof) {
            Decision::Store(message) => filed.push(*message),
            Decision::Repeated => stored.repeated += 1,
            Decision::Blocked => stored.blocked += 1,
        }
    }
    for outcome in mailbox.cx.all(WRITES_IN_FLIGHT, filed.into_iter().map(|message| desk.write(message))).await {
        match outcome? {
            Some(received) => stored.received.push(received),
            None => stored.repeated += 1,
        }
    }
    desk.close().await?;
    Ok(stored)
}

/// The headers of a message as its transport tells them.
fn transport_headers(arrival: &Arrival) -> Headers {
    let mut headers = Headers::default();
    for (name, value) in [
        ("From", &arrival.from),
        ("To", &arrival.to),
        ("Subject", &arrival.subject),
        ("Date", &arrival.date),
        ("Message-ID", &arrival.id),
    ] {
        headers.set(name, &header_value(value));
    }
    headers
}

/// A value from outside as one that may stand in a header: on one line, without control characters.
fn header_value(value: &str) -> String {
    let value = text::strip(value);
    if text::is_header_safe(value) {
        return value.to_owned();
    }
    value.chars().map(|c| if text::is_header_safe(c.encode_utf8(&mut [0; 4])) { c } else { ' ' }).collect()
}

enum Decision {
    Store(Box<Filed>),
    Repeated,
    Blocked,
}

impl<'a> Desk<'a> {
    async fn open(mailbox: &'a Mailbox<'a>, day: Day) -> Result<Self, Error> {
        let keyring = mailbox.keyring().await?;
        let seen = mailbox.seen().await?;
        let taken = names(mailbox, day).await?;
        let mut unfinished = Vec::new();
        let mut may_return = days_in_spool(mailbox).await?;
        may_return.append(&mut open_days::read(mailbox).await?);
        for other in may_return.into_iter().filter(|other| *other != day) {
            unfinished.push((other, names(mailbox, other).await?));
        }
        Ok(Self { mailbox, filter: mailbox.filter(), keyring, seen, seal: mailbox.seal(), taken, unfinished, day })
    }

    /// Decides where a message belongs and how it will read.
    fn file(&mut self, mut headers: Headers, arrival: &Arrival, opened: &Opened<'_>, proof: Proof) -> Decision {
        let proof = attachments_agree(proof, opened, arrival);
        let signed = opened.signed_headers().filter(|_| proof == Proof::Valid);
        if let Some(signed) = signed {
            // Transports change ids, dates and names; what was signed is what is kept.
            let told = headers.value("From").unwrap_or_default().to_owned();
            signed.apply(&mut headers);
            let is_same = |from: &Address| told.eq_ignore_ascii_case(from.as_str());
            if !told.is_empty() && !is_same(&signed.from) && !signed.from.uncertified().is_some_and(|it| is_same(&it)) {
                headers.set("Via", &told);
            }
            if !self.filter.accepts(signed.from.as_str()) {
                log_blocked(self.mailbox, &self.filter, signed.from.as_str());
                return Decision::Blocked;
            }
        }
        let key = message_key(&proof, opened, signed, &headers);
        let transport_key = MessageKey::transport(&arrival.id);
        if self.seen.contains(&key) {
            self.seen.insert(&transport_key);
            return Decision::Repeated;
        }
        let verdict = judge(self.mailbox, &proof, opened, &self.keyring, &headers);
        learn(&mut self.keyring, &verdict, opened, &headers, self.mailbox.cx.now());
        let folder = folder_by_policy(self.mailbox, &verdict);
        let attachments = safe_attachments(arrival);
        let (id, spare, text) = self.write_up(headers, arrival, &attachments, &verdict);
        self.seen.insert(&key);
        self.seen.insert(&transport_key);
        let received = Received {
            day: self.day,
            id: id.clone(),
            folder,
            from: signed.map_or_else(|| header_value(&arrival.from), |signed| signed.from.to_string()),
            subject: signed.map_or_else(|| header_value(&arrival.subject), |signed| signed.subject.clone()),
            verdict,
        };
        Decision::Store(Box::new(Filed { id, spare, folder, text, attachments, received }))
    }

    /// The message's final id and text.
    fn write_up(
        &mut self,
        mut headers: Headers,
        arrival: &Arrival,
        attachments: &[(AttachmentName, Vec<u8>)],
        verdict: &Verdict,
    ) -> (MessageId, MessageId, String) {
        let id = MessageId::from_untrusted(headers.value("Message-ID").unwrap_or_default());
        headers.set("Message-ID", id.as_str());
        headers.set("Status", "new");
        if !attachments.is_empty() {
            let names: Vec<&str> = attachments.iter().map(|(name, _)| name.as_str()).collect();
            headers.set("Attachments", &names.join(", "));
        }
        headers.arrange();
        let mut message = Message { headers, body: arrival.body.clone() };
        set_verdict(&mut message, &self.seal, verdict);
        let text = message.to_text();
        message.headers.remove_local();
        let spare = id.with_content_suffix(message.to_text().as_bytes());
        (id, spare, text)
    }

    /// Writes a message and its attachments; `None` when it is there already.
    async fn write(&self, message: Filed) -> Result<Option<Received>, Error> {
        let Filed { id, spare, folder, text, attachments, received } = message;
        let (cx, home) = (self.mailbox.cx, self.mailbox.home);
        for (day, names) in &self.unfinished {
            for id in [&id, &spare] {
                if names.contains(&id.file_name()) && self.holds_same(*day, id, &text).await? {
                    return Ok(None);
                }
            }
        }
        // A name that is taken by another message gets a suffix; so does one that is taken between the listing and now.
        for id in [id.clone(), spare] {
            if self.is_taken(&id) {
                if self.holds_same(self.day, &id, &text).await? {
                    return Ok(None);
                }
                continue;
            }
            let folder_of_attachments = home.attachments(self.day, folder, &id);
            for (name, bytes) in &attachments {
                cx.write(&folder_of_attachments.join(name.as_str())?, bytes.clone()).await?;
            }
            if cx.create(&home.message(self.day, folder, &id), text.clone().into_bytes(), false).await? {
                return Ok(Some(Received { id, ..received }));
            }
        }
        Err(Error::Taken { place: home.folder(self.day, folder), id })
    }

    fn is_taken(&self, id: &MessageId) -> bool {
        self.taken.contains(&id.file_name())
    }

    /// Whether the file of this id is this very message, however its status and our own headers read by now: then an
    /// earlier try stored it.
    async fn holds_same(&self, day: Day, id: &MessageId, text: &str) -> Result<bool, Error> {
        for folder in [Folder::Inbox, Folder::Held] {
            let place = self.mailbox.home.message(day, folder, id);
            if let Some(bytes) = self.mailbox.cx.read(&place).await?
                && essence(&Message::parse(&bytes)) == essence(&Message::from_text(text))
            {
                // It is about to be the only copy.
                return Ok(self.mailbox.cx.make_durable(&place).await?);
            }
        }
        Ok(false)
    }

    /// Writes what was learned. The messages are durable by now: a crash before this is done makes the next run find them
    /// in their folders and learn it again.
    async fn close(self) -> Result<(), Error> {
        let Self { mailbox, keyring, mut seen, .. } = self;
        if keyring.is_dirty() {
            mailbox.cx.write_private(&mailbox.home.keyring(), keyring.to_json()).await?;
        }
        mailbox.write_seen(&mut seen).await
    }
}

/// The names in a day's inbox and held folders.
async fn names(mailbox: &Mailbox<'_>, day: Day) -> Result<BTreeSet<String>, Error> {
    let mut names = BTreeSet::new();
    for folder in [Folder::Inbox, Folder::Held] {
        let entries = mailbox.cx.list(&mailbox.home.folder(day, folder)).await?;
        names.extend(entries.into_iter().filter(|entry| entry.kind == EntryKind::File).map(|entry| entry.name));
    }
    Ok(names)
}

/// The days of fetches that were not stored to their end.
async fn days_in_spool(mailbox: &Mailbox<'_>) -> Result<BTreeSet<Day>, Error> {
    let folder = mailbox.home.spool();
    let entries = mailbox.cx.list(&folder).await?;
    let names = entries.into_iter().map(|entry| entry.name).filter(|name| !name.ends_with(".damaged")).collect();
    let heads = mailbox.cx.read_many(&folder, names, spool::LONGEST_HEADER as u64).await?;
    Ok(heads.into_iter().flatten().filter_map(|head| spool::day_of(&head.bytes)).collect())
}

/// A message without what changes at rest.
fn essence(message: &Message) -> (BTreeMap<&str, &str>, &str) {
    let headers = message.headers.iter().filter(|(name, _)| !matches!(*name, "Status" | "Verdict" | "Via")).collect();
    (headers, &message.body)
}

/// A proof of headers covers the attachments too: each must be there with its signed hash, and no other.
fn attachments_agree(proof: Proof, opened: &Opened<'_>, arrival: &Arrival) -> Proof {
    let Some(signed) = opened.signed_headers().filter(|_| proof == Proof::Valid && opened.kind() == Kind::Version2)
    else {
        return proof;
    };
    let mut expected: Vec<([u8; 32], u64)> = signed.attachments.iter().map(|a| (a.sha256, a.size)).collect();
    let mut got: Vec<([u8; 32], u64)> =
        arrival.attachments.iter().map(|(_, bytes)| (Sha256::digest(bytes).into(), bytes.len() as u64)).collect();
    expected.sort_unstable();
    got.sort_unstable();
    if expected == got { proof } else { Proof::Invalid(InvalidReason::Attachments) }
}

/// What one message is known by, whatever brought it: its signer and signed id if both are proven, else the sender and the
/// id that the transport told.
fn message_key(proof: &Proof, opened: &Opened<'_>, signed: Option<&SignedHeaders>, headers: &Headers) -> MessageKey {
    let id = MessageId::from_untrusted(headers.value("Message-ID").unwrap_or_default());
    match (proof, opened.fingerprint(), signed) {
        (Proof::Valid, Some(fingerprint), Some(_)) => MessageKey::signed(&fingerprint, &id),
        _ => MessageKey::unsigned(headers.value("From").unwrap_or_default(), &id),
    }
}

/// The attachments under names that are safe and different.
fn safe_attachments(arrival: &Arrival) -> Vec<(AttachmentName, Vec<u8>)> {
    let mut names = UniqueNames::new();
    arrival.attachments.iter().map(|(name, bytes)| (names.add(name), bytes.clone())).collect()
}

/// The verdict on a message from its proof, the keyring and my addresses.
pub(super) fn judge(
    mailbox: &Mailbox<'_>,
    proof: &Proof,
    opened: &Opened<'_>,
    keyring: &Keyring,
    headers: &Headers,
) -> Verdict {
    let origin = proof.origin();
    let mut verdict = Verdict { origin, fingerprint: opened.fingerprint(), ..Verdict::UNSIGNED };
    if verdict.is_proven()
        && let Some(fingerprint) = &verdict.fingerprint
        && let Ok(from) = Address::parse(headers.value("From").unwrap_or_default())
    {
        verdict.peer = Some(keyring.standing(&from, fingerprint, origin == Origin::Valid).peer());
    }
    if let Some(signed) = opened.signed_headers().filter(|_| origin == Origin::Valid) {
        let is_mine = |address: &Address| mailbox.is_mine(address);
        // What I sent is in order wherever it went.
        verdict.misaddressed = !signed.to.iter().chain(&signed.cc).any(is_mine) && !is_mine(&signed.from);
    }
    verdict
}

/// What the signature of a message at rest proves: the file's own headers must be the signed ones.
pub(super) fn prove_at_rest(opened: &Opened<'_>, keyring: &Keyring, headers: &Headers) -> Proof {
    opened.at_rest(opened.check(|fingerprint| keyring.lookup(fingerprint)), headers)
}

/// Whether the files in a message's folder are those that were signed.
///
/// # Errors
/// When a file cannot be read.
pub async fn attachments_match(mailbox: &Mailbox<'_>, folder: &Place, opened: &Opened<'_>) -> Result<bool, Error> {
    let Some(signed) = opened.signed_headers() else { return Ok(true) };
    let mut names = UniqueNames::new();
    for attachment in &signed.attachments {
        let place = folder.join(names.add(&attachment.name).as_str())?;
        let Some(bytes) = mailbox.cx.read(&place).await? else { return Ok(false) };
        let hash: [u8; 32] = Sha256::digest(&bytes).into();
        if hash != attachment.sha256 || bytes.len() as u64 != attachment.size {
            return Ok(false);
        }
    }
    Ok(true)
}

/// The verdict on a message at rest, and, where its signature is not valid, why.
pub fn examine_at_rest(
    mailbox: &Mailbox<'_>,
    opened: &Opened<'_>,
    keyring: &Keyring,
    headers: &Headers,
) -> (Verdict, Option<String>) {
    let proof = prove_at_rest(opened, keyring, headers);
    let reason = if let Proof::Invalid(reason) = &proof { Some(reason.to_string()) } else { None };
    (judge(mailbox, &proof, opened, keyring, headers), reason)
}

/// The verdicts on messages at rest, their signatures checked together.
#[must_use]
pub fn examine_all_at_rest(mailbox: &Mailbox<'_>, messages: &[Message], keyring: &Keyring) -> Vec<Verdict> {
    let opened: Vec<Opened<'_>> = messages.iter().map(|it| Opened::read(&it.headers, &it.body)).collect();
    let proofs = envelope::check_batch(&opened, |fingerprint| keyring.lookup(fingerprint));
    let verdict = |((message, opened), proof): ((&Message, &Opened<'_>), Proof)| {
        judge(mailbox, &opened.at_rest(proof, &message.headers), opened, keyring, &message.headers)
    };
    messages.iter().zip(&opened).zip(proofs).map(verdict).collect()
}

/// Lets the keyring learn of a proven key.
pub(super) fn learn(
    keyring: &mut Keyring,
    verdict: &Verdict,
    opened: &Opened<'_>,
    headers: &Headers,
    now: crate::protocol::time::Now,
) {
    if verdict.is_proven()
        && let Some(key) = opened.public_key()
        && let Ok(from) = Address::parse(headers.value("From").unwrap_or_default())
    {
        keyring.observe(&from, &key, verdict.origin == Origin::Valid, now);
    }
}

/// Where the policy puts a message with this verdict (PROTOCOL section 9, "Policy").
pub(super) fn folder_by_policy(mailbox: &Mailbox<'_>, verdict: &Verdict) -> Folder {
    let changed = matches!(verdict.peer, Some(Peer::KeyChanged | Peer::Downgraded));
    let refused = match mailbox.config.signature_policy() {
        SignaturePolicy::Accept => false,
        SignaturePolicy::RequireSigned => !verdict.is_proven(),
        SignaturePolicy::RequireKnown => !verdict.is_proven() || verdict.peer != Some(Peer::Known),
    };
    if refused || (changed && mailbox.config.on_key_change() == OnKeyChange::Hold) {
        Folder::Held
    } else {
        Folder::Inbox
    }
}

/// Writes the `Verdict` header.
pub(super) fn set_verdict(message: &mut Message, seal: &VerdictSeal, verdict: &Verdict) {
    let value = seal.write(verdict, &subjects(&message.headers), &message.body);
    message.headers.set("Verdict", &value);
}

/// The headers that a verdict belongs to.
pub(super) fn subjects(headers: &Headers) -> Subjects<'_> {
    let value = |name| headers.value(name).unwrap_or_default();
    Subjects {
        message_id: value("Message-ID"),
        from: value("From"),
        to: value("To"),
        subject: value("Subject"),
        date: value("Date"),
    }
}
