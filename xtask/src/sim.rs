//! `cargo xtask sim`: the simulated host's worlds, built for release.

use std::process::Command;

use crate::error::{Error, Result};
use crate::report;
use crate::workspace::Workspace;

const MEND_BUILD: &str = "install Rust so that `cargo` is on the PATH";
const MEND_RUN: &str =
    "the transcript that was written is run again by `cargo xtask sim --replay FILE`: mend what it shows, with a test";

/// What is run when nothing is said.
const SEEDS: &str = "10000";

/// Which worlds to run.
pub(crate) enum Options {
    /// Worlds of new seeds, with the arguments of `azall-sim explore`.
    Explore(Vec<String>),
    /// The world of a transcript.
    Replay(String),
}

impl Options {
    /// `[--seeds N] [--from S] [--minutes M] [--jobs J]`, or `--replay FILE`.
    pub(crate) fn parse(args: &[&str]) -> Result<Self> {
        if let ["--replay", file] = args {
            return Ok(Self::Replay((*file).to_owned()));
        }
        let mut passed = vec!["--seeds".to_owned(), SEEDS.to_owned()];
        let mut args = args.iter();
        while let Some(argument) = args.next() {
            if !matches!(*argument, "--seeds" | "--from" | "--minutes" | "--jobs") {
                return Err(Error::Usage(format!("`sim` does not know `{argument}`")));
            }
            let value = args.next().filter(|value| value.parse::<u64>().is_ok());
            let value = value.ok_or_else(|| Error::Usage(format!("{argument} wants a whole number")))?;
            passed.extend([(*argument).to_owned(), (*value).to_owned()]);
        }
        Ok(Self::Explore(passed))
    }

    fn arguments(&self) -> Vec<&str> {
        match self {
            Self::Explore(passed) => std::iter::once("explore").chain(passed.iter().map(String::as_str)).collect(),
            Self::Replay(file) => vec!["replay", file],
        }
    }
}

/// Builds the simulator and runs it. The first world that fails ends the run.
pub(crate) fn run(workspace: &Workspace, options: &Options) -> Result<()> {
    let mut build = workspace.cargo(["build", "--release", "--package", "azall-sim"]);
    report::require("build the simulator", &mut build, MEND_BUILD)?;
    let binary = workspace.target.join("release").join(format!("azall-sim{}", std::env::consts::EXE_SUFFIX));
    let mut simulate = Command::new(binary);
    simulate.args(options.arguments());
    report::require("simulated worlds", &mut simulate, MEND_RUN)?;
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn options_are_read() {
        let arguments = |args: &[&str]| Options::parse(args).map(|options| options.arguments().join(" ")).unwrap();
        assert_eq!(arguments(&[]), "explore --seeds 10000");
        assert_eq!(arguments(&["--minutes", "3"]), "explore --seeds 10000 --minutes 3");
        assert_eq!(arguments(&["--replay", "f"]), "replay f");
        for bad in [&["--seeds"][..], &["--seeds", "x"], &["--fast"], &["--replay"]] {
            assert!(Options::parse(bad).is_err(), "{bad:?}");
        }
    }
}
