//! What a binding throws or raises.

use azall_core::command;
use azall_core::protocol::text;

/// Why something failed: a word for programs and a sentence for people, with no secret in it. Where the sentence quotes text from
/// outside, nothing in it can steer a terminal.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{message}")]
pub struct Failure {
    /// A word for the kind of error: those of [`command::Error::code`], and of this crate: `argument` (a value is not what it must
    /// be), `usage` (a command line makes no sense), `resume` (an answer was not taken).
    pub code: &'static str,
    /// What went wrong, where, and what to do.
    pub message: String,
    /// The exit code that the command line gives for it: 1 failed, 2 usage, 3 refused by policy.
    pub exit_code: u8,
}

impl Failure {
    /// A failure of the kind `code`.
    #[must_use]
    pub fn new(code: &'static str, why: impl ToString) -> Self {
        Self { code, message: text::for_terminal(&why.to_string()).into_owned(), exit_code: 1 }
    }

    /// A value that is not what it must be.
    #[must_use]
    pub fn argument(why: impl ToString) -> Self {
        Self { exit_code: 2, ..Self::new("argument", why) }
    }
}

impl From<command::Error> for Failure {
    fn from(error: command::Error) -> Self {
        Self { exit_code: error.exit_code(), ..Self::new(error.code(), &error) }
    }
}
