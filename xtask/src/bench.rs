//! `cargo xtask bench`: prepares what the comparison in `benches/compare` needs, and runs it.

use crate::error::{Error, Result};
use crate::python::Environment;
use crate::report;
use crate::workspace::Workspace;

const MEND_BUILD: &str = "read the compiler's message above";
const MEND_BENCH: &str = "read the message above; `cargo xtask test` tells whether azall works at all";

/// How thorough to be.
pub(crate) struct Options {
    runs: u32,
    quick: bool,
}

impl Options {
    /// `[--runs N] [--quick]`.
    pub(crate) fn parse(args: &[&str]) -> Result<Self> {
        let mut options = Self { runs: 5, quick: false };
        let mut args = args.iter();
        while let Some(argument) = args.next() {
            match *argument {
                "--quick" => options.quick = true,
                "--runs" => {
                    options.runs = args
                        .next()
                        .and_then(|value| value.parse().ok())
                        .filter(|runs| *runs > 0)
                        .ok_or_else(|| Error::Usage("--runs wants a whole number from 1 on".to_owned()))?;
                }
                unknown => return Err(Error::Usage(format!("`bench` does not know `{unknown}`"))),
            }
        }
        Ok(options)
    }
}

/// Builds azall and the comparison for release, and runs the comparison.
pub(crate) fn run(workspace: &Workspace, options: &Options) -> Result<()> {
    let environment = Environment::ensure(workspace)?;
    report::require("build azall", &mut workspace.build_azall(), MEND_BUILD)?;
    let mut bench = workspace.cargo(["bench", "--quiet", "--package", "xtask", "--bench", "compare"]);
    bench
        .env("AZALL_BENCH_AZALL", workspace.azall())
        .env("AZALL_BENCH_PYTHON", environment.python())
        .env("AZALL_BENCH_MAKE_MAILBOX", workspace.interop().join("make_mailbox.py"))
        .env("AZALL_BENCH_RUNS", options.runs.to_string())
        .env("AZALL_BENCH_MESSAGES", if options.quick { "1000" } else { "10000" })
        .env("AZALL_BENCH_WAITING", if options.quick { "200" } else { "2000" });
    report::require("compare", &mut bench, MEND_BENCH)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn options_are_read() {
        let options = Options::parse(&["--quick", "--runs", "3"]).unwrap();
        assert_eq!((options.runs, options.quick), (3, true));
        for bad in [&["--runs"][..], &["--runs", "0"], &["extra"]] {
            assert!(Options::parse(bad).is_err(), "{bad:?}");
        }
    }
}
