//! What a command line takes from outside itself: files it names, and standard input. The host reads them before the
//! command starts, so that parsing needs no I/O and is the same on every host.

use std::collections::VecDeque;

/// Where an input comes from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Source {
    /// A file, as the command line names it.
    File(String),
    /// An archive of a whole mailbox, as the command line names it.
    Archive(String),
    /// Standard input, to its end.
    Stdin,
    /// Standard input if it is not a terminal; nothing otherwise.
    StdinIfPiped,
}

impl Source {
    /// The most bytes that are read of it: as much as a message may hold; of an archive, as an export may become, packed.
    #[must_use]
    pub const fn limit(&self) -> u64 {
        match self {
            // What does not pack well grows a little.
            Self::Archive(_) => 2 * crate::command::export::MOST_BYTES,
            _ => crate::engine::cx::FILE_LIMIT,
        }
    }
}

/// An input that was read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Input {
    /// The file's path as the command line names it, `-` for standard input.
    pub name: String,
    /// Its content.
    bytes: Vec<u8>,
}

impl Input {
    /// What was read from a file of this name.
    #[must_use]
    pub fn new(name: impl Into<String>, bytes: Vec<u8>) -> Self {
        Self { name: name.into(), bytes }
    }

    /// The last part of the path, of either kind of slash.
    #[must_use]
    pub fn file_name(&self) -> &str {
        self.name.rsplit(['/', '\\']).next().unwrap_or_default()
    }

    /// The content.
    #[must_use]
    pub fn into_bytes(self) -> Vec<u8> {
        self.bytes
    }

    /// The content as text.
    #[must_use]
    pub fn text(&self) -> String {
        crate::protocol::text::decode(&self.bytes).into_owned()
    }
}

/// The inputs of one command line, in the order in which it asked for them.
#[derive(Debug, Default)]
pub struct Inputs(VecDeque<Option<Input>>);

impl Inputs {
    /// What was read, one for each source; `None` for a [`Source::StdinIfPiped`] that was a terminal.
    #[must_use]
    pub fn new(inputs: Vec<Option<Input>>) -> Self {
        Self(inputs.into())
    }

    /// The next input, in the order of the sources.
    pub fn take(&mut self) -> Option<Input> {
        self.0.pop_front().flatten()
    }
}
