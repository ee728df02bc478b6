//! A mailbox as one ZIP file, for `export` and `import`: made in memory, with the time that is given; read with every
//! name checked, nothing but regular files, and bounds on what it may unpack to.

mod directory;

use std::collections::BTreeSet;
use std::io::{Cursor, Read, Write as _};

use flate2::Compression;
use flate2::read::DeflateDecoder;
use flate2::write::DeflateEncoder;
use zip::result::ZipError;
use zip::write::SimpleFileOptions;
use zip::{CompressionMethod, DateTime, ZipWriter};

use self::directory::{Entry, Method};
use super::layout::{PathError, RelPath};
use super::text;
use super::time::Now;

/// What an archive may unpack to. A mailbox is files of a few kilobytes; its attachments may be larger.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limits {
    /// Files and folders.
    pub entries: usize,
    /// Bytes of one file.
    pub file_bytes: u64,
    /// Bytes of all files.
    pub total_bytes: u64,
    /// How many times larger than packed a file of more than a megabyte may be, and all files together.
    pub ratio: u64,
}

impl Default for Limits {
    /// A million files, 256 MiB each, 2 GiB in all, 200 times their packed size.
    fn default() -> Self {
        Self { entries: 1_000_000, file_bytes: 256 << 20, total_bytes: 2 << 30, ratio: RATIO }
    }
}

/// The ratio that is taken for a bomb's from here on, and that no archive made here has.
const RATIO: u64 = 200;

impl Limits {
    /// What so many packed bytes may unpack to.
    fn by_ratio(&self, packed: usize) -> u64 {
        (packed as u64).saturating_mul(self.ratio).max(RATIO_FREE_BYTES)
    }
}

/// What the files that are still to come may unpack to together.
#[derive(Clone, Copy)]
struct Room {
    by_size: u64,
    by_ratio: u64,
}

impl Room {
    fn take(&mut self, bytes: u64) {
        self.by_size = self.by_size.saturating_sub(bytes);
        self.by_ratio = self.by_ratio.saturating_sub(bytes);
    }
}

/// Files up to this size may be packed as tightly as they like.
const RATIO_FREE_BYTES: u64 = 1 << 20;

/// Files up to this size are never packed too tightly: their entries alone are long enough for it.
const TOO_SMALL_TO_MATTER: usize = 16 << 10;

