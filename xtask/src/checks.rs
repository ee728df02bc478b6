//! `cargo xtask test`: every check and test. A failure does not end the run, so that one run shows everything.

use std::path::{Path, PathBuf};
use std::process::{Command, ExitCode};
use std::time::{Duration, Instant};

use crate::counts::Counts;
use crate::error::Result;
use crate::language_checks::{self, Languages};
use crate::node;
use crate::packages;
use crate::python::Environment;
use crate::python_package;
use crate::report;
use crate::tools::Tools;
use crate::wasm::{self, Toolchain, WASI};
use crate::workspace::Workspace;

const MEND_COMPONENT: &str = "install the component (rustup component add rustfmt clippy)";
const MEND_CARGO: &str = "install Rust so that `cargo` is on the PATH";
const MEND_SETUP: &str = "run `cargo xtask setup`";

/// How a step's output is counted.
pub(crate) type Count = fn(&str) -> Counts;

/// Runs everything and prints the table of steps, and the counts alone on the last line.
pub(crate) fn run(workspace: &Workspace) -> Result<ExitCode> {
    let start = Instant::now();
    let mut checks = Checks::default();
    rust_checks(workspace, &mut checks);
    let web = WebBuild::make(workspace);
    match Environment::ensure(workspace) {
        Ok(environment) => python_checks(workspace, &environment, web.is_ok(), &mut checks),
        Err(error) => checks.could_not("Python environment", &error.to_string()),
    }
    if let Err(error) = web.and_then(|web| web_checks(workspace, &web, &mut checks)) {
        checks.could_not("JavaScript packages", &error.to_string());
    }
    Ok(checks.summarize(start.elapsed()))
}

/// The tests of the JavaScript packages alone, beside the programs that a whole run has built.
pub(crate) fn run_web(workspace: &Workspace) -> Result<ExitCode> {
    let start = Instant::now();
    let mut checks = Checks::default();
    web_checks(workspace, &WebBuild::make(workspace)?, &mut checks)?;
    Ok(checks.summarize(start.elapsed()))
}

fn rust_checks(workspace: &Workspace, checks: &mut Checks) {
    let none: Count = |_| Counts::default();
    let tests: Count = Counts::of_cargo_test;
    checks.step("rustfmt", workspace.cargo(["fmt", "--all", "--check"]), none, MEND_COMPONENT);
    let mut clippy = workspace.cargo(["clippy", "--workspace", "--all-targets", "--all-features"]);
    clippy.args(["--", "--deny", "warnings"]);
    checks.step("clippy", clippy, none, MEND_COMPONENT);
    let mut doc = workspace.cargo(["doc", "--workspace", "--all-features", "--no-deps"]);
    doc.env("RUSTDOCFLAGS", "--deny warnings");
    checks.step("cargo doc", doc, none, MEND_CARGO);
    let mut all = workspace.cargo(["test", "--workspace", "--all-features", "--no-fail-fast"]);
    // Tested in release below: a compiler built without optimization takes ten times as long.
    all.args(["--exclude", "azall-sim", "--exclude", "azall-sandbox"]);
    checks.step("cargo test", all, tests, MEND_CARGO);
    // Thousands of crashes: unoptimized they take ten times as long as the compiler.
    let worlds = ["test", "--release", "--package", "azall-sim", "--no-fail-fast"];
    checks.step("simulated worlds", workspace.cargo(worlds), tests, MEND_CARGO);
    let corpora = ["test", "--manifest-path", "core/fuzz/Cargo.toml", "--no-fail-fast"];
    checks.step("fuzz corpora", workspace.cargo(corpora), tests, MEND_CARGO);
}

/// What made the JavaScript packages, which are made now.
struct WebBuild {
    toolchain: Toolchain,
    tools: Tools,
}

impl WebBuild {
    /// Makes the packages, if they are not as they would be made now.
    fn make(workspace: &Workspace) -> Result<Self> {
        let made = Self { toolchain: Toolchain::ensure()?, tools: Tools::ensure(workspace)? };
        packages::build_all(workspace, &made.toolchain, &made.tools)?;
        Ok(made)
    }
}

