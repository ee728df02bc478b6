//! Trust tokens and what they lead to (PROTOCOL section 5): whoever holds a token has proven that they can read the
//! agent's files on the agent's machine, and so may become its owner.
//!
//! [`Token`] is made and checked; [`armor`] is its form for people; [`Binding`] is what a token that was accepted
//! leaves behind; [`UsedNonces`] sees to it that no token is accepted twice; an [`OwnerSecret`] proves later messages
//! of the owner. [`bind`] is the decision over all of these.

pub mod armor;
pub mod binding;
pub mod machine;
pub mod nonces;
pub mod owner;
pub mod pending;
pub mod token;

use hmac::{Hmac, KeyInit as _, Mac as _};
use sha2::{Digest as _, Sha256};
use zeroize::Zeroizing;

pub use self::armor::ArmorError;
pub use self::binding::{Binding, BindingError, Permissions, Status};
pub use self::machine::{MachineFingerprint, machine_fingerprint};
pub use self::nonces::{NoncesError, UsedNonces};
pub use self::owner::OwnerSecret;
pub use self::pending::{PendingError, PendingToken};
pub use self::token::{Nonce, Token, TokenRefusal};

use super::address::Address;
use super::time::Now;

/// Who a token must have been made for, and when it is looked at.
#[derive(Clone, Copy)]
pub struct Expected<'a> {
    /// The agent.
    pub agent: &'a Address,
    /// The agent's `agent_key` (secret).
    pub agent_key: &'a str,
    /// This machine.
    pub machine: &'a MachineFingerprint,
    /// The present moment.
    pub now: Now,
}

/// Why an agent was not bound to an owner.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum BindRefusal {
    /// The agent has an owner, and its permissions do not let another take over.
    #[error(
        "Agent is already bound to {owner}. Rebinding not permitted. \
         Use 'trust-revoke' on the local machine to revoke first."
    )]
    AlreadyBound {
        /// The owner that the agent has.
        owner: String,
    },
    /// The token itself is not good.
    #[error(transparent)]
    Token(#[from] TokenRefusal),
    /// A good token that was used before.
    #[error("This token has already been used (nonce replay).")]
    NonceReplay,
    /// The new owner's name could not be kept in a file or shown.
    #[error(transparent)]
    Owner(#[from] BindingError),
}

/// Checks a token that came as text: the armor, or raw base64.
///
/// # Errors
/// [`TokenRefusal`], in the order of PROTOCOL section 5.
pub fn check_text(text: &str, expected: &Expected<'_>) -> Result<Token, TokenRefusal> {
    Token::check(&armor::parse(text)?, expected)
}

/// Binds an agent to `owner` by a token, burning its nonce. The caller makes `nonces` durable before the binding, so
/// that a crash between the two costs a token and never frees one.
///
/// # Errors
/// [`BindRefusal`]; nothing has changed then.
pub fn bind(
    token_text: &str,
    owner: &str,
    expected: &Expected<'_>,
    current: Option<&Binding>,
    nonces: &mut UsedNonces,
) -> Result<Binding, BindRefusal> {
    if let Some(bound) = current.filter(|binding| binding.is_locked()) {
        return Err(BindRefusal::AlreadyBound { owner: bound.owner().to_owned() });
    }
    let token = check_text(token_text, expected)?;
    if nonces.contains(token.nonce()) {
        return Err(BindRefusal::NonceReplay);
    }
    let binding = Binding::new(owner, &token, expected)?;
    nonces.burn(token.nonce(), expected.now);
    Ok(binding)
}

/// HMAC-SHA256 under a key of any length (RFC 2104 section 2: a key longer than a block is hashed first).
fn keyed(key: &[u8]) -> Hmac<Sha256> {
    let mut block = Zeroizing::new([0u8; 64]);
    let digest = (key.len() > block.len()).then(|| Sha256::digest(key));
    let short = digest.as_deref().unwrap_or(key);
    block.iter_mut().zip(short).for_each(|(slot, byte)| *slot = *byte);
    Hmac::new((&*block).into())
}

/// HMAC-SHA256 of the concatenation of `parts`.
fn hmac_sha256(key: &[u8], parts: &[&[u8]]) -> [u8; 32] {
    let mut mac = keyed(key);
    parts.iter().for_each(|part| mac.update(part));
    mac.finalize().into_bytes().into()
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOW: Now = Now::utc(1_770_282_343_000);

    fn with_expected<T>(test: impl FnOnce(&Expected<'_>) -> T) -> T {
        let agent = Address::parse("bob@localhost").unwrap();
        let machine = MachineFingerprint::of_facts(&["vm".to_owned()]);
        test(&Expected { agent: &agent, agent_key: "0123456789abcdef", machine: &machine, now: NOW })
    }

    #[test]
    fn keys_of_any_length_are_the_crates() {
        for length in [0, 1, 63, 64, 65, 200] {
            let key = vec![7u8; length];
            let theirs: [u8; 32] =
                Hmac::<Sha256>::new_from_slice(&key).unwrap().chain_update(b"x").finalize().into_bytes().into();
            assert_eq!(hmac_sha256(&key, &[b"x"]), theirs, "{length}");
        }
    }

    #[test]
    fn a_token_binds_once() {
        with_expected(|expected| {
            let token = Token::build(expected, Nonce::new([9; 32])).to_base64();
            let mut nonces = UsedNonces::default();
            let binding = bind(&token, "owner@localhost", expected, None, &mut nonces).unwrap();
            assert!(binding.is_locked());
            assert_eq!(bind(&token, "x@localhost", expected, None, &mut nonces), Err(BindRefusal::NonceReplay));
        });
    }

    #[test]
    fn a_bound_agent_refuses_before_it_looks_at_the_token() {
        with_expected(|expected| {
            let token = Token::build(expected, Nonce::new([9; 32]));
            let bound = Binding::new("owner@localhost", &token, expected).unwrap();
            let mut nonces = UsedNonces::default();
            let refusal = bind("garbage", "x@localhost", expected, Some(&bound), &mut nonces).unwrap_err();
            assert_eq!(refusal, BindRefusal::AlreadyBound { owner: "owner@localhost".to_owned() });
            let other = Token::build(expected, Nonce::new([8; 32])).to_base64();
            assert!(bind(&other, "x@localhost", expected, Some(&bound), &mut nonces).is_err());
            assert!(!nonces.contains(&Nonce::new([8; 32])), "a refused token is not burned");
        });
    }
}
