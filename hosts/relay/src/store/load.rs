//! Beginning: what must be in memory is read, what was cut off is finished, and the writer is started.

use std::ops::ControlFlow;
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};

use bytes::Bytes;
use parking_lot::{Mutex, RwLock};

use super::accounts::Accounts;
use super::blobs::Blobs;
use super::clock::{Clock, millis};
use super::error::{OpenError, StoreError};
use super::expiry::Expiry;
use super::facts::Counters;
use super::folder::Folder;
use super::inboxes::{Inbox, Inboxes};
use super::message::AccountId;
use super::queue::Queue;
use super::writer::Writer;
use super::{Handle, Leases, Shared, Store, blocking, idempotency, keys};
use crate::engine::{Batch, Engine, EngineError, Table};
use crate::options::StoreLimits;

/// Greater than any key.
const LAST: &[u8] = &[0xff; 64];

/// How many rows of a deleted account are removed by one commit.
const CLEARED: usize = 1000;

/// Shows all rows of a table; the first thing that goes wrong ends it.
pub(crate) fn every(
    engine: &dyn Engine,
    table: Table,
    mut visit: impl FnMut(&[u8], &Bytes) -> Result<(), EngineError>,
) -> Result<(), EngineError> {
    let mut failed = None;
    engine.scan(table, &[], LAST, &mut |key, value| match visit(key, &value) {
        Ok(()) => ControlFlow::Continue(()),
        Err(error) => {
            failed = Some(error);
            ControlFlow::Break(())
        }
    })?;
    failed.map_or(Ok(()), Err)
}

pub(crate) fn load(
    folder: Folder,
    engine: Arc<dyn Engine>,
    limits: StoreLimits,
    clock: Clock,
) -> Result<Store, OpenError> {
    let dir = folder.path().to_owned();
    let damaged = |error: EngineError| OpenError::Corrupt { dir: dir.clone(), what: error.to_string() };
    let accounts = load_accounts(&*engine).map_err(damaged)?;
    let next_account = engine.read(Table::Facts, keys::NEXT_ACCOUNT).map_err(damaged)?;
    let next_account = next_account.map_or(Ok(0), |value| keys::read_number(&value)).map_err(damaged)?;
    let counters = Counters::default();
    let mut expiry = Expiry::new(millis(limits.message_ttl));
    let inboxes = load_inboxes(&*engine, &counters, &mut expiry).map_err(damaged)?;
    let first_answer_day = first_answer_day(&*engine, clock.now_ms()).map_err(damaged)?;
    let blobs = Blobs::load(&*engine, folder.blobs()).map_err(damaged)?;
    let shared = Arc::new(Shared {
        engine,
        limits,
        clock,
        accounts: RwLock::new(accounts),
        inboxes,
        queue: Queue::default(),
        doorbells: Arc::default(),
        leases: Leases::default(),
        counters,
        first_answer_day: AtomicU32::new(first_answer_day),
        blobs,
        _folder: folder,
    });
    finish_deletions(&shared).map_err(|error| OpenError::Start(error.to_string()))?;
    let writer = Writer::new(Arc::clone(&shared), expiry, next_account);
    let thread = std::thread::Builder::new().name("relay-writer".to_owned()).spawn(move || writer.run());
    let thread = thread.map_err(|error| OpenError::Start(error.to_string()))?;
    Ok(Store { handle: Arc::new(Handle { shared, writer: Mutex::new(Some(thread)) }) })
}

fn load_accounts(engine: &dyn Engine) -> Result<Accounts, EngineError> {
    let mut accounts = Accounts::with_room(engine.count(Table::Accounts));
    every(engine, Table::Accounts, |key, value| {
        accounts.put(keys::read_account_value(key, value)?);
        Ok(())
    })?;
    Ok(accounts)
}

fn load_inboxes(engine: &dyn Engine, counters: &Counters, expiry: &mut Expiry) -> Result<Inboxes, EngineError> {
    let inboxes = Inboxes::default();
    every(engine, Table::Inboxes, |key, value| {
        let (account, mut inbox) = (keys::read_account(key)?, keys::read_inbox_value(value)?);
        counters.count(&Inbox::default(), &inbox);
        if inbox.count > 0 {
            inbox.is_watched = true;
            expiry.watch(account, inbox.oldest_ms);
        }
        inboxes.put(account, inbox);
        Ok(())
    })?;
    Ok(inboxes)
}

/// The day of the oldest answer to an idempotency key.
fn first_answer_day(engine: &dyn Engine, now_ms: i64) -> Result<u32, EngineError> {
    let mut first = Ok(idempotency::day(now_ms));
    engine.scan(Table::Idempotency, &[], LAST, &mut |key, _| {
        first = keys::read_idempotency_day(key);
        ControlFlow::Break(())
    })?;
    first
}

/// Finishes the deletions that the end of the process has cut off.
fn finish_deletions(shared: &Shared) -> Result<(), StoreError> {
    let mut accounts = Vec::new();
    every(&*shared.engine, Table::Facts, |key, _| {
        if key.starts_with(keys::DELETING) {
            accounts.push(keys::read_deleting(key)?);
        }
        Ok(())
    })?;
    if accounts.is_empty() {
        return Ok(());
    }
    for account in accounts {
        while let Some(batch) = shared.clearing(account)? {
            shared.engine.commit(batch)?;
        }
    }
    Ok(shared.engine.purge()?)
}

impl Shared {
    /// Removes what a deleted account has left, a part at a time.
    pub(crate) async fn clear_account(self: &Arc<Self>, account: AccountId) -> Result<(), StoreError> {
        loop {
            let shared = Arc::clone(self);
            let Some(batch) = blocking(move || shared.clearing(account)).await? else { return Ok(()) };
            self.apply(batch).await?;
        }
    }

    /// The next part of what a deleted account has left. The last part is the note that there is something to do.
    fn clearing(&self, account: AccountId) -> Result<Option<Batch>, StoreError> {
        if self.engine.read(Table::Facts, keys::deleting(account).bytes())?.is_none() {
            return Ok(None);
        }
        let mut batch = Batch::default();
        let mut remove = |table, first: &[u8], last: &[u8]| {
            self.engine.scan(table, first, last, &mut |key, _| {
                batch.remove(table, keys::fact(key));
                if batch.changes.len() < CLEARED { ControlFlow::Continue(()) } else { ControlFlow::Break(()) }
            })
        };
        let (first, last) = keys::all_messages(account);
        remove(Table::Messages, first.bytes(), last.bytes())?;
        let today = idempotency::day(self.clock.now_ms());
        for day in self.first_answer_day.load(Ordering::Relaxed)..=today {
            let (first, last) = keys::all_answers(day, account);
            remove(Table::Idempotency, first.bytes(), last.bytes())?;
        }
        if batch.changes.is_empty() {
            self.blobs.disown(account, &mut batch)?;
            batch.remove(Table::Facts, keys::deleting(account));
        }
        Ok(Some(batch))
    }
}
