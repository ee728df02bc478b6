//! What can go wrong in the store.

use std::path::PathBuf;
use std::sync::Arc;

use super::backup::BackupError;
use crate::engine::EngineError;

/// Why the store could not do what it was asked to.
#[derive(Debug, Clone, thiserror::Error)]
#[non_exhaustive]
pub enum StoreError {
    /// Nothing more fits onto the disk.
    #[error("the disk of the relay is full")]
    DiskFull,
    /// The files cannot be read or written.
    #[error("the store of the relay failed: {0}")]
    Failed(Arc<str>),
    /// The files do not hold what was written to them.
    #[error("the store of the relay is damaged: {0}; restore it from a backup")]
    Corrupt(Arc<str>),
    /// The store has been closed.
    #[error("the relay is stopping")]
    Closed,
    /// The account has been deleted meanwhile.
    #[error("there is no such account any more")]
    NoSuchAccount,
}

impl From<EngineError> for StoreError {
    fn from(error: EngineError) -> Self {
        match error {
            EngineError::Full => Self::DiskFull,
            EngineError::Failed(text) => Self::Failed(text),
            EngineError::Corrupt(text) => Self::Corrupt(text),
        }
    }
}

impl From<std::io::Error> for StoreError {
    fn from(error: std::io::Error) -> Self {
        EngineError::from(error).into()
    }
}

/// Why an account could not be made.
#[derive(Debug, Clone, thiserror::Error)]
#[non_exhaustive]
pub enum RegisterError {
    /// Somebody else has the name.
    #[error("the name is taken")]
    NameTaken,
    /// The store failed.
    #[error(transparent)]
    Store(#[from] StoreError),
}

/// Why a store could not be opened. Nothing in the folder was changed.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum OpenError {
    /// Another process has it.
    #[error("{}: in use by another relay", dir.display())]
    InUse {
        /// The folder.
        dir: PathBuf,
    },
    /// Something else lies there.
    #[error("{}: not the data of a relay ({found}); choose an empty folder", dir.display())]
    Foreign {
        /// The folder.
        dir: PathBuf,
        /// What lies there.
        found: String,
    },
    /// Made by a later version.
    #[error("{}: made by a newer version of the relay (format {found}); this one reads format {known}", dir.display())]
    Newer {
        /// The folder.
        dir: PathBuf,
        /// Its format.
        found: String,
        /// The format of this version.
        known: u32,
    },
    /// The files do not hold what was written to them.
    #[error("{}: the data is damaged: {what}; restore it from a backup, or move it away to begin anew", dir.display())]
    Corrupt {
        /// The folder.
        dir: PathBuf,
        /// What is wrong.
        what: String,
    },
    /// The system refused.
    #[error("{}: {error}", path.display())]
    Io {
        /// The file or folder.
        path: PathBuf,
        /// The system's word.
        error: std::io::Error,
    },
    /// The thread that writes could not be started, or there is no randomness.
    #[error("the store cannot be started: {0}")]
    Start(String),
    /// A backup could not be read.
    #[error(transparent)]
    Backup(#[from] BackupError),
}
