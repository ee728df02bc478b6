//! An engine on disk: a log-structured merge tree by `fjall`.

use std::io::Read;
use std::ops::{Bound, ControlFlow};
use std::path::Path;

use bytes::Bytes;
use fjall::{Database, Keyspace, KeyspaceCreateOptions, PersistMode, Readable, Slice};

use super::{Batch, Change, Engine, EngineError, Table, Visit};

/// Tables on disk.
pub struct Fjall {
    database: Database,
    tables: Vec<Keyspace>,
}

impl From<fjall::Error> for EngineError {
    fn from(error: fjall::Error) -> Self {
        match error {
            fjall::Error::Io(error) => error.into(),
            fjall::Error::Storage(fjall::LsmError::Io(error)) => error.into(),
            fjall::Error::Poisoned => Self::Failed("an earlier write failed".into()),
            other => Self::Corrupt(other.to_string().into()),
        }
    }
}

impl Fjall {
    /// Opens the tables in a folder, or makes them.
    ///
    /// # Errors
    /// The files are damaged, or cannot be read or written.
    pub fn open(dir: &Path) -> Result<Self, EngineError> {
        let database = Database::builder(dir).worker_threads(2).open()?;
        let open = |table: &Table| database.keyspace(name(*table), KeyspaceCreateOptions::default);
        let tables = Table::ALL.iter().map(open).collect::<Result<_, _>>()?;
        Ok(Self { database, tables })
    }

    fn table(&self, table: Table) -> Result<&Keyspace, EngineError> {
        let at = Table::ALL.iter().position(|one| *one == table);
        at.and_then(|at| self.tables.get(at)).ok_or_else(|| EngineError::Failed("a table is missing".into()))
    }
}

/// The name of a table on disk.
fn name(table: Table) -> &'static str {
    match table {
        Table::Facts => "facts",
        Table::Accounts => "accounts",
        Table::Names => "names",
        Table::Inboxes => "inboxes",
        Table::Messages => "messages",
        Table::Idempotency => "idempotency",
        Table::Blobs => "blobs",
    }
}

/// The bytes of a value as they are, not copied.
fn shared(value: Slice) -> Bytes {
    Bytes::from_owner(value)
}

impl Engine for Fjall {
    fn read(&self, table: Table, key: &[u8]) -> Result<Option<Bytes>, EngineError> {
        Ok(self.table(table)?.get(key)?.map(shared))
    }

    fn scan(&self, table: Table, first: &[u8], last: &[u8], visit: Visit<'_>) -> Result<(), EngineError> {
        if first > last {
            return Ok(());
        }
        for row in self.table(table)?.range::<&[u8], _>((Bound::Included(first), Bound::Included(last))) {
            let (key, value) = row.into_inner()?;
            if visit(&key, shared(value)).is_break() {
                break;
            }
        }
        Ok(())
    }

    fn commit(&self, batch: Batch) -> Result<(), EngineError> {
        let mut written = self.database.batch().durability(Some(PersistMode::SyncData));
        for change in batch.changes {
            match change {
                Change::Put { table, key, head, body } => {
                    let length = head.bytes().len() + body.len();
                    let value = Slice::from_reader(&mut head.bytes().chain(&*body), length)?;
                    written.insert(self.table(table)?, key.bytes(), value);
                }
                Change::Remove { table, key } => written.remove(self.table(table)?, key.bytes()),
            }
        }
        Ok(written.commit()?)
    }

    fn purge(&self) -> Result<(), EngineError> {
        for table in &self.tables {
            table.rotate_memtable_and_wait()?;
            table.major_compact()?;
        }
        Ok(())
    }

    fn dump(&self, visit: &mut dyn FnMut(Table, &[u8], Bytes) -> ControlFlow<()>) -> Result<(), EngineError> {
        let moment = self.database.snapshot();
        for table in Table::ALL {
            for row in moment.iter(self.table(table)?) {
                let (key, value) = row.into_inner()?;
                if visit(table, &key, shared(value)).is_break() {
                    return Ok(());
                }
            }
        }
        Ok(())
    }
}
