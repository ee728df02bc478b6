//! The headers that a signature covers, and whether a file agrees with them.

use crate::protocol::address::Address;
use crate::protocol::id::MessageId;
use crate::protocol::message::{Headers, text_unsafe_in_header};
use crate::protocol::text;

use super::{EnvelopeError, Malformed};

/// An attachment as version 2 signs it. The name comes from the sender: it is safe in a header, not yet as a path.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SignedAttachment {
    /// SHA-256 of its content.
    pub sha256: [u8; 32],
    /// Its size in bytes.
    pub size: u64,
    /// Its file name.
    pub name: String,
}

/// The headers under a signature (PROTOCOL section 9).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SignedHeaders {
    /// The sender.
    pub from: Address,
    /// The recipients.
    pub to: Vec<Address>,
    /// More recipients.
    pub cc: Vec<Address>,
    /// The subject, trimmed.
    pub subject: String,
    /// The date as the sender wrote it, trimmed.
    pub date: String,
    /// The id. Version 2 always has one; the documented form has none.
    pub message_id: Option<MessageId>,
    /// The id of the message that this one answers.
    pub in_reply_to: Option<MessageId>,
    /// The attachments, in order.
    pub attachments: Vec<SignedAttachment>,
}

impl SignedHeaders {
    /// Puts the signed values into a message's headers, and takes out what the signature does not know of: on arrival
    /// the transport's own say is replaced by the sender's. Only the documented form, which signs neither, leaves `Cc`,
    /// `Message-ID` and `In-Reply-To` as they are.
    pub fn apply(&self, headers: &mut Headers) {
        headers.set("From", self.from.as_str());
        headers.set("To", &join(&self.to));
        headers.set("Subject", &self.subject);
        headers.set("Date", &self.date);
        let binds_all = self.message_id.is_some();
        let mut put = |name, value: Option<String>, binds: bool| match value {
            Some(value) => headers.set(name, &value),
            None if binds => drop(headers.remove(name)),
            None => {}
        };
        put("Cc", (!self.cc.is_empty()).then(|| join(&self.cc)), binds_all);
        put("Message-ID", self.message_id.as_ref().map(MessageId::to_string), binds_all);
        put("In-Reply-To", self.in_reply_to.as_ref().map(MessageId::to_string), binds_all);
        put("Attachments", (!self.attachments.is_empty()).then(|| self.attachment_names()), true);
    }

    /// The value of the file's `Attachments` header.
    fn attachment_names(&self) -> String {
        self.attachments.iter().map(|attachment| attachment.name.as_str()).collect::<Vec<_>>().join(", ")
    }
}

fn join(addresses: &[Address]) -> String {
    addresses.iter().map(Address::as_str).collect::<Vec<_>>().join(", ")
}

/// A header in which a file and its signature differ: somebody changed the file.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{header} is {} in the file, but {} was signed", shown(.file.as_deref()), shown(.signed.as_deref()))]
pub struct Disagreement {
    /// The header's name.
    pub header: &'static str,
    /// What the file says.
    pub file: Option<String>,
    /// What the sender signed.
    pub signed: Option<String>,
}

/// A value in a message for people: quoted, so that nothing in it acts, and short.
fn shown(value: Option<&str>) -> String {
    value.map_or_else(|| "missing".to_owned(), |value| format!("{:?}", text::prefix(value, 100)))
}

/// Whether the headers of a file at rest are those that were signed: all that a sender sets, not `Status` or local
/// headers (PROTOCOL section 9). The documented form binds only what it carries, but an attachment is never taken
/// for signed that is not.
///
/// # Errors
/// The first header that differs.
pub fn headers_agree(file: &Headers, signed: &SignedHeaders) -> Result<(), Disagreement> {
    expect(file, "From", Some(signed.from.as_str()))?;
    expect_list(file, "To", &signed.to)?;
    expect(file, "Subject", Some(&signed.subject))?;
    expect(file, "Date", Some(&signed.date))?;
    if signed.message_id.is_some() {
        expect_list(file, "Cc", &signed.cc)?;
        expect(file, "Message-ID", signed.message_id.as_ref().map(MessageId::as_str))?;
        expect(file, "In-Reply-To", signed.in_reply_to.as_ref().map(MessageId::as_str))?;
    } else if !signed.cc.is_empty() {
        expect_list(file, "Cc", &signed.cc)?;
    }
    let names = signed.attachment_names();
    expect(file, "Attachments", (!names.is_empty()).then_some(&names))
}

