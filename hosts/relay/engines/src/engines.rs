//! The engines, behind the little that the measurement needs. A commit is on disk when it returns.

use std::error::Error;
use std::ops::{Bound, ControlFlow};
use std::path::Path;

use bytes::Bytes;

use crate::engine::{self, Engine as _, Table};

/// Whatever goes wrong ends the measurement.
pub type Outcome<T> = Result<T, Box<dyn Error>>;

/// Tables: messages, counters of inboxes, accounts, names.
pub const TABLES: [&str; 4] = ["messages", "inboxes", "accounts", "names"];

/// One change: table, key, and the value, or nothing to remove it.
pub type Change<'a> = (usize, Vec<u8>, Option<&'a [u8]>);

/// An ordered key-value store.
pub trait Engine {
    fn open(dir: &Path) -> Outcome<Self>
    where
        Self: Sized;
    fn commit(&mut self, changes: &[Change<'_>]) -> Outcome<()>;
    /// Keys and lengths of values from `first` to `last`.
    fn scan(&mut self, table: usize, first: &[u8], last: &[u8], limit: usize) -> Outcome<Vec<(Vec<u8>, usize)>>;
}

pub struct Fjall {
    database: fjall::Database,
    tables: Vec<fjall::Keyspace>,
}

impl Engine for Fjall {
    fn open(dir: &Path) -> Outcome<Self> {
        let database = fjall::Database::builder(dir).worker_threads(2).open()?;
        let tables = TABLES
            .iter()
            .map(|name| database.keyspace(name, fjall::KeyspaceCreateOptions::default))
            .collect::<Result<_, _>>()?;
        Ok(Self { database, tables })
    }

    fn commit(&mut self, changes: &[Change<'_>]) -> Outcome<()> {
        let mut batch = self.database.batch().durability(Some(fjall::PersistMode::SyncData));
        for (table, key, value) in changes {
            match value {
                Some(value) => batch.insert(&self.tables[*table], key.as_slice(), *value),
                None => batch.remove(&self.tables[*table], key.as_slice()),
            }
        }
        Ok(batch.commit()?)
    }

    fn scan(&mut self, table: usize, first: &[u8], last: &[u8], limit: usize) -> Outcome<Vec<(Vec<u8>, usize)>> {
        let range = (Bound::Included(first), Bound::Included(last));
        let mut found = Vec::new();
        for row in self.tables[table].range::<&[u8], _>(range).take(limit) {
            let (key, value) = row.into_inner()?;
            found.push((key.to_vec(), value.len()));
        }
        Ok(found)
    }
}

pub struct Redb {
    database: redb::Database,
}

fn redb_table(table: usize) -> redb::TableDefinition<'static, &'static [u8], &'static [u8]> {
    redb::TableDefinition::new(TABLES[table])
}

impl Engine for Redb {
    fn open(dir: &Path) -> Outcome<Self> {
        let database = redb::Database::create(dir.join("redb"))?;
        let begun = database.begin_write()?;
        for table in 0..TABLES.len() {
            begun.open_table(redb_table(table))?;
        }
        begun.commit()?;
        Ok(Self { database })
    }

    fn commit(&mut self, changes: &[Change<'_>]) -> Outcome<()> {
        let begun = self.database.begin_write()?;
        {
            let mut tables = Vec::new();
            for table in 0..TABLES.len() {
                tables.push(begun.open_table(redb_table(table))?);
            }
            for (table, key, value) in changes {
                match value {
                    Some(value) => drop(tables[*table].insert(key.as_slice(), *value)?),
                    None => drop(tables[*table].remove(key.as_slice())?),
                }
            }
        }
        Ok(begun.commit()?)
    }

    fn scan(&mut self, table: usize, first: &[u8], last: &[u8], limit: usize) -> Outcome<Vec<(Vec<u8>, usize)>> {
        use redb::ReadableDatabase;
        let table = self.database.begin_read()?.open_table(redb_table(table))?;
        let mut found = Vec::new();
        for row in table.range(first..=last)?.take(limit) {
            let (key, value) = row?;
            found.push((key.value().to_vec(), value.value().len()));
        }
        Ok(found)
    }
}

pub struct Sqlite {
    connection: rusqlite::Connection,
}

impl Engine for Sqlite {
    fn open(dir: &Path) -> Outcome<Self> {
        let connection = rusqlite::Connection::open(dir.join("sqlite"))?;
        connection.query_row("PRAGMA journal_mode = WAL", [], |_| Ok(()))?;
        connection.execute_batch("PRAGMA synchronous = FULL; PRAGMA cache_size = -65536;")?;
        for table in TABLES {
            let make = format!("CREATE TABLE IF NOT EXISTS {table} (k BLOB PRIMARY KEY, v BLOB) WITHOUT ROWID");
            connection.execute_batch(&make)?;
        }
        Ok(Self { connection })
    }

    fn commit(&mut self, changes: &[Change<'_>]) -> Outcome<()> {
        let begun = self.connection.transaction()?;
        for (table, key, value) in changes {
            let name = TABLES[*table];
            match value {
                Some(value) => {
                    let put = format!("INSERT OR REPLACE INTO {name} VALUES (?1, ?2)");
                    begun.prepare_cached(&put)?.execute((key, value))?;
                }
                None => {
                    let remove = format!("DELETE FROM {name} WHERE k = ?1");
                    begun.prepare_cached(&remove)?.execute((key,))?;
                }
            }
        }
        Ok(begun.commit()?)
    }

    fn scan(&mut self, table: usize, first: &[u8], last: &[u8], limit: usize) -> Outcome<Vec<(Vec<u8>, usize)>> {
        let select = format!("SELECT k, v FROM {} WHERE k BETWEEN ?1 AND ?2 ORDER BY k LIMIT ?3", TABLES[table]);
        let mut select = self.connection.prepare_cached(&select)?;
        let mut rows = select.query((first, last, limit as i64))?;
        let mut found = Vec::new();
        while let Some(row) = rows.next()? {
            found.push((row.get_ref(0)?.as_blob()?.to_vec(), row.get_ref(1)?.as_blob()?.len()));
        }
        Ok(found)
    }
}

pub struct Log {
    log: engine::log::Log,
}

const LOG_TABLES: [Table; 4] = [Table::Messages, Table::Inboxes, Table::Accounts, Table::Names];

impl Engine for Log {
    fn open(dir: &Path) -> Outcome<Self> {
        Ok(Self { log: engine::log::Log::open(dir)? })
    }

    fn commit(&mut self, changes: &[Change<'_>]) -> Outcome<()> {
        let mut batch = engine::Batch::default();
        for (table, key, value) in changes {
            let (table, key) = (LOG_TABLES[*table], engine::Key::new().with(key));
            match value {
                Some(value) => batch.put(table, key, engine::Head::new(), Bytes::copy_from_slice(value)),
                None => batch.remove(table, key),
            }
        }
        Ok(self.log.commit(batch)?)
    }

    fn scan(&mut self, table: usize, first: &[u8], last: &[u8], limit: usize) -> Outcome<Vec<(Vec<u8>, usize)>> {
        let mut found = Vec::new();
        self.log.scan(LOG_TABLES[table], first, last, &mut |key, value| {
            found.push((key.to_vec(), value.len()));
            if found.len() < limit { ControlFlow::Continue(()) } else { ControlFlow::Break(()) }
        })?;
        Ok(found)
    }
}
