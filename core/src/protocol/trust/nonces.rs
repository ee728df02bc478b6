//! The file `.used_nonces`: tokens that must not be accepted again (PROTOCOL section 5).

use serde_json::{Map, Value};

use super::token::Nonce;
use crate::protocol::python_json;
use crate::protocol::time::Now;

/// A `.used_nonces` file that cannot be read. It is never taken for an empty one: that would let every token that was
/// used within its lifetime be used again.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error(
    "the list of used trust tokens is damaged at line {line}, column {column}; no token is accepted until the file is \
     repaired, or removed when {minutes} minutes have passed since the last token was made",
    minutes = super::token::MAX_AGE / 60
)]
pub struct NoncesError {
    /// The line, from 1.
    pub line: usize,
    /// The column.
    pub column: usize,
}

/// The nonces that were burned, each with the time of it. Entries that other versions wrote are kept as they are.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct UsedNonces(Map<String, Value>);

impl UsedNonces {
    /// Reads the bytes of a `.used_nonces` file. A file that does not exist is [`UsedNonces::default`].
    ///
    /// # Errors
    /// [`NoncesError`] when it is not a JSON object.
    pub fn parse(bytes: &[u8]) -> Result<Self, NoncesError> {
        serde_json::from_slice(bytes).map(Self).map_err(|e| NoncesError { line: e.line(), column: e.column() })
    }

    /// The bytes of the file.
    #[must_use]
    pub fn to_json(&self) -> Vec<u8> {
        python_json::pretty(&Value::Object(self.0.clone())).into_bytes()
    }

    /// Whether a token with this nonce was used.
    #[must_use]
    pub fn contains(&self, nonce: &Nonce) -> bool {
        self.0.contains_key(&nonce.to_string())
    }

    /// Remembers that a token with this nonce was used. It is never forgotten: a clock that is set back would else make a
    /// token good again, and binding is rare enough for the file to stay small.
    pub fn burn(&mut self, nonce: &Nonce, now: Now) {
        self.0.insert(nonce.to_string(), now.unix_seconds().into());
    }

    /// How many nonces are kept.
    #[must_use]
    pub fn len(&self) -> usize {
        self.0.len()
    }

    /// Whether none is kept.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn burned_stays_burned() {
        let nonce = Nonce::new([0xab; 32]);
        let mut nonces = UsedNonces::default();
        nonces.burn(&nonce, Now::utc(1_795_392_111_000));
        let text = format!("{{\n  \"{}\": 1795392111\n}}", "ab".repeat(32));
        assert_eq!(String::from_utf8(nonces.to_json()).unwrap(), text);
        // A clock that was years ahead and is set back leaves the token as used as it was.
        let mut nonces = UsedNonces::parse(text.as_bytes()).unwrap();
        nonces.burn(&Nonce::new([1; 32]), Now::utc(2_795_392_111_000));
        assert!(nonces.contains(&nonce));
        assert_eq!(nonces.len(), 2);
    }

    #[test]
    fn a_damaged_file_is_not_an_empty_one() {
        for damaged in ["", "{", "[]", "null", "{\"a\": 1", &"[".repeat(100_000)] {
            assert!(UsedNonces::parse(damaged.as_bytes()).is_err());
        }
        assert!(UsedNonces::parse(b"{}").unwrap().is_empty());
    }

    proptest! {
        #[test]
        fn any_bytes_are_safe(bytes: Vec<u8>) {
            let _ = UsedNonces::parse(&bytes);
        }

        #[test]
        fn what_is_burned_is_read_back(nonces in prop::collection::vec(any::<[u8; 32]>(), 0..6), seconds in 0..2_000_000_000_i64) {
            let mut used = UsedNonces::default();
            for nonce in &nonces {
                used.burn(&Nonce::new(*nonce), Now::utc(seconds * 1000));
            }
            let again = UsedNonces::parse(&used.to_json()).unwrap();
            prop_assert!(nonces.iter().all(|nonce| again.contains(&Nonce::new(*nonce))));
            prop_assert_eq!(again, used);
        }
    }
}
