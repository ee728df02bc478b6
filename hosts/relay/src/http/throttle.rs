//! Fair shares when there is too much to do.
//!
//! *Load* is the largest of three parts, each a share of what is allowed: requests being worked on, connections, and how
//! late the runtime is (its timers late by [`LATEST`] on average count as full). Below 75 % nobody is slowed. Above, who
//! asked for more than a fair share of late, by address or by token, waits, the longer the higher the load and the larger
//! the excess; and, as both grow, gets 429 with `Retry-After`. Who is within the share is never hit. At full load nobody is
//! served before something is done: 503.
//!
//! A fair share is what everybody would have if all who asked in the last seconds had asked equally often.

use std::collections::HashMap;
use std::hash::{BuildHasher, Hash, RandomState};
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::{Duration, Instant};

use parking_lot::Mutex;

use super::answer::Failure;
use super::limits::{Connections, Origin};
use axum::http::StatusCode;

/// The load in thousandths from which on somebody may be slowed.
const SLOWS: u32 = 750;

/// The load in thousandths from which on it is counted who asks, so that it is known when it is needed.
const COUNTS: u32 = 500;

/// The average lateness of timers that counts as full load.
const LATEST: Duration = Duration::from_millis(400);

/// The longest that a request is delayed.
const LONGEST_DELAY: Duration = Duration::from_secs(1);

/// The most addresses or tokens that are counted; more are within their share.
const MOST_COUNTED: usize = 100_000;

/// How often what was counted is halved.
const HALF_LIFE: Duration = Duration::from_secs(1);

/// What is to be done with a request.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) enum Verdict {
    /// Now.
    Go,
    /// After a while.
    Wait(Duration),
    /// Not now: again after so many seconds.
    Later(u64),
    /// Nothing can be done for anybody.
    Full,
}

/// Measures the load and tells who has to wait.
pub(crate) struct Throttle {
    most_at_once: u32,
    at_once: AtomicU32,
    late_ms: AtomicU32,
    connections: Arc<Connections>,
    hasher: RandomState,
    shares: Mutex<Shares>,
}

impl Throttle {
    pub(crate) fn new(most_at_once: u32, connections: Arc<Connections>) -> Self {
        Self {
            most_at_once: most_at_once.max(1),
            at_once: AtomicU32::new(0),
            late_ms: AtomicU32::new(0),
            connections,
            hasher: RandomState::new(),
            shares: Mutex::new(Shares::new(Instant::now())),
        }
    }

    /// The load, in thousandths of what is allowed.
    pub(crate) fn load(&self) -> u32 {
        let part = |is: u32, most: u32| u64::from(is).saturating_mul(1000) / u64::from(most.max(1));
        let late = u32::try_from(LATEST.as_millis()).unwrap_or(u32::MAX);
        let load = part(self.at_once.load(Ordering::Relaxed), self.most_at_once)
            .max(part(self.connections.open(), self.connections.most()))
            .max(part(self.late_ms.load(Ordering::Relaxed), late));
        u32::try_from(load).unwrap_or(u32::MAX)
    }

    /// What to do with a request from this address with this `Authorization`.
    pub(crate) fn judge(&self, origin: Origin, authorization: Option<&[u8]>) -> Verdict {
        let load = self.load();
        if load < COUNTS {
            return Verdict::Go;
        }
        if self.at_once.load(Ordering::Relaxed) >= self.most_at_once {
            return Verdict::Full;
        }
        let keys = [Some(self.hash(&origin)), authorization.map(|token| self.hash(token))];
        let excess = self.shares.lock().count(keys, Instant::now());
        if load < SLOWS {
            return Verdict::Go;
        }
        let pressure = f64::from(load.min(1000) - SLOWS) / f64::from(1000 - SLOWS);
        verdict(pressure, excess)
    }

