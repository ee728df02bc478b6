//! The config file (PROTOCOL section 3): read with every value checked, changed one thing at a time, written back with
//! everything else as it was.

mod agent_key;
mod document;
mod edit;
mod error;
mod locate;
mod secret;
mod section;
mod settings;

use std::fmt;

use serde_json::{Value, json};

pub use agent_key::AgentKey;
pub use edit::FilterList;
pub use error::{ConfigError, ConfigWarning};
pub use locate::{ConfigEnv, locate};
pub use secret::Secret;
pub use settings::{EmailAccount, FilterSettings, FtpServer, OnKeyChange, RelayAccount, SignaturePolicy, Transport};

use self::document::Document;
use self::section::Warnings;
use self::settings::Settings;
use super::address::Address;

/// A config file: its settings as typed values, and the file itself with every key in its place.
#[derive(Clone, PartialEq)]
pub struct Config {
    document: Document,
    settings: Settings,
    warnings: Vec<ConfigWarning>,
    agent_override: Option<Address>,
}

impl Config {
    /// Reads a config file and checks every value of a known key. A key that is missing or null has the reference's
    /// default; an unknown key is kept, and is a [warning](Self::warnings) where it looks like a misspelt one.
    ///
    /// # Errors
    /// [`ConfigError`] names the line or the key, what was found and what is allowed.
    pub fn parse(bytes: &[u8]) -> Result<Self, ConfigError> {
        let document = Document::parse(bytes)?;
        let mut warnings = Warnings::default();
        let settings = Settings::read(document.map(), &mut warnings)?;
        Ok(Self { document, settings, warnings: warnings.found, agent_override: None })
    }

    /// The reference's default file for a new agent.
    #[must_use]
    pub fn fresh(agent_name: &Address, agent_key: &Secret) -> Self {
        Self {
            document: Document::new(default_file(agent_name, agent_key)),
            settings: Settings::fresh(agent_name.clone(), agent_key.clone()),
            warnings: Vec::new(),
            agent_override: None,
        }
    }

    /// The file's text, as the reference writes it: two spaces of indent, ASCII only, no final newline. Secret.
    #[must_use]
    pub fn to_json(&self) -> String {
        self.document.to_json()
    }

    /// What is odd about the file but does not keep it from being used.
    #[must_use]
    pub fn warnings(&self) -> &[ConfigWarning] {
        &self.warnings
    }

    /// The agent that `$AGENTAZALL_AGENT` names; `None` when it is empty.
    ///
    /// # Errors
    /// [`ConfigError::WrongValue`] when the text is no address.
    pub fn agent_of_environment(name: &str) -> Result<Option<Address>, ConfigError> {
        if super::text::strip(name).is_empty() {
            return Ok(None);
        }
        let agent = Address::parse(name).map_err(|why| ConfigError::WrongValue {
            key: "$AGENTAZALL_AGENT".to_owned(),
            found: format!("not usable ({why})"),
            allowed: "an address such as alice@localhost".to_owned(),
        })?;
        Ok(Some(agent))
    }

    /// Lets another agent stand in for `agent_name`, in memory only: [`to_json`](Self::to_json) is not changed.
    #[must_use]
    pub fn with_agent(mut self, agent: Option<Address>) -> Self {
        self.agent_override = agent;
        self
    }

    /// `agent_name`, whoever stands in for it.
    #[must_use]
    pub const fn named_agent(&self) -> &Address {
        &self.settings.agent
    }

    /// The agent that stands in for `agent_name`, where one does.
    #[must_use]
    pub const fn stand_in(&self) -> Option<&Address> {
        self.agent_override.as_ref()
    }

    /// The agent: `$AGENTAZALL_AGENT` where it was given, else `agent_name`.
    #[must_use]
    pub fn agent(&self) -> &Address {
        self.agent_override.as_ref().unwrap_or(&self.settings.agent)
    }

    /// `agent_key`; `None` when it is missing or empty.
    #[must_use]
    pub const fn agent_key(&self) -> Option<&Secret> {
        self.settings.agent_key.as_ref()
    }

    /// Whether other agents may read this agent's memories.
    #[must_use]
    pub const fn allow_memory_sharing(&self) -> bool {
        self.settings.allow_memory_sharing
    }

