//! `sandbox`: handed on, as it is, to the program that is one.

use clap::Args;

#[derive(Debug, Args)]
#[command(disable_help_flag = true)]
pub(crate) struct SandboxArgs {
    /// Limits, then `--`, then a command; `azall sandbox --help` lists the limits
    #[arg(trailing_var_arg = true, allow_hyphen_values = true, value_name = "ARGUMENTS")]
    pub(crate) words: Vec<String>,
}
