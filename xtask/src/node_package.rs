//! The Node package, `hosts/node`, in the source tree: compiled, with its addon and its WebAssembly build beside it, so that it can be
//! imported there and packed.

use std::path::{Path, PathBuf};
use std::process::Command;

use crate::error::Result;
use crate::packages;
use crate::report;
use crate::workspace::Workspace;

const MEND_NPM: &str =
    "install Node 20 or later with npm (Debian: apt-get install nodejs npm), and see npm's message above";
const MEND_BUILD: &str = "see the compiler's message above";

/// What cargo makes of the addon.
const BUILT: &str = if cfg!(target_os = "macos") {
    "libazall_node.dylib"
} else if cfg!(windows) {
    "azall_node.dll"
} else {
    "libazall_node.so"
};

/// The folder of the package.
pub(crate) fn folder(workspace: &Workspace) -> PathBuf {
    workspace.root.join("hosts").join("node")
}

/// npm, in the package's folder.
pub(crate) fn npm<'a>(workspace: &Workspace, words: impl IntoIterator<Item = &'a str>) -> Command {
    let mut npm = Command::new("npm");
    npm.args(words).current_dir(folder(workspace)).env("npm_config_update_notifier", "false");
    npm
}

/// The command that builds the addon.
pub(crate) fn build(workspace: &Workspace) -> Command {
    workspace.cargo(["build", "--profile", "addon", "--package", "azall-node"])
}

/// Compiles the package and puts both cores beside it. The addon and the WebAssembly build are there already.
pub(crate) fn publish(workspace: &Workspace) -> Result<()> {
    let mut install = npm(workspace, ["ci", "--ignore-scripts", "--no-audit", "--no-fund"]);
    report::require("install the Node package's tools", &mut install, MEND_NPM)?;
    report::require("compile the Node package", &mut npm(workspace, ["run", "--silent", "build"]), MEND_BUILD)?;
    let mut cores = Command::new("node");
    cores.args(["scripts/core.mjs", "--addon"]).arg(workspace.target.join("addon").join(BUILT));
    cores.arg("--wasm").arg(packages::folder(workspace, "pkg-node")).current_dir(folder(workspace));
    report::require("put the cores beside the Node package", &mut cores, MEND_BUILD)
}

/// Builds the addon and makes the package ready. The WebAssembly build is there already.
pub(crate) fn ready(workspace: &Workspace) -> Result<()> {
    report::require("build the Node addon", &mut build(workspace), MEND_BUILD)?;
    publish(workspace)
}

/// Packs the package, which is ready.
pub(crate) fn pack(workspace: &Workspace, into: &Path) -> Result<()> {
    pack_folder(&folder(workspace), into)
}

/// Packs any package that is ready.
pub(crate) fn pack_folder(package: &Path, into: &Path) -> Result<()> {
    let mut pack = Command::new("npm");
    pack.args(["pack", "--silent", "--ignore-scripts", "--pack-destination"]).arg(into).current_dir(package);
    report::require("pack a package for npm", &mut pack, MEND_NPM)
}
