//! `remember`, `recall`: what they take and how they show what they found.

use clap::Args;

use super::identity::given;
use super::input::{Inputs, Source};
use super::mail::show_damaged;
use super::page::{Page, Show, Style};
use super::{Arguments, UsageError};
use crate::command::Command;
use crate::command::identity::agent_address;
use crate::command::memory::{Recall, Recalled, Remember, RememberOutcome};
use crate::protocol::address::Address;
use crate::protocol::text;

#[derive(Debug, Args)]
#[command(after_help = "Examples:
  azall remember --text \"The API key rotates on Mondays\" --title api-key
  git log -1 | azall remember --title last-commit
  azall remember --list

A title that exists today gets the text as a further line.")]
pub(crate) struct RememberArgs {
    /// The text; without it, it is read from standard input
    #[arg(long, short)]
    text: Option<String>,
    /// A short title; without it, the time of day
    #[arg(long)]
    title: Option<String>,
    /// List today's memories
    #[arg(long)]
    list: bool,
}

impl Arguments for RememberArgs {
    fn sources(&self) -> Vec<Source> {
        if self.list || self.text.is_some() { Vec::new() } else { vec![Source::StdinIfPiped] }
    }

    fn command(self, inputs: &mut Inputs) -> Result<Command, UsageError> {
        // As in the reference, a text is stored even beside --list: nothing to be remembered is dropped.
        if self.list && self.text.as_deref().unwrap_or_default().is_empty() {
            return Ok(Remember::List.into());
        }
        // What is piped ends in a line end that nobody meant to remember.
        let text = self.text.or_else(|| inputs.take().map(|input| text::strip_end(&input.text()).to_owned()));
        match given(text) {
            Some(text) => Ok(Remember::Store { text, title: given(self.title) }.into()),
            None => Err(UsageError::Missing {
                what: "the text",
                give: "--text or standard input; --list shows today's memories, `azall recall` all",
            }),
        }
    }
}

impl Show for RememberOutcome {
    fn show(&self, page: &mut Page) {
        match self {
            Self::Stored(stored) => {
                page.line(&format!("Memory stored: {}", stored.path));
                page.line(&format!("  Title: {}", stored.title));
            }
            Self::Listed(list) => {
                if list.memories.is_empty() {
                    page.line(&format!("No memories for {}.", list.date));
                } else {
                    page.styled_line(Style::Strong, &format!("=== Memories | {} ===", list.date));
                }
                for memory in &list.memories {
                    page.line(&format!("  {}: {}", memory.title, memory.preview));
                }
                show_damaged(&list.damaged, page);
            }
        }
    }
}

#[derive(Debug, Args)]
#[command(after_help = "Examples:
  azall recall                       the index of all memories
  azall recall \"deploy key\"          memories that hold both words
  azall recall --agent bob deploy    another agent's, if it shares them")]
pub(crate) struct RecallArgs {
    /// Words that a memory must hold
    query: Option<String>,
    /// Another agent's memories, if it shares them
    #[arg(long, value_name = "NAME", value_parser = parse_agent)]
    agent: Option<Address>,
    /// At most this many
    #[arg(long, value_name = "N")]
    limit: Option<usize>,
}

/// Reads an agent's name for clap.
pub(super) fn parse_agent(text: &str) -> Result<Address, String> {
    agent_address(text).map_err(|error| error.to_string())
}

impl Arguments for RecallArgs {
    fn command(self, _: &mut Inputs) -> Result<Command, UsageError> {
        let query = self.query.filter(|query| !text::strip(query).is_empty());
        Ok(Recall { query, agent: self.agent, limit: self.limit }.into())
    }
}

impl Show for Recalled {
    fn show(&self, page: &mut Page) {
        if let Some(index) = &self.index {
            page.text(index).end_line();
        }
        if let Some(query) = &self.query {
            let found = self.memories.len() + self.left_out;
            if found == 0 {
                page.line(&format!("No memories matching '{query}'."));
            } else {
                page.styled_line(Style::Strong, &format!("=== Recall ({}): '{query}' ({found} found) ===", self.agent));
            }
            for memory in &self.memories {
                page.end().styled_line(Style::Strong, &format!("[{}] {}", memory.date, memory.title));
                page.indented(&memory.text).styled_line(Style::Faint, &format!("  Path: {}", memory.path));
            }
        }
        if self.left_out > 0 {
            page.line(&format!("({} more left out by --limit)", self.left_out));
        }
        show_damaged(&self.damaged, page);
    }
}
