//! The system's error numbers in the core's terms. The core knows which place an effect was about and says so, so a
//! message holds only the system's words.

use azall_core::engine::effect::{IoError, IoErrorKind};
use rustix::io::Errno;

/// The failure of a system call.
#[must_use]
pub fn failed(errno: Errno) -> IoError {
    let message = match errno {
        Errno::LOOP => "a symbolic link, which is not followed in the place of a file".to_owned(),
        Errno::NOTDIR => "a file stands where a folder must be".to_owned(),
        other => words(&other.into()),
    };
    IoError::new(kind(errno), message)
}

/// What an error says, without its number, which differs from system to system.
#[must_use]
pub fn words(error: &std::io::Error) -> String {
    let text = error.to_string();
    match (error.raw_os_error(), text.rsplit_once(" (os error ")) {
        (Some(_), Some((words, _))) => words.to_owned(),
        _ => text,
    }
}

/// The failure of a standard library call.
#[must_use]
pub fn failed_std(error: &std::io::Error) -> IoError {
    match Errno::from_io_error(error) {
        Some(errno) => failed(errno),
        None => IoError::new(IoErrorKind::Other, words(error)),
    }
}

fn kind(errno: Errno) -> IoErrorKind {
    match errno {
        Errno::NOENT => IoErrorKind::NotFound,
        Errno::EXIST | Errno::NOTEMPTY => IoErrorKind::AlreadyExists,
        // LOOP is the answer to a symbolic link in the place of a file: none is ever followed there.
        Errno::ACCESS | Errno::PERM | Errno::ROFS | Errno::LOOP => IoErrorKind::PermissionDenied,
        Errno::NOSPC | Errno::DQUOT => IoErrorKind::StorageFull,
        Errno::TIMEDOUT => IoErrorKind::TimedOut,
        Errno::NOSYS | Errno::OPNOTSUPP => IoErrorKind::Unsupported,
        _ => IoErrorKind::Other,
    }
}
