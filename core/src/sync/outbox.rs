//! The way out: a message is queued durably, tried with every transport that can carry it, and leaves the outbox only when
//! every recipient's transport took it, or no attempt can work.

use std::collections::BTreeMap;

use serde::Serialize;

use super::plan::{self, Route};
use super::post::{self, Post};
use super::{Error, Mailbox};
use crate::engine::cx::EFFECTS_IN_FLIGHT;
use crate::engine::effect::{EntryKind, IoErrorKind};
use crate::engine::event::Level;
use crate::engine::lock;
use crate::protocol::address::Address;
use crate::protocol::config::RelayAccount;
use crate::protocol::delivery::{Acceptance, Attempt, DeliveryState, State};
use crate::protocol::id::MessageId;
use crate::protocol::layout::{AgentHome, Folder, Place};
use crate::protocol::message::{Draft, Message};
use crate::protocol::text;
use crate::protocol::time::{Day, Now};

/// How many messages are delivered together, at most, and after how many bytes of them no further one is taken.
const MESSAGES_AT_ONCE: usize = 200;
const BYTES_AT_ONCE: usize = 8 << 20;

/// How many of them are claimed or filed side by side.
const FILES_AT_ONCE: usize = 8;

/// How much of what is no address is kept, in characters.
const LONGEST_NAMED: usize = 320;

/// A message that waits, read into memory.
#[derive(Debug)]
pub struct Queued {
    day: Day,
    pub(super) id: MessageId,
    pub(super) message: Message,
    pub(super) attachments: Vec<(String, Vec<u8>)>,
    state: DeliveryState,
}

impl Queued {
    fn bytes(&self) -> usize {
        self.attachments.iter().fold(self.message.body.len(), |sum, (_, bytes)| sum + bytes.len())
    }
}

/// What became of a message so far.
#[derive(Clone, Debug, Serialize)]
pub struct Delivery {
    /// The message.
    #[serde(rename = "message")]
    pub id: MessageId,
    /// Where it lies now.
    pub folder: Folder,
    /// Its recipients.
    pub recipients: Vec<RecipientReport>,
}

/// What became of a message for one recipient.
#[derive(Clone, Debug, Serialize)]
pub struct RecipientReport {
    /// The recipient.
    pub address: String,
    /// What happened.
    #[serde(flatten)]
    pub state: RecipientState,
}

/// What happened for one recipient.
#[derive(Clone, Debug, Serialize)]
#[serde(tag = "state", rename_all = "lowercase")]
pub enum RecipientState {
    /// Transports took the message.
    Accepted {
        /// Which.
        by: Vec<String>,
    },
    /// It waits.
    Queued {
        /// Why.
        reason: String,
        /// When the next attempt is due, UTC.
        next_try: Option<String>,
    },
    /// It will not arrive.
    Failed {
        /// Why.
        reason: String,
    },
}

impl Delivery {
    /// Whether every recipient's transport took it.
    #[must_use]
    pub fn is_complete(&self) -> bool {
        self.recipients.iter().all(|recipient| matches!(recipient.state, RecipientState::Accepted { .. }))
    }

    /// Whether a recipient will not get it.
    #[must_use]
    pub fn has_failed(&self) -> bool {
        self.recipients.iter().any(|recipient| matches!(recipient.state, RecipientState::Failed { .. }))
    }

    /// One line about it.
    #[must_use]
    pub fn summary(&self) -> String {
        let words: Vec<String> = self
            .recipients
            .iter()
            .map(|recipient| match &recipient.state {
                RecipientState::Accepted { by } => format!("{} accepted by {}", recipient.address, by.join(", ")),
                RecipientState::Queued { reason, .. } => format!("{} queued: {reason}", recipient.address),
                RecipientState::Failed { reason } => format!("{} failed: {reason}", recipient.address),
            })
            .collect();
        format!("{}: {}", self.id, words.join("; "))
    }

