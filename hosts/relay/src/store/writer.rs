//! The one thread that writes: it takes all that waits, makes one batch of it, commits that once and answers everyone.
//! While one commit runs, what arrives gathers for the next.

use std::collections::{HashSet, VecDeque};
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use bytes::Bytes;
use tokio::sync::oneshot;

use super::Shared;
use super::accounts::Account;
use super::error::{RegisterError, StoreError};
use super::expiry::Expiry;
use super::idempotency::Answers;
use super::inboxes::Inbox;
use super::keys;
use super::message::{AccountId, ByAccount, Cursor, MessageId, Outgoing, Refusal, Waiting};
use super::name::AgentName;
use super::random::Tails;
use super::token::TokenHash;
use crate::engine::{Batch, Head, Table};

/// No more than this in one commit, so that nobody waits long for others.
const COMMIT_CHANGES: usize = 8192;
/// Nor more bytes of payload.
const COMMIT_BYTES: usize = 4 << 20;
/// How long the thread sleeps when there is nothing to do, before it looks for what has expired.
const IDLE: Duration = Duration::from_millis(500);

/// How the one who asked is told.
pub(crate) type Answer<T> = oneshot::Sender<Result<T, StoreError>>;

/// What recipients were answered, message by message.
pub(crate) type Receipts = Vec<Vec<Result<MessageId, Refusal>>>;

/// A message to be removed, and the size of its payload.
pub(crate) type Removal = (Cursor, u64);

/// Something to write.
pub(crate) enum Job {
    Append {
        from: AccountId,
        messages: Vec<Outgoing>,
        answer: Answer<Receipts>,
    },
    /// Messages found in an inbox when it had seen so many removals.
    Remove {
        account: AccountId,
        found: Vec<Removal>,
        removals: u32,
        answer: Answer<usize>,
    },
    Register {
        name: AgentName,
        key: Option<[u8; 32]>,
        token: TokenHash,
        answer: oneshot::Sender<Registering>,
    },
    Rotate {
        account: AccountId,
        token: TokenHash,
        answer: Answer<()>,
    },
    /// Takes the account away; what it leaves behind is removed by others.
    Delete {
        account: AccountId,
        answer: Answer<Account>,
    },
    /// Any change that the writer need not understand.
    Apply {
        batch: Batch,
        answer: Answer<()>,
    },
    /// Looks for what has expired now.
    Expire {
        answer: Answer<()>,
    },
}

impl Job {
    /// Answers those that need room, and gives back the others.
    fn refuse_to_store(self, error: &StoreError) -> Option<Self> {
        match self {
            Self::Append { answer, .. } => tell(answer, Err(error.clone())),
            Self::Register { answer, .. } => tell(answer, Err(error.clone().into())),
            other => return Some(other),
        }
        None
    }
}

/// The account, and whether it is new.
pub(crate) type Registering = Result<(Account, bool), RegisterError>;

/// Whom to answer once the batch is durable.
enum Owed {
    Receipts(Answer<Receipts>, Receipts),
    Removed(Answer<usize>, usize),
    Registered(oneshot::Sender<Registering>, Account, bool),
    Deleted(Answer<Account>, Account),
    Done(Answer<()>),
}

/// Whether a job is part of this batch.
enum Taken {
    Yes,
    /// It is, and the batch must be committed before anything else.
    AndNoMore,
    /// It must wait for the next.
    NotYet(Job),
}

/// What one commit will have changed, until then known to the writer alone.
#[derive(Default)]
struct Pending {
    batch: Batch,
    bytes: usize,
    inboxes: ByAccount<Touched>,
    accounts: Vec<Account>,
    names: HashSet<AgentName>,
    deleted: Option<AccountId>,
    /// Inboxes that the expiry has looked at, and how old they were.
    expired: Vec<(AccountId, i64)>,
    answers: Answers,
    owed: Vec<Owed>,
    appended: u64,
    removed: u64,
}

struct Touched {
    inbox: Inbox,
    before: Inbox,
    newest: Option<Waiting>,
}

