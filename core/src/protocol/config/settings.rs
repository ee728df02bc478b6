//! The config's settings as typed values, and their defaults: those of the reference's own default file.

use std::collections::BTreeMap;

use serde_json::{Map, Value};

use super::section::{Choice, Section, Warnings};
use super::{ConfigError, ConfigWarning, Secret};
use crate::protocol::address::Address;
use crate::protocol::filter::{FilterMode, Pattern};
use crate::protocol::relay::{ServerUrl, Token};

/// The agent that the reference takes where a config names none.
const NO_NAME: &str = "agent1@localhost";
pub(super) const MAILBOX_DIR: &str = "./data/mailboxes";
pub(super) const LOG_FILE: &str = "./logs/agentazall.log";
pub(super) const SYNC_INTERVAL_MS: u64 = 10_000;

/// Makes an enum whose values are words in the config; the first is the default.
macro_rules! choices {
    ($(#[$doc:meta])* $name:ident { $(#[$first_doc:meta])* $first:ident = $first_word:literal, $($(#[$rest_doc:meta])* $rest:ident = $word:literal,)* }) => {
        $(#[$doc])*
        #[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub enum $name { $(#[$first_doc])* #[default] $first, $($(#[$rest_doc])* $rest,)* }

        impl $name {
            /// The word that stands for it in the config.
            #[must_use]
            pub const fn name(self) -> &'static str {
                match self { Self::$first => $first_word, $(Self::$rest => $word,)* }
            }

            /// What the word of the config stands for.
            #[must_use]
            pub fn from_name(name: &str) -> Option<Self> {
                Self::CHOICES.iter().find(|(word, _)| *word == name).map(|(_, choice)| *choice)
            }
        }

        impl<'de> serde::Deserialize<'de> for $name {
            fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
                let word = String::deserialize(deserializer)?;
                let unknown = || serde::de::Error::unknown_variant(&word, &[$first_word, $($word),*]);
                Self::from_name(&word).ok_or_else(unknown)
            }
        }

        impl Choice for $name {
            const CHOICES: &'static [(&'static str, Self)] = &[($first_word, Self::$first), $(($word, Self::$rest),)*];
        }
    };
}

choices! {
    /// Which of the single accounts (`email`, `ftp`, `agenttalk`) are in use. The lists `email_accounts`, `ftp_servers`
    /// and `relays` are in use whatever this says.
    Transport {
        /// The email account.
        Email = "email",
        /// The FTP server.
        Ftp = "ftp",
        /// Email and FTP.
        Both = "both",
        /// The AgentTalk relay.
        AgentTalk = "agenttalk",
    }
}

impl Transport {
    /// Whether the single email account is in use.
    #[must_use]
    pub const fn uses_email(self) -> bool {
        matches!(self, Self::Email | Self::Both)
    }

    /// Whether the single FTP server is in use.
    #[must_use]
    pub const fn uses_ftp(self) -> bool {
        matches!(self, Self::Ftp | Self::Both)
    }

    /// Whether the single AgentTalk relay is in use.
    #[must_use]
    pub const fn uses_relay(self) -> bool {
        matches!(self, Self::AgentTalk)
    }
}

impl Choice for FilterMode {
    const CHOICES: &'static [(&'static str, Self)] =
        &[("blacklist", Self::Blacklist), ("whitelist", Self::Whitelist), ("off", Self::Off)];
}

choices! {
    /// Which messages may enter the inbox, by signature (PROTOCOL section 9).
    SignaturePolicy {
        /// All.
        Accept = "accept",
        /// Only those with a valid signature.
        RequireSigned = "require-signed",
        /// Only those with a valid signature by a known key.
        RequireKnown = "require-known",
    }
}

choices! {
    /// What happens to a message whose sender has changed keys, or has stopped proving headers (PROTOCOL section 9).
    OnKeyChange {
        /// It is held until released.
        Hold = "hold",
        /// It enters the inbox, with its verdict.
        Accept = "accept",
    }
}

/// `address_filter`: the patterns as they are written.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FilterSettings {
    /// How the lists work.
    pub mode: FilterMode,
    /// Patterns of senders to refuse.
    pub blacklist: Vec<String>,
    /// Patterns of senders to accept.
    pub whitelist: Vec<String>,
    /// Whether a blocked message is worth a line in the log.
    pub log_blocked: bool,
}