/// Why an archive cannot be made or read. Names are cut short and printed escaped.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum ArchiveError {
    /// Not a ZIP file, or a broken one.
    #[error("it is no usable ZIP file: {0}")]
    NotZip(&'static str),
    /// The archive cannot be written.
    #[error("the ZIP file cannot be made: {0}")]
    NotMade(String),
    /// A name that leads out of the mailbox, or is no good file name.
    #[error("it holds a file that must not be unpacked: {0}")]
    BadName(#[from] PathError),
    /// A name that occurs twice, or a file where a folder must be.
    #[error("it holds {0:?} twice, or as a file and a folder")]
    Duplicate(String),
    /// A symbolic link, device or the like.
    #[error("{0:?} in it is a link or a device, not a regular file")]
    NotAFile(String),
    /// An entry packed by a method other than the usual two.
    #[error("{name:?} in it is packed by method {method}, which is not known; pack it again with Deflate")]
    Method {
        /// The file.
        name: String,
        /// The method's number.
        method: u16,
    },
    /// An entry with a password.
    #[error("{0:?} in it is encrypted; unpack it with its password and pack it again without")]
    Encrypted(String),
    /// More entries than allowed.
    #[error("it holds more than {limit} files")]
    TooMany {
        /// The most that are allowed.
        limit: usize,
    },
    /// A file, or all files together, of more bytes than allowed.
    #[error("{name:?} in it unpacks to more than is allowed ({limit} bytes for a file, {total_limit} in all)")]
    TooLarge {
        /// The file that went too far.
        name: String,
        /// The most bytes of one file.
        limit: u64,
        /// The most bytes of all files.
        total_limit: u64,
    },
    /// A file that is suspiciously much larger than packed.
    #[error("{name:?} in it unpacks to more than {ratio} times its packed size, as only a bomb does")]
    Bomb {
        /// The file.
        name: String,
        /// How many times is allowed.
        ratio: u64,
    },
    /// A file whose content does not match its checksum, or cannot be unpacked.
    #[error("{name:?} in it is damaged: {why}")]
    Damaged {
        /// The file.
        name: String,
        /// What is wrong.
        why: &'static str,
    },
}

/// Makes a ZIP file of `entries`, in their order, readable by their owner alone when unpacked, dated `now`. The same
/// input gives the same bytes.
///
/// # Errors
/// [`ArchiveError::Duplicate`] for a name that occurs twice, [`ArchiveError::BadName`] for the empty one.
pub fn build<'a>(
    entries: impl IntoIterator<Item = (&'a RelPath, &'a [u8])>,
    now: Now,
) -> Result<Vec<u8>, ArchiveError> {
    let options = SimpleFileOptions::default().last_modified_time(dos_time(now)).unix_permissions(0o600);
    let mut names = Names::default();
    let mut writer = ZipWriter::new(Cursor::new(Vec::new()));
    for (path, bytes) in entries {
        names.add_file(path)?;
        let method = if packs_like_a_bomb(bytes) { CompressionMethod::Stored } else { CompressionMethod::Deflated };
        let options = options.compression_method(method).large_file(bytes.len() >= u32::MAX as usize);
        writer.start_file(path.as_str(), options).map_err(not_made)?;
        writer.write_all(bytes).map_err(|error| not_made(error.into()))?;
    }
    Ok(writer.finish().map_err(not_made)?.into_inner())
}

/// Whether the content, packed, would be refused on reading.
fn packs_like_a_bomb(content: &[u8]) -> bool {
    if content.len() <= TOO_SMALL_TO_MATTER {
        return false;
    }
    let mut packer = DeflateEncoder::new(std::io::sink(), Compression::default());
    let is_packed = packer.write_all(content).is_ok() && packer.try_finish().is_ok();
    is_packed && packer.total_out().saturating_mul(RATIO) < content.len() as u64
}

/// Unpacks a ZIP file: every file with its checked name, in the archive's order. Folders are left out; they follow from
/// the names.
///
/// # Errors
/// [`ArchiveError`]; nothing of an archive with one bad entry is given out.
pub fn read(bytes: &[u8], limits: Limits) -> Result<Vec<(RelPath, Vec<u8>)>, ArchiveError> {
    let mut names = Names::default();
    let mut files = Vec::new();
    let mut room = Room { by_size: limits.total_bytes, by_ratio: limits.by_ratio(bytes.len()) };
    for entry in directory::read(bytes, limits.entries)? {
        if let Some(path) = checked_name(&entry)? {
            names.add_file(&path)?;
            let content = unpack(&entry, bytes, limits, room)?;
            room.take(content.len() as u64);
            files.push((path, content));
        }
    }
    Ok(files)
}

/// The path of a file; `None` for a folder, whose name is checked as well.
fn checked_name(entry: &Entry<'_>) -> Result<Option<RelPath>, ArchiveError> {
    const FILE_TYPE: u32 = 0o170_000;
    const UNKNOWN: u32 = 0;
    const REGULAR: u32 = 0o100_000;
    const FOLDER: u32 = 0o040_000;
    let name = std::str::from_utf8(entry.name)
        .map_err(|_| PathError { path: shown(entry.name), why: "its name is not UTF-8" })?;
    let (path, usual_type) = match name.strip_suffix('/') {
        Some(folder) => (RelPath::parse(folder)?, FOLDER),
        None => (RelPath::parse(name)?, REGULAR),
    };
    let file_type = entry.mode & FILE_TYPE;
    if file_type != UNKNOWN && file_type != usual_type {
        return Err(ArchiveError::NotAFile(shown(entry.name)));
    }
    Ok(Some(path).filter(|_| usual_type == REGULAR))
}

