//! What is known of a message's origin (PROTOCOL section 9), and how it is written down so that a listing need not
//! verify again.

use std::fmt;

use hmac::{Hmac, KeyInit as _, Mac};
use serde::Serialize;
use sha2::{Digest as _, Sha256};

use super::id::Fingerprint;
use super::text;

/// What the signature proves.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Origin {
    /// Headers and body are the signer's.
    Valid,
    /// The text is the signer's; who sent it to whom is not proven.
    BodyOnly,
    /// There is a signature and it is wrong.
    Invalid,
    /// There is a signature by a key that is not known here.
    UnknownKey,
    /// There is no signature.
    Unsigned,
}

/// What the keyring says of the signer.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Peer {
    /// This key was seen from this address before.
    Known,
    /// The first message from this address.
    FirstSeen,
    /// Another key was seen from this address before.
    KeyChanged,
    /// This key has used envelope 2 before, and does not now: somebody may have cut the proof off.
    Downgraded,
}

/// What is known of a message's origin.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Verdict {
    /// What the signature proves.
    #[serde(rename = "verdict")]
    pub origin: Origin,
    /// What the keyring says, where there is a proven key.
    pub peer: Option<Peer>,
    /// The signing key, where one is stated.
    pub fingerprint: Option<Fingerprint>,
    /// None of my addresses is among the signed recipients: somebody passes on what was not for me.
    pub misaddressed: bool,
}

macro_rules! words {
    ($($kind:ident { $($variant:ident => $word:literal),* $(,)? })*) => {$(
        impl $kind {
            /// The word for it in headers, listings and JSON.
            #[must_use]
            pub const fn word(self) -> &'static str {
                match self { $(Self::$variant => $word,)* }
            }

            fn from_word(word: &str) -> Option<Self> {
                match word { $($word => Some(Self::$variant),)* _ => None }
            }
        }
    )*};
}
words! {
    Origin { Valid => "valid", BodyOnly => "body-only", Invalid => "invalid", UnknownKey => "unknown-key", Unsigned => "unsigned" }
    Peer { Known => "known", FirstSeen => "first-seen", KeyChanged => "key-changed", Downgraded => "downgraded" }
}

const MISADDRESSED: &str = "misaddressed";

impl Verdict {
    /// The verdict on a message without a signature.
    pub const UNSIGNED: Self = Self { origin: Origin::Unsigned, peer: None, fingerprint: None, misaddressed: false };

    /// Whether the signature, if there is one, proves at least the text.
    #[must_use]
    pub const fn is_proven(&self) -> bool {
        matches!(self.origin, Origin::Valid | Origin::BodyOnly)
    }

    /// Reads what [`Verdict`]'s `Display` wrote.
    fn parse(words: &str) -> Option<Self> {
        let mut words = words.split(' ');
        let mut verdict = Self { origin: Origin::from_word(words.next()?)?, ..Self::UNSIGNED };
        for word in words {
            if let Some(peer) = Peer::from_word(word) {
                verdict.peer = Some(peer);
            } else if word == MISADDRESSED {
                verdict.misaddressed = true;
            } else {
                verdict.fingerprint = Some(Fingerprint::parse(word).ok()?);
            }
        }
        Some(verdict)
    }
}

impl fmt::Display for Verdict {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.origin.word())?;
        if let Some(peer) = self.peer {
            write!(f, " {}", peer.word())?;
        }
        if self.misaddressed {
            write!(f, " {MISADDRESSED}")?;
        }
        if let Some(fingerprint) = self.fingerprint {
            write!(f, " {fingerprint}")?;
        }
        Ok(())
    }
}

/// The headers that a written verdict belongs to: under another sender or id it is void.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Subjects<'a> {
    /// `Message-ID`.
    pub message_id: &'a str,
    /// `From`.
    pub from: &'a str,
    /// `To`.
    pub to: &'a str,
    /// `Subject`.
    pub subject: &'a str,
    /// `Date`.
    pub date: &'a str,
}

/// A verdict that was written down, and the body that it was written for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Sealed {
    /// The verdict.
    pub verdict: Verdict,
    digest: String,
}

impl Sealed {
    /// Whether it is the verdict on a message with this body. A listing, which reads the heads of messages alone, cannot ask.
    #[must_use]
    pub fn is_of(&self, body: &str) -> bool {
        self.digest == digest(body)
    }
}

/// The first 32 hex digits of a body's SHA-256.
fn digest(body: &str) -> String {
    text::hex(Sha256::digest(body.as_bytes()).get(..16).unwrap_or_default())
}

/// Writes and reads `Verdict:` headers. Behind the verdict stand a digest of the body and a MAC under the agent's key, so
/// that a message which somebody else dropped into the mailbox cannot bring its own verdict along, nor that of another.
#[derive(Clone)]
pub struct VerdictSeal(Hmac<Sha256>);

impl VerdictSeal {
    /// The seal of the agent with this key.
    #[must_use]
    pub fn new(agent_key: &[u8]) -> Self {
        // HMAC takes a key of any length; the other arm cannot be reached.
        let mac = Hmac::<Sha256>::new_from_slice(agent_key).unwrap_or_else(|_| Hmac::new(&Default::default()));
        Self(mac.chain_update(b"azall verdict 2\n"))
    }

