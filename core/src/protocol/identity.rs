//! An agent's Ed25519 key pair and its file (PROTOCOL section 3, `.identity_key`).

use std::fmt;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use ed25519_dalek::{Signer as _, SigningKey};
use zeroize::Zeroizing;

use super::id::Fingerprint;
use super::text;

/// Why a file holds no identity. The text names the field, and never holds key material.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum IdentityError {
    /// Not JSON, or no JSON object.
    #[error("the identity file is not a JSON object")]
    NotJson,
    /// A field is missing.
    #[error("the identity file has no {field}")]
    Missing {
        /// The field's name.
        field: &'static str,
    },
    /// A field is not what it must be.
    #[error("{field} in the identity file must be {wanted}")]
    Malformed {
        /// The field's name.
        field: &'static str,
        /// What it must be.
        wanted: &'static str,
    },
    /// A field does not belong to the private key: two files were mixed, or one was changed.
    #[error("{field} in the identity file does not belong to its private_key_hex")]
    Mismatch {
        /// The field's name.
        field: &'static str,
    },
}

/// A key pair. Making one costs as much as a signature, so keep it. The secret is wiped when it is dropped, and
/// `Debug` shows the fingerprint alone.
#[derive(Clone)]
pub struct Identity {
    key: SigningKey,
    fingerprint: Fingerprint,
}

/// The fields of the file that are read.
#[derive(serde::Deserialize)]
struct File {
    private_key_hex: Option<String>,
    public_key_hex: Option<String>,
    public_key_b64: Option<String>,
    fingerprint: Option<String>,
}

impl Identity {
    /// The key pair of a 32-byte seed (RFC 8032 section 5.1.5).
    #[must_use]
    pub fn from_seed(seed: [u8; 32]) -> Self {
        let seed = Zeroizing::new(seed);
        let key = SigningKey::from_bytes(&seed);
        let fingerprint = Fingerprint::of_key(key.verifying_key().as_bytes());
        Self { key, fingerprint }
    }

    /// Reads the file and checks that what it says of the public key belongs to the private one.
    ///
    /// # Errors
    /// [`IdentityError`] names the field.
    pub fn parse(bytes: &[u8]) -> Result<Self, IdentityError> {
        // The parser's own message may quote the text that it stumbled over, which may be the key: it is dropped.
        let file: File = serde_json::from_slice(bytes).map_err(|_| IdentityError::NotJson)?;
        let seed =
            file.private_key_hex.map(Zeroizing::new).ok_or(IdentityError::Missing { field: "private_key_hex" })?;
        let malformed = IdentityError::Malformed { field: "private_key_hex", wanted: "64 hex digits" };
        let seed = Zeroizing::new(text::unhex(text::strip(&seed)).ok_or_else(|| malformed.clone())?);
        let identity = Self::from_seed(seed.as_slice().try_into().map_err(|_| malformed)?);

        if let Some(hex) = file.public_key_hex {
            let key = text::unhex(text::strip(&hex)).filter(|key| key.len() == 32);
            identity.expect_key("public_key_hex", "64 hex digits", key)?;
        }
        if let Some(b64) = file.public_key_b64 {
            let key = STANDARD.decode(text::strip(&b64)).ok().filter(|key| key.len() == 32);
            identity.expect_key("public_key_b64", "32 bytes in base64", key)?;
        }
        if let Some(fingerprint) = file.fingerprint {
            let stated = Fingerprint::parse(text::strip(&fingerprint))
                .map_err(|_| IdentityError::Malformed { field: "fingerprint", wanted: "16 hex digits" })?;
            if stated != identity.fingerprint {
                return Err(IdentityError::Mismatch { field: "fingerprint" });
            }
        }
        Ok(identity)
    }

    fn expect_key(&self, field: &'static str, wanted: &'static str, key: Option<Vec<u8>>) -> Result<(), IdentityError> {
        match key {
            None => Err(IdentityError::Malformed { field, wanted }),
            Some(key) if key != self.public_key() => Err(IdentityError::Mismatch { field }),
            Some(_) => Ok(()),
        }
    }

    /// The file as the reference writes it. `created` is local time, [`Now::local_iso`](super::time::Now::local_iso).
    #[must_use]
    pub fn to_json(&self, created: &str) -> Zeroizing<String> {
        let private = Zeroizing::new(text::hex(self.key.as_bytes()));
        let public = self.public_key();
        let created = serde_json::Value::from(created);
        Zeroizing::new(format!(
            "{{\n  \"private_key_hex\": \"{}\",\n  \"public_key_hex\": \"{}\",\n  \"public_key_b64\": \"{}\",\n  \
             \"fingerprint\": \"{}\",\n  \"created\": {created}\n}}",
            private.as_str(),
            text::hex(&public),
            self.public_key_b64(),
            self.fingerprint,
        ))
    }