/// The writer.
pub(crate) struct Writer {
    shared: Arc<Shared>,
    jobs: VecDeque<Job>,
    tails: Tails,
    expiry: Expiry,
    next_account: u32,
    last_ms: i64,
    /// What went wrong with the last commit.
    failed: Option<StoreError>,
}

impl Writer {
    pub(crate) fn new(shared: Arc<Shared>, expiry: Expiry, next_account: u32) -> Self {
        Self { shared, jobs: VecDeque::new(), tails: Tails::default(), expiry, next_account, last_ms: 0, failed: None }
    }

    /// Works until the queue is closed and empty.
    pub(crate) fn run(mut self) {
        let mut patience = IDLE;
        while Arc::clone(&self.shared).queue.take(&mut self.jobs, patience) {
            self.failed = self.group().err();
            let now_ms = self.now_ms();
            patience = if self.expiry.is_due(now_ms) && self.failed.is_none() { Duration::ZERO } else { IDLE };
        }
        self.shared.doorbells.close();
    }

    /// The time; it never goes back, so that the order of cursors is that of times.
    fn now_ms(&mut self) -> i64 {
        self.last_ms = self.last_ms.max(self.shared.clock.now_ms());
        self.last_ms
    }

    /// One commit.
    fn group(&mut self) -> Result<(), StoreError> {
        let now_ms = self.now_ms();
        let mut pending = Pending::default();
        let room = self.shared.engine.room().map_err(StoreError::from);
        self.shared.counters.is_writable.store(room.is_ok(), Ordering::Relaxed);
        let expired = self.expire(&mut pending, now_ms);
        if let Err(error) = &expired {
            tracing::error!(%error, "what has expired could not be removed");
        }
        while pending.batch.changes.len() < COMMIT_CHANGES && pending.bytes < COMMIT_BYTES {
            let Some(job) = self.jobs.pop_front() else { break };
            let job = match &room {
                Ok(()) => job,
                // Nothing more fits, but what takes no room may go on, and makes some.
                Err(error) => match job.refuse_to_store(error) {
                    Some(job) => job,
                    None => continue,
                },
            };
            match self.take(&mut pending, job, now_ms) {
                Taken::Yes => {}
                Taken::AndNoMore => break,
                Taken::NotYet(job) => {
                    self.jobs.push_front(job);
                    break;
                }
            }
        }
        self.commit(pending).and(expired)
    }

    fn take(&mut self, pending: &mut Pending, job: Job, now_ms: i64) -> Taken {
        match job {
            Job::Append { from, messages, answer } => {
                match self.append(pending, from, messages, now_ms) {
                    Ok(receipts) => pending.owed.push(Owed::Receipts(answer, receipts)),
                    Err(error) => tell(answer, Err(error)),
                }
                Taken::Yes
            }
            Job::Remove { account, found, removals, answer } => self.remove(pending, account, found, removals, answer),
            Job::Register { name, key, token, answer } => self.register(pending, name, key, token, answer, now_ms),
            Job::Rotate { account, token, answer } => self.rotate(pending, account, token, answer),
            Job::Delete { account, answer } => self.delete(pending, account, answer),
            Job::Apply { batch, answer } => {
                pending.batch.changes.extend(batch.changes);
                pending.owed.push(Owed::Done(answer));
                Taken::Yes
            }
            Job::Expire { answer } => {
                if self.expiry.is_due(now_ms) {
                    // It would fail again and again.
                    if let Some(error) = self.failed.clone() {
                        tell(answer, Err(error));
                        return Taken::Yes;
                    }
                    return Taken::NotYet(Job::Expire { answer });
                }
                pending.owed.push(Owed::Done(answer));
                Taken::Yes
            }
        }
    }

