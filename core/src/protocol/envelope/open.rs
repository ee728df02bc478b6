//! Reading envelopes, and what they prove.

use std::borrow::Cow;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;

use super::VERSION2_DOMAIN;
use super::escape::unescape;
use super::frame::{self, Frame};
use super::headers::{Disagreement, SignedAttachment, SignedHeaders};
use crate::protocol::address::Address;
use crate::protocol::id::{Fingerprint, MessageId};
use crate::protocol::message::Headers;
use crate::protocol::signature::{self, Claim};
use crate::protocol::text;

/// The forms of signature.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// None.
    None,
    /// An envelope around the body alone.
    Version1,
    /// An envelope around headers and body.
    Version2,
    /// The form of the project page.
    Documented,
    /// Headers of the file (1.0.17).
    Legacy,
}

/// What a signature proves.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Proof {
    /// Headers and body are the signer's.
    Valid,
    /// The body is the signer's.
    BodyOnly,
    /// The signature is wrong.
    Invalid(InvalidReason),
    /// The key is not known, so nothing can be said.
    UnknownKey(Fingerprint),
    /// There is no signature.
    Unsigned,
}

/// Why a signature is wrong.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum InvalidReason {
    /// A part of the envelope is missing or cannot be read.
    #[error("the envelope is damaged: {0} is missing or cannot be read")]
    Malformed(&'static str),
    /// The key is not the one that the fingerprint names.
    #[error("the public key does not belong to the stated fingerprint")]
    Fingerprint,
    /// The signature is not one of this key over this text.
    #[error("the signature does not belong to this text and key")]
    Signature,
    /// The sender's address certifies another key.
    #[error("the sender's address names another key")]
    Address,
    /// The file's own headers are not the signed ones.
    #[error("{0}")]
    Headers(Disagreement),
    /// The attachments are not the signed ones.
    #[error("the attachments are not the signed ones: one is missing, added or changed")]
    Attachments,
}

/// A message's signature, read but not checked.
#[derive(Clone, Debug)]
pub struct Opened<'a> {
    kind: Kind,
    before: &'a str,
    after: &'a str,
    fingerprint: Option<Fingerprint>,
    public_key: Option<[u8; 32]>,
    signed: Option<SignedHeaders>,
    signature: [u8; 64],
    /// The texts of which the signature may be, the likeliest first; the first one's body is shown.
    readings: Vec<Reading<'a>>,
    flaw: Option<InvalidReason>,
    from: Option<Address>,
}

/// One way to read what was signed.
#[derive(Clone, Debug)]
struct Reading<'a> {
    /// What comes before the body in the signed bytes.
    prefix: Cow<'a, [u8]>,
    body: &'a str,
}

impl Reading<'_> {
    fn bytes(&self) -> Cow<'_, [u8]> {
        if self.prefix.is_empty() {
            Cow::Borrowed(self.body.as_bytes())
        } else {
            Cow::Owned([&*self.prefix, self.body.as_bytes()].concat())
        }
    }

    /// As a text whose line ends became CRLF in transit was signed; `None` when it has none.
    fn with_lf(&self) -> Option<Vec<u8>> {
        self.body.contains('\r').then(|| [&*self.prefix, text::normalize_newlines(self.body).as_bytes()].concat())
    }
}

impl<'a> Opened<'a> {
    /// Reads the outermost signature of a message: an envelope in its body, else the header signature of old.
    #[must_use]
    pub fn read(headers: &Headers, body: &'a str) -> Self {
        let from = headers.value("From").and_then(|from| Address::parse(from).ok());
        let opened = frame::first(body).and_then(|(markers, start)| {
            let frames = frame::candidates(body, markers, start);
            if markers.signature_end.is_none() { Self::documented(&frames) } else { Self::inline(&frames) }
        });
        let opened = opened.or_else(|| Self::legacy(headers, body)).unwrap_or_else(|| Self::unsigned(body));
        Self { from, ..opened }
    }

    fn unsigned(body: &'a str) -> Self {
        Self {
            kind: Kind::None,
            before: "",
            after: "",
            fingerprint: None,
            public_key: None,
            signed: None,
            signature: [0; 64],
            readings: vec![Reading { prefix: Cow::Borrowed(&[]), body }],
            flaw: None,
            from: None,
        }
    }

