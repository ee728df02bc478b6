//! Keys that have signed often: what a check computes from the key alone is kept for them, as far as there is room.
//!
//! Half of a check is a multiplication of the key's point, most of it doublings that are the same each time. With a table of the
//! point's multiples there are none: a check takes a third less time, in WebAssembly half of it. Making the table takes as long
//! as [`OFTEN`] checks save by it, so that no key costs much more with one than without, however often it signs. Nothing but time
//! depends on what is kept.

use std::collections::{BTreeMap, VecDeque};
use std::sync::{Arc, LazyLock, Mutex, MutexGuard, PoisonError};

use curve25519_dalek::constants::ED25519_BASEPOINT_POINT;
use curve25519_dalek::edwards::{EdwardsBasepointTable, EdwardsPoint};
use curve25519_dalek::scalar::Scalar;
use curve25519_dalek::traits::BasepointTable as _;
use ed25519_dalek::VerifyingKey;

/// From this many checks on, a key is familiar.
pub(super) const OFTEN: u32 = 128;

/// The most keys that are familiar at a time, each with a table of 30 KB; the one that was not asked for longest makes room.
const MOST_FAMILIAR: usize = 16;

/// The most keys that are counted at a time; when there are more, all are counted anew.
const MOST_COUNTED: usize = 1024;

static FAMILIAR: Mutex<Familiar> = Mutex::new(Familiar { counts: BTreeMap::new(), keys: VecDeque::new() });

/// The multiples of the base point: made when a key becomes familiar, since a build that only verifies has no such table otherwise.
static BASE: LazyLock<EdwardsBasepointTable> =
    LazyLock::new(|| EdwardsBasepointTable::create(&ED25519_BASEPOINT_POINT));

/// A familiar key `A`.
pub(super) struct FamiliarKey {
    pub(super) key: VerifyingKey,
    /// Of `-A`.
    multiples: EdwardsBasepointTable,
}

impl FamiliarKey {
    /// Makes the table.
    pub(super) fn new(key: VerifyingKey) -> Self {
        Self { key, multiples: EdwardsBasepointTable::create(&-key.to_edwards()) }
    }

    /// `[s]B - [k]A`.
    pub(super) fn difference(&self, s: &Scalar, k: &Scalar) -> EdwardsPoint {
        BASE.mul_base(s) + self.multiples.mul_base(k)
    }
}

/// What is known of keys in this process.
struct Familiar {
    /// The checks of keys that are not familiar.
    counts: BTreeMap<[u8; 32], u32>,
    /// The one that was asked for last comes first.
    keys: VecDeque<Arc<FamiliarKey>>,
}

impl Familiar {
    fn find(&mut self, bytes: &[u8; 32]) -> Option<Arc<FamiliarKey>> {
        let at = self.keys.iter().position(|familiar| familiar.key.as_bytes() == bytes)?;
        let found = self.keys.remove(at)?;
        self.keys.push_front(Arc::clone(&found));
        Some(found)
    }

    /// Counts a check; whether there were enough of them.
    fn count(&mut self, bytes: &[u8; 32]) -> bool {
        if self.counts.len() >= MOST_COUNTED && !self.counts.contains_key(bytes) {
            self.counts.clear();
        }
        let count = self.counts.entry(*bytes).or_default();
        *count += 1;
        let is_often = *count >= OFTEN;
        if is_often {
            self.counts.remove(bytes);
        }
        is_often
    }

    fn add(&mut self, key: FamiliarKey) {
        // Another thread may have been as quick.
        if self.find(key.key.as_bytes()).is_none() {
            self.keys.truncate(MOST_FAMILIAR - 1);
            self.keys.push_front(Arc::new(key));
        }
    }
}

fn familiar() -> MutexGuard<'static, Familiar> {
    FAMILIAR.lock().unwrap_or_else(PoisonError::into_inner)
}

/// The key with these bytes, if it is familiar.
pub(super) fn find(bytes: &[u8; 32]) -> Option<Arc<FamiliarKey>> {
    familiar().find(bytes)
}

/// Counts a check of a key that is not familiar. It becomes so by its last.
pub(super) fn count(key: &VerifyingKey) {
    let is_often = familiar().count(key.as_bytes());
    // One that became familiar in the middle of a batch is counted to its end.
    if is_often && find(key.as_bytes()).is_none() {
        // Not under the lock: it takes a millisecond.
        let made = FamiliarKey::new(*key);
        familiar().add(made);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use ed25519_dalek::SigningKey;

    fn key(n: u16) -> VerifyingKey {
        let mut seed = [0; 32];
        seed[..2].copy_from_slice(&n.to_le_bytes());
        SigningKey::from_bytes(&seed).verifying_key()
    }

    fn empty() -> Familiar {
        Familiar { counts: BTreeMap::new(), keys: VecDeque::new() }
    }

    #[test]
    fn a_key_becomes_familiar_by_its_last_check() {
        let mut familiar = empty();
        for check in 1..OFTEN {
            assert!(!familiar.count(key(1).as_bytes()), "{check}");
        }
        assert!(!familiar.count(key(2).as_bytes()));
        assert!(familiar.count(key(1).as_bytes()));
        assert_eq!(familiar.counts.len(), 1);
    }

    #[test]
    fn the_key_that_was_not_asked_for_longest_makes_room() {
        let mut familiar = empty();
        let most = u16::try_from(MOST_FAMILIAR).unwrap();
        for n in 0..most {
            familiar.add(FamiliarKey::new(key(n)));
        }
        assert!(familiar.find(key(0).as_bytes()).is_some());
        // One that is there already takes no place of another's.
        familiar.add(FamiliarKey::new(key(5)));
        familiar.add(FamiliarKey::new(key(most)));
        assert_eq!(familiar.keys.len(), MOST_FAMILIAR);
        assert!(familiar.find(key(1).as_bytes()).is_none());
        for n in [0, 2, 5, most] {
            assert_eq!(familiar.find(key(n).as_bytes()).unwrap().key, key(n));
        }
    }

    #[test]
    fn strangers_do_not_fill_the_memory() {
        let mut familiar = empty();
        for n in 0..u16::try_from(MOST_COUNTED).unwrap() * 3 {
            familiar.count(&[n.to_le_bytes(); 16].concat().try_into().unwrap());
            assert!(familiar.counts.len() <= MOST_COUNTED);
        }
    }
}
