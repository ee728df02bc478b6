//! A config that was opened.

use azall_core::command::session::{Context, Opened};
use azall_core::protocol::layout::RelPath;

use crate::failure::Failure;

/// A config as it was found, or as the first command that needs one writes it; with what its host knows of where it lies.
#[derive(Clone, Debug)]
pub struct Config {
    opened: Opened,
    config_file: RelPath,
    config_shown: String,
    mailboxes_shown: String,
}

impl Config {
    pub(crate) fn new(opened: Opened, config_file: RelPath, config_shown: String) -> Self {
        let mailboxes_shown = opened.config.mailbox_dir().to_owned();
        Self { opened, config_file, config_shown, mailboxes_shown }
    }

    /// The agent's address.
    #[must_use]
    pub fn agent(&self) -> &str {
        self.opened.config.agent().as_str()
    }

    /// The mailboxes folder as the config has it: relative to the config's own folder, or absolute. A host opens it before it runs
    /// a command.
    #[must_use]
    pub fn mailbox_dir(&self) -> &str {
        self.opened.config.mailbox_dir()
    }

    /// Whether there is a config file.
    #[must_use]
    pub const fn is_found(&self) -> bool {
        self.opened.found
    }

    /// Tells where the mailboxes folder is, as people know it, for messages.
    pub fn set_mailboxes_shown(&mut self, path: &str) {
        path.clone_into(&mut self.mailboxes_shown);
    }

    pub(crate) fn context(&self) -> Context {
        Context {
            opened: self.opened.clone(),
            config_file: self.config_file.clone(),
            config_shown: self.config_shown.clone(),
            mailboxes_shown: self.mailboxes_shown.clone(),
        }
    }
}

/// The name of a config file, as the operation that opens it wants it.
///
/// # Errors
/// `argument` when it is no file name.
pub fn file_name(name: &str) -> Result<RelPath, Failure> {
    RelPath::parse(name).map_err(Failure::argument)
}
