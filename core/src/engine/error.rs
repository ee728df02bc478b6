//! What can go wrong between an operation and its host.

use super::effect::{IoError, IoErrorKind};
use crate::protocol::layout::Place;

/// A failure of the engine or of an effect, with what was tried and where.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// A file could not be read, written, listed, renamed or removed.
    #[error("cannot {action} {place}: {source}{}", advice(.source.kind))]
    File {
        /// What was tried: `read`, `write`, ...
        action: &'static str,
        /// The file or folder.
        place: Place,
        /// What the host said.
        source: IoError,
    },
    /// An effect that is not about a file failed.
    #[error("{action} failed: {source}")]
    Host {
        /// What was asked of the host.
        action: &'static str,
        /// What the host said.
        source: IoError,
    },
    /// Another process holds the mailbox and did not let go.
    #[error(
        "the mailbox is in use by another process (lock {place}, held until {until}); try again, or remove the lock if no azall runs"
    )]
    Locked {
        /// The lock file.
        place: Place,
        /// When the lock expires, UTC.
        until: String,
    },
    /// The lock ended, or another process took it over, before the work under it was done.
    #[error("the lock {place} ended before this command was done with it; nothing more was changed: run it again")]
    LockLost {
        /// The lock file.
        place: Place,
    },
    /// The operation was cancelled.
    #[error("stopped before it was done")]
    Cancelled,
    /// Nothing is in flight, no deadline is set, and the operation is not done: a programming error in a command.
    #[error("the operation waits for nothing that the host could answer")]
    Stalled,
    /// The operation kept a waker: it awaits something that is not an effect, a programming error in a command.
    #[error("the operation awaits something that is not an effect")]
    ForeignFuture,
    /// A host answered an effect with an answer of another kind.
    #[error("the host answered {asked} with an answer of another kind")]
    WrongAnswer {
        /// The effect's name.
        asked: &'static str,
    },
    /// The operation was polled after it was done.
    #[error("the operation is over")]
    Over,
}

impl Error {
    /// A word for the kind of error, for programs.
    #[must_use]
    pub const fn code(&self) -> &'static str {
        match self {
            Self::File { .. } => "file",
            Self::Host { .. } => "host",
            Self::Locked { .. } => "locked",
            Self::LockLost { .. } => "lock-lost",
            Self::Cancelled => "cancelled",
            Self::Stalled | Self::ForeignFuture | Self::WrongAnswer { .. } | Self::Over => "engine",
        }
    }

    /// The kind of the failed effect, if one failed.
    #[must_use]
    pub fn io_kind(&self) -> Option<IoErrorKind> {
        match self {
            Self::File { source, .. } | Self::Host { source, .. } => Some(source.kind),
            _ => None,
        }
    }
}

/// What a person can do about a failure, as the end of its sentence.
pub(crate) const fn advice(kind: IoErrorKind) -> &'static str {
    match kind {
        IoErrorKind::PermissionDenied => {
            "; check the owner and the mode of the file and its folder, and that the file system is not read-only"
        }
        IoErrorKind::StorageFull => "; free some space and run the command again: nothing was half written",
        IoErrorKind::TooLarge => "; the file is larger than azall reads",
        _ => "",
    }
}

/// Why an answer was not taken.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ResumeError {
    /// No effect with this id waits for an answer: never asked, answered already, or of an earlier use of the slot.
    #[error("no effect {0} waits for an answer")]
    NotWaiting(super::op::EffectId),
    /// The effect was not handed out yet.
    #[error("effect {0} was not handed out yet")]
    NotHandedOut(super::op::EffectId),
    /// The answer belongs to another kind of effect. The effect still waits.
    #[error("effect {id} is a {asked}, the answer is for a {answered}")]
    WrongKind {
        /// The effect.
        id: super::op::EffectId,
        /// What was asked.
        asked: &'static str,
        /// What was answered.
        answered: &'static str,
    },
}
