//! Where every value lies, in memory: one ordered map for each table, its keys as short as they are.

use std::collections::BTreeMap;
use std::collections::btree_map::Entry;
use std::ops::Bound;

use crate::engine::{EngineError, Table};

/// Where a value lies.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Place {
    /// Which of the open segments.
    pub(super) slot: u32,
    /// Where in it.
    pub(super) at: u32,
    pub(super) length: u32,
}

/// Where the values of a table lie.
enum Rows {
    Any(BTreeMap<Box<[u8]>, Place>),
    Four(BTreeMap<[u8; 4], Place>),
    Twelve(BTreeMap<[u8; 12], Place>),
    TwentyFour(BTreeMap<[u8; 24], Place>),
    ThirtyTwo(BTreeMap<[u8; 32], Place>),
}

/// The tables.
pub(super) struct Index {
    tables: [Rows; Table::ALL.len()],
}

/// A key of another length than the table's.
fn wrong_key(table: Table) -> EngineError {
    EngineError::Corrupt(format!("a key of the table {table:?} has the wrong length").into())
}

/// The key cut off or filled with zeros to this length, and whether it was longer.
fn fitted<const N: usize>(key: &[u8]) -> ([u8; N], bool) {
    let mut fitted = [0; N];
    fitted.iter_mut().zip(key).for_each(|(to, from)| *to = *from);
    (fitted, key.len() > N)
}

/// Does the same with whichever map it is.
macro_rules! with_rows {
    ($rows:expr, $map:ident => $do:expr) => {
        match $rows {
            Rows::Any($map) => $do,
            Rows::Four($map) => $do,
            Rows::Twelve($map) => $do,
            Rows::TwentyFour($map) => $do,
            Rows::ThirtyTwo($map) => $do,
        }
    };
}

/// How a key lies in a map.
trait Held: Ord + Sized {
    /// `None` if the key has another length.
    fn exactly(key: &[u8]) -> Option<Self>;
    fn from(key: &[u8]) -> Bound<Self>;
    fn to(key: &[u8]) -> Bound<Self>;
    fn bytes(&self) -> &[u8];
}

impl<const N: usize> Held for [u8; N] {
    fn exactly(key: &[u8]) -> Option<Self> {
        key.try_into().ok()
    }

    fn from(key: &[u8]) -> Bound<Self> {
        match fitted(key) {
            (key, false) => Bound::Included(key),
            (key, true) => Bound::Excluded(key),
        }
    }

    fn to(key: &[u8]) -> Bound<Self> {
        match fitted(key) {
            (fitted, _) if key.len() >= N => Bound::Included(fitted),
            (fitted, _) => Bound::Excluded(fitted),
        }
    }

    fn bytes(&self) -> &[u8] {
        self
    }
}

impl Held for Box<[u8]> {
    fn exactly(key: &[u8]) -> Option<Self> {
        Some(key.into())
    }

    fn from(key: &[u8]) -> Bound<Self> {
        Bound::Included(key.into())
    }

    fn to(key: &[u8]) -> Bound<Self> {
        Bound::Included(key.into())
    }

    fn bytes(&self) -> &[u8] {
        self
    }
}

fn get<K: Held>(rows: &BTreeMap<K, Place>, key: &[u8]) -> Option<Place> {
    rows.get(&K::exactly(key)?).copied()
}

/// Changes or removes; what was there before. `None` if the key does not fit.
fn set<K: Held>(rows: &mut BTreeMap<K, Place>, key: &[u8], place: Option<Place>) -> Option<Option<Place>> {
    let key = K::exactly(key)?;
    Some(match place {
        Some(place) => rows.insert(key, place),
        None => rows.remove(&key),
    })
}

fn shift<K: Held>(rows: &mut BTreeMap<K, Place>, key: &[u8], from: Place, to: Place) -> bool {
    let Some(key) = K::exactly(key) else { return false };
    match rows.entry(key) {
        Entry::Occupied(mut entry) if *entry.get() == from => {
            entry.insert(to);
            true
        }
        _ => false,
    }
}

fn range<K: Held>(rows: &BTreeMap<K, Place>, first: &[u8], last: &[u8], limit: usize) -> Vec<(Vec<u8>, Place)> {
    rows.range((K::from(first), K::to(last))).take(limit).map(|(key, place)| (key.bytes().to_vec(), *place)).collect()
}

impl Default for Index {
    fn default() -> Self {
        let tables = Table::ALL.map(|table| match table {
            Table::Facts | Table::Names => Rows::Any(BTreeMap::new()),
            Table::Accounts | Table::Inboxes => Rows::Four(BTreeMap::new()),
            Table::Messages => Rows::Twelve(BTreeMap::new()),
            Table::Idempotency => Rows::TwentyFour(BTreeMap::new()),
            Table::Blobs => Rows::ThirtyTwo(BTreeMap::new()),
        });
        Self { tables }
    }
}

impl Index {
    fn rows(&self, table: Table) -> Option<&Rows> {
        self.tables.get(usize::from(table.number()))
    }

    pub(super) fn get(&self, table: Table, key: &[u8]) -> Option<Place> {
        self.rows(table).and_then(|rows| with_rows!(rows, map => get(map, key)))
    }

    pub(super) fn count(&self, table: Table) -> usize {
        self.rows(table).map_or(0, |rows| with_rows!(rows, map => map.len()))
    }

    /// Changes or removes where a value lies; where it lay before.
    pub(super) fn set(&mut self, table: Table, key: &[u8], place: Option<Place>) -> Result<Option<Place>, EngineError> {
        let rows = self.tables.get_mut(usize::from(table.number()));
        let set = rows.and_then(|rows| with_rows!(rows, map => set(map, key, place)));
        set.ok_or_else(|| wrong_key(table))
    }

    /// A value has been copied; false if the value is another by now.
    pub(super) fn shift(&mut self, table: Table, key: &[u8], from: Place, to: Place) -> bool {
        let rows = self.tables.get_mut(usize::from(table.number()));
        rows.is_some_and(|rows| with_rows!(rows, map => shift(map, key, from, to)))
    }

    /// The first `limit` keys from `first` up to and with `last`.
    pub(super) fn range(&self, table: Table, first: &[u8], last: &[u8], limit: usize) -> Vec<(Vec<u8>, Place)> {
        if first > last {
            return Vec::new();
        }
        self.rows(table).map_or_else(Vec::new, |rows| with_rows!(rows, map => range(map, first, last, limit)))
    }
}
