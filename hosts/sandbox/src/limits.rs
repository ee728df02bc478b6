//! What a program in the sandbox may use.

use std::time::Duration;

use clap::Args;

const MIB: u64 = 1 << 20;

/// The most memory of the runtime itself, the compiler's above all. azall is compiled in a tenth of it.
const RUNTIME_BYTES: u64 = 1 << 30;

/// The bounds of one run. Whatever reaches one is ended with an error that names it.
#[derive(Args, Clone, Copy, Debug)]
pub(crate) struct Limits {
    /// The most memory, in MiB
    #[arg(long, default_value_t = 256, value_name = "MIB", value_parser = clap::value_parser!(u32).range(1..=4096))]
    pub(crate) memory: u32,
    /// The longest time of computing, in seconds
    #[arg(long, default_value_t = 10, value_name = "SECONDS", value_parser = clap::value_parser!(u32).range(1..=86_400))]
    pub(crate) time: u32,
    /// The longest time in all, compiling and waiting included, in seconds
    #[arg(long, default_value_t = 120, value_name = "SECONDS", value_parser = clap::value_parser!(u32).range(1..=86_400))]
    pub(crate) wall: u32,
    /// The most output on each stream, in MiB
    #[arg(long, default_value_t = 8, value_name = "MIB", value_parser = clap::value_parser!(u32).range(1..=1024))]
    pub(crate) output: u32,
    /// The largest file that it may write, in MiB
    #[arg(long, default_value_t = 64, value_name = "MIB", value_parser = clap::value_parser!(u32).range(1..=4096))]
    pub(crate) file: u32,
}

impl Limits {
    pub(crate) fn memory_bytes(self) -> usize {
        usize::try_from(u64::from(self.memory) * MIB).unwrap_or(usize::MAX)
    }

    /// What this process may use in all. Output is kept until the end, in a buffer that doubles, and copied to be printed.
    pub(crate) fn process_bytes(self) -> u64 {
        RUNTIME_BYTES + (u64::from(self.memory) + 6 * u64::from(self.output)) * MIB
    }

    pub(crate) fn output_bytes(self) -> usize {
        usize::try_from(u64::from(self.output) * MIB).unwrap_or(usize::MAX)
    }

    pub(crate) fn file_bytes(self) -> u64 {
        u64::from(self.file) * MIB
    }

    pub(crate) fn compute_time(self) -> Duration {
        Duration::from_secs(u64::from(self.time))
    }

    pub(crate) fn wall_time(self) -> Duration {
        Duration::from_secs(u64::from(self.wall))
    }
}
