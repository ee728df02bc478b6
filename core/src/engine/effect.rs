//! What an operation may ask of its host: one struct per effect, each with the type of its answer. Paths are
//! [`Place`]s, already validated; a host joins them to the folder of their root and refuses anything else.

use std::fmt;

use serde::{Deserialize, Serialize};

use crate::protocol::layout::Place;

/// What kind of failure an effect met. The core decides what it means; a host only classifies.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum IoErrorKind {
    /// The file, folder or host does not exist.
    NotFound,
    /// An exclusive write found the file there already.
    AlreadyExists,
    /// The operating system refused: permissions, a read-only file system, a symbolic link in a place of a file.
    PermissionDenied,
    /// No space or quota left.
    StorageFull,
    /// The answer did not come within the effect's time limit.
    TimedOut,
    /// No connection could be made, or it broke.
    Unreachable,
    /// The peer's certificate was not accepted.
    Tls,
    /// More bytes than the effect's limit.
    TooLarge,
    /// This host cannot do this kind of effect.
    Unsupported,
    /// Anything else.
    Other,
}

/// A failed effect, as the host tells it. The message is for people and never holds a secret.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, thiserror::Error)]
#[error("{message}")]
pub struct IoError {
    /// What kind of failure it is.
    pub kind: IoErrorKind,
    /// What happened, in the words of the system.
    pub message: String,
}

impl IoError {
    /// An error of a kind.
    #[must_use]
    pub fn new(kind: IoErrorKind, message: impl Into<String>) -> Self {
        Self { kind, message: message.into() }
    }
}

/// Binds an effect's struct to its answer's type.
pub trait Ask: Into<Effect> {
    /// What the host answers.
    type Answer;
    /// Takes this effect's answer out of the general one; `None` when the host answered another effect.
    fn unwrap_answer(answer: Answer) -> Option<Result<Self::Answer, IoError>>;
}

/// The whole content of one file. Answer: its bytes. A file larger than `limit` is [`IoErrorKind::TooLarge`].
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ReadFile {
    /// The file.
    pub place: Place,
    /// The most bytes to read.
    pub limit: u64,
}

/// Many small files of one folder at once, so that 10,000 headers cost one crossing and a host may use all cores.
/// Answer: one result per name, in order.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ReadMany {
    /// The folder.
    pub folder: Place,
    /// File names in it, each a valid last part of a path.
    pub names: Vec<String>,
    /// The most bytes to read of each file: the rest is left, and [`FileHead::truncated`] set.
    pub limit: u64,
}

/// The first bytes of a file.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct FileHead {
    /// What was read.
    #[serde(with = "crate::engine::transcript::bytes")]
    pub bytes: Vec<u8>,
    /// Whether the file goes on.
    pub truncated: bool,
}

/// The entries of a folder, in no order. Answer: names as they are; one that is not UTF-8 is given with U+FFFD and
/// `unusable`. A folder that does not exist is [`IoErrorKind::NotFound`].
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct List {
    /// The folder.
    pub folder: Place,
    /// Whether sizes and times are wanted; without them they are 0 and the host saves a call per entry.
    pub with_meta: bool,
}

/// One entry of a folder.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Entry {
    /// The file name.
    pub name: String,
    /// What it is.
    pub kind: EntryKind,
    /// Bytes, if asked for.
    pub size: u64,
    /// Time of the last change, unix milliseconds, if asked for: of the content, or of the name or the rights if that was later
    /// (where a host can know: nobody can set it back, and what is dropped into a mailbox with an old time is looked at all the same).
    pub modified_ms: i64,
}

/// What an entry of a folder is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum EntryKind {
    /// A regular file.
    File,
    /// A folder.
    Folder,
    /// A symbolic link to a folder: a path may lead through it, but whoever walks down a tree must not, since it may lead out of
    /// the mailbox or round in a circle.
    LinkedFolder,
    /// A symbolic link to a file, a device, a socket, a name that is not UTF-8: listed, never opened.
    Other,
}

impl EntryKind {
    /// Whether a path may lead through it.
    #[must_use]
    pub const fn is_folder(self) -> bool {
        matches!(self, Self::Folder | Self::LinkedFolder)
    }
}

