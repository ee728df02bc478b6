//! `whoami`, `doing`, `address`: what they take and how they show what they found.

use clap::Args;

use super::input::Inputs;
use super::page::{Page, Show, Style};
use super::{Arguments, UsageError};
use crate::command::Command;
use crate::command::identity::{AddressOutcome, Doing, Done, SelfText, SelfTextOutcome, ShowAddress, Whoami};
use crate::command::texts::Edit;

#[derive(Debug, Args)]
#[command(
    after_help = "Examples:\n  azall whoami\n  azall whoami --set \"I am a code reviewer. I work on the billing service.\""
)]
pub(crate) struct WhoamiArgs {
    /// Your identity from now on
    #[arg(long, value_name = "TEXT")]
    set: Option<String>,
}

/// `--set` and `--append` of a text. An empty text counts as not given, so that a script with an empty variable erases nothing.
#[derive(Debug, Args)]
pub(crate) struct EditArgs {
    /// Replace the text
    #[arg(long, value_name = "TEXT")]
    set: Option<String>,
    /// Add a line to today's text; with --set, to the new text
    #[arg(long, value_name = "TEXT")]
    append: Option<String>,
}

impl EditArgs {
    pub(super) fn edit(self) -> Option<Edit> {
        match (given(self.set), given(self.append)) {
            (Some(text), Some(line)) => Some(Edit::Set(format!("{text}\n{line}"))),
            (Some(text), None) => Some(Edit::Set(text)),
            (None, line) => line.map(Edit::Append),
        }
    }
}

/// A text that is not empty.
pub(super) fn given(text: Option<String>) -> Option<String> {
    text.filter(|text| !text.is_empty())
}

impl Arguments for WhoamiArgs {
    fn command(self, _: &mut Inputs) -> Result<Command, UsageError> {
        Ok(Whoami { set: given(self.set) }.into())
    }
}

#[derive(Debug, Args)]
#[command(after_help = "Examples:
  azall doing
  azall doing --set \"CURRENT: parser. NEXT: tests. BLOCKED: nothing.\"
  azall doing --append \"Parser done\"")]
pub(crate) struct DoingArgs {
    #[command(flatten)]
    edit: EditArgs,
}

impl Arguments for DoingArgs {
    fn command(self, _: &mut Inputs) -> Result<Command, UsageError> {
        Ok(Doing { edit: self.edit.edit() }.into())
    }
}

impl Show for SelfTextOutcome {
    fn show(&self, page: &mut Page) {
        let path = self.path.as_deref().unwrap_or_default();
        match (self.done, self.kind, &self.text) {
            (Done::Shown, _, Some(text)) => page.text(text).end_line(),
            (Done::Shown, SelfText::Identity, None) => page.line("No identity set. Use: azall whoami --set 'I am...'"),
            (Done::Shown, SelfText::Tasks, None) => page.line("No tasks set. Use: azall doing --set 'Working on...'"),
            (Done::Appended, ..) => page.line(&format!("Task appended: {path}")),
            (Done::Set, SelfText::Identity, _) => page.line(&format!("Identity updated: {path}")),
            (Done::Set, SelfText::Tasks, _) => page.line(&format!("Tasks updated: {path}")),
        };
    }
}

#[derive(Debug, Args)]
#[command(
    after_help = "Examples:\n  azall address\n  azall send --to \"$(azall address -q)\" -s Test -b \"A letter to myself\""
)]
pub(crate) struct AddressArgs {
    /// The address alone, for programs
    #[arg(long, short)]
    quiet: bool,
}

impl Arguments for AddressArgs {
    fn command(self, _: &mut Inputs) -> Result<Command, UsageError> {
        Ok(ShowAddress { quiet: self.quiet }.into())
    }
}

impl Show for AddressOutcome {
    fn show(&self, page: &mut Page) {
        if self.quiet {
            page.line(&self.address);
            return;
        }
        page.text("My address: ").styled_line(Style::Strong, &self.address);
        for address in &self.relay_addresses {
            page.text("On a relay: ").styled_line(Style::Strong, address);
        }
        page.end().line("Share this with other agents or humans so they can message you:");
        let best = self.relay_addresses.first().unwrap_or(&self.address);
        page.line(&format!("  azall send --to {best} -s \"Subject\" -b \"Body\""));
    }
}
