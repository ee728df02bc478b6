//! What can go wrong with a relay, what to do about it, and what it means for a message that waits.

use super::ServerUrl;

/// A call to a relay that did not do what was asked. Texts from the relay are cut short and safe for a terminal.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum RelayError {
    /// 401, 403: the token is not one of this server.
    #[error("{server} does not accept the token: {said}; check it with `azall relay list`, or register again")]
    Unauthorized {
        /// The relay.
        server: ServerUrl,
        /// What it said.
        said: String,
    },
    /// 404 to a message, from a relay.
    #[error("{server} knows no such recipient: {said}; check the address with `azall directory`")]
    UnknownRecipient {
        /// The relay.
        server: ServerUrl,
        /// What it said.
        said: String,
    },
    /// 409 to a registration.
    #[error(
        "{server} has an account of that name already: {said}; choose another name, or add its token with `azall relay add`"
    )]
    NameTaken {
        /// The relay.
        server: ServerUrl,
        /// What it said.
        said: String,
    },
    /// 400 `bad_name` to a registration of version 2: nobody gets an account of this name.
    #[error("{server} gives nobody an account of this name: {said}; register under another name")]
    BadName {
        /// The relay.
        server: ServerUrl,
        /// What it said.
        said: String,
    },
    /// 413: the message is larger than the relay takes.
    #[error("{server} does not take a message this large: {said}; shorten it or send fewer attachments")]
    TooLarge {
        /// The relay.
        server: ServerUrl,
        /// What it said.
        said: String,
    },
    /// 507: the recipient has to fetch first.
    #[error("{server} says that the recipient's inbox is full: {said}; it will be tried again")]
    InboxFull {
        /// The relay.
        server: ServerUrl,
        /// What it said.
        said: String,
    },
    /// 507 to a blob: this account has stored as much as it may.
    #[error("{server} has no more room for attachments of this account: {said}; it will be tried again")]
    QuotaFull {
        /// The relay.
        server: ServerUrl,
        /// What it said.
        said: String,
    },
    /// 404 without a code to a call of version 2: the relay knows version 1 alone, or no longer version 2.
    #[error("{server} does not know version 2 of AgentTalk; it will be asked again what it speaks")]
    NotVersion2 {
        /// The relay.
        server: ServerUrl,
    },
    /// A challenge that was made for another server: whoever asks us to sign it wants the account there.
    #[error(
        "{server} asks to sign a challenge of another relay, {named}; no account was made: do not trust this server"
    )]
    ForeignChallenge {
        /// The relay.
        server: ServerUrl,
        /// Whose challenge it is.
        named: String,
    },
    /// 429, 503: later.
    #[error("{server} is busy: {said}; it will be tried again")]
    Busy {
        /// The relay.
        server: ServerUrl,
        /// How long it asks to wait, in milliseconds.
        retry_after_ms: Option<u64>,
        /// What it said.
        said: String,
    },
    /// 400 and the like, from a relay: this request will never do.
    #[error("{server} refuses the request ({status}): {said}")]
    Refused {
        /// The relay.
        server: ServerUrl,
        /// The status.
        status: u16,
        /// What it said.
        said: String,
    },
    /// 3xx. Following it would carry the token to another server.
    #[error("{server} redirects to {location}; if that is right, put it in the config with `azall relay add`")]
    Redirect {
        /// The relay.
        server: ServerUrl,
        /// Where to.
        location: String,
    },
    /// 5xx.
    #[error("{server} has a fault ({status}): {said}; it will be tried again")]
    ServerFault {
        /// The relay.
        server: ServerUrl,
        /// The status.
        status: u16,
        /// What it said.
        said: String,
    },
    /// An answer that is no JSON: a login page, a proxy, another service.
    #[error("{server} answers something that is no AgentTalk ({status}): it begins {start:?}; is the URL right?")]
    NotJson {
        /// The server.
        server: ServerUrl,
        /// The status.
        status: u16,
        /// The first 80 characters.
        start: String,
    },
    /// JSON, but not that of AgentTalk.
    #[error("{server} answers JSON that is no AgentTalk: {what}; is the URL right?")]
    WrongShape {
        /// The server.
        server: ServerUrl,
        /// What is missing or wrong.
        what: String,
    },
    /// No answer.
    #[error("{server} cannot be reached: {why}")]
    Unreachable {
        /// The relay.
        server: ServerUrl,
        /// Why, in the words of the host.
        why: String,
    },
}

impl RelayError {
    /// Whether trying the same message again is pointless.
    #[must_use]
    pub const fn is_permanent(&self) -> bool {
        matches!(
            self,
            Self::UnknownRecipient { .. }
                | Self::TooLarge { .. }
                | Self::Refused { .. }
                | Self::NameTaken { .. }
                | Self::BadName { .. }
        )
    }

    /// Whether a registration that ended like this has certainly made no account. A request that a network doubles may be
    /// refused the second time for having been granted the first, so no refusal but these says so.
    #[must_use]
    pub const fn leaves_no_account(&self) -> bool {
        matches!(self, Self::NameTaken { .. } | Self::BadName { .. } | Self::ForeignChallenge { .. })
    }

    /// Whether somebody has to mend the account or its URL before anything can be delivered.
    #[must_use]
    pub const fn is_account_problem(&self) -> bool {
        matches!(
            self,
            Self::Unauthorized { .. } | Self::Redirect { .. } | Self::NotJson { .. } | Self::WrongShape { .. }
        )
    }

    /// How long the relay asks to wait, in milliseconds.
    #[must_use]
    pub const fn retry_after_ms(&self) -> Option<u64> {
        match self {
            Self::Busy { retry_after_ms, .. } => *retry_after_ms,
            _ => None,
        }
    }
}

/// What became of one message to one recipient over one relay.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum SendOutcome {
    /// The relay took it.
    Accepted {
        /// The relay's own id of it.
        id: String,
    },
    /// To be tried again.
    Retry {
        /// How long the relay asks to wait, in milliseconds.
        after_ms: Option<u64>,
        /// Why.
        error: RelayError,
    },
    /// Never to be tried again.
    Permanent {
        /// Why.
        error: RelayError,
    },
}

impl From<Result<String, RelayError>> for SendOutcome {
    /// Sorts the answer of [`parse_sent`](super::parse_sent), or the failure to get one.
    fn from(sent: Result<String, RelayError>) -> Self {
        match sent {
            Ok(id) => Self::Accepted { id },
            Err(error) if error.is_permanent() => Self::Permanent { error },
            Err(error) => Self::Retry { after_ms: error.retry_after_ms(), error },
        }
    }
}