    /// The value of the `Verdict` header.
    #[must_use]
    pub fn write(&self, verdict: &Verdict, subjects: &Subjects<'_>, body: &str) -> String {
        let words = format!("{verdict} {}", digest(body));
        let mac = self.mac(&words, subjects);
        format!("{words} {mac}")
    }

    /// The verdict in a `Verdict` header; `None` when it is not ours.
    #[must_use]
    pub fn read(&self, header: &str, subjects: &Subjects<'_>) -> Option<Sealed> {
        let (sealed, mac) = header.rsplit_once(' ')?;
        let expected = self.mac(sealed, subjects);
        let same: bool = subtle::ConstantTimeEq::ct_eq(mac.as_bytes(), expected.as_bytes()).into();
        let (words, digest) = sealed.rsplit_once(' ').filter(|_| same)?;
        Some(Sealed { verdict: Verdict::parse(words)?, digest: digest.to_owned() })
    }

    fn mac(&self, words: &str, subjects: &Subjects<'_>) -> String {
        let mut mac = self.0.clone();
        for part in [words, subjects.message_id, subjects.from, subjects.to, subjects.subject, subjects.date] {
            mac.update(&(part.len() as u64).to_be_bytes());
            mac.update(part.as_bytes());
        }
        let tag = mac.finalize().into_bytes();
        text::hex(tag.get(..8).unwrap_or_default())
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const SUBJECTS: Subjects<'_> =
        Subjects { message_id: "abc", from: "a@x", to: "b@x", subject: "Hi", date: "2026-03-11 14:30:00" };

    fn verdict() -> Verdict {
        Verdict {
            origin: Origin::Valid,
            peer: Some(Peer::FirstSeen),
            fingerprint: Some(Fingerprint::parse("3430f3e127705937").unwrap()),
            misaddressed: true,
        }
    }

    #[test]
    fn verdicts_round_trip() {
        let seal = VerdictSeal::new(b"key");
        let header = seal.write(&verdict(), &SUBJECTS, "Hello");
        assert!(header.starts_with("valid first-seen misaddressed 3430f3e127705937 "));
        let sealed = seal.read(&header, &SUBJECTS).unwrap();
        assert_eq!(sealed.verdict, verdict());
        assert!(sealed.is_of("Hello") && !sealed.is_of("Hello!") && !sealed.is_of(""));
        let unsigned = seal.write(&Verdict::UNSIGNED, &SUBJECTS, "");
        assert_eq!(seal.read(&unsigned, &SUBJECTS).map(|sealed| sealed.verdict), Some(Verdict::UNSIGNED));
    }

    #[test]
    fn a_verdict_from_outside_is_void() {
        let header = VerdictSeal::new(b"key").write(&verdict(), &SUBJECTS, "Hello");
        assert_eq!(VerdictSeal::new(b"other").read(&header, &SUBJECTS), None);
        let seal = VerdictSeal::new(b"key");
        assert_eq!(seal.read(&header, &Subjects { from: "c@x", ..SUBJECTS }), None);
        assert_eq!(seal.read("valid known 3430f3e127705937", &SUBJECTS), None);
        assert_eq!(seal.read("", &SUBJECTS), None);
        let moved = Subjects { from: "a@xb", to: "@x", ..SUBJECTS };
        assert_eq!(seal.read(&header, &moved), None);
    }

    proptest! {
        #[test]
        fn any_verdict_is_read_back_and_any_other_header_is_void(
            origin in 0..5_usize, peer in 0..5_usize, key: Option<[u8; 32]>, misaddressed: bool,
            header in ".{0,40}", fields in prop::collection::vec(".{0,9}", 5),
        ) {
            use {Origin as O, Peer as P};
            let verdict = Verdict {
                origin: [O::Valid, O::BodyOnly, O::Invalid, O::UnknownKey, O::Unsigned][origin],
                peer: [P::Known, P::FirstSeen, P::KeyChanged, P::Downgraded].get(peer).copied(),
                fingerprint: key.map(|key| Fingerprint::of_key(&key)),
                misaddressed,
            };
            let [message_id, from, to, subject, date] = [0, 1, 2, 3, 4].map(|n: usize| fields[n].as_str());
            let (seal, subjects) = (VerdictSeal::new(b"key"), Subjects { message_id, from, to, subject, date });
            let sealed = seal.read(&seal.write(&verdict, &subjects, &header), &subjects).unwrap();
            prop_assert!(sealed.verdict == verdict && sealed.is_of(&header));
            prop_assert_eq!(seal.read(&header, &subjects), None);
        }

        #[test]
        fn a_changed_header_is_void(at in any::<prop::sample::Index>(), to in 0x20_u8..0x7f) {
            let seal = VerdictSeal::new(b"key");
            let header = seal.write(&verdict(), &SUBJECTS, "Hello");
            let mut bytes = header.clone().into_bytes();
            *at.get_mut(&mut bytes) = to;
            let changed = String::from_utf8(bytes).unwrap();
            prop_assert_eq!(seal.read(&changed, &SUBJECTS).is_some(), changed == header);
        }
    }
}
