//! `azall up`: a relay, an agent with an account on it, and the agent's daemon, in one process. The relay serves on threads
//! of its own; everything else runs as it does for any command.

use std::path::PathBuf;

use azall_core::cli::Exit;
use azall_core::cli::up::Up;
use azall_core::command::daemon::Daemon;
use azall_core::command::relays::{Register, server_url};
use azall_core::command::session::Opened;
use azall_core::protocol::address::Address;
use azall_core::protocol::config::RelayAccount;
use azall_core::protocol::relay::{AgentName, ServerUrl};
use azall_relay::log;
use azall_relay::options::{Options, Port};
use azall_relay::server::Server;
use tokio::runtime::{Builder, Runtime};
use tokio::sync::oneshot;
use tokio::task::JoinHandle;

use crate::cli::Runner;
use crate::server::{DATA_DIR, allow_many_files, say};

/// Runs everything until told to stop, and gives the daemon's exit code.
pub(crate) fn run(up: &Up, runner: &Runner) -> Result<u8, Exit> {
    let opened = runner.opened()?;
    log::to_stderr(log::LogFormat::Text, runner.place().verbose());
    allow_many_files();
    let relay = Relay::start(up, &opened, runner).map_err(|why| runner.place().failed(&why))?;
    // However it ends, the relay finishes what it accepted.
    let ended = live(up, &opened, &relay, runner);
    relay.stop().map_err(|why| runner.place().failed(&why))?;
    ended
}

/// The agent's part.
fn live(up: &Up, opened: &Opened, relay: &Relay, runner: &Runner) -> Result<u8, Exit> {
    let server = server_url(&relay.url, None, false).map_err(|error| runner.place().failed(&error.to_string()))?;
    let known = account(opened, |account| account.server == server);
    if opened.found {
        keeps_its_name(
            up,
            known.and_then(|account| account.address.as_ref()).unwrap_or(opened.config.agent()),
            runner,
        )?;
    }
    if known.is_none() {
        let name = agent_name(up, opened, runner)?;
        runner.outcome(Register { name, server: server.clone(), yes: true }.into())?;
    }
    let agent = runner.opened()?.config.agent().to_string();
    tell(&agent, &server, relay, runner).map_err(|why| runner.place().failed(&why))?;
    let daemon = Daemon { interval: up.interval, ..Daemon::default() };
    runner.outcome(daemon.into()).map(|outcome| outcome.exit_code())
}

/// The first account of the config that has a token and for which this holds.
fn account(opened: &Opened, holds: impl Fn(&RelayAccount) -> bool) -> Option<&RelayAccount> {
    opened.config.relays().iter().find(|account| account.token.is_some() && holds(account))
}

/// A config has one agent: what was meant for another is not done for this one.
fn keeps_its_name(up: &Up, own: &Address, runner: &Runner) -> Result<(), Exit> {
    match &up.agent {
        Some(wanted) if name_of(own) != wanted.as_str() => {
            let (config, wanted) = (runner.place().path().display(), wanted.as_str());
            Err(runner
                .place()
                .failed(&format!("{config} is the config of {own}; {wanted} needs one of its own: --config FILE")))
        }
        _ => Ok(()),
    }
}

/// The name to register: the one given, or the one that the agent has.
fn agent_name(up: &Up, opened: &Opened, runner: &Runner) -> Result<AgentName, Exit> {
    if let Some(name) = &up.agent {
        return Ok(name.clone());
    }
    let address = opened.config.agent();
    AgentName::parse(name_of(address)).map_err(|error| {
        runner.place().failed(&format!("{address} cannot be a name on a relay: {error}; give one: --agent NAME"))
    })
}

/// An address's name, without what says where it is.
fn name_of(address: &Address) -> &str {
    address.as_str().split(['@', '.']).next().unwrap_or_default()
}

/// Says where the relay is, who the agent is, and what to do next.
fn tell(agent: &str, server: &ServerUrl, relay: &Relay, runner: &Runner) -> Result<(), String> {
    let (config, data_dir) = (runner.place().path().display(), relay.data_dir.display());
    let document = serde_json::json!({
        "agent": agent, "config": runner.place().path(), "relay": server.as_str(), "data_dir": relay.data_dir,
    });
    let text = format!(
        "Relay   {server}, data in {data_dir}
Agent   {agent}, config {config}
Next, in another terminal:
  azall --config {config} send --to NAME.agenttalk -s Hello -b Hi
and another agent, in a folder of its own:
  azall register --agent bob --server {server}
  azall inbox --watch
Runs until Ctrl-C or SIGTERM."
    );
    say(runner.place().json(), &document, &text)
}

/// The relay, serving.
struct Relay {
    runtime: Runtime,
    serving: JoinHandle<()>,
    stop: oneshot::Sender<()>,
    url: String,
    data_dir: PathBuf,
}

impl Relay {
    fn start(up: &Up, opened: &Opened, runner: &Runner) -> Result<Self, String> {
        let data_dir = up.data_dir.as_ref().map_or_else(|| runner.place().folder().join(DATA_DIR), PathBuf::from);
        let port = up.port.or_else(|| earlier_port(opened)).map_or(Port::Default, Port::Fixed);
        let options = Options { port, ..Options::in_folder(&data_dir) };
        let runtime = Builder::new_multi_thread().enable_all().build();
        let runtime = runtime.map_err(|error| format!("cannot start threads: {error}"))?;
        let server = runtime.block_on(Server::start(options)).map_err(|error| error.to_string())?;
        let url = server.url().to_owned();
        let (stop, stops) = oneshot::channel();
        let serving = runtime.spawn(server.run(async {
            // The other end gone is a reason to stop as well.
            let _ = stops.await;
        }));
        Ok(Self { runtime, serving, stop, url, data_dir })
    }

    fn stop(self) -> Result<(), String> {
        // Nobody listens any more if it has ended by itself.
        let _ = self.stop.send(());
        self.runtime.block_on(self.serving).map_err(|error| format!("the relay did not end well: {error}"))
    }
}

/// The port under which this agent already knows a relay of this machine: its account is bound to that URL.
fn earlier_port(opened: &Opened) -> Option<u16> {
    let account = account(opened, |account| account.server.is_loopback() && !account.server.is_https())?;
    account.server.as_str().rsplit_once(':')?.1.parse().ok()
}