impl Default for FilterSettings {
    fn default() -> Self {
        Self { mode: FilterMode::default(), blacklist: Vec::new(), whitelist: Vec::new(), log_blocked: true }
    }
}

/// An account on an AgentTalk relay.
#[derive(Clone, Debug, PartialEq, Eq, serde::Deserialize)]
#[serde(deny_unknown_fields)]
pub struct RelayAccount {
    /// The relay.
    pub server: ServerUrl,
    /// The account's token; `None` before `register`.
    pub token: Option<Token>,
    /// The account's address, where the config tells it.
    pub address: Option<Address>,
}

/// An email account.
#[derive(Clone, Debug, PartialEq, Eq)]
#[expect(clippy::struct_excessive_bools, reason = "they are the file's own keys")]
pub struct EmailAccount {
    /// Host to fetch from.
    pub imap_server: String,
    /// Its port.
    pub imap_port: u16,
    /// TLS from the start.
    pub imap_ssl: bool,
    /// The folder to fetch.
    pub imap_folder: String,
    /// Host to send through.
    pub smtp_server: String,
    /// Its port.
    pub smtp_port: u16,
    /// TLS from the start.
    pub smtp_ssl: bool,
    /// TLS after STARTTLS.
    pub smtp_starttls: bool,
    /// Host to fetch from by POP3.
    pub pop3_server: String,
    /// Its port.
    pub pop3_port: u16,
    /// TLS from the start.
    pub pop3_ssl: bool,
    /// POP3 instead of IMAP.
    pub use_pop3: bool,
    /// The login name at both.
    pub username: String,
    /// The password at both.
    pub password: Secret,
    /// Whether identity, tasks and memories are copied to folders of their own.
    pub sync_special_folders: bool,
}

impl Default for EmailAccount {
    fn default() -> Self {
        Self {
            imap_server: "127.0.0.1".to_owned(),
            imap_port: 1143,
            imap_ssl: false,
            imap_folder: "INBOX".to_owned(),
            smtp_server: "127.0.0.1".to_owned(),
            smtp_port: 2525,
            smtp_ssl: false,
            smtp_starttls: false,
            pop3_server: "127.0.0.1".to_owned(),
            pop3_port: 1110,
            pop3_ssl: false,
            use_pop3: false,
            username: NO_NAME.to_owned(),
            password: Secret::new("password".to_owned()),
            sync_special_folders: true,
        }
    }
}

/// A mailbox tree on an FTP server.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FtpServer {
    /// The host.
    pub host: String,
    /// Its control port.
    pub port: u16,
    /// The ports of passive data connections, lowest and highest.
    pub port_range: (u16, u16),
    /// The login name.
    pub user: String,
    /// The password.
    pub password: Secret,
    /// The folder that the small FTP server serves.
    pub root: String,
    /// FTP over TLS.
    pub ftp_ssl: bool,
}

impl Default for FtpServer {
    fn default() -> Self {
        Self {
            host: "127.0.0.1".to_owned(),
            port: 2121,
            port_range: (2121, 2199),
            user: "agentoftp".to_owned(),
            password: Secret::new("agentoftp_pass".to_owned()),
            root: "./data/ftp_root".to_owned(),
            ftp_ssl: false,
        }
    }
}

/// All settings.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Settings {
    pub(super) agent: Address,
    pub(super) agent_key: Option<Secret>,
    pub(super) allow_memory_sharing: bool,
    pub(super) mailbox_dir: String,
    pub(super) log_file: String,
    pub(super) transport: Transport,
    pub(super) sync_interval_ms: u64,
    pub(super) filter: FilterSettings,
    pub(super) signature_policy: SignaturePolicy,
    pub(super) on_key_change: OnKeyChange,
    pub(super) relays: Vec<RelayAccount>,
    pub(super) email_accounts: Vec<EmailAccount>,
    pub(super) ftp_servers: Vec<FtpServer>,
}

