//! How `azall server backup` speaks with a relay that runs: a socket in its data folder, which only its owner can open. One
//! request a connection, a line of JSON; one line of JSON back.

use std::fs;
use std::io::{self, BufRead as _, BufReader, Write as _};
use std::os::unix::fs::PermissionsExt as _;
use std::os::unix::net::UnixStream as BlockingStream;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use serde::{Deserialize, Serialize};
use tokio::io::{AsyncBufReadExt as _, AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{UnixListener, UnixStream};

use crate::http::Relay;
use crate::options::StoreLimits;
use crate::store::folder::MARK;
use crate::store::{OpenError, Store};

/// The socket's name.
const SOCKET: &str = "control.sock";

/// The longest request.
const LONGEST: u64 = 64 << 10;

/// How long a request may take to come.
const PATIENCE: Duration = Duration::from_secs(10);

/// What is asked.
#[derive(Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
enum Asked {
    /// Write a backup into this file.
    Backup(PathBuf),
}

/// What is answered.
#[derive(Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
enum Answered {
    Done,
    Failed(String),
}

/// The socket of a relay that runs; gone when it is dropped.
pub(crate) struct Control {
    listener: UnixListener,
    path: PathBuf,
}

impl Control {
    /// Listens in a folder that is this relay's alone. Without a socket (its path may be too long for one) a relay serves
    /// all the same.
    pub(crate) fn listen(dir: &Path, _: &Arc<Relay>) -> Option<Self> {
        let path = dir.join(SOCKET);
        // One that a relay left behind that was killed.
        let _ = fs::remove_file(&path);
        let listening = UnixListener::bind(&path)
            .and_then(|listener| fs::set_permissions(&path, fs::Permissions::from_mode(0o600)).map(|()| listener));
        match listening {
            Ok(listener) => Some(Self { listener, path }),
            Err(error) => {
                tracing::warn!(path = %path.display(), %error, "a backup can only be made while the relay is stopped");
                None
            }
        }
    }

    /// Answers requests for ever, one after the other.
    pub(crate) async fn serve(&self, relay: &Relay) {
        loop {
            match self.listener.accept().await {
                Ok((stream, _)) => {
                    if let Err(error) = converse(stream, relay).await {
                        tracing::debug!(%error, "a request on the control socket broke off");
                    }
                }
                Err(error) => {
                    tracing::debug!(%error, "cannot accept on the control socket");
                    tokio::time::sleep(Duration::from_millis(100)).await;
                }
            }
        }
    }
}

impl Drop for Control {
    fn drop(&mut self) {
        let _ = fs::remove_file(&self.path);
    }
}

async fn converse(mut stream: UnixStream, relay: &Relay) -> io::Result<()> {
    let mut line = String::new();
    let mut reader = tokio::io::BufReader::new((&mut stream).take(LONGEST));
    tokio::time::timeout(PATIENCE, reader.read_line(&mut line)).await??;
    let answered = match serde_json::from_str(&line) {
        Ok(Asked::Backup(file)) => match relay.store.backup(&file).await {
            Ok(()) => {
                tracing::info!(file = %file.display(), "backup written");
                Answered::Done
            }
            Err(error) => Answered::Failed(error.to_string()),
        },
        Err(_) => Answered::Failed("this relay does not know the request; is it of another version?".to_owned()),
    };
    let mut answer = serde_json::to_vec(&answered)?;
    answer.push(b'\n');
    tokio::time::timeout(PATIENCE, stream.write_all(&answer)).await?
}

/// Why there is no backup.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum BackupFailure {
    /// There is no relay in the folder.
    #[error("{dir} holds no relay; --data-dir says where its data folder is", dir = .0.display())]
    NoRelay(PathBuf),
    /// The folder cannot be opened.
    #[error(transparent)]
    Open(#[from] OpenError),
    /// The relay that runs does not answer.
    #[error("the relay that runs does not answer: {0}")]
    NoAnswer(io::Error),
    /// It was not written.
    #[error("{0}")]
    Failed(String),
    /// The path cannot be used.
    #[error("cannot use the path {path}: {source}", path = .path.display())]
    Path {
        /// The path.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
}

/// Writes a backup of the relay in a folder, through the relay itself if it runs. Blocks until it is written.
///
/// # Errors
/// [`BackupFailure`] says why there is none.
pub fn backup(dir: &Path, file: &Path) -> Result<(), BackupFailure> {
    let file = std::path::absolute(file).map_err(|source| BackupFailure::Path { path: file.to_owned(), source })?;
    match BlockingStream::connect(dir.join(SOCKET)) {
        Ok(stream) => ask(stream, &Asked::Backup(file)),
        // Nobody listens: the relay does not run, or never had a socket.
        Err(_) => backup_at_rest(dir, &file),
    }
}

fn ask(mut stream: BlockingStream, asked: &Asked) -> Result<(), BackupFailure> {
    let answered = || -> io::Result<Answered> {
        let mut request = serde_json::to_vec(asked)?;
        request.push(b'\n');
        stream.write_all(&request)?;
        let mut line = String::new();
        BufReader::new(&stream).read_line(&mut line)?;
        Ok(serde_json::from_str(&line)?)
    };
    let mut answered = answered;
    match answered().map_err(BackupFailure::NoAnswer)? {
        Answered::Done => Ok(()),
        Answered::Failed(why) => Err(BackupFailure::Failed(why)),
    }
}

fn backup_at_rest(dir: &Path, file: &Path) -> Result<(), BackupFailure> {
    // Opening an empty folder would make a store in it.
    if !dir.join(MARK).is_file() {
        return Err(BackupFailure::NoRelay(dir.to_owned()));
    }
    let store = Store::open(dir, StoreLimits::default())?;
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
    let runtime = runtime.map_err(|error| BackupFailure::Failed(error.to_string()))?;
    runtime.block_on(async {
        let written = store.backup(file).await;
        store.close().await;
        written.map_err(|error| BackupFailure::Failed(error.to_string()))
    })
}
