//! Version 1: a signature over the body alone (PROTOCOL section 2).

use crate::protocol::identity::Identity;
use crate::protocol::text;

use super::{
    Evidence, Kind, Malformed, Opened, Payload, decode_fingerprint, decode_key, decode_signature, field, marker,
};

/// Wraps a body as the reference does, but without the white space at its end, which no old reader would verify, and with
/// `\` in markers that would break the envelope. A body with CR is signed as it is, for the wire: a file does not keep CR.
#[must_use]
pub fn seal_version1(identity: &Identity, body: &str) -> String {
    let head = format!("Fingerprint: {}\nPublic-Key: {}\n", identity.fingerprint(), identity.public_key_b64());
    super::write_short(identity, &head, &marker::escape_for_version1(text::strip_end(body)))
}

pub(super) fn open<'a>(found: &marker::Found<'a>, head: &'a str, body: &'a str) -> Opened<'a> {
    let mut opened = Opened::found(Kind::Version1, found, body);
    opened.evidence = read(&mut opened, head, body, found.signature).unwrap_or_else(Evidence::Broken);
    opened
}

fn read<'a>(
    opened: &mut Opened<'a>,
    head: &str,
    body: &'a str,
    signature: Option<&str>,
) -> Result<Evidence<'a>, Malformed> {
    let Some(signature) = signature else { return Ok(Evidence::Missing) };
    opened.fingerprint = Some(decode_fingerprint(field(head, "Fingerprint"))?);
    opened.public_key = field(head, "Public-Key").map(decode_key).transpose()?;
    let signature = decode_signature(text::strip(signature))?;
    Ok(Evidence::Signature { signature, payload: Payload::Text(body) })
}