    /// Versions 1 and 2.
    fn inline(frames: &[Frame<'a>]) -> Option<Self> {
        let first = frames.first()?;
        let (lines, body) = split_headers(first.content);
        let mut opened = Self { before: first.before, after: first.after, ..Self::unsigned(body) };
        let fields = Fields::read(lines);
        opened.fingerprint = fields.value("Fingerprint").and_then(|value| Fingerprint::parse(value).ok());
        opened.public_key = fields.value("Public-Key").and_then(decode);
        if fields.value("Envelope") == Some("2") {
            opened.kind = Kind::Version2;
            opened.read_version2(lines, &fields, body);
        } else {
            opened.kind = Kind::Version1;
            opened.readings = frames.iter().map(|frame| Reading { prefix: Cow::Borrowed(&[]), body: split_headers(frame.content).1 }).collect();
            match decode(&joined(first.signature)) {
                Some(signature) => opened.signature = signature,
                None => opened.flaw = Some(InvalidReason::Malformed("the signature")),
            }
        }
        if opened.fingerprint.is_none() {
            opened.flaw = Some(InvalidReason::Malformed("the fingerprint"));
        } else if fields.value("Public-Key").is_some() && opened.public_key.is_none() {
            opened.flaw = Some(InvalidReason::Malformed("the public key"));
        }
        Some(opened)
    }

    fn read_version2(&mut self, lines: &'a str, fields: &Fields<'a>, body: &'a str) {
        let mut prefix = VERSION2_DOMAIN.to_vec();
        let mut signature = None;
        for line in lines.lines() {
            if signature.is_some() {
                // The header signature is the last line: what follows it would not be covered.
                self.flaw = Some(InvalidReason::Malformed("the header signature"));
            }
            match line.strip_prefix("Header-Signature:") {
                Some(value) => signature = decode(text::strip(value)),
                None => {
                    prefix.extend_from_slice(line.as_bytes());
                    prefix.push(b'\n');
                }
            }
        }
        prefix.push(b'\n');
        self.readings = vec![Reading { prefix: Cow::Owned(prefix), body }];
        self.signed = signed_headers(fields, true);
        match signature {
            Some(signature) => self.signature = signature,
            None => self.flaw = Some(InvalidReason::Malformed("the header signature")),
        }
        if self.signed.is_none() {
            self.flaw = Some(InvalidReason::Malformed("a signed header"));
        }
    }

    fn documented(frames: &[Frame<'a>]) -> Option<Self> {
        let first = frames.first()?;
        let (lines, body) = split_headers(first.content);
        let mut opened = Self { kind: Kind::Documented, before: first.before, after: first.after, ..Self::unsigned(body) };
        // One signature over everything: the headers are the prefix of the body.
        opened.readings = frames
            .iter()
            .map(|frame| {
                let (_, body) = split_headers(frame.content);
                let prefix = frame.content.len() - body.len();
                let prefix = text::normalize_newlines(frame.content.get(..prefix).unwrap_or_default());
                Reading { prefix: Cow::Owned(prefix.into_owned().into_bytes()), body }
            })
            .collect();
        opened.signed = signed_headers(&Fields::read(lines), false);
        let fields = Fields::read(first.signature);
        let key_id = fields.value("KeyID").and_then(|value| value.strip_prefix("SHA256:"));
        opened.fingerprint = key_id.and_then(|value| Fingerprint::parse(value).ok());
        match fields.value("Sig").and_then(decode) {
            Some(signature) => opened.signature = signature,
            None => opened.flaw = Some(InvalidReason::Malformed("the signature")),
        }
        if opened.fingerprint.is_none() {
            opened.flaw = Some(InvalidReason::Malformed("the key id"));
        } else if opened.signed.is_none() {
            opened.flaw = Some(InvalidReason::Malformed("a signed header"));
        }
        Some(opened)
    }

    /// The header signature of 1.0.17 (PROTOCOL section 2).
    fn legacy(headers: &Headers, body: &'a str) -> Option<Self> {
        let (key, signature) = (headers.value("Public-Key")?, headers.value("Signature")?);
        let mut opened = Self { kind: Kind::Legacy, ..Self::unsigned(body) };
        opened.public_key = decode(key);
        opened.fingerprint = opened.public_key.as_ref().map(Fingerprint::of_key);
        match (decode(signature), opened.fingerprint) {
            (Some(signature), Some(_)) => opened.signature = signature,
            _ => opened.flaw = Some(InvalidReason::Malformed("the key or the signature")),
        }
        // Reading a message changes its status, which is among the signed lines, and it was signed when it was new.
        let lines = |status: Option<&str>| {
            let mut lines = String::new();
            for (name, value) in headers.iter().filter(|(name, _)| !matches!(*name, "Signature" | "Via" | "Verdict")) {
                let value = if name == "Status" { status.unwrap_or(value) } else { value };
                lines.push_str(&format!("{}{name}: {value}", if lines.is_empty() { "" } else { "\n" }));
            }
            lines.push_str("\n---\n");
            Cow::Owned(lines.into_bytes())
        };
        opened.readings = vec![Reading { prefix: lines(None), body }, Reading { prefix: lines(Some("new")), body }];
        Some(opened)
    }

    /// The form of the signature.
    #[must_use]
    pub const fn kind(&self) -> Kind {
        self.kind
    }

    /// The stated fingerprint.
    #[must_use]
    pub const fn fingerprint(&self) -> Option<Fingerprint> {
        self.fingerprint
    }

    /// The key that the message brings along.
    #[must_use]
    pub const fn public_key(&self) -> Option<[u8; 32]> {
        self.public_key
    }

    /// The headers that the signature covers; believe them only with [`Proof::Valid`].
    #[must_use]
    pub const fn signed_headers(&self) -> Option<&SignedHeaders> {
        self.signed.as_ref()
    }

    /// Text before the envelope, which nobody vouches for.
    #[must_use]
    pub const fn before(&self) -> &'a str {
        self.before
    }

    /// Text after the envelope, which nobody vouches for.
    #[must_use]
    pub const fn after(&self) -> &'a str {
        self.after
    }

