//! `sandbox`: handed on, as it is, to the program that is one.

use clap::Args;

#[derive(Debug, Args)]
#[command(after_help = "Limits and places, before the `--`:
  --folder FOLDER       the only folder that is visible; to the program it is `/` [default: .]
  --cwd PATH            the folder in there that relative paths count from [default: /]
  --env NAME=VALUE      a variable that the program sees; none of this process's own is passed on
  --module FILE         a program (WASI preview 1) to run instead of azall itself
  --memory MIB          the most memory [default: 256]
  --time SECONDS        the longest time of computing [default: 10]
  --wall SECONDS        the longest time in all, compiling and waiting included [default: 120]
  --output MIB          the most output on each stream [default: 8]
  --file MIB            the largest file that it may write [default: 64]

There is no network: what is sent is queued, and a daemon outside delivers it,
by a config outside: the program can change the one in its folder.

Examples:
  azall sandbox -- remember --text \"The API uses OAuth2\"
  azall sandbox --folder agents/mallory --time 5 -- inbox --offline
  azall sandbox --module count.wasm --memory 64 -- some arguments")]
pub(crate) struct SandboxArgs {
    /// Limits, then `--`, then a command
    #[arg(trailing_var_arg = true, allow_hyphen_values = true, value_name = "ARGUMENTS")]
    pub(crate) words: Vec<String>,
}
