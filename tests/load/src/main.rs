//! `azall-load`: what `cargo xtask bench relay` runs.

use std::path::PathBuf;
use std::process::ExitCode;

use azall_load::bench::{self, Options};
use azall_load::error::Error;

/// The generator's time is taken from the relay's.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

const USAGE: &str = "\
Measures azall's relay beside the existing one.

Usage: azall-load --azall PROGRAM [--python INTERPRETER] --folder DIR [--quick]

  --azall PROGRAM        the azall program
  --python INTERPRETER   a Python that has agentazall, to compare with
  --folder DIR           where the relays keep their data meanwhile: a real disk
  --quick                for a look, not for figures";

fn main() -> ExitCode {
    let options = match parse(std::env::args().skip(1)) {
        Ok(options) => options,
        Err(error) => {
            eprintln!("azall-load: {error}\n\n{USAGE}");
            return ExitCode::from(2);
        }
    };
    match run(&options) {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::FAILURE,
        Err(error) => {
            eprintln!("azall-load: {error}");
            ExitCode::FAILURE
        }
    }
}

/// On one thread: the other cores are the relay's.
fn run(options: &Options) -> Result<bool, Error> {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .map_err(|source| Error::Start { program: "the generator".to_owned(), source })?;
    runtime.block_on(bench::run(options))
}

fn parse(mut arguments: impl Iterator<Item = String>) -> Result<Options, Error> {
    let (mut quick, mut azall, mut python, mut folder) = (false, None, None, None);
    while let Some(argument) = arguments.next() {
        let place = match argument.as_str() {
            "--quick" => {
                quick = true;
                continue;
            }
            "--azall" => &mut azall,
            "--python" => &mut python,
            "--folder" => &mut folder,
            unknown => return Err(Error::Usage(format!("there is no `{unknown}`"))),
        };
        let value = arguments.next().ok_or_else(|| Error::Usage(format!("{argument} wants a path")))?;
        *place = Some(PathBuf::from(value));
    }
    let needed = |path: Option<PathBuf>, name| path.ok_or_else(|| Error::Usage(format!("{name} is missing")));
    Ok(Options { quick, azall: needed(azall, "--azall")?, python, folder: needed(folder, "--folder")? })
}