/// Writes a file so that it is complete and durable, or not there at all: a temporary file beside it, fsync, rename,
/// fsync of the folder. Missing folders are made. Several of these in flight may share their syncs.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct WriteAtomic {
    /// The file.
    pub place: Place,
    /// Its whole new content.
    #[serde(with = "crate::engine::transcript::bytes")]
    pub bytes: Vec<u8>,
    /// Readable by its owner alone (mode 0600).
    pub private: bool,
    /// Fail with [`IoErrorKind::AlreadyExists`] if the file is there.
    pub exclusive: bool,
}

/// Appends to a file, durably, making it (and missing folders) if need be.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Append {
    /// The file.
    pub place: Place,
    /// What to add.
    #[serde(with = "crate::engine::transcript::bytes")]
    pub bytes: Vec<u8>,
    /// Mode 0600 if the file is made.
    pub private: bool,
}

/// Renames a file or folder, durably, making the target's missing folders. An existing target file is replaced, unless
/// `exclusive`. A missing source is [`IoErrorKind::NotFound`]. A file renamed to its own name only has that name made durable.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Rename {
    /// What to rename.
    pub from: Place,
    /// Its new place.
    pub to: Place,
    /// Fail with [`IoErrorKind::AlreadyExists`] if the target is there.
    pub exclusive: bool,
}

/// Removes a file, or a folder with all that is in it. A missing one is no error.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Remove {
    /// What to remove.
    pub place: Place,
}

/// Random bytes from the operating system's generator. Answer: exactly `count` bytes.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Random {
    /// How many bytes, at most 1024.
    pub count: usize,
}

/// Facts about the machine.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct HostFacts;

/// The answer to [`HostFacts`].
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Facts {
    /// The host's name, shown on a trust token.
    pub machine_name: String,
    /// The operating system's name as Python's `platform.system()` gives it (`Linux`, `Darwin`, `Windows`).
    pub system: String,
    /// Facts that the machine fingerprint is the SHA-512 of, joined by `|`, in the host's order. Empty where the host knows none.
    pub fingerprint_parts: Vec<String>,
    /// The process, for the owner's line in a lock.
    pub process: String,
}

/// One HTTP request. Answer: status, headers and body, whatever the status.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Http {
    /// `GET`, `POST`, ...
    pub method: String,
    /// `http://` or `https://`.
    pub url: String,
    /// Complete, with authorization; values without control characters.
    pub headers: Vec<(String, String)>,
    /// The body; empty for none.
    #[serde(with = "crate::engine::transcript::bytes")]
    pub body: Vec<u8>,
    /// The most bytes of body to accept, then [`IoErrorKind::TooLarge`].
    pub limit: u64,
    /// The whole call's time limit, in milliseconds.
    pub timeout_ms: u64,
}

/// The answer to [`Http`]. Redirects are not followed.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct HttpAnswer {
    /// The status code.
    pub status: u16,
    /// The headers, names in lower case.
    pub headers: Vec<(String, String)>,
    /// The body.
    #[serde(with = "crate::engine::transcript::bytes")]
    pub body: Vec<u8>,
    /// Why the rest of the body did not come: the connection broke, or the time was over. `body` is what came before, and not empty.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub broken: Option<IoError>,
}

impl HttpAnswer {
    /// An answer that came to its end.
    #[must_use]
    pub const fn whole(status: u16, headers: Vec<(String, String)>, body: Vec<u8>) -> Self {
        Self { status, headers, body, broken: None }
    }
}

/// Runs a script of the mailbox, its input empty. A Python script is run with `python3` in the folder of all mailboxes; a WebAssembly
/// program (a name that ends in `.wasm`) in the sandbox, where it sees `folder` alone. Hosts without processes, or without
/// what runs it, answer [`IoErrorKind::Unsupported`].
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct RunScript {
    /// The script.
    pub script: Place,
    /// The agent's own folder.
    pub folder: Place,
    /// Its arguments.
    pub args: Vec<String>,
    /// Ended after this many milliseconds, with everything it started.
    pub timeout_ms: u64,
    /// The most bytes kept of each output stream; the rest is read and dropped.
    pub output_limit: u64,
}

/// The answer to [`RunScript`].
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ScriptResult {
    /// The exit code; `None` when a signal or the time limit ended it.
    pub code: Option<i32>,
    /// Whether the time limit ended it.
    pub timed_out: bool,
    /// What it wrote to standard output.
    #[serde(with = "crate::engine::transcript::bytes")]
    pub stdout: Vec<u8>,
    /// What it wrote to standard error.
    #[serde(with = "crate::engine::transcript::bytes")]
    pub stderr: Vec<u8>,
    /// Whether either stream was cut at the limit.
    pub truncated: bool,
}

