//! Reading, listing, appending, renaming and removing files.

use std::cell::RefCell;
use std::fs::File;
use std::io::{Read, Write};
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::path::Path;

use azall_core::engine::effect::{
    Append, Entry, EntryKind, FileHead, IoError, IoErrorKind, List, ReadFile, ReadMany, Remove, Rename,
};
use azall_core::protocol::layout::RelPath;
use rayon::prelude::*;
use rustix::fs::{AtFlags, CWD, Dir, FileType, Mode, OFlags, Stat};
use rustix::io::Errno;

use crate::commit::rename_exclusive;
use crate::folders::{self, Folders};
use crate::roots::Roots;
use crate::system::{failed, failed_std};

/// From this many files on, all cores read.
const PARALLEL: usize = 64;

/// The largest part of a file that is read into the reused buffer; beyond it, a file gets a buffer of its own.
const HEAD: u64 = 64 * 1024;

thread_local! {
    static SCRATCH: RefCell<Vec<u8>> = const { RefCell::new(Vec::new()) };
}

/// Answers [`ReadFile`].
///
/// # Errors
/// The system's, as [`IoErrorKind`]; [`IoErrorKind::TooLarge`] beyond the limit; [`IoErrorKind::PermissionDenied`] for
/// anything but a regular file, a symbolic link to one included.
pub fn read_file(roots: &Roots, effect: &ReadFile) -> Result<Vec<u8>, IoError> {
    let ReadFile { place, limit } = effect;
    let path = roots.resolve(place)?;
    let file = open_to_read(CWD, &path).map_err(failed)?;
    let stat = rustix::fs::fstat(&file).map_err(failed)?;
    if FileType::from_raw_mode(stat.st_mode) != FileType::RegularFile {
        return Err(IoError::new(IoErrorKind::PermissionDenied, "not a regular file"));
    }
    let size = size(&stat);
    let too_large = || IoError::new(IoErrorKind::TooLarge, format!("larger than {limit} bytes"));
    if size > *limit {
        return Err(too_large());
    }
    // A file that grows meanwhile is read on, but not beyond the limit.
    let mut bytes = Vec::with_capacity(usize::try_from(size).unwrap_or(0).saturating_add(1));
    File::from(file).take(limit.saturating_add(1)).read_to_end(&mut bytes).map_err(|error| failed_std(&error))?;
    if bytes.len() as u64 > *limit { Err(too_large()) } else { Ok(bytes) }
}

/// Answers [`ReadMany`].
///
/// # Errors
/// The system's, when the folder cannot be opened. What befalls a single file is that file's answer alone.
pub fn read_many(roots: &Roots, effect: &ReadMany) -> Result<Vec<Result<FileHead, IoError>>, IoError> {
    let ReadMany { folder, names, limit } = effect;
    let path = roots.resolve(folder)?;
    let opened = folders::open(&path).map_err(failed)?;
    let read = |name: &String| read_head(opened.as_fd(), name, *limit);
    Ok(if names.len() < PARALLEL {
        names.iter().map(read).collect()
    } else {
        names.par_iter().with_min_len(PARALLEL / 2).map(read).collect()
    })
}

fn read_head(opened: BorrowedFd<'_>, name: &str, limit: u64) -> Result<FileHead, IoError> {
    // Refuses a name that is not one plain part of a path.
    RelPath::check_name(name).map_err(|error| IoError::new(IoErrorKind::PermissionDenied, error.to_string()))?;
    let head = open_to_read(opened, name).and_then(|file| match limit {
        ..=HEAD => SCRATCH.with_borrow_mut(|scratch| read_once(&file, limit, scratch)),
        _ => read_long(file, limit),
    });
    head.map_err(failed)
}

/// Reads the head of a file with one call: a regular file gives less than was asked for only at its end.
fn read_once(file: &OwnedFd, limit: u64, scratch: &mut Vec<u8>) -> Result<FileHead, Errno> {
    let limit = usize::try_from(limit).unwrap_or(usize::MAX);
    if scratch.len() <= limit {
        scratch.resize(limit + 1, 0);
    }
    let room = scratch.get_mut(..=limit).unwrap_or_default();
    let read = rustix::io::retry_on_intr(|| rustix::io::read(file, &mut *room))?;
    let bytes = room.get(..read.min(limit)).unwrap_or_default().to_vec();
    Ok(FileHead { bytes, truncated: read > limit })
}