    /// `mailbox_dir` as it is written: absolute, or relative to the config's folder.
    #[must_use]
    pub fn mailbox_dir(&self) -> &str {
        &self.settings.mailbox_dir
    }

    /// `log_file` as it is written: absolute, or relative to the config's folder.
    #[must_use]
    pub fn log_file(&self) -> &str {
        &self.settings.log_file
    }

    /// Which of the single accounts are in use.
    #[must_use]
    pub const fn transport(&self) -> Transport {
        self.settings.transport
    }

    /// `sync_interval` in milliseconds.
    #[must_use]
    pub const fn sync_interval_ms(&self) -> u64 {
        self.settings.sync_interval_ms
    }

    /// The address filter's settings.
    #[must_use]
    pub const fn filter(&self) -> &FilterSettings {
        &self.settings.filter
    }

    /// Which messages may enter the inbox, by signature.
    #[must_use]
    pub const fn signature_policy(&self) -> SignaturePolicy {
        self.settings.signature_policy
    }

    /// What happens to a message whose sender has changed keys.
    #[must_use]
    pub const fn on_key_change(&self) -> OnKeyChange {
        self.settings.on_key_change
    }

    /// The relay accounts in use: `agenttalk` where the transport is `agenttalk`, then `relays`, each account (server and
    /// token) once, entries without a server left out.
    #[must_use]
    pub fn relays(&self) -> &[RelayAccount] {
        &self.settings.relays
    }

    /// The email accounts in use: `email_accounts`, or `email` where that list is empty and the transport has email.
    #[must_use]
    pub fn email_accounts(&self) -> &[EmailAccount] {
        &self.settings.email_accounts
    }

    /// The FTP servers in use: `ftp_servers`, or `ftp` where that list is empty and the transport has FTP.
    #[must_use]
    pub fn ftp_servers(&self) -> &[FtpServer] {
        &self.settings.ftp_servers
    }
}

impl fmt::Debug for Config {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // The document holds secrets in the clear; the settings mask theirs.
        f.debug_struct("Config")
            .field("settings", &self.settings)
            .field("agent_override", &self.agent_override)
            .finish_non_exhaustive()
    }
}

/// The reference's default file, key by key in its order.
fn default_file(agent_name: &Address, agent_key: &Secret) -> serde_json::Map<String, Value> {
    let email = EmailAccount::default();
    let ftp = FtpServer::default();
    let sections: [(&str, Value); 14] = [
        ("agent_name", json!(agent_name.as_str())),
        ("agent_key", json!(agent_key.expose())),
        ("allow_memory_sharing", json!(false)),
        ("mailbox_dir", json!(settings::MAILBOX_DIR)),
        ("transport", json!(Transport::default().name())),
        ("sync_interval", json!(settings::SYNC_INTERVAL_MS / 1000)),
        ("log_file", json!(settings::LOG_FILE)),
        (
            "email",
            json!({
                "imap_server": email.imap_server,
                "imap_port": email.imap_port,
                "imap_ssl": email.imap_ssl,
                "imap_folder": email.imap_folder,
                "smtp_server": email.smtp_server,
                "smtp_port": email.smtp_port,
                "smtp_ssl": email.smtp_ssl,
                "smtp_starttls": email.smtp_starttls,
                "pop3_server": email.pop3_server,
                "pop3_port": email.pop3_port,
                "pop3_ssl": email.pop3_ssl,
                "use_pop3": email.use_pop3,
                "username": email.username,
                "password": email.password.expose(),
                "sync_special_folders": email.sync_special_folders,
            }),
        ),
        (
            "ftp",
            json!({
                "host": ftp.host,
                "port": ftp.port,
                "port_range": [ftp.port_range.0, ftp.port_range.1],
                "user": ftp.user,
                "password": ftp.password.expose(),
                "root": ftp.root,
                "ftp_ssl": ftp.ftp_ssl,
            }),
        ),
        ("agenttalk", json!({"server": "", "token": ""})),
        ("address_filter", json!({"mode": "blacklist", "blacklist": [], "whitelist": [], "log_blocked": true})),
        ("relays", json!([])),
        ("email_accounts", json!([])),
        ("ftp_servers", json!([])),
    ];
    sections.into_iter().map(|(key, value)| (key.to_owned(), value)).collect()
}

#[cfg(test)]
mod tests;
