//! What stops a command.

use crate::engine;
use crate::protocol::config::ConfigError;
use crate::protocol::layout::{PathError, Place};

/// Why a command failed: what, where, and what to do.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// An effect failed, or the operation was cancelled.
    #[error(transparent)]
    Engine(#[from] engine::error::Error),
    /// The config file is not what it must be.
    #[error(transparent)]
    Config(#[from] ConfigError),
    /// A name from outside or from the disk is no path.
    #[error(transparent)]
    Path(#[from] PathError),
    /// The agent's key file names another key than the config.
    #[error(
        "{place} holds another key than agent_key in the config: this mailbox belongs to another agent; use its own config, or another agent_name"
    )]
    ForeignMailbox {
        /// The key file.
        place: Place,
    },
    /// A config file appeared while the first one was being made.
    #[error("another process has just made the config file; run the command again")]
    ConfigRace,
}

impl Error {
    /// The process's exit code: 1 failed, 2 usage, 3 refused by policy.
    #[must_use]
    pub fn exit_code(&self) -> u8 {
        match self {
            Self::ForeignMailbox { .. } => 3,
            _ => 1,
        }
    }
}
