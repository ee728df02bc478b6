//! The token's bytes: how they are made, and everything that is checked before one is believed.

use std::fmt;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use hkdf::Hkdf;
use hmac::Mac as _;
use sha2::Sha256;
use subtle::ConstantTimeEq as _;
use zeroize::Zeroizing;

use super::armor::ArmorError;
use super::machine::MachineFingerprint;
use super::owner::OwnerSecret;
use super::{Expected, hmac_sha256, keyed};
use crate::protocol::text;

/// How long a token is good for, in seconds.
pub const LIFETIME: u64 = 600;
/// The age beyond which a token is refused whatever it says of its expiry, in seconds.
pub const MAX_AGE: i64 = 1200;
/// How far in the future a token may have been made, in seconds: two clocks on one machine's disk may differ.
pub const CLOCK_SKEW: i64 = 60;

const MAGIC: &[u8; 4] = b"AZTR";
const VERSION: u8 = 1;
/// Bytes of a token that is made here, signature and padding included.
const SIZE: usize = 4096;
/// Fewer bytes than this are not looked at.
const SHORTEST: usize = 120;
/// Bytes of the HMAC-SHA256 at the end.
const MAC_SIZE: usize = 32;

/// The 32 random bytes that make a token single-use. Written as 64 lower-case hex digits.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Nonce([u8; 32]);

impl Nonce {
    /// A nonce of these bytes, which come from the operating system's generator.
    #[must_use]
    pub const fn new(bytes: [u8; 32]) -> Self {
        Self(bytes)
    }

    /// Reads 64 hex digits; `None` for anything else.
    #[must_use]
    pub fn parse(hex: &str) -> Option<Self> {
        (hex.len() == 64).then(|| text::unhex(hex))?.and_then(|bytes| bytes.try_into().ok()).map(Self)
    }

    /// The 32 bytes.
    #[must_use]
    pub const fn as_bytes(&self) -> &[u8; 32] {
        &self.0
    }
}

impl fmt::Display for Nonce {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&text::hex(&self.0))
    }
}

impl fmt::Debug for Nonce {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Nonce({self})")
    }
}