/// A header that must have this value; an empty one is as good as none.
fn expect(file: &Headers, header: &'static str, signed: Option<&str>) -> Result<(), Disagreement> {
    let found = file.value(header);
    if found.unwrap_or_default() == signed.unwrap_or_default() {
        return Ok(());
    }
    Err(Disagreement { header, file: found.map(str::to_owned), signed: signed.map(str::to_owned) })
}

/// A header that must name these addresses, as they are spelled, in this order.
fn expect_list(file: &Headers, header: &'static str, signed: &[Address]) -> Result<(), Disagreement> {
    let found = file.value(header).unwrap_or_default();
    let names = found.split(',').map(text::strip).filter(|name| !name.is_empty());
    if names.eq(signed.iter().map(Address::as_str)) {
        return Ok(());
    }
    Err(Disagreement {
        header,
        file: file.value(header).map(str::to_owned),
        signed: (!signed.is_empty()).then(|| join(signed)),
    })
}

/// Writes the lines of an envelope's head, each with its LF, and checks that every value stays on its line.
#[derive(Default)]
pub(super) struct LineWriter(String);

impl LineWriter {
    pub(super) fn line(&mut self, name: &'static str, value: &str) -> Result<(), EnvelopeError> {
        if let Some(character) = text_unsafe_in_header(value) {
            return Err(EnvelopeError::Unsafe { header: name, character });
        }
        self.0.push_str(name);
        self.0.push(':');
        // No space at the end of a line: transports take it away.
        let value = text::strip(value);
        if !value.is_empty() {
            self.0.push(' ');
            self.0.push_str(value);
        }
        self.0.push('\n');
        Ok(())
    }

    pub(super) fn addresses(&mut self, name: &'static str, list: &[Address]) -> Result<(), EnvelopeError> {
        if list.is_empty() {
            return Err(EnvelopeError::Missing { header: name });
        }
        self.line(name, &join(list))
    }

    pub(super) fn finish(self) -> String {
        self.0
    }
}

impl SignedHeaders {
    /// The lines that version 2 signs after `Envelope: 2`.
    pub(super) fn write(&self, out: &mut LineWriter) -> Result<(), EnvelopeError> {
        out.line("From", self.from.as_str())?;
        out.addresses("To", &self.to)?;
        if !self.cc.is_empty() {
            out.addresses("Cc", &self.cc)?;
        }
        out.line("Subject", &self.subject)?;
        out.line("Date", &self.date)?;
        let id = self.message_id.as_ref().ok_or(EnvelopeError::Missing { header: "Message-ID" })?;
        out.line("Message-ID", id.as_str())?;
        if let Some(id) = &self.in_reply_to {
            out.line("In-Reply-To", id.as_str())?;
        }
        for attachment in &self.attachments {
            if text::strip(&attachment.name).is_empty() {
                return Err(EnvelopeError::Missing { header: "Attachment" });
            }
            out.line(
                "Attachment",
                &format!("{} {} {}", text::hex(&attachment.sha256), attachment.size, attachment.name),
            )?;
        }
        Ok(())
    }
}

/// Collects the header lines of an envelope; each may come once, attachments many times.
#[derive(Default)]
pub(super) struct LineReader {
    from: Option<Address>,
    to: Option<Vec<Address>>,
    cc: Option<Vec<Address>>,
    subject: Option<String>,
    date: Option<String>,
    message_id: Option<MessageId>,
    in_reply_to: Option<MessageId>,
    attachments: Vec<SignedAttachment>,
}

impl LineReader {
    /// Takes one line. Headers that this reader does not know are signed all the same, and skipped.
    pub(super) fn line(&mut self, line: &str) -> Result<(), Malformed> {
        let (name, value) = line.split_once(':').ok_or(Malformed("a line of its head has no colon"))?;
        let (name, value) = (text::strip(name), text::strip(value));
        if !text::is_header_safe(value) {
            return Err(Malformed("a signed header holds a control character"));
        }
        match name {
            "From" => once(&mut self.from, Address::parse(value).map_err(|_| BAD_ADDRESS)?),
            "To" => once(&mut self.to, Address::parse_list(value).map_err(|_| BAD_ADDRESS)?),
            "Cc" => once(&mut self.cc, Address::parse_list(value).map_err(|_| BAD_ADDRESS)?),
            "Subject" => once(&mut self.subject, value.to_owned()),
            "Date" => once(&mut self.date, value.to_owned()),
            "Message-ID" => once(&mut self.message_id, MessageId::parse(value).map_err(|_| BAD_ID)?),
            "In-Reply-To" => once(&mut self.in_reply_to, MessageId::parse(value).map_err(|_| BAD_ID)?),
            "Attachment" => {
                self.attachments.push(attachment(value).ok_or(Malformed("a signed attachment is not well formed"))?);
                Ok(())
            }
            _ => Ok(()),
        }
    }