    /// The text inside, as it was written: what is shown and quoted.
    #[must_use]
    pub fn text(&self) -> Cow<'a, str> {
        let body = self.readings.first().map_or("", |reading| reading.body);
        if self.kind == Kind::Version2 { unescape(body) } else { Cow::Borrowed(body) }
    }

    /// What the signature proves. `known` gives the key of a fingerprint where the message brings none along.
    #[must_use]
    pub fn check(&self, known: impl Fn(&Fingerprint) -> Option<[u8; 32]>) -> Proof {
        match self.key_to_check(known) {
            Err(proof) => proof,
            Ok(key) => self.check_with(&key),
        }
    }

    /// The key to check with, or what can be said without checking.
    fn key_to_check(&self, known: impl Fn(&Fingerprint) -> Option<[u8; 32]>) -> Result<[u8; 32], Proof> {
        if self.kind == Kind::None {
            return Err(Proof::Unsigned);
        }
        if let Some(flaw) = &self.flaw {
            return Err(Proof::Invalid(flaw.clone()));
        }
        let Some(fingerprint) = self.fingerprint else {
            return Err(Proof::Invalid(InvalidReason::Malformed("the fingerprint")));
        };
        let Some(key) = self.public_key.or_else(|| known(&fingerprint)) else {
            return Err(Proof::UnknownKey(fingerprint));
        };
        if Fingerprint::of_key(&key) != fingerprint {
            return Err(Proof::Invalid(InvalidReason::Fingerprint));
        }
        let senders = [self.signed.as_ref().map(|signed| &signed.from), self.from.as_ref()];
        if senders.into_iter().flatten().filter_map(Address::certified_fingerprint).any(|named| named != fingerprint) {
            return Err(Proof::Invalid(InvalidReason::Address));
        }
        Ok(key)
    }

    fn check_with(&self, key: &[u8; 32]) -> Proof {
        let holds = |message: &[u8]| signature::verify(&Claim { key, message, signature: &self.signature });
        let good = self.readings.iter().any(|reading| {
            holds(&reading.bytes()) || reading.with_lf().is_some_and(|message| holds(&message))
        });
        self.proof(good)
    }

    fn proof(&self, good: bool) -> Proof {
        match (good, self.kind) {
            (false, _) => Proof::Invalid(InvalidReason::Signature),
            (true, Kind::Version2 | Kind::Documented) => Proof::Valid,
            (true, _) => Proof::BodyOnly,
        }
    }
}

