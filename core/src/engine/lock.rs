//! The mailbox lock: one writer at a time for the files that are read, changed and written back, on every host alike.
//!
//! A lock is a file with its owner and the moment when it ends; who dies under it leaves it behind, and after its end and
//! [`GRACE_MS`] more it is taken over. So that an owner that was only slow, or stopped, does not write over what the next
//! one does, every change that an operation makes under a lock is preceded by a look at the lock: it must still be
//! its own, and not over. Waiting is counted in pauses, not read off the clock, so that a clock that jumps takes no lock away.
//!
//! What this cannot promise: a process that is stopped for longer than the grace *between* that look and the end of the one
//! change that follows it makes that change late. No file system offers a write on a condition.

use std::future::Future;

use serde::{Deserialize, Serialize};

use super::cx::{Cx, file_error};
use super::effect::{IoErrorKind, ReadFile, Remove, WriteAtomic};
use super::error::Error;
use crate::protocol::layout::Place;
use crate::protocol::text;
use crate::protocol::time::Now;

/// How long a lock holds without its owner. Work under the lock is short: no network, no waiting for people.
pub const LEASE_MS: i64 = 15_000;

/// How long a lock that is over has to lie there, unchanged, before it is taken over: its owner may still be at the one
/// change that it had begun.
pub const GRACE_MS: i64 = 3_000;

/// How long a command waits for a lock: long enough to outlive the longest lease that an owner that crashed may seem to have.
pub const PATIENCE_MS: i64 = 2 * LEASE_MS + 2 * GRACE_MS;

/// The first pause between two tries; each further one is twice as long, up to the longest.
const FIRST_PAUSE_MS: i64 = 20;
const LONGEST_PAUSE_MS: i64 = 250;

/// The most bytes of a lock file that are read.
const LOCK_LIMIT: u64 = 4096;

/// What the lock file says.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Claim {
    owner: String,
    expires_ms: i64,
}

impl Claim {
    /// Whether the owner is taken for gone. A lease that reaches further than any lease can was written by a clock that
    /// has been set back since.
    fn is_over(&self, now: Now) -> bool {
        self.expires_ms <= now.unix_ms || self.expires_ms > now.unix_ms + 2 * LEASE_MS
    }
}

/// A lock that an operation holds: [`Cx`] looks at it before every change.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Held {
    place: Place,
    claim: Claim,
}

impl Held {
    pub(super) fn is_at(&self, place: &Place) -> bool {
        self.place == *place
    }

    /// Whether the lock is still held, so that a change may follow at once.
    ///
    /// # Errors
    /// [`Error::LockLost`] when it is over or another's; a lock file that cannot be read.
    pub(super) async fn check(&self, cx: &Cx) -> Result<(), Error> {
        if read(cx, &self.place).await?.as_ref() == Some(&self.claim) && !self.claim.is_over(cx.now()) {
            Ok(())
        } else {
            Err(Error::LockLost { place: self.place.clone() })
        }
    }
}

/// The looks at locks that an operation shares among its parts.
#[derive(Default)]
pub(super) struct Looks {
    /// Counts the polls of the operation: what was seen holds for the poll in which it came.
    poll: u64,
    seen: Vec<Seen>,
}

struct Seen {
    held: Held,
    /// In which poll the look was answered, and what it said; none while it is under way.
    told: Option<(u64, Result<(), Error>)>,
}

/// What somebody who wants to know of a lock has to do.
pub(super) enum Turn {
    /// Nothing: another part has just looked.
    Told(Result<(), Error>),
    /// Wait: another part is looking.
    Wait,
    /// Look, and [tell](Looks::tell) the others.
    Look,
}

impl Looks {
    /// The operation is polled.
    pub(super) fn next_poll(&mut self) {
        self.poll += 1;
        let poll = self.poll;
        self.seen.retain(|seen| seen.told.as_ref().is_none_or(|(told, _)| *told == poll));
    }

    pub(super) fn join(&mut self, held: &Held) -> Turn {
        match self.seen.iter().find(|seen| seen.held == *held).map(|seen| &seen.told) {
            Some(Some((_, result))) => Turn::Told(result.clone()),
            Some(None) => Turn::Wait,
            None => {
                self.seen.push(Seen { held: held.clone(), told: None });
                Turn::Look
            }
        }
    }

    pub(super) fn tell(&mut self, held: &Held, result: Result<(), Error>) {
        self.forget(held);
        self.seen.push(Seen { held: held.clone(), told: Some((self.poll, result)) });
    }

    pub(super) fn forget(&mut self, held: &Held) {
        self.seen.retain(|seen| seen.held != *held);
    }
}

