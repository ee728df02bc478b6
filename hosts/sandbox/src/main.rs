//! `azall-sandbox`: runs `azall.wasm`, or any program for WASI preview 1, for an agent that is not trusted. The program sees
//! one folder and nothing else of the machine: no network, no environment, no other process; its memory, time, output and
//! files are bounded.

mod compiled;
mod error;
mod limits;
mod output;
mod program;
mod watch;

use std::ffi::OsString;
use std::io::{self, Write};
use std::path::PathBuf;
use std::process::ExitCode;

use clap::Parser;

use crate::error::Error;
use crate::limits::Limits;
use crate::program::Program;

/// What a refusal or a limit exits with, as azall's own refusals do.
const EXIT_REFUSED: u8 = 3;

/// Run azall, or a tool, where it sees one folder and nothing else of this machine.
#[derive(Parser)]
#[command(
    name = "azall sandbox",
    version,
    after_help = "Examples:\n  azall sandbox -- remember --text \"The API uses OAuth2\"\n  azall sandbox --folder agents/mallory --time 5 -- inbox --offline\n  azall sandbox --module count.wasm --memory 64 -- some arguments"
)]
struct Arguments {
    /// The only folder that is visible; to the program it is `/`
    #[arg(long, default_value = ".", value_name = "FOLDER")]
    folder: PathBuf,
    /// The folder in there that relative paths count from
    #[arg(long, default_value = "/", value_name = "PATH", value_parser = absolute)]
    cwd: String,
    /// A variable that the program sees, besides PWD; none of this process's own is passed on
    #[arg(long, value_name = "NAME=VALUE", value_parser = variable)]
    env: Vec<(String, String)>,
    /// The program, instead of azall itself
    #[arg(long, value_name = "FILE")]
    module: Option<PathBuf>,
    #[command(flatten)]
    limits: Limits,
    /// What the program is told: a command of azall, or a tool's arguments
    #[arg(last = true, value_name = "COMMAND")]
    command: Vec<OsString>,
}

fn absolute(path: &str) -> Result<String, String> {
    if path.starts_with('/') { Ok(path.to_owned()) } else { Err("it must begin with /".to_owned()) }
}

fn variable(text: &str) -> Result<(String, String), String> {
    let (name, value) = text.split_once('=').ok_or("it must be NAME=VALUE")?;
    Ok((name.to_owned(), value.to_owned()))
}

fn main() -> ExitCode {
    match run(&Arguments::parse()) {
        Ok(code) => ExitCode::from(code),
        Err(error) => {
            let _ = writeln!(io::stderr(), "error: {error}");
            ExitCode::from(if error.is_refusal() { EXIT_REFUSED } else { 1 })
        }
    }
}

fn run(arguments: &Arguments) -> Result<u8, Error> {
    let module = match &arguments.module {
        Some(module) => module.clone(),
        None => program::azall_module()?,
    };
    // Where the program lies on this machine is not for it to know.
    let name = arguments.module.as_ref().and_then(|module| module.file_name());
    let name = name.map_or_else(|| "azall".to_owned(), |name| name.to_string_lossy().into_owned());
    let mut words = vec![name];
    for word in &arguments.command {
        words.push(word.to_str().ok_or_else(|| Error::NotUtf8(word.to_string_lossy().into_owned()))?.to_owned());
    }
    Program {
        module,
        folder: arguments.folder.clone(),
        cwd: arguments.cwd.clone(),
        env: arguments.env.clone(),
        words,
        limits: arguments.limits,
    }
    .run()
}
