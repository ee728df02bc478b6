//! `cargo xtask bench`: builds what the comparison in `tests/interop/compare.py` needs, and runs it.

use crate::error::{Error, Result};
use crate::python::Environment;
use crate::report;
use crate::workspace::Workspace;

const MEND_BUILD: &str = "read the compiler's message above";
const MEND_BENCH: &str = "read the message above; `cargo xtask test` tells whether azall works at all";

/// How thorough to be.
pub(crate) struct Options {
    quick: bool,
}

impl Options {
    /// `[--quick]`.
    pub(crate) fn parse(args: &[&str]) -> Result<Self> {
        match args {
            [] => Ok(Self { quick: false }),
            ["--quick"] => Ok(Self { quick: true }),
            [unknown, ..] => Err(Error::Usage(format!("`bench` does not know `{unknown}`"))),
        }
    }
}

/// Builds azall and the program that measures rates for release, and runs the comparison.
pub(crate) fn run(workspace: &Workspace, options: &Options) -> Result<()> {
    let environment = Environment::ensure(workspace)?;
    report::require("build azall", &mut workspace.build_azall(), MEND_BUILD)?;
    let mut build = workspace.cargo(["build", "--quiet", "--release", "--package", "azall-core", "--example", "rates"]);
    report::require("build the rates", &mut build, MEND_BUILD)?;
    let mut compare = std::process::Command::new(environment.python());
    compare
        .arg(workspace.interop().join("compare.py"))
        .env("AZALL_BIN", workspace.azall())
        .env("AZALL_RATES", workspace.azall().with_file_name("examples").join("rates"));
    if options.quick {
        compare.env("AZALL_BENCH_QUICK", "1");
    }
    report::require("compare", &mut compare, MEND_BENCH)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn options_are_read() {
        assert!(Options::parse(&["--quick"]).unwrap().quick);
        assert!(!Options::parse(&[]).unwrap().quick);
        assert!(Options::parse(&["--slow"]).is_err());
    }
}
