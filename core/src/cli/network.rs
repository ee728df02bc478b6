//! `daemon`, `register`, `relay`, `status`, `doctor`: what they take and how they show what they did.

use clap::Args;

use super::input::Inputs;
use super::page::{Page, Show, Style};
use super::{Arguments, UsageError};
use crate::command::Command;
use crate::command::daemon::{Daemon, DaemonOutcome};
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

impl Show for DaemonOutcome {
    fn show(&self, page: &mut Page) {
        page.line(&format!(
            "{} cycles ({} failed), {} messages received, {} delivered",
            self.cycles, self.failed, self.received, self.delivered
        ));
        show_relays(&self.relays, page);
    }
}

/// What each relay said.
fn show_relays(relays: &[RelayReport], page: &mut Page) {
    for relay in relays {
        page.styled(Style::Plain, &format!("  {}: ", relay.server));
        match &relay.problem {
            None => page.styled_line(Style::Good, &format!("{} messages", relay.messages)),
            Some(problem) => page.styled_line(Style::Bad, problem),
        };
    }
}
