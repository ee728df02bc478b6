//! The secret that an owner and a bound agent share, and what it proves.

use std::fmt;

use hmac::Mac as _;
use zeroize::Zeroizing;

use super::token::Nonce;
use super::{hmac_sha256, keyed};
use crate::protocol::text;

/// What makes the owner's key differ from every other use of the agent's.
const INFO: &[u8] = b"owner-auth-key";

/// The secret that authenticates an owner's privileged messages: 64 hex digits, whose UTF-8 bytes are the key of
/// HMAC-SHA256 (PROTOCOL section 5). Wiped when dropped, and masked by `Debug`.
#[derive(Clone)]
pub struct OwnerSecret(Zeroizing<String>);

impl OwnerSecret {
    /// The secret that a token with this nonce gives its holder.
    #[must_use]
    pub fn derive(agent_key: &str, nonce: &Nonce) -> Self {
        let mac = Zeroizing::new(hmac_sha256(agent_key.as_bytes(), &[nonce.as_bytes(), INFO]));
        Self(Zeroizing::new(text::hex(&*mac)))
    }

    /// Reads 64 lower-case hex digits; `None` for anything else. Takes the text, so that no copy of it stays behind.
    #[must_use]
    pub fn parse(hex: String) -> Option<Self> {
        let secret = Self(Zeroizing::new(hex));
        let good = secret.0.len() == 64 && secret.0.bytes().all(|b| matches!(b, b'0'..=b'9' | b'a'..=b'f'));
        good.then_some(secret)
    }

    /// The hex digits, for the file that keeps them and for the owner.
    #[must_use]
    pub fn expose(&self) -> &str {
        &self.0
    }

    /// The proof of a privileged message: hex HMAC-SHA256 of its UTF-8 bytes.
    #[must_use]
    pub fn sign(&self, message: &str) -> String {
        text::hex(&hmac_sha256(self.0.as_bytes(), &[message.as_bytes()]))
    }

    /// Whether `signature` is this owner's proof of `message`, compared in constant time.
    #[must_use]
    pub fn verify(&self, message: &str, signature: &str) -> bool {
        if signature.len() != 64 {
            return false;
        }
        text::unhex(signature)
            .is_some_and(|mac| keyed(self.0.as_bytes()).chain_update(message.as_bytes()).verify_slice(&mac).is_ok())
    }
}

/// In constant time, save for the length.
impl PartialEq for OwnerSecret {
    fn eq(&self, other: &Self) -> bool {
        subtle::ConstantTimeEq::ct_eq(self.0.as_bytes(), other.0.as_bytes()).into()
    }
}

impl Eq for OwnerSecret {}

impl fmt::Debug for OwnerSecret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("OwnerSecret(..)")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_same_message_under_the_same_secret_verifies() {
        let secret = OwnerSecret::derive("key", &Nonce::new([1; 32]));
        let proof = secret.sign("do it");
        assert!(secret.verify("do it", &proof));
        assert!(!secret.verify("do it ", &proof));
        assert!(!OwnerSecret::derive("key", &Nonce::new([2; 32])).verify("do it", &proof));
        for bad in ["", "zz", &proof.replacen(|_: char| true, "", 2), &proof.repeat(2)] {
            assert!(!secret.verify("do it", bad), "{bad:?}");
        }
    }

    #[test]
    fn secrets_are_masked_and_strict() {
        let secret = OwnerSecret::parse("0a".repeat(32)).unwrap();
        assert!(!format!("{secret:?}").contains("0a"));
        for bad in ["", "0a", &"0A".repeat(32), &"zz".repeat(32), &"é".repeat(32)] {
            assert!(OwnerSecret::parse(bad.to_owned()).is_none(), "{bad:?}");
        }
    }
}
