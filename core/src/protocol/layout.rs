//! Where things lie (PROTOCOL section 3), as paths that cannot leave their root.

use std::fmt;

use super::address::Address;
use super::id::MessageId;
use super::time::Day;

/// The folders that a host opens for an operation. Every path of an effect is below one of them.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, serde::Serialize, serde::Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Root {
    /// The folder that holds the config file.
    Config,
    /// `mailbox_dir`: one folder per agent.
    Mailboxes,
    /// `<mailbox_dir>/../shared`: skills and tools that all agents see.
    Shared,
}

/// Why a text is no relative path.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{path:?} is no path inside the mailbox: {why}")]
pub struct PathError {
    /// The text as it was given.
    pub path: String,
    /// What is wrong with it.
    pub why: &'static str,
}

/// A path below a [`Root`]: `/`-separated, relative, no `.` or `..`, no backslash, colon or control character, each part at
/// most 255 bytes. The empty path is the root itself.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub struct RelPath(String);

impl RelPath {
    /// Checks `text`.
    ///
    /// # Errors
    /// [`PathError`] names what is wrong.
    pub fn parse(text: &str) -> Result<Self, PathError> {
        let mut path = Self::default();
        if !text.is_empty() {
            if text.len() > 4096 {
                return Err(PathError { path: super::text::prefix(text, 80).to_owned(), why: "it is too long" });
            }
            for part in text.split('/') {
                path = path.join(part)?;
            }
        }
        Ok(path)
    }

    /// This path with one more part.
    ///
    /// # Errors
    /// [`PathError`] when `part` is not one good file name.
    pub fn join(&self, part: &str) -> Result<Self, PathError> {
        Self::check_name(part).map(|()| self.push(part))
    }

    /// Checks that `part` is one good file name, as every part of a path is.
    ///
    /// # Errors
    /// [`PathError`] says why it is none.
    pub fn check_name(part: &str) -> Result<(), PathError> {
        // Nearly every name is as plain as this.
        let is_plain = |byte: &u8| byte.is_ascii_alphanumeric() || matches!(byte, b'.' | b'-' | b'_');
        if !part.is_empty() && part.len() <= 255 && !part.starts_with('.') && part.as_bytes().iter().all(is_plain) {
            return Ok(());
        }
        let why = match part {
            "" => "a part of it is empty",
            "." | ".." => "it must not contain . or ..",
            _ if part.len() > 255 => "a part of it is longer than 255 bytes",
            _ if part.contains(['/', '\\', ':']) => "a part of it holds a slash, a backslash or a colon",
            _ if part.chars().any(char::is_control) => "it holds a control character",
            _ => return Ok(()),
        };
        Err(PathError { path: super::text::prefix(part, 80).to_owned(), why })
    }

    /// The path as text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// The last part, empty for the root itself.
    #[must_use]
    pub fn file_name(&self) -> &str {
        self.0.rsplit('/').next().unwrap_or_default()
    }

    /// The path without its last part.
    #[must_use]
    pub fn parent(&self) -> Self {
        Self(self.0.rsplit_once('/').map(|(parent, _)| parent.to_owned()).unwrap_or_default())
    }

    /// Joins a part that is known to be good: a constant of this file, or a value of a checked type.
    fn push(&self, part: &str) -> Self {
        if self.0.is_empty() { Self(part.to_owned()) } else { Self(format!("{}/{part}", self.0)) }
    }
}

impl fmt::Display for RelPath {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl fmt::Debug for RelPath {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:?}", self.0)
    }
}

impl serde::Serialize for RelPath {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(&self.0)
    }
}

/// A file or folder: a root and a path below it.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, serde::Serialize, serde::Deserialize)]
pub struct Place {
    /// The folder that the path counts from.
    pub root: Root,
    /// The path below it.
    pub path: RelPath,
}

impl Place {
    /// A place below a root.
    #[must_use]
    pub const fn new(root: Root, path: RelPath) -> Self {
        Self { root, path }
    }

    /// This place with one more part.
    ///
    /// # Errors
    /// [`PathError`] when `part` is not one good file name.
    pub fn join(&self, part: &str) -> Result<Self, PathError> {
        Ok(Self { root: self.root, path: self.path.join(part)? })
    }

    fn push(&self, part: &str) -> Self {
        Self { root: self.root, path: self.path.push(part) }
    }
}

impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.root {
            Root::Config => write!(f, "{}", self.path),
            Root::Mailboxes => write!(f, "mailboxes/{}", self.path),
            Root::Shared => write!(f, "shared/{}", self.path),
        }
    }
}

/// The folders of a day that hold messages.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, serde::Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Folder {
    /// Received.
    Inbox,
    /// Waiting to be delivered.
    Outbox,
    /// Accepted by a transport for every recipient.
    Sent,
    /// Received, but held back by policy.
    Held,
    /// Given up, with the reason in the delivery state.
    Failed,
}

impl Folder {
    /// Every folder, in the order in which listings show them.
    pub const ALL: [Self; 5] = [Self::Inbox, Self::Outbox, Self::Sent, Self::Held, Self::Failed];

    /// The folder's name on disk.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Inbox => "inbox",
            Self::Outbox => "outbox",
            Self::Sent => "sent",
            Self::Held => "held",
            Self::Failed => "failed",
        }
    }
}

/// Scripts that an agent keeps: skills (know-how) and tools (to run).
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, serde::Serialize, serde::Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum ScriptKind {
    /// `skills/`
    Skill,
    /// `tools/`
    Tool,
}

