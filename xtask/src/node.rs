//! Node, and what is installed for it: the packages of `tests/web/package-lock.json`, in the cache.

use std::fs::{self, File};
use std::path::PathBuf;
use std::process::{Command, Stdio};

use crate::debian;
use crate::error::{Error, Result};
use crate::report;
use crate::workspace::Workspace;

const MEND_NODE: &str =
    "install Node 20 or later with npm so that `node` and `npm` are on the PATH (Debian: apt-get install nodejs npm)";
const MEND_PACKAGES: &str = "npm could not install tests/web/package-lock.json: check the network and npm's registry settings, then run \
                             `cargo xtask setup` again";
const MEND_CHROMIUM: &str = "install Chromium so that `chromium` is on the PATH (Debian, as root: apt-get install chromium), or set AZALL_CHROMIUM";

/// Packages for Node, installed.
pub(crate) struct Modules {
    folder: PathBuf,
}

impl Modules {
    /// Installs the packages as the lock file has them, if they are not.
    pub(crate) fn ensure(workspace: &Workspace) -> Result<Self> {
        let folder = workspace.cache.join("node");
        fs::create_dir_all(&folder).map_err(Error::file("make", &folder))?;
        // The operating system lets go of this lock when the process ends, however it ends.
        let lock_path = folder.join("setup.lock");
        let lock = File::create(&lock_path).map_err(Error::file("make", &lock_path))?;
        lock.lock().map_err(Error::file("lock", &lock_path))?;

        let complete = folder.join("complete");
        let wanted = read_all(workspace)?;
        let modules = Self { folder };
        if fs::read(&complete).is_ok_and(|installed| installed == wanted) {
            println!("Node packages: ready ({})", modules.folder.display());
            return Ok(modules);
        }
        let _ = fs::remove_file(&complete);
        modules.install(workspace)?;
        fs::write(&complete, wanted).map_err(Error::file("write", &complete))?;
        Ok(modules)
    }

    fn install(&self, workspace: &Workspace) -> Result<()> {
        for name in PACKAGE_FILES {
            let from = workspace.web_tests().join(name);
            fs::copy(&from, self.folder.join(name)).map_err(Error::file("copy", &from))?;
        }
        let mut npm = Command::new("npm");
        npm.args(["ci", "--ignore-scripts", "--no-audit", "--no-fund"]).current_dir(&self.folder);
        report::require("install the packages for Node", &mut npm, MEND_PACKAGES)
    }

    /// The folder of the installed packages.
    pub(crate) fn folder(&self) -> PathBuf {
        self.folder.join("node_modules")
    }

    /// A program that a package brings.
    pub(crate) fn program(&self, name: &str) -> Command {
        Command::new(self.folder().join(".bin").join(name))
    }
}

const PACKAGE_FILES: [&str; 2] = ["package.json", "package-lock.json"];

/// The files that say what is to be installed, one after the other.
fn read_all(workspace: &Workspace) -> Result<Vec<u8>> {
    let mut all = Vec::new();
    for name in PACKAGE_FILES {
        let path = workspace.web_tests().join(name);
        all.extend(fs::read(&path).map_err(Error::file("read", &path))?);
    }
    Ok(all)
}

/// Node, which must be there.
pub(crate) fn node() -> Result<Command> {
    let found = Command::new("node").arg("--version").stdout(Stdio::null()).stderr(Stdio::null()).status();
    found.map(|_| Command::new("node")).map_err(|source| Error::Start {
        step: "find Node".to_owned(),
        program: "node".to_owned(),
        source,
        mend: MEND_NODE.to_owned(),
    })
}

/// The files of tests, in the order of their names.
pub(crate) fn test_files(workspace: &Workspace) -> Result<Vec<PathBuf>> {
    let folder = workspace.web_tests();
    let entries = fs::read_dir(&folder).map_err(Error::file("list", &folder))?;
    let paths = entries.filter_map(|entry| entry.ok().map(|entry| entry.path()));
    let mut files: Vec<_> = paths.filter(|path| path.to_string_lossy().ends_with(".test.mjs")).collect();
    files.sort();
    Ok(files)
}

/// The program of a browser: `AZALL_CHROMIUM`, or Chromium on the `PATH`, which is installed if it is not there.
pub(crate) fn chromium() -> Result<PathBuf> {
    if let Some(program) = std::env::var_os("AZALL_CHROMIUM").filter(|program| !program.is_empty()) {
        return Ok(program.into());
    }
    if let Some(program) = on_path("chromium") {
        return Ok(program);
    }
    debian::install("install Chromium", &["chromium"], MEND_CHROMIUM)?;
    on_path("chromium").ok_or_else(|| Error::Failed {
        step: "find Chromium".to_owned(),
        how: "there is none".to_owned(),
        mend: MEND_CHROMIUM.to_owned(),
    })
}

fn on_path(program: &str) -> Option<PathBuf> {
    let path = std::env::var_os("PATH")?;
    std::env::split_paths(&path).map(|folder| folder.join(program)).find(|program| program.is_file())
}
