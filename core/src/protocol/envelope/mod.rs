//! Signed text: the envelopes that a body may be wrapped in, and what they prove (PROTOCOL sections 2 and 9).
//!
//! [`Opened::read`] finds the outermost envelope of a body and takes it apart; [`Opened::check`], or [`check_batch`] for
//! many, decides what it proves. What a message's own headers have to do with it is asked apart, by
//! [`headers_agree`]: at rest they must be the signed ones, on arrival they are replaced by them.

mod documented;
mod familiar;
mod headers;
mod legacy;
mod marker;
mod proof;
mod version1;
mod version2;

use std::borrow::Cow;
use std::collections::BTreeMap;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;

use super::address::Address;
use super::id::Fingerprint;
use super::message::Headers;
use super::text;
use super::verdict::Origin;
use proof::PublicKey;

pub use documented::{DocumentedHeaders, seal_documented};
pub use headers::{Disagreement, SignedAttachment, SignedHeaders, headers_agree};
pub use version1::seal_version1;
pub use version2::seal_version2;

/// Signatures checked together. More would gain little, and one bad signature makes the whole batch be checked singly.
const BATCH: usize = 64;

/// What is longer is checked singly: its hash takes longer than its signature, and a batch holds copies of its texts.
const LONGEST_IN_BATCH: usize = 16 * 1024;

/// Why an envelope cannot be made.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum EnvelopeError {
    /// A value would break out of its line, or carry control characters to a terminal.
    #[error("the header {header} holds {character:?}; line breaks and control characters cannot be signed")]
    Unsafe {
        /// The header's name.
        header: &'static str,
        /// The first character that is not allowed.
        character: char,
    },
    /// A header that this form of envelope needs is missing or empty.
    #[error("the header {header} is missing; this envelope needs it")]
    Missing {
        /// The header's name.
        header: &'static str,
    },
}

/// How a message is signed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Kind {
    /// No signature and no envelope.
    None,
    /// Version 1: the body alone.
    Version1,
    /// Version 2: headers, attachments and body.
    Version2,
    /// The documented form: From, To, Date, Subject and body; the key is not in it.
    Documented,
    /// The header signature of 1.0.17.
    Legacy,
}

/// What an envelope proves.
#[derive(Clone, Debug, PartialEq, Eq)]
#[must_use]
pub enum Proof {
    /// Headers and body are the key holder's.
    Valid,
    /// The text is the key holder's; who sent it to whom is not proven.
    BodyOnly,
    /// There is a signature, and it does not hold.
    Invalid(InvalidReason),
    /// The signature cannot be checked: its key is neither in the envelope nor known.
    UnknownKey(Fingerprint),
    /// No signature.
    Unsigned,
}

impl Proof {
    /// What it says of a message's origin.
    #[must_use]
    pub const fn origin(&self) -> Origin {
        match self {
            Self::Valid => Origin::Valid,
            Self::BodyOnly => Origin::BodyOnly,
            Self::Invalid(_) => Origin::Invalid,
            Self::UnknownKey(_) => Origin::UnknownKey,
            Self::Unsigned => Origin::Unsigned,
        }
    }
}

