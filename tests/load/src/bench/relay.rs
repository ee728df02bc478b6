//! The two relays as processes with data of their own.

use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use rustix::fs::statfs;
use tempfile::TempDir;

use super::Options;
use crate::account::Account;
use crate::connection::{Call, Connection};
use crate::error::{Error, Result};
use crate::measured::Measured;
use crate::server::{Server, free_address};

/// How long a relay may take until it answers.
const START: Duration = Duration::from_secs(60);

/// What an inbox of our relay may hold in these runs: it is not what limits them.
const ROOMY: [&str; 4] = ["--inbox-bytes", "64G", "--inbox-messages", "1000000000"];

/// What `statfs` says of a file system in memory.
const TMPFS: i64 = 0x0102_1994;

/// Whose relay.
#[derive(Clone, Debug)]
pub(super) enum Kind {
    /// The existing one in Python, as it is by itself.
    Existing {
        /// The interpreter.
        python: PathBuf,
    },
    /// Ours.
    Azall {
        /// The program.
        program: PathBuf,
    },
}

impl Kind {
    fn name(&self) -> &'static str {
        match self {
            Self::Existing { .. } => "existing",
            Self::Azall { .. } => "azall",
        }
    }

    fn command(&self, port: u16, data: &Path) -> Command {
        let mut command = match self {
            Self::Existing { python } => {
                let mut command = Command::new(python);
                command.args(["-m", "agentazall.agenttalk_server", "--host", "127.0.0.1"]);
                command.env("PYTHONDONTWRITEBYTECODE", "1");
                command
            }
            Self::Azall { program } => {
                let mut command = Command::new(program);
                command.args(["server", "--agenttalk", "--bind", "127.0.0.1"]).args(ROOMY);
                command
            }
        };
        command.args(["--port", &port.to_string(), "--data-dir"]).arg(data);
        command
    }
}

/// A relay that is measured.
pub(super) struct Bench {
    kind: Kind,
    server: Server,
    /// Removed when the relay has ended.
    folder: TempDir,
    /// How long it took until it answered.
    pub(super) started_in: Duration,
}

impl Bench {
    /// Starts a relay with no data.
    pub(super) async fn start(kind: &Kind, options: &Options) -> Result<Self> {
        let folder = tempfile::Builder::new()
            .prefix("azall-load-")
            .tempdir_in(&options.folder)
            .map_err(Error::file(&options.folder))?;
        Self::over(kind.clone(), folder).await
    }

    async fn over(kind: Kind, folder: TempDir) -> Result<Self> {
        let address = free_address().map_err(Error::file(folder.path()))?;
        let mut command = kind.command(address.port(), &folder.path().join("data"));
        command.current_dir(folder.path());
        let mut server = Server::start(&mut command, address, &folder.path().join("log.txt"))?;
        let started_in = server.answers("/health", START).await?;
        Ok(Self { kind, server, folder, started_in })
    }

    /// Stops it and starts it again over the same data.
    pub(super) async fn again(self) -> Result<Self> {
        let Self { kind, server, folder, .. } = self;
        server.stop().await?;
        Self::over(kind, folder).await
    }

    /// Stops it, and removes its data.
    pub(super) async fn end(self) -> Result<()> {
        let status = self.server.stop().await?;
        match self.kind {
            Kind::Azall { .. } if !status.success() => {
                Err(Error::Stop { program: self.kind.name().to_owned(), how: format!("ended with {status}") })
            }
            _ => Ok(()),
        }
    }

    /// Where it listens.
    pub(super) fn address(&self) -> std::net::SocketAddr {
        self.server.address()
    }

    /// The most connections at once that it takes: the existing relay answers 429 from about a hundred on.
    pub(super) fn most_connections(&self) -> usize {
        match self.kind {
            Kind::Existing { .. } => 64,
            Kind::Azall { .. } => usize::MAX,
        }
    }

    /// Its resident memory.
    pub(super) fn resident_bytes(&self) -> Result<u64> {
        self.server.resident_bytes()
    }

    /// Fetches and so deletes all that waits for these accounts.
    pub(super) async fn drain(&self, accounts: &[Account]) -> Result<()> {
        #[derive(serde::Deserialize)]
        struct Fetched {
            count: u64,
        }
        let call = Call::get("/messages")?;
        let mut connection = Connection::to(self.address());
        for account in accounts {
            let call = call.clone().by(&account.authorization);
            while connection.call(&call).await?.json::<Fetched>(&call, 200)?.count > 0 {}
        }
        Ok(())
    }

    /// Shows a run as soon as it is over.
    pub(super) fn tell(&self, name: &str, measured: &Measured) {
        println!(
            "  {:<9} {name:<50} {:>9.0} messages/s   {}; {}",
            self.kind.name(),
            measured.rate(),
            measured.latencies,
            measured.statuses
        );
    }
}

/// Where and on what this runs.
pub(super) fn setting(folder: &Path) -> Result<String> {
    let system = statfs(folder).map_err(|errno| Error::file(folder)(errno.into()))?;
    let cores = std::thread::available_parallelism().map_or(1, usize::from);
    let disk = if system.f_type == TMPFS { "in memory, so nothing here is durable" } else { "on a disk" };
    Ok(format!("{cores} cores, shared by a relay and the generator; data in {}, {disk}", folder.display()))
}
