//! Where things lie: the source tree, cargo's target folder, the cache; and how cargo is called there.

use std::env;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use crate::error::{Error, Result};
use crate::report;

/// The places that every task works in.
pub(crate) struct Workspace {
    /// The root of the source tree.
    pub(crate) root: PathBuf,
    /// Where cargo builds.
    pub(crate) target: PathBuf,
    /// Where tools are kept between runs.
    pub(crate) cache: PathBuf,
}

impl Workspace {
    /// Finds the places, and makes the cache.
    pub(crate) fn locate() -> Result<Self> {
        // As cargo tells it at run time: the binary may have been built from another clone that shares its target folder.
        let built_in = env!("CARGO_MANIFEST_DIR");
        let manifest = env::var_os("CARGO_MANIFEST_DIR").map_or_else(|| built_in.into(), PathBuf::from);
        let root = manifest.parent().unwrap_or(&manifest).to_path_buf();
        let target = match env::var_os("CARGO_TARGET_DIR") {
            Some(dir) => env::current_dir().unwrap_or_else(|_| root.clone()).join(dir),
            None => root.join("target"),
        };
        let cache = cache_folder()?;
        fs::create_dir_all(&cache).map_err(Error::file("make the cache", &cache))?;
        Ok(Self { root, target, cache })
    }

    /// cargo, in the source tree, building where this run builds.
    pub(crate) fn cargo<'a>(&self, args: impl IntoIterator<Item = &'a str>) -> Command {
        let mut command = Command::new(env::var_os("CARGO").unwrap_or_else(|| "cargo".into()));
        command.args(args).current_dir(&self.root).env("CARGO_TARGET_DIR", &self.target);
        for name in cargo_run_variables() {
            command.env_remove(name);
        }
        if report::stdout_is_terminal() {
            command.env("CARGO_TERM_COLOR", "always");
        }
        command
    }

    /// The command that builds the `azall` binary for release.
    pub(crate) fn build_azall(&self) -> Command {
        self.cargo(["build", "--release", "--package", "azall"])
    }

    /// The `azall` binary that [`build_azall`](Self::build_azall) makes.
    pub(crate) fn azall(&self) -> PathBuf {
        self.target.join("release").join(format!("azall{}", env::consts::EXE_SUFFIX))
    }

    /// `azall.wasm`, beside the native programs, where the sandbox finds it.
    pub(crate) fn azall_wasm(&self) -> PathBuf {
        self.target.join("release").join("azall.wasm")
    }

    /// The command that builds the sandbox for release.
    pub(crate) fn build_sandbox(&self) -> Command {
        self.cargo(["build", "--profile", "sandbox", "--package", "azall-sandbox"])
    }

    /// The program that [`build_sandbox`](Self::build_sandbox) makes.
    pub(crate) fn built_sandbox(&self) -> PathBuf {
        self.target.join("sandbox").join(format!("azall-sandbox{}", env::consts::EXE_SUFFIX))
    }

    /// The sandbox beside the other native programs, where `azall sandbox` finds it.
    pub(crate) fn sandbox(&self) -> PathBuf {
        self.azall().with_file_name(format!("azall-sandbox{}", env::consts::EXE_SUFFIX))
    }

    /// Where the scenarios lie.
    pub(crate) fn scenarios(&self) -> PathBuf {
        self.root.join("tests").join("scenarios")
    }

    /// Where the tests of the WebAssembly packages lie.
    pub(crate) fn web_tests(&self) -> PathBuf {
        self.root.join("tests").join("web")
    }

    /// Where the interop tests lie.
    pub(crate) fn interop(&self) -> PathBuf {
        self.root.join("tests").join("interop")
    }
}

/// What `cargo run` told this program about itself. Passed on, it would make build scripts that watch these variables
/// (ring's does) run again whenever cargo is called by hand in between.
fn cargo_run_variables() -> impl Iterator<Item = String> {
    let ours = |name: &String| name.starts_with("CARGO_PKG_") || name.starts_with("CARGO_MANIFEST_");
    env::vars_os().filter_map(|(name, _)| name.into_string().ok()).filter(ours)
}

fn cache_folder() -> Result<PathBuf> {
    if let Some(dir) = env::var_os("AZALL_CACHE").filter(|dir| !dir.is_empty()) {
        return std::path::absolute(&dir).map_err(Error::file("use the cache", dir));
    }
    let home = env::home_dir()
        .filter(|home| !home.as_os_str().is_empty())
        .ok_or(Error::Environment { variable: "HOME", mend: "set AZALL_CACHE to a folder for tools" })?;
    Ok(home.join(".cache").join("azall"))
}

/// A folder under the system's temporary one, removed with all that is in it when dropped.
pub(crate) struct TempFolder(PathBuf);

impl TempFolder {
    /// Makes the folder; its name carries this process's id, so that runs do not meet.
    pub(crate) fn new(name: &str) -> Result<Self> {
        let path = env::temp_dir().join(format!("{name}-{}", std::process::id()));
        fs::create_dir_all(&path).map_err(Error::file("make the temporary folder", &path))?;
        Ok(Self(path))
    }

    /// The folder.
    pub(crate) fn path(&self) -> &Path {
        &self.0
    }
}

impl Drop for TempFolder {
    fn drop(&mut self) {
        if let Err(error) = fs::remove_dir_all(&self.0) {
            eprintln!("xtask: cannot remove {}: {error}", self.0.display());
        }
    }
}