/// Why a signature does not hold.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum InvalidReason {
    /// The envelope is not well formed.
    #[error("the envelope is damaged: {0}")]
    Malformed(&'static str),
    /// The public key does not hash to the fingerprint beside it.
    #[error("the public key does not belong to the fingerprint {stated}")]
    KeyMismatch {
        /// The fingerprint in the envelope.
        stated: Fingerprint,
    },
    /// The public key is no point of the curve that may sign.
    #[error("the public key is not a usable Ed25519 key")]
    BadKey,
    /// The signature is not one of this text by this key.
    #[error("the signature does not match the text")]
    BadSignature,
    /// The sender's address names another key.
    #[error("the sender's address belongs to the key {certified}, but {signed_by} signed")]
    AddressOfAnotherKey {
        /// The fingerprint in the address.
        certified: Fingerprint,
        /// The key that signed.
        signed_by: Fingerprint,
    },
    /// The file's headers are not the signed ones.
    #[error("the message was changed: {0}")]
    HeadersDiffer(#[from] Disagreement),
    /// The attachments are not the signed ones.
    #[error("the attachments are not the signed ones: one is missing, added or changed")]
    Attachments,
}

/// Something in an envelope that no writer of it would write.
#[derive(Clone, Copy, Debug)]
struct Malformed(&'static str);

/// A body taken apart. It borrows from the message.
#[derive(Clone, Debug)]
pub struct Opened<'a> {
    kind: Kind,
    before: &'a str,
    after: &'a str,
    text: Cow<'a, str>,
    fingerprint: Option<Fingerprint>,
    public_key: Option<[u8; 32]>,
    signed_headers: Option<SignedHeaders>,
    /// The fingerprint that the sender's address certifies.
    certified: Option<Fingerprint>,
    evidence: Evidence<'a>,
}

/// What there is to check.
#[derive(Clone, Debug)]
enum Evidence<'a> {
    Missing,
    Broken(Malformed),
    Signature { signature: [u8; 64], payload: Payload<'a> },
}

/// What a signature covers, still where it was found.
#[derive(Clone, Debug)]
enum Payload<'a> {
    /// Version 1 and the documented form.
    Text(&'a str),
    Version2 {
        lines: &'a str,
        body: &'a str,
    },
    Legacy {
        headers: &'a Headers,
        body: &'a str,
    },
}

impl<'a> Opened<'a> {
    /// Takes a message's body apart. The headers are looked at for a legacy signature and the sender's address.
    #[must_use]
    pub fn read(headers: &'a Headers, body: &'a str) -> Self {
        let mut opened = match (marker::find_outermost(body), legacy::signature(headers)) {
            // An envelope that a legacy message quotes is not the message.
            (Some(found), Some(_)) if !found.before.is_empty() => legacy::open(headers, body),
            (Some(found), _) if found.signature.is_some() => Self::open(found),
            (_, Some(_)) => legacy::open(headers, body),
            (Some(found), None) => Self::open(found),
            (None, None) => Self::plain(body),
        };
        if opened.fingerprint.is_some() || opened.public_key.is_some() {
            opened.certified = match &opened.signed_headers {
                Some(signed) => signed.from.certified_fingerprint(),
                None => headers.value("From").and_then(|from| Address::parse(from).ok()?.certified_fingerprint()),
            };
        }
        opened
    }

    fn open(found: marker::Found<'a>) -> Self {
        let (head, body) = marker::split_head(found.inner);
        match found.form {
            marker::Form::Long => documented::open(&found, head, body),
            marker::Form::Short if version2::is_version2(head) => version2::open(&found, head, body),
            marker::Form::Short => version1::open(&found, head, body),
        }
    }

    /// A body without an envelope.
    fn plain(body: &'a str) -> Self {
        Self {
            kind: Kind::None,
            before: "",
            after: "",
            text: Cow::Borrowed(body),
            fingerprint: None,
            public_key: None,
            signed_headers: None,
            certified: None,
            evidence: Evidence::Missing,
        }
    }

    /// An envelope of which nothing but the text has been read yet.
    fn found(kind: Kind, found: &marker::Found<'a>, text: &'a str) -> Self {
        let text = if found.crlf {
            text::normalize_newlines(text.strip_suffix('\r').unwrap_or(text))
        } else {
            Cow::Borrowed(text)
        };
        Self { kind, before: found.before, after: found.after, text, ..Self::plain("") }
    }

    /// How the message is signed.
    #[must_use]
    pub fn kind(&self) -> Kind {
        self.kind
    }

    /// Text in front of the envelope: nobody signed it.
    #[must_use]
    pub fn before(&self) -> &'a str {
        self.before
    }

    /// Text behind the envelope: nobody signed it.
    #[must_use]
    pub fn after(&self) -> &'a str {
        self.after
    }

    /// The text inside, as its author wrote it: for reading and for quoting. Without an envelope, the body.
    #[must_use]
    pub fn text(&self) -> &str {
        &self.text
    }

    /// The fingerprint that the envelope states; not proven before [`Opened::check`].
    #[must_use]
    pub fn fingerprint(&self) -> Option<Fingerprint> {
        self.fingerprint
    }

    /// The public key in the envelope; not proven before [`Opened::check`].
    #[must_use]
    pub fn public_key(&self) -> Option<[u8; 32]> {
        self.public_key
    }

    /// The headers in the envelope; not proven before [`Opened::check`].
    #[must_use]
    pub fn signed_headers(&self) -> Option<&SignedHeaders> {
        self.signed_headers.as_ref()
    }

    /// The signature that is left to check, after everything that can be said without looking at it.
    ///
    /// # Errors
    /// The verdict, where it needs no check of a signature.
    pub fn claim(&self, key_lookup: impl Fn(&Fingerprint) -> Option<[u8; 32]>) -> Result<Claim<'a>, Proof> {
        let invalid = |reason| Err(Proof::Invalid(reason));
        let (signature, payload) = match &self.evidence {
            Evidence::Missing => return Err(Proof::Unsigned),
            Evidence::Broken(Malformed(why)) => return invalid(InvalidReason::Malformed(why)),
            Evidence::Signature { signature, payload } => (*signature, payload.clone()),
        };
        let known = || self.fingerprint.and_then(|fingerprint| key_lookup(&fingerprint));
        let Some(public_key) = self.public_key.or_else(known) else {
            return Err(match (self.kind, self.fingerprint) {
                (Kind::Documented, Some(fingerprint)) => Proof::UnknownKey(fingerprint),
                // A version 1 envelope always brings its key: without one it claims nothing, as the reference sees it.
                _ => Proof::Unsigned,
            });
        };
        let signed_by = Fingerprint::of_key(&public_key);
        if let Some(stated) = self.fingerprint.filter(|stated| *stated != signed_by) {
            return invalid(InvalidReason::KeyMismatch { stated });
        }
        if let Some(certified) = self.certified.filter(|certified| *certified != signed_by) {
            return invalid(InvalidReason::AddressOfAnotherKey { certified, signed_by });
        }
        Ok(Claim { public_key, signature, payload, kind: self.kind })
    }

    /// What the envelope proves. `key_lookup` gives the keys that are known by fingerprint; it is asked only where
    /// the envelope holds none. Whether the file's headers are the signed ones is left to [`Opened::at_rest`].
    pub fn check(&self, key_lookup: impl Fn(&Fingerprint) -> Option<[u8; 32]>) -> Proof {
        match self.claim(key_lookup) {
            Ok(claim) => claim.check(),
            Err(proof) => proof,
        }
    }

    /// The proof for a file at rest, whose headers must be the signed ones.
    pub fn at_rest(&self, proof: Proof, file: &Headers) -> Proof {
        match (proof, &self.signed_headers) {
            (Proof::Valid, Some(signed)) => match headers_agree(file, signed) {
                Ok(()) => Proof::Valid,
                Err(disagreement) => Proof::Invalid(disagreement.into()),
            },
            (proof, _) => proof,
        }
    }
}

