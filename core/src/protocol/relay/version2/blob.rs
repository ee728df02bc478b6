//! Blobs: attachments that lie at the relay under the hash of their bytes.

use std::fmt;

use sha2::{Digest, Sha256};

use super::super::answer::line;
use super::super::{RelayError, Reply, ServerUrl};
use super::answer::{object, refused};
use crate::protocol::text;

/// A blob's name: the SHA-256 of its bytes, 64 lower-case hex digits.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct BlobName([u8; 32]);

impl BlobName {
    /// Checks a text.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        let bytes = text::unhex(text).filter(|_| !text.bytes().any(|b| b.is_ascii_uppercase()))?;
        bytes.try_into().ok().map(Self)
    }

    /// The name of these bytes.
    #[must_use]
    pub fn of(bytes: &[u8]) -> Self {
        Self(Sha256::digest(bytes).into())
    }

    /// The name of a blob with this SHA-256.
    #[must_use]
    pub const fn from_hash(sha256: [u8; 32]) -> Self {
        Self(sha256)
    }

    /// The SHA-256 of its bytes.
    #[must_use]
    pub const fn as_hash(&self) -> &[u8; 32] {
        &self.0
    }
}

impl fmt::Display for BlobName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&text::hex(&self.0))
    }
}

impl fmt::Debug for BlobName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

/// A blob as a message names it. Both are the sender's word.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct BlobRef {
    /// Its name.
    pub name: BlobName,
    /// How many bytes it has.
    pub size: u64,
}

/// How much of a blob a relay has.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Held {
    /// All of it.
    Whole,
    /// So many of its first bytes, from this account.
    Part(u64),
}

/// What a relay did with a part of a blob.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Put {
    /// The blob is there, whole and durable.
    Whole,
    /// It has got so far: go on from there.
    Until(u64),
    /// The whole is not what its name says: begin anew.
    WrongHash,
}

/// Where an upload has got to, by its header.
fn offset(reply: &Reply<'_>) -> Option<u64> {
    text::strip(reply.header("upload-offset")?).parse().ok()
}

/// The answer to [`blob_head`](super::blob_head), which has no body.
///
/// # Errors
/// [`RelayError`].
pub fn parse_blob_head(server: &ServerUrl, reply: Reply<'_>) -> Result<Held, RelayError> {
    match reply.status {
        200 => Ok(Held::Whole),
        404 => Ok(Held::Part(offset(&reply).unwrap_or(0))),
        _ => Err(refused(server, reply)),
    }
}

/// The answer to [`blob_put`](super::blob_put).
///
/// # Errors
/// [`RelayError`].
pub fn parse_blob_put(server: &ServerUrl, reply: Reply<'_>) -> Result<Put, RelayError> {
    let unclear = || RelayError::WrongShape {
        server: server.clone(),
        what: "it does not say how much of the blob it has".to_owned(),
    };
    match reply.status {
        200 | 201 => object(server, reply).map(|_| Put::Whole),
        202 => offset(&reply).map(Put::Until).ok_or_else(unclear),
        409 if offset(&reply).is_some() => Ok(Put::Until(offset(&reply).unwrap_or(0))),
        422 => Ok(Put::WrongHash),
        _ => Err(refused(server, reply)),
    }
}

