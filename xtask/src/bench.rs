//! `cargo xtask bench`: azall beside the reference. The client: builds what the comparison in `tests/interop/compare.py` needs,
//! and runs it. The relay: builds the load tool, `tests/load`, and runs it.

use std::fs;
use std::process::Command;

use crate::error::{Error, Result};
use crate::python::Environment;
use crate::report;
use crate::workspace::Workspace;

const MEND_BUILD: &str = "read the compiler's message above";
const MEND_BENCH: &str = "read the message above; `cargo xtask test` tells whether azall works at all";

/// What to measure, and how thorough to be.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Options {
    subject: Subject,
    quick: bool,
}

#[derive(Debug, PartialEq, Eq)]
enum Subject {
    Client,
    Relay,
}

impl Options {
    /// `[relay] [--quick]`.
    pub(crate) fn parse(args: &[&str]) -> Result<Self> {
        let (subject, rest) = match args {
            ["relay", rest @ ..] => (Subject::Relay, rest),
            rest => (Subject::Client, rest),
        };
        match rest {
            [] => Ok(Self { subject, quick: false }),
            ["--quick"] => Ok(Self { subject, quick: true }),
            [unknown, ..] => Err(Error::Usage(format!("`bench` does not know `{unknown}`"))),
        }
    }
}

/// Builds azall and the program that measures for release, and runs the comparison.
pub(crate) fn run(workspace: &Workspace, options: &Options) -> Result<()> {
    let environment = Environment::ensure(workspace)?;
    report::require("build azall", &mut workspace.build_azall(), MEND_BUILD)?;
    let mut compare = match options.subject {
        Subject::Client => client(workspace, &environment, options.quick)?,
        Subject::Relay => relay(workspace, &environment, options.quick)?,
    };
    report::require("compare", &mut compare, MEND_BENCH)
}

fn client(workspace: &Workspace, environment: &Environment, quick: bool) -> Result<Command> {
    let mut build = workspace.cargo(["build", "--quiet", "--release", "--package", "azall-core", "--example", "rates"]);
    report::require("build the rates", &mut build, MEND_BUILD)?;
    let mut compare = Command::new(environment.python());
    compare
        .arg(workspace.interop().join("compare.py"))
        .env("AZALL_BIN", workspace.azall())
        .env("AZALL_RATES", workspace.azall().with_file_name("examples").join("rates"));
    if quick {
        compare.env("AZALL_BENCH_QUICK", "1");
    }
    Ok(compare)
}

fn relay(workspace: &Workspace, environment: &Environment, quick: bool) -> Result<Command> {
    let mut build = workspace.cargo(["build", "--quiet", "--release", "--package", "azall-load"]);
    report::require("build the load tool", &mut build, MEND_BUILD)?;
    // Beside what is built: the temporary folder of a system may lie in memory.
    let folder = workspace.target.join("bench");
    fs::create_dir_all(&folder).map_err(Error::file("make", &folder))?;
    let mut load =
        Command::new(workspace.azall().with_file_name(format!("azall-load{}", std::env::consts::EXE_SUFFIX)));
    load.arg("--azall").arg(workspace.azall()).arg("--python").arg(environment.python()).arg("--folder").arg(folder);
    if quick {
        load.arg("--quick");
    }
    Ok(load)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn options_are_read() {
        let parsed = |args: &[&str]| Options::parse(args).unwrap();
        assert_eq!(parsed(&[]), Options { subject: Subject::Client, quick: false });
        assert_eq!(parsed(&["--quick"]), Options { subject: Subject::Client, quick: true });
        assert_eq!(parsed(&["relay", "--quick"]), Options { subject: Subject::Relay, quick: true });
        assert!(Options::parse(&["--slow"]).is_err() && Options::parse(&["relay", "--slow"]).is_err());
    }
}