    fn of(id: &MessageId, folder: Folder, state: &DeliveryState) -> Self {
        let recipients = state
            .recipients
            .values()
            .map(|recipient| {
                let reason = recipient.last_error.clone().unwrap_or_else(|| "not tried yet".to_owned());
                let next = recipient.next_attempt_ms;
                RecipientReport {
                    address: recipient.address.clone(),
                    state: match recipient.state {
                        State::Accepted => RecipientState::Accepted {
                            by: recipient.accepted_by.iter().map(|taken| taken.transport.clone()).collect(),
                        },
                        State::Waiting => {
                            RecipientState::Queued { reason, next_try: (next > 0).then(|| Now::utc(next).utc_iso()) }
                        }
                        State::Failed => RecipientState::Failed { reason },
                    },
                }
            })
            .collect();
        Self { id: id.clone(), folder, recipients }
    }
}

/// Queues a new message, claimed for the caller's own attempt. The message's file comes last: what has no file is not queued.
///
/// # Errors
/// When a file cannot be written; then the message is not queued.
pub async fn enqueue(
    mailbox: &Mailbox<'_>,
    id: &MessageId,
    message: &Message,
    attachments: Vec<(String, Vec<u8>)>,
) -> Result<Queued, Error> {
    let (cx, home) = (mailbox.cx, mailbox.home);
    let now = cx.now();
    let day = now.day();
    let folder = home.attachments(day, Folder::Outbox, id);
    for (name, bytes) in &attachments {
        cx.write(&folder.join(name)?, bytes.clone()).await?;
    }
    let state = DeliveryState::queued(&recipients(message), now);
    cx.write(&home.delivery(day, Folder::Outbox, id), state.to_json()).await?;
    cx.write(&home.message(day, Folder::Outbox, id), message.to_text()).await?;
    Ok(Queued { day, id: id.clone(), message: message.clone(), attachments, state })
}

/// What stands between the commas of To and Cc.
fn named(message: &Message) -> impl Iterator<Item = &str> {
    let lists = ["To", "Cc"].into_iter().filter_map(|header| message.headers.value(header));
    lists.flat_map(|list| list.split(',')).map(text::strip).filter(|part| !part.is_empty())
}

/// The recipients of a message, each once. What is no address is left out; a message made here has none such.
fn recipients(message: &Message) -> Vec<Address> {
    let mut found: Vec<Address> = Vec::new();
    for address in named(message).filter_map(|part| Address::parse(part).ok()) {
        if !found.iter().any(|known| known.same_as(&address)) {
            found.push(address);
        }
    }
    found
}

/// The state of a message that another client has queued, which keeps none. Nothing can reach what is no address, and the
/// owner is told so.
fn state_of_another_clients(message: &Message, now: Now) -> DeliveryState {
    let mut state = DeliveryState::queued(&recipients(message), now);
    state.claimed_until_ms = 0;
    for part in named(message) {
        if let Err(why) = Address::parse(part) {
            state.give_up_on(text::prefix(part, LONGEST_NAMED), &why.to_string());
        }
    }
    if state.recipients.is_empty() {
        state.give_up_on("(nobody)", "the message names no recipient");
    }
    state
}

/// Delivers everything in every outbox that is due and that nobody else is at, many messages together.
///
/// # Errors
/// When the mailbox cannot be read or written.
pub async fn deliver_all(mailbox: &Mailbox<'_>) -> Result<Vec<Delivery>, Error> {
    let mut waiting = waiting(mailbox).await?.into_iter().peekable();
    let mut deliveries = Vec::new();
    while waiting.peek().is_some() {
        let mut claimed = Vec::new();
        let claiming = claim_some(mailbox, &mut waiting, &mut claimed);
        let claiming = lock::locked(mailbox.cx, &mailbox.home.lock(), claiming).await;
        // What was claimed is delivered, whatever kept others from it.
        deliveries.extend(deliver_together(mailbox, claimed).await?);
        claiming?;
    }
    Ok(deliveries)
}

