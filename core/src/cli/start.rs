//! `setup`, `quickstart`, `startup`, `prompt`, `onboard`: what they take and how they show what they did.

use clap::{Args, ValueEnum};

use super::input::Inputs;
use super::page::{Page, Show, Style};
use super::{Arguments, UsageError};
use crate::command::Command;
use crate::command::identity::agent_address;
use crate::command::start::{Guide, GuideText, Quickstart, Ready, Setup, SetupOutcome, Startup, StartupOutcome};
use crate::protocol::address::Address;
use crate::protocol::config::Transport;

fn parse_agent(name: &str) -> Result<Address, UsageError> {
    agent_address(name).map_err(|error| UsageError::value("--agent", error))
}

/// The single accounts that a config can use.
#[derive(Clone, Copy, Debug, ValueEnum)]
enum TransportName {
    /// The email account
    Email,
    /// The FTP server
    Ftp,
    /// Email and FTP
    Both,
    /// The AgentTalk relay
    Agenttalk,
}

#[derive(Debug, Args)]
#[command(
    after_help = "Examples:\n  azall setup --agent alice                      alice@localhost\n  azall setup --agent alice --share-memories"
)]
pub(crate) struct SetupArgs {
    /// The agent's name or address; a bare name becomes name@localhost
    #[arg(long, value_name = "NAME")]
    agent: String,
    /// Which of the single accounts in the config is used
    #[arg(long, value_enum)]
    transport: Option<TransportName>,
    /// Let other agents read this agent's memories
    #[arg(long)]
    share_memories: bool,
}

impl Arguments for SetupArgs {
    fn command(self, _: &mut Inputs) -> Result<Command, UsageError> {
        let transport = self.transport.map(|name| match name {
            TransportName::Email => Transport::Email,
            TransportName::Ftp => Transport::Ftp,
            TransportName::Both => Transport::Both,
            TransportName::Agenttalk => Transport::AgentTalk,
        });
        Ok(Setup { agent: parse_agent(&self.agent)?, transport, share_memories: self.share_memories }.into())
    }
}

#[derive(Debug, Args)]
#[command(
    after_help = "Run it again at any time: it only makes what is missing.\n\nExample:\n  azall quickstart --agent alice --identity \"I am alice, a code reviewer.\""
)]
pub(crate) struct QuickstartArgs {
    /// The agent's name or address; one is made up if it is not given
    #[arg(long, value_name = "NAME")]
    agent: Option<String>,
    /// Who the agent is
    #[arg(long, value_name = "TEXT")]
    identity: Option<String>,
}

impl Arguments for QuickstartArgs {
    fn command(self, _: &mut Inputs) -> Result<Command, UsageError> {
        let agent = self.agent.as_deref().map(parse_agent).transpose()?;
        Ok(Quickstart { agent, identity: self.identity }.into())
    }
}

#[derive(Debug, Args)]
#[command(after_help = "Example:\n  azall startup")]
pub(crate) struct StartupArgs {}

impl Arguments for StartupArgs {
    fn command(self, _: &mut Inputs) -> Result<Command, UsageError> {
        Ok(Startup {}.into())
    }
}

/// How a prompt is written.
#[derive(Clone, Copy, Debug, ValueEnum)]
enum PromptFormat {
    /// Plain text
    Text,
    /// Markdown
    Markdown,
}

#[derive(Debug, Args)]
#[command(after_help = "Example:\n  azall prompt --format markdown >> AGENTS.md")]
pub(crate) struct PromptArgs {
    /// How it is written
    #[arg(long, value_enum, default_value_t = PromptFormat::Text)]
    format: PromptFormat,
}

impl Arguments for PromptArgs {
    fn command(self, _: &mut Inputs) -> Result<Command, UsageError> {
        Ok(match self.format {
            PromptFormat::Text => Guide::Prompt,
            PromptFormat::Markdown => Guide::PromptMarkdown,
        }
        .into())
    }
}

#[derive(Debug, Args)]
#[command(after_help = "Example:\n  azall onboard")]
pub(crate) struct OnboardArgs {}

impl Arguments for OnboardArgs {
    fn command(self, _: &mut Inputs) -> Result<Command, UsageError> {
        Ok(Guide::Onboard.into())
    }
}

impl Show for SetupOutcome {
    fn show(&self, page: &mut Page) {
        page.styled_line(Style::Good, "Setup complete.");
        page.field("Agent", 9, &self.agent).field("Mailbox", 9, &self.mailbox).field("Config", 9, &self.config);
        page.field("Transport", 9, self.transport);
        if self.shares_memories {
            page.line("  Other agents may read its memories.");
        }
    }
}

impl Show for Ready {
    fn show(&self, page: &mut Page) {
        let what = if self.made.is_empty() {
            "Everything is there already.".to_owned()
        } else {
            format!("Ready. Made now: {}.", self.made.join(", "))
        };
        page.styled_line(Style::Good, &what);
        page.field("Agent", 11, &self.agent).field("Fingerprint", 11, self.fingerprint.as_str());
        page.field("Identity", 11, &self.identity);
        page.field("Mailbox", 11, &self.mailbox).field("Config", 11, &self.config);
        page.line("Next: `azall startup`, `azall remember --text ...`, `azall send --to ADDRESS -s SUBJECT -b TEXT`");
    }
}

impl Show for StartupOutcome {
    fn show(&self, page: &mut Page) {
        page.styled_line(Style::Strong, &format!("=== Session of {} | {} ===", self.agent, self.date));
        page.end().styled_line(Style::Strong, "--- IDENTITY ---");
        match &self.identity {
            Some(identity) => page.text(identity).end_line(),
            None => page.line("(none yet: azall whoami --set \"...\")"),
        };
        page.end().styled_line(Style::Strong, "--- CURRENT TASK ---");
        match &self.doing {
            Some(doing) => page.text(doing).end_line(),
            None => page.line("(none yet: azall doing --set \"...\")"),
        };
        page.end().styled_line(Style::Strong, "--- MEMORIES ---").text(&self.memories).end_line();
        page.end().styled_line(Style::Strong, "--- INBOX ---");
        self.inbox.show(page);
        if self.unread_earlier > 0 {
            let count = self.unread_earlier;
            page.styled_line(Style::Strong, &format!("{count} unread of earlier days: `azall inbox --all --unread`"));
        }
        page.end().styled_line(Style::Strong, &format!("You are {}. Your context is restored.", self.agent));
    }
}

impl Show for GuideText {
    fn show(&self, page: &mut Page) {
        page.text(&self.text).end_line();
    }
}
