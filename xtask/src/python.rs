//! The Python environment: the reference client, pytest and the linters, at the versions of
//! `tests/interop/requirements.txt`, in the cache.

use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use crate::error::{Error, Result};
use crate::report;
use crate::workspace::Workspace;

const STEP_PYTHON: &str = "find Python";
const MEND_PYTHON: &str =
    "install Python 3.11 or later so that `python3` is on the PATH (Debian: apt-get install python3)";
const MEND_VENV: &str =
    "install Python's venv module (Debian: apt-get install python3-venv), then run `cargo xtask setup` again";
const MEND_PIP: &str = "pip could not install tests/interop/requirements.txt: check the network and pip's index settings above, then run \
                        `cargo xtask setup` again";

/// A virtual environment that holds all of the requirements.
pub(crate) struct Environment {
    dir: PathBuf,
}

impl Environment {
    /// The environment for the requirements as they are now; made if need be. Two runs at once are safe: the second
    /// waits for the first and finds its work done.
    pub(crate) fn ensure(workspace: &Workspace) -> Result<Self> {
        let requirements = workspace.interop().join("requirements.txt");
        let wanted = fs::read(&requirements).map_err(Error::file("read", &requirements))?;
        let version = python_version()?;
        let folder = workspace.cache.join("python");
        fs::create_dir_all(&folder).map_err(Error::file("make", &folder))?;

        // The operating system lets go of this lock when the process ends, however it ends.
        let lock_path = folder.join("setup.lock");
        let lock = File::create(&lock_path).map_err(Error::file("make", &lock_path))?;
        lock.lock().map_err(Error::file("lock", &lock_path))?;

        let key = fnv1a(version.bytes().chain(wanted));
        let environment = Self { dir: folder.join(format!("{key:016x}")) };
        let complete = environment.dir.join("complete");
        if complete.exists() {
            println!("Python environment: ready ({})", environment.dir.display());
            return Ok(environment);
        }
        environment.create()?;
        environment.install(&requirements)?;
        fs::write(&complete, version).map_err(Error::file("write", &complete))?;
        Ok(environment)
    }

    /// The environment's interpreter.
    pub(crate) fn python(&self) -> PathBuf {
        if cfg!(windows) { self.dir.join("Scripts").join("python.exe") } else { self.dir.join("bin").join("python") }
    }

    /// Lets the environment's Python import what lies in a folder, whatever its own environment variables say.
    pub(crate) fn add_folder(&self, folder: &Path) -> Result<()> {
        let mut ask = Command::new(self.python());
        ask.args(["-c", "import sysconfig; print(sysconfig.get_path('purelib'))"]);
        let asked = report::run("find the folder of Python's packages", &mut ask, MEND_PYTHON)?;
        let file = Path::new(asked.output.trim()).join("azall-source.pth");
        fs::write(&file, folder.display().to_string()).map_err(Error::file("write", &file))
    }

    /// `python -m MODULE ARGS` in a folder.
    pub(crate) fn module<'a>(&self, folder: &Path, module: &str, args: impl IntoIterator<Item = &'a str>) -> Command {
        let mut command = Command::new(self.python());
        command.args(["-m", module]).args(args).current_dir(folder).env("PYTHONDONTWRITEBYTECODE", "1");
        command
    }

    fn create(&self) -> Result<()> {
        if self.dir.exists() {
            fs::remove_dir_all(&self.dir).map_err(Error::file("remove the unfinished", &self.dir))?;
        }
        let mut venv = Command::new("python3");
        venv.args(["-m", "venv"]).arg(&self.dir);
        report::require("make the Python environment", &mut venv, MEND_VENV)
    }

    fn install(&self, requirements: &Path) -> Result<()> {
        let mut pip = Command::new(self.python());
        pip.args(["-m", "pip", "install", "--quiet", "--disable-pip-version-check", "--no-input", "--requirement"])
            .arg(requirements)
            .env("PIP_ROOT_USER_ACTION", "ignore");
        report::require("install the reference client and the test tools", &mut pip, MEND_PIP)
    }
}

fn python_version() -> Result<String> {
    let output =
        Command::new("python3").arg("--version").stderr(Stdio::inherit()).output().map_err(|source| Error::Start {
            step: STEP_PYTHON.to_owned(),
            program: "python3".to_owned(),
            source,
            mend: MEND_PYTHON.to_owned(),
        })?;
    if !output.status.success() {
        return Err(Error::Failed {
            step: STEP_PYTHON.to_owned(),
            how: output.status.to_string(),
            mend: MEND_PYTHON.to_owned(),
        });
    }
    Ok(String::from_utf8_lossy(&output.stdout).trim().to_owned())
}

/// FNV-1a, 64 bits: a name for a set of requirements, the same for every compiler. Nothing rests on its strength.
fn fnv1a(bytes: impl IntoIterator<Item = u8>) -> u64 {
    bytes.into_iter().fold(0xcbf2_9ce4_8422_2325, |hash, byte| (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn fnv1a_has_its_published_values() {
        assert_eq!(fnv1a(*b""), 0xcbf2_9ce4_8422_2325);
        assert_eq!(fnv1a(*b"a"), 0xaf63_dc4c_8601_ec8c);
        assert_eq!(fnv1a(*b"foobar"), 0x8594_4171_f739_67e8);
    }
}