/// Claims as many messages as are delivered together.
async fn claim_some(
    mailbox: &Mailbox<'_>,
    waiting: &mut (impl Iterator<Item = (Day, MessageId)> + Send),
    claimed: &mut Vec<Queued>,
) -> Result<(), Error> {
    let mut looked_at = 0;
    while looked_at < MESSAGES_AT_ONCE && claimed.iter().map(Queued::bytes).sum::<usize>() < BYTES_AT_ONCE {
        let some: Vec<(Day, MessageId)> = waiting.by_ref().take(FILES_AT_ONCE).collect();
        if some.is_empty() {
            break;
        }
        looked_at += some.len();
        let claims = some.iter().map(|(day, id)| claim(mailbox, *day, id));
        let mut failed = None;
        for claim in mailbox.cx.all(FILES_AT_ONCE, claims).await {
            match claim {
                Ok(queued) => claimed.extend(queued),
                Err(error) => failed = failed.or(Some(error)),
            }
        }
        if let Some(error) = failed {
            return Err(error);
        }
    }
    Ok(())
}

/// The messages in the outboxes of all days.
async fn waiting(mailbox: &Mailbox<'_>) -> Result<Vec<(Day, MessageId)>, Error> {
    let days = mailbox.days().await?;
    let lists =
        days.iter().map(|day| async move { (*day, mailbox.cx.list(&mailbox.home.folder(*day, Folder::Outbox)).await) });
    let mut found = Vec::new();
    for (day, entries) in mailbox.cx.all(EFFECTS_IN_FLIGHT, lists).await {
        for entry in entries?.into_iter().filter(|entry| entry.kind == EntryKind::File) {
            if let Some(id) = MessageId::of_file(&entry.name) {
                found.push((day, id));
            }
        }
    }
    Ok(found)
}

/// Claims one message; `None` when it is not due, or somebody else is at it.
async fn claim(mailbox: &Mailbox<'_>, day: Day, id: &MessageId) -> Result<Option<Queued>, Error> {
    let (cx, home) = (mailbox.cx, mailbox.home);
    let now = cx.now();
    let Some(bytes) = cx.read(&home.message(day, Folder::Outbox, id)).await? else { return Ok(None) };
    let message = Message::parse(&bytes);
    let place = home.delivery(day, Folder::Outbox, id);
    let mut state = match cx.read(&place).await? {
        None => state_of_another_clients(&message, now),
        Some(bytes) => match DeliveryState::parse(&bytes) {
            Ok(state) if state.is_claimed(now) => return Ok(None),
            // Everybody was served, and a crash kept the message from being moved.
            Ok(state) if state.is_settled() => state,
            Ok(state) if state.due(now).is_empty() => return Ok(None),
            Ok(state) => state,
            Err(error) => {
                cx.emit(Level::Warning, format!("{place}: {error}; the message waits until it is mended or removed"));
                return Ok(None);
            }
        },
    };
    state.claim(now);
    cx.write(&place, state.to_json()).await?;
    let (attachments, missing) = attachments(mailbox, day, id, &message).await?;
    // A message that only has to be moved may have lost them to the move already.
    if let Some(name) = missing.filter(|_| !state.is_settled()) {
        // Gone with the message, it is in the hands of another process.
        if cx.read(&home.message(day, Folder::Outbox, id)).await?.is_some() {
            let folder = home.attachments(day, Folder::Outbox, id);
            let what =
                format!("{folder} lacks the attachment {name}; the message waits until it is put there or removed");
            cx.emit(Level::Warning, what);
        }
        return Ok(None);
    }
    Ok(Some(Queued { day, id: id.clone(), message, attachments, state }))
}

