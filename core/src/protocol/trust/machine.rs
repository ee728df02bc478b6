//! The machine fingerprint: what ties a token to the machine it was made on.

use std::fmt;

use sha2::{Digest as _, Sha512};
use subtle::ConstantTimeEq as _;

use crate::protocol::text;

/// The hex SHA-512 of host facts joined by `|` (PROTOCOL section 5).
///
/// A token is only accepted where the same facts give the same fingerprint, so every client on a machine must supply
/// the same ones. Observed of the reference, as Python names them, in this order:
///
/// 1. `platform.node()`: the host's name, as `uname -n` prints it
/// 2. `platform.machine()`: `x86_64`, `aarch64`, ... (`uname -m`)
/// 3. `platform.processor()`: `uname -p`, with `unknown` counted as empty; empty on most Linux systems
/// 4. `platform.system()`: `Linux`, `Darwin`, `Windows` (`uname -s`)
/// 5. `platform.release()`: the kernel's release (`uname -r`)
/// 6. `platform.python_version()`: the version of the Python that runs the reference, such as `3.11.7`
/// 7. `str(uuid.getnode())`: the hardware address of the first network interface that has one, as a decimal number
/// 8. on Linux the first of `/etc/machine-id` and `/var/lib/dbus/machine-id` that is not empty once trimmed; where there
///    is neither, there is no eighth fact, and no `|` for it
#[must_use]
pub fn machine_fingerprint(parts: &[String]) -> String {
    MachineFingerprint::of_facts(parts).to_string()
}

/// A machine fingerprint: 64 bytes, written as 128 lower-case hex digits.
#[derive(Clone, Copy, Eq)]
pub struct MachineFingerprint([u8; 64]);

impl MachineFingerprint {
    /// The fingerprint of a machine with these facts; see [`machine_fingerprint`] for which they are.
    #[must_use]
    pub fn of_facts(parts: &[String]) -> Self {
        Self(Sha512::digest(parts.join("|")).into())
    }

    /// Reads 128 hex digits of either case; `None` for anything else.
    #[must_use]
    pub fn parse(hex: &str) -> Option<Self> {
        (hex.len() == 128).then(|| text::unhex(hex))?.and_then(|bytes| bytes.try_into().ok()).map(Self)
    }

    /// The 64 bytes.
    #[must_use]
    pub const fn as_bytes(&self) -> &[u8; 64] {
        &self.0
    }

    /// The fingerprint of these 64 bytes.
    pub(super) const fn from_bytes(bytes: [u8; 64]) -> Self {
        Self(bytes)
    }
}

/// In constant time.
impl PartialEq for MachineFingerprint {
    fn eq(&self, other: &Self) -> bool {
        self.0.ct_eq(&other.0).into()
    }
}

impl fmt::Display for MachineFingerprint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&text::hex(&self.0))
    }
}

impl fmt::Debug for MachineFingerprint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "MachineFingerprint({self})")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn facts_of_a_known_machine_give_the_references_fingerprint() {
        // Taken from a token that the reference made on a machine with these facts.
        let facts = [
            "build-7",
            "x86_64",
            "",
            "Linux",
            "6.18.44-fc-v782",
            "3.11.7",
            "3281355014145",
            "00112233445566778899aabbccddeeff",
        ];
        assert_eq!(
            machine_fingerprint(&facts.map(str::to_owned)),
            "89a9a18698731f40f25b10f6f3566d081442ba237e16b60970030aee9639f7ab\
             9fd3b33f65d66c12138aa7aef86092307075591db736208763076b8c96cbd40c"
        );
    }

    #[test]
    fn hex_round_trip() {
        let fingerprint = MachineFingerprint::of_facts(&["a".to_owned(), "b".to_owned()]);
        assert_eq!(MachineFingerprint::parse(&fingerprint.to_string().to_uppercase()), Some(fingerprint));
        for bad in ["", "00", &"g".repeat(128), &"0".repeat(130)] {
            assert_eq!(MachineFingerprint::parse(bad), None, "{bad}");
        }
    }
}
