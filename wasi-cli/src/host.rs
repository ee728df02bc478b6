//! The host: answers effects with what a WASI process has.

use std::env;

use azall_core::engine::effect::{Answer, Effect, Facts, IoError, IoErrorKind};
use azall_files::roots::Roots;
use azall_files::{host, random};

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
        match effect {
            Effect::HostFacts(_) => Answer::HostFacts(facts()),
            Effect::Http(_) => {
                effect.failed(unsupported("there is no network in here; a daemon outside delivers what is queued"))
            }
            Effect::RunScript(_) => effect.failed(unsupported("there are no processes in here")),
            other => host::answer(&self.roots, other),
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