impl Settings {
    /// The settings of the default file.
    pub(super) fn fresh(agent: Address, agent_key: Secret) -> Self {
        Self {
            agent,
            agent_key: Some(agent_key).filter(|key| !key.is_empty()),
            allow_memory_sharing: false,
            mailbox_dir: MAILBOX_DIR.to_owned(),
            log_file: LOG_FILE.to_owned(),
            transport: Transport::default(),
            sync_interval_ms: SYNC_INTERVAL_MS,
            filter: FilterSettings::default(),
            signature_policy: SignaturePolicy::default(),
            on_key_change: OnKeyChange::default(),
            relays: Vec::new(),
            email_accounts: vec![EmailAccount::default()],
            ftp_servers: Vec::new(),
        }
    }

    /// Reads and checks the whole file, also what its transport does not use.
    pub(super) fn read(map: &Map<String, Value>, warnings: &mut Warnings) -> Result<Self, ConfigError> {
        let mut root = Section::root(map);
        let transport: Transport = root.choice("transport")?;
        let settings = Self {
            agent: read_agent(&mut root, warnings)?,
            agent_key: root.password("agent_key")?,
            allow_memory_sharing: root.flag("allow_memory_sharing", false)?,
            mailbox_dir: root.text("mailbox_dir", MAILBOX_DIR)?,
            log_file: root.text("log_file", LOG_FILE)?,
            transport,
            sync_interval_ms: root.seconds_as_ms("sync_interval", SYNC_INTERVAL_MS)?,
            filter: read_filter(root.section("address_filter")?, warnings)?,
            signature_policy: root.choice("signature_policy")?,
            on_key_change: root.choice("on_key_change")?,
            relays: read_relays(&mut root, transport, warnings)?,
            email_accounts: read_email_accounts(&mut root, transport, warnings)?,
            ftp_servers: read_ftp_servers(&mut root, transport, warnings)?,
        };
        root.finish(warnings);
        Ok(settings)
    }
}

fn read_agent(root: &mut Section<'_>, warnings: &mut Warnings) -> Result<Address, ConfigError> {
    const ALLOWED: &str = "an address such as alice@localhost or alice.agenttalk";
    if let Some(agent) = root.parsed("agent_name", ALLOWED, Address::parse)? {
        return Ok(agent);
    }
    warnings.found.push(ConfigWarning::NoAgentName { default: NO_NAME });
    Address::parse(NO_NAME).map_err(|why| ConfigError::WrongValue {
        key: "agent_name".to_owned(),
        found: format!("missing ({why})"),
        allowed: ALLOWED.to_owned(),
    })
}

fn read_filter(mut section: Section<'_>, warnings: &mut Warnings) -> Result<FilterSettings, ConfigError> {
    let filter = FilterSettings {
        mode: section.choice("mode")?,
        blacklist: read_patterns(&mut section, "blacklist")?,
        whitelist: read_patterns(&mut section, "whitelist")?,
        log_blocked: section.flag("log_blocked", true)?,
    };
    section.finish(warnings);
    Ok(filter)
}

/// A list of the filter. A pattern that is none cannot be left out: a whitelist without it would let everybody in.
fn read_patterns(section: &mut Section<'_>, key: &'static str) -> Result<Vec<String>, ConfigError> {
    let globs = section.texts(key)?;
    match globs.iter().find_map(|glob| Pattern::new(glob).err()) {
        None => Ok(globs),
        Some(why) => Err(ConfigError::WrongValue {
            key: format!("address_filter.{key}"),
            found: format!("not usable ({why})"),
            allowed: "a list of addresses, or patterns such as *@example.org".to_owned(),
        }),
    }
}

/// `agenttalk` (where the transport says so) and `relays`, each account once, those without a server left out.
fn read_relays(
    root: &mut Section<'_>,
    transport: Transport,
    warnings: &mut Warnings,
) -> Result<Vec<RelayAccount>, ConfigError> {
    let single = read_relay(root.section("agenttalk")?, warnings)?.filter(|_| transport.uses_relay());
    let mut all: Vec<RelayAccount> = single.into_iter().collect();
    for section in root.sections("relays")? {
        all.extend(read_relay(section, warnings)?);
    }
    let mut relays: Vec<RelayAccount> = Vec::new();
    let mut places = BTreeMap::new();
    for relay in &all {
        let place = *places.entry((&relay.server, relay.token.as_ref().map(Token::expose))).or_insert(relays.len());
        match relays.get_mut(place) {
            Some(known) => known.address = known.address.take().or_else(|| relay.address.clone()),
            None => relays.push(relay.clone()),
        }
    }
    Ok(relays)
}

