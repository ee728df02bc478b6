//! The ordered key-value store that a relay lies in: the little that [`store`](crate::store) needs of one. All of it
//! blocks.

pub mod log;
pub mod memory;

use std::io;
use std::ops::ControlFlow;
use std::sync::Arc;

use bytes::Bytes;

/// A table: keys in the order of their bytes, each with a value.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[non_exhaustive]
pub enum Table {
    /// Facts about the store itself.
    Facts,
    /// Account id to account.
    Accounts,
    /// Name to account id.
    Names,
    /// Account id to the counters of its inbox.
    Inboxes,
    /// Account id and cursor to message.
    Messages,
    /// Day, account id and hash of a key to the answer that was given.
    Idempotency,
    /// Hash of a blob to what is known of it.
    Blobs,
}

impl Table {
    /// All of them, by their number.
    pub const ALL: [Self; 7] =
        [Self::Facts, Self::Accounts, Self::Names, Self::Inboxes, Self::Messages, Self::Idempotency, Self::Blobs];

    /// Its number in files.
    #[must_use]
    pub const fn number(self) -> u8 {
        match self {
            Self::Facts => 0,
            Self::Accounts => 1,
            Self::Names => 2,
            Self::Inboxes => 3,
            Self::Messages => 4,
            Self::Idempotency => 5,
            Self::Blobs => 6,
        }
    }

    /// The table of that number.
    #[must_use]
    pub fn numbered(number: u8) -> Option<Self> {
        Self::ALL.get(usize::from(number)).copied()
    }
}

/// A few bytes that need no allocation.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct Short<const N: usize> {
    bytes: [u8; N],
    len: u8,
}

impl<const N: usize> Short<N> {
    /// How many bytes fit.
    pub const ROOM: usize = N;

    /// No bytes.
    #[must_use]
    pub const fn new() -> Self {
        assert!(N < 256);
        Self { bytes: [0; N], len: 0 }
    }

    /// Adds bytes; what does not fit is a mistake of the caller and left out.
    #[must_use]
    pub fn with(mut self, more: &[u8]) -> Self {
        let end = usize::from(self.len).saturating_add(more.len());
        let room = self.bytes.get_mut(usize::from(self.len)..end);
        debug_assert!(room.is_some(), "more than {N} bytes");
        if let (Some(room), Ok(len)) = (room, u8::try_from(end)) {
            room.copy_from_slice(more);
            self.len = len;
        }
        self
    }

    /// The bytes.
    #[must_use]
    pub fn bytes(&self) -> &[u8] {
        self.bytes.get(..usize::from(self.len)).unwrap_or_default()
    }
}

impl<const N: usize> Default for Short<N> {
    fn default() -> Self {
        Self::new()
    }
}

/// A key.
pub type Key = Short<36>;

/// The beginning of a value; the rest of it is shared bytes.
pub type Head = Short<120>;

/// One change of a batch.
pub enum Change {
    /// Writes a value, `head` followed by `body`, over what is there.
    Put {
        /// Where.
        table: Table,
        /// Under which key.
        key: Key,
        /// The beginning of the value.
        head: Head,
        /// The rest of the value.
        body: Bytes,
    },
    /// Removes a value; none there is no error.
    Remove {
        /// Where.
        table: Table,
        /// Which.
        key: Key,
    },
}

/// Changes that happen together or not at all; of two that touch one key, the later holds.
#[derive(Default)]
pub struct Batch {
    /// In order.
    pub changes: Vec<Change>,
}

impl Batch {
    /// Writes a value.
    pub fn put(&mut self, table: Table, key: Key, head: Head, body: Bytes) {
        self.changes.push(Change::Put { table, key, head, body });
    }

    /// Removes a value.
    pub fn remove(&mut self, table: Table, key: Key) {
        self.changes.push(Change::Remove { table, key });
    }
}

/// An engine that could not do what it was asked to.
#[derive(Debug, Clone, thiserror::Error)]
#[non_exhaustive]
pub enum EngineError {
    /// The disk is full.
    #[error("no room left on the disk")]
    Full,
    /// The files cannot be read or written.
    #[error("{0}")]
    Failed(Arc<str>),
    /// The files do not hold what was written to them.
    #[error("the data files are damaged: {0}")]
    Corrupt(Arc<str>),
}

impl From<io::Error> for EngineError {
    fn from(error: io::Error) -> Self {
        match error.kind() {
            io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded => Self::Full,
            _ => Self::Failed(error.to_string().into()),
        }
    }
}

/// Takes a key and its value, and says whether to go on.
pub type Visit<'a> = &'a mut dyn FnMut(&[u8], Bytes) -> ControlFlow<()>;

/// Takes a table, a key, and the value that is put there, or nothing if it is removed; says whether to go on.
pub type Dump<'a> = &'a mut dyn FnMut(Table, &[u8], Option<&[u8]>) -> ControlFlow<()>;

/// An ordered key-value store. Reads see every commit that has returned, and never wait for one.
pub trait Engine: Send + Sync + 'static {
    /// The value under a key.
    ///
    /// # Errors
    /// The files cannot be read.
    fn read(&self, table: Table, key: &[u8]) -> Result<Option<Bytes>, EngineError>;

    /// Shows all from `first` up to and with `last`, in order, each as it is when its turn comes.
    ///
    /// # Errors
    /// The files cannot be read.
    fn scan(&self, table: Table, first: &[u8], last: &[u8], visit: Visit<'_>) -> Result<(), EngineError>;

    /// How many rows a table has.
    fn count(&self, table: Table) -> usize;

    /// Makes the changes: all of them, on disk when this returns. After an error none of them has happened, also after
    /// a restart.
    ///
    /// # Errors
    /// The files cannot be written.
    fn commit(&self, batch: Batch) -> Result<(), EngineError>;

    /// Rewrites the files such that nothing is left in them of what was removed.
    ///
    /// # Errors
    /// The files cannot be written.
    fn purge(&self) -> Result<(), EngineError>;

    /// Shows changes that make all tables what they are at one moment, if they are made in this order.
    ///
    /// # Errors
    /// The files cannot be read.
    fn dump(&self, visit: Dump<'_>) -> Result<(), EngineError>;

    /// Whether there is room to store more. Removing works also without.
    ///
    /// # Errors
    /// There is none, or nothing can be written.
    fn room(&self) -> Result<(), EngineError> {
        Ok(())
    }
}
