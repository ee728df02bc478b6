//! An engine in memory: for a relay that keeps nothing, and for tests.

use std::collections::BTreeMap;

use bytes::{Bytes, BytesMut};
use parking_lot::RwLock;

use super::{Batch, Change, Dump, Engine, EngineError, Table, Visit};

type Rows = BTreeMap<Box<[u8]>, Bytes>;

/// Ordered maps.
#[derive(Default)]
pub struct Memory {
    tables: RwLock<BTreeMap<Table, Rows>>,
}

impl Engine for Memory {
    fn read(&self, table: Table, key: &[u8]) -> Result<Option<Bytes>, EngineError> {
        Ok(self.tables.read().get(&table).and_then(|rows| rows.get(key)).cloned())
    }

    fn scan(&self, table: Table, first: &[u8], last: &[u8], visit: Visit<'_>) -> Result<(), EngineError> {
        if first > last {
            return Ok(());
        }
        let tables = self.tables.read();
        let rows = tables.get(&table).into_iter().flat_map(|rows| {
            rows.range::<[u8], _>((std::ops::Bound::Included(first), std::ops::Bound::Included(last)))
        });
        for (key, value) in rows {
            if visit(key, value.clone()).is_break() {
                break;
            }
        }
        Ok(())
    }

    fn count(&self, table: Table) -> usize {
        self.tables.read().get(&table).map_or(0, BTreeMap::len)
    }

    fn commit(&self, batch: Batch) -> Result<(), EngineError> {
        let mut tables = self.tables.write();
        for change in batch.changes {
            match change {
                Change::Put { table, key, head, body } => {
                    let mut value = BytesMut::with_capacity(head.bytes().len() + body.len());
                    value.extend_from_slice(head.bytes());
                    value.extend_from_slice(&body);
                    tables.entry(table).or_default().insert(key.bytes().into(), value.freeze());
                }
                Change::Remove { table, key } => {
                    tables.entry(table).or_default().remove(key.bytes());
                }
            }
        }
        Ok(())
    }

    fn purge(&self) -> Result<(), EngineError> {
        Ok(())
    }

    fn dump(&self, visit: Dump<'_>) -> Result<(), EngineError> {
        let tables = self.tables.read();
        for (table, rows) in tables.iter() {
            for (key, value) in rows {
                if visit(*table, key, Some(value)).is_break() {
                    return Ok(());
                }
            }
        }
        Ok(())
    }
}
