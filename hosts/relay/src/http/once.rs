//! Texts that are good once: challenges for those who register with a key, tickets for those who cannot send headers.
//!
//! They are not kept: each carries a mark that only this relay can make. Kept is which were used, until they would have
//! expired anyway. So nobody can fill memory by asking for them, and all of them end when the relay does.

use std::collections::HashMap;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use hmac::{Hmac, KeyInit as _, Mac as _};
use parking_lot::Mutex;
use sha2::Sha256;

/// What a text is good for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Purpose {
    /// To be signed by who registers.
    Challenge,
    /// To open a stream.
    Ticket,
}

impl Purpose {
    /// How long a text is good, in milliseconds.
    pub(crate) const fn lifetime_ms(self) -> u64 {
        match self {
            Self::Challenge => 5 * 60_000,
            Self::Ticket => 60_000,
        }
    }

    const fn byte(self) -> u8 {
        match self {
            Self::Challenge => 1,
            Self::Ticket => 2,
        }
    }
}

/// What makes a text different from all others.
type Nonce = [u8; 16];

/// The bytes that a text stands for: nonce, expiry, subject, mark.
const LENGTH: usize = 16 + 8 + 8 + 32;

/// Makes the texts, and takes each once.
pub(crate) struct Once {
    /// A whole block of the hash.
    secret: [u8; 64],
    /// Those used, with their expiry.
    used: Mutex<HashMap<Nonce, u64>>,
}

/// A text that was made.
pub(crate) struct Issued {
    pub(crate) text: String,
    pub(crate) expires_ms: u64,
}

impl Once {
    /// With a secret of its own.
    ///
    /// # Errors
    /// The system's, when it has no randomness to give.
    pub(crate) fn new() -> Result<Self, getrandom::Error> {
        let mut secret = [0; 64];
        getrandom::fill(&mut secret)?;
        Ok(Self { secret, used: Mutex::default() })
    }

    /// A new text about a subject, the number of an account or 0.
    ///
    /// # Errors
    /// The system's, when it has no randomness to give.
    pub(crate) fn issue(&self, purpose: Purpose, subject: u64, now_ms: u64) -> Result<Issued, getrandom::Error> {
        let mut nonce = Nonce::default();
        getrandom::fill(&mut nonce)?;
        let expires_ms = now_ms.saturating_add(purpose.lifetime_ms());
        let mut bytes = Vec::with_capacity(LENGTH);
        bytes.extend_from_slice(&nonce);
        bytes.extend_from_slice(&expires_ms.to_be_bytes());
        bytes.extend_from_slice(&subject.to_be_bytes());
        let mark = self.mac(purpose, &bytes).finalize().into_bytes();
        bytes.extend_from_slice(&mark);
        Ok(Issued { text: URL_SAFE_NO_PAD.encode(bytes), expires_ms })
    }

    /// Whether a text is good still, which does not use it.
    pub(crate) fn is_good(&self, purpose: Purpose, text: &str, now_ms: u64) -> bool {
        self.open(purpose, text, now_ms).is_some_and(|opened| !self.used.lock().contains_key(&opened.nonce))
    }

    /// Uses a text: its subject, if it was good.
    pub(crate) fn redeem(&self, purpose: Purpose, text: &str, now_ms: u64) -> Option<u64> {
        let opened = self.open(purpose, text, now_ms)?;
        let mut used = self.used.lock();
        if used.len() >= used.capacity() / 2 {
            used.retain(|_, expires_ms| *expires_ms >= now_ms);
        }
        used.insert(opened.nonce, opened.expires_ms).is_none().then_some(opened.subject)
    }

    fn open(&self, purpose: Purpose, text: &str, now_ms: u64) -> Option<Opened> {
        let bytes: [u8; LENGTH] = URL_SAFE_NO_PAD.decode(text).ok()?.try_into().ok()?;
        let (signed, mark) = bytes.split_last_chunk::<32>()?;
        // Compared in constant time.
        self.mac(purpose, signed).verify_slice(mark).ok()?;
        let (nonce, rest) = signed.split_first_chunk::<16>()?;
        let (expires_ms, subject) = rest.split_first_chunk::<8>()?;
        let expires_ms = u64::from_be_bytes(*expires_ms);
        let subject = u64::from_be_bytes(subject.try_into().ok()?);
        (now_ms <= expires_ms).then_some(Opened { nonce: *nonce, expires_ms, subject })
    }

    fn mac(&self, purpose: Purpose, bytes: &[u8]) -> Hmac<Sha256> {
        let mut mac = Hmac::<Sha256>::new((&self.secret).into());
        mac.update(&[purpose.byte()]);
        mac.update(bytes);
        mac
    }
}

struct Opened {
    nonce: Nonce,
    expires_ms: u64,
    subject: u64,
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOW: u64 = 1_773_239_400_000;

    #[test]
    fn a_text_is_good_once_for_its_purpose_until_it_expires() {
        let once = Once::new().unwrap();
        let ticket = once.issue(Purpose::Ticket, 7, NOW).unwrap();
        assert!(ticket.text.len() <= 200 && ticket.text.bytes().all(|b| b.is_ascii_graphic()));
        assert_eq!(once.redeem(Purpose::Challenge, &ticket.text, NOW), None);
        assert!(once.is_good(Purpose::Ticket, &ticket.text, ticket.expires_ms));
        assert_eq!(once.redeem(Purpose::Ticket, &ticket.text, ticket.expires_ms + 1), None);
        assert_eq!(once.redeem(Purpose::Ticket, &ticket.text, NOW), Some(7));
        assert_eq!(once.redeem(Purpose::Ticket, &ticket.text, NOW), None);
        assert!(!once.is_good(Purpose::Ticket, &ticket.text, NOW));
    }

    #[test]
    fn nobody_else_can_make_one() {
        let once = Once::new().unwrap();
        let text = once.issue(Purpose::Ticket, 7, NOW).unwrap().text;
        assert_eq!(Once::new().unwrap().redeem(Purpose::Ticket, &text, NOW), None);
        for at in 0..text.len() {
            let mut changed = text.clone().into_bytes();
            changed[at] = if changed[at] == b'A' { b'B' } else { b'A' };
            assert_eq!(once.redeem(Purpose::Ticket, std::str::from_utf8(&changed).unwrap(), NOW), None, "{at}");
        }
        for text in ["", "x", "\u{e4}", &"A".repeat(86), &"A".repeat(9000)] {
            assert_eq!(once.redeem(Purpose::Ticket, text, NOW), None);
        }
    }

    #[test]
    fn what_has_expired_is_forgotten() {
        let once = Once::new().unwrap();
        for step in 0..10_000 {
            let now = NOW + step * 1000;
            let ticket = once.issue(Purpose::Ticket, 7, now).unwrap();
            assert_eq!(once.redeem(Purpose::Ticket, &ticket.text, now), Some(7));
        }
        assert!(once.used.lock().len() < 1000);
    }
}
