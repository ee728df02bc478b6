//! What a relay keeps: accounts, the messages in their inboxes, and blobs.
//!
//! One thread writes (`writer`); whatever waits for it goes into one commit, and is answered when that is on disk. Reads
//! never wait for it. Accounts and the counters of inboxes lie in memory too (`accounts`, `inboxes`); messages do not.

mod accounts;
mod backup;
mod blobs;
mod clock;
mod doorbell;
mod error;
mod expiry;
mod facts;
pub(crate) mod folder;
mod idempotency;
mod inboxes;
mod keys;
mod lease;
mod load;
mod message;
mod name;
mod queue;
mod random;
mod token;
mod writer;

use std::ops::ControlFlow;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::thread::JoinHandle;

use parking_lot::{Mutex, RwLock};
use tokio::sync::oneshot;

pub use accounts::Agent;
pub use azall_core::protocol::relay::version2::BlobName;
pub use backup::{BackupError, restore};
pub use blobs::{BlobError, BlobFile, BlobInfo, BlobProgress, BlobPut, BlobUpload};
pub use clock::Clock;
pub use doorbell::Doorbell;
pub use error::{OpenError, RegisterError, StoreError};
pub use facts::Facts;
pub use lease::Lease;
pub use message::{
    AccountId, BadCursor, BadIdempotencyKey, Cursor, IdempotencyKey, MessageId, Outgoing, Page, Refusal, Stored,
    Waiting,
};
pub use name::{AgentName, BadName};
pub use token::Token;

use crate::engine::{Batch, Engine, Key, Table};
use crate::options::StoreLimits;
use accounts::Accounts;
use blobs::Blobs;
use clock::millis;
use doorbell::Doorbells;
use facts::Counters;
use folder::Folder;
use inboxes::Inboxes;
use lease::Leases;
use queue::Queue;
use writer::{Job, Removal};

/// Inboxes up to this size are read where the asker runs; larger ones by a thread that may block.
const READ_IN_PLACE: u64 = 64 << 10;

/// A page of an inbox costs the engine no more than this many messages.
const PAGE_MESSAGES: usize = 10_000;

/// Whether the answer of a registration is for a new account, and what it is.
#[derive(Debug, Clone)]
pub struct Registered {
    /// The account.
    pub account: AccountId,
    /// Its token, told this once.
    pub token: Token,
    /// False when the owner of the key got the account back.
    pub is_new: bool,
}

/// All that the threads and tasks of a store share.
pub(crate) struct Shared {
    pub(crate) engine: Arc<dyn Engine>,
    pub(crate) limits: StoreLimits,
    pub(crate) clock: Clock,
    pub(crate) accounts: RwLock<Accounts>,
    pub(crate) inboxes: Inboxes,
    pub(crate) queue: Queue<Job>,
    pub(crate) doorbells: Arc<Doorbells>,
    pub(crate) leases: Leases,
    pub(crate) counters: Counters,
    /// No answer to an idempotency key was given before this day.
    pub(crate) first_answer_day: AtomicU32,
    pub(crate) blobs: Blobs,
    /// Last: the folder is unlocked when all else is closed.
    pub(crate) _folder: Folder,
}

/// The store of a relay: a handle that is cheap to clone. It is closed with its last handle, or by
/// [`close`](Self::close).
#[derive(Clone)]
pub struct Store {
    handle: Arc<Handle>,
}

struct Handle {
    shared: Arc<Shared>,
    writer: Mutex<Option<JoinHandle<()>>>,
}

impl Handle {
    /// Ends the writer, which finishes what it has been given.
    fn stop(&self) {
        self.shared.queue.close();
        if let Some(writer) = self.writer.lock().take() {
            let _ = writer.join();
        }
    }
}

impl Drop for Handle {
    fn drop(&mut self) {
        self.stop();
    }
}

impl Store {
    /// Opens the store in a folder, or makes one in an empty or missing folder.
    ///
    /// # Errors
    /// The folder is in use, holds something else, is damaged or of a newer version, or cannot be written. It is never
    /// wiped.
    pub fn open(dir: &Path, limits: StoreLimits) -> Result<Self, OpenError> {
        Self::open_at(dir, limits, Clock::system())
    }