fn read_relay(mut section: Section<'_>, warnings: &mut Warnings) -> Result<Option<RelayAccount>, ConfigError> {
    let non_empty = |text: &str| if text.is_empty() { Ok(None) } else { ServerUrl::parse(text).map(Some) };
    let server = section.parsed("server", "a URL such as https://relay.example:8443", non_empty)?.flatten();
    let token = section.secret("token", "the token that the relay gave out, without spaces", Token::parse)?;
    let address = section
        .parsed("address", "the account's address on the relay, such as alice.agenttalk", |text| {
            if text.is_empty() { Ok(None) } else { Address::parse(text).map(Some) }
        })?
        .flatten();
    section.finish(warnings);
    Ok(server.map(|server| RelayAccount { server, token, address }))
}

/// `email_accounts`, or `email` where that list is empty and the transport says so.
fn read_email_accounts(
    root: &mut Section<'_>,
    transport: Transport,
    warnings: &mut Warnings,
) -> Result<Vec<EmailAccount>, ConfigError> {
    let single = read_email(root.section("email")?, warnings)?;
    let sections = root.sections("email_accounts")?;
    let mut accounts =
        sections.into_iter().map(|section| read_email(section, warnings)).collect::<Result<Vec<_>, _>>()?;
    if accounts.is_empty() && transport.uses_email() {
        accounts.push(single);
    }
    accounts.retain(|account| !(account.imap_server.is_empty() && account.smtp_server.is_empty()));
    Ok(accounts)
}

fn read_email(mut section: Section<'_>, warnings: &mut Warnings) -> Result<EmailAccount, ConfigError> {
    let default = EmailAccount::default();
    let account = EmailAccount {
        imap_server: section.text("imap_server", &default.imap_server)?,
        imap_port: section.port("imap_port", default.imap_port)?,
        imap_ssl: section.flag("imap_ssl", default.imap_ssl)?,
        imap_folder: section.text("imap_folder", &default.imap_folder)?,
        smtp_server: section.text("smtp_server", &default.smtp_server)?,
        smtp_port: section.port("smtp_port", default.smtp_port)?,
        smtp_ssl: section.flag("smtp_ssl", default.smtp_ssl)?,
        smtp_starttls: section.flag("smtp_starttls", default.smtp_starttls)?,
        pop3_server: section.text("pop3_server", &default.pop3_server)?,
        pop3_port: section.port("pop3_port", default.pop3_port)?,
        pop3_ssl: section.flag("pop3_ssl", default.pop3_ssl)?,
        use_pop3: section.flag("use_pop3", default.use_pop3)?,
        username: section.text("username", &default.username)?,
        password: section.password("password")?.unwrap_or(default.password),
        sync_special_folders: section.flag("sync_special_folders", default.sync_special_folders)?,
    };
    section.finish(warnings);
    Ok(account)
}

/// `ftp_servers`, or `ftp` where that list is empty and the transport says so.
fn read_ftp_servers(
    root: &mut Section<'_>,
    transport: Transport,
    warnings: &mut Warnings,
) -> Result<Vec<FtpServer>, ConfigError> {
    let single = read_ftp(root.section("ftp")?, warnings)?;
    let sections = root.sections("ftp_servers")?;
    let mut servers = sections.into_iter().map(|section| read_ftp(section, warnings)).collect::<Result<Vec<_>, _>>()?;
    if servers.is_empty() && transport.uses_ftp() {
        servers.push(single);
    }
    servers.retain(|server| !server.host.is_empty());
    Ok(servers)
}

fn read_ftp(mut section: Section<'_>, warnings: &mut Warnings) -> Result<FtpServer, ConfigError> {
    let default = FtpServer::default();
    let server = FtpServer {
        host: section.text("host", &default.host)?,
        port: section.port("port", default.port)?,
        port_range: section.port_range("port_range", default.port_range)?,
        user: section.text("user", &default.user)?,
        password: section.password("password")?.unwrap_or(default.password),
        root: section.text("root", &default.root)?,
        ftp_ssl: section.flag("ftp_ssl", default.ftp_ssl)?,
    };
    section.finish(warnings);
    Ok(server)
}