    /// The first 16 hex digits of SHA-256 of the public key.
    #[must_use]
    pub fn fingerprint(&self) -> Fingerprint {
        self.fingerprint
    }

    /// The raw public key.
    #[must_use]
    pub fn public_key(&self) -> [u8; 32] {
        self.key.verifying_key().to_bytes()
    }

    /// The public key as files and envelopes hold it.
    #[must_use]
    pub fn public_key_b64(&self) -> String {
        STANDARD.encode(self.public_key())
    }

    /// The Ed25519 signature of `message` (RFC 8032 section 5.1.6).
    #[must_use]
    pub fn sign(&self, message: &[u8]) -> [u8; 64] {
        self.key.sign(message).to_bytes()
    }
}

impl fmt::Debug for Identity {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Identity").field("fingerprint", &self.fingerprint).finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const SEED: [u8; 32] = [7; 32];

    fn changed(field: &str, value: serde_json::Value) -> Result<Identity, IdentityError> {
        let mut file: serde_json::Value = serde_json::from_str(&Identity::from_seed(SEED).to_json("now")).unwrap();
        file[field] = value;
        Identity::parse(file.to_string().as_bytes())
    }

    #[test]
    fn file_is_read_back() {
        let identity = Identity::from_seed(SEED);
        let file = identity.to_json("2026-11-23T00:02:07.525490");
        assert!(file.starts_with("{\n  \"private_key_hex\": \"0707"));
        assert!(file.ends_with(",\n  \"created\": \"2026-11-23T00:02:07.525490\"\n}"));
        assert_eq!(Identity::parse(file.as_bytes()).unwrap().public_key(), identity.public_key());
    }

    #[test]
    fn every_field_is_held_against_the_seed() {
        let other = Identity::from_seed([8; 32]);
        for (field, value) in [
            ("public_key_hex", text::hex(&other.public_key())),
            ("public_key_b64", other.public_key_b64()),
            ("fingerprint", other.fingerprint().to_string()),
        ] {
            assert_eq!(changed(field, value.into()).unwrap_err(), IdentityError::Mismatch { field: leak(field) });
            let error = changed(field, "zz".into()).unwrap_err();
            assert!(matches!(error, IdentityError::Malformed { field: f, .. } if f == field), "{error}");
        }
        assert!(matches!(changed("private_key_hex", "07".into()), Err(IdentityError::Malformed { .. })));
        assert_eq!(
            changed("private_key_hex", serde_json::Value::Null).unwrap_err(),
            IdentityError::Missing { field: "private_key_hex" }
        );
        assert_eq!(Identity::parse(b"[").unwrap_err(), IdentityError::NotJson);
    }

    fn leak(field: &str) -> &'static str {
        ["public_key_hex", "public_key_b64", "fingerprint"].into_iter().find(|name| *name == field).unwrap()
    }

    #[test]
    fn nothing_shows_the_secret() {
        let secret = text::hex(&SEED);
        assert!(!format!("{:?}", Identity::from_seed(SEED)).contains(&secret));
        let file = format!("{{\"private_key_hex\": [\"{secret}\"]}}");
        assert!(!format!("{0} {0:?}", Identity::parse(file.as_bytes()).unwrap_err()).contains(&secret));
    }

    proptest! {
        #[test]
        fn any_seed_is_read_back(seed: [u8; 32], created in ".{0,20}", message: Vec<u8>) {
            let identity = Identity::from_seed(seed);
            let again = Identity::parse(identity.to_json(&created).as_bytes()).unwrap();
            prop_assert_eq!(again.fingerprint(), identity.fingerprint());
            prop_assert_eq!(again.sign(&message), identity.sign(&message));
        }

        #[test]
        fn any_bytes_are_safe(bytes: Vec<u8>) {
            let _ = Identity::parse(&bytes);
        }

        /// Whatever is changed, it is the same key pair that is read, or none.
        #[test]
        fn a_changed_file_is_never_another_identity(at in any::<prop::sample::Index>(), to: u8) {
            let identity = Identity::from_seed(SEED);
            let mut file = identity.to_json("now").as_bytes().to_vec();
            *at.get_mut(&mut file) = to;
            if let Ok(read) = Identity::parse(&file) {
                prop_assert_eq!(read.public_key(), identity.public_key());
            }
        }
    }
}