/// Makes the enums and the glue between them and the structs.
macro_rules! effects {
    ($($(#[$how:meta])* $name:ident => $answer:ty;)*) => {
        /// A request to the host.
        #[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
        #[non_exhaustive]
        pub enum Effect {
            $(#[doc = concat!("See [`", stringify!($name), "`].")] $name($name),)*
        }

        /// The host's answer to an [`Effect`] of the same name.
        #[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
        #[non_exhaustive]
        pub enum Answer {
            $(#[doc = concat!("Answers [`", stringify!($name), "`].")] $name($(#[$how])* Result<$answer, IoError>),)*
        }

        /// What kind of effect it is.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
        #[non_exhaustive]
        pub enum EffectKind {
            $(#[doc = concat!("See [`", stringify!($name), "`].")] $name,)*
        }

        impl EffectKind {
            /// All of them.
            pub const ALL: &'static [Self] = &[$(Self::$name),*];

            /// The effect's name.
            #[must_use]
            pub const fn name(self) -> &'static str {
                match self { $(Self::$name => stringify!($name),)* }
            }
        }

        impl Effect {
            /// What kind of effect it is.
            #[must_use]
            pub const fn kind(&self) -> EffectKind {
                match self { $(Self::$name(_) => EffectKind::$name,)* }
            }

            /// The effect's name, for logs and errors.
            #[must_use]
            pub const fn name(&self) -> &'static str {
                self.kind().name()
            }

            /// The answer of the right kind that says that the effect failed.
            #[must_use]
            pub fn failed(&self, error: IoError) -> Answer {
                match self { $(Self::$name(_) => Answer::$name(Err(error)),)* }
            }

            /// Whether `answer` is of this effect's kind.
            #[must_use]
            pub const fn accepts(&self, answer: &Answer) -> bool {
                matches!((self, answer), $((Self::$name(_), Answer::$name(_)))|*)
            }
        }

        impl Answer {
            /// The name of the effect that this answers.
            #[must_use]
            pub const fn name(&self) -> &'static str {
                match self { $(Self::$name(_) => stringify!($name),)* }
            }
        }

        impl fmt::Debug for Answer {
            /// The kind and the error, never the content: a file or an HTTP body may hold secrets.
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                match self {
                    $(Self::$name(Ok(_)) => f.write_str(concat!(stringify!($name), "(Ok)")),)*
                    $(Self::$name(Err(error)) => write!(f, concat!(stringify!($name), "({:?})"), error),)*
                }
            }
        }

        $(
            impl From<$name> for Effect {
                fn from(effect: $name) -> Self { Self::$name(effect) }
            }
            impl Ask for $name {
                type Answer = $answer;
                fn unwrap_answer(answer: Answer) -> Option<Result<$answer, IoError>> {
                    if let Answer::$name(result) = answer { Some(result) } else { None }
                }
            }
        )*
    };
}

effects! {
    #[serde(with = "crate::engine::transcript::bytes_or_error")]
    ReadFile => Vec<u8>;
    ReadMany => Vec<Result<FileHead, IoError>>;
    List => Vec<Entry>;
    WriteAtomic => ();
    Append => ();
    Rename => ();
    Remove => ();
    #[serde(with = "crate::engine::transcript::bytes_or_error")]
    Random => Vec<u8>;
    HostFacts => Facts;
    Http => HttpAnswer;
    RunScript => ScriptResult;
}

// Contents and credentials never reach a log: these print what and how much.

impl fmt::Debug for WriteAtomic {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("WriteAtomic")
            .field("place", &self.place)
            .field("bytes", &self.bytes.len())
            .field("private", &self.private)
            .field("exclusive", &self.exclusive)
            .finish()
    }
}

impl fmt::Debug for Append {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Append").field("place", &self.place).field("bytes", &self.bytes.len()).finish_non_exhaustive()
    }
}

impl fmt::Debug for Http {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Http")
            .field("method", &self.method)
            .field("url", &self.url)
            .field("body", &self.body.len())
            .finish_non_exhaustive()
    }
}

impl fmt::Debug for HttpAnswer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("HttpAnswer")
            .field("status", &self.status)
            .field("body", &self.body.len())
            .field("broken", &self.broken)
            .finish_non_exhaustive()
    }
}