/// A signature to check: who is said to have signed what.
#[derive(Clone, Debug)]
pub struct Claim<'a> {
    /// The raw public key.
    pub public_key: [u8; 32],
    /// The raw signature.
    pub signature: [u8; 64],
    kind: Kind,
    payload: Payload<'a>,
}

impl Claim<'_> {
    /// The byte strings that the signature may be of, the likeliest first: what stands there, then what may have stood
    /// there before a transport changed its line ends (PROTOCOL section 2), at most three. It is enough that one is.
    #[must_use]
    pub fn candidates(&self) -> Vec<Cow<'_, [u8]>> {
        let bytes = |text: Cow<'static, str>| Cow::Owned(text.into_owned().into_bytes());
        match &self.payload {
            Payload::Text(signed) if !signed.contains('\r') => vec![Cow::Borrowed(signed.as_bytes())],
            Payload::Text(signed) => {
                let inner = signed.strip_suffix('\r').unwrap_or(signed);
                let lf = inner.replace("\r\n", "\n");
                vec![Cow::Borrowed(signed.as_bytes()), Cow::Borrowed(inner.as_bytes()), bytes(lf.into())]
            }
            Payload::Version2 { lines, body } if !lines.contains('\r') && !body.contains('\r') => {
                vec![Cow::Owned(version2::signed_bytes(lines, body))]
            }
            Payload::Version2 { lines, body } => {
                let inner = body.strip_suffix('\r').unwrap_or(body);
                let lf = version2::signed_bytes(&lines.replace("\r\n", "\n"), &inner.replace("\r\n", "\n"));
                let exact = |body| Cow::Owned(version2::signed_bytes(lines, body));
                vec![exact(body), exact(inner), Cow::Owned(lf)]
            }
            Payload::Legacy { headers, body } => {
                legacy::candidates(headers, body).into_iter().map(Cow::Owned).collect()
            }
        }
    }

    fn check(&self) -> Proof {
        match PublicKey::new(&self.public_key) {
            Some(key) => self.check_with(&key),
            None => Proof::Invalid(InvalidReason::BadKey),
        }
    }

    fn check_with(&self, key: &PublicKey) -> Proof {
        let Some(signature) = proof::signature(&self.signature) else {
            return Proof::Invalid(InvalidReason::BadSignature);
        };
        let holds = |message: &Cow<'_, [u8]>| proof::Check { key, message, signature }.holds();
        self.outcome(self.candidates().iter().any(holds))
    }

    fn outcome(&self, holds: bool) -> Proof {
        match (holds, self.kind) {
            (false, _) => Proof::Invalid(InvalidReason::BadSignature),
            (true, Kind::Version2 | Kind::Documented) => Proof::Valid,
            (true, _) => Proof::BodyOnly,
        }
    }
}