    fn append(
        &mut self,
        pending: &mut Pending,
        from: AccountId,
        messages: Vec<Outgoing>,
        now_ms: i64,
    ) -> Result<Receipts, StoreError> {
        let shared = Arc::clone(&self.shared);
        let accounts = shared.accounts.read();
        let sender = *accounts.by_id(from).ok_or(StoreError::NoSuchAccount)?;
        let mut receipts = Vec::with_capacity(messages.len());
        for message in messages {
            let mut answers = match &message.idempotency_key {
                None => None,
                Some(key) => Some(pending.answers.find(&shared, &sender, key, now_ms)?),
            };
            let mut accepted: Vec<(AccountId, MessageId)> = Vec::new();
            let mut receipt = Vec::with_capacity(message.to.len());
            for recipient in &message.to {
                let to = match recipient {
                    Ok(to) => *to,
                    Err(refusal) => {
                        receipt.push(Err(*refusal));
                        continue;
                    }
                };
                let known = answers.as_ref().map_or(accepted.as_slice(), |answer| answer.accepted());
                if let Some((_, id)) = known.iter().find(|(account, _)| *account == to) {
                    receipt.push(Ok(*id));
                    continue;
                }
                if accounts.by_id(to).is_none() {
                    receipt.push(Err(Refusal::NoSuchAgent));
                    continue;
                }
                let id = MessageId { ms: now_ms, sender: sender.name, tail: self.tails.next()? };
                let stored = pending.store(&shared, to, &id, sender.key.as_ref(), &message.payload);
                receipt.push(stored.map(|()| id));
                if stored.is_ok() {
                    match &mut answers {
                        Some(answer) => answer.accept(to, id),
                        None => accepted.push((to, id)),
                    }
                }
            }
            if let Some(answer) = answers {
                pending.answers.keep(answer, &mut pending.batch);
            }
            receipts.push(receipt);
        }
        Ok(receipts)
    }

    fn remove(
        &self,
        pending: &mut Pending,
        account: AccountId,
        found: Vec<Removal>,
        removals: u32,
        answer: Answer<usize>,
    ) -> Taken {
        if self.shared.accounts.read().by_id(account).is_none() {
            // All of them have gone with it.
            tell(answer, Ok(0));
            return Taken::Yes;
        }
        let touched = pending.touch(&self.shared, account);
        let found = if touched.inbox.removals == removals {
            found
        } else if touched.inbox.removals == touched.before.removals {
            // Something else was removed meanwhile: some of these may have been.
            match found.into_iter().filter_map(|found| self.still_there(account, found)).collect() {
                Ok(found) => found,
                Err(error) => {
                    tell(answer, Err(error));
                    return Taken::Yes;
                }
            }
        } else {
            return Taken::NotYet(Job::Remove { account, found, removals, answer });
        };
        pending.remove(&self.shared, account, &found);
        pending.owed.push(Owed::Removed(answer, found.len()));
        Taken::Yes
    }

    fn still_there(&self, account: AccountId, found: Removal) -> Option<Result<Removal, StoreError>> {
        let key = keys::message(account, found.0);
        match self.shared.engine.read(Table::Messages, key.bytes()) {
            Ok(None) => None,
            Ok(Some(_)) => Some(Ok(found)),
            Err(error) => Some(Err(error.into())),
        }
    }

    fn register(
        &mut self,
        pending: &mut Pending,
        name: AgentName,
        key: Option<[u8; 32]>,
        token: TokenHash,
        answer: oneshot::Sender<Registering>,
        now_ms: i64,
    ) -> Taken {
        if !pending.names.insert(name) {
            return Taken::NotYet(Job::Register { name, key, token, answer });
        }
        let known = self.shared.accounts.read().by_name(&name).copied();
        let (account, is_new) = match known {
            None => (Account { id: AccountId(self.next_account), name, key, token, registered_ms: now_ms }, true),
            Some(account) if key.is_some() && account.key == key => (Account { token, ..account }, false),
            Some(_) => {
                tell(answer, Err(RegisterError::NameTaken));
                return Taken::Yes;
            }
        };
        if is_new {
            let Some(next) = self.next_account.checked_add(1) else {
                tell(answer, Err(StoreError::Failed("no account ids are left".into()).into()));
                return Taken::Yes;
            };
            self.next_account = next;
            pending.batch.put(Table::Facts, keys::fact(keys::NEXT_ACCOUNT), keys::number(next), Bytes::new());
            pending.batch.put(Table::Names, keys::name(&name), keys::number(account.id.0), Bytes::new());
        }
        pending.put_account(account);
        pending.owed.push(Owed::Registered(answer, account, is_new));
        Taken::Yes
    }