    /// As [`open`](Self::open), by another clock.
    ///
    /// # Errors
    /// As there.
    pub fn open_at(dir: &Path, limits: StoreLimits, clock: Clock) -> Result<Self, OpenError> {
        let (folder, engine) = Folder::open(dir)?;
        load::load(folder, engine, limits, clock)
    }

    /// A store that is gone when it is closed. Messages are in memory alone; blobs are in a temporary folder.
    ///
    /// # Errors
    /// No thread or temporary folder can be made.
    pub fn in_memory(limits: StoreLimits) -> Result<Self, OpenError> {
        Self::in_memory_at(limits, Clock::system())
    }

    /// As [`in_memory`](Self::in_memory), by another clock.
    ///
    /// # Errors
    /// As there.
    pub fn in_memory_at(limits: StoreLimits, clock: Clock) -> Result<Self, OpenError> {
        load::load(Folder::temporary()?, Arc::new(crate::engine::memory::Memory::default()), limits, clock)
    }

    fn shared(&self) -> &Arc<Shared> {
        &self.handle.shared
    }

    /// The limits that the store was opened with.
    #[must_use]
    pub fn limits(&self) -> &StoreLimits {
        &self.shared().limits
    }

    /// Unix milliseconds, by the store's clock.
    pub(crate) fn now_ms(&self) -> i64 {
        self.shared().clock.now_ms()
    }

    /// The account whose token this is.
    #[must_use]
    pub fn account_of(&self, token: &str) -> Option<AccountId> {
        let hash = token::hash(token);
        self.shared().accounts.read().by_token(&hash).map(|account| account.id)
    }

    /// The agent of a name.
    #[must_use]
    pub fn agent(&self, name: &AgentName) -> Option<Agent> {
        self.shared().accounts.read().by_name(name).map(Agent::from)
    }

    /// The agent of an account.
    #[must_use]
    pub fn agent_of(&self, account: AccountId) -> Option<Agent> {
        self.shared().accounts.read().by_id(account).map(Agent::from)
    }

    /// The agents after a name, or from the first one on, in the order of their names.
    ///
    /// # Errors
    /// The files cannot be read.
    pub fn agents(&self, after: Option<&AgentName>, limit: usize) -> Result<Vec<Agent>, StoreError> {
        let first = after.map_or(Key::new(), |name| keys::name(name).with(&[0]));
        let mut names = Vec::new();
        self.shared().engine.scan(Table::Names, first.bytes(), &[0xff], &mut |name, _| {
            if names.len() < limit {
                names.extend(std::str::from_utf8(name).ok().and_then(|name| AgentName::parse(name).ok()));
            }
            if names.len() < limit { ControlFlow::Continue(()) } else { ControlFlow::Break(()) }
        })?;
        let accounts = self.shared().accounts.read();
        Ok(names.iter().filter_map(|name| accounts.by_name(name).map(Agent::from)).collect())
    }

    /// Makes an account. The same name with the same key gives the account back, with a new token.
    ///
    /// # Errors
    /// The name is taken, or the files cannot be written.
    pub async fn register(&self, name: AgentName, key: Option<[u8; 32]>) -> Result<Registered, RegisterError> {
        let token = Token::random()?;
        let hash = token::hash(token.reveal());
        let (answer, answered) = oneshot::channel();
        self.shared().push(Job::Register { name, key, token: hash, answer })?;
        let (account, is_new) = answered.await.map_err(|_| StoreError::Closed)??;
        Ok(Registered { account: account.id, token, is_new })
    }

    /// Gives an account another token; the old one is dead when this returns.
    ///
    /// # Errors
    /// The account is gone, or the files cannot be written.
    pub async fn rotate_token(&self, account: AccountId) -> Result<Token, StoreError> {
        let token = Token::random()?;
        let hash = token::hash(token.reveal());
        self.shared().ask(|answer| Job::Rotate { account, token: hash, answer }).await?;
        Ok(token)
    }

    /// Deletes an account and all that is kept about it: when this returns, nothing of it is in the data files. What it has
    /// sent and others have not fetched stays theirs.
    ///
    /// # Errors
    /// The account is gone, or the files cannot be written.
    pub async fn delete_account(&self, account: AccountId) -> Result<(), StoreError> {
        self.shared().ask(|answer| Job::Delete { account, answer }).await?;
        self.shared().clear_account(account).await?;
        let engine = Arc::clone(&self.shared().engine);
        blocking(move || engine.purge().map_err(StoreError::from)).await
    }

