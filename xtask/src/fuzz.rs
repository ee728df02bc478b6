//! `cargo xtask fuzz`: cargo-fuzz, kept in the cache, over the targets of `core/fuzz`.

use std::fs;
use std::path::PathBuf;
use std::process::Command;

use crate::error::{Error, Result};
use crate::report;
use crate::workspace::Workspace;

const MEND_INSTALL: &str = "check the network and cargo's registry settings, and that a C++ compiler is installed";
const MEND_RUN: &str =
    "the input that failed lies in core/fuzz/artifacts: add it to the target's corpus as a test, then mend the parser";

/// What to fuzz, and how long.
pub(crate) struct Options {
    target: Option<String>,
    minutes: u64,
}

impl Options {
    /// `[TARGET] [--minutes M]`.
    pub(crate) fn parse(args: &[&str]) -> Result<Self> {
        let mut options = Self { target: None, minutes: 1 };
        let mut args = args.iter();
        while let Some(argument) = args.next() {
            match *argument {
                "--minutes" => {
                    options.minutes =
                        args.next()
                            .and_then(|value| value.parse().ok())
                            .filter(|minutes| *minutes > 0)
                            .ok_or_else(|| Error::Usage("--minutes wants a whole number from 1 on".to_owned()))?;
                }
                target if !target.starts_with('-') && options.target.is_none() => {
                    options.target = Some(target.to_owned());
                }
                unknown => return Err(Error::Usage(format!("`fuzz` does not know `{unknown}`"))),
            }
        }
        Ok(options)
    }
}

/// Fuzzes one target, or each in turn. The first failure ends the run.
pub(crate) fn run(workspace: &Workspace, options: &Options) -> Result<()> {
    let all = targets(workspace)?;
    let chosen = match &options.target {
        None => all,
        Some(target) if all.contains(target) => vec![target.clone()],
        Some(target) => {
            return Err(Error::Usage(format!("there is no fuzz target `{target}`; there are: {}", all.join(", "))));
        }
    };
    let cargo_fuzz = ensure_cargo_fuzz(workspace)?;
    let seconds = options.minutes.saturating_mul(60);
    for target in chosen {
        let mut fuzz = fuzz_command(workspace, &cargo_fuzz);
        fuzz.args(["fuzz", "run", "--fuzz-dir", "core/fuzz", &target, "--"]).args([
            format!("-max_total_time={seconds}"),
            "-timeout=10".to_owned(),
            "-rss_limit_mb=1024".to_owned(),
        ]);
        report::require(&format!("fuzz {target} for {} min", options.minutes), &mut fuzz, MEND_RUN)?;
    }
    Ok(())
}

/// The targets are the files of `core/fuzz/fuzz_targets`.
fn targets(workspace: &Workspace) -> Result<Vec<String>> {
    let folder = workspace.root.join("core").join("fuzz").join("fuzz_targets");
    let entries = fs::read_dir(&folder).map_err(Error::file("list", &folder))?;
    let mut names: Vec<String> = entries
        .filter_map(|entry| entry.ok().map(|entry| entry.path()))
        .filter(|path| path.extension().is_some_and(|extension| extension == "rs"))
        .filter_map(|path| path.file_stem().and_then(|stem| stem.to_str()).map(str::to_owned))
        .collect();
    names.sort();
    Ok(names)
}

fn ensure_cargo_fuzz(workspace: &Workspace) -> Result<PathBuf> {
    let root = workspace.cache.join("cargo-fuzz");
    let binary = root.join("bin").join(format!("cargo-fuzz{}", std::env::consts::EXE_SUFFIX));
    if !binary.exists() {
        let mut install = workspace.cargo(["install", "cargo-fuzz", "--quiet", "--root"]);
        install.arg(&root).env("CARGO_TARGET_DIR", root.join("target"));
        report::require("install cargo-fuzz", &mut install, MEND_INSTALL)?;
    }
    Ok(binary)
}

/// cargo-fuzz wants a nightly compiler's flags; `RUSTC_BOOTSTRAP` lets a stable one take them.
fn fuzz_command(workspace: &Workspace, cargo_fuzz: &PathBuf) -> Command {
    let mut command = Command::new(cargo_fuzz);
    command
        .current_dir(&workspace.root)
        .env("RUSTC_BOOTSTRAP", "1")
        .env("CARGO_TARGET_DIR", workspace.target.join("fuzz"));
    command
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn options_are_read() {
        let options = Options::parse(&["envelope", "--minutes", "3"]).unwrap();
        assert_eq!((options.target.as_deref(), options.minutes), (Some("envelope"), 3));
        assert_eq!(Options::parse(&[]).unwrap().minutes, 1);
        for bad in [&["--minutes"][..], &["--minutes", "0"], &["a", "b"], &["--fast"]] {
            assert!(Options::parse(bad).is_err(), "{bad:?}");
        }
    }
}