fn read_long(file: OwnedFd, limit: u64) -> Result<FileHead, Errno> {
    let mut bytes = Vec::new();
    let read = File::from(file).take(limit.saturating_add(1)).read_to_end(&mut bytes);
    read.map_err(|error| Errno::from_io_error(&error).unwrap_or(Errno::IO))?;
    let truncated = bytes.len() as u64 > limit;
    bytes.truncate(usize::try_from(limit).unwrap_or(usize::MAX));
    Ok(FileHead { bytes, truncated })
}

/// Opens a file without following a symbolic link, and without waiting at a pipe or a device.
fn open_to_read(folder: impl AsFd, name: impl rustix::path::Arg) -> Result<OwnedFd, Errno> {
    let flags = OFlags::RDONLY | OFlags::NOFOLLOW | OFlags::NONBLOCK | OFlags::NOCTTY | OFlags::CLOEXEC;
    rustix::fs::openat(folder, name, flags, Mode::empty())
}

/// Answers [`List`].
///
/// # Errors
/// The system's.
pub fn list(roots: &Roots, effect: &List) -> Result<Vec<Entry>, IoError> {
    let place = &effect.folder;
    let path = roots.resolve(place)?;
    entries(&path, effect.with_meta).map_err(failed)
}

fn entries(path: &Path, with_meta: bool) -> Result<Vec<Entry>, Errno> {
    let folder = folders::open(path)?;
    let mut entries = Vec::new();
    // Of its own, and opened by its path: not every WASI runtime opens a folder anew as its own `.`.
    for found in Dir::new(folders::open(path)?)? {
        let found = found?;
        let raw = found.file_name();
        if matches!(raw.to_bytes(), b"." | b"..") {
            continue;
        }
        let mut kind = kind(folder.as_fd(), raw, found.file_type());
        let (mut size_of, mut modified_ms) = (0, 0);
        if with_meta {
            match rustix::fs::statat(&folder, raw, AtFlags::SYMLINK_NOFOLLOW) {
                Ok(stat) => (size_of, modified_ms) = (size(&stat), modified(&stat)),
                // Removed since it was listed.
                Err(Errno::NOENT) => continue,
                Err(errno) => return Err(errno),
            }
        }
        let name = raw.to_string_lossy();
        if raw.to_str().is_err() {
            kind = EntryKind::Other;
        }
        entries.push(Entry { name: name.into_owned(), kind, size: size_of, modified_ms });
    }
    Ok(entries)
}

/// What an entry is, from the listing itself where it tells.
fn kind(folder: BorrowedFd<'_>, name: &std::ffi::CStr, listed: FileType) -> EntryKind {
    let looked_up = |flags| rustix::fs::statat(folder, name, flags).map(|stat| FileType::from_raw_mode(stat.st_mode));
    let own = match listed {
        FileType::Unknown => looked_up(AtFlags::SYMLINK_NOFOLLOW).unwrap_or(FileType::Unknown),
        known => known,
    };
    match own {
        FileType::RegularFile => EntryKind::File,
        FileType::Directory => EntryKind::Folder,
        FileType::Symlink if looked_up(AtFlags::empty()) == Ok(FileType::Directory) => EntryKind::LinkedFolder,
        _ => EntryKind::Other,
    }
}

fn size(stat: &Stat) -> u64 {
    u64::try_from(stat.st_size).unwrap_or(0)
}

/// When the content last changed, or the name or the rights if that was later: the former a program can set back, the latter not.
fn modified(stat: &Stat) -> i64 {
    #[cfg(not(target_os = "wasi"))]
    let times = [(stat.st_mtime, stat.st_mtime_nsec), (stat.st_ctime, stat.st_ctime_nsec)];
    #[cfg(target_os = "wasi")]
    let times = [stat.st_mtim, stat.st_ctim].map(|time| (time.tv_sec, i64::from(time.tv_nsec)));
    let in_ms = |(seconds, nanos): (i64, _)| {
        seconds.saturating_mul(1000).saturating_add(i64::try_from(nanos / 1_000_000).unwrap_or(0))
    };
    times.map(in_ms).into_iter().max().unwrap_or_default()
}

