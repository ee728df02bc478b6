//! What can go wrong around a program in the sandbox.

use std::io;
use std::path::PathBuf;

/// Why a run failed or was ended.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Error {
    /// `azall.wasm` is not where it is looked for.
    #[error(
        "there is no azall.wasm beside this program; build it (cargo xtask wasm), and name it with --module or in $AZALL_WASM"
    )]
    NoModule,
    /// A word is not UTF-8, which WASI arguments must be.
    #[error("{0:?} is not UTF-8")]
    NotUtf8(String),
    /// A file or folder could not be used.
    #[error("cannot {doing} {}: {source}", .path.display())]
    File {
        /// What was being done.
        doing: &'static str,
        /// To what.
        path: PathBuf,
        /// The system's word.
        source: io::Error,
    },
    /// The folder for compiled code could be written by others, who could then run their own code here.
    #[error("{} may be written by others: chmod 700 it, or name another folder in $AZALL_CACHE", .0.display())]
    OpenCache(PathBuf),
    /// The program is no WebAssembly, or asks for more than WASI preview 1 gives.
    #[error("{} cannot be run in the sandbox: {why}", .module.display())]
    Module {
        /// The program.
        module: PathBuf,
        /// What is wrong with it.
        why: String,
    },
    /// The runtime could not be set up.
    #[error("cannot set up the sandbox: {0}")]
    Setup(String),
    /// It computed for too long.
    #[error("ended after {0} seconds of computing (--time)")]
    Time(u32),
    /// It took too long in all.
    #[error("ended after {0} seconds (--wall)")]
    Wall(u32),
    /// It wanted more memory.
    #[error("ended: it wanted more than {0} MiB of memory (--memory)")]
    Memory(u32),
    /// It wrote too much.
    #[error("ended: it wrote more than {0} MiB to one output stream (--output)")]
    Output(u32),
    /// It and the runtime used more memory.
    #[error("ended: compiling and running it took more than {0} MiB of memory")]
    Runtime(u64),
    /// What it wrote could not be passed on.
    #[error("cannot print: {0}")]
    Print(io::Error),
    /// It trapped.
    #[error("ended: {0}")]
    Trap(String),
}

impl Error {
    pub(crate) fn file(doing: &'static str, path: impl Into<PathBuf>) -> impl FnOnce(io::Error) -> Self {
        let path = path.into();
        move |source| Self::File { doing, path, source }
    }

    /// Whether the sandbox ended the program, rather than failed to run it.
    pub(crate) const fn is_refusal(&self) -> bool {
        matches!(self, Self::Time(_) | Self::Wall(_) | Self::Memory(_) | Self::Output(_) | Self::Runtime(_))
    }
}
