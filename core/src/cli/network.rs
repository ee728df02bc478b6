//! `daemon`, `register`, `relay`, `status`, `doctor`: what they take and how they show what they did.

use clap::{Args, Subcommand};

use super::input::{Inputs, Source};
use super::page::{Page, Show, Style};
use super::{Arguments, UsageError};
use crate::command::Command;
use crate::command::daemon::{Daemon, DaemonOutcome};
use crate::command::health::{Diagnosis, Doctor, Health, Status, StatusOutcome};
use crate::command::relays::{Register, Registered, RelayCommand, RelayList, account, server_url};
use crate::protocol::address::Address;
use crate::protocol::relay::{AgentName, Token};
use crate::protocol::text;
use crate::sync::fetch::RelayReport;

#[derive(Debug, Args)]
#[command(after_help = "Examples:
  azall daemon               sync every sync_interval seconds of the config, until stopped
  azall daemon --once        one cycle, then the exit code tells
  azall daemon --interval 2")]
pub(crate) struct DaemonArgs {
    /// One cycle only
    #[arg(long)]
    once: bool,
    /// Seconds between cycles, instead of the config's sync_interval
    #[arg(long, value_name = "SECONDS", value_parser = clap::value_parser!(u32).range(1..))]
    interval: Option<u32>,
}

impl Arguments for DaemonArgs {
    fn command(self, _: &mut Inputs) -> Result<Command, UsageError> {
        Ok(Daemon { once: self.once, interval: self.interval }.into())
    }
}

/// The public relay.
const PUBLIC_RELAY: &str = "relay.agentazall.ai";

/// Its port.
const PUBLIC_PORT: u16 = 8443;

#[derive(Debug, Args)]
#[command(after_help = "Examples:
  azall register --agent alice                                   on the public relay
  azall register --agent alice --server 127.0.0.1 --port 8484    on a small server of your own

The token is written into the config, which only you can read, and shown nowhere.")]
pub(crate) struct RegisterArgs {
    /// The account's name: 3 to 30 of a-z 0-9 - _, the first a letter
    #[arg(long, value_name = "NAME")]
    agent: String,
    /// The relay: a host or a URL
    #[arg(long, value_name = "HOST|URL", default_value = PUBLIC_RELAY)]
    server: String,
    /// Its port (the public relay's is 8443)
    #[arg(long)]
    port: Option<u16>,
    /// Also in a config that exists already
    #[arg(long, short)]
    yes: bool,
    /// Allow plain HTTP to another machine: the token and every message are readable on the way
    #[arg(long)]
    insecure: bool,
}

impl Arguments for RegisterArgs {
    fn command(self, _: &mut Inputs) -> Result<Command, UsageError> {
        let name =
            AgentName::parse_for_small_server(&self.agent).map_err(|error| UsageError::value("--agent", error))?;
        let port = self.port.or_else(|| (self.server == PUBLIC_RELAY).then_some(PUBLIC_PORT));
        let server =
            server_url(&self.server, port, self.insecure).map_err(|error| UsageError::value("--server", error))?;
        Ok(Register { name, server, yes: self.yes }.into())
    }
}

#[derive(Debug, Args)]
#[command(after_help = "Several relays work side by side: messages go out through all of them and are received once.

Examples:
  azall relay list
  azall relay add --url https://relay.example.com:8443 --address alice.agenttalk --token TOKEN")]
pub(crate) struct RelayArgs {
    #[command(subcommand)]
    action: Option<RelayAction>,
}

#[derive(Debug, Subcommand)]
enum RelayAction {
    /// List the relays in the config
    #[command(after_help = "Example:\n  azall relay list --json")]
    List,
    /// Add an account
    #[command(after_help = "Examples:
  azall relay add --url https://relay.example.com:8443 --address alice.agenttalk --token TOKEN
  azall relay add --url https://relay.example.com:8443 --token-file - < token")]
    Add {
        /// The relay's URL
        #[arg(long)]
        url: String,
        /// The account's token; it is visible to other users of this machine while the command runs: --token-file hides it
        #[arg(long, conflicts_with = "token_file")]
        token: Option<String>,
        /// Read the account's token from a file, - for standard input
        #[arg(long, value_name = "FILE")]
        token_file: Option<String>,
        /// The account's address on this relay
        #[arg(long, value_name = "ADDRESS")]
        address: Option<String>,
        /// Allow plain HTTP to another machine
        #[arg(long)]
        insecure: bool,
    },
    /// Remove an account
    #[command(
        after_help = "Examples:\n  azall relay remove --url https://relay.example.com:8443\n  azall relay remove --address alice.agenttalk"
    )]
    Remove {
        /// The relay's URL
        #[arg(long, required_unless_present = "address")]
        url: Option<String>,
        /// The account's address
        #[arg(long, value_name = "ADDRESS")]
        address: Option<String>,
    },
}

impl Arguments for RelayArgs {
    fn sources(&self) -> Vec<Source> {
        match &self.action {
            Some(RelayAction::Add { token_file: Some(file), .. }) if file == "-" => vec![Source::Stdin],
            Some(RelayAction::Add { token_file: Some(file), .. }) => vec![Source::File(file.clone())],
            _ => Vec::new(),
        }
    }

