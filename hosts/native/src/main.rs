//! The `azall` command.

use std::process::ExitCode;

/// Worker threads allocate side by side: the system's allocator spends a tenth of a large listing growing their arenas.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

fn main() -> ExitCode {
    ExitCode::from(azall::cli::run(std::env::args_os()))
}
