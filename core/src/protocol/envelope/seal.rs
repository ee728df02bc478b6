//! Writing envelopes.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;

use super::VERSION2_DOMAIN;
use super::escape::escape;
use super::frame::{DOCUMENTED, INLINE};
use super::headers::{SignedHeaders, list};
use crate::protocol::address::Address;
use crate::protocol::identity::Identity;
use crate::protocol::text;

/// Why a text cannot be signed.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum EnvelopeError {
    /// A header's value would not stay on its line.
    #[error("the {header} holds a line break or a control character; write it on one line")]
    UnsafeHeader {
        /// The header.
        header: &'static str,
    },
    /// A message to nobody.
    #[error("a signed message needs a recipient")]
    NoRecipient,
    /// The text holds a line that the form uses for itself, and the form has no way to escape it.
    #[error("the text holds the line {line:?}, which the documented form uses for itself; sign it as an envelope")]
    MarkerInText {
        /// The line.
        line: &'static str,
    },
}

/// The headers of the documented form.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DocumentedHeaders {
    /// The sender.
    pub from: Address,
    /// The recipients; may be empty.
    pub to: Vec<Address>,
    /// ISO 8601, UTC.
    pub date: String,
    /// The subject; may be empty.
    pub subject: String,
}

/// The envelope around a body alone (version 1). Trailing white space is not kept: the reference could not verify it.
/// Line breaks become LF.
#[must_use]
pub fn seal_version1(identity: &Identity, body: &str) -> String {
    let body = signable(body);
    inline(identity, "", &body)
}

/// The envelope around headers and body (version 2). Markers in the body are escaped, trailing white space is not kept, and
/// line breaks become LF. Readers of version 1 verify it too, as proof of the body.
///
/// # Errors
/// [`EnvelopeError`] for headers that cannot be written.
pub fn seal_version2(identity: &Identity, headers: &SignedHeaders, body: &str) -> Result<String, EnvelopeError> {
    if headers.to.is_empty() && headers.cc.is_empty() {
        return Err(EnvelopeError::NoRecipient);
    }
    let mut lines = vec![("Envelope", "2".to_owned())];
    lines.extend(headers.lines());
    lines.extend(headers.attachments.iter().map(|attachment| ("Attachment", attachment.to_string())));
    let mut extra = String::new();
    for (name, value) in lines {
        if !text::is_header_safe(&value) || value.contains('\t') {
            return Err(EnvelopeError::UnsafeHeader { header: name });
        }
        extra.push_str(&format!("{name}: {}\n", text::strip(&value)));
    }
    let body = escape(&signable(body)).into_owned();
    let signed = [VERSION2_DOMAIN, key_lines(identity).as_bytes(), extra.as_bytes(), b"\n", body.as_bytes()].concat();
    extra.push_str(&format!("Header-Signature: {}\n", STANDARD.encode(identity.sign(&signed))));
    Ok(inline(identity, &extra, &body))
}

/// A body as it is signed.
fn signable(body: &str) -> String {
    text::strip_end(&text::normalize_newlines(body)).to_owned()
}

fn key_lines(identity: &Identity) -> String {
    format!("Fingerprint: {}\nPublic-Key: {}\n", identity.fingerprint(), identity.public_key_b64())
}

fn inline(identity: &Identity, extra: &str, body: &str) -> String {
    let signature = STANDARD.encode(identity.sign(body.as_bytes()));
    let keys = key_lines(identity);
    let end = INLINE.signature_end.unwrap_or_default();
    format!("{}\n{keys}{extra}\n{body}\n{}\n{}\n{signature}\n{end}", INLINE.begin, INLINE.end, INLINE.signature)
}

/// The form that the project page documents: headers and body under one signature, the key by its fingerprint.
///
/// # Errors
/// [`EnvelopeError`] for headers that cannot be written, or a text with the form's own markers in it.
pub fn seal_documented(
    identity: &Identity,
    headers: &DocumentedHeaders,
    body: &str,
) -> Result<String, EnvelopeError> {
    let body = signable(body);
    for line in body.lines() {
        if let Some(line) = [DOCUMENTED.begin, DOCUMENTED.signature, DOCUMENTED.end].into_iter().find(|m| line.trim_end() == *m) {
            return Err(EnvelopeError::MarkerInText { line });
        }
    }
    let mut content = String::new();
    for (name, value) in [
        ("From", headers.from.to_string()),
        ("To", list(&headers.to)),
        ("Date", headers.date.clone()),
        ("Subject", headers.subject.clone()),
    ] {
        if !text::is_header_safe(&value) {
            return Err(EnvelopeError::UnsafeHeader { header: name });
        }
        content.push_str(&format!("{name}: {}\n", text::strip(&value)));
    }
    content.push_str(&format!("\n{body}"));
    let signature = STANDARD.encode(identity.sign(content.as_bytes()));
    Ok(format!(
        "{}\n{content}\n{}\nKeyID: SHA256:{}\nSig: {signature}\n{}",
        DOCUMENTED.begin,
        DOCUMENTED.signature,
        identity.fingerprint(),
        DOCUMENTED.end
    ))
}