    fn command(self, inputs: &mut Inputs) -> Result<Command, UsageError> {
        Ok(match self.action {
            None | Some(RelayAction::List) => RelayCommand::List,
            Some(RelayAction::Remove { url, address }) => RelayCommand::Remove(url.or(address).unwrap_or_default()),
            Some(RelayAction::Add { url, token, address, insecure, .. }) => {
                let bad_token = || UsageError::value("--token", "it must be 1 to 1024 visible ASCII characters");
                let token = token.or_else(|| inputs.take().map(|input| input.text()));
                let token = token.map(|token| Token::parse(&token).ok_or_else(bad_token)).transpose()?;
                let address = address.map(|address| Address::parse(&address)).transpose();
                let address = address.map_err(|error| UsageError::value("--address", error))?;
                let account = account(&url, token, address, insecure);
                RelayCommand::Add(account.map_err(|error| UsageError::value("--url", error))?)
            }
        }
        .into())
    }
}

#[derive(Debug, Args)]
#[command(after_help = "Example:\n  azall status --json")]
pub(crate) struct StatusArgs {}

impl Arguments for StatusArgs {
    fn command(self, _: &mut Inputs) -> Result<Command, UsageError> {
        Ok(Status {}.into())
    }
}

#[derive(Debug, Args)]
#[command(after_help = "Nothing is changed. The exit code is 1 when there is a fault.\n\nExample:\n  azall doctor")]
pub(crate) struct DoctorArgs {}

impl Arguments for DoctorArgs {
    fn command(self, _: &mut Inputs) -> Result<Command, UsageError> {
        Ok(Doctor {}.into())
    }
}

impl Show for Registered {
    fn show(&self, page: &mut Page) {
        page.styled_line(Style::Good, &format!("Registered as {}", self.address));
        page.field("Relay", 11, &self.server).field("Fingerprint", 11, self.fingerprint.as_str());
        if let Some(certified) = &self.certified_address {
            page.field("Certified", 11, &format!("{certified} (names your key too)"));
        }
        page.field("Config", 11, &format!("{} (holds the token; only you can read it)", self.config));
        page.line("Next: `azall send --to NAME.agenttalk -s Hello -b Hi`, `azall inbox`");
    }
}

impl Show for RelayList {
    fn show(&self, page: &mut Page) {
        if let Some(done) = &self.done {
            page.styled_line(Style::Good, done);
        }
        if self.relays.is_empty() {
            page.line("No relay is configured: `azall register` or `azall relay add` adds one.");
        }
        for relay in &self.relays {
            page.styled(Style::Strong, &format!("  {}", relay.server));
            if let Some(address) = &relay.address {
                page.text(" as ").styled(Style::Plain, address.as_str());
            }
            if !relay.has_token {
                page.styled(Style::Caution, " (no token)");
            }
            page.end();
        }
    }
}

impl Show for StatusOutcome {
    fn show(&self, page: &mut Page) {
        page.styled_line(Style::Strong, &format!("azall {}", self.version));
        page.field("Agent", 8, &self.agent).field("Mailbox", 8, &self.mailbox).field("Config", 8, &self.config);
        page.field("Days", 8, &self.days.to_string());
        page.field("Today", 8, &format!("inbox {}, sent {}", self.inbox_today, self.sent_today));
        page.field("Waiting", 8, &format!("{} ({} failed, {} held)", self.waiting, self.failed, self.held));
        for transport in &self.transports {
            let style = if transport.reachable { Style::Good } else { Style::Bad };
            page.styled(Style::Plain, &format!("  {}: ", transport.name)).styled_line(style, &transport.detail);
        }
    }
}

impl Show for Diagnosis {
    fn show(&self, page: &mut Page) {
        for finding in &self.findings {
            let (style, word) = match finding.state {
                Health::Good => (Style::Good, "good "),
                Health::Caution => (Style::Caution, "look "),
                Health::Fault => (Style::Bad, "FAULT"),
            };
            page.styled(style, word).text(" ").line(&finding.what);
            if let Some(mend) = &finding.mend {
                page.line(&format!("      -> {mend}"));
            }
        }
    }
}

impl Show for DaemonOutcome {
    fn show(&self, page: &mut Page) {
        page.line(&format!(
            "{} ({} failed), {} received, {} delivered",
            text::count(self.cycles, "cycle", "cycles"),
            self.failed,
            text::count(self.received, "message", "messages"),
            self.delivered
        ));
        show_relays(&self.relays, page);
    }
}

/// What each relay said.
fn show_relays(relays: &[RelayReport], page: &mut Page) {
    for relay in relays {
        page.styled(Style::Plain, &format!("  {}: ", relay.server));
        match &relay.problem {
            None => page.styled_line(Style::Good, &text::count(relay.messages, "message", "messages")),
            Some(problem) => page.styled_line(Style::Bad, problem),
        };
    }
}
