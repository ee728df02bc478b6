//! The directory of a ZIP file (APPNOTE.TXT sections 4.3 and 4.4), read strictly: one directory, at the end, that agrees
//! with itself and with what it points to. An archive that two programs would read differently is refused. A reader that
//! searches for something usable instead can be kept busy for seconds by a megabyte of false ends.

use super::ArchiveError;

const LOCAL_HEADER: &[u8; 4] = b"PK\x03\x04";
const ENTRY: &[u8; 4] = b"PK\x01\x02";
const END: &[u8; 4] = b"PK\x05\x06";
const END_64: &[u8; 4] = b"PK\x06\x06";
const LOCATOR_64: &[u8; 4] = b"PK\x06\x07";

const LOCAL_HEADER_LENGTH: usize = 30;
const ENTRY_LENGTH: usize = 46;
const END_LENGTH: usize = 22;
const LOCATOR_64_LENGTH: usize = 20;
const LONGEST_COMMENT: usize = 65_535;

/// How an entry is packed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Method {
    Stored,
    Deflated,
    Unknown(u16),
}

/// One entry as the directory tells of it.
#[derive(Clone, Copy, Debug)]
pub(super) struct Entry<'a> {
    pub(super) name: &'a [u8],
    pub(super) is_encrypted: bool,
    pub(super) method: Method,
    pub(super) crc32: u32,
    pub(super) size: u64,
    /// The Unix mode, 0 where the archive tells none.
    pub(super) mode: u32,
    packed_size: u64,
    offset: u64,
}

impl<'a> Entry<'a> {
    /// The packed content in `file`, if the entry's own header is there and of the same name.
    pub(super) fn packed<'f>(&self, file: &'f [u8]) -> Option<&'f [u8]> {
        let header = file.get(self.start()?..)?;
        header.starts_with(LOCAL_HEADER).then_some(())?;
        let name_length = usize::from(u16_at(header, 26)?);
        let extra_length = usize::from(u16_at(header, 28)?);
        let rest = header.get(LOCAL_HEADER_LENGTH..)?.strip_prefix(self.name)?;
        let content = rest.get(extra_length..)?.get(..usize::try_from(self.packed_size).ok()?)?;
        (name_length == self.name.len()).then_some(content)
    }

    /// Where in the file its own header begins.
    fn start(&self) -> Option<usize> {
        usize::try_from(self.offset).ok()
    }

    /// The entry at the beginning of `directory`, and its length there.
    fn parse(directory: &'a [u8]) -> Option<(Self, usize)> {
        directory.starts_with(ENTRY).then_some(())?;
        let name_end = ENTRY_LENGTH + usize::from(u16_at(directory, 28)?);
        let extra_end = name_end + usize::from(u16_at(directory, 30)?);
        let length = extra_end + usize::from(u16_at(directory, 32)?);
        directory.get(..length)?;
        let mut large = LargeNumbers::of(directory.get(name_end..extra_end)?);
        let size = large.or(u32_at(directory, 24)?)?;
        let packed_size = large.or(u32_at(directory, 20)?)?;
        let offset = large.or(u32_at(directory, 42)?)?;
        let entry = Self {
            name: directory.get(ENTRY_LENGTH..name_end)?,
            is_encrypted: u16_at(directory, 8)? & 1 != 0,
            method: match u16_at(directory, 10)? {
                0 => Method::Stored,
                8 => Method::Deflated,
                other => Method::Unknown(other),
            },
            crc32: u32_at(directory, 16)?,
            size,
            mode: u32_at(directory, 38)? >> 16,
            packed_size,
            offset,
        };
        Some((entry, length))
    }
}

/// The 64-bit numbers of an entry's extra field 1, for those of its numbers that do not fit 32 bits, in their order.
struct LargeNumbers<'a>(&'a [u8]);

impl<'a> LargeNumbers<'a> {
    fn of(mut extra: &'a [u8]) -> Self {
        while let (Some(id), Some(length)) = (u16_at(extra, 0), u16_at(extra, 2)) {
            let end = 4 + usize::from(length);
            let field = extra.get(4..end);
            if id == 1 {
                return Self(field.unwrap_or_default());
            }
            extra = extra.get(end..).unwrap_or_default();
        }
        Self(&[])
    }

