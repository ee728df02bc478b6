//! `azall sandbox`: the program `azall-sandbox`, which holds a compiler and is therefore one of its own.

use std::os::unix::process::CommandExt;
use std::path::PathBuf;
use std::process::Command;

use azall_files::script::SANDBOX;

/// The program, beside this one or, failing that, on the path.
pub(crate) fn program() -> PathBuf {
    let beside = std::env::current_exe().ok().map(|own| own.with_file_name(SANDBOX)).filter(|path| path.is_file());
    beside.unwrap_or_else(|| PathBuf::from(SANDBOX))
}

/// The words with the `--` that the command line has taken out where it was the first of them: the program takes none but options
/// before it.
fn divided(words: &[String]) -> impl Iterator<Item = &str> {
    let lost = words.first().is_some_and(|word| !word.starts_with('-')).then_some("--");
    lost.into_iter().chain(words.iter().map(String::as_str))
}

/// Becomes the sandbox; returns only if that fails.
pub(crate) fn run(words: &[String]) -> Result<u8, String> {
    let error = Command::new(program()).args(divided(words)).exec();
    Err(match error.kind() {
        std::io::ErrorKind::NotFound => {
            format!(
                "there is no {SANDBOX} beside this program or on the path; install it (cargo install --path hosts/sandbox)"
            )
        }
        _ => format!("cannot start {SANDBOX}: {error}"),
    })
}

#[cfg(test)]
mod tests {
    use std::ffi::OsString;

    use azall_core::cli;

    use super::divided;

    #[test]
    fn a_command_stands_behind_the_dashes() {
        let told = |line: &str| {
            let parsed = cli::parse(line.split(' ').map(OsString::from)).unwrap();
            divided(parsed.sandbox().unwrap()).collect::<Vec<_>>().join(" ")
        };
        for words in ["-- remember --text x", "--time 5 -- inbox --offline", "--folder a --memory 64 -- recall"] {
            assert_eq!(told(&format!("azall sandbox {words}")), words);
        }
    }
}
