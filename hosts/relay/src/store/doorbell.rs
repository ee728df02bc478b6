//! Doorbells: being told when something arrives.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering, fence};

use parking_lot::Mutex;
use tokio::sync::watch;

use super::message::{AccountId, ByAccount, Waiting};

/// Who waits for what. Accounts that nobody waits for cost nothing.
#[derive(Default)]
pub(crate) struct Doorbells {
    bells: Mutex<ByAccount<watch::Sender<Option<Waiting>>>>,
    /// How many there are, to be read without the lock.
    count: AtomicUsize,
    /// Whether none will ring any more; changes under the lock.
    is_closed: AtomicBool,
}

impl Doorbells {
    /// Whether nobody waits. Ask after the message can be read: who is missed here finds it.
    pub(crate) fn is_empty(&self) -> bool {
        fence(Ordering::SeqCst);
        self.count.load(Ordering::SeqCst) == 0
    }

    pub(crate) fn len(&self) -> usize {
        self.count.load(Ordering::SeqCst)
    }

    pub(crate) fn ring(&self, account: AccountId, newest: Waiting) {
        if let Some(bell) = self.bells.lock().get(&account) {
            bell.send_replace(Some(newest));
        }
    }

    /// Lets all who wait at an account know that nothing will come any more.
    pub(crate) fn remove(&self, account: AccountId) {
        let mut bells = self.bells.lock();
        bells.remove(&account);
        self.count.store(bells.len(), Ordering::SeqCst);
    }

    /// Lets all who wait know that nothing will come any more.
    pub(crate) fn close(&self) {
        let mut bells = self.bells.lock();
        self.is_closed.store(true, Ordering::SeqCst);
        bells.clear();
        self.count.store(0, Ordering::SeqCst);
    }
}

/// Tells when a message arrives at an account.
pub struct Doorbell {
    account: AccountId,
    bells: Arc<Doorbells>,
    receiver: watch::Receiver<Option<Waiting>>,
}

impl Doorbell {
    pub(crate) fn new(bells: &Arc<Doorbells>, account: AccountId) -> Self {
        let mut map = bells.bells.lock();
        let receiver = if bells.is_closed.load(Ordering::SeqCst) {
            watch::Sender::new(None).subscribe()
        } else {
            map.entry(account).or_insert_with(|| watch::Sender::new(None)).subscribe()
        };
        bells.count.store(map.len(), Ordering::SeqCst);
        drop(map);
        fence(Ordering::SeqCst);
        Self { account, bells: Arc::clone(bells), receiver }
    }

    /// Waits until something has arrived since this doorbell was made or last rang; the newest of it. `None` when nothing
    /// will come any more: the account is gone, or the store is closed.
    ///
    /// To miss nothing, make the doorbell first and look at what is there then. May be cancelled.
    pub async fn rung(&mut self) -> Option<Waiting> {
        self.receiver.changed().await.ok()?;
        *self.receiver.borrow_and_update()
    }
}

impl Drop for Doorbell {
    fn drop(&mut self) {
        let mut bells = self.bells.bells.lock();
        // This one is counted still.
        let is_last = bells
            .get(&self.account)
            .is_some_and(|bell| bell.receiver_count() <= 1 && bell.subscribe().same_channel(&self.receiver));
        if is_last {
            bells.remove(&self.account);
            self.bells.count.store(bells.len(), Ordering::SeqCst);
        }
    }
}
