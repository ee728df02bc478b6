//! The host: answers effects with what a WASI process has.

use std::env;

use azall_core::engine::effect::{Answer, Effect, Facts, IoError, IoErrorKind};
use azall_files::roots::Roots;
use azall_files::{commit, files, random};

/// The variable in which a host tells the machine's name.
const MACHINE_NAME: &str = "AZALL_MACHINE_NAME";

/// The variable in which a host tells what the machine's fingerprint is made of, joined by `|`. A process under WASI can find out
/// nothing of its machine by itself.
const MACHINE_FACTS: &str = "AZALL_MACHINE_FACTS";

/// Answers effects over the folders that the runtime has opened.
pub(crate) struct Host {
    roots: Roots,
}

impl Host {
    pub(crate) fn new(roots: Roots) -> Self {
        Self { roots }
    }

    pub(crate) fn answer(&self, effect: &Effect) -> Answer {
        let roots = &self.roots;
        match effect {
            Effect::ReadFile(effect) => Answer::ReadFile(files::read_file(roots, effect)),
            Effect::ReadMany(effect) => Answer::ReadMany(files::read_many(roots, effect)),
            Effect::List(effect) => Answer::List(files::list(roots, effect)),
            Effect::WriteAtomic(effect) => Answer::WriteAtomic(commit::commit_one(roots, effect)),
            Effect::Append(effect) => Answer::Append(files::append(roots, effect)),
            Effect::Rename(effect) => Answer::Rename(files::rename(roots, effect)),
            Effect::Remove(effect) => Answer::Remove(files::remove(roots, effect)),
            Effect::Random(effect) => Answer::Random(random::random(effect)),
            Effect::HostFacts(_) => Answer::HostFacts(facts()),
            unknown => unknown.failed(unsupported(match unknown {
                Effect::Http(_) => "there is no network in here; a daemon outside delivers what is queued",
                Effect::RunScript(_) => "there are no processes in here",
                _ => "this host does not know the effect",
            })),
        }
    }
}

fn unsupported(why: &str) -> IoError {
    IoError::new(IoErrorKind::Unsupported, why)
}

fn facts() -> Result<Facts, IoError> {
    let fingerprint_parts = env::var(MACHINE_FACTS).map(|facts| facts.split('|').map(str::to_owned).collect());
    Ok(Facts {
        machine_name: env::var(MACHINE_NAME).unwrap_or_else(|_| "wasi".to_owned()),
        system: "Linux".to_owned(),
        fingerprint_parts: fingerprint_parts.unwrap_or_default(),
        process: format!("wasi-{}", random::random_hex()?),
    })
}
