//! The documented form, from the project page: headers and body signed, the key named by its fingerprint
//! (PROTOCOL section 2).

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;

use crate::protocol::address::Address;
use crate::protocol::identity::Identity;
use crate::protocol::text;

use super::headers::{LineReader, LineWriter};
use super::{
    EnvelopeError, Evidence, Kind, Malformed, Opened, Payload, decode_fingerprint, decode_signature, field, marker,
};

/// The headers that this form signs.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DocumentedHeaders {
    /// The sender.
    pub from: Address,
    /// The recipients.
    pub to: Vec<Address>,
    /// The date, in any of the three forms; the documentation's is `2026-03-11T14:30:00Z`.
    pub date: String,
    /// The subject.
    pub subject: String,
}

/// Wraps a body with four headers of its message. What is signed is the body with LF line ends, without white space at its
/// end, and with markers escaped as in version 2.
///
/// # Errors
/// [`EnvelopeError`] names the header that cannot be signed.
pub fn seal_documented(identity: &Identity, headers: &DocumentedHeaders, body: &str) -> Result<String, EnvelopeError> {
    let mut lines = LineWriter::default();
    lines.line("From", headers.from.as_str())?;
    lines.addresses("To", &headers.to)?;
    lines.line("Date", &headers.date)?;
    lines.line("Subject", &headers.subject)?;
    let signed = format!("{}\n{}", lines.finish(), super::signable(body));
    let signature = STANDARD.encode(identity.sign(signed.as_bytes()));
    Ok(format!(
        "{}\n{signed}\n{}\nKeyID: SHA256:{}\nSig: {signature}\n{}",
        marker::LONG_BEGIN,
        marker::LONG_SIGNATURE,
        identity.fingerprint(),
        marker::LONG_END
    ))
}

pub(super) fn open<'a>(found: &marker::Found<'a>, head: &'a str, body: &'a str) -> Opened<'a> {
    let mut opened = Opened::found(Kind::Documented, found, body);
    if let std::borrow::Cow::Owned(text) = marker::unescape(&opened.text) {
        opened.text = text.into();
    }
    opened.evidence = read(&mut opened, head, found).unwrap_or_else(Evidence::Broken);
    opened
}

fn read<'a>(opened: &mut Opened<'a>, head: &str, found: &marker::Found<'a>) -> Result<Evidence<'a>, Malformed> {
    let Some(block) = found.signature else { return Ok(Evidence::Missing) };
    let key_id = field(block, "KeyID").and_then(|id| id.strip_prefix("SHA256:"));
    opened.fingerprint = Some(decode_fingerprint(key_id)?);
    let (_, signature) = block.split_once("Sig:").ok_or(Malformed("it has no Sig line"))?;
    // A transport may have broken the line, so the value goes on to the next name.
    let signature = signature.split_once("KeyID:").map_or(signature, |(signature, _)| signature);
    let signature = decode_signature(text::strip(signature))?;

    let mut reader = LineReader::default();
    head.lines().try_for_each(|line| reader.line(line))?;
    opened.signed_headers = Some(reader.finish()?);
    Ok(Evidence::Signature { signature, payload: Payload::Text(found.inner) })
}
