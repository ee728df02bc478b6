//! Names that become file names or keys: message ids and fingerprints.

use std::fmt;

use sha2::{Digest, Sha256};

use super::text;

/// The longest message id, in bytes: with `.txt` and a temporary suffix it still fits a file name.
const LONGEST_ID: usize = 128;

/// Why a text is no message id or fingerprint.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum IdError {
    /// A message id may only hold ASCII letters, digits, `_`, `-` and `.`, not begin with a dot, and have 1 to 128 of them.
    #[error("{0:?} is no message id: it may hold 1 to 128 letters, digits, '_', '-' and '.', not begin with '.'")]
    MessageId(String),
    /// A fingerprint is 16 hex digits.
    #[error("{0:?} is no fingerprint: it must be 16 hex digits")]
    Fingerprint(String),
}

/// What the name of a message's file ends with.
const FILE_ENDING: &str = ".txt";

/// A message id that is safe as a file name. Ids that come from outside go through [`MessageId::parse`], or
/// [`MessageId::from_untrusted`] where a message must not be lost for its odd id.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct MessageId(String);

impl MessageId {
    /// Checks `text`.
    ///
    /// # Errors
    /// [`IdError::MessageId`] when it is not safe as a file name.
    pub fn parse(text: &str) -> Result<Self, IdError> {
        let good = !text.is_empty()
            && text.len() <= LONGEST_ID
            && !text.starts_with('.')
            && text.bytes().all(|b| b.is_ascii_alphanumeric() || matches!(b, b'_' | b'-' | b'.'));
        if good { Ok(Self(text.to_owned())) } else { Err(IdError::MessageId(text::prefix(text, 160).to_owned())) }
    }

    /// The id itself where it is safe, else the first 12 hex digits of its SHA-256: the same id always gives the same
    /// file name, and no id from outside can leave its folder.
    #[must_use]
    pub fn from_untrusted(text: &str) -> Self {
        Self::parse(text::strip(text)).unwrap_or_else(|_| Self(short_sha256(text.as_bytes(), 12)))
    }

    /// A new id: the first 12 hex digits of SHA-256 of `from|to|subject|iso_now|random_hex` (PROTOCOL section 1).
    #[must_use]
    pub fn generate(from: &str, to: &str, subject: &str, iso_now: &str, random_hex: &str) -> Self {
        Self(short_sha256(format!("{from}|{to}|{subject}|{iso_now}|{random_hex}").as_bytes(), 12))
    }

    /// This id with `-<8 hex>` of the hash of `content`: the name of a different message whose id is taken
    /// (PROTOCOL section 9).
    #[must_use]
    pub fn with_content_suffix(&self, content: &[u8]) -> Self {
        let keep = text::prefix(&self.0, LONGEST_ID - 9);
        Self(format!("{keep}-{}", short_sha256(content, 8)))
    }

    /// The name of the message's file (PROTOCOL section 1).
    #[must_use]
    pub fn file_name(&self) -> String {
        [&self.0, FILE_ENDING].concat()
    }

    /// The id of the message in a file of this name; `None` for a file that holds no message.
    #[must_use]
    pub fn of_file(name: &str) -> Option<Self> {
        Self::parse(name.strip_suffix(FILE_ENDING)?).ok()
    }

    /// The id as text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

/// The first 16 hex digits of SHA-256 of a raw Ed25519 public key, lower case.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Fingerprint([u8; 16]);

impl Fingerprint {
    /// Checks `text`; upper case is folded.
    ///
    /// # Errors
    /// [`IdError::Fingerprint`] when it is not 16 hex digits.
    pub fn parse(text: &str) -> Result<Self, IdError> {
        let bad = || IdError::Fingerprint(text::prefix(text, 64).to_owned());
        let digits: [u8; 16] = text.as_bytes().try_into().map_err(|_| bad())?;
        if !digits.iter().all(u8::is_ascii_hexdigit) {
            return Err(bad());
        }
        Ok(Self(digits.map(|b| b.to_ascii_lowercase())))
    }

    /// The fingerprint of a raw public key.
    #[must_use]
    pub fn of_key(public_key: &[u8; 32]) -> Self {
        let mut digits = [b'0'; 16];
        for (slot, byte) in digits.iter_mut().zip(short_sha256(public_key, 16).bytes()) {
            *slot = byte;
        }
        Self(digits)
    }

    /// The 16 hex digits.
    #[must_use]
    pub fn as_str(&self) -> &str {
        std::str::from_utf8(&self.0).unwrap_or_default()
    }
}

/// The first `digits` hex digits of SHA-256.
fn short_sha256(bytes: &[u8], digits: usize) -> String {
    let mut hex = text::hex(&Sha256::digest(bytes));
    hex.truncate(digits);
    hex
}

macro_rules! text_traits {
    ($($name:ident),*) => {$(
        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(self.as_str())
            }
        }
        impl fmt::Debug for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                write!(f, "{:?}", self.as_str())
            }
        }
        impl serde::Serialize for $name {
            fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
                serializer.serialize_str(self.as_str())
            }
        }
    )*};
}
text_traits!(MessageId, Fingerprint);

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn ids_from_outside_stay_in_their_folder() {
        for hostile in ["../x", "/etc/passwd", "a/b", "..", ".lock", "", "a\0b", "x\ny", &"a".repeat(129), "ü"] {
            assert!(MessageId::parse(hostile).is_err(), "{hostile:?}");
            let safe = MessageId::from_untrusted(hostile);
            assert_eq!(safe.as_str().len(), 12);
            assert_eq!(safe, MessageId::from_untrusted(hostile));
        }
        assert_eq!(MessageId::from_untrusted("1741703432123_alice_9f0c2b1a").as_str(), "1741703432123_alice_9f0c2b1a");
    }

    #[test]
    fn suffixed_ids_still_fit() {
        let long = MessageId::parse(&"a".repeat(128)).unwrap();
        assert!(MessageId::parse(long.with_content_suffix(b"x").as_str()).is_ok());
    }

    #[test]
    fn fingerprints_fold_case() {
        assert_eq!(Fingerprint::parse("3430F3E127705937").unwrap().as_str(), "3430f3e127705937");
        assert!(Fingerprint::parse("3430f3e12770593").is_err());
        assert!(Fingerprint::parse("3430f3e12770593g").is_err());
    }

    proptest! {
        #[test]
        fn any_text_becomes_an_id_and_stays_it(text in ".{0,200}|[A-Za-z0-9._-]{0,140}", content: Vec<u8>) {
            let id = MessageId::from_untrusted(&text);
            prop_assert_eq!(MessageId::parse(id.as_str()), Ok(id.clone()));
            prop_assert_eq!(&MessageId::from_untrusted(id.as_str()), &id);
            prop_assert!(MessageId::parse(id.with_content_suffix(&content).as_str()).is_ok());
        }

        #[test]
        fn fingerprints_read_as_they_are_written(key: [u8; 32], text in ".{0,20}|[0-9a-fA-F]{16}") {
            let fingerprint = Fingerprint::of_key(&key);
            prop_assert_eq!(Fingerprint::parse(fingerprint.as_str()), Ok(fingerprint));
            if let Ok(fingerprint) = Fingerprint::parse(&text) {
                prop_assert_eq!(fingerprint.as_str(), text.to_ascii_lowercase());
            }
        }
    }
}
