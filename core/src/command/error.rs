//! What stops a command.

use crate::engine;
use crate::engine::effect::IoError;
use crate::protocol::address::AddressError;
use crate::protocol::config::ConfigError;
use crate::protocol::envelope::EnvelopeError;
use crate::protocol::identity::IdentityError;
use crate::protocol::keyring::KeyringError;
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
    /// A file could not be read, written, listed, renamed or removed.
    #[error("cannot {action} {path}: {source}{}", engine::error::advice(.source.kind))]
    File {
        /// What was tried: `read`, `write`, ...
        action: &'static str,
        /// The file or folder, as people know it.
        path: String,
        /// What the host said.
        source: IoError,
    },
    /// Another process holds the mailbox and did not let go.
    #[error(
        "the mailbox is in use by another process (lock {path}, held until {until}); try again, or remove the lock if no azall runs"
    )]
    Locked {
        /// The lock file.
        path: String,
        /// When the lock expires, UTC.
        until: String,
    },
    /// The keyring is damaged: nothing is received until it is mended, since every key would look new.
    #[error("{path}: {source}")]
    Keyring {
        /// The keyring file.
        path: String,
        /// What is wrong with it.
        source: KeyringError,
    },
    /// The config file is not what it must be.
    #[error("{path}: {source}")]
    Config {
        /// The config file.
        path: String,
        /// What is wrong with it, and what is allowed.
        source: ConfigError,
    },
    /// An agent's key file is not what it must be.
    #[error("{path}: {source}")]
    KeyFile {
        /// The key file.
        path: String,
        /// What is wrong with it.
        source: ConfigError,
    },
    /// The mailbox of that name is another agent's.
    #[error(transparent)]
    NameTaken(#[from] super::start::NameTaken),
    /// A state cannot be packed or unpacked.
    #[error(transparent)]
    Export(#[from] super::export::ExportError),
    /// A command about scripts was not carried out.
    #[error(transparent)]
    Script(#[from] super::scripts::ScriptError),
    /// A pattern that no filter takes.
    #[error(transparent)]
    Filter(#[from] super::filter::FilterError),
    /// A key that is not there.
    #[error(transparent)]
    NoSuchKey(#[from] super::keys::NoSuchKey),
    /// A command about relays was not carried out.
    #[error(transparent)]
    Relay(#[from] super::relays::RelayCommandError),
    /// A text has become too long.
    #[error(transparent)]
    TextTooLong(#[from] super::texts::TextTooLong),
    /// A memory is not to be had.
    #[error(transparent)]
    Memory(#[from] super::memory::MemoryError),
    /// A note that is not there.
    #[error(transparent)]
    NoSuchNote(#[from] super::notes::NoSuchNote),
    /// A trust command was not carried out.
    #[error(transparent)]
    Trust(#[from] super::trust::TrustError),
    /// A name from outside or from the disk is no path.
    #[error(transparent)]
    Path(#[from] PathError),
    /// The agent's key file names another key than the config.
    #[error(
        "{path} holds another key than agent_key in {config}: this mailbox belongs to another agent; use its own config, or another agent_name"
    )]
    ForeignMailbox {
        /// The key file.
        path: String,
        /// The config file.
        config: String,
    },
    /// A delivery cycle cannot go on.
    #[error(transparent)]
    Sync(#[from] sync::Error),
    /// A text is no address.
    #[error(transparent)]
    Address(#[from] AddressError),
    /// The key file is damaged. It is never replaced: peers know the agent by it.
    #[error(
        "{path}: {source}; restore it from a backup, or move it away to begin with a new key (peers will see a changed key)"
    )]
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
    #[error("there is no message whose id begins with {id:?}; `{listed_by}` lists them")]
    NoSuchMessage {
        /// The id as it was given.
        id: String,
        /// The command that lists the messages that were looked at.
        listed_by: &'static str,
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
    /// The same error with the place that it is about as people know it: the engine knows only where below a root it is.
    #[must_use]
    pub fn located(self, shown: impl Fn(&Place) -> String) -> Self {
        use engine::error::Error::{File, Locked};
        match self {
            Self::Engine(File { action, place, source })
            | Self::Sync(sync::Error::Engine(File { action, place, source })) => {
                Self::File { action, path: shown(&place), source }
            }
            Self::Engine(Locked { place, until }) | Self::Sync(sync::Error::Engine(Locked { place, until })) => {
                Self::Locked { path: shown(&place), until }
            }
            Self::Sync(sync::Error::Keyring { place, source }) => Self::Keyring { path: shown(&place), source },
            other => other,
        }
    }

    /// A word for the kind of error, for programs. These words stay as they are from one version to the next.
    #[must_use]
    pub fn code(&self) -> &'static str {
        match self {
            Self::Engine(error) | Self::Sync(sync::Error::Engine(error)) => error.code(),
            Self::File { .. } => "file",
            Self::Locked { .. } => "locked",
            Self::Keyring { .. } | Self::Sync(sync::Error::Keyring { .. }) => "keyring",
            Self::Config { .. } | Self::ConfigRace => "config",
            Self::KeyFile { .. } | Self::Identity { .. } | Self::IdentityRace { .. } => "identity",
            Self::NameTaken(_) => "name-taken",
            Self::Export(_) => "archive",
            Self::Script(super::scripts::ScriptError::ProgramAsSkill { .. }) => "argument",
            Self::Script(_) | Self::NoSuchKey(_) | Self::NoSuchNote(_) | Self::NoSuchMessage { .. } => "not-found",
            Self::Filter(_) => "filter",
            Self::Relay(_) => "relay",
            Self::TextTooLong(_) | Self::MessageTooLarge { .. } => "too-large",
            Self::Memory(super::memory::MemoryError::NotShared { .. }) => "not-shared",
            Self::Trust(_) => "trust",
            Self::Path(_) => "path",
            Self::ForeignMailbox { .. } => "foreign-mailbox",
            Self::Sync(_) => "sync",
            Self::Address(_) => "address",
            Self::Envelope(_) | Self::Message(_) => "message",
            Self::AmbiguousId { .. } => "ambiguous",
            Self::AlreadyInInbox { .. } => "already-there",
        }
    }

    /// The process's exit code: 1 failed, 2 usage, 3 refused by policy.
    #[must_use]
    pub fn exit_code(&self) -> u8 {
        match self {
            Self::ForeignMailbox { .. }
            | Self::NameTaken(_)
            | Self::Memory(super::memory::MemoryError::NotShared { .. }) => 3,
            Self::Relay(error) => error.exit_code(),
            Self::Trust(error) => error.exit_code(),
            _ => 1,
        }
    }
}
