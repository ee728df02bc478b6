//! Addresses: `name@host`, `name.agenttalk`, `name.<fingerprint>.agenttalk`.

use std::fmt;

use super::id::Fingerprint;
use super::text;

/// The longest address, in bytes (RFC 5321 section 4.5.3.1 allows 64 + 1 + 255).
const LONGEST: usize = 320;

/// The most addresses in a list.
const MOST_IN_LIST: usize = 10_000;

/// Why a text is no address, or no list of them.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum AddressError {
    /// Nothing but white space.
    #[error("the address is empty")]
    Empty,
    /// Longer than 320 bytes.
    #[error("the address is {0} bytes long; at most 320 are allowed")]
    TooLong(usize),
    /// A character that would break a header, a list or a path.
    #[error("the address {address:?} contains {character:?}; use letters, digits and . _ - + @")]
    BadCharacter {
        /// The text as it was given.
        address: String,
        /// The first character that is not allowed.
        character: char,
    },
    /// A leading dot, which would name a hidden file or a parent folder.
    #[error("the address {0:?} begins with a dot")]
    LeadingDot(String),
    /// A list of more than 10,000 addresses.
    #[error("the list holds more than 10000 addresses; send the message in parts")]
    TooMany,
}

/// An address that is safe as a header value, in a comma-separated list and as the name of a folder: no white space,
/// no control character, no separator of paths or lists, no leading dot. The spelling is kept; comparison for
/// delivery and filtering is by [`Address::key`].
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Address(String);

impl Address {
    /// Checks and keeps `text`, trimmed. A display name (`Bob <bob@x>`) is dropped.
    ///
    /// # Errors
    /// [`AddressError`] names what is wrong.
    pub fn parse(text: &str) -> Result<Self, AddressError> {
        let mut text = text::strip(text);
        if let Some(inner) = text.strip_suffix('>').and_then(|t| t.rsplit_once('<')) {
            text = text::strip(inner.1);
        }
        if text.is_empty() {
            return Err(AddressError::Empty);
        }
        if text.len() > LONGEST {
            return Err(AddressError::TooLong(text.len()));
        }
        if let Some(character) = text.chars().find(|c| is_forbidden(*c)) {
            return Err(AddressError::BadCharacter { address: text.to_owned(), character });
        }
        if text.starts_with('.') {
            return Err(AddressError::LeadingDot(text.to_owned()));
        }
        Ok(Self(text.to_owned()))
    }

    /// Checks a comma-separated list; empty entries are skipped and a repeated address is kept once.
    ///
    /// # Errors
    /// The first entry that is no address; [`AddressError::TooMany`].
    pub fn parse_list(text: &str) -> Result<Vec<Self>, AddressError> {
        let mut found: Vec<Self> = Vec::new();
        let mut seen = std::collections::BTreeSet::new();
        for part in text.split(',').filter(|part| !text::strip(part).is_empty()) {
            let address = Self::parse(part)?;
            if seen.len() >= MOST_IN_LIST {
                return Err(AddressError::TooMany);
            }
            if seen.insert(address.key()) {
                found.push(address);
            }
        }
        Ok(found)
    }

    /// The address as it is written.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// The form by which addresses are compared: lower case.
    #[must_use]
    pub fn key(&self) -> String {
        self.0.to_lowercase()
    }

    /// Whether both name the same mailbox, whatever their case.
    #[must_use]
    pub fn same_as(&self, other: &Self) -> bool {
        self.0 == other.0 || self.key() == other.key()
    }

    /// The account on an AgentTalk relay that this address names: what stands before `.agenttalk`. `None` when the
    /// address is of another kind.
    #[must_use]
    pub fn relay_account(&self) -> Option<&str> {
        self.0.strip_suffix(".agenttalk").filter(|name| !name.is_empty() && !name.contains('@'))
    }