fn python_checks(workspace: &Workspace, environment: &Environment, has_packages: bool, checks: &mut Checks) {
    let none: Count = |_| Counts::default();
    let folders = [
        ("interop", workspace.interop()),
        ("scenarios", workspace.scenarios()),
        ("packages", language_checks::folder(workspace)),
        ("package", python_package::folder(workspace)),
    ];
    for (name, folder) in folders {
        let module = |module, args: &[&'static str]| environment.module(&folder, module, args.iter().copied());
        let format = module("ruff", &["format", "--check", "--no-cache", "."]);
        checks.step(&format!("ruff format, {name}"), format, none, MEND_SETUP);
        checks.step(&format!("ruff, {name}"), module("ruff", &["check", "--no-cache", "."]), none, MEND_SETUP);
        let mut mypy = module("mypy", &["--strict", "--cache-dir"]);
        mypy.arg(workspace.cache.join("mypy")).arg(".");
        checks.step(&format!("mypy, {name}"), mypy, none, MEND_SETUP);
    }
    if !checks.step("build azall", workspace.build_azall(), none, MEND_CARGO) {
        checks.could_not("interop", "there is no azall binary to test");
        checks.could_not("scenarios", "there is no azall binary to test");
        return;
    }
    let pytest = |folder: &Path| {
        let mut pytest = environment.module(folder, "pytest", ["-q", "--durations=5", "-p", "no:cacheprovider"]);
        pytest.env("AZALL_BIN", workspace.azall());
        pytest
    };
    checks.step("interop", pytest(&workspace.interop()), Counts::of_pytest, MEND_SETUP);
    let module = build_wasm(workspace, checks);
    let languages = Languages { workspace, environment };
    let ready = languages.build(has_packages, checks);
    let is_whole = module.is_some();
    match module {
        Some(module) => {
            let mut scenarios = languages.with(ready, pytest(&workspace.scenarios()));
            scenarios.env("AZALL_WASM", module).env("AZALL_SANDBOX", workspace.sandbox());
            checks.step("scenarios", scenarios, Counts::of_pytest, MEND_SETUP);
        }
        None => checks.could_not("scenarios", "there is no azall.wasm to test, or nothing to run it"),
    }
    languages.test_each(ready, checks);
    languages.test_together(ready, is_whole, checks);
}

/// `azall.wasm`, and the sandbox to run it in.
fn build_wasm(workspace: &Workspace, checks: &mut Checks) -> Option<PathBuf> {
    let none: Count = |_| Counts::default();
    let toolchain = match Toolchain::ensure() {
        Ok(toolchain) => toolchain,
        Err(error) => {
            checks.could_not("WebAssembly targets", &error.to_string());
            return None;
        }
    };
    let is_built = checks.step("build azall.wasm", toolchain.build_azall(workspace), none, MEND_CARGO);
    // Its tests build the program too; by itself it would be built with other features, all of the compiler in it a second time.
    let tests = ["test", "--profile", "sandbox", "--package", "azall-sandbox", "--no-fail-fast"];
    let has_sandbox = checks.step("sandbox", workspace.cargo(tests), Counts::of_cargo_test, MEND_CARGO);
    let publish = || wasm::publish_sandbox(workspace).and_then(|()| toolchain.publish_azall(workspace));
    match (is_built && has_sandbox).then(publish).transpose() {
        Ok(module) => module,
        Err(error) => {
            checks.could_not("azall.wasm", &error.to_string());
            None
        }
    }
}

/// The JavaScript packages, in Node and in Chromium.
fn web_checks(workspace: &Workspace, web: &WebBuild, checks: &mut Checks) -> Result<()> {
    let mut build = web.toolchain.cargo(workspace, "test", WASI);
    build.args(["--package", "azall-core", "--test", "vectors", "--no-run"]);
    let built = checks.output("build the vectors for WASI", build, |_| Counts::default(), MEND_CARGO);
    let mut node = node::node()?;
    node.current_dir(&workspace.root)
        .args(["--test", "--test-reporter=spec"])
        .args(node::test_files(workspace)?)
        .env("AZALL_BIN", workspace.azall())
        .env("AZALL_WASM", workspace.azall_wasm())
        .env("AZALL_WASI_VECTORS", built.as_deref().and_then(executable).unwrap_or_default())
        .env("AZALL_WASM_PACKAGES", packages::folder(workspace, ""))
        .env("AZALL_NODE_MODULES", web.tools.modules.folder())
        .env("AZALL_CHROMIUM", node::chromium()?)
        .env("NODE_NO_WARNINGS", "1");
    checks.step("JavaScript packages", node, Counts::of_node_test, MEND_SETUP);
    Ok(())
}

/// The program that cargo says it built, on a line such as `Executable tests/vectors.rs (target/.../vectors-0123.wasm)`.
fn executable(output: &str) -> Option<&str> {
    let line = output.lines().find(|line| line.contains("Executable"))?;
    Some(line.split_once('(')?.1.split_once(')')?.0)
}

/// One line of the table.
struct Row {
    step: String,
    passed: bool,
    counts: Counts,
    time: Duration,
}

/// The steps so far.
#[derive(Default)]
pub(crate) struct Checks {
    rows: Vec<Row>,
}

impl Checks {
    /// Runs a step and says whether it passed.
    pub(crate) fn step(&mut self, step: &str, command: Command, count: Count, mend: &str) -> bool {
        self.output(step, command, count, mend).is_some()
    }

    /// Runs a step and gives what it printed, if it passed.
    fn output(&mut self, step: &str, mut command: Command, count: Count, mend: &str) -> Option<String> {
        match report::run(step, &mut command, mend) {
            Ok(finished) => {
                let mut counts = count(&finished.output);
                let passed = finished.status.success();
                // A check without tests of its own, or tests that do not compile, must show in the sum.
                if !passed && counts.failed == 0 {
                    counts += Counts::ONE_FAILED;
                }
                self.rows.push(Row { step: step.to_owned(), passed, counts, time: finished.time });
                passed.then_some(finished.output)
            }
            Err(error) => {
                self.could_not(step, &error.to_string());
                None
            }
        }
    }

    /// Notes a step that could not be run at all, as a failure.
    pub(crate) fn could_not(&mut self, step: &str, why: &str) {
        println!("{}", report::styled("31", &format!("{step}: {why}")));
        self.rows.push(Row { step: step.to_owned(), passed: false, counts: Counts::ONE_FAILED, time: Duration::ZERO });
    }

    /// Notes a failure of what is no command, and says whether it went well.
    pub(crate) fn done(&mut self, step: &str, outcome: Result<()>) -> bool {
        outcome.inspect_err(|error| self.could_not(step, &error.to_string())).is_ok()
    }

    fn summarize(&self, time: Duration) -> ExitCode {
        let mut sum = Counts::default();
        report::heading("summary");
        for row in &self.rows {
            sum += row.counts;
            let verdict = if row.passed { report::styled("32", "ok    ") } else { report::styled("31", "FAILED") };
            let counts = if row.counts.is_empty() { String::new() } else { row.counts.to_string() };
            println!("    {:<20} {verdict} {:>9}  {counts}", row.step, report::seconds(row.time));
        }
        println!("    {:<20}        {:>9}", "in all", report::seconds(time));
        println!("{sum}");
        if self.rows.iter().all(|row| row.passed) { ExitCode::SUCCESS } else { ExitCode::FAILURE }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_built_program_is_found() {
        let output = "   Compiling a\n  Executable tests/vectors.rs (/t/deps/vectors-01.wasm)\n";
        assert_eq!(executable(output), Some("/t/deps/vectors-01.wasm"));
        assert_eq!(executable("    Finished"), None);
    }
}
