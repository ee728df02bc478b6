//! What the host knows of the machine.

use std::ffi::CStr;

use azall_core::engine::effect::Facts;

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
    let mut interfaces: Vec<_> =
        std::fs::read_dir("/sys/class/net").ok()?.flatten().map(|entry| entry.path()).collect();
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
}
