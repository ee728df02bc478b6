//! What stops a command.

use crate::engine;
use crate::protocol::address::AddressError;
use crate::protocol::config::ConfigError;
use crate::protocol::envelope::EnvelopeError;
use crate::protocol::identity::IdentityError;
use crate::protocol::layout::{PathError, Place};
use crate::protocol::message::MessageError;
use crate::sync;

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
    /// A delivery cycle cannot go on.
    #[error(transparent)]
    Sync(#[from] sync::Error),
    /// A text is no address.
    #[error(transparent)]
    Address(#[from] AddressError),
    /// The key file is damaged. It is never replaced: peers know the agent by it.
    #[error("{path}: {source}; restore it from a backup, or move it away to begin with a new key (peers will see a changed key)")]
    Identity {
        /// The key file.
        path: String,
        /// What is wrong with it.
        source: IdentityError,
    },
    /// Other processes made and removed the key file while this one tried to make it.
    #[error("another process is making the key file {path}; run the command again")]
    IdentityRace {
        /// The key file.
        path: String,
    },
    /// A message cannot be signed.
    #[error(transparent)]
    Envelope(#[from] EnvelopeError),
    /// A message cannot be composed.
    #[error(transparent)]
    Message(#[from] MessageError),
    /// A message with its attachments is larger than azall carries.
    #[error("the message and its attachments have {size} bytes; at most {limit} can be sent")]
    MessageTooLarge {
        /// Bytes in all.
        size: usize,
        /// Bytes allowed.
        limit: u64,
    },
    /// No message has this id.
    #[error("there is no message whose id begins with {id:?}; `azall inbox --all` lists them")]
    NoSuchMessage {
        /// The id as it was given.
        id: String,
    },
    /// Several messages' ids begin in this way.
    #[error("several messages' ids begin with {id:?}: {matches}; give more of the id")]
    AmbiguousId {
        /// The id as it was given.
        id: String,
        /// Some of them.
        matches: String,
    },
    /// A message of this id is in the inbox.
    #[error("the inbox holds a message {id} already; read it, then `azall held drop {id}`")]
    AlreadyInInbox {
        /// The id.
        id: String,
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
