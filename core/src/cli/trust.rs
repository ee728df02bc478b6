//! The trust commands: what they take and how they show what they did.

use clap::Args;

use super::input::{Inputs, Source};
use super::page::{Page, Show, Style};
use super::{Arguments, UsageError};
use crate::command::Command;
use crate::command::trust::{
    Bound, BoundAll, Revoked, TrustBind, TrustBindAll, TrustBindLocal, TrustGen, TrustRevoke, TrustState, TrustStatus,
    TrustToken, TrustVerified, TrustVerify,
};
use crate::protocol::text;

#[derive(Debug, Args)]
#[command(
    after_help = "The token proves that whoever shows it can read this agent's files. It holds for ten minutes and binds once.\n\nExamples:\n  azall trust-gen\n  azall trust-gen -q | ssh owner azall trust-bind --owner me@localhost"
)]
pub(crate) struct TrustGenArgs {
    /// Another agent of this mailboxes folder
    #[arg(long, value_name = "ADDRESS")]
    agent: Option<String>,
    /// Even if the agent is bound; the token is refused until the binding is revoked
    #[arg(long)]
    force: bool,
    /// Print the raw base64 alone
    #[arg(long, short)]
    quiet: bool,
}

impl Arguments for TrustGenArgs {
    fn command(self, _: &mut Inputs) -> Result<Command, UsageError> {
        Ok(TrustGen { agent: self.agent, force: self.force, quiet: self.quiet }.into())
    }
}

/// Where a token comes from.
#[derive(Debug, Args)]
struct TokenArgs {
    /// The token, armored or raw; without it and --file it is read from standard input
    #[arg(long, conflicts_with = "file")]
    token: Option<String>,
    /// Read the token from a file
    #[arg(long, value_name = "FILE")]
    file: Option<String>,
}

impl TokenArgs {
    fn sources(&self) -> Vec<Source> {
        match (&self.token, &self.file) {
            (Some(_), _) => Vec::new(),
            (None, Some(file)) => vec![Source::File(file.clone())],
            (None, None) => vec![Source::StdinIfPiped],
        }
    }

    fn take(self, inputs: &mut Inputs) -> Result<String, UsageError> {
        self.token
            .or_else(|| inputs.take().map(|input| input.text()))
            .ok_or(UsageError::Missing { what: "the token", give: "--token, --file or standard input" })
    }
}

#[derive(Debug, Args)]
#[command(after_help = "Example:\n  azall trust-verify --file token.txt")]
pub(crate) struct TrustVerifyArgs {
    #[command(flatten)]
    token: TokenArgs,
}

impl Arguments for TrustVerifyArgs {
    fn sources(&self) -> Vec<Source> {
        self.token.sources()
    }

    fn command(self, inputs: &mut Inputs) -> Result<Command, UsageError> {
        Ok(TrustVerify { token: self.token.take(inputs)? }.into())
    }
}

#[derive(Debug, Args)]
#[command(after_help = "Example:\n  azall trust-bind --owner gregor@localhost --file token.txt")]
pub(crate) struct TrustBindArgs {
    /// The owner's address
    #[arg(long, value_name = "ADDRESS")]
    owner: String,
    #[command(flatten)]
    token: TokenArgs,
}

impl Arguments for TrustBindArgs {
    fn sources(&self) -> Vec<Source> {
        self.token.sources()
    }

    fn command(self, inputs: &mut Inputs) -> Result<Command, UsageError> {
        Ok(TrustBind { owner: self.owner, token: self.token.take(inputs)? }.into())
    }
}

#[derive(Debug, Args)]
#[command(after_help = "Example:\n  azall trust-bind-local --owner gregor@localhost")]
pub(crate) struct TrustBindLocalArgs {
    /// The owner's address
    #[arg(long, value_name = "ADDRESS")]
    owner: String,
    /// Also where there is an owner already
    #[arg(long)]
    force: bool,
}

impl Arguments for TrustBindLocalArgs {
    fn command(self, _: &mut Inputs) -> Result<Command, UsageError> {
        Ok(TrustBindLocal { owner: self.owner, force: self.force }.into())
    }
}