    fn rotate(&self, pending: &mut Pending, account: AccountId, token: TokenHash, answer: Answer<()>) -> Taken {
        let Some(account) = self.shared.accounts.read().by_id(account).copied() else {
            tell(answer, Err(StoreError::NoSuchAccount));
            return Taken::Yes;
        };
        if !pending.names.insert(account.name) {
            return Taken::NotYet(Job::Rotate { account: account.id, token, answer });
        }
        pending.put_account(Account { token, ..account });
        pending.owed.push(Owed::Done(answer));
        Taken::Yes
    }

    fn delete(&self, pending: &mut Pending, account: AccountId, answer: Answer<Account>) -> Taken {
        let Some(account) = self.shared.accounts.read().by_id(account).copied() else {
            tell(answer, Err(StoreError::NoSuchAccount));
            return Taken::Yes;
        };
        if !pending.names.insert(account.name) {
            return Taken::NotYet(Job::Delete { account: account.id, answer });
        }
        // What this batch has put into its inbox is found by whoever clears up.
        pending.inboxes.remove(&account.id);
        pending.batch.remove(Table::Accounts, keys::account(account.id));
        pending.batch.remove(Table::Names, keys::name(&account.name));
        pending.batch.remove(Table::Inboxes, keys::account(account.id));
        pending.batch.put(Table::Facts, keys::deleting(account.id), Head::new(), Bytes::new());
        pending.deleted = Some(account.id);
        pending.owed.push(Owed::Deleted(answer, account));
        Taken::AndNoMore
    }

    /// Removes some of what has expired.
    fn expire(&mut self, pending: &mut Pending, now_ms: i64) -> Result<(), StoreError> {
        for (account, found, oldest_ms) in self.expiry.due(&self.shared, now_ms)? {
            pending.remove(&self.shared, account, &found);
            self.shared.counters.expired.fetch_add(found.len() as u64, Ordering::Relaxed);
            let touched = pending.touch(&self.shared, account);
            let before_ms = touched.before.oldest_ms;
            touched.inbox.oldest_ms = oldest_ms;
            touched.inbox.is_watched = false;
            pending.expired.push((account, before_ms));
        }
        self.expiry.forget_answers(&self.shared, &mut pending.batch, now_ms)
    }

    fn commit(&mut self, mut pending: Pending) -> Result<(), StoreError> {
        pending.write_inboxes();
        let batch = std::mem::take(&mut pending.batch);
        if !batch.changes.is_empty() {
            let committed = self.shared.engine.commit(batch);
            self.shared.counters.commits.fetch_add(1, Ordering::Relaxed);
            if let Err(error) = committed {
                self.shared.counters.is_writable.store(false, Ordering::Relaxed);
                tracing::error!(%error, "nothing could be written");
                pending.expired.into_iter().for_each(|(account, oldest_ms)| self.expiry.watch(account, oldest_ms));
                let error = StoreError::from(error);
                pending.owed.into_iter().for_each(|owed| owed.refuse(&error));
                return Err(error);
            }
        }
        self.publish(pending);
        Ok(())
    }

    /// Shows what has been committed, and answers.
    #[expect(clippy::iter_over_hash_type, reason = "inboxes have nothing to do with one another")]
    fn publish(&mut self, pending: Pending) {
        let shared = Arc::clone(&self.shared);
        let counters = &shared.counters;
        if !pending.accounts.is_empty() || pending.deleted.is_some() {
            let mut accounts = shared.accounts.write();
            pending.accounts.into_iter().for_each(|account| accounts.put(account));
            if let Some(account) = pending.deleted {
                accounts.remove(account);
                counters.count(&shared.inboxes.get(account), &Inbox::default());
                shared.inboxes.remove(account);
                shared.doorbells.remove(account);
            }
        }
        counters.appended.fetch_add(pending.appended, Ordering::Relaxed);
        counters.removed.fetch_add(pending.removed, Ordering::Relaxed);
        for (account, mut touched) in pending.inboxes {
            counters.count(&touched.before, &touched.inbox);
            if touched.inbox.count > 0 && !touched.inbox.is_watched {
                touched.inbox.is_watched = true;
                self.expiry.watch(account, touched.inbox.oldest_ms);
            }
            shared.inboxes.put(account, touched.inbox);
            if let Some(newest) = touched.newest.filter(|_| !shared.doorbells.is_empty()) {
                shared.doorbells.ring(account, newest);
            }
        }
        pending.owed.into_iter().for_each(Owed::pay);
    }
}