/// The attachments that the message names, and the first one that is not there.
async fn attachments(
    mailbox: &Mailbox<'_>,
    day: Day,
    id: &MessageId,
    message: &Message,
) -> Result<(Vec<(String, Vec<u8>)>, Option<String>), Error> {
    let folder = mailbox.home.attachments(day, Folder::Outbox, id);
    let (mut found, mut missing) = (Vec::new(), None);
    let names = message.headers.value("Attachments").unwrap_or_default().split(',').map(text::strip);
    for name in names.filter(|name| !name.is_empty()) {
        let bytes = match folder.join(name) {
            Ok(place) => mailbox.cx.read(&place).await?,
            Err(_) => None,
        };
        match bytes {
            Some(bytes) => found.push((name.to_owned(), bytes)),
            None => missing = missing.or_else(|| Some(name.to_owned())),
        }
    }
    Ok((found, missing))
}

/// Tries every recipient of one message that is due, as [`deliver_all`] does it for many.
///
/// # Errors
/// When the mailbox itself cannot be written. What a transport says is in the outcome.
pub async fn deliver(mailbox: &Mailbox<'_>, queued: Queued) -> Result<Delivery, Error> {
    let (id, place) = (queued.id.clone(), mailbox.home.folder(queued.day, Folder::Outbox));
    let delivered = deliver_together(mailbox, vec![queued]).await?.pop();
    delivered.ok_or(Error::Taken { place, id })
}

/// A recipient of a message among those that are delivered together: the message's place among them, and the recipient's key.
type Whom = (usize, String);

/// Tries every recipient that is due, with every transport that can carry its message, and files each message accordingly.
async fn deliver_together(mailbox: &Mailbox<'_>, mut messages: Vec<Queued>) -> Result<Vec<Delivery>, Error> {
    if messages.is_empty() {
        return Ok(Vec::new());
    }
    let (attempts, mut failed) = attempts(mailbox, &messages).await?;
    let now = mailbox.cx.now();
    for ((at, key), outcomes) in attempts {
        if let Some(queued) = messages.get_mut(at) {
            queued.state.record(&key, combine(outcomes), now);
        }
    }
    // What could not be tried for want of the own disk is not filed: it stays claimed for a while, and is tried again.
    let mut at = 0;
    messages.retain(|_| {
        at += 1;
        !failed.contains_key(&(at - 1))
    });
    let deliveries = settle(mailbox, messages).await?;
    match failed.pop_first() {
        Some((_, error)) => Err(error),
        None => Ok(deliveries),
    }
}

/// What is to be done for the messages: drops into folders one by one, and for each relay all that goes there.
enum Job<'a> {
    Drop { whom: Whom, queued: &'a Queued, neighbour: Address },
    Relay { account: &'a RelayAccount, whom: Vec<Vec<Whom>>, posts: Vec<Post<'a>> },
}

/// What each transport said for each recipient, and the messages that could not be tried.
type Attempts = (BTreeMap<Whom, Vec<Attempt>>, BTreeMap<usize, Error>);

async fn attempts(mailbox: &Mailbox<'_>, messages: &[Queued]) -> Result<Attempts, Error> {
    let (mut attempts, mut failed): Attempts = Default::default();
    let jobs = jobs(mailbox, messages, &mut attempts).await?;
    let done = mailbox.cx.all(EFFECTS_IN_FLIGHT, jobs.into_iter().map(|job| do_job(mailbox, job))).await;
    for (whom, outcome) in done.into_iter().flatten() {
        match outcome {
            Ok(attempt) => attempts.entry(whom).or_default().push(attempt),
            Err(error) => drop(failed.entry(whom.0).or_insert(error)),
        }
    }
    Ok((attempts, failed))
}

