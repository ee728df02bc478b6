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

/// Asks Python for the facts that the reference hashes, a line each: a token made by either client is then good for the
/// other, whichever Python it runs on being the `python3` of the path.
const ASK_PYTHON: &str = "import platform as p, uuid
for fact in (p.node(), p.machine(), p.processor(), p.system(), p.release(), p.python_version(), uuid.getnode()): print(fact)";

/// How many facts that is.
const PYTHON_FACTS: usize = 7;

/// What tells this machine from others (PROTOCOL section 5), in the order in which it is hashed.
fn fingerprint_parts() -> Vec<String> {
    let mut parts = facts_of_python().unwrap_or_else(own_facts);
    parts.extend(machine_id());
    parts
}

fn facts_of_python() -> Option<Vec<String>> {
    let output = std::process::Command::new("python3").args(["-I", "-c", ASK_PYTHON]).output().ok()?;
    let text = String::from_utf8(output.stdout).ok()?;
    let facts: Vec<String> = text.lines().map(str::to_owned).collect();
    (output.status.success() && facts.len() == PYTHON_FACTS).then_some(facts)
}

/// The same facts without Python: its version is left empty, so that such tokens are good among clients without it.
fn own_facts() -> Vec<String> {
    let uname = rustix::system::uname();
    vec![
        text(uname.nodename()),
        text(uname.machine()),
        String::new(),
        text(uname.sysname()),
        text(uname.release()),
        String::new(),
        hardware_address().unwrap_or_default().to_string(),
    ]
}

/// The first hardware address, by the interfaces' names, as a number.
fn hardware_address() -> Option<u64> {
    let mut interfaces: Vec<_> = std::fs::read_dir("/sys/class/net").ok()?.flatten().map(|entry| entry.path()).collect();
    interfaces.sort();
    interfaces.into_iter().find_map(|interface| {
        let address = std::fs::read_to_string(interface.join("address")).ok()?;
        u64::from_str_radix(&address.trim().replace(':', ""), 16).ok().filter(|number| *number != 0)
    })
}

/// The machine's id, where the system keeps one.
fn machine_id() -> Option<String> {
    ["/etc/machine-id", "/var/lib/dbus/machine-id"]
        .into_iter()
        .filter_map(|path| std::fs::read_to_string(path).ok())
        .map(|id| id.trim().to_owned())
        .find(|id| !id.is_empty())
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
