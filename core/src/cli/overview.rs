//! `dates`, `tree`, `directory`: what they take and how they show what they found.

use clap::Args;

use super::input::Inputs;
use super::mail::parse_day;
use super::page::{Page, Show, Style};
use super::{Arguments, UsageError};
use crate::command::Command;
use crate::command::overview::{AgentList, DateList, Dates, Directory, KnownBy, Tree, TreeOutcome};
use crate::protocol::text;
use crate::protocol::time::Day;

#[derive(Debug, Args)]
#[command(after_help = "Example:\n  azall dates")]
pub(crate) struct DatesArgs {}

impl Arguments for DatesArgs {
    fn command(self, _: &mut Inputs) -> Result<Command, UsageError> {
        Ok(Dates {}.into())
    }
}

impl Show for DateList {
    fn show(&self, page: &mut Page) {
        if self.days.is_empty() {
            page.line(&format!("No days yet for {}.", self.agent));
            return;
        }
        page.styled_line(Style::Strong, &format!("=== Dates for {} ===", self.agent));
        for day in &self.days {
            page.line(&format!(
                "  {} | inbox:{} sent:{} pending:{} notes:{} memories:{}",
                day.date, day.inbox, day.sent, day.pending, day.notes, day.memories
            ));
        }
    }
}

#[derive(Debug, Args)]
#[command(after_help = "Examples:\n  azall tree\n  azall tree -d 2026-03-11")]
pub(crate) struct TreeArgs {
    /// Another day than today
    #[arg(long, short, value_name = "YYYY-MM-DD", value_parser = parse_day)]
    date: Option<Day>,
}

impl Arguments for TreeArgs {
    fn command(self, _: &mut Inputs) -> Result<Command, UsageError> {
        Ok(Tree { date: self.date }.into())
    }
}

impl Show for TreeOutcome {
    fn show(&self, page: &mut Page) {
        if self.entries.is_empty() {
            page.line(&format!("No directory for {}.", self.date));
            return;
        }
        page.styled_line(Style::Strong, &format!("=== Tree: {} / {} ===", self.agent, self.date));
        page.line(&format!("{}/", self.date));
        for entry in &self.entries {
            let name = entry.path.rsplit('/').next().unwrap_or_default();
            let indent = "  ".repeat(entry.path.matches('/').count() + 1);
            page.line(&format!("{indent}{name}{}", if entry.folder { "/" } else { "" }));
        }
    }
}

#[derive(Debug, Args)]
#[command(
    after_help = "Agents with a mailbox on this machine, those on the relays of the config, and those that have written.

Examples:
  azall directory
  azall directory --json    an array of {address, identity, doing}"
)]
pub(crate) struct DirectoryArgs {}

impl Arguments for DirectoryArgs {
    fn command(self, _: &mut Inputs) -> Result<Command, UsageError> {
        Ok(Directory {}.into())
    }
}

/// Characters of a text for people.
const SHORT_TEXT: usize = 120;

impl Show for AgentList {
    fn show(&self, page: &mut Page) {
        let agents = text::count(self.agents.len(), "agent", "agents");
        page.styled_line(Style::Strong, &format!("=== Agent Directory ({agents}) ==="));
        for agent in &self.agents {
            page.end().styled_line(Style::Strong, &format!("  {}", agent.address));
            match &agent.known_by {
                KnownBy::Mailbox if agent.identity.is_empty() && agent.doing.is_empty() => {
                    page.styled_line(Style::Faint, "    (no identity/tasks set)");
                }
                KnownBy::Mailbox => {}
                KnownBy::Relay { server, fingerprint } => {
                    let key = fingerprint.map(|key| format!(", key {key}")).unwrap_or_default();
                    page.styled_line(Style::Faint, &format!("    (on relay {server}{key})"));
                }
                KnownBy::Keyring => {
                    page.styled_line(Style::Faint, "    (has written; see `azall keyring list`)");
                }
            }
            for (label, text) in [("Identity", &agent.identity), ("Doing", &agent.doing)] {
                if !text.is_empty() {
                    page.line(&format!("    {label}: {}", text::prefix(text, SHORT_TEXT)));
                }
            }
        }
    }
}
