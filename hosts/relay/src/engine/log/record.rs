//! The bytes of a segment: a header, then frames, each one commit.
//!
//! A frame is there as a whole or not at all: its checksum covers all of it and the salt of the segment. After the last
//! frame there are zeros, or nothing.

use crate::engine::{Batch, Change, EngineError, Table};

/// The first bytes of a segment.
const SEGMENT: &[u8; 8] = b"azrelog1";
/// The first bytes of a frame.
const FRAME: &[u8; 4] = b"fRa1";
/// How long the header of a segment is.
pub(super) const HEADER: usize = 40;
/// How long the header of a frame is.
const FRAME_HEADER: usize = 12;
/// The most bytes of a frame.
pub(super) const LONGEST_FRAME: usize = 1 << 30;

const PUT: u8 = 1;
const REMOVE: u8 = 2;

/// What a segment says of itself: its number, and the last number that it stands for, as it may have been made of several.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Header {
    pub(super) first: u64,
    pub(super) last: u64,
    /// A random number, so that nobody can make a payload that looks like a frame.
    pub(super) salt: u64,
}

impl Header {
    pub(super) fn bytes(self) -> [u8; HEADER] {
        let mut bytes = Vec::with_capacity(HEADER);
        bytes.extend_from_slice(SEGMENT);
        bytes.extend_from_slice(&self.first.to_le_bytes());
        bytes.extend_from_slice(&self.last.to_le_bytes());
        bytes.extend_from_slice(&self.salt.to_le_bytes());
        let checksum = crc32fast::hash(&bytes);
        bytes.extend_from_slice(&checksum.to_le_bytes());
        bytes.resize(HEADER, 0);
        bytes.try_into().unwrap_or([0; HEADER])
    }

    pub(super) fn read(bytes: &[u8]) -> Option<Self> {
        let (said, rest) = bytes.split_first_chunk::<32>()?;
        let checksum = u32::from_le_bytes(*rest.first_chunk()?);
        let (kind, numbers) = said.split_first_chunk::<8>()?;
        let mut numbers =
            numbers.chunks_exact(8).filter_map(|number| Some(u64::from_le_bytes(number.try_into().ok()?)));
        let header = Self { first: numbers.next()?, last: numbers.next()?, salt: numbers.next()? };
        let is_good = kind == SEGMENT && crc32fast::hash(said) == checksum;
        (is_good && header.first <= header.last).then_some(header)
    }
}

/// Begins a frame at the end of `out`; where it begins.
pub(super) fn begin_frame(out: &mut Vec<u8>) -> usize {
    let at = out.len();
    out.extend_from_slice(FRAME);
    out.extend_from_slice(&[0; FRAME_HEADER - FRAME.len()]);
    at
}

/// Ends the frame that began at `at`.
pub(super) fn end_frame(out: &mut [u8], at: usize, salt: u64) -> Result<(), EngineError> {
    let frame = out.get_mut(at..).unwrap_or_default();
    let Some((head, body)) = frame.split_first_chunk_mut::<FRAME_HEADER>() else {
        return Err(EngineError::Failed("a frame has no header".into()));
    };
    let length = u32::try_from(body.len()).ok().filter(|_| body.len() <= LONGEST_FRAME);
    let length = length.ok_or_else(|| EngineError::Failed("a commit is too large".into()))?;
    let [_, _, _, _, length_to @ .., _, _, _, _] = head;
    *length_to = length.to_le_bytes();
    let checksum = checksum(salt, length, body);
    let [_, _, _, _, _, _, _, _, checksum_to @ ..] = head;
    *checksum_to = checksum.to_le_bytes();
    Ok(())
}

fn checksum(salt: u64, length: u32, body: &[u8]) -> u32 {
    let mut hasher = crc32fast::Hasher::new();
    hasher.update(&salt.to_le_bytes());
    hasher.update(&length.to_le_bytes());
    hasher.update(body);
    hasher.finalize()
}

/// Adds a value to a frame; where the value itself begins.
pub(super) fn put(out: &mut Vec<u8>, table: Table, key: &[u8], head: &[u8], body: &[u8]) -> usize {
    let length = u32::try_from(head.len() + body.len()).unwrap_or(u32::MAX);
    out.extend_from_slice(&[PUT, table.number(), u8::try_from(key.len()).unwrap_or(u8::MAX)]);
    out.extend_from_slice(&length.to_le_bytes());
    out.extend_from_slice(key);
    let at = out.len();
    out.extend_from_slice(head);
    out.extend_from_slice(body);
    at
}

/// Adds to a frame that a value is gone.
pub(super) fn remove(out: &mut Vec<u8>, table: Table, key: &[u8]) {
    out.extend_from_slice(&[REMOVE, table.number(), u8::try_from(key.len()).unwrap_or(u8::MAX)]);
    out.extend_from_slice(key);
}

/// Where the values of a batch have come to lie, in its order; `None` for what is removed.
pub(super) fn encode(batch: &Batch, out: &mut Vec<u8>) -> Vec<Option<usize>> {
    let mut places = Vec::with_capacity(batch.changes.len());
    for change in &batch.changes {
        places.push(match change {
            Change::Put { table, key, head, body } => Some(put(out, *table, key.bytes(), head.bytes(), body)),
            Change::Remove { table, key } => {
                remove(out, *table, key.bytes());
                None
            }
        });
    }
    places
}