    /// The same account without the fingerprint that the address certifies, as relays of version 1 know it:
    /// `alice.agenttalk` of `alice.3430f3e127705937.agenttalk`. `None` when the address is of another kind.
    #[must_use]
    pub fn uncertified(&self) -> Option<Self> {
        let (name, fingerprint) = self.relay_account()?.rsplit_once('.')?;
        Fingerprint::parse(fingerprint).ok()?;
        Self::parse(&format!("{name}.agenttalk")).ok()
    }

    /// The fingerprint that this address certifies: a dot-separated part of 16 hex digits before the last part, as in
    /// `alice.3430f3e127705937.agenttalk` (PROTOCOL section 9).
    #[must_use]
    pub fn certified_fingerprint(&self) -> Option<Fingerprint> {
        let mut parts: Vec<&str> = self.0.split('.').collect();
        parts.pop();
        parts.into_iter().skip(1).find_map(|part| Fingerprint::parse(part).ok())
    }
}

fn is_forbidden(c: char) -> bool {
    c.is_control() || text::is_space(c) || matches!(c, '/' | '\\' | ',' | ';' | '<' | '>' | '"' | ':' | '|' | '*' | '?')
}

impl fmt::Display for Address {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl fmt::Debug for Address {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:?}", self.0)
    }
}

impl serde::Serialize for Address {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(&self.0)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn good_addresses_keep_their_spelling() {
        for text in ["a@localhost", "Alice.agenttalk", "zürich@localhost", "a.3430f3e127705937.agenttalk", "x"] {
            assert_eq!(Address::parse(text).unwrap().as_str(), text);
        }
        assert_eq!(Address::parse(" Bob <bob@x> ").unwrap().as_str(), "bob@x");
    }

    #[test]
    fn hostile_addresses_are_refused() {
        for text in ["", "  ", "../x", "a/b", "a\\b", "a\nb", "a b", "a,b", ".hidden", "a\0", "c:x", &"a".repeat(321)] {
            assert!(Address::parse(text).is_err(), "{text:?}");
        }
    }

    #[test]
    fn lists_drop_repeats() {
        let list = Address::parse_list("a@x, B@x,, b@X").unwrap();
        assert_eq!(list.iter().map(Address::as_str).collect::<Vec<_>>(), ["a@x", "B@x"]);
    }

    #[test]
    fn lists_are_bounded() {
        let list = |count: usize| (0..count).map(|n| format!("a{n},")).collect::<String>();
        assert_eq!(Address::parse_list(&list(MOST_IN_LIST)).unwrap().len(), MOST_IN_LIST);
        assert_eq!(Address::parse_list(&list(MOST_IN_LIST + 1)), Err(AddressError::TooMany));
    }

    #[test]
    fn self_certifying_part_is_found() {
        let address = Address::parse("alice.3430f3e127705937.agenttalk").unwrap();
        assert_eq!(address.certified_fingerprint().unwrap().as_str(), "3430f3e127705937");
        for plain in ["alice.agenttalk", "3430f3e127705937.agenttalk", "a@3430f3e127705937"] {
            assert_eq!(Address::parse(plain).unwrap().certified_fingerprint(), None, "{plain}");
        }
    }

    proptest! {
        #[test]
        fn what_is_accepted_is_an_address_already(text in "[a-z@.<> ]{0,20}|\\PC{0,20}|.{0,10}") {
            if let Ok(address) = Address::parse(&text) {
                prop_assert_eq!(Address::parse(address.as_str()), Ok(address.clone()));
                prop_assert_eq!(Address::parse_list(address.as_str()), Ok(vec![address]));
            }
        }

        #[test]
        fn lists_read_as_they_are_written(text in "[aB@x., ;<>é]{0,40}") {
            if let Ok(list) = Address::parse_list(&text) {
                let written = list.iter().map(Address::as_str).collect::<Vec<_>>().join(", ");
                prop_assert_eq!(Address::parse_list(&written), Ok(list));
            }
        }
    }
}