    /// Stores messages, each for all its recipients; answers in their order when all of it is on disk.
    ///
    /// # Errors
    /// The sender's account is gone, or the files cannot be written.
    pub async fn append(
        &self,
        from: AccountId,
        messages: Vec<Outgoing>,
    ) -> Result<Vec<Vec<Result<MessageId, Refusal>>>, StoreError> {
        self.shared().ask(|answer| Job::Append { from, messages, answer }).await
    }

    /// What waits after a cursor, or from the oldest on: at most `limit` messages and `max_bytes` of payloads, one message
    /// at least. A cursor that this inbox has not given yet counts as none.
    ///
    /// # Errors
    /// The files cannot be read.
    pub async fn page(
        &self,
        account: AccountId,
        after: Option<Cursor>,
        limit: usize,
        max_bytes: usize,
    ) -> Result<Page, StoreError> {
        let inbox = self.shared().inboxes.get(account);
        let after = after.filter(|after| after.0 < inbox.next);
        let first = after.map_or(0, |after| after.0 + 1).max(inbox.first);
        let newest = Cursor(inbox.next - 1);
        if inbox.count == 0 || first >= inbox.next {
            return Ok(Page { messages: Vec::new(), next: newest });
        }
        let shared = Arc::clone(self.shared());
        // Not beyond what the inbox is known to hold: what a commit has brought whose turn to be told of has not come could
        // be shown, but not yet be acknowledged.
        let range = (first, newest.0);
        let read = move || shared.messages(account, range, limit.max(1), max_bytes);
        let messages = if inbox.bytes <= READ_IN_PLACE { read()? } else { blocking(read).await? };
        let next = messages.last().map_or(newest, |last| last.cursor);
        Ok(Page { messages, next })
    }

    /// The ids of what waits after a cursor.
    ///
    /// # Errors
    /// The files cannot be read.
    pub async fn waiting(
        &self,
        account: AccountId,
        after: Option<Cursor>,
        limit: usize,
    ) -> Result<Vec<Waiting>, StoreError> {
        let page = self.page(account, after, limit, usize::MAX).await?;
        Ok(page.messages.iter().map(|one| Waiting { cursor: one.cursor, id: one.id }).collect())
    }

    /// Hands out what waits and nobody else is being handed, oldest first: at most `limit` messages and `max_bytes` of
    /// payloads, one message at least. It is removed by [`Lease::delivered`].
    ///
    /// # Errors
    /// The files cannot be read.
    pub async fn lease(&self, account: AccountId, limit: usize, max_bytes: usize) -> Result<Lease, StoreError> {
        let shared = self.shared();
        let inbox = shared.inboxes.get(account);
        let mut lease = Lease {
            shared: Arc::clone(shared),
            account,
            range: (u64::MAX, 0),
            removals: inbox.removals,
            messages: Vec::new(),
        };
        if inbox.count == 0 {
            return Ok(lease);
        }
        lease.range = shared.leases.reserve(account, inbox.first);
        let (range, reader) = (lease.range, Arc::clone(shared));
        let read = move || reader.messages(account, range, limit.max(1), max_bytes);
        lease.messages = if inbox.bytes <= READ_IN_PLACE { read()? } else { blocking(read).await? };
        let last = lease.messages.last().map(|last| last.cursor.0);
        shared.leases.shrink(account, range, last);
        lease.range = last.map_or((u64::MAX, 0), |last| (range.0, last));
        Ok(lease)
    }

    /// Removes messages; how many of them were there. Answers when that is on disk.
    ///
    /// # Errors
    /// The files cannot be read or written.
    pub async fn ack(&self, account: AccountId, mut cursors: Vec<Cursor>) -> Result<usize, StoreError> {
        let inbox = self.shared().inboxes.get(account);
        cursors.sort_unstable();
        cursors.dedup();
        cursors.retain(|cursor| (inbox.first..inbox.next).contains(&cursor.0));
        if inbox.count == 0 || cursors.is_empty() {
            return Ok(0);
        }
        let shared = Arc::clone(self.shared());
        let find = move || shared.find(account, cursors);
        let found = if inbox.bytes <= READ_IN_PLACE { find()? } else { blocking(find).await? };
        if found.is_empty() {
            return Ok(0);
        }
        self.shared().remove(account, found, inbox.removals).await
    }

