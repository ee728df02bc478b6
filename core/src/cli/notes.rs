//! `note`, `notes`: what they take and how they show what they found.

use clap::Args;

use super::identity::EditArgs;
use super::input::Inputs;
use super::mail::{parse_day, show_damaged};
use super::page::{Page, Show, Style};
use super::{Arguments, UsageError};
use crate::command::Command;
use crate::command::identity::Done;
use crate::command::notes::{Note, NoteList, NoteOutcome, Notes};
use crate::protocol::time::Day;

#[derive(Debug, Args)]
#[command(after_help = "Examples:
  azall note handoff --set \"The migration is half done; see branch x.\"
  azall note handoff --append \"Tables a-m are moved.\"
  azall note handoff               the newest day's is shown")]
pub(crate) struct NoteArgs {
    /// The note's name
    name: String,
    #[command(flatten)]
    edit: EditArgs,
}

impl Arguments for NoteArgs {
    fn command(self, _: &mut Inputs) -> Result<Command, UsageError> {
        if self.name.is_empty() {
            return Err(UsageError::value("NAME", "it is empty"));
        }
        Ok(Note { name: self.name, edit: self.edit.edit() }.into())
    }
}

impl Show for NoteOutcome {
    fn show(&self, page: &mut Page) {
        match (&self.text, self.done) {
            (Some(text), _) => page.text(text).end_line(),
            (None, Done::Appended) => page.line(&format!("Note '{}' appended: {}", self.name, self.path)),
            (None, _) => page.line(&format!("Note '{}' saved: {}", self.name, self.path)),
        };
    }
}

#[derive(Debug, Args)]
#[command(after_help = "Examples:\n  azall notes\n  azall notes -d 2026-03-11")]
pub(crate) struct NotesArgs {
    /// Another day than today
    #[arg(long, short, value_name = "YYYY-MM-DD", value_parser = parse_day)]
    date: Option<Day>,
}

impl Arguments for NotesArgs {
    fn command(self, _: &mut Inputs) -> Result<Command, UsageError> {
        Ok(Notes { date: self.date }.into())
    }
}

impl Show for NoteList {
    fn show(&self, page: &mut Page) {
        if self.notes.is_empty() {
            page.line(&format!("No notes for {}.", self.date));
        } else {
            page.styled_line(Style::Strong, &format!("=== Notes | {} ===", self.date));
        }
        for note in &self.notes {
            page.line(&format!("  {} ({}B) | {}", note.name, note.size, note.path));
        }
        show_damaged(&self.damaged, page);
    }
}