/// The content of one file. What the archive says of its size is not believed: the bytes are counted.
fn unpack(entry: &Entry<'_>, file: &[u8], limits: Limits, room: Room) -> Result<Vec<u8>, ArchiveError> {
    let name = || shown(entry.name);
    let damaged = |why| ArchiveError::Damaged { name: name(), why };
    if entry.is_encrypted {
        return Err(ArchiveError::Encrypted(name()));
    }
    let packed = entry.packed(file).ok_or_else(|| damaged("the directory points to something else"))?;
    let by_ratio = limits.by_ratio(packed.len()).min(room.by_ratio);
    let most = limits.file_bytes.min(room.by_size).min(by_ratio);
    let content = match entry.method {
        Method::Stored => read_most(packed, most),
        Method::Deflated => read_most(DeflateDecoder::new(packed), most),
        Method::Unknown(method) => return Err(ArchiveError::Method { name: name(), method }),
    };
    let content = content.map_err(|_| damaged("it cannot be unpacked"))?;
    if content.len() as u64 > most {
        return Err(if most == by_ratio {
            ArchiveError::Bomb { name: name(), ratio: limits.ratio }
        } else {
            ArchiveError::TooLarge { name: name(), limit: limits.file_bytes, total_limit: limits.total_bytes }
        });
    }
    let mut crc = flate2::Crc::new();
    crc.update(&content);
    if content.len() as u64 != entry.size || crc.sum() != entry.crc32 {
        return Err(damaged("its size or checksum is wrong"));
    }
    Ok(content)
}

/// At most one byte more than `most`.
fn read_most(content: impl Read, most: u64) -> std::io::Result<Vec<u8>> {
    let mut bytes = Vec::new();
    content.take(most.saturating_add(1)).read_to_end(&mut bytes)?;
    Ok(bytes)
}

/// The names so far, to find those that would overwrite another.
#[derive(Default)]
struct Names {
    files: BTreeSet<RelPath>,
    folders: BTreeSet<RelPath>,
}

impl Names {
    fn add_file(&mut self, path: &RelPath) -> Result<(), ArchiveError> {
        if path.as_str().is_empty() {
            return Err(ArchiveError::BadName(PathError { path: String::new(), why: "it is empty" }));
        }
        let duplicate = |path: &RelPath| Err(ArchiveError::Duplicate(shown(path.as_str().as_bytes())));
        if self.folders.contains(path) || !self.files.insert(path.clone()) {
            return duplicate(path);
        }
        let mut folder = path.parent();
        // Once a folder is known, so are those above it.
        while !folder.as_str().is_empty() && !self.folders.contains(&folder) {
            if self.files.contains(&folder) {
                return duplicate(&folder);
            }
            let above = folder.parent();
            self.folders.insert(folder);
            folder = above;
        }
        Ok(())
    }
}

/// The time of a file in an archive: local, of even seconds, from 1980 on.
fn dos_time(now: Now) -> DateTime {
    let text = now.local_text();
    let mut numbers = text.split(['-', ' ', ':']).map_while(|number| number.parse::<u16>().ok());
    let mut next = || numbers.next().unwrap_or_default();
    let year = next();
    let [month, day, hour, minute, second] = [(); 5].map(|()| u8::try_from(next()).unwrap_or_default());
    DateTime::from_date_and_time(year, month, day, hour, minute, second).unwrap_or_default()
}

/// A name from outside, for an error.
fn shown(name: &[u8]) -> String {
    text::prefix(&String::from_utf8_lossy(name), 80).to_owned()
}

