//! The tools that make packages of compiled modules: `wasm-bindgen`, and binaryen's `wasm-opt`. They are kept in the cache.

use std::fs;
use std::path::PathBuf;
use std::process::{Command, Stdio};

use crate::error::{Error, Result};
use crate::node::Modules;
use crate::report;
use crate::workspace::Workspace;

const MEND_BINDGEN: &str = "check the network, then run `cargo xtask setup` again";

/// What turns a compiled module into a package.
pub(crate) struct Tools {
    /// `wasm-bindgen`.
    pub(crate) bindgen: PathBuf,
    /// Its version, which the compiled modules must be of.
    pub(crate) bindgen_version: String,
    /// The packages for Node, binaryen among them.
    pub(crate) modules: Modules,
    /// What `wasm-opt` says of itself.
    pub(crate) optimizer_version: String,
}

impl Tools {
    /// Installs what is missing: the `wasm-bindgen` of the version in `Cargo.lock`, and binaryen.
    pub(crate) fn ensure(workspace: &Workspace) -> Result<Self> {
        let bindgen_version = locked_version(workspace, "wasm-bindgen")?;
        let tools = workspace.cache.join("tools");
        let bindgen = tools.join("bin").join(format!("wasm-bindgen{}", std::env::consts::EXE_SUFFIX));
        if said_version(Command::new(&bindgen)) != format!("wasm-bindgen {bindgen_version}") {
            let mut install =
                workspace.cargo(["install", "--force", "wasm-bindgen-cli", "--version", &bindgen_version]);
            install.arg("--root").arg(&tools);
            report::require("install wasm-bindgen", &mut install, MEND_BINDGEN)?;
        } else {
            println!("wasm-bindgen: ready ({bindgen_version})");
        }
        let modules = Modules::ensure(workspace)?;
        let optimizer_version = said_version(modules.program("wasm-opt"));
        Ok(Self { bindgen, bindgen_version, modules, optimizer_version })
    }
}

/// The first line that a program says about its version; empty when there is no such program.
fn said_version(mut program: Command) -> String {
    let said = program.arg("--version").stderr(Stdio::null()).output().map(|it| it.stdout).unwrap_or_default();
    String::from_utf8_lossy(&said).lines().next().unwrap_or_default().trim().to_owned()
}

/// The version of a package in `Cargo.lock`.
fn locked_version(workspace: &Workspace, package: &str) -> Result<String> {
    let path = workspace.root.join("Cargo.lock");
    let lock = fs::read_to_string(&path).map_err(Error::file("read", &path))?;
    let name = format!("name = \"{package}\"");
    let mut lines = lock.lines().skip_while(|line| *line != name).skip(1);
    let version = lines.next().and_then(|line| line.strip_prefix("version = \"")?.strip_suffix('"'));
    version.map(str::to_owned).ok_or_else(|| Error::Usage(format!("Cargo.lock has no {package}")))
}