#[derive(Debug, Args)]
#[command(after_help = "Example:\n  azall trust-bind-all --owner gregor@localhost")]
pub(crate) struct TrustBindAllArgs {
    /// The owner's address
    #[arg(long, value_name = "ADDRESS")]
    owner: String,
    /// Also agents that have an owner already
    #[arg(long)]
    force: bool,
}

impl Arguments for TrustBindAllArgs {
    fn command(self, _: &mut Inputs) -> Result<Command, UsageError> {
        Ok(TrustBindAll { owner: self.owner, force: self.force }.into())
    }
}

#[derive(Debug, Args)]
#[command(after_help = "Example:\n  azall trust-status --json")]
pub(crate) struct TrustStatusArgs {}

impl Arguments for TrustStatusArgs {
    fn command(self, _: &mut Inputs) -> Result<Command, UsageError> {
        Ok(TrustStatus {}.into())
    }
}

#[derive(Debug, Args)]
#[command(after_help = "Example:\n  azall trust-revoke --yes")]
pub(crate) struct TrustRevokeArgs {
    /// It is meant; the word REVOKE on standard input says so too
    #[arg(long, short)]
    yes: bool,
}

impl Arguments for TrustRevokeArgs {
    fn sources(&self) -> Vec<Source> {
        if self.yes { Vec::new() } else { vec![Source::StdinIfPiped] }
    }

    fn command(self, inputs: &mut Inputs) -> Result<Command, UsageError> {
        let word = inputs.take().map(|input| input.text());
        let yes = self.yes || word.is_some_and(|word| text::strip(&word) == "REVOKE");
        Ok(TrustRevoke { yes }.into())
    }
}

impl Show for TrustToken {
    fn show(&self, page: &mut Page) {
        if self.quiet {
            page.line(&self.token);
        } else {
            page.text(&self.armor).end_line();
        }
    }
}

impl Show for TrustVerified {
    fn show(&self, page: &mut Page) {
        page.styled(Style::Good, "VALID").line(&format!(": token verified for {}", self.agent));
        page.field("Nonce", 8, &format!("{}...", self.nonce));
        page.field("Created", 8, &self.created.to_string());
        if self.used {
            page.styled_line(Style::Caution, "  It has been used already: it binds nobody any more.");
        }
    }
}

impl Show for Bound {
    fn show(&self, page: &mut Page) {
        page.styled_line(Style::Good, "Trust binding established.");
        page.field("Agent", 6, &self.agent).field("Owner", 6, &self.owner).field("Since", 6, &self.since);
        page.line("  Further tokens are refused until `azall trust-revoke`.");
    }
}

impl Show for BoundAll {
    fn show(&self, page: &mut Page) {
        for agent in &self.bound {
            page.styled(Style::Good, "  BOUND ").line(&format!("{agent} -> {}", self.owner));
        }
        for agent in &self.kept {
            page.styled(Style::Good, "  BOUND ").line(&format!("{agent} -> {} already", self.owner));
        }
        for (agent, why) in &self.refused {
            page.styled(Style::Caution, "  NOT BOUND ").line(&format!("{agent}: {why}"));
        }
        page.line(&format!(
            "{} bound to {}, {} before, {} not",
            self.bound.len(),
            self.owner,
            self.kept.len(),
            self.refused.len()
        ));
    }
}

impl Show for TrustState {
    fn show(&self, page: &mut Page) {
        let status = if self.owner.is_some() { "ACTIVE" } else { "UNBOUND" };
        page.field("Agent", 8, &self.agent).field("Trust", 8, status);
        match (&self.owner, &self.since) {
            (Some(owner), Some(since)) => {
                page.field("Owner", 8, owner).field("Since", 8, since);
                let machine = if self.machine_matches == Some(true) { "this one" } else { "ANOTHER ONE" };
                page.field("Machine", 8, machine);
            }
            _ => {
                page.line("  Nobody owns this agent. `azall trust-gen` makes a token for an owner.");
            }
        }
    }
}

impl Show for Revoked {
    fn show(&self, page: &mut Page) {
        match &self.owner {
            Some(owner) => page.line(&format!("{} is free of its owner {owner} and takes new tokens.", self.agent)),
            None => page.line(&format!("{} has no owner and takes new tokens.", self.agent)),
        };
    }
}
