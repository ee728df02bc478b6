//! The headers that a signature covers.

use std::fmt;

use crate::protocol::address::Address;
use crate::protocol::id::MessageId;
use crate::protocol::message::Headers;
use crate::protocol::name::AttachmentName;
use crate::protocol::text;

/// A file that a signature covers.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SignedAttachment {
    /// SHA-256 of its content.
    pub sha256: [u8; 32],
    /// Its size in bytes.
    pub size: u64,
    /// Its name, as it was signed: not a safe file name.
    pub name: String,
}

/// Headers that a signature covers: all of them in version 2, the first four lines in the documented form.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SignedHeaders {
    /// The sender.
    pub from: Address,
    /// The recipients.
    pub to: Vec<Address>,
    /// Further recipients.
    pub cc: Vec<Address>,
    /// The subject; one line.
    pub subject: String,
    /// The date, as it is written.
    pub date: String,
    /// The message's id; the documented form has none.
    pub message_id: Option<MessageId>,
    /// The id of the message that is answered.
    pub in_reply_to: Option<MessageId>,
    /// The attachments.
    pub attachments: Vec<SignedAttachment>,
}

/// A header of a file that differs from the signed one.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the header {header} is not the signed one")]
pub struct Disagreement {
    /// The header.
    pub header: &'static str,
}

/// Addresses as one header value.
pub(super) fn list(addresses: &[Address]) -> String {
    addresses.iter().map(Address::as_str).collect::<Vec<_>>().join(", ")
}

impl SignedHeaders {
    /// The headers of a file that holds this message.
    #[must_use]
    pub fn to_headers(&self) -> Headers {
        let mut headers = Headers::default();
        for (name, value) in self.lines() {
            headers.set(name, &value);
        }
        headers
    }

    /// Names and values, in the order of a file; attachments apart.
    pub(super) fn lines(&self) -> Vec<(&'static str, String)> {
        let mut lines = vec![("From", self.from.to_string()), ("To", list(&self.to))];
        if !self.cc.is_empty() {
            lines.push(("Cc", list(&self.cc)));
        }
        lines.push(("Subject", self.subject.clone()));
        lines.push(("Date", self.date.clone()));
        lines.extend(self.message_id.iter().map(|id| ("Message-ID", id.to_string())));
        lines.extend(self.in_reply_to.iter().map(|id| ("In-Reply-To", id.to_string())));
        lines
    }
}

impl fmt::Display for SignedAttachment {
    /// `<sha256 hex> <size> <name>`
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {} {}", text::hex(&self.sha256), self.size, self.name)
    }
}

impl SignedAttachment {
    /// Reads what `Display` writes.
    pub(super) fn parse(value: &str) -> Option<Self> {
        let mut parts = value.splitn(3, ' ');
        let sha256 = text::unhex(parts.next()?)?.try_into().ok()?;
        let size = parts.next().filter(|size| size.bytes().all(|b| b.is_ascii_digit()))?.parse().ok()?;
        let name = parts.next().map(text::strip).filter(|name| !name.is_empty())?.to_owned();
        Some(Self { sha256, size, name })
    }
}

/// Whether a file's own headers are the signed ones, but for `Status`, local headers, and headers that are not signed. The id
/// of a message whose id was taken by another one carries a suffix (PROTOCOL section 9, "Dedupe").
///
/// # Errors
/// The first header that differs.
pub fn headers_agree(headers: &Headers, signed: &SignedHeaders) -> Result<(), Disagreement> {
    let differs = |header| Err(Disagreement { header });
    let value = |name| headers.value(name).unwrap_or_default();
    if !same_addresses(value("From"), std::slice::from_ref(&signed.from)) {
        return differs("From");
    }
    if !same_addresses(value("To"), &signed.to) {
        return differs("To");
    }
    if !same_addresses(value("Cc"), &signed.cc) {
        return differs("Cc");
    }
    if value("Subject") != signed.subject {
        return differs("Subject");
    }
    // The documented form signs neither ids nor attachments, and its date is the transport's at rest.
    let Some(id) = &signed.message_id else { return Ok(()) };
    if value("Date") != signed.date {
        return differs("Date");
    }
    if !is_id_of(value("Message-ID"), id) {
        return differs("Message-ID");
    }
    if value("In-Reply-To") != signed.in_reply_to.as_ref().map_or("", MessageId::as_str) {
        return differs("In-Reply-To");
    }
    let named: Vec<&str> = value("Attachments").split(',').map(text::strip).filter(|name| !name.is_empty()).collect();
    let safe = |attachment: &SignedAttachment| AttachmentName::from_untrusted(&attachment.name).as_str().to_owned();
    if named.len() != signed.attachments.len()
        || !named.iter().zip(&signed.attachments).all(|(name, attachment)| {
            *name == attachment.name || *name == safe(attachment) || is_numbered(name, &safe(attachment))
        })
    {
        return differs("Attachments");
    }
    Ok(())
}

fn same_addresses(value: &str, signed: &[Address]) -> bool {
    let mut found = value.split(',').map(text::strip).filter(|part| !part.is_empty());
    let all = signed.iter().all(|address| {
        found.next().is_some_and(|part| part == address.as_str() || Address::parse(part).is_ok_and(|a| a.same_as(address)))
    });
    all && found.next().is_none()
}

fn is_id_of(value: &str, id: &MessageId) -> bool {
    value == id.as_str()
        || value.strip_prefix(id.as_str()).and_then(|rest| rest.strip_prefix('-')).is_some_and(|suffix| {
            suffix.len() == 8 && suffix.bytes().all(|b| b.is_ascii_hexdigit())
        })
}

/// Whether a name is another one made unique among its siblings (`a-2.txt` of `a.txt`).
fn is_numbered(name: &str, original: &str) -> bool {
    let split = |name: &str| name.rsplit_once('.').map_or((name.to_owned(), String::new()), |(a, b)| (a.to_owned(), b.to_owned()));
    let ((stem, extension), (original_stem, original_extension)) = (split(name), split(original));
    extension == original_extension
        && stem
            .strip_prefix(&original_stem)
            .and_then(|rest| rest.strip_prefix('-'))
            .is_some_and(|number| !number.is_empty() && number.bytes().all(|b| b.is_ascii_digit()))
}