impl Pending {
    /// The inbox as this batch will leave it.
    fn touch(&mut self, shared: &Shared, account: AccountId) -> &mut Touched {
        self.inboxes.entry(account).or_insert_with(|| {
            let inbox = shared.inboxes.get(account);
            Touched { inbox, before: inbox, newest: None }
        })
    }

    fn store(
        &mut self,
        shared: &Shared,
        to: AccountId,
        id: &MessageId,
        from_key: Option<&[u8; 32]>,
        payload: &Bytes,
    ) -> Result<(), Refusal> {
        let limits = &shared.limits;
        if payload.len() > limits.message_bytes {
            return Err(Refusal::TooLarge);
        }
        let touched = self.touch(shared, to);
        let inbox = &mut touched.inbox;
        if inbox.bytes + payload.len() as u64 > limits.inbox_bytes || inbox.count >= limits.inbox_messages {
            return Err(Refusal::InboxFull);
        }
        let cursor = Cursor(inbox.add(payload.len(), id.ms));
        touched.newest = Some(Waiting { cursor, id: *id });
        let (key, head) = (keys::message(to, cursor), keys::message_head(id, from_key));
        self.batch.put(Table::Messages, key, head, payload.clone());
        self.bytes += payload.len();
        self.appended += 1;
        Ok(())
    }

    fn remove(&mut self, shared: &Shared, account: AccountId, found: &[Removal]) {
        if found.is_empty() {
            return;
        }
        let inbox = &mut self.touch(shared, account).inbox;
        inbox.removals = inbox.removals.wrapping_add(1);
        found.iter().for_each(|(cursor, bytes)| inbox.take(cursor.0, *bytes));
        found.iter().for_each(|(cursor, _)| self.batch.remove(Table::Messages, keys::message(account, *cursor)));
        self.removed += found.len() as u64;
    }

    fn put_account(&mut self, account: Account) {
        let value = keys::account_value(&account);
        self.batch.put(Table::Accounts, keys::account(account.id), value, Bytes::new());
        self.accounts.push(account);
    }

    /// One row for each inbox, however often it was touched.
    #[expect(clippy::iter_over_hash_type, reason = "the order of rows in a batch means nothing")]
    fn write_inboxes(&mut self) {
        for (account, touched) in &self.inboxes {
            let row = keys::inbox_value(&touched.inbox);
            if row != keys::inbox_value(&touched.before) {
                self.batch.put(Table::Inboxes, keys::account(*account), row, Bytes::new());
            }
        }
    }
}

impl Owed {
    fn pay(self) {
        match self {
            Self::Receipts(answer, receipts) => tell(answer, Ok(receipts)),
            Self::Removed(answer, count) => tell(answer, Ok(count)),
            Self::Registered(answer, account, is_new) => tell(answer, Ok((account, is_new))),
            Self::Deleted(answer, account) => tell(answer, Ok(account)),
            Self::Done(answer) => tell(answer, Ok(())),
        }
    }

    fn refuse(self, error: &StoreError) {
        let error = error.clone();
        match self {
            Self::Receipts(answer, _) => tell(answer, Err(error)),
            Self::Removed(answer, _) => tell(answer, Err(error)),
            Self::Registered(answer, ..) => tell(answer, Err(error.into())),
            Self::Deleted(answer, _) => tell(answer, Err(error)),
            Self::Done(answer) => tell(answer, Err(error)),
        }
    }
}

/// Who asked may have gone away.
fn tell<T>(answer: oneshot::Sender<T>, outcome: T) {
    let _ = answer.send(outcome);
}