/// What each of many envelopes proves, in their order: the same as [`Opened::check`] says of each, in about half the
/// time. Keys that sign more than once are decompressed once.
pub fn check_batch(items: &[Opened<'_>], key_lookup: impl Fn(&Fingerprint) -> Option<[u8; 32]>) -> Vec<Proof> {
    let mut keys = BTreeMap::new();
    let mut proofs = Vec::with_capacity(items.len());
    for chunk in items.chunks(BATCH) {
        check_chunk(chunk, &key_lookup, &mut keys, &mut proofs);
    }
    proofs
}

/// Checks one batch. What has several candidates, is long, or fails, is checked singly.
fn check_chunk(
    items: &[Opened<'_>],
    key_lookup: &impl Fn(&Fingerprint) -> Option<[u8; 32]>,
    keys: &mut BTreeMap<[u8; 32], Option<PublicKey>>,
    proofs: &mut Vec<Proof>,
) {
    let claims: Vec<Result<Claim<'_>, Proof>> = items.iter().map(|item| item.claim(key_lookup)).collect();
    for claim in claims.iter().flatten() {
        keys.entry(claim.public_key).or_insert_with_key(PublicKey::new);
    }
    let keys = &*keys;
    let usable_key = |claim: &Claim<'_>| keys.get(&claim.public_key)?.as_ref();
    let candidates: Vec<_> = claims
        .iter()
        .map(|claim| {
            let claim = claim.as_ref().ok()?;
            let (key, signature) = (usable_key(claim)?, proof::signature(&claim.signature)?);
            let mut candidates = claim.candidates();
            let only = candidates.pop().filter(|only| candidates.is_empty() && only.len() <= LONGEST_IN_BATCH)?;
            Some((key, signature, only))
        })
        .collect();
    let checks: Vec<proof::Check<'_>> = candidates
        .iter()
        .flatten()
        .map(|(key, signature, message)| proof::Check { key, message, signature: *signature })
        .collect();
    let all_hold = checks.len() > 1 && proof::all_hold(&checks);

    proofs.extend(claims.iter().zip(&candidates).map(|(claim, batched)| match claim {
        Err(proof) => proof.clone(),
        Ok(claim) if all_hold && batched.is_some() => claim.outcome(true),
        Ok(claim) => match usable_key(claim) {
            Some(key) => claim.check_with(key),
            None => Proof::Invalid(InvalidReason::BadKey),
        },
    }));
}

/// The value of a head line `name: value`, trimmed.
fn field<'a>(head: &'a str, name: &str) -> Option<&'a str> {
    head.lines().find_map(|line| line_value(line, name))
}

/// The value of one line, if it is of this name.
fn line_value<'a>(line: &'a str, name: &str) -> Option<&'a str> {
    Some(text::strip(line.strip_prefix(name)?.strip_prefix(':')?))
}

/// A public key in base64.
fn decode_key(value: &str) -> Result<[u8; 32], Malformed> {
    decode(value).ok_or(Malformed("its public key is not 32 bytes in base64"))
}

/// A signature in base64, which a transport may have broken into lines.
fn decode_signature(value: &str) -> Result<[u8; 64], Malformed> {
    let decoded = decode(value).or_else(|| decode(&value.split(text::is_space).collect::<String>()));
    decoded.ok_or(Malformed("its signature is not 64 bytes in base64"))
}

/// Exactly `N` bytes, at most 64, from base64.
fn decode<const N: usize>(value: &str) -> Option<[u8; N]> {
    // Room for what 90 characters hold: a longer text fails and is not looked at further.
    let mut buffer = [0; 68];
    let length = STANDARD.decode_slice(value, &mut buffer).ok()?;
    buffer.get(..length)?.try_into().ok()
}

/// A stated fingerprint.
fn decode_fingerprint(value: Option<&str>) -> Result<Fingerprint, Malformed> {
    value.and_then(|value| Fingerprint::parse(value).ok()).ok_or(Malformed("its fingerprint is not 16 hex digits"))
}

/// A body as it is signed where nothing older has to read it the same: LF alone (a file keeps no other line end), no white
/// space at the end (old readers trim it), no marker.
fn signable(body: &str) -> String {
    marker::escape(text::strip_end(&text::normalize_newlines(body))).into_owned()
}

/// A short envelope: its head, each line with its LF, the body, and the signature over the body that old readers check.
fn write_short(identity: &super::identity::Identity, head: &str, body: &str) -> String {
    let signature = STANDARD.encode(identity.sign(body.as_bytes()));
    format!(
        "{}\n{head}\n{body}\n{}\n{}\n{signature}\n{}",
        marker::SHORT_BEGIN,
        marker::SHORT_END,
        marker::SHORT_SIGNATURE,
        marker::SHORT_SIGNATURE_END
    )
}

#[cfg(test)]
mod tests;
