//! What a command gives.

use serde::Serialize;

/// Makes the enum of outcomes, and how each is shown.
macro_rules! outcomes {
    ($($(#[$doc:meta])* $name:ident($outcome:ty);)*) => {
        /// What a command did or found. Serialized it is the document that `--json` prints.
        #[derive(Debug, Serialize)]
        #[serde(untagged)]
        #[non_exhaustive]
        pub enum Outcome {
            $($(#[$doc])* $name($outcome),)*
        }

        $(impl From<$outcome> for Outcome {
            fn from(outcome: $outcome) -> Self { Self::$name(outcome) }
        })*
    };
}

outcomes! {
    /// Of `daemon`.
    Daemon(super::daemon::DaemonOutcome);
    /// Of `held`.
    Held(super::read::HeldOutcome);
    /// Of `inbox`.
    Inbox(super::inbox::InboxListing);
    /// Of `read`.
    Read(super::read::ReadMessage);
    /// Of `search`.
    Search(super::search::Found);
    /// Of `send` and `reply`.
    Sent(super::send::Sent);
}

impl Outcome {
    /// The process's exit code: most commands that give an outcome are done (0).
    #[must_use]
    pub fn exit_code(&self) -> u8 {
        match self {
            Self::Daemon(outcome) => outcome.exit_code(),
            Self::Sent(outcome) => outcome.exit_code(),
            _ => 0,
        }
    }
}
