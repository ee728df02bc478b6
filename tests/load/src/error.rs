//! What can go wrong while a relay is driven.

use std::io;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::time::Duration;

/// A failure of the run; a status that a relay answers is counted instead (see [`crate::measured`]).
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// No connection.
    #[error("cannot connect to {address}: {source}")]
    Connect {
        /// The relay.
        address: SocketAddr,
        /// Why.
        source: io::Error,
    },
    /// A connection broke in the middle of a request: whether it was carried out is unknown.
    #[error("{method} {path}: the connection broke: {source}")]
    Broken {
        /// The request's method.
        method: String,
        /// The request's path.
        path: String,
        /// Why.
        source: hyper::Error,
    },
    /// A request that could not be built: an account's name or token has characters that no header or URL holds.
    #[error("{method} {path} is no request")]
    Request {
        /// The request's method.
        method: String,
        /// The request's path.
        path: String,
    },
    /// No answer in time.
    #[error("{method} {path}: no answer after {after:?}")]
    Silent {
        /// The request's method.
        method: String,
        /// The request's path.
        path: String,
        /// The time that it was given.
        after: Duration,
    },
    /// A status or a body that is no answer to the request.
    #[error("{method} {path} was answered {status} {body}")]
    Answer {
        /// The request's method.
        method: String,
        /// The request's path.
        path: String,
        /// The status.
        status: u16,
        /// The beginning of the body.
        body: String,
    },
    /// Answers that a run must not have met: an inbox was full, the relay slowed us down, a recipient was refused.
    #[error("{run}: not only what was expected was answered: {statuses}")]
    Unexpected {
        /// The run.
        run: String,
        /// The statuses with their counts.
        statuses: String,
    },
    /// A server that could not be started.
    #[error("cannot start {program}: {source}")]
    Start {
        /// The program.
        program: String,
        /// Why.
        source: io::Error,
    },
    /// A server that ended or did not answer.
    #[error("{program} does not answer after {after:?}; it wrote:\n{output}")]
    NotReady {
        /// The program.
        program: String,
        /// The time that it was given.
        after: Duration,
        /// The end of its output.
        output: String,
    },
    /// A server that did not end as it must.
    #[error("{program} was asked to stop and {how}")]
    Stop {
        /// The program.
        program: String,
        /// What it did.
        how: String,
    },
    /// A file or folder of the run.
    #[error("cannot use {}: {source}", .path.display())]
    File {
        /// The path.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// Arguments that make no sense.
    #[error("{0}")]
    Usage(String),
}

/// The result of driving a relay.
pub type Result<T> = std::result::Result<T, Error>;

impl Error {
    /// For `map_err`: a failure of this file or folder.
    pub fn file(path: impl Into<PathBuf>) -> impl FnOnce(io::Error) -> Self {
        let path = path.into();
        move |source| Self::File { path, source }
    }
}
