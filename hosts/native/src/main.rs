//! The `azall` command.

use std::process::ExitCode;

fn main() -> ExitCode {
    ExitCode::from(azall::cli::run(std::env::args_os()))
}
