//! What the host knows of the machine, and its random numbers.

use std::ffi::CStr;
use std::fmt::Write;

use azall_core::engine::effect::{Facts, IoError, IoErrorKind, Random};

/// The most random bytes of one effect.
const MOST_RANDOM: usize = 1024;

/// Answers [`HostFacts`](azall_core::engine::effect::HostFacts).
#[must_use]
pub fn facts() -> Facts {
    let uname = rustix::system::uname();
    let machine_name = text(uname.nodename());
    Facts {
        // Python's `platform.system()` is this name on every Unix.
        system: text(uname.sysname()),
        fingerprint_parts: fingerprint_parts(),
        process: format!("{}@{machine_name}", std::process::id()),
        machine_name,
    }
}

/// What tells this machine from others (PROTOCOL section 5), in the order in which it is hashed.
fn fingerprint_parts() -> Vec<String> {
    let uname = rustix::system::uname();
    vec![text(uname.nodename()), text(uname.sysname()), text(uname.machine())]
}

fn text(name: &CStr) -> String {
    name.to_string_lossy().into_owned()
}

/// Answers [`Random`].
///
/// # Errors
/// [`IoErrorKind::TooLarge`] beyond 1024 bytes, and the system's.
pub fn random(effect: &Random) -> Result<Vec<u8>, IoError> {
    if effect.count > MOST_RANDOM {
        return Err(IoError::new(IoErrorKind::TooLarge, format!("at most {MOST_RANDOM} random bytes at once")));
    }
    let mut bytes = vec![0; effect.count];
    getrandom::fill(&mut bytes)
        .map_err(|error| IoError::new(IoErrorKind::Other, format!("the system's random generator: {error}")))?;
    Ok(bytes)
}

/// 16 random hex digits, for a name that nobody else uses.
pub(crate) fn random_hex() -> Result<String, IoError> {
    let bytes = random(&Random { count: 8 })?;
    Ok(bytes.iter().fold(String::new(), |mut hex, byte| {
        // Writing to a String cannot fail.
        let _ = write!(hex, "{byte:02x}");
        hex
    }))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn facts_name_the_machine() {
        let facts = facts();
        assert!(!facts.machine_name.is_empty() && !facts.fingerprint_parts.is_empty());
        assert_eq!(facts.process, format!("{}@{}", std::process::id(), facts.machine_name));
        assert!(["Linux", "Darwin", "FreeBSD"].contains(&facts.system.as_str()), "{}", facts.system);
    }

    #[test]
    fn random_is_counted_and_bounded() {
        assert!(random(&Random { count: 0 }).unwrap().is_empty());
        let (a, b) = (random(&Random { count: 32 }).unwrap(), random(&Random { count: 32 }).unwrap());
        assert!(a.len() == 32 && a != b);
        assert_eq!(random(&Random { count: 1025 }).unwrap_err().kind, IoErrorKind::TooLarge);
        assert_eq!(random_hex().unwrap().len(), 16);
    }
}