/// Finds the ways to all recipients that are due. What has no way is an attempt that failed.
async fn jobs<'a>(
    mailbox: &Mailbox<'a>,
    messages: &'a [Queued],
    attempts: &mut BTreeMap<Whom, Vec<Attempt>>,
) -> Result<Vec<Job<'a>>, Error> {
    let neighbours = mailbox.neighbours().await?;
    let relays = mailbox.config.relays();
    let mut jobs = Vec::new();
    let mut by_relay: BTreeMap<usize, BTreeMap<usize, Vec<(Whom, Address)>>> = BTreeMap::new();
    for (at, queued) in messages.iter().enumerate() {
        for key in queued.state.due(mailbox.cx.now()) {
            let recipient = queued.state.recipients.get(&key);
            let Some(address) = recipient.and_then(|recipient| Address::parse(&recipient.address).ok()) else {
                continue;
            };
            let routes = plan::routes(&address, &neighbours, relays);
            let whom = (at, key);
            if routes.is_empty() {
                let retry = Attempt::Retry { reason: no_route(&address, relays), wait_ms: None };
                attempts.entry(whom).or_default().push(retry);
                continue;
            }
            for route in routes {
                let whom = whom.clone();
                match route {
                    Route::Local(neighbour) => jobs.push(Job::Drop { whom, queued, neighbour }),
                    Route::Relay { index, to } => {
                        by_relay.entry(index).or_default().entry(at).or_default().push((whom, to));
                    }
                }
            }
        }
    }
    for (index, posts) in by_relay {
        let Some(account) = relays.get(index) else { continue };
        let (mut whom, mut of_relay) = (Vec::new(), Vec::new());
        for (at, recipients) in posts {
            let Some(queued) = messages.get(at) else { continue };
            let (names, to): (Vec<Whom>, Vec<Address>) = recipients.into_iter().unzip();
            whom.push(names);
            of_relay.push(Post { queued, to });
        }
        jobs.push(Job::Relay { account, whom, posts: of_relay });
    }
    Ok(jobs)
}

async fn do_job(mailbox: &Mailbox<'_>, job: Job<'_>) -> Vec<(Whom, Result<Attempt, Error>)> {
    match job {
        Job::Drop { whom, queued, neighbour } => vec![(whom, deliver_locally(mailbox, queued, &neighbour).await)],
        Job::Relay { account, whom, posts } => {
            let attempts = post::to_relay(mailbox, account, &posts).await.into_iter().flatten();
            whom.into_iter().flatten().zip(attempts.map(Ok)).collect()
        }
    }
}

/// Why nothing here can carry a message to this address, and what would.
fn no_route(address: &Address, relays: &[RelayAccount]) -> String {
    if address.as_str().contains('@') {
        format!("no agent {address} in this mailboxes folder, and no email or FTP transport here to reach it")
    } else if relays.is_empty() {
        "no relay is configured; see `azall register` or `azall relay add`".to_owned()
    } else {
        format!("no transport here can reach {address}")
    }
}

/// One acceptance is enough; else a later attempt if one may work.
fn combine(outcomes: Vec<Attempt>) -> Attempt {
    let (mut taken, mut retries, mut wait, mut permanent) = (Vec::new(), Vec::new(), None, Vec::new());
    for outcome in outcomes {
        match outcome {
            Attempt::Accepted(by) => taken.extend(by),
            Attempt::Retry { reason, wait_ms } => {
                retries.push(reason);
                wait = wait.max(wait_ms);
            }
            Attempt::Permanent { reason } => permanent.push(reason),
        }
    }
    if !taken.is_empty() {
        Attempt::Accepted(taken)
    } else if retries.is_empty() {
        Attempt::Permanent { reason: permanent.join("; ") }
    } else {
        Attempt::Retry { reason: retries.join("; "), wait_ms: wait }
    }
}

/// Delivers by copying into a neighbour's inbox: the attachments, then, without replacing anything, the message.
async fn deliver_locally(mailbox: &Mailbox<'_>, queued: &Queued, neighbour: &Address) -> Result<Attempt, Error> {
    let cx = mailbox.cx;
    let now = cx.now();
    let home = AgentHome::new(neighbour);
    let text = queued.message.to_text();
    let accepted = || {
        let transport = format!("folder of {neighbour}");
        Ok(Attempt::Accepted(vec![Acceptance { transport, id: None, at_ms: now.unix_ms }]))
    };
    let id = &queued.id;
    let day = queued.state.drop_day(now);
    for id in [id.clone(), id.with_content_suffix(text.as_bytes())] {
        // An attempt that crashed may have left it there, and policy may have held it back.
        match look_for(mailbox, &home, day, &id, &queued.message).await? {
            There::Same => return accepted(),
            There::Another => continue,
            There::Nothing => {}
        }
        let folder = home.attachments(day, Folder::Inbox, &id);
        for (name, bytes) in &queued.attachments {
            cx.write(&folder.join(name)?, bytes.clone()).await?;
        }
        if cx.create(&home.message(day, Folder::Inbox, &id), text.clone(), false).await? {
            return accepted();
        }
        // Somebody was faster: another message, or another process with this one.
        if look_for(mailbox, &home, day, &id, &queued.message).await? == There::Same {
            return accepted();
        }
    }
    Ok(Attempt::Retry { reason: format!("the inbox of {neighbour} holds another message {id}"), wait_ms: None })
}