    /// Begins work on a request, which lasts until the answer is dropped.
    pub(crate) fn work(&self) -> Working<'_> {
        self.at_once.fetch_add(1, Ordering::Relaxed);
        Working(&self.at_once)
    }

    /// Takes a request that only waits out of the count, until the answer is dropped.
    pub(crate) fn rest(&self) -> Resting<'_> {
        self.at_once.fetch_sub(1, Ordering::Relaxed);
        Resting(&self.at_once)
    }

    /// Tells by how much a timer was late.
    pub(crate) fn was_late(&self, by: Duration) {
        let by = u32::try_from(by.as_millis()).unwrap_or(u32::MAX).min(60_000);
        let before = self.late_ms.load(Ordering::Relaxed);
        self.late_ms.store(before.saturating_mul(3).saturating_add(by) / 4, Ordering::Relaxed);
    }

    fn hash(&self, key: &(impl Hash + ?Sized)) -> u64 {
        self.hasher.hash_one(key)
    }
}

/// What pressure (0 to 1 between the load that slows and full load) and excess (0 within the share, 1 twice the share)
/// mean for a request.
fn verdict(pressure: f64, excess: f64) -> Verdict {
    let weight = pressure * excess.clamp(0.0, 1.0);
    if weight >= 0.5 {
        // From 1 second at the least to 10 at full load.
        return Verdict::Later(if weight >= 0.9 { 10 } else { 1 + if weight >= 0.7 { 4 } else { 0 } });
    }
    let wait = LONGEST_DELAY.mul_f64(weight * 2.0);
    if wait < Duration::from_millis(1) { Verdict::Go } else { Verdict::Wait(wait) }
}

/// Work in hand.
pub(crate) struct Working<'a>(&'a AtomicU32);

impl Drop for Working<'_> {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::Relaxed);
    }
}

/// Work that waits for something to happen.
pub(crate) struct Resting<'a>(&'a AtomicU32);

impl Drop for Resting<'_> {
    fn drop(&mut self) {
        self.0.fetch_add(1, Ordering::Relaxed);
    }
}

/// The failure of a request that has to come again later.
pub(crate) fn later(seconds: u64) -> Failure {
    let error = "the relay is busy, and you have asked for more than your share; ask again later";
    Failure::new(StatusCode::TOO_MANY_REQUESTS, "throttled", error).retry_after(seconds)
}

/// Who asked how often of late: addresses, then tokens.
struct Shares {
    halved: Instant,
    counts: [Counts; 2],
}

#[derive(Default)]
struct Counts {
    by_key: HashMap<u64, u32>,
    total: u64,
}

impl Shares {
    fn new(now: Instant) -> Self {
        Self { halved: now, counts: Default::default() }
    }

    /// Counts a request, and gives by how much its address or token, whichever is more, is above the fair share: 0 within
    /// it, 1 at twice the share.
    fn count(&mut self, keys: [Option<u64>; 2], now: Instant) -> f64 {
        while now.duration_since(self.halved) >= HALF_LIFE {
            self.halved += HALF_LIFE;
            self.counts.iter_mut().for_each(Counts::halve);
            if self.counts.iter().all(|counts| counts.by_key.is_empty()) {
                self.halved = now;
            }
        }
        let counted = self.counts.iter_mut().zip(keys).filter_map(|(counts, key)| Some(counts.count(key?)));
        counted.fold(0.0, f64::max)
    }
}

impl Counts {
    fn halve(&mut self) {
        self.total = 0;
        self.by_key.retain(|_, count| {
            *count /= 2;
            self.total += u64::from(*count);
            *count > 0
        });
    }

    #[allow(clippy::cast_precision_loss, reason = "a share needs no more digits")]
    fn count(&mut self, key: u64) -> f64 {
        if self.by_key.len() >= MOST_COUNTED && !self.by_key.contains_key(&key) {
            return 0.0;
        }
        let count = self.by_key.entry(key).or_default();
        *count = count.saturating_add(1);
        self.total += 1;
        let count = f64::from(*count);
        let fair = self.total as f64 / self.by_key.len() as f64;
        count / fair - 1.0
    }
}

#[cfg(test)]
mod tests {
    use std::net::IpAddr;

