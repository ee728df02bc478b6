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
}
