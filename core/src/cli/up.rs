//! `up`: what it takes. As `server`, it is for a host that can serve.

use clap::Args;

use super::UsageError;
use crate::protocol::relay::AgentName;

#[derive(Debug, Args)]
#[command(
    after_help = "The relay listens on this machine alone, and keeps everything. The agent is the config's; without a config one is made, with a \
key pair and an account. A second time it goes on where it stopped. It runs until Ctrl-C or SIGTERM.

Examples:
  azall up
  azall up --agent alice
  azall register --agent bob --server http://127.0.0.1:8484    another agent, in a folder of its own, while it runs"
)]
pub(crate) struct UpArgs {
    /// The agent's name: 3 to 30 of a-z 0-9 - _, the first a letter [default: the config's, or one that is made up]
    #[arg(long, value_name = "NAME")]
    agent: Option<String>,
    /// The relay's port; 0 for any that is free [default: the one in the config, else 8484 or the next one that is free]
    #[arg(long)]
    port: Option<u16>,
    /// Where the relay keeps everything [default: data/relay beside the config file]
    #[arg(long, value_name = "FOLDER")]
    data_dir: Option<String>,
    /// Seconds between syncs, instead of the config's sync_interval
    #[arg(long, value_name = "SECONDS", value_parser = clap::value_parser!(u32).range(1..))]
    interval: Option<u32>,
}

/// A relay, an agent and its daemon in one process.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Up {
    /// The agent's name, if one was given.
    pub agent: Option<AgentName>,
    /// The relay's port, if one was given.
    pub port: Option<u16>,
    /// The relay's data folder, if it is not the usual one.
    pub data_dir: Option<String>,
    /// Seconds between syncs, if not the config's.
    pub interval: Option<u32>,
}

impl UpArgs {
    /// What is asked of the host.
    pub(crate) fn up(&self) -> Result<Up, UsageError> {
        let name = self.agent.as_deref().map(AgentName::parse).transpose();
        Ok(Up {
            agent: name.map_err(|error| UsageError::value("--agent", error))?,
            port: self.port,
            data_dir: self.data_dir.clone(),
            interval: self.interval,
        })
    }
}
