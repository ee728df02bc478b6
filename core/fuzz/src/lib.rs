//! The bodies of the fuzz targets: each takes bytes from nobody knows where, hands them to one parser, and asserts
//! what must hold whatever they are. That nothing panics goes without saying; beyond it, what was parsed and is
//! formatted must parse to the same value again, and nothing grows beyond what the input pays for.

mod envelope;
mod files;
mod filter;
pub mod hostile;
mod lists;
mod message;
mod names;
mod relay;
mod trust;
mod version1_reader;

use std::borrow::Cow;

pub use envelope::{envelope, envelope_sealed};
pub use files::{archive, config, delivery, key_files, keyring, script_meta, spool, verdict};
pub use filter::filter;
pub use lists::{indexes, seen_ids};
pub use message::message;
pub use names::{address, dates, file_names};
pub use relay::{payload, relay_account, relay_answers, relay_messages, relay_page, relay_state, relay_version2};
pub use trust::{token_armor, token_binary, trust_files};

/// A target's name, which is also that of its corpus and its binary, and its body.
pub type Target = (&'static str, fn(&[u8]));

/// Every target.
pub const TARGETS: &[Target] = &[
    ("address", address),
    ("archive", archive),
    ("config", config),
    ("dates", dates),
    ("delivery", delivery),
    ("envelope", envelope),
    ("envelope_sealed", envelope_sealed),
    ("file_names", file_names),
    ("filter", filter),
    ("indexes", indexes),
    ("key_files", key_files),
    ("keyring", keyring),
    ("message", message),
    ("payload", payload),
    ("relay_account", relay_account),
    ("relay_answers", relay_answers),
    ("relay_messages", relay_messages),
    ("relay_page", relay_page),
    ("relay_state", relay_state),
    ("relay_version2", relay_version2),
    ("script_meta", script_meta),
    ("seen_ids", seen_ids),
    ("spool", spool),
    ("token_armor", token_armor),
    ("token_binary", token_binary),
    ("trust_files", trust_files),
    ("verdict", verdict),
];

/// The binary of a target: a fuzzer under `cargo fuzz`, else a program that replays the files that it is given.
#[macro_export]
macro_rules! target {
    ($name:ident) => {
        #[cfg(fuzzing)]
        libfuzzer_sys::fuzz_target!(|data: &[u8]| azall_fuzz::$name(data));

        #[cfg(not(fuzzing))]
        fn main() -> std::io::Result<()> {
            std::env::args_os().skip(1).try_for_each(|file| std::fs::read(file).map(|data| azall_fuzz::$name(&data)))
        }
    };
}

/// The bytes as text: most parsers never see anything else.
fn text(data: &[u8]) -> Cow<'_, str> {
    String::from_utf8_lossy(data)
}

/// Some bytes from the front of the input, for choices; zero where it is too short. The rest of it comes back too.
fn choices<const N: usize>(data: &[u8]) -> ([u8; N], &[u8]) {
    let (front, rest) = data.split_at(data.len().min(N));
    let mut bytes = [0; N];
    bytes[..front.len()].copy_from_slice(front);
    (bytes, rest)
}
