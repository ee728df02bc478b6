//! Names of agents.

use std::fmt;

use azall_core::protocol::relay;

/// The longest name.
const LONGEST: usize = 30;

/// The name of an agent at this relay, without an allocation of its own: a million of them lie in memory.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct AgentName {
    bytes: [u8; LONGEST],
    len: u8,
}

/// Text that is not the name of an agent.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("a name is 3 to 30 of a-z, 0-9, - and _, first a letter")]
pub struct BadName;

impl AgentName {
    /// The name that nobody has.
    pub(crate) const NOBODY: Self = Self { bytes: [0; LONGEST], len: 0 };

    /// Takes a name, of which capital letters are made small.
    ///
    /// # Errors
    /// It is not one.
    pub fn parse(text: &str) -> Result<Self, BadName> {
        let mut bytes = [0; LONGEST];
        let len = u8::try_from(text.len()).map_err(|_| BadName)?;
        bytes.get_mut(..text.len()).ok_or(BadName)?.copy_from_slice(text.as_bytes());
        bytes.make_ascii_lowercase();
        let name = Self { bytes, len };
        if relay::AgentName::is_name(name.as_str()) { Ok(name) } else { Err(BadName) }
    }

    /// The text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        let bytes = self.bytes.get(..usize::from(self.len)).unwrap_or_default();
        std::str::from_utf8(bytes).unwrap_or_default()
    }
}

impl fmt::Display for AgentName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl fmt::Debug for AgentName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:?}", self.as_str())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_lower_cased_and_checked() {
        assert_eq!(AgentName::parse("Anna-1_x").unwrap().as_str(), "anna-1_x");
        assert_eq!(AgentName::parse(&"a".repeat(30)).unwrap().to_string(), "a".repeat(30));
        for bad in ["", "ab", "1abc", "-abc", "a b", "anna.agenttalk", "änna", &"a".repeat(31)] {
            assert_eq!(AgentName::parse(bad), Err(BadName), "{bad}");
        }
    }
}