/// Why a token was refused, in the order in which the checks are made. The texts are the reference's.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum TokenRefusal {
    /// The text holds no token.
    #[error("Failed to parse token: {0}")]
    Unreadable(#[from] ArmorError),
    /// Fewer than 120 bytes.
    #[error("Token too short.")]
    TooShort,
    /// Not made with this agent's key, or changed since.
    #[error("HMAC signature mismatch.")]
    BadSignature,
    /// Something else than a token, though made with this agent's key.
    #[error("Invalid magic bytes.")]
    BadMagic,
    /// A version that is not known here.
    #[error("Unsupported token version: {0}.")]
    UnsupportedVersion(u8),
    /// The fields do not fit into the bytes there are, or the name is not UTF-8.
    #[error("Malformed token header: {0}")]
    MalformedHeader(&'static str),
    /// For another agent.
    #[error("Token is for '{token}', not '{expected}'.")]
    OtherAgent {
        /// The agent that the token is for.
        token: String,
        /// The agent that checks it.
        expected: String,
    },
    /// Past its expiry.
    #[error("Token expired {minutes} minutes ago.")]
    Expired {
        /// Whole minutes since the expiry.
        minutes: u64,
    },
    /// Made more than [`CLOCK_SKEW`] seconds from now.
    #[error("Token timestamp is in the future.")]
    FromTheFuture,
    /// Made more than [`MAX_AGE`] seconds ago, whatever it says of its expiry.
    #[error("Token is too old.")]
    TooOld,
    /// Made where the host's facts are others.
    #[error("Machine fingerprint mismatch — token was generated on a different machine.")]
    OtherMachine,
    /// The padding is not the one that the key and nonce give.
    #[error("Padding verification failed.")]
    BadPadding,
}

/// A token that is known to be good: made here, or checked. Its bytes are a credential until it expires, so they are
/// wiped when dropped and masked by `Debug`.
#[derive(Clone, PartialEq, Eq)]
pub struct Token {
    bytes: Zeroizing<Vec<u8>>,
    agent: String,
    created: u64,
    expires: u64,
    nonce: Nonce,
}

impl Token {
    /// Makes a token for the agent, machine and moment of `expected`.
    #[must_use]
    pub fn build(expected: &Expected<'_>, nonce: Nonce) -> Self {
        let agent = expected.agent.as_str().to_owned();
        let created = u64::try_from(expected.now.unix_seconds()).unwrap_or(0);
        let expires = created.saturating_add(LIFETIME);
        let key = expected.agent_key.as_bytes();
        // An address is at most 320 bytes long, so its length fits and there is room for padding.
        let name_length = u16::try_from(agent.len()).unwrap_or(u16::MAX);

        let mut bytes = Zeroizing::new(Vec::with_capacity(SIZE));
        bytes.extend_from_slice(MAGIC);
        bytes.push(VERSION);
        bytes.extend_from_slice(&name_length.to_be_bytes());
        bytes.extend_from_slice(agent.as_bytes());
        bytes.extend_from_slice(expected.machine.as_bytes());
        bytes.extend_from_slice(&created.to_be_bytes());
        bytes.extend_from_slice(&expires.to_be_bytes());
        bytes.extend_from_slice(nonce.as_bytes());
        let length = (SIZE - MAC_SIZE).saturating_sub(bytes.len());
        bytes.extend_from_slice(&padding(key, &nonce, length).unwrap_or_default());
        let mac = hmac_sha256(key, &[&bytes]);
        bytes.extend_from_slice(&mac);
        Self { bytes, agent, created, expires, nonce }
    }

    /// Believes the bytes of a token, or says what is wrong with them. The signature comes before anything that is
    /// read, so nobody without the agent's key learns more than that it is wrong.
    ///
    /// # Errors
    /// The first of the checks that fails, in the order of [`TokenRefusal`].
    pub fn check(bytes: &[u8], expected: &Expected<'_>) -> Result<Self, TokenRefusal> {
        if bytes.len() < SHORTEST {
            return Err(TokenRefusal::TooShort);
        }
        let key = expected.agent_key.as_bytes();
        let (signed, mac) = bytes.split_last_chunk::<MAC_SIZE>().ok_or(TokenRefusal::TooShort)?;
        keyed(key).chain_update(signed).verify_slice(mac).map_err(|_| TokenRefusal::BadSignature)?;

        let fields = Fields::read(signed)?;
        if fields.agent != expected.agent.as_str() {
            let (token, expected) = (fields.agent.to_owned(), expected.agent.as_str().to_owned());
            return Err(TokenRefusal::OtherAgent { token, expected });
        }
        fields.check_time(expected.now.unix_seconds())?;
        if fields.machine != *expected.machine {
            return Err(TokenRefusal::OtherMachine);
        }
        let wanted = padding(key, &fields.nonce, fields.padding.len()).ok_or(TokenRefusal::BadPadding)?;
        if !bool::from(wanted.ct_eq(fields.padding)) {
            return Err(TokenRefusal::BadPadding);
        }
        Ok(Self {
            bytes: Zeroizing::new(bytes.to_vec()),
            agent: fields.agent.to_owned(),
            created: fields.created,
            expires: fields.expires,
            nonce: fields.nonce,
        })
    }

    /// The token's bytes.
    #[must_use]
    pub fn as_bytes(&self) -> &[u8] {
        &self.bytes
    }

    /// The token as raw base64, the form for machines.
    #[must_use]
    pub fn to_base64(&self) -> String {
        STANDARD.encode(self.as_bytes())
    }

    /// The agent that it is for.
    #[must_use]
    pub fn agent(&self) -> &str {
        &self.agent
    }

    /// When it was made, unix seconds.
    #[must_use]
    pub const fn created(&self) -> u64 {
        self.created
    }

    /// When it ceases to be good, unix seconds.
    #[must_use]
    pub const fn expires(&self) -> u64 {
        self.expires
    }

    /// What makes it single-use.
    #[must_use]
    pub const fn nonce(&self) -> &Nonce {
        &self.nonce
    }

    /// The secret that its holder and the agent share from now on.
    #[must_use]
    pub fn owner_secret(&self, agent_key: &str) -> OwnerSecret {
        OwnerSecret::derive(agent_key, &self.nonce)
    }

    /// The HMAC at the end, as hex.
    pub(super) fn signature_hex(&self) -> String {
        self.bytes.last_chunk::<MAC_SIZE>().map(|mac| text::hex(mac)).unwrap_or_default()
    }
}

impl fmt::Debug for Token {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Token")
            .field("agent", &self.agent)
            .field("created", &self.created)
            .field("expires", &self.expires)
            .finish_non_exhaustive()
    }
}