impl ScriptKind {
    /// The folder's name on disk.
    #[must_use]
    pub const fn folder(self) -> &'static str {
        match self {
            Self::Skill => "skills",
            Self::Tool => "tools",
        }
    }

    /// The shared folder of this kind.
    #[must_use]
    pub fn shared(self) -> Place {
        Place::new(Root::Shared, RelPath::default().push(self.folder()))
    }
}

/// The paths of one agent: `<mailbox_dir>/<agent>/...`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AgentHome {
    dir: Place,
}

/// Makes one method per agent-level file.
macro_rules! agent_files {
    ($($(#[$doc:meta])* $method:ident => $name:literal;)*) => {
        impl AgentHome {
            $($(#[$doc])* #[must_use] pub fn $method(&self) -> Place { self.dir.push($name) })*
        }
    };
}

agent_files! {
    /// The Ed25519 key pair (secret).
    identity_key => ".identity_key";
    /// Known peers.
    keyring => ".keyring.json";
    /// Ids of messages already received.
    seen_ids => ".seen_ids";
    /// The key that write commands compare with the config's (secret).
    agent_key => ".agent_key";
    /// The binding to an owner (secret).
    trust => ".trust";
    /// Nonces of trust tokens already used.
    used_nonces => ".used_nonces";
    /// A trust token that waits for an owner's page.
    trust_token_pending => ".trust_token_pending";
    /// The mailbox lock.
    lock => ".lock";
    /// What a destructive fetch handed out and has not been stored yet.
    spool => ".spool";
    /// Room on the disk that is kept free while a destructive fetch is on its way.
    room => ".room";
    /// Which API each relay speaks.
    relay_state => ".relays.json";
    /// Days on which messages were stored that a relay may hand out again.
    open_days => ".open_days.json";
    /// When the mailbox was last synced, and what each transport said.
    sync_state => ".sync_state.json";
    /// The index of all memories.
    remember_index => "remember_index.txt";
}

impl AgentHome {
    /// The paths of the agent with this address.
    #[must_use]
    pub fn new(address: &Address) -> Self {
        Self { dir: Place::new(Root::Mailboxes, RelPath::default().push(address.as_str())) }
    }

    /// The agent's folder.
    #[must_use]
    pub fn dir(&self) -> Place {
        self.dir.clone()
    }

    /// A day's folder.
    #[must_use]
    pub fn day(&self, day: Day) -> Place {
        self.dir.push(&day.to_string())
    }

    /// A day's index.
    #[must_use]
    pub fn day_index(&self, day: Day) -> Place {
        self.day(day).push("index.txt")
    }

    /// A day's folder of messages.
    #[must_use]
    pub fn folder(&self, day: Day, folder: Folder) -> Place {
        self.day(day).push(folder.name())
    }

    /// A message's file.
    #[must_use]
    pub fn message(&self, day: Day, folder: Folder, id: &MessageId) -> Place {
        self.folder(day, folder).push(&id.file_name())
    }

    /// The folder of a message's attachments.
    #[must_use]
    pub fn attachments(&self, day: Day, folder: Folder, id: &MessageId) -> Place {
        self.folder(day, folder).push(id.as_str())
    }

    /// The delivery state beside a message that waits or has failed.
    #[must_use]
    pub fn delivery(&self, day: Day, folder: Folder, id: &MessageId) -> Place {
        self.folder(day, folder).push(&format!("{id}.delivery.json"))
    }

    /// A day's identity.
    #[must_use]
    pub fn identity(&self, day: Day) -> Place {
        self.day(day).push("who_am_i").push("identity.txt")
    }

    /// A day's task list.
    #[must_use]
    pub fn tasks(&self, day: Day) -> Place {
        self.day(day).push("what_am_i_doing").push("tasks.txt")
    }

    /// A day's folder of notes.
    #[must_use]
    pub fn notes(&self, day: Day) -> Place {
        self.day(day).push("notes")
    }

    /// A day's folder of memories.
    #[must_use]
    pub fn memories(&self, day: Day) -> Place {
        self.day(day).push("remember")
    }

    /// The agent's own scripts of a kind.
    #[must_use]
    pub fn scripts(&self, kind: ScriptKind) -> Place {
        self.dir.push(kind.folder())
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn paths_cannot_leave_their_root() {
        for text in ["..", "a/../b", "/a", "a//b", "a/", ".", "a\\b", "c:/x", "a\0", &"x".repeat(256)] {
            assert!(RelPath::parse(text).is_err(), "{text:?}");
        }
        assert_eq!(RelPath::parse("a/b.txt").unwrap().parent().as_str(), "a");
        assert_eq!(RelPath::parse("").unwrap(), RelPath::default());
    }

    #[test]
    fn layout_is_the_references() {
        let home = AgentHome::new(&Address::parse("a@localhost").unwrap());
        let day = Day::parse("2026-03-11").unwrap();
        let id = MessageId::parse("abc").unwrap();
        assert_eq!(home.message(day, Folder::Inbox, &id).path.as_str(), "a@localhost/2026-03-11/inbox/abc.txt");
        assert_eq!(home.identity(day).path.as_str(), "a@localhost/2026-03-11/who_am_i/identity.txt");
        assert_eq!(home.seen_ids().path.as_str(), "a@localhost/.seen_ids");
    }

    proptest! {
        #[test]
        fn any_text_is_a_path_inside_or_none(text in ".{0,40}|[a./\\\\:]{0,12}") {
            if let Ok(path) = RelPath::parse(&text) {
                prop_assert_eq!(path.as_str(), &text);
                prop_assert!(!text.starts_with('/') && text.split('/').all(|part| part != ".." && part != "."));
                if !text.is_empty() {
                    prop_assert_eq!(path.parent().join(path.file_name()), Ok(path));
                }
            }
        }
    }
}
