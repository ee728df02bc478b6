//! A reader of version 1 as naive as those in use: it looks for markers anywhere in the text, takes the first of each,
//! and trims what lies between them. What azall signs must verify for it too.

use azall_core::protocol::text::strip;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use ed25519_dalek::{Signature, VerifyingKey};

/// The text that the envelope proves to such a reader; `None` when it proves nothing.
pub(crate) fn read(text: &str) -> Option<String> {
    let (_, rest) = text.split_once("---BEGIN AGENTAZALL SIGNED MESSAGE---")?;
    let (signed, rest) = rest.split_once("---END AGENTAZALL SIGNED MESSAGE---")?;
    let (_, rest) = rest.split_once("---BEGIN AGENTAZALL SIGNATURE---")?;
    let (signature, _) = rest.split_once("---END AGENTAZALL SIGNATURE---")?;

    let signed = strip(signed);
    let (head, body) = signed.split_once("\n\n").unwrap_or((signed, ""));
    let key = head.lines().find_map(|line| line.strip_prefix("Public-Key:"))?;
    let key: [u8; 32] = STANDARD.decode(strip(key)).ok()?.try_into().ok()?;
    let signature: [u8; 64] = STANDARD.decode(strip(signature)).ok()?.try_into().ok()?;
    let key = VerifyingKey::from_bytes(&key).ok()?;
    key.verify_strict(body.as_bytes(), &Signature::from_bytes(&signature)).ok()?;
    Some(body.to_owned())
}
