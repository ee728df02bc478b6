//! The Python package, `hosts/python`, in the source tree: its extension built and put in its place, so that it can be imported there.

use std::fs;
use std::path::PathBuf;
use std::process::Command;

use crate::error::{Error, Result};
use crate::workspace::Workspace;

/// What cargo makes of the extension.
const BUILT: &str = if cfg!(target_os = "macos") {
    "lib_core.dylib"
} else if cfg!(windows) {
    "_core.dll"
} else {
    "lib_core.so"
};

/// What Python loads.
const LOADED: &str = if cfg!(windows) { "_core.pyd" } else { "_core.abi3.so" };

/// The folder of the package.
pub(crate) fn folder(workspace: &Workspace) -> PathBuf {
    workspace.root.join("hosts").join("python")
}

/// The command that builds the extension.
pub(crate) fn build(workspace: &Workspace) -> Command {
    workspace.cargo(["build", "--profile", "addon", "--package", "azall-python"])
}

/// Puts the built extension where Python looks for it.
pub(crate) fn publish(workspace: &Workspace) -> Result<()> {
    let built = workspace.target.join("addon").join(BUILT);
    let loaded = folder(workspace).join("azall").join(LOADED);
    // By another name first: one that is loaded cannot be written over.
    let fresh = loaded.with_extension("new");
    fs::copy(&built, &fresh).and_then(|_| fs::rename(&fresh, &loaded)).map_err(Error::file("copy", &built))
}
