//! The checks of the packages for other languages: built, linted, tested, and held to one another.

use std::path::PathBuf;
use std::process::Command;

use crate::checks::{Checks, Count};
use crate::counts::Counts;
use crate::dist;
use crate::node_package;
use crate::python::Environment;
use crate::python_package;
use crate::workspace::Workspace;

const MEND_CARGO: &str = "see the compiler's message above";
const MEND_SETUP: &str = "run `cargo xtask setup`";

/// What the packages need that was built before, and what is known of them so far.
pub(crate) struct Languages<'a> {
    pub(crate) workspace: &'a Workspace,
    pub(crate) environment: &'a Environment,
}

/// The packages that are ready to be used.
#[derive(Clone, Copy)]
pub(crate) struct Ready {
    pub(crate) python: bool,
    pub(crate) node: bool,
}

impl Languages<'_> {
    /// Builds both packages in the source tree. `has_wasm`: whether the WebAssembly packages are built.
    pub(crate) fn build(&self, has_wasm: bool, checks: &mut Checks) -> Ready {
        let none: Count = |_| Counts::default();
        let Self { workspace, environment } = *self;
        let python = checks.step("build the extension", python_package::build(workspace), none, MEND_CARGO)
            && checks.done("the extension", python_package::publish(workspace))
            && checks.done("the extension", environment.add_folder(&python_package::folder(workspace)));
        let node = checks.step("build the addon", node_package::build(workspace), none, MEND_CARGO);
        if !has_wasm {
            checks.could_not("Node package", "there is no WebAssembly build of it");
        }
        let node = node && has_wasm && checks.done("Node package", node_package::publish(workspace));
        Ready { python, node }
    }

    /// A command with the packages that are ready in its environment, and the native programs.
    pub(crate) fn with(&self, ready: Ready, mut command: Command) -> Command {
        let Self { workspace, environment } = *self;
        command.env("AZALL_BIN", workspace.azall());
        if ready.python {
            command.env("AZALL_PYTHON", environment.python());
        }
        if ready.node {
            let package = node_package::folder(workspace);
            command.env("AZALL_NODE", package.join("bin").join("azall.js")).env("AZALL_NODE_PACKAGE", package);
        }
        command
    }

    /// The linters and tests of each package by itself.
    pub(crate) fn test_each(&self, ready: Ready, checks: &mut Checks) {
        let Self { workspace, environment } = *self;
        if ready.python {
            let folder = python_package::folder(workspace);
            let module = |module, args: &[&'static str]| environment.module(&folder, module, args.iter().copied());
            let none: Count = |_| Counts::default();
            let mut pyright = module("pyright", &["--pythonpath"]);
            pyright.arg(environment.python());
            checks.step("pyright, package", pyright, none, MEND_SETUP);
            let programs = ["../../docs/cookbook/python", "../../examples/python"];
            let ruff = module("ruff", &[&["check", "--no-cache"], &programs[..]].concat());
            checks.step("ruff, cookbook", ruff, none, MEND_SETUP);
            let mut mypy = module("mypy", &[&["--strict"], &programs[..]].concat());
            mypy.arg("--cache-dir").arg(workspace.cache.join("mypy")).env("MYPYPATH", ".");
            checks.step("mypy, cookbook", mypy, none, MEND_SETUP);
            let pytest = module("pytest", &["-q", "--durations=5", "-p", "no:cacheprovider"]);
            let mut pytest = self.with(ready, pytest);
            pytest.env("AZALL_REFERENCE_PYTHON", environment.python());
            checks.step("Python package", pytest, Counts::of_pytest, MEND_SETUP);
        }
        if ready.node {
            let eslint = node_package::npm(workspace, ["run", "--silent", "lint"]);
            checks.step("eslint", eslint, |_| Counts::default(), MEND_SETUP);
            let test = self
                .with(ready, node_package::npm(workspace, ["run", "--silent", "test", "--", "--test-reporter=spec"]));
            checks.step("Node package", test, Counts::of_node_test, MEND_SETUP);
        }
    }

    /// Both packages by one contract, on one mailbox, and as they are installed. `is_whole`: whether the programs are built too.
    pub(crate) fn test_together(&self, ready: Ready, is_whole: bool, checks: &mut Checks) {
        if !(ready.python && ready.node) {
            checks.could_not("packages", "not both of them are there");
            return;
        }
        let Self { workspace, environment } = *self;
        let folder = folder(workspace);
        let pytest = |files: &[&'static str]| {
            let mut words = vec!["-q", "--durations=5", "-p", "no:cacheprovider"];
            words.extend(files);
            self.with(ready, environment.module(&folder, "pytest", words))
        };
        let together = pytest(&["test_contract.py", "test_one_mailbox.py"]);
        checks.step("packages", together, Counts::of_pytest, MEND_SETUP);
        if !is_whole {
            checks.could_not("installed", "not everything that people install is built");
        } else if checks.done("dist", dist::pack(workspace)) {
            let mut installed = pytest(&["test_dist.py"]);
            installed.env("AZALL_DIST", dist::folder(workspace));
            checks.step("installed", installed, Counts::of_pytest, MEND_SETUP);
        }
    }
}

/// Where the tests of the packages together lie.
pub(crate) fn folder(workspace: &Workspace) -> PathBuf {
    workspace.root.join("tests").join("packages")
}