fn not_made(error: ZipError) -> ArchiveError {
    ArchiveError::NotMade(error.to_string())
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const NOW: Now = Now::utc(1_773_239_400_000);

    fn path(text: &str) -> RelPath {
        RelPath::parse(text).unwrap()
    }

    /// An archive made without any check, as an attacker makes it.
    fn raw(entries: &[(&str, &[u8])]) -> Vec<u8> {
        let mut writer = ZipWriter::new(Cursor::new(Vec::new()));
        for (name, bytes) in entries {
            writer.start_file(*name, SimpleFileOptions::default()).unwrap();
            writer.write_all(bytes).unwrap();
        }
        writer.finish().unwrap().into_inner()
    }

    /// Puts a name in place of another of the same length, in the local header and in the directory.
    fn renamed(mut zip: Vec<u8>, from: &str, to: &str) -> Vec<u8> {
        assert_eq!(from.len(), to.len());
        while let Some(at) = zip.windows(from.len()).position(|window| window == from.as_bytes()) {
            zip[at..at + to.len()].copy_from_slice(to.as_bytes());
        }
        zip
    }

    #[test]
    fn what_is_packed_is_unpacked() {
        let (a, b) = (path("a@x/2026-03-11/inbox/1.txt"), path("zürich/empty"));
        let zip = build([(&a, b"hello".as_slice()), (&b, b"".as_slice())], NOW).unwrap();
        assert_eq!(zip, build([(&a, b"hello".as_slice()), (&b, b"".as_slice())], NOW).unwrap());
        assert_eq!(read(&zip, Limits::default()).unwrap(), [(a, b"hello".to_vec()), (b, Vec::new())]);
        let mut archive = zip::ZipArchive::new(Cursor::new(zip.as_slice())).unwrap();
        let entry = archive.by_index(0).unwrap();
        assert_eq!(entry.last_modified().unwrap().to_string(), "2026-03-11 14:30:00");
        assert_eq!(entry.unix_mode().unwrap() & 0o777, 0o600);
    }

    #[test]
    fn any_moment_has_a_date() {
        for unix_ms in [i64::MIN, 0, i64::MAX] {
            assert!(build([(&path("a"), b"".as_slice())], Now::utc(unix_ms)).is_ok());
        }
    }

    #[test]
    fn names_that_lead_out_are_refused() {
        for name in
            ["../x", "a/../../x", "/etc/passwd", "a\\..\\x", "c:/x", "a//b", "./a", "a\0b", "..", "../", "a/../"]
        {
            let error = read(&raw(&[("good", b""), (name, b"x")]), Limits::default()).unwrap_err();
            assert!(matches!(error, ArchiveError::BadName(_)), "{name:?}: {error}");
        }
    }

    #[test]
    fn folders_are_left_out() {
        let mut writer = ZipWriter::new(Cursor::new(Vec::new()));
        writer.add_directory("a/b/", SimpleFileOptions::default()).unwrap();
        writer.start_file("a/b/c", SimpleFileOptions::default()).unwrap();
        let zip = writer.finish().unwrap().into_inner();
        assert_eq!(read(&zip, Limits::default()).unwrap(), [(path("a/b/c"), Vec::new())]);
    }

    #[test]
    fn links_are_refused() {
        let mut writer = ZipWriter::new(Cursor::new(Vec::new()));
        writer.add_symlink("link", "/etc/passwd", SimpleFileOptions::default()).unwrap();
        let zip = writer.finish().unwrap().into_inner();
        assert_eq!(read(&zip, Limits::default()), Err(ArchiveError::NotAFile("link".to_owned())));
    }

    #[test]
    fn names_that_clash_are_refused() {
        let twice = renamed(raw(&[("same", b"1"), ("SAME", b"2")]), "SAME", "same");
        assert_eq!(read(&twice, Limits::default()), Err(ArchiveError::Duplicate("same".to_owned())));
        for entries in [[("a", b"".as_slice()), ("a/b", b"")], [("a/b/c", b""), ("a", b"")]] {
            assert_eq!(read(&raw(&entries), Limits::default()), Err(ArchiveError::Duplicate("a".to_owned())));
            let paths = entries.map(|(name, _)| path(name));
            assert!(build(paths.iter().map(|path| (path, b"".as_slice())), NOW).is_err());
        }
        assert!(build([(&RelPath::default(), b"".as_slice())], NOW).is_err());
    }

    #[test]
    fn bombs_are_refused_while_unpacking() {
        let zeros = vec![0; 3 << 20];
        let zip = raw(&[("a", b"x"), ("zeros", &zeros)]);
        assert!(zip.len() < 10_000, "{}", zip.len());
        assert!(matches!(read(&zip, Limits::default()), Err(ArchiveError::Bomb { name, .. }) if name == "zeros"));
        let loose = Limits { ratio: 10_000, ..Limits::default() };
        assert_eq!(read(&zip, loose).unwrap()[1].1.len(), 3 << 20);
        for tight in [Limits { file_bytes: 1 << 20, ..loose }, Limits { total_bytes: 3 << 20, ..loose }] {
            assert!(matches!(read(&zip, tight), Err(ArchiveError::TooLarge { name, .. }) if name == "zeros"));
        }
        assert_eq!(read(&zip, Limits { entries: 1, ..loose }), Err(ArchiveError::TooMany { limit: 1 }));
    }

    #[test]
    fn bombs_of_many_small_files_are_refused() {
        let zeros = vec![0; 1 << 20];
        let entries: Vec<(String, &[u8])> = (0..30).map(|n| (format!("{n}"), zeros.as_slice())).collect();
        let entries: Vec<(&str, &[u8])> = entries.iter().map(|(name, bytes)| (name.as_str(), *bytes)).collect();
        let zip = raw(&entries);
        assert!(zip.len() < 60_000, "{}", zip.len());
        assert!(matches!(read(&zip, Limits::default()), Err(ArchiveError::Bomb { .. })));
    }

    /// Entries that share their packed bytes, each a file of its own: kilobytes that unpack to gigabytes.
    #[test]
    fn files_that_overlap_are_refused() {
        let inner = raw(&[("inner", b"x")]);
        let local = &inner[..inner.windows(4).position(|window| window == b"PK\x01\x02").unwrap()];
        let mut writer = ZipWriter::new(Cursor::new(Vec::new()));
        let stored = SimpleFileOptions::default().compression_method(CompressionMethod::Stored);
        writer.start_file("outer", stored).unwrap();
        writer.write_all(local).unwrap();
        writer.start_file("inner", SimpleFileOptions::default()).unwrap();
        writer.write_all(b"x").unwrap();
        let mut zip = writer.finish().unwrap().into_inner();
        assert_eq!(read(&zip, Limits::default()).unwrap().len(), 2);
        // The second entry of the directory is pointed at the header inside the first file.
        let entry = zip.windows(4).rposition(|window| window == b"PK\x01\x02").unwrap();
        let at = u32::try_from(zip.windows(local.len()).position(|window| window == local).unwrap()).unwrap();
        zip[entry + 42..entry + 46].copy_from_slice(&at.to_le_bytes());
        assert!(matches!(read(&zip, Limits::default()), Err(ArchiveError::NotZip(why)) if why.contains("overlap")));
    }

    #[test]
    fn what_is_packed_is_never_taken_for_a_bomb() {
        let zeros = vec![0; 5 << 20];
        let paths: Vec<RelPath> = (0..6).map(|n| path(&format!("{n}"))).collect();
        let sizes = [5 << 20, 1 << 20, 1 << 20, 100_000, TOO_SMALL_TO_MATTER, 1];
        let files: Vec<(&RelPath, &[u8])> =
            paths.iter().zip(sizes).map(|(path, size)| (path, &zeros[..size])).collect();
        let zip = build(files.clone(), NOW).unwrap();
        let sizes_read: Vec<usize> =
            read(&zip, Limits::default()).unwrap().iter().map(|(_, content)| content.len()).collect();
        assert_eq!(sizes_read, sizes);
    }

    #[test]
    fn damage_is_found() {
        let good = build([(&path("a"), b"some text that is stored as it is".as_slice())], NOW).unwrap();
        for length in 0..good.len() {
            assert!(read(&good[..length], Limits::default()).is_err(), "cut to {length}");
        }
        let mut writer = ZipWriter::new(Cursor::new(Vec::new()));
        writer.start_file("a", SimpleFileOptions::default().compression_method(CompressionMethod::Stored)).unwrap();
        writer.write_all(b"some text").unwrap();
        let stored = writer.finish().unwrap().into_inner();
        let changed = renamed(stored, "some text", "same text");
        assert!(matches!(read(&changed, Limits::default()), Err(ArchiveError::Damaged { .. })));
    }

    #[test]
    fn encrypted_entries_are_refused() {
        let mut zip = raw(&[("secret", b"x")]);
        // The flag is the lowest bit at offset 6 of the local header and offset 8 of the directory's entry.
        zip[6] |= 1;
        let directory = zip.windows(4).position(|window| window == b"PK\x01\x02").unwrap();
        zip[directory + 8] |= 1;
        assert_eq!(read(&zip, Limits::default()), Err(ArchiveError::Encrypted("secret".to_owned())));
    }

    #[test]
    fn more_files_than_sixteen_bits_count_are_read() {
        let paths: Vec<RelPath> = (0..65_540).map(|n| path(&format!("{n}"))).collect();
        let zip = build(paths.iter().map(|path| (path, b"".as_slice())), NOW).unwrap();
        assert_eq!(read(&zip, Limits::default()).unwrap().len(), 65_540);
    }

    #[test]
    fn a_comment_is_allowed_but_nothing_else_around() {
        let zip = raw(&[("a", b"x")]);
        let mut commented = zip.clone();
        let length = commented.len();
        commented[length - 2] = 3;
        commented.extend(b"abc");
        assert_eq!(read(&commented, Limits::default()).unwrap(), [(path("a"), b"x".to_vec())]);
        for odd in [[&zip, b"x".as_slice()].concat(), [b"x", zip.as_slice()].concat()] {
            assert!(matches!(read(&odd, Limits::default()), Err(ArchiveError::NotZip(_))));
        }
    }

    #[test]
    fn a_file_has_one_name() {
        let zip = raw(&[("inner", b"x")]);
        let mut changed = zip.clone();
        let at = zip.windows(5).position(|window| window == b"inner").unwrap();
        changed[at] = b'I';
        assert!(matches!(read(&changed, Limits::default()), Err(ArchiveError::Damaged { .. })));
    }

    proptest! {
        #[test]
        fn any_bytes_are_safe(bytes in proptest::collection::vec(any::<u8>(), 0..200)) {
            let _ = read(&bytes, Limits::default());
        }

        #[test]
        fn any_change_is_safe(at in 0_usize..200, to: u8) {
            let mut zip = build([(&path("a/b"), b"hello".as_slice()), (&path("c"), b"world".as_slice())], NOW).unwrap();
            if let Some(byte) = zip.get_mut(at) {
                *byte = to;
            }
            for (path, content) in read(&zip, Limits::default()).unwrap_or_default() {
                prop_assert!(!path.as_str().is_empty() && content.len() == 5);
            }
        }

        #[test]
        fn files_round_trip(files in proptest::collection::btree_map("[a-zé]{1,9}", any::<Vec<u8>>(), 0..5)) {
            let files: Vec<(RelPath, Vec<u8>)> = files.into_iter().map(|(name, bytes)| (path(&name), bytes)).collect();
            let zip = build(files.iter().map(|(path, bytes)| (path, bytes.as_slice())), NOW).unwrap();
            prop_assert_eq!(read(&zip, Limits::default()).unwrap(), files);
        }
    }
}
