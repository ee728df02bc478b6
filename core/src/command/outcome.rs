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
    /// Of `prompt` and `onboard`.
    GuideText(super::start::GuideText);
    /// Of `quickstart`.
    Ready(super::start::Ready);
    /// Of `setup`.
    Setup(super::start::SetupOutcome);
    /// Of `startup`.
    Startup(super::start::StartupOutcome);
    /// Of `address`.
    Address(super::identity::AddressOutcome);
    /// Of `whoami` and `doing`.
    SelfText(super::identity::SelfTextOutcome);
    /// Of `dates`.
    Dates(super::overview::DateList);
    /// Of `directory`.
    Agents(super::overview::AgentList);
    /// Of `tree`.
    Tree(super::overview::TreeOutcome);
    /// Of `recall`.
    Recalled(super::memory::Recalled);
    /// Of `remember`.
    Remembered(super::memory::RememberOutcome);
    /// Of `note`.
    Note(super::notes::NoteOutcome);
    /// Of `notes`.
    Notes(super::notes::NoteList);
    /// Of `daemon`.
    Daemon(super::daemon::DaemonOutcome);
    /// Of `crypto-identity`.
    CryptoIdentity(super::keys::CryptoIdentityOutcome);
    /// Of `doctor`.
    Diagnosis(super::health::Diagnosis);
    /// Of `status`.
    Status(super::health::StatusOutcome);
    /// Of `register`.
    Registered(super::relays::Registered);
    /// Of `relay`.
    Relays(super::relays::RelayList);
    /// Of `export`.
    Exported(super::export::Exported);
    /// Of `import`.
    Imported(super::export::Imported);
    /// Of `skill` and `tool`.
    Scripts(super::scripts::ScriptOutcome);
    /// Of `filter`.
    Filter(super::filter::FilterState);
    /// Of `index`.
    Index(super::index::IndexOutcome);
    /// Of `keyring`.
    Keyring(super::keys::KeyringOutcome);
    /// Of `sign`.
    Signed(super::keys::Signed);
    /// Of `verify`.
    Verified(super::keys::Verified);
    /// Of `trust-gen`.
    TrustToken(super::trust::TrustToken);
    /// Of `trust-verify`.
    TrustVerified(super::trust::TrustVerified);
    /// Of `trust-bind` and `trust-bind-local`.
    Bound(super::trust::Bound);
    /// Of `trust-bind-all`.
    BoundAll(super::trust::BoundAll);
    /// Of `trust-status`.
    TrustState(super::trust::TrustState);
    /// Of `trust-revoke`.
    Revoked(super::trust::Revoked);
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
    /// A file that the command made for the host to write: the path as the command line gave it, and the content.
    #[must_use]
    pub fn artifact(&self) -> Option<(&str, &[u8])> {
        match self {
            Self::Exported(exported) => Some((&exported.path, &exported.archive)),
            _ => None,
        }
    }

    /// The process's exit code: most commands that give an outcome are done (0).
    #[must_use]
    pub fn exit_code(&self) -> u8 {
        match self {
            Self::Daemon(outcome) => outcome.exit_code(),
            Self::Sent(outcome) => outcome.exit_code(),
            Self::Verified(outcome) => outcome.exit_code(),
            Self::Diagnosis(outcome) => outcome.exit_code(),
            Self::Scripts(outcome) => outcome.exit_code(),
            Self::BoundAll(outcome) => outcome.code,
            _ => 0,
        }
    }
}
