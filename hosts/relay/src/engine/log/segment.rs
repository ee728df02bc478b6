//! One file of the log.

use std::fs::{self, File};
use std::io;
use std::os::unix::fs::{FileExt, OpenOptionsExt};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};

use super::record::{HEADER, Header};
use crate::engine::EngineError;

/// The name of a segment that is being made.
pub(super) const NEW: &str = "new";

/// A segment, open. Its counters change under the lock of the index alone.
pub(super) struct Segment {
    pub(super) slot: u32,
    pub(super) header: Header,
    pub(super) path: PathBuf,
    pub(super) file: File,
    /// Where its last frame ends.
    pub(super) length: AtomicU64,
    /// Keys and values in it that are what the tables hold.
    pub(super) live: AtomicU64,
    /// Keys and values in it that have been removed or written over.
    pub(super) dead: AtomicU64,
    /// Keys in it that say that something was removed.
    pub(super) removals: AtomicU64,
}

/// The path of a segment.
pub(super) fn path(dir: &Path, first: u64) -> PathBuf {
    dir.join(format!("{first:016x}.log"))
}

/// The number in the name of a segment.
pub(super) fn number(name: &str) -> Option<u64> {
    let digits = name.strip_suffix(".log").filter(|digits| digits.len() == 16)?;
    u64::from_str_radix(digits, 16).ok()
}

/// Makes the names in a folder durable.
pub(super) fn sync_folder(dir: &Path) -> io::Result<()> {
    File::open(dir)?.sync_all()
}

/// Makes a file of zeros, with room for so many bytes.
pub(super) fn reserve(path: &Path, bytes: u64) -> io::Result<File> {
    let file = File::options().read(true).write(true).create(true).truncate(true).mode(0o600).open(path)?;
    let reserved = fallocate(&file, bytes).and_then(|()| file.sync_all());
    if reserved.is_err() {
        let _ = fs::remove_file(path);
    }
    reserved.map(|()| file)
}

#[cfg(target_os = "linux")]
fn fallocate(file: &File, bytes: u64) -> io::Result<()> {
    use rustix::fs::FallocateFlags;
    use rustix::io::Errno;
    match rustix::fs::fallocate(file, FallocateFlags::empty(), 0, bytes) {
        Err(Errno::OPNOTSUPP | Errno::NOSYS) => file.set_len(bytes),
        done => Ok(done?),
    }
}

#[cfg(not(target_os = "linux"))]
fn fallocate(file: &File, bytes: u64) -> io::Result<()> {
    file.set_len(bytes)
}

/// A random number.
pub(super) fn salt() -> Result<u64, EngineError> {
    getrandom::u64().map_err(|error| EngineError::Failed(error.to_string().into()))
}

impl Segment {
    pub(super) fn new(slot: u32, header: Header, path: PathBuf, file: File) -> Self {
        let zero = || AtomicU64::new(0);
        let length = AtomicU64::new(HEADER as u64);
        Self { slot, header, path, file, length, live: zero(), dead: zero(), removals: zero() }
    }

    /// Makes a segment of a file of zeros.
    pub(super) fn begin(dir: &Path, zeros: &Path, number: u64, slot: u32) -> Result<Self, EngineError> {
        let file = File::options().read(true).write(true).open(zeros)?;
        let header = Header { first: number, last: number, salt: salt()? };
        file.write_all_at(&header.bytes(), 0)?;
        file.sync_all()?;
        let path = path(dir, number);
        fs::rename(zeros, &path)?;
        sync_folder(dir)?;
        Ok(Self::new(slot, header, path, file))
    }

    pub(super) fn length(&self) -> u64 {
        self.length.load(Ordering::Relaxed)
    }

    pub(super) fn live(&self) -> u64 {
        self.live.load(Ordering::Relaxed)
    }

    /// Whether something in it could be left out.
    pub(super) fn has_waste(&self) -> bool {
        self.dead.load(Ordering::Relaxed) > 0 || self.removals.load(Ordering::Relaxed) > 0
    }

    /// What was live is so no more.
    pub(super) fn kill(&self, bytes: u64) {
        self.live.fetch_sub(bytes.min(self.live()), Ordering::Relaxed);
        self.dead.fetch_add(bytes, Ordering::Relaxed);
    }

    pub(super) fn read(&self, at: u32, length: u32) -> io::Result<Vec<u8>> {
        let mut value = vec![0; length as usize];
        self.file.read_exact_at(&mut value, at.into())?;
        Ok(value)
    }

    /// All of it up to the end of its last frame.
    pub(super) fn read_all(&self) -> io::Result<Vec<u8>> {
        let mut bytes = vec![0; usize::try_from(self.length()).unwrap_or(0)];
        self.file.read_exact_at(&mut bytes, 0)?;
        Ok(bytes)
    }
}