/// What lies under an id in a neighbour's mailbox.
#[derive(Clone, Copy, PartialEq, Eq)]
enum There {
    Nothing,
    Same,
    Another,
}

async fn look_for(
    mailbox: &Mailbox<'_>,
    home: &AgentHome,
    day: Day,
    id: &MessageId,
    message: &Message,
) -> Result<There, Error> {
    let mut there = There::Nothing;
    for folder in [Folder::Inbox, Folder::Held] {
        let place = home.message(day, folder, id);
        match mailbox.cx.read(&place).await? {
            Some(bytes) if same_message(&bytes, message) && mailbox.cx.make_durable(&place).await? => {
                return Ok(There::Same);
            }
            Some(bytes) if same_message(&bytes, message) => {}
            Some(_) if folder == Folder::Inbox => there = There::Another,
            _ => {}
        }
    }
    Ok(there)
}

fn same_message(there: &[u8], message: &Message) -> bool {
    let there = Message::parse(there);
    there.body == message.body && there.headers.value("From") == message.headers.value("From")
}

/// Files the message by its state: `sent/` when every recipient's transport took it, `failed/` with a notice when nobody waits any more
/// and somebody will not get it, else it stays. The state is on disk before the message moves, so a crash in between
/// repeats nothing but the move. An attempt that took longer than its claim finds the message in other hands: what it
/// found out is added to what they know.
async fn settle(mailbox: &Mailbox<'_>, messages: Vec<Queued>) -> Result<Vec<Delivery>, Error> {
    if messages.is_empty() {
        return Ok(Vec::new());
    }
    lock::locked(mailbox.cx, &mailbox.home.lock(), async {
        let settling = messages.into_iter().map(|queued| async move {
            let Queued { day, id, message, mut state, .. } = queued;
            settle_locked(mailbox, day, &id, &message, &mut state).await
        });
        mailbox.cx.all(FILES_AT_ONCE, settling).await.into_iter().collect()
    })
    .await
}

async fn settle_locked(
    mailbox: &Mailbox<'_>,
    day: Day,
    id: &MessageId,
    message: &Message,
    state: &mut DeliveryState,
) -> Result<Delivery, Error> {
    let (cx, home) = (mailbox.cx, mailbox.home);
    let delivery = home.delivery(day, Folder::Outbox, id);
    let waits = home.message(day, Folder::Outbox, id);
    if cx.read(&waits).await?.is_none() {
        let given_up = cx.read(&home.message(day, Folder::Failed, id)).await?.is_some();
        return Ok(Delivery::of(id, if given_up { Folder::Failed } else { Folder::Sent }, state));
    }
    let claimed_until_ms = std::mem::take(&mut state.claimed_until_ms);
    if let Some(Ok(theirs)) = cx.read(&delivery).await?.map(|bytes| DeliveryState::parse(&bytes)) {
        state.learn(&theirs);
        if theirs.claimed_until_ms != claimed_until_ms && theirs.is_claimed(cx.now()) {
            state.claimed_until_ms = theirs.claimed_until_ms;
        }
    }
    cx.write(&delivery, state.to_json()).await?;
    if !state.is_settled() || state.claimed_until_ms > 0 {
        return Ok(Delivery::of(id, Folder::Outbox, state));
    }
    let folder = if state.is_accepted() { Folder::Sent } else { Folder::Failed };
    if folder == Folder::Failed {
        notice(mailbox, day, id, message, state).await?;
    }
    if message.headers.value("Attachments").is_some() {
        move_attachments(mailbox, day, id, folder).await?;
    }
    if folder == Folder::Failed {
        cx.write(&home.delivery(day, folder, id), state.to_json()).await?;
    }
    move_if_there(mailbox, &waits, &home.message(day, folder, id)).await?;
    cx.remove(&delivery).await?;
    Ok(Delivery::of(id, folder, state))
}