/// The answer to [`blob_part`](super::blob_part): the bytes from `first` on, at most `length`; `None` when the blob is not
/// there, by the word of a relay: what a proxy says of it is an error, and may pass.
///
/// # Errors
/// [`RelayError`]; also when the part is not the one that was asked for.
pub fn parse_blob_part<'a>(
    server: &ServerUrl,
    first: u64,
    length: u64,
    reply: Reply<'a>,
) -> Result<Option<&'a [u8]>, RelayError> {
    let wrong = |what: String| RelayError::WrongShape { server: server.clone(), what };
    match reply.status {
        206 => {
            let range = reply.header("content-range").unwrap_or_default();
            let begins = text::strip(range).strip_prefix("bytes ").and_then(|range| range.split_once('-'));
            if begins.and_then(|(begin, _)| begin.parse().ok()) != Some(first) {
                return Err(wrong(format!("it gives another part of a blob than was asked for: {}", line(range, 60))));
            }
            if reply.body.is_empty() || reply.body.len() as u64 > length {
                return Err(wrong(format!("it gives {} bytes of a blob for {length}", reply.body.len())));
            }
            Ok(Some(reply.body))
        }
        200..=299 => Err(wrong("it does not give the part of a blob that was asked for".to_owned())),
        // Shorter than the message says.
        416 if matches!(refused(server, reply), RelayError::Refused { .. }) => Ok(None),
        404 => match refused(server, reply) {
            RelayError::Refused { .. } => Ok(None),
            other => Err(other),
        },
        _ => Err(refused(server, reply)),
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::protocol::relay::testing::server;

    fn headers(name: &str, value: &str) -> Vec<(String, String)> {
        vec![(name.to_owned(), value.to_owned())]
    }

    #[test]
    fn only_a_hash_is_a_name() {
        let name = BlobName::of(b"hello");
        assert_eq!(BlobName::parse(&name.to_string()), Some(name));
        for text in ["", "../x", &"a".repeat(63), &"A".repeat(64), &"g".repeat(64), &format!("{}/", "a".repeat(64))] {
            assert_eq!(BlobName::parse(text), None, "{text}");
        }
    }

    #[test]
    fn uploads_go_on_from_where_the_relay_has_got_to() {
        let at = headers("upload-offset", " 17 ");
        let put = |status, headers: &[(String, String)], body: &str| {
            parse_blob_put(&server(), Reply { status, headers, body: body.as_bytes() })
        };
        assert_eq!(put(201, &[], r#"{"sha256": "x"}"#), Ok(Put::Whole));
        assert_eq!(put(200, &[], "{}"), Ok(Put::Whole));
        assert_eq!((put(202, &at, ""), put(409, &at, "")), (Ok(Put::Until(17)), Ok(Put::Until(17))));
        assert_eq!(put(422, &[], ""), Ok(Put::WrongHash));
        assert!(matches!(put(404, &at, ""), Err(RelayError::NotVersion2 { .. })));
        for status in [200, 202, 204, 302, 409, 413, 500] {
            assert!(put(status, &[], "<html>").is_err(), "{status}");
        }
        let head =
            |status, headers: &[(String, String)]| parse_blob_head(&server(), Reply { status, headers, body: b"" });
        assert_eq!((head(200, &[]), head(404, &[])), (Ok(Held::Whole), Ok(Held::Part(0))));
        assert_eq!(head(404, &at), Ok(Held::Part(17)));
        assert!(head(500, &[]).is_err());
    }

    #[test]
    fn a_part_is_the_one_that_was_asked_for() {
        let part = |status, range: &str, body: &'static [u8]| {
            let headers = headers("content-range", range);
            parse_blob_part(&server(), 4, 3, Reply { status, headers: &headers, body })
                .map(|part| part.map(<[u8]>::to_vec))
        };
        assert_eq!(part(206, "bytes 4-6/9", b"abc"), Ok(Some(b"abc".to_vec())));
        for (status, range, body) in [
            (206, "bytes 0-2/9", &b"abc"[..]),
            (206, "", b"abc"),
            (206, "bytes 4-8/9", b"abcd"),
            (206, "bytes 4-4/9", b""),
            (200, "", b"<html>"),
        ] {
            assert!(part(status, range, body).is_err(), "{status} {range}");
        }
        assert_eq!(part(404, "", br#"{"error": "x", "code": "no_such_blob"}"#), Ok(None));
        assert_eq!(part(416, "", br#"{"error": "x", "code": "bad_range"}"#), Ok(None));
        assert!(part(416, "", b"<html>").is_err());
        assert!(matches!(part(404, "", b"<html>"), Err(RelayError::NotVersion2 { .. })));
    }

    proptest! {
        #[test]
        fn any_answer_is_safe(status in 100_u16..600, value in "[a-z0-9 /=-]{0,30}", body: Vec<u8>, first: u64, length: u64) {
            for name in ["upload-offset", "content-range"] {
                let headers = headers(name, &value);
                let reply = Reply { status, headers: &headers, body: &body };
                let _ = (parse_blob_head(&server(), reply), parse_blob_put(&server(), reply));
                if let Ok(Some(part)) = parse_blob_part(&server(), first, length, reply) {
                    prop_assert!(!part.is_empty() && part.len() as u64 <= length);
                }
            }
        }
    }
}