/// One change in a frame.
#[derive(Debug, Clone, Copy)]
pub(super) struct Record<'a> {
    pub(super) table: Table,
    pub(super) key: &'a [u8],
    /// Where in the segment the value is, and the value; `None` if it is removed.
    pub(super) value: Option<(usize, &'a [u8])>,
}

/// What follows in a segment.
pub(super) enum Next<'a> {
    /// A frame: its records, and where the next begins.
    Frame(Records<'a>, usize),
    /// The end.
    End,
    /// Bytes that are no frame.
    Broken,
}

/// Reads the frame at `at`.
pub(super) fn next(salt: u64, bytes: &[u8], at: usize) -> Next<'_> {
    let rest = bytes.get(at..).unwrap_or_default();
    let Some((head, after)) = rest.split_first_chunk::<FRAME_HEADER>() else {
        return if rest.iter().all(|byte| *byte == 0) { Next::End } else { Next::Broken };
    };
    let (kind, said) = head.split_at(FRAME.len());
    if kind != FRAME {
        return if rest.iter().all(|byte| *byte == 0) { Next::End } else { Next::Broken };
    }
    let number = |part: Option<&[u8; 4]>| part.map_or(0, |bytes| u32::from_le_bytes(*bytes));
    let (length, said_checksum) = (number(said.first_chunk()), number(said.last_chunk()));
    let Some(body) = after.get(..length as usize) else { return Next::Broken };
    if checksum(salt, length, body) != said_checksum {
        return Next::Broken;
    }
    let begin = at + FRAME_HEADER;
    Next::Frame(Records { body, at: begin }, begin + body.len())
}

/// Whether there is a whole frame anywhere after `at`.
pub(super) fn has_frame_after(salt: u64, bytes: &[u8], at: usize) -> bool {
    let rest = bytes.get(at + 1..).unwrap_or_default();
    let mut kinds = memchr::memmem::find_iter(rest, FRAME);
    kinds.any(|found| matches!(next(salt, bytes, at + 1 + found), Next::Frame(..)))
}

/// The records of a frame, whose checksum was right.
pub(super) struct Records<'a> {
    body: &'a [u8],
    at: usize,
}

impl<'a> Records<'a> {
    fn take(&mut self, length: usize) -> Option<&'a [u8]> {
        let (first, rest) = self.body.split_at_checked(length)?;
        self.body = rest;
        self.at += length;
        Some(first)
    }

    fn read(&mut self) -> Option<Record<'a>> {
        let &[kind, table, key_length] = self.take(3)? else { return None };
        let table = Table::numbered(table)?;
        if kind == REMOVE {
            return Some(Record { table, key: self.take(key_length.into())?, value: None });
        }
        let length = u32::from_le_bytes(*self.take(4)?.first_chunk()?);
        let key = self.take(key_length.into())?;
        let at = self.at;
        let value = self.take(length as usize)?;
        (kind == PUT).then_some(Record { table, key, value: Some((at, value)) })
    }
}

impl<'a> Iterator for Records<'a> {
    type Item = Result<Record<'a>, EngineError>;

    fn next(&mut self) -> Option<Self::Item> {
        if self.body.is_empty() {
            return None;
        }
        let record = self.read();
        if record.is_none() {
            self.body = &[];
        }
        Some(record.ok_or_else(|| EngineError::Corrupt("a record of the log cannot be read".into())))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn frames() -> Vec<u8> {
        let mut out = Header { first: 7, last: 7, salt: 7 }.bytes().to_vec();
        for number in 0..3_u8 {
            let at = begin_frame(&mut out);
            put(&mut out, Table::Messages, &[number; 12], b"head", &[number; 100]);
            remove(&mut out, Table::Names, b"anna");
            end_frame(&mut out, at, 7).unwrap();
        }
        out
    }

    fn count(bytes: &[u8]) -> (usize, bool) {
        let (mut at, mut frames) = (HEADER, 0);
        loop {
            match next(7, bytes, at) {
                Next::Frame(records, end) => {
                    assert_eq!(records.map(Result::unwrap).count(), 2);
                    (at, frames) = (end, frames + 1);
                }
                Next::End => return (frames, true),
                Next::Broken => return (frames, false),
            }
        }
    }

    #[test]
    fn a_frame_is_there_as_a_whole_or_not_at_all() {
        let whole = frames();
        assert_eq!(Header::read(&whole), Some(Header { first: 7, last: 7, salt: 7 }));
        assert_eq!(count(&whole), (3, true));
        let mut padded = whole.clone();
        padded.resize(whole.len() + 1000, 0);
        assert_eq!(count(&padded), (3, true));
        let frame = (whole.len() - HEADER) / 3;
        for length in HEADER..whole.len() {
            let (frames, is_end) = count(&whole[..length]);
            assert_eq!(frames, (length - HEADER) / frame);
            assert_eq!(is_end, (length - HEADER).is_multiple_of(frame), "{length}");
        }
        for at in HEADER..whole.len() {
            let mut changed = whole.clone();
            changed[at] ^= 0x10;
            let place = (at - HEADER) / frame;
            assert_eq!(count(&changed), (place, false), "{at}");
            assert_eq!(has_frame_after(7, &changed, HEADER + place * frame), place < 2);
        }
    }
}