/// Runs `work` while holding the lock file at `place`, and lets go of it whatever `work` says. As every future, `work` does
/// nothing before it is awaited here, under the lock.
///
/// # Errors
/// [`Error::Locked`] when another owner does not let go in time; [`Error::LockLost`] when `work` was not done before the
/// lock was over; a failure to write the lock; what `work` fails with.
pub async fn locked<T, E>(cx: &Cx, place: &Place, work: impl Future<Output = Result<T, E>>) -> Result<T, E>
where
    E: From<Error>,
{
    let claim = acquire(cx, place).await?;
    let held = Held { place: place.clone(), claim: claim.clone() };
    let result = cx.under(&held, work).await;
    let released = release(cx, place, &claim).await;
    let value = result?;
    released?;
    Ok(value)
}

async fn acquire(cx: &Cx, place: &Place) -> Result<Claim, Error> {
    let owner = text::hex(&cx.random::<8>().await?);
    let (mut waited_ms, mut pause_ms) = (0, FIRST_PAUSE_MS);
    // The lock as it was seen last, and for how long it has been over and unchanged.
    let mut over: Option<(Claim, i64)> = None;
    loop {
        // Parts of one operation take turns without asking the disk.
        while cx.holds(place) {
            if !cx.sleep_ms(1).await {
                return Err(Error::Cancelled);
            }
        }
        let claim = Claim { owner: owner.clone(), expires_ms: cx.now().unix_ms + LEASE_MS };
        if create(cx, place, &claim).await? {
            return Ok(claim);
        }
        // Let go in between: try again at once.
        let Some(held) = read(cx, place).await? else { continue };
        if held.is_over(cx.now()) {
            let since_ms = over.filter(|(seen, _)| *seen == held).map_or(0, |(_, since_ms)| since_ms + pause_ms);
            if since_ms >= GRACE_MS && take_over(cx, place, &held, &claim).await? {
                return Ok(claim);
            }
            over = Some((held, since_ms));
        } else if waited_ms >= PATIENCE_MS {
            return Err(Error::Locked { place: place.clone(), until: Now::utc(held.expires_ms).utc_iso() });
        } else {
            over = None;
        }
        pause_ms = if waited_ms == 0 { FIRST_PAUSE_MS } else { (pause_ms * 2).min(LONGEST_PAUSE_MS) };
        waited_ms += pause_ms;
        if !cx.sleep_ms(pause_ms).await {
            return Err(Error::Cancelled);
        }
    }
}

async fn take_over(cx: &Cx, place: &Place, dead: &Claim, claim: &Claim) -> Result<bool, Error> {
    let Ok(guard) = place_beside(place) else { return Ok(false) };
    if !create(cx, &guard, claim).await? {
        if read(cx, &guard).await?.is_some_and(|other| other.is_over(cx.now())) {
            remove(cx, &guard).await?;
        }
        return Ok(false);
    }
    let taken = match read(cx, place).await? {
        Some(held) if held == *dead => {
            remove(cx, place).await?;
            create(cx, place, claim).await?
        }
        _ => false,
    };
    remove(cx, &guard).await?;
    Ok(taken)
}

async fn release(cx: &Cx, place: &Place, claim: &Claim) -> Result<(), Error> {
    // Past the lease the lock may be another's by now.
    if read(cx, place).await?.as_ref() == Some(claim) && !claim.is_over(cx.now()) {
        remove(cx, place).await?;
    }
    Ok(())
}

// The lock's own files are changed directly: no lock is looked at before.

async fn create(cx: &Cx, place: &Place, claim: &Claim) -> Result<bool, Error> {
    let bytes = serde_json::to_vec(claim).unwrap_or_default();
    match cx.ask(WriteAtomic { place: place.clone(), bytes, private: true, exclusive: true }).await {
        Ok(()) => Ok(true),
        Err(error) if error.kind == IoErrorKind::AlreadyExists => Ok(false),
        Err(source) => Err(file_error("write", place, source)),
    }
}

async fn remove(cx: &Cx, place: &Place) -> Result<(), Error> {
    cx.ask(Remove { place: place.clone() }).await.map_err(|source| file_error("remove", place, source))
}

/// The claim in a lock file; one that cannot be read counts as over, since no owner of ours wrote it.
async fn read(cx: &Cx, place: &Place) -> Result<Option<Claim>, Error> {
    let bytes = match cx.ask(ReadFile { place: place.clone(), limit: LOCK_LIMIT }).await {
        Ok(bytes) => bytes,
        Err(error) if error.kind == IoErrorKind::NotFound => return Ok(None),
        Err(source) => return Err(file_error("read", place, source)),
    };
    let damaged = || Claim { owner: text::decode(&bytes).into_owned(), expires_ms: 0 };
    Ok(Some(serde_json::from_slice(&bytes).unwrap_or_else(|_| damaged())))
}

fn place_beside(place: &Place) -> Result<Place, crate::protocol::layout::PathError> {
    let path = place.path.parent().join(&format!("{}.takeover", place.path.file_name()))?;
    Ok(Place::new(place.root, path))
}
