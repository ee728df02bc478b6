//! What can go wrong in a task, and how to mend it.

use std::fmt;
use std::io;
use std::path::PathBuf;

pub(crate) type Result<T> = std::result::Result<T, Error>;

/// A task's failure: which step, what happened, what to do.
#[derive(Debug)]
pub(crate) enum Error {
    /// The arguments make no sense.
    Usage(String),
    /// An environment variable that is needed is not there.
    Environment { variable: &'static str, mend: &'static str },
    /// A file or folder could not be used.
    File { doing: &'static str, path: PathBuf, source: io::Error },
    /// A program could not be started at all.
    Start { step: String, program: String, source: io::Error, mend: String },
    /// A program ran and failed.
    Failed { step: String, how: String, mend: String },
}

impl Error {
    /// For `map_err`: a file error that says what was being done to which path.
    pub(crate) fn file(doing: &'static str, path: impl Into<PathBuf>) -> impl FnOnce(io::Error) -> Self {
        let path = path.into();
        move |source| Self::File { doing, path, source }
    }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Usage(what) => write!(f, "{what}; see `cargo xtask help`"),
            Self::Environment { variable, mend } => write!(f, "${variable} is not set: {mend}"),
            Self::File { doing, path, source } => write!(f, "cannot {doing} {}: {source}", path.display()),
            Self::Start { step, program, source, mend } => {
                write!(f, "step `{step}` failed: cannot start {program}: {source}\n  mend: {mend}")
            }
            Self::Failed { step, how, mend } => write!(f, "step `{step}` failed: {how}\n  mend: {mend}"),
        }
    }
}

impl std::error::Error for Error {}