/// The signed part of a token, taken apart.
struct Fields<'a> {
    agent: &'a str,
    machine: MachineFingerprint,
    created: u64,
    expires: u64,
    nonce: Nonce,
    padding: &'a [u8],
}

impl<'a> Fields<'a> {
    fn read(signed: &'a [u8]) -> Result<Self, TokenRefusal> {
        const CUT: TokenRefusal = TokenRefusal::MalformedHeader("its fields are longer than the token");
        let rest = signed.strip_prefix(MAGIC).ok_or(TokenRefusal::BadMagic)?;
        let (version, rest) = rest.split_first().ok_or(CUT)?;
        if *version != VERSION {
            return Err(TokenRefusal::UnsupportedVersion(*version));
        }
        let (name_length, rest) = rest.split_first_chunk().ok_or(CUT)?;
        let (name, rest) = rest.split_at_checked(usize::from(u16::from_be_bytes(*name_length))).ok_or(CUT)?;
        let agent =
            std::str::from_utf8(name).map_err(|_| TokenRefusal::MalformedHeader("the agent's name is not UTF-8"))?;
        let (machine, rest) = rest.split_first_chunk().ok_or(CUT)?;
        let (created, rest) = rest.split_first_chunk().ok_or(CUT)?;
        let (expires, rest) = rest.split_first_chunk().ok_or(CUT)?;
        let (nonce, padding) = rest.split_first_chunk().ok_or(CUT)?;
        Ok(Self {
            agent,
            machine: MachineFingerprint::from_bytes(*machine),
            created: u64::from_be_bytes(*created),
            expires: u64::from_be_bytes(*expires),
            nonce: Nonce(*nonce),
            padding,
        })
    }

    fn check_time(&self, now: i64) -> Result<(), TokenRefusal> {
        let late = i128::from(now) - i128::from(self.expires);
        let age = i128::from(now) - i128::from(self.created);
        if late > 0 {
            return Err(TokenRefusal::Expired { minutes: u64::try_from(late / 60).unwrap_or(u64::MAX) });
        }
        if age < -i128::from(CLOCK_SKEW) {
            return Err(TokenRefusal::FromTheFuture);
        }
        if age > i128::from(MAX_AGE) {
            return Err(TokenRefusal::TooOld);
        }
        Ok(())
    }
}

