//! `azall sandbox`: the program `azall-sandbox`, which holds a compiler and is therefore one of its own.

use std::os::unix::process::CommandExt;
use std::path::PathBuf;
use std::process::Command;

/// The program, beside this one or, failing that, on the path.
pub(crate) const PROGRAM: &str = "azall-sandbox";

/// A command that starts it.
pub(crate) fn command() -> Command {
    let beside = std::env::current_exe().ok().map(|own| own.with_file_name(PROGRAM)).filter(|path| path.is_file());
    Command::new(beside.unwrap_or_else(|| PathBuf::from(PROGRAM)))
}

/// Becomes the sandbox; returns only if that fails.
pub(crate) fn run(words: &[String]) -> Result<u8, String> {
    let error = command().args(words).exec();
    Err(match error.kind() {
        std::io::ErrorKind::NotFound => {
            format!(
                "there is no {PROGRAM} beside this program or on the path; install it (cargo install --path hosts/sandbox)"
            )
        }
        _ => format!("cannot start {PROGRAM}: {error}"),
    })
}
