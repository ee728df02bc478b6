//! `cargo xtask bench`: azall beside the reference. The client: builds what the comparison in `tests/interop/compare.py` needs,
//! and runs it. The relay: builds the load tool, `tests/load`, and runs it. WebAssembly: signatures beside native ones and Node's own.

use std::fs;
use std::process::Command;

use crate::error::{Error, Result};
use crate::node;
use crate::node_package;
use crate::packages;
use crate::python::Environment;
use crate::python_package;
use crate::report;
use crate::tools::Tools;
use crate::wasm::Toolchain;
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
    Wasm,
    Python,
    Node,
}

impl Options {
    /// `[relay] [--quick]`, or `wasm`, `python` or `node`.
    pub(crate) fn parse(args: &[&str]) -> Result<Self> {
        let (subject, rest) = match args {
            ["wasm"] => return Ok(Self { subject: Subject::Wasm, quick: false }),
            ["python"] => return Ok(Self { subject: Subject::Python, quick: false }),
            ["node"] => return Ok(Self { subject: Subject::Node, quick: false }),
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

/// Builds what measures and what is measured, for release, and runs the comparison.
pub(crate) fn run(workspace: &Workspace, options: &Options) -> Result<()> {
    let mut compare = match options.subject {
        Subject::Client => client(workspace, &with_azall(workspace)?, options.quick)?,
        Subject::Relay => relay(workspace, &with_azall(workspace)?, options.quick)?,
        Subject::Wasm => wasm(workspace)?,
        Subject::Python => python(workspace, &with_azall(workspace)?)?,
        Subject::Node => node_package(workspace)?,
    };
    report::require("compare", &mut compare, MEND_BENCH)
}

/// The Python environment, with azall built beside it.
fn with_azall(workspace: &Workspace) -> Result<Environment> {
    let environment = Environment::ensure(workspace)?;
    report::require("build azall", &mut workspace.build_azall(), MEND_BUILD)?;
    Ok(environment)
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

/// The Python package beside PyNaCl and the reference client.
fn python(workspace: &Workspace, environment: &Environment) -> Result<Command> {
    report::require("build the extension", &mut python_package::build(workspace), MEND_BUILD)?;
    python_package::publish(workspace)?;
    let mut bench = Command::new(environment.python());
    bench.arg("bench.py").arg(environment.python()).current_dir(python_package::folder(workspace));
    bench.env("AZALL_BIN", workspace.azall());
    Ok(bench)
}

/// The Node package, over both of its cores.
fn node_package(workspace: &Workspace) -> Result<Command> {
    packages::build_all(workspace, &Toolchain::ensure()?, &Tools::ensure(workspace)?)?;
    node_package::ready(workspace)?;
    report::require("build azall", &mut workspace.build_azall(), MEND_BUILD)?;
    let mut bench = node_package::npm(workspace, ["run", "--silent", "bench"]);
    bench.env("AZALL_BIN", workspace.azall());
    Ok(bench)
}

fn wasm(workspace: &Workspace) -> Result<Command> {
    let tools = Tools::ensure(workspace)?;
    packages::build_all(workspace, &Toolchain::ensure()?, &tools)?;
    let mut build = workspace.cargo(["build", "--release", "--package", "azall-bindings", "--example", "signatures"]);
    report::require("build the native signatures", &mut build, MEND_BUILD)?;
    let program = format!("signatures{}", std::env::consts::EXE_SUFFIX);
    let mut bench = node::node()?;
    bench
        .arg(workspace.web_tests().join("bench.mjs"))
        .env("AZALL_SIGNATURES", workspace.azall().with_file_name("examples").join(program))
        .env("AZALL_WASM_PACKAGES", packages::folder(workspace, ""))
        .env("AZALL_NODE_MODULES", tools.modules.folder());
    Ok(bench)
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
        assert_eq!(parsed(&["wasm"]), Options { subject: Subject::Wasm, quick: false });
        assert!(Options::parse(&["--slow"]).is_err() && Options::parse(&["relay", "--slow"]).is_err());
    }
}
