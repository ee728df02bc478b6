//! The spool: what a relay handed out and has deleted on its side, kept until every message of it is stored. One file per
//! fetch: a line of JSON that says what follows and its SHA-256, then the relay's answer as it came.

use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

use super::text;
use super::time::{Day, Now};

/// The form that is written.
const VERSION: u32 = 1;

/// The longest first line.
pub const LONGEST_HEADER: usize = 4096;

/// Characters of the relay's name that are kept: so many fit the first line even if each is escaped.
const LONGEST_SERVER: usize = 600;

/// Why a file is no whole spool file.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum SpoolError {
    /// The first line is not what it must be.
    #[error("its first line is not the header of a spool file: {0}")]
    Header(String),
    /// Written by a newer azall.
    #[error("it has version {0}, this azall reads version 1; use the newer azall once")]
    Version(u32),
    /// The content is not what was written: the file is cut off or changed.
    #[error("its content is not what was written ({found} bytes of {expected}); messages may be missing from it")]
    Content {
        /// Bytes that follow the first line.
        found: usize,
        /// Bytes that the first line promises.
        expected: usize,
    },
}

/// One fetch from one relay.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Spooled<'a> {
    /// The relay, as people know it.
    pub server: String,
    /// The local day on which it was fetched: the messages are stored there, however late.
    pub day: Day,
    /// The relay's answer.
    pub body: &'a [u8],
}

#[derive(Serialize, Deserialize)]
struct Header {
    azall_spool: u32,
    server: String,
    day: String,
    length: usize,
    sha256: String,
}

/// The file of a fetch.
#[must_use]
pub fn encode(server: &str, now: Now, body: &[u8]) -> Vec<u8> {
    let header = Header {
        azall_spool: VERSION,
        server: text::prefix(server, LONGEST_SERVER).to_owned(),
        day: now.day().to_string(),
        length: body.len(),
        sha256: text::hex(&Sha256::digest(body)),
    };
    let mut file = serde_json::to_vec(&header).unwrap_or_default();
    file.reserve_exact(body.len() + 1);
    file.push(b'\n');
    file.extend_from_slice(body);
    file
}

/// Reads a spool file.
///
/// # Errors
/// [`SpoolError`]: nothing is taken from a file that is not whole.
pub fn decode(file: &[u8]) -> Result<Spooled<'_>, SpoolError> {
    let end = memchr::memchr(b'\n', file.get(..LONGEST_HEADER.min(file.len())).unwrap_or_default())
        .ok_or_else(|| SpoolError::Header("no line end".to_owned()))?;
    let (line, body) = file.split_at_checked(end).unwrap_or_default();
    let body = body.get(1..).unwrap_or_default();
    let header: Header = serde_json::from_slice(line).map_err(|error| SpoolError::Header(error.to_string()))?;
    if header.azall_spool != VERSION {
        return Err(SpoolError::Version(header.azall_spool));
    }
    let day = Day::parse(&header.day).ok_or_else(|| SpoolError::Header("no such day".to_owned()))?;
    if body.len() != header.length || text::hex(&Sha256::digest(body)) != header.sha256 {
        return Err(SpoolError::Content { found: body.len(), expected: header.length });
    }
    Ok(Spooled { server: header.server, day, body })
}

/// The day of a spool file, from its first bytes (at least [`LONGEST_HEADER`]); `None` when they are not whole.
#[must_use]
pub fn day_of(head: &[u8]) -> Option<Day> {
    let line = head.get(..memchr::memchr(b'\n', head)?)?;
    Day::parse(&serde_json::from_slice::<Header>(line).ok()?.day)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn a_torn_file_is_recognised() {
        let file = encode("http://x", Now::utc(0), b"{\"messages\":[]}");
        assert!(decode(&file).is_ok());
        assert_eq!(day_of(&file), Some(Now::utc(0).day()));
        assert_eq!(day_of(&file[..20]), None);
        for cut in 0..file.len() {
            assert!(decode(&file[..cut]).is_err(), "cut at {cut}");
        }
        let mut longer = file.clone();
        longer.push(b' ');
        assert!(matches!(decode(&longer), Err(SpoolError::Content { .. })));
    }

    #[test]
    fn a_name_of_any_length_can_be_read_again() {
        for long in ["\0", "é", "\u{1f600}", "\"", "a"] {
            let file = encode(&long.repeat(5000), Now::utc(0), b"{}");
            assert_eq!(decode(&file).unwrap().server, long.repeat(LONGEST_SERVER));
        }
    }

    proptest! {
        #[test]
        fn what_is_written_is_read(server in ".{0,50}", body in proptest::collection::vec(any::<u8>(), 0..200)) {
            let file = encode(&server, Now::utc(1_773_239_400_000), &body);
            let read = decode(&file).unwrap();
            prop_assert_eq!(read.server, server);
            prop_assert_eq!(read.day.to_string(), "2026-03-11");
            prop_assert_eq!(read.body, body);
        }

        #[test]
        fn a_changed_answer_is_recognised(body in proptest::collection::vec(any::<u8>(), 1..99), at in any::<prop::sample::Index>(), flip in 1..=255_u8) {
            let mut file = encode("x", Now::utc(0), &body);
            let body_at = file.len() - body.len();
            *at.get_mut(&mut file[body_at..]) ^= flip;
            prop_assert!(matches!(decode(&file), Err(SpoolError::Content { .. })), "the answer was changed");
        }

        #[test]
        fn no_bytes_panic(bytes in proptest::collection::vec(any::<u8>(), 0..300)) {
            let _ = decode(&bytes);
        }
    }
}
