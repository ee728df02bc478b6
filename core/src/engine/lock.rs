//! The mailbox lock: one writer at a time for the files that are read, changed and written back, on every host alike.

use std::future::Future;

use serde::{Deserialize, Serialize};

use super::cx::Cx;
use super::error::Error;
use crate::protocol::layout::Place;
use crate::protocol::text;
use crate::protocol::time::Now;

/// How long a lock holds without its owner. Work under the lock is short: no network, no waiting for people.
pub const LEASE_MS: i64 = 15_000;

/// How long a command waits for a lock: long enough to outlive the lease of an owner that crashed.
pub const PATIENCE_MS: i64 = 20_000;

/// The pause between two tries.
const PAUSE_MS: i64 = 20;

/// What the lock file says.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
struct Claim {
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

/// Runs `work` while holding the lock file at `place`, and lets go of it whatever `work` says.
///
/// # Errors
/// [`Error::Locked`] when another owner does not let go in time; a failure to write the lock; what `work` fails with.
pub async fn locked<T, E, F>(cx: &Cx, place: &Place, work: impl FnOnce() -> F) -> Result<T, E>
where
    E: From<Error>,
    F: Future<Output = Result<T, E>>,
{
    let claim = acquire(cx, place).await?;
    let result = work().await;
    let released = release(cx, place, &claim).await;
    let value = result?;
    released?;
    Ok(value)
}

async fn acquire(cx: &Cx, place: &Place) -> Result<Claim, Error> {
    let owner = text::hex(&cx.random::<8>().await?);
    let give_up_ms = cx.now().unix_ms.saturating_add(PATIENCE_MS);
    loop {
        let claim = Claim { owner: owner.clone(), expires_ms: cx.now().unix_ms + LEASE_MS };
        if create(cx, place, &claim).await? {
            return Ok(claim);
        }
        let held = read(cx, place).await?;
        match held {
            // Let go in between, or never written whole: by our own writes it is complete or not there.
            None => continue,
            Some(held) if held.is_over(cx.now()) => {
                if take_over(cx, place, &held, &claim).await? {
                    return Ok(claim);
                }
            }
            Some(held) if cx.now().unix_ms >= give_up_ms => {
                return Err(Error::Locked { place: place.clone(), until: Now::utc(held.expires_ms).utc_iso() });
            }
            Some(_) => {}
        }
        if !cx.sleep_ms(PAUSE_MS).await {
            return Err(Error::Cancelled);
        }
    }
}

/// Replaces the lock of an owner that is gone. Only the holder of a second lock may do so: of two processes that both saw
/// the dead one, the slower would else remove the living lock of the faster.
async fn take_over(cx: &Cx, place: &Place, dead: &Claim, claim: &Claim) -> Result<bool, Error> {
    let Ok(guard) = place_beside(place) else { return Ok(false) };
    if !create(cx, &guard, claim).await? {
        if read(cx, &guard).await?.is_some_and(|other| other.is_over(cx.now())) {
            cx.remove(&guard).await?;
        }
        return Ok(false);
    }
    let taken = match read(cx, place).await? {
        Some(held) if held == *dead => {
            cx.remove(place).await?;
            create(cx, place, claim).await?
        }
        _ => false,
    };
    cx.remove(&guard).await?;
    Ok(taken)
}

async fn release(cx: &Cx, place: &Place, claim: &Claim) -> Result<(), Error> {
    // Past the lease the lock may be another's by now.
    if read(cx, place).await?.as_ref() == Some(claim) && !claim.is_over(cx.now()) {
        cx.remove(place).await?;
    }
    Ok(())
}

async fn create(cx: &Cx, place: &Place, claim: &Claim) -> Result<bool, Error> {
    cx.create(place, serde_json::to_vec(claim).unwrap_or_default(), true).await
}

/// The claim in a lock file; one that cannot be read counts as over, since no owner of ours wrote it.
async fn read(cx: &Cx, place: &Place) -> Result<Option<Claim>, Error> {
    let bytes = cx.read(place).await?;
    Ok(bytes.map(|bytes| {
        serde_json::from_slice(&bytes)
            .unwrap_or_else(|_| Claim { owner: text::decode(&bytes).into_owned(), expires_ms: 0 })
    }))
}

fn place_beside(place: &Place) -> Result<Place, crate::protocol::layout::PathError> {
    let path = place.path.parent().join(&format!("{}.takeover", place.path.file_name()))?;
    Ok(Place::new(place.root, path))
}
