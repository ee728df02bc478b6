//! The folder that relative paths count from.

use std::io;
use std::path::{Path, PathBuf};

/// A path as an absolute one.
///
/// # Errors
/// The system's, when it cannot tell the working folder; an empty path.
pub(crate) fn absolute(path: impl AsRef<Path>) -> io::Result<PathBuf> {
    if cfg!(target_os = "wasi")
        && path.as_ref().is_relative()
        && let Some(folder) = std::env::var_os("PWD").map(PathBuf::from).filter(|folder| folder.is_absolute())
    {
        // A WASI process has no working folder of its own: its host says in which one it would be.
        return std::path::absolute(folder.join(path));
    }
    std::path::absolute(path)
}
