//! Deliberate breakings of a promise, at the host: the simulator must notice each.

/// A host that breaks one promise.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Mutation {
    /// Answers that a file was written before it is.
    AnswerBeforeWrite,
    /// Does not sync files.
    SkipFileSync,
    /// Does not sync folders.
    SkipFolderSync,
    /// Lets everybody have the lock, and every exclusive name.
    NoLock,
    /// Does not write down which messages were seen.
    ForgetSeen,
    /// Does not write the spool.
    LoseSpool,
    /// Puts every message into the inbox twice.
    DeliverTwice,
    /// Acknowledges what a relay hands out before it is stored.
    AckBeforeStore,
}

impl Mutation {
    /// All of them.
    pub const ALL: [Self; 8] = [
        Self::AnswerBeforeWrite,
        Self::SkipFileSync,
        Self::SkipFolderSync,
        Self::NoLock,
        Self::ForgetSeen,
        Self::LoseSpool,
        Self::DeliverTwice,
        Self::AckBeforeStore,
    ];
}
