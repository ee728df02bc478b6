//! `crypto-identity`, `keyring`, `sign`, `verify`, `filter`: what they take and how they show what they did.

use clap::{Args, Subcommand, ValueEnum};

use super::input::{Inputs, Source};
use super::page::{Page, Show, Style};
use super::{Arguments, UsageError};
use crate::command::Command;
use crate::command::filter::{FilterChange, FilterCommand, FilterState};
use crate::command::keys::{
    CryptoIdentity, CryptoIdentityOutcome, KeyringCommand, KeyringOutcome, Sign, SignFormat, Signed, Verified, Verify,
};
use crate::protocol::config::FilterList;
use crate::protocol::filter::FilterMode;
use crate::protocol::id::Fingerprint;

#[derive(Debug, Args)]
#[command(after_help = "Example:\n  azall crypto-identity --json")]
pub(crate) struct CryptoIdentityArgs {}

impl Arguments for CryptoIdentityArgs {
    fn command(self, _: &mut Inputs) -> Result<Command, UsageError> {
        Ok(CryptoIdentity {}.into())
    }
}

#[derive(Debug, Args)]
#[command(
    after_help = "Examples:\n  azall keyring list\n  azall keyring trust 3430f3e127705937   after a peer told you of its new key"
)]
pub(crate) struct KeyringArgs {
    #[command(subcommand)]
    action: Option<KeyringAction>,
}

#[derive(Debug, Subcommand)]
enum KeyringAction {
    /// List all known keys
    #[command(after_help = "Example:\n  azall keyring list --json")]
    List,
    /// Show one key
    #[command(after_help = "Example:\n  azall keyring show 3430f3e127705937")]
    Show {
        /// 16 hex digits
        #[arg(value_name = "FINGERPRINT", value_parser = parse_fingerprint)]
        fingerprint: Fingerprint,
    },
    /// Accept a key for the addresses it was seen with
    #[command(after_help = "Example:\n  azall keyring trust 3430f3e127705937   after a peer told you of its new key")]
    Trust {
        /// 16 hex digits
        #[arg(value_name = "FINGERPRINT", value_parser = parse_fingerprint)]
        fingerprint: Fingerprint,
    },
    /// Forget a key
    #[command(
        after_help = "The next message by this key counts as the first.\n\nExample:\n  azall keyring forget 3430f3e127705937"
    )]
    Forget {
        /// 16 hex digits
        #[arg(value_name = "FINGERPRINT", value_parser = parse_fingerprint)]
        fingerprint: Fingerprint,
    },
}

fn parse_fingerprint(text: &str) -> Result<Fingerprint, String> {
    Fingerprint::parse(text).map_err(|error| error.to_string())
}

impl Arguments for KeyringArgs {
    fn command(self, _: &mut Inputs) -> Result<Command, UsageError> {
        Ok(match self.action {
            None | Some(KeyringAction::List) => KeyringCommand::List,
            Some(KeyringAction::Show { fingerprint }) => KeyringCommand::Show(fingerprint),
            Some(KeyringAction::Trust { fingerprint }) => KeyringCommand::Trust(fingerprint),
            Some(KeyringAction::Forget { fingerprint }) => KeyringCommand::Forget(fingerprint),
        }
        .into())
    }
}

/// The forms of a signed text.
#[derive(Clone, Copy, Debug, ValueEnum)]
enum Format {
    /// The envelope that every client verifies
    Envelope,
    /// The form that the project page documents
    Documented,
}

#[derive(Debug, Args)]
#[command(
    after_help = "The documented form has headers: a text that begins with To:, Subject: or Date: lines and an empty line brings them.

Examples:
  azall sign statement.txt > statement.signed.txt
  echo \"I agree\" | azall sign
  printf 'To: bob.agenttalk\\nSubject: Offer\\n\\n100 euro' | azall sign --format documented"
)]
pub(crate) struct SignArgs {
    /// The text; standard input if absent or -
    file: Option<String>,
    /// How to sign
    #[arg(long, value_enum, default_value_t = Format::Envelope)]
    format: Format,
}

fn file_or_stdin(file: Option<&String>) -> Vec<Source> {
    vec![match file {
        Some(file) if file != "-" => Source::File(file.clone()),
        _ => Source::Stdin,
    }]
}

fn take_text(inputs: &mut Inputs) -> Result<String, UsageError> {
    let missing = UsageError::Missing { what: "the text", give: "FILE or standard input" };
    inputs.take().map(|input| input.text()).ok_or(missing)
}

impl Arguments for SignArgs {
    fn sources(&self) -> Vec<Source> {
        file_or_stdin(self.file.as_ref())
    }

    fn command(self, inputs: &mut Inputs) -> Result<Command, UsageError> {
        let format = match self.format {
            Format::Envelope => SignFormat::Envelope,
            Format::Documented => SignFormat::Documented,
        };
        Ok(Sign { text: take_text(inputs)?, format }.into())
    }
}

#[derive(Debug, Args)]
#[command(
    after_help = "The exit code is 0 when the signature holds, 1 otherwise.\n\nExample:\n  azall verify statement.signed.txt"
)]
pub(crate) struct VerifyArgs {
    /// The text, or a message file; standard input if absent or -
    file: Option<String>,
}

impl Arguments for VerifyArgs {
    fn sources(&self) -> Vec<Source> {
        file_or_stdin(self.file.as_ref())
    }

    fn command(self, inputs: &mut Inputs) -> Result<Command, UsageError> {
        Ok(Verify { text: take_text(inputs)? }.into())
    }
}