/// Answers [`Append`]: either all of the bytes are added, durably, or the file is as it was.
///
/// # Errors
/// The system's; [`IoErrorKind::PermissionDenied`] for a symbolic link.
pub fn append(roots: &Roots, effect: &Append) -> Result<(), IoError> {
    let place = &effect.place;
    let target = roots.split(place)?;
    let mut folders = Folders::default();
    let folder = folders.ensure(&target.folder).map_err(failed)?;
    let mode = Mode::from_raw_mode(if effect.private { 0o600 } else { 0o644 });
    let flags = OFlags::WRONLY | OFlags::APPEND | OFlags::NOFOLLOW | OFlags::NONBLOCK | OFlags::CLOEXEC;
    // Under WASI a folder that was opened to look names up gives no file that may be written, but the runtime's own does.
    let from_root = cfg!(target_os = "wasi");
    let (folder, name) = if from_root { (CWD, &*target.path) } else { (folder, Path::new(&target.name)) };
    let (file, is_new) = match rustix::fs::openat(folder, name, flags, mode) {
        Err(Errno::NOENT) => (rustix::fs::openat(folder, name, flags | OFlags::CREATE, mode), true),
        opened => (opened, false),
    };
    let mut file = File::from(file.map_err(failed)?);
    add(&mut file, &effect.bytes).map_err(|error| failed_std(&error))?;
    if is_new {
        folders.changed(&target.folder);
    }
    folders.doubt(roots, &target.folder);
    folders.doubt_file(roots, &target.path);
    sync(roots, &mut folders)
}

/// Adds to an open file; takes back what was added when not all of it could be.
fn add(file: &mut File, bytes: &[u8]) -> std::io::Result<()> {
    let before = file.metadata()?.len();
    file.write_all(bytes).and_then(|()| file.sync_data()).inspect_err(|_| {
        // Only what this call has added may be cut off, never what another process has added after it.
        let ours = before..=before.saturating_add(bytes.len() as u64);
        if file.metadata().is_ok_and(|now| ours.contains(&now.len())) {
            let _ = file.set_len(before);
        }
    })
}

/// Answers [`Rename`].
///
/// # Errors
/// The system's; [`IoErrorKind::AlreadyExists`] when the target is there and the rename exclusive, or when it is a
/// folder with something in it.
pub fn rename(roots: &Roots, effect: &Rename) -> Result<(), IoError> {
    let from = roots.split(&effect.from)?;
    let to = roots.split(&effect.to)?;
    let source = folders::open(&from.folder).map_err(failed)?;
    rustix::fs::statat(&source, &from.name, AtFlags::SYMLINK_NOFOLLOW).map_err(failed)?;
    let mut folders = Folders::default();
    folders.ensure(&to.folder).map_err(failed)?;
    // The new folder first: what is moved into a folder that a loss of power takes away is gone from the old one as well.
    folders.doubt(roots, &to.folder);
    sync(roots, &mut folders)?;
    let target = folders.ensure(&to.folder).map_err(failed)?;
    let renamed = if effect.exclusive {
        rename_exclusive(source.as_fd(), &from.name, target, &to.name)
    } else {
        rustix::fs::renameat(&source, &from.name, target, &to.name)
    };
    renamed.map_err(failed)?;
    roots.forget_durable(&from.path);
    folders.changed(&from.folder);
    folders.changed(&to.folder);
    sync(roots, &mut folders)
}

/// Answers [`Remove`]. A symbolic link is removed itself; what it points to is not touched.
///
/// # Errors
/// The system's.
pub fn remove(roots: &Roots, effect: &Remove) -> Result<(), IoError> {
    let place = &effect.place;
    let target = roots.split(place)?;
    let folder = match folders::open(&target.folder) {
        Err(Errno::NOENT) => return Ok(()),
        opened => opened.map_err(failed)?,
    };
    match rustix::fs::unlinkat(&folder, &target.name, AtFlags::empty()) {
        Ok(()) => {}
        Err(Errno::NOENT) => return Ok(()),
        // A folder: Linux says the first, POSIX and macOS the second.
        Err(Errno::ISDIR | Errno::PERM) => match std::fs::remove_dir_all(&target.path) {
            Err(error) if error.kind() != std::io::ErrorKind::NotFound => return Err(failed_std(&error)),
            _ => {}
        },
        Err(errno) => return Err(failed(errno)),
    }
    roots.forget_durable(&target.path);
    let mut folders = Folders::default();
    folders.changed(&target.folder);
    sync(roots, &mut folders)
}

/// Syncs the changed folders of one effect.
fn sync(roots: &Roots, folders: &mut Folders) -> Result<(), IoError> {
    match folders.sync(roots).into_values().next() {
        Some(errno) => Err(failed(errno)),
        None => Ok(()),
    }
}