    use super::*;

    fn origin(last: u8) -> Origin {
        IpAddr::from([192, 0, 2, last]).into()
    }

    fn throttle() -> Throttle {
        Throttle::new(100, Connections::new(1000, 1000))
    }

    #[test]
    fn below_three_quarters_nobody_is_slowed() {
        let throttle = throttle();
        let _work: Vec<_> = (0..74).map(|_| throttle.work()).collect();
        assert_eq!(throttle.load(), 740);
        for _ in 0..10_000 {
            assert_eq!(throttle.judge(origin(1), None), Verdict::Go);
        }
        assert_eq!(throttle.judge(origin(2), None), Verdict::Go);
    }

    #[test]
    fn above_it_who_asks_for_too_much_waits_and_is_then_refused() {
        let throttle = throttle();
        let work: Vec<_> = (0..80).map(|_| throttle.work()).collect();
        for last in 2..12 {
            assert_eq!(throttle.judge(origin(last), Some(&[last])), Verdict::Go, "the first requests of everybody");
        }
        for _ in 0..100 {
            throttle.judge(origin(1), Some(b"greedy"));
        }
        assert!(matches!(throttle.judge(origin(1), None), Verdict::Wait(_)));
        assert!(
            matches!(throttle.judge(origin(99), Some(b"greedy")), Verdict::Wait(_)),
            "from another address as well"
        );
        assert_eq!(throttle.judge(origin(2), Some(&[2])), Verdict::Go);
        let more: Vec<_> = (0..19).map(|_| throttle.work()).collect();
        assert!(matches!(throttle.judge(origin(1), None), Verdict::Later(10)));
        assert_eq!(throttle.judge(origin(3), Some(&[3])), Verdict::Go, "who is within the share is not hit");
        let _last = throttle.work();
        assert_eq!(throttle.judge(origin(3), Some(&[3])), Verdict::Full);
        drop((work, more));
        assert_eq!(throttle.judge(origin(1), None), Verdict::Go);
    }

    #[test]
    fn a_lone_client_has_everything() {
        let throttle = throttle();
        let _work: Vec<_> = (0..99).map(|_| throttle.work()).collect();
        for _ in 0..1000 {
            assert_eq!(throttle.judge(origin(1), Some(b"token")), Verdict::Go);
        }
    }

    #[test]
    fn the_delay_grows_with_load_and_excess() {
        assert_eq!(verdict(0.0, 9.0), Verdict::Go);
        assert_eq!(verdict(1.0, 0.0), Verdict::Go);
        assert_eq!(verdict(0.2, 0.5), Verdict::Wait(Duration::from_millis(200)));
        assert_eq!(verdict(0.4, 0.5), Verdict::Wait(Duration::from_millis(400)));
        assert_eq!(verdict(0.5, 3.0), Verdict::Later(1));
        assert_eq!(verdict(1.0, 3.0), Verdict::Later(10));
    }

    #[test]
    fn what_was_long_ago_is_forgotten() {
        let now = Instant::now();
        let mut shares = Shares::new(now);
        for _ in 0..1000 {
            shares.count([Some(1), Some(2)], now);
        }
        shares.count([Some(3), None], now);
        assert!(shares.count([Some(1), None], now) > 0.9);
        let later = now + Duration::from_secs(3600);
        assert_eq!(shares.count([Some(1), None], later), 0.0);
        assert_eq!(shares.counts[0].by_key.len(), 1);
    }

    #[test]
    fn lateness_is_load() {
        let throttle = throttle();
        for _ in 0..20 {
            throttle.was_late(LATEST);
        }
        assert!(throttle.load() > 900);
        for _ in 0..20 {
            throttle.was_late(Duration::ZERO);
        }
        assert!(throttle.load() < 100);
        let resting = (throttle.work(), throttle.rest());
        assert_eq!(throttle.at_once.load(Ordering::Relaxed), 0);
        drop(resting.1);
        assert_eq!(throttle.at_once.load(Ordering::Relaxed), 1);
    }
}
