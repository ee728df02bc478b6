//! What an operation tells its host on the way: shown or dropped, never answered.

/// How much an event matters.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, serde::Serialize, serde::Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Level {
    /// For `--verbose`.
    Detail,
    /// What happens, for whoever watches.
    Info,
    /// Something went wrong that did not stop the operation.
    Warning,
    /// A line of the result, of a command that gives it bit by bit as it goes on. Where one document at the end is wanted instead,
    /// it is dropped: the document holds it too.
    Result,
}

/// A line for whoever watches. Its text may quote text from outside: a host neutralises it before it reaches a terminal.
#[derive(Clone, Debug, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub struct Event {
    /// How much it matters.
    pub level: Level,
    /// One line, without a secret.
    pub text: String,
}