    /// The headers, if all are there that both forms have.
    pub(super) fn finish(self) -> Result<SignedHeaders, Malformed> {
        let missing = Malformed("one of From, To, Subject and Date is missing in its head");
        Ok(SignedHeaders {
            from: self.from.ok_or(missing)?,
            to: self.to.ok_or(missing)?,
            cc: self.cc.unwrap_or_default(),
            subject: self.subject.ok_or(missing)?,
            date: self.date.ok_or(missing)?,
            message_id: self.message_id,
            in_reply_to: self.in_reply_to,
            attachments: self.attachments,
        })
    }
}

const BAD_ADDRESS: Malformed = Malformed("a signed address is not well formed");
const BAD_ID: Malformed = Malformed("a signed message id is not well formed");

fn once<T>(slot: &mut Option<T>, value: T) -> Result<(), Malformed> {
    match slot.replace(value) {
        None => Ok(()),
        Some(_) => Err(Malformed("a signed header is repeated")),
    }
}

/// `<sha256 hex> <size> <name>`
fn attachment(value: &str) -> Option<SignedAttachment> {
    let (sha256, rest) = value.split_once(' ')?;
    let (size, name) = rest.split_once(' ')?;
    let name = text::strip(name);
    if name.is_empty() || !size.bytes().all(|byte| byte.is_ascii_digit()) {
        return None;
    }
    Some(SignedAttachment {
        sha256: text::unhex(sha256)?.try_into().ok()?,
        size: size.parse().ok()?,
        name: name.to_owned(),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn signed() -> SignedHeaders {
        SignedHeaders {
            from: Address::parse("a@x").unwrap(),
            to: Address::parse_list("b@x, c@x").unwrap(),
            cc: Address::parse_list("d@x").unwrap(),
            subject: "Hi".into(),
            date: "2026-03-11 14:23:55".into(),
            message_id: Some(MessageId::parse("abc").unwrap()),
            in_reply_to: Some(MessageId::parse("def").unwrap()),
            attachments: vec![SignedAttachment { sha256: [1; 32], size: 7, name: "a b.txt".into() }],
        }
    }

    #[test]
    fn applied_headers_agree_and_any_change_shows() {
        let mut good = Headers::default();
        good.set("Status", "read");
        good.set("Via", "somebody else");
        signed().apply(&mut good);
        assert_eq!(headers_agree(&good, &signed()), Ok(()));
        for header in ["From", "To", "Cc", "Subject", "Date", "Message-ID", "In-Reply-To", "Attachments"] {
            let mut other = good.clone();
            other.set(header, "other");
            assert_eq!(headers_agree(&other, &signed()).unwrap_err().header, header);
            other.remove(header);
            let error = headers_agree(&other, &signed()).unwrap_err();
            assert_eq!((error.header, error.file), (header, None));
        }
        let mut shouted = good;
        shouted.set("From", "A@x");
        assert!(headers_agree(&shouted, &signed()).is_err());
    }

    #[test]
    fn additions_show() {
        let bare = SignedHeaders { cc: vec![], in_reply_to: None, attachments: vec![], ..signed() };
        let mut good = Headers::default();
        signed().apply(&mut good);
        bare.apply(&mut good);
        assert_eq!(headers_agree(&good, &bare), Ok(()));
        for header in ["Cc", "In-Reply-To", "Attachments"] {
            let mut more = good.clone();
            more.set(header, "e@x");
            assert_eq!(headers_agree(&more, &bare).unwrap_err().header, header);
        }
    }

    #[test]
    fn lines_are_read_back() {
        let mut out = LineWriter::default();
        signed().write(&mut out).unwrap();
        let mut reader = LineReader::default();
        for line in out.finish().lines() {
            reader.line(line).unwrap();
        }
        assert_eq!(reader.finish().unwrap(), signed());
    }

    #[test]
    fn lines_cannot_be_broken_out_of() {
        let error = SignedHeaders { subject: "a\nFrom: b".into(), ..signed() }.write(&mut LineWriter::default());
        assert_eq!(error.unwrap_err(), EnvelopeError::Unsafe { header: "Subject", character: '\n' });
        let error = SignedHeaders { to: vec![], ..signed() }.write(&mut LineWriter::default());
        assert_eq!(error.unwrap_err(), EnvelopeError::Missing { header: "To" });
        for line in ["From: a b", "Subject: a\x1bb", "Message-ID: ../x", "Attachment: 00 1 a", "no colon"] {
            assert!(LineReader::default().line(line).is_err(), "{line}");
        }
        let mut twice = LineReader::default();
        twice.line("Subject: a").unwrap();
        assert!(twice.line("Subject: a").is_err());
    }
}