/// What each of several signatures proves: the same as [`Opened::check`] says of each, faster where all are good.
#[must_use]
pub fn check_batch(all: &[&Opened<'_>], known: impl Fn(&Fingerprint) -> Option<[u8; 32]>) -> Vec<Proof> {
    let keys: Vec<Result<[u8; 32], Proof>> = all.iter().map(|opened| opened.key_to_check(&known)).collect();
    let mut messages = Vec::with_capacity(all.len());
    for (opened, key) in all.iter().zip(&keys) {
        if let (Ok(key), Some(reading)) = (key, opened.readings.first()) {
            messages.push((key, reading.bytes(), &opened.signature));
        }
    }
    let claims: Vec<Claim<'_>> =
        messages.iter().map(|(key, message, signature)| Claim { key, message, signature }).collect();
    let mut good = signature::verify_each(&claims).into_iter();
    all.iter()
        .zip(&keys)
        .map(|(opened, key)| match key {
            Err(proof) => proof.clone(),
            Ok(_) if good.next() == Some(true) => opened.proof(true),
            // The likeliest reading does not hold: the others are tried.
            Ok(key) => opened.check_with(key),
        })
        .collect()
}

/// The header lines and the body of what stands between the markers.
fn split_headers(content: &str) -> (&str, &str) {
    let mut at = 0;
    for line in content.split_inclusive('\n') {
        if line.trim_end_matches(['\n', '\r']).is_empty() {
            let (lines, rest) = content.split_at_checked(at).unwrap_or((content, ""));
            return (lines, rest.get(line.len()..).unwrap_or_default());
        }
        at += line.len();
    }
    (content, "")
}

/// Header lines of an envelope.
struct Fields<'a>(Vec<(&'a str, &'a str)>);

/// The most header lines of an envelope that are looked at: enough for any message, few enough to be searched.
const MOST_FIELDS: usize = 1_000;

impl<'a> Fields<'a> {
    fn read(lines: &'a str) -> Self {
        let fields = lines.lines().filter_map(|line| line.split_once(':'));
        Self(fields.take(MOST_FIELDS).map(|(name, value)| (text::strip(name), text::strip(value))).collect())
    }

    fn value(&self, name: &str) -> Option<&'a str> {
        self.0.iter().find(|(key, _)| *key == name).map(|(_, value)| *value)
    }

    fn count(&self, name: &str) -> usize {
        self.0.iter().filter(|(key, _)| *key == name).count()
    }
}

/// The signed headers; `None` when one is missing, repeated or cannot be read.
fn signed_headers(fields: &Fields<'_>, is_version2: bool) -> Option<SignedHeaders> {
    for name in ["From", "To", "Cc", "Subject", "Date", "Message-ID", "In-Reply-To"] {
        if fields.count(name) > 1 {
            return None;
        }
    }
    let id = |name| fields.value(name).map(MessageId::parse).transpose().ok();
    let attachments = fields.0.iter().filter(|(name, _)| is_version2 && *name == "Attachment");
    let headers = SignedHeaders {
        from: Address::parse(fields.value("From")?).ok()?,
        to: Address::parse_list(fields.value("To").unwrap_or_default()).ok()?,
        cc: Address::parse_list(fields.value("Cc").unwrap_or_default()).ok()?,
        subject: fields.value("Subject").unwrap_or_default().to_owned(),
        date: fields.value("Date").unwrap_or_default().to_owned(),
        message_id: if is_version2 { id("Message-ID")? } else { None },
        in_reply_to: if is_version2 { id("In-Reply-To")? } else { None },
        attachments: attachments.map(|(_, value)| SignedAttachment::parse(value)).collect::<Option<_>>()?,
    };
    (!is_version2 || headers.message_id.is_some()).then_some(headers)
}

/// Base64 of exactly `N` bytes.
fn decode<const N: usize>(value: &str) -> Option<[u8; N]> {
    STANDARD.decode(value).ok()?.try_into().ok()
}

/// The lines of a signature block as one.
fn joined(block: &str) -> String {
    block.split_whitespace().take(16).collect()
}
