//! A relay's process: started, asked whether it answers, stopped or killed by its id.

use std::fs::{self, File};
use std::io::{self, Read, Seek, SeekFrom};
use std::net::{Ipv4Addr, SocketAddr, TcpListener};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::time::{Duration, Instant};

use rustix::process::{Pid, Signal, kill_process};

use crate::connection::{Call, Connection};
use crate::error::{Error, Result};

/// How long a relay may take to end once it is asked to.
const STOP: Duration = Duration::from_secs(30);

/// How often to look whether something has happened.
const GLANCE: Duration = Duration::from_millis(2);

/// A relay's process. Dropped, it is killed.
#[derive(Debug)]
pub struct Server {
    program: String,
    child: Child,
    address: SocketAddr,
    log: PathBuf,
}

/// A port of the loopback interface that nobody listens on.
///
/// # Errors
/// The system's, when it has none.
pub fn free_address() -> io::Result<SocketAddr> {
    TcpListener::bind((Ipv4Addr::LOCALHOST, 0))?.local_addr()
}

impl Server {
    /// Starts a relay that is told to listen on this address, with its output in a file.
    ///
    /// # Errors
    /// [`Error::Start`], [`Error::File`].
    pub fn start(command: &mut Command, address: SocketAddr, log: &Path) -> Result<Self> {
        let program = command.get_program().to_string_lossy().into_owned();
        let output = File::options().create(true).append(true).open(log).map_err(Error::file(log))?;
        let errors = output.try_clone().map_err(Error::file(log))?;
        let started = command.stdin(Stdio::null()).stdout(output).stderr(errors).spawn();
        let child = started.map_err(|source| Error::Start { program: program.clone(), source })?;
        Ok(Self { program, child, address, log: log.to_owned() })
    }

    /// Waits until it answers `GET path` with 200, and tells how long that took.
    ///
    /// # Errors
    /// [`Error::NotReady`] when it ends or does not answer in time, with what it wrote.
    pub async fn answers(&mut self, path: &str, longest: Duration) -> Result<Duration> {
        let start = Instant::now();
        let call = Call::get(path)?;
        let mut connection = Connection::to(self.address);
        while start.elapsed() < longest && self.is_running()? {
            if connection.call(&call).await.is_ok_and(|answer| answer.status == 200) {
                return Ok(start.elapsed());
            }
            tokio::time::sleep(GLANCE).await;
        }
        let (program, output) = (self.program.clone(), tail(&self.log));
        Err(Error::NotReady { program, after: start.elapsed(), output })
    }

    /// Where it listens.
    #[must_use]
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// Its memory that is resident, in bytes, as the kernel counts it.
    ///
    /// # Errors
    /// [`Error::File`] where the kernel does not tell.
    pub fn resident_bytes(&self) -> Result<u64> {
        let path = PathBuf::from(format!("/proc/{}/status", self.child.id()));
        let status = fs::read_to_string(&path).map_err(Error::file(&path))?;
        let kib = status.lines().find_map(|line| line.strip_prefix("VmRSS:")).and_then(|value| {
            let digits = value.trim().trim_end_matches("kB").trim();
            digits.parse::<u64>().ok()
        });
        kib.map(|kib| kib * 1024).ok_or_else(|| Error::file(path)(io::Error::other("it tells no VmRSS")))
    }

    /// Asks it to stop (SIGTERM) and waits for its end.
    ///
    /// # Errors
    /// [`Error::Stop`] when it takes longer than 30 seconds.
    pub async fn stop(mut self) -> Result<ExitStatus> {
        self.signal(Signal::TERM);
        let start = Instant::now();
        while start.elapsed() < STOP {
            if let Some(status) = self.ended()? {
                return Ok(status);
            }
            tokio::time::sleep(GLANCE).await;
        }
        Err(Error::Stop { program: self.program.clone(), how: format!("still runs after {STOP:?}") })
    }

    /// Kills it (SIGKILL) in the middle of whatever it does, and waits for its end.
    ///
    /// # Errors
    /// The system's.
    pub fn kill(mut self) -> Result<()> {
        self.end().map_err(|source| Error::Stop { program: self.program.clone(), how: source.to_string() })
    }

    fn end(&mut self) -> io::Result<()> {
        self.child.kill()?;
        self.child.wait().map(drop)
    }

    fn is_running(&mut self) -> Result<bool> {
        self.ended().map(|ended| ended.is_none())
    }

    fn ended(&mut self) -> Result<Option<ExitStatus>> {
        self.child.try_wait().map_err(|source| Error::Stop { program: self.program.clone(), how: source.to_string() })
    }

    fn signal(&self, signal: Signal) {
        // The child is not waited for yet, so the id is still its own; one that has ended needs no signal.
        if let Some(pid) = i32::try_from(self.child.id()).ok().and_then(Pid::from_raw) {
            let _ = kill_process(pid, signal);
        }
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        // One that has ended already needs no end.
        let _ = self.end();
    }
}

/// The end of a file, for a message.
fn tail(path: &Path) -> String {
    const LONGEST: u64 = 2000;
    let read = || {
        let mut file = File::open(path)?;
        let end = file.seek(SeekFrom::End(0))?;
        file.seek(SeekFrom::Start(end.saturating_sub(LONGEST)))?;
        let mut bytes = Vec::new();
        file.read_to_end(&mut bytes)?;
        Ok::<_, io::Error>(String::from_utf8_lossy(&bytes).into_owned())
    };
    read().unwrap_or_else(|error| error.to_string())
}
