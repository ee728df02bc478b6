//! Tools that cargo and npm install into the cache: those that make packages of compiled modules (`wasm-bindgen`, binaryen's `wasm-opt`),
//! and the one that lists what they are made of.

use std::fs;
use std::path::PathBuf;
use std::process::{Command, Stdio};

use crate::error::{Error, Result};
use crate::node::Modules;
use crate::report;
use crate::workspace::Workspace;

const MEND_INSTALL: &str = "check the network, then run the same again";

/// The version of cargo-sbom.
const SBOM_VERSION: &str = "0.10.0";

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
        let bindgen = installed(workspace, "wasm-bindgen", "wasm-bindgen-cli", &bindgen_version)?;
        let modules = Modules::ensure(workspace)?;
        let optimizer_version = said_version(modules.program("wasm-opt"));
        Ok(Self { bindgen, bindgen_version, modules, optimizer_version })
    }
}

/// The program that lists what a workspace is made of.
pub(crate) fn sbom(workspace: &Workspace) -> Result<PathBuf> {
    installed(workspace, "cargo-sbom", "cargo-sbom", SBOM_VERSION)
}

/// A program of a crate, of this version and no other: installed if it is not there.
fn installed(workspace: &Workspace, program: &str, package: &str, version: &str) -> Result<PathBuf> {
    let tools = workspace.cache.join("tools");
    let path = tools.join("bin").join(format!("{program}{}", std::env::consts::EXE_SUFFIX));
    if said_version(Command::new(&path)) == format!("{program} {version}") {
        println!("{program}: ready ({version})");
        return Ok(path);
    }
    let mut install = workspace.cargo(["install", "--force", package, "--version", version]);
    install.arg("--root").arg(&tools);
    report::require(&format!("install {program}"), &mut install, MEND_INSTALL)?;
    Ok(path)
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
