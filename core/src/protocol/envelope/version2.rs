//! Version 2: a signature over headers, attachments and body, in an envelope that a version 1 reader verifies as well
//! (PROTOCOL section 9).

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;

use crate::protocol::identity::Identity;
use crate::protocol::text;

use super::headers::{LineReader, LineWriter};
use super::{
    EnvelopeError, Evidence, Kind, Malformed, Opened, Payload, SignedHeaders, decode_fingerprint, decode_key,
    decode_signature, line_value, marker,
};

/// The start of what is signed: a byte that UTF-8 text never holds, so that no signed body passes for a signed header.
const DOMAIN: &[u8] = b"\xffagentazall envelope 2\n";

const SIGNATURE: &str = "Header-Signature";

/// Wraps a body with the headers of its message. What is signed is the body with LF line ends and without white space at
/// its end.
///
/// # Errors
/// [`EnvelopeError`] names the header that cannot be signed.
pub fn seal_version2(identity: &Identity, headers: &SignedHeaders, body: &str) -> Result<String, EnvelopeError> {
    let mut lines = LineWriter::default();
    lines.line("Fingerprint", identity.fingerprint().as_str())?;
    lines.line("Public-Key", &identity.public_key_b64())?;
    lines.line("Envelope", "2")?;
    headers.write(&mut lines)?;
    let mut head = lines.finish();

    let body = super::signable(body);
    let signature = STANDARD.encode(identity.sign(&signed_bytes(&head, &body)));
    head.push_str(&format!("{SIGNATURE}: {signature}\n"));
    Ok(super::write_short(identity, &head, &body))
}

/// What the header signature covers: the domain, every line before it, an empty line, the body as it stands there.
pub(super) fn signed_bytes(lines: &str, body: &str) -> Vec<u8> {
    [DOMAIN, lines.as_bytes(), b"\n", body.as_bytes()].concat()
}

/// Whether the head of a short envelope says that it is of version 2.
pub(super) fn is_version2(head: &str) -> bool {
    super::field(head, "Envelope") == Some("2")
}

pub(super) fn open<'a>(found: &marker::Found<'a>, head: &'a str, body: &'a str) -> Opened<'a> {
    let mut opened = Opened::found(Kind::Version2, found, body);
    if let std::borrow::Cow::Owned(text) = marker::unescape(&opened.text) {
        opened.text = text.into();
    }
    opened.evidence = read(&mut opened, head, body).unwrap_or_else(Evidence::Broken);
    opened
}

/// Reads the head. No line may stand where the signature does not cover it: `Fingerprint` comes first and
/// `Header-Signature` last.
fn read<'a>(opened: &mut Opened<'a>, head: &'a str, body: &'a str) -> Result<Evidence<'a>, Malformed> {
    let (lines, last) = split_last_line(head);
    let signature = line_value(last, SIGNATURE).ok_or(Malformed("its last header is not Header-Signature"))?;
    let signature = decode_signature(signature)?;

    let mut rest = lines.lines();
    let mut next = |name| rest.next().and_then(|line| line_value(line, name));
    opened.fingerprint = Some(decode_fingerprint(next("Fingerprint"))?);
    let key = next("Public-Key").ok_or(Malformed("its second line is not Public-Key"))?;
    opened.public_key = Some(decode_key(key)?);
    if next("Envelope") != Some("2") {
        return Err(Malformed("its third line is not Envelope: 2"));
    }

    let mut reader = LineReader::default();
    for line in rest {
        if line_value(line, SIGNATURE).is_some() {
            return Err(Malformed("it has more than one Header-Signature"));
        }
        reader.line(line)?;
    }
    let headers = reader.finish()?;
    if headers.message_id.is_none() {
        return Err(Malformed("Message-ID is missing in its head"));
    }
    opened.signed_headers = Some(headers);
    Ok(Evidence::Signature { signature, payload: Payload::Version2 { lines, body } })
}

/// A head without its last line, and that line.
fn split_last_line(head: &str) -> (&str, &str) {
    let trimmed = text::strip_end(head);
    let at = trimmed.rfind('\n').map_or(0, |newline| newline + 1);
    (head.get(..at).unwrap_or_default(), trimmed.get(at..).unwrap_or_default())
}