    /// `small`, or the next large number where it stands for one.
    fn or(&mut self, small: u32) -> Option<u64> {
        if small != u32::MAX {
            return Some(u64::from(small));
        }
        let number = u64_at(self.0, 0)?;
        self.0 = self.0.get(8..)?;
        Some(number)
    }
}

/// Every entry of the archive, in the directory's order.
///
/// # Errors
/// [`ArchiveError::NotZip`] where there is no directory or it does not agree with itself, [`ArchiveError::TooMany`].
pub(super) fn read(file: &[u8], most: usize) -> Result<Vec<Entry<'_>>, ArchiveError> {
    let (mut directory, count) = find(file).ok_or(ArchiveError::NotZip("it has no complete directory at its end"))?;
    if count > most as u64 {
        return Err(ArchiveError::TooMany { limit: most });
    }
    let mut entries = Vec::new();
    while !directory.is_empty() {
        let (entry, length) = Entry::parse(directory).ok_or(ArchiveError::NotZip("its directory is damaged"))?;
        if entries.len() >= most {
            return Err(ArchiveError::TooMany { limit: most });
        }
        entries.push(entry);
        directory = directory.get(length..).unwrap_or_default();
    }
    if entries.len() as u64 != count {
        return Err(ArchiveError::NotZip("its directory holds another number of files than it says"));
    }
    if overlap(&entries, file) {
        return Err(ArchiveError::NotZip("its files overlap, as only a bomb's do"));
    }
    Ok(entries)
}

/// Whether the same bytes belong to two entries. Those that point to nothing are found when they are unpacked.
fn overlap(entries: &[Entry<'_>], file: &[u8]) -> bool {
    let span = |entry: &Entry<'_>| {
        let (start, packed) = (entry.start()?, entry.packed(file)?);
        Some((start, start + LOCAL_HEADER_LENGTH + entry.name.len() + packed.len()))
    };
    let mut spans: Vec<(usize, usize)> = entries.iter().filter_map(span).collect();
    spans.sort_unstable();
    spans.windows(2).any(|pair| matches!(pair, [(_, end), (next, _)] if next < end))
}

/// The directory's bytes and how many entries it says to have.
fn find(file: &[u8]) -> Option<(&[u8], u64)> {
    let end_at = find_end(file)?;
    let end = file.get(end_at..)?;
    let large = find_end_64(file, end_at);
    let (count, size, offset, limit) = match large {
        Some((at, record)) => (u64_at(record, 32)?, u64_at(record, 40)?, u64_at(record, 48)?, at),
        None => (u64::from(u16_at(end, 10)?), u64::from(u32_at(end, 12)?), u64::from(u32_at(end, 16)?), end_at),
    };
    let start = usize::try_from(offset).ok()?;
    let directory_end = start.checked_add(usize::try_from(size).ok()?)?;
    // Nothing may lie between the directory and its end, where other programs might see another one.
    (directory_end == limit).then_some(())?;
    Some((file.get(start..directory_end)?, count))
}

/// Where the end record begins whose comment ends with the file.
fn find_end(file: &[u8]) -> Option<usize> {
    let last = file.len().checked_sub(END_LENGTH)?;
    let first = last.saturating_sub(LONGEST_COMMENT);
    (first..=last).rev().find(|at| {
        let record = file.get(*at..).unwrap_or_default();
        record.starts_with(END) && u16_at(record, 20).map(usize::from) == Some(last - at)
    })
}

/// The 64-bit end record, where a locator right before the end record points to one.
fn find_end_64(file: &[u8], end_at: usize) -> Option<(usize, &[u8])> {
    let locator = file.get(end_at.checked_sub(LOCATOR_64_LENGTH)?..end_at)?;
    locator.starts_with(LOCATOR_64).then_some(())?;
    let at = usize::try_from(u64_at(locator, 8)?).ok()?;
    let record = file.get(at..end_at)?;
    record.starts_with(END_64).then_some((at, record))
}

fn u16_at(bytes: &[u8], at: usize) -> Option<u16> {
    bytes.get(at..)?.first_chunk().map(|chunk| u16::from_le_bytes(*chunk))
}

fn u32_at(bytes: &[u8], at: usize) -> Option<u32> {
    bytes.get(at..)?.first_chunk().map(|chunk| u32::from_le_bytes(*chunk))
}

fn u64_at(bytes: &[u8], at: usize) -> Option<u64> {
    bytes.get(at..)?.first_chunk().map(|chunk| u64::from_le_bytes(*chunk))
}
