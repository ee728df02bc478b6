//! `cargo xtask`: the developer's one door to azall. It needs nothing but Rust; what else a task needs (a Python
//! environment, cargo-fuzz) it installs into the cache, `$AZALL_CACHE` or `~/.cache/azall`.

mod background;
mod bench;
mod checks;
mod counts;
mod debian;
mod demo;
mod dist;
mod error;
mod fuzz;
mod language_checks;
mod node;
mod node_package;
mod packages;
mod python;
mod python_package;
mod report;
mod sim;
mod tools;
mod wasm;
mod workspace;

use std::process::ExitCode;

use crate::error::{Error, Result};
use crate::workspace::Workspace;

const USAGE: &str = "\
The developer's door to azall.

Usage: cargo xtask <TASK>

Tasks:
  setup                         install what the other tasks need into the cache
  run                           build azall and watch two agents exchange signed messages over a relay
  test                          every check and test, one summary at the end
  test web                      of it the tests of the JavaScript packages, with the programs that a whole run has built
  wasm                          build azall.wasm, the sandbox that runs it, and the JavaScript packages
  wasm packages                 build the JavaScript packages alone
  dist                          everything that people install, into dist/
  bench [--quick]               azall against the reference client, in one table
  bench relay [--quick]         the relay against the reference's, under load, in one table with what it must reach
  bench python | node           the packages for other languages: signatures, an inbox, their start
  bench wasm                    signatures through WebAssembly beside native ones and Node's own
  fuzz [TARGET] [--minutes M]   fuzz one target, or each in turn (default: 1 minute each)
  sim [--seeds N] [--from S] [--minutes M] [--jobs J]
                                simulated worlds: crashes, lost answers, jumping clocks (default: 10000 worlds)
  sim --replay FILE             one of them again
  help                          this text

Environment:
  AZALL_CACHE        where tools are kept (default: ~/.cache/azall)
  CARGO_TARGET_DIR   where cargo builds (default: target/)";

fn main() -> ExitCode {
    let args: Vec<String> = std::env::args().skip(1).collect();
    let args: Vec<&str> = args.iter().map(String::as_str).collect();
    match dispatch(&args) {
        Ok(code) => code,
        Err(error) => {
            eprintln!("xtask: {error}");
            ExitCode::from(if matches!(error, Error::Usage(_)) { 2 } else { 1 })
        }
    }
}

fn dispatch(args: &[&str]) -> Result<ExitCode> {
    let Some((task, rest)) = args.split_first() else {
        println!("{USAGE}");
        return Ok(ExitCode::from(2));
    };
    match *task {
        "help" | "--help" | "-h" => {
            println!("{USAGE}");
            Ok(ExitCode::SUCCESS)
        }
        "setup" => {
            no_arguments(task, rest)?;
            let workspace = Workspace::locate()?;
            python::Environment::ensure(&workspace)?;
            wasm::Toolchain::ensure()?;
            tools::Tools::ensure(&workspace)?;
            println!("Chromium: ready ({})", node::chromium()?.display());
            Ok(ExitCode::SUCCESS)
        }
        "run" => {
            no_arguments(task, rest)?;
            demo::run(&Workspace::locate()?)?;
            Ok(ExitCode::SUCCESS)
        }
        "test" => match rest {
            ["web"] => checks::run_web(&Workspace::locate()?),
            rest => {
                no_arguments(task, rest)?;
                checks::run(&Workspace::locate()?)
            }
        },
        "bench" => {
            bench::run(&Workspace::locate()?, &bench::Options::parse(rest)?)?;
            Ok(ExitCode::SUCCESS)
        }
        "wasm" => {
            match rest {
                ["packages"] => wasm::run_packages(&Workspace::locate()?)?,
                rest => {
                    no_arguments(task, rest)?;
                    wasm::run(&Workspace::locate()?)?;
                }
            }
            Ok(ExitCode::SUCCESS)
        }
        "dist" => {
            no_arguments(task, rest)?;
            dist::run(&Workspace::locate()?)?;
            Ok(ExitCode::SUCCESS)
        }
        "fuzz" => {
            fuzz::run(&Workspace::locate()?, &fuzz::Options::parse(rest)?)?;
            Ok(ExitCode::SUCCESS)
        }
        "sim" => {
            sim::run(&Workspace::locate()?, &sim::Options::parse(rest)?)?;
            Ok(ExitCode::SUCCESS)
        }
        unknown => Err(Error::Usage(format!("there is no task `{unknown}`"))),
    }
}

fn no_arguments(task: &str, rest: &[&str]) -> Result<()> {
    match rest.first() {
        None => Ok(()),
        Some(argument) => Err(Error::Usage(format!("`{task}` takes no argument, but was given `{argument}`"))),
    }
}