/// Moves the attachments out of the outbox, ahead of their message.
async fn move_attachments(mailbox: &Mailbox<'_>, day: Day, id: &MessageId, to: Folder) -> Result<(), Error> {
    let home = mailbox.home;
    let target = home.attachments(day, to, id);
    if move_if_there(mailbox, &home.attachments(day, Folder::Outbox, id), &target).await? || to != Folder::Sent {
        return Ok(());
    }
    // They were given up, which broke off after this, and then somebody who was late had the message accepted.
    if move_if_there(mailbox, &home.attachments(day, Folder::Failed, id), &target).await? {
        mailbox.cx.remove(&home.delivery(day, Folder::Failed, id)).await?;
    }
    Ok(())
}

/// Whether it was there.
async fn move_if_there(mailbox: &Mailbox<'_>, from: &Place, to: &Place) -> Result<bool, Error> {
    match mailbox.cx.rename(from, to).await {
        // A crash after the rename: it was moved already.
        Err(error) if error.io_kind() == Some(IoErrorKind::NotFound) => Ok(false),
        other => Ok(other.map(|()| true)?),
    }
}

/// Puts a notice of a message that was given up into the own inbox, once.
async fn notice(
    mailbox: &Mailbox<'_>,
    day: Day,
    id: &MessageId,
    message: &Message,
    state: &DeliveryState,
) -> Result<(), Error> {
    let me = mailbox.config.agent().as_str();
    let notice_id = MessageId::from_untrusted(&format!("undelivered-{id}"));
    let mut body = format!("This message was not delivered to everybody. It lies in failed/{id}.txt.\n\n");
    for recipient in state.recipients.values() {
        let fate = match recipient.state {
            State::Accepted => "accepted".to_owned(),
            _ => format!("failed: {}", recipient.last_error.as_deref().unwrap_or("no reason given")),
        };
        body.push_str(&format!("{}: {fate}\n", recipient.address));
    }
    let subject = format!("Not delivered: {}", message.headers.value("Subject").unwrap_or_default());
    let date = mailbox.cx.now().local_text();
    let text = Draft {
        from: me,
        to: me,
        subject: &subject,
        date: &date,
        message_id: notice_id.as_str(),
        in_reply_to: Some(id.as_str()),
        body: &body,
        ..Draft::default()
    }
    .to_text();
    let place = mailbox.home.message(day, Folder::Inbox, &notice_id);
    if !mailbox.cx.create(&place, text, false).await? {
        // Who made it may have died before its name was durable, and the message is about to be away for good.
        mailbox.cx.make_durable(&place).await?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn retry(reason: &str) -> Attempt {
        Attempt::Retry { reason: reason.into(), wait_ms: Some(7) }
    }

    fn permanent(reason: &str) -> Attempt {
        Attempt::Permanent { reason: reason.into() }
    }

    #[test]
    fn one_acceptance_is_enough() {
        let taken = Attempt::Accepted(vec![Acceptance { transport: "r".into(), id: None, at_ms: 0 }]);
        assert_eq!(combine(vec![retry("busy"), taken.clone(), permanent("no")]), taken);
        assert_eq!(combine(vec![permanent("no"), retry("busy")]), retry("busy"));
        assert_eq!(combine(vec![permanent("a"), permanent("b")]), permanent("a; b"));
    }
}