/// HKDF-Expand-SHA256 (RFC 5869 section 2.3) under HMAC-SHA256(agent key, nonce). `None` beyond the 255 blocks that
/// it can give, twice as much as a token of [`SIZE`] needs.
fn padding(agent_key: &[u8], nonce: &Nonce, length: usize) -> Option<Zeroizing<Vec<u8>>> {
    const INFO: &[u8] = b"aztr-padding";
    const MOST: usize = 255 * 32;
    let mut bytes = Zeroizing::new(vec![0; (length <= MOST).then_some(length)?]);
    let key = Zeroizing::new(hmac_sha256(agent_key, &[nonce.as_bytes()]));
    Hkdf::<Sha256>::from_prk(&*key).ok()?.expand(INFO, &mut bytes).ok()?;
    Some(bytes)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::protocol::address::Address;
    use crate::protocol::time::Now;

    const CREATED: i64 = 1_770_282_343;
    const KEY: &str = "0123456789abcdef";

    /// A token whose signed part is `signed`, rightly signed.
    fn signed(signed: &[u8]) -> Vec<u8> {
        [signed, &hmac_sha256(KEY.as_bytes(), &[signed])].concat()
    }

    fn check(bytes: &[u8], seconds: i64) -> Result<Token, TokenRefusal> {
        let agent = Address::parse("bob@localhost").unwrap();
        let machine = MachineFingerprint::of_facts(&["vm".to_owned()]);
        let now = Now::utc(seconds * 1000);
        Token::check(bytes, &Expected { agent: &agent, agent_key: KEY, machine: &machine, now })
    }

    fn good() -> Vec<u8> {
        let agent = Address::parse("bob@localhost").unwrap();
        let machine = MachineFingerprint::of_facts(&["vm".to_owned()]);
        let now = Now::utc(CREATED * 1000);
        let expected = Expected { agent: &agent, agent_key: KEY, machine: &machine, now };
        Token::build(&expected, Nonce::new([3; 32])).as_bytes().to_vec()
    }

    /// The good token with bytes replaced from `at` on, signed anew.
    fn changed(at: usize, bytes: &[u8]) -> Vec<u8> {
        let mut body = good();
        body.truncate(body.len() - MAC_SIZE);
        body[at..at + bytes.len()].copy_from_slice(bytes);
        signed(&body)
    }

    #[test]
    fn every_refusal_has_its_reason() {
        let times_at = 7 + 13 + 64;
        let created = |seconds: i64| u64::try_from(CREATED + seconds).unwrap().to_be_bytes();
        let refused = |bytes: &[u8]| check(bytes, CREATED).unwrap_err();
        assert_eq!(refused(&[0; 119]), TokenRefusal::TooShort);
        assert_eq!(refused(&[0; 120]), TokenRefusal::BadSignature);
        assert_eq!(refused(&changed(0, b"X")), TokenRefusal::BadMagic);
        assert_eq!(refused(&changed(4, &[2])), TokenRefusal::UnsupportedVersion(2));
        assert!(matches!(refused(&changed(5, &[0xff, 0xff])), TokenRefusal::MalformedHeader(_)));
        assert!(matches!(refused(&changed(7, &[0xff])), TokenRefusal::MalformedHeader(_)));
        assert_eq!(refused(&changed(7, b"r")).to_string(), "Token is for 'rob@localhost', not 'bob@localhost'.");
        assert_eq!(refused(&changed(times_at + 8, &created(-121))).to_string(), "Token expired 2 minutes ago.");
        assert_eq!(refused(&changed(times_at, &created(61))), TokenRefusal::FromTheFuture);
        assert_eq!(refused(&changed(times_at, &created(-1201))), TokenRefusal::TooOld);
        assert_eq!(refused(&changed(7 + 13, &[0; 64])), TokenRefusal::OtherMachine);
        assert_eq!(refused(&changed(4000, &[0; 8])), TokenRefusal::BadPadding);
        assert!(check(&changed(times_at, &created(-1200)), CREATED).is_ok());
    }

    #[test]
    fn checks_come_in_order() {
        let both = |at: usize, bytes: &[u8], seconds: i64| check(&changed(at, bytes), seconds).unwrap_err();
        assert!(matches!(both(7, b"r", CREATED + 601), TokenRefusal::OtherAgent { .. }));
        assert!(matches!(both(7 + 13, &[0; 64], CREATED + 601), TokenRefusal::Expired { .. }));
    }

    #[test]
    fn a_token_may_be_cut_at_any_byte_and_any_moment_may_come() {
        let bytes = good();
        for length in (0..200).chain([4095]) {
            assert!(check(&bytes[..length], CREATED).is_err());
            assert!(check(&signed(&bytes[..length]), CREATED).is_err() || length >= 132);
        }
        for moment in [i64::MIN / 1000, -1, 0, i64::MAX / 1000] {
            assert!(check(&bytes, moment).is_err());
        }
        let long = changed(0, b"A").repeat(4);
        assert_eq!(check(&signed(&long), CREATED), Err(TokenRefusal::BadPadding));
    }

    #[test]
    fn debug_shows_no_bytes_of_the_token() {
        let token = check(&good(), CREATED).unwrap();
        assert!(!format!("{token:?}").contains("65, 90, 84, 82"));
        assert_eq!(token.as_bytes().len(), SIZE);
    }

    proptest! {
        #[test]
        fn any_bytes_are_safe(bytes in prop::collection::vec(any::<u8>(), 0..200)) {
            for bytes in [&bytes, &signed(&bytes)] {
                prop_assert!(check(bytes, CREATED).is_err());
            }
        }

        #[test]
        fn a_changed_token_is_refused(at in any::<prop::sample::Index>(), flip in 1..=255_u8) {
            let mut bytes = good();
            *at.get_mut(&mut bytes) ^= flip;
            prop_assert_eq!(check(&bytes, CREATED), Err(TokenRefusal::BadSignature));
        }
    }
}