/// How the lists of the filter are used.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum Mode {
    /// Everybody but the blacklist
    Blacklist,
    /// Only the whitelist (an empty one lets everybody in)
    Whitelist,
    /// Everybody
    Off,
}

#[derive(Debug, Args)]
#[command(after_help = "Patterns are shell globs: * ? [abc] [!abc]; the blacklist wins over the whitelist.

Examples:
  azall filter                           show it
  azall filter --block '*@spam.example'
  azall filter --mode whitelist --allow '*.agenttalk'")]
pub(crate) struct FilterArgs {
    /// How the lists are used
    #[arg(long, value_enum)]
    mode: Option<Mode>,
    /// Put a pattern on the blacklist; repeatable
    #[arg(long, value_name = "PATTERN")]
    block: Vec<String>,
    /// Take a pattern off the blacklist; repeatable
    #[arg(long, value_name = "PATTERN")]
    unblock: Vec<String>,
    /// Put a pattern on the whitelist; repeatable
    #[arg(long, value_name = "PATTERN")]
    allow: Vec<String>,
    /// Take a pattern off the whitelist; repeatable
    #[arg(long, value_name = "PATTERN")]
    disallow: Vec<String>,
    /// Put a pattern on the list of the --mode given; repeatable
    #[arg(long, value_name = "PATTERN", requires = "mode")]
    add: Vec<String>,
    /// Take a pattern off the list of the --mode given; repeatable
    #[arg(long, value_name = "PATTERN", requires = "mode")]
    remove: Vec<String>,
}

impl Arguments for FilterArgs {
    fn command(self, _: &mut Inputs) -> Result<Command, UsageError> {
        let named = match self.mode {
            Some(Mode::Whitelist) => FilterList::Whitelist,
            Some(Mode::Off) if !self.add.is_empty() || !self.remove.is_empty() => {
                return Err(UsageError::value("--mode", "--add and --remove need the mode blacklist or whitelist"));
            }
            _ => FilterList::Blacklist,
        };
        let mut changes = Vec::new();
        changes.extend(self.mode.map(|mode| {
            FilterChange::Mode(match mode {
                Mode::Blacklist => FilterMode::Blacklist,
                Mode::Whitelist => FilterMode::Whitelist,
                Mode::Off => FilterMode::Off,
            })
        }));
        changes.extend(self.block.into_iter().map(|pattern| FilterChange::Add(FilterList::Blacklist, pattern)));
        changes.extend(self.unblock.into_iter().map(|pattern| FilterChange::Remove(FilterList::Blacklist, pattern)));
        changes.extend(self.allow.into_iter().map(|pattern| FilterChange::Add(FilterList::Whitelist, pattern)));
        changes.extend(self.disallow.into_iter().map(|pattern| FilterChange::Remove(FilterList::Whitelist, pattern)));
        changes.extend(self.add.into_iter().map(|pattern| FilterChange::Add(named, pattern)));
        changes.extend(self.remove.into_iter().map(|pattern| FilterChange::Remove(named, pattern)));
        Ok(FilterCommand { changes }.into())
    }
}

impl Show for FilterState {
    fn show(&self, page: &mut Page) {
        for change in &self.changed {
            page.styled_line(Style::Good, change);
        }
        page.field("Mode", 10, self.mode);
        page.field("Log", 10, if self.log_blocked { "tells what it turns away" } else { "silent" });
        for (name, list) in [("Blacklist", &self.blacklist), ("Whitelist", &self.whitelist)] {
            page.field(name, 10, &if list.is_empty() { "(empty)".to_owned() } else { list.join(", ") });
        }
    }
}

impl Show for CryptoIdentityOutcome {
    fn show(&self, page: &mut Page) {
        page.field("Agent", 11, &self.agent).field("Fingerprint", 11, self.fingerprint.as_str());
        page.field("Public key", 11, &self.public_key).field("Key file", 11, &self.key_file);
    }
}

impl Show for KeyringOutcome {
    fn show(&self, page: &mut Page) {
        if self.keys.is_empty() {
            page.line("The keyring is empty: no signed message has arrived yet.");
        }
        for key in &self.keys {
            page.styled(Style::Strong, key.fingerprint.as_str());
            page.line(&format!("  {}", key.addresses.join(", ")));
            page.field("first seen", 10, &key.first_seen).field("last seen", 10, &key.last_seen);
        }
        match self.done {
            "trusted" => page.styled_line(Style::Good, "Trusted for these addresses from now on."),
            "forgotten" => {
                page.styled_line(Style::Caution, "Forgotten: the next message by this key counts as the first.")
            }
            _ => page,
        };
    }
}

impl Show for Signed {
    fn show(&self, page: &mut Page) {
        page.text(&self.signed).end_line();
    }
}

impl Show for Verified {
    fn show(&self, page: &mut Page) {
        let style = match self.verdict {
            "valid" => Style::Good,
            "body-only" => Style::Caution,
            _ => Style::Bad,
        };
        page.styled_line(style, &self.verdict.to_uppercase());
        if let Some(fingerprint) = self.fingerprint {
            page.field("Key", 6, fingerprint.as_str());
        }
        if !self.addresses.is_empty() {
            page.field("Seen", 6, &format!("with {}", self.addresses.join(", ")));
        }
        if let Some(reason) = &self.reason {
            page.field("Why", 6, reason);
        }
        for (name, value) in &self.headers {
            page.field(name, 6, value);
        }
        if let Some(text) = &self.text {
            page.end().text(text).end_line();
        }
    }
}