    /// Tells when something arrives at an account.
    #[must_use]
    pub fn doorbell(&self, account: AccountId) -> Doorbell {
        Doorbell::new(&self.shared().doorbells, account)
    }

    /// Removes what has expired now, rather than a little later.
    ///
    /// # Errors
    /// The files cannot be read or written.
    pub async fn expire(&self) -> Result<(), StoreError> {
        self.shared().ask(|answer| Job::Expire { answer }).await?;
        self.expire_blobs().await
    }

    /// How much is in the store, and what has happened.
    #[must_use]
    pub fn facts(&self) -> Facts {
        let shared = self.shared();
        let counters = &shared.counters;
        let (blobs, blob_bytes) = shared.blobs.count();
        Facts {
            accounts: shared.accounts.read().len() as u64,
            messages: counters.messages.load(Ordering::Relaxed),
            message_bytes: counters.message_bytes.load(Ordering::Relaxed),
            blobs,
            blob_bytes,
            appended: counters.appended.load(Ordering::Relaxed),
            removed: counters.removed.load(Ordering::Relaxed),
            expired: counters.expired.load(Ordering::Relaxed),
            commits: counters.commits.load(Ordering::Relaxed),
            queued: shared.queue.len() as u64,
            doorbells: shared.doorbells.len() as u64,
        }
    }

    /// Whether the last commit went well.
    #[must_use]
    pub fn is_writable(&self) -> bool {
        self.shared().counters.is_writable.load(Ordering::Relaxed)
    }

    /// Takes nothing more, finishes what was taken, and returns when all of it is on disk. Other handles answer
    /// [`StoreError::Closed`] from then on.
    pub async fn close(self) {
        let handle = Arc::clone(&self.handle);
        let _ = blocking(move || {
            handle.stop();
            Ok(())
        })
        .await;
    }
}

impl Shared {
    fn push(&self, job: Job) -> Result<(), StoreError> {
        self.queue.push(job).map_err(|_| StoreError::Closed)
    }

    /// Gives the writer something to do, and waits for its answer.
    async fn ask<T>(&self, job: impl FnOnce(writer::Answer<T>) -> Job) -> Result<T, StoreError> {
        let (answer, answered) = oneshot::channel();
        self.push(job(answer))?;
        answered.await.map_err(|_| StoreError::Closed)?
    }

    /// Makes changes that the writer need not understand.
    async fn apply(&self, batch: Batch) -> Result<(), StoreError> {
        self.ask(|answer| Job::Apply { batch, answer }).await
    }

    async fn remove(&self, account: AccountId, found: Vec<Removal>, removals: u32) -> Result<usize, StoreError> {
        self.ask(|answer| Job::Remove { account, found, removals, answer }).await
    }

    /// Reads messages that have not expired; both ends of the range included.
    fn messages(
        &self,
        account: AccountId,
        range: (u64, u64),
        limit: usize,
        max_bytes: usize,
    ) -> Result<Vec<Stored>, StoreError> {
        let oldest_ms = self.clock.now_ms().saturating_sub(millis(self.limits.message_ttl));
        let limit = limit.min(PAGE_MESSAGES);
        let (mut messages, mut bytes, mut failed) = (Vec::<Stored>::new(), 0, None);
        let (first, last) = (keys::message(account, Cursor(range.0)), keys::message(account, Cursor(range.1)));
        self.engine.scan(Table::Messages, first.bytes(), last.bytes(), &mut |key, value| {
            let message = match keys::read_message_key(key).and_then(|(_, cursor)| keys::read_message(cursor, &value)) {
                Ok(message) => message,
                Err(error) => {
                    failed = Some(error);
                    return ControlFlow::Break(());
                }
            };
            if message.id.ms <= oldest_ms {
                return ControlFlow::Continue(());
            }
            bytes += message.payload.len();
            if messages.len() >= limit || (bytes > max_bytes && !messages.is_empty()) {
                return ControlFlow::Break(());
            }
            messages.push(message);
            ControlFlow::Continue(())
        })?;
        match failed {
            None => Ok(messages),
            Some(error) => Err(error.into()),
        }
    }

