//! What can be wrong with a config.

/// Why a config cannot be used. No variant shows a secret.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum ConfigError {
    /// A folder lies there.
    #[error("it is a folder; name the config file in it with --config or $AGENTAZALL_CONFIG")]
    Folder,
    /// What lies there is not read.
    #[error(
        "it is no regular file but a symbolic link, a pipe or a device, which is not read; put a file there, or name the file itself with --config or $AGENTAZALL_CONFIG"
    )]
    NoRegularFile,
    /// The file is larger than any config: it is something else.
    #[error("it has {bytes} bytes, more than the {limit} that are read; is it another file?")]
    TooLarge {
        /// How large it is.
        bytes: usize,
        /// The most that is read.
        limit: usize,
    },
    /// The file is not JSON.
    #[error("it is not JSON: line {line}, column {column}: {why}")]
    NotJson {
        /// The line where reading stopped, from 1.
        line: usize,
        /// The column there, in bytes from 1; 0 is the end of the line before.
        column: usize,
        /// What was expected there.
        why: String,
    },
    /// The file is JSON, but no object.
    #[error("it holds {found} where an object {{...}} is expected")]
    NotAnObject {
        /// What it holds.
        found: &'static str,
    },
    /// A value of the wrong type, or out of its range.
    #[error("{key} is {found}; it must be {allowed}")]
    WrongValue {
        /// The dotted path of the key in the file: `agenttalk.server`, `relays[1].token`.
        key: String,
        /// What was found, masked where it may be secret.
        found: String,
        /// What is allowed.
        allowed: String,
    },
}

/// Something odd that does not keep the config from being used.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum ConfigWarning {
    /// A key that is not known but looks like one that is. It is kept, and has no effect.
    #[error("{key} is not known and has no effect; did you mean {nearest}?")]
    Typo {
        /// The dotted path of the unknown key.
        key: String,
        /// The known key that it resembles.
        nearest: &'static str,
    },
    /// No `agent_name`: the reference's own default stands in, which many mailboxes may share.
    #[error("agent_name is missing; {default} is used")]
    NoAgentName {
        /// What stands in.
        default: &'static str,
    },
}