    /// Which of these messages are there, and how large they are.
    fn find(&self, account: AccountId, cursors: Vec<Cursor>) -> Result<Vec<Removal>, StoreError> {
        let mut found = Vec::with_capacity(cursors.len());
        for cursor in cursors {
            if let Some(value) = self.engine.read(Table::Messages, keys::message(account, cursor).bytes())? {
                found.push((cursor, keys::read_message(cursor, &value)?.payload.len() as u64));
            }
        }
        Ok(found)
    }
}

/// Runs what may block on a thread that may.
async fn blocking<T: Send + 'static>(
    work: impl FnOnce() -> Result<T, StoreError> + Send + 'static,
) -> Result<T, StoreError> {
    tokio::task::spawn_blocking(work).await.map_err(|_| StoreError::Closed)?
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::AtomicBool;
    use std::sync::mpsc::{Receiver, Sender, channel};
    use std::time::Duration;

    use bytes::Bytes;

    use super::*;
    use crate::engine::memory::Memory;
    use crate::engine::{Dump, EngineError, Visit};

    /// More than long enough.
    const SOON: Duration = Duration::from_secs(30);

    /// An engine whose commits, once they are done and before they return, are told of and wait, if they are watched.
    struct Held {
        memory: Memory,
        is_watched: AtomicBool,
        gate: Mutex<(Sender<()>, Receiver<()>)>,
    }

    impl Engine for Held {
        fn read(&self, table: Table, key: &[u8]) -> Result<Option<Bytes>, EngineError> {
            self.memory.read(table, key)
        }

        fn scan(&self, table: Table, first: &[u8], last: &[u8], visit: Visit<'_>) -> Result<(), EngineError> {
            self.memory.scan(table, first, last, visit)
        }

        fn count(&self, table: Table) -> usize {
            self.memory.count(table)
        }

        fn commit(&self, batch: Batch) -> Result<(), EngineError> {
            self.memory.commit(batch)?;
            let gate = self.gate.lock();
            if self.is_watched.load(Ordering::Relaxed) && gate.0.send(()).is_ok() {
                let _ = gate.1.recv();
            }
            Ok(())
        }

        fn purge(&self) -> Result<(), EngineError> {
            self.memory.purge()
        }

        fn dump(&self, visit: Dump<'_>) -> Result<(), EngineError> {
            self.memory.dump(visit)
        }
    }

    /// The writer has committed a message and not yet said so; what is shown meanwhile can be acknowledged.
    #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
    async fn what_a_page_shows_can_be_acknowledged_at_once() {
        let (done, committed) = channel();
        let (go_on, gone_on) = channel();
        let gate = Mutex::new((done, gone_on));
        let engine = Arc::new(Held { memory: Memory::default(), is_watched: AtomicBool::new(false), gate });
        let folder = Folder::temporary().unwrap();
        let watched: Arc<dyn Engine> = Arc::<Held>::clone(&engine);
        let store = load::load(folder, watched, StoreLimits::default(), Clock::system()).unwrap();
        engine.is_watched.store(true, Ordering::Relaxed);
        let proceed = || {
            committed.recv_timeout(SOON).unwrap();
            go_on.send(()).unwrap();
        };
        let registering = tokio::spawn({
            let store = store.clone();
            async move { store.register(AgentName::parse("anna").unwrap(), None).await.unwrap().account }
        });
        proceed();
        let anna = registering.await.unwrap();
        let send = || {
            let store = store.clone();
            let message = Outgoing { to: vec![Ok(anna)], payload: "text".into(), idempotency_key: None };
            tokio::spawn(async move { store.append(anna, vec![message]).await.unwrap() })
        };
        let sending = send();
        proceed();
        sending.await.unwrap();
        let sending = send();
        committed.recv_timeout(SOON).unwrap();
        let page = store.page(anna, None, 10, usize::MAX).await.unwrap();
        let cursors: Vec<_> = page.messages.iter().map(|message| message.cursor).collect();
        let acknowledging = tokio::spawn({
            let (store, cursors) = (store.clone(), cursors.clone());
            async move { store.ack(anna, cursors).await.unwrap() }
        });
        go_on.send(()).unwrap();
        proceed();
        assert_eq!(acknowledging.await.unwrap(), cursors.len());
        sending.await.unwrap();
        let left = store.page(anna, Some(page.next), 10, usize::MAX).await.unwrap();
        assert_eq!((cursors.len(), left.messages.len()), (1, 1));
        engine.is_watched.store(false, Ordering::Relaxed);
        store.close().await;
    }
}
