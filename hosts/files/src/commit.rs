//! Group commit: any number of [`WriteAtomic`] effects for the price of a few syncs.
//!
//! All temporary files are written, then made durable together, then given their names, and then the folders are made
//! durable. Temporary files are called `.tmp-...` and lie beside their target. A crash may leave some behind; they are
//! listed like any file, and the core passes over names that begin with a dot.

use std::borrow::Borrow;
use std::collections::{BTreeMap, BTreeSet};
use std::fs::File;
use std::io::Write;
use std::os::fd::BorrowedFd;
use std::path::{Path, PathBuf};

use azall_core::engine::effect::{IoError, WriteAtomic};
use rayon::prelude::*;
use rustix::fs::{AtFlags, Mode, OFlags};
use rustix::io::Errno;

use crate::folders::{Folders, MANY, sync_file_systems};
use crate::random;
use crate::roots::{Roots, Target};
use crate::system::failed;

/// The most folders that one commit holds open; a batch with more is committed in parts.
const MOST_FOLDERS: usize = 64;

/// Writes all these files; the answers are in the order of `writes`. One that fails does not touch the others.
#[must_use]
pub fn commit(roots: &Roots, writes: &[impl Borrow<WriteAtomic>]) -> Vec<Result<(), IoError>> {
    let writes: Vec<&WriteAtomic> = writes.iter().map(Borrow::borrow).collect();
    parts(&writes).into_iter().flat_map(|part| commit_part(roots, part)).collect()
}

/// Writes one file: a commit of its own.
///
/// # Errors
/// The system's; [`IoErrorKind::AlreadyExists`](azall_core::engine::effect::IoErrorKind::AlreadyExists) when the write
/// is exclusive and the file is there.
pub fn commit_one(roots: &Roots, write: &WriteAtomic) -> Result<(), IoError> {
    commit_part(roots, &[write]).into_iter().collect()
}

/// Cuts a batch so that no part has more than [`MOST_FOLDERS`] different folders.
fn parts<'a, 'b>(writes: &'a [&'b WriteAtomic]) -> Vec<&'a [&'b WriteAtomic]> {
    let mut parts = Vec::new();
    let mut rest = writes;
    while !rest.is_empty() {
        let mut folders = BTreeSet::new();
        let fitting = rest
            .iter()
            .take_while(|write| {
                folders.insert((write.place.root, write.place.path.parent()));
                folders.len() <= MOST_FOLDERS
            })
            .count();
        let (part, later) = rest.split_at(fitting);
        parts.push(part);
        rest = later;
    }
    parts
}

/// One file on its way.
struct Pending<'a> {
    write: &'a WriteAtomic,
    target: Target,
    temporary: String,
}

/// A file on its way, or why it got no further.
type Staged<'a> = Result<Pending<'a>, IoError>;

fn commit_part(roots: &Roots, writes: &[&WriteAtomic]) -> Vec<Result<(), IoError>> {
    let mut folders = Folders::default();
    let batch = match random::random_hex() {
        Ok(batch) => batch,
        Err(error) => return writes.iter().map(|_| Err(error.clone())).collect(),
    };
    let staged = writes
        .iter()
        .enumerate()
        .map(|(index, write)| stage(roots, &mut folders, write, format!(".tmp-{batch}-{index}")))
        .collect();
    let written = write_durably(&folders, staged);
    let published: Vec<_> = written.into_iter().map(|file| publish(&mut folders, file?)).collect();
    let unsynced = folders.sync(roots);
    published.into_iter().map(|file| settle(&unsynced, &file?)).collect()
}

/// Finds the place of a file and makes its folder.
fn stage<'a>(roots: &Roots, folders: &mut Folders, write: &'a WriteAtomic, temporary: String) -> Staged<'a> {
    let target = roots.split(&write.place)?;
    let folder = folders.ensure(&target.folder).map_err(failed)?;
    // The rename decides; this only spares the work and the syncs when the answer is known already.
    if write.exclusive && rustix::fs::statat(folder, &target.name, AtFlags::SYMLINK_NOFOLLOW).is_ok() {
        return Err(failed(Errno::EXIST));
    }
    folders.doubt(roots, &target.folder);
    Ok(Pending { write, target, temporary })
}

/// Writes the temporary files and makes their content durable: a few each by itself, many by one sync of the file
/// system.
fn write_durably<'a>(folders: &Folders, staged: Vec<Staged<'a>>) -> Vec<Staged<'a>> {
    let together = cfg!(target_os = "linux") && staged.len() >= MANY;
    let write = |file: Staged<'a>| {
        let file = file?;
        let written = with_folder(folders, &file.target.folder, |folder| write_temporary(folder, &file, !together));
        written.map_err(failed).map(|()| file)
    };
    let written: Vec<_> = match staged.len() {
        1 => staged.into_iter().map(write).collect(),
        _ => staged.into_par_iter().map(write).collect(),
    };
    if !together || sync_together(folders, &written).is_ok() {
        return written;
    }
    let sync = |file: Staged<'a>| {
        let file = file?;
        let synced = with_folder(folders, &file.target.folder, |folder| sync_temporary(folder, &file));
        synced.map_err(failed).map(|()| file)
    };
    written.into_par_iter().map(sync).collect()
}

fn sync_together(folders: &Folders, files: &[Staged<'_>]) -> Result<(), Errno> {
    let distinct: BTreeSet<&PathBuf> = files.iter().flatten().map(|file| &file.target.folder).collect();
    sync_file_systems(distinct.into_iter().filter_map(|path| folders.opened(path)))
}

fn with_folder(
    folders: &Folders,
    path: &Path,
    work: impl FnOnce(BorrowedFd<'_>) -> Result<(), Errno>,
) -> Result<(), Errno> {
    folders.opened(path).ok_or(Errno::NOENT).and_then(work)
}

fn write_temporary(folder: BorrowedFd<'_>, file: &Pending<'_>, sync: bool) -> Result<(), Errno> {
    let mode = Mode::from_raw_mode(if file.write.private { 0o600 } else { 0o644 });
    let flags = OFlags::WRONLY | OFlags::CREATE | OFlags::EXCL | OFlags::NOFOLLOW | OFlags::CLOEXEC;
    let mut opened = File::from(rustix::fs::openat(folder, &file.temporary, flags, mode)?);
    let written = opened.write_all(&file.write.bytes).and_then(|()| if sync { opened.sync_data() } else { Ok(()) });
    written.map_err(|error| {
        discard(folder, file);
        Errno::from_io_error(&error).unwrap_or(Errno::IO)
    })
}

fn sync_temporary(folder: BorrowedFd<'_>, file: &Pending<'_>) -> Result<(), Errno> {
    let flags = OFlags::WRONLY | OFlags::NOFOLLOW | OFlags::CLOEXEC;
    let synced = rustix::fs::openat(folder, &file.temporary, flags, Mode::empty())
        .and_then(|fd| File::from(fd).sync_data().map_err(|error| Errno::from_io_error(&error).unwrap_or(Errno::IO)));
    synced.inspect_err(|_| discard(folder, file))
}

/// Gives a durable temporary file its name.
fn publish<'a>(folders: &mut Folders, file: Pending<'a>) -> Staged<'a> {
    let named = with_folder(folders, &file.target.folder, |folder| {
        let (from, to) = (file.temporary.as_str(), file.target.name.as_str());
        let named = if file.write.exclusive {
            rename_exclusive(folder, from, folder, to)
        } else {
            rustix::fs::renameat(folder, from, folder, to)
        };
        named.inspect_err(|_| discard(folder, &file))
    });
    named.map_err(failed)?;
    folders.changed(&file.target.folder);
    Ok(file)
}

/// The final answer: an entry counts only when its folder, and every folder made above it, is durable.
fn settle(unsynced: &BTreeMap<PathBuf, Errno>, file: &Pending<'_>) -> Result<(), IoError> {
    match file.target.folder.ancestors().find_map(|folder| unsynced.get(folder)) {
        Some(errno) => Err(failed(*errno)),
        None => Ok(()),
    }
}

/// Removes a temporary file after a failure; there is nothing more to do if that fails as well.
fn discard(folder: BorrowedFd<'_>, file: &Pending<'_>) {
    let _ = rustix::fs::unlinkat(folder, &file.temporary, AtFlags::empty());
}

/// Renames unless the target is there, in one step.
pub(crate) fn rename_exclusive(
    from_folder: BorrowedFd<'_>,
    from: &str,
    to_folder: BorrowedFd<'_>,
    to: &str,
) -> Result<(), Errno> {
    match rename_no_replace(from_folder, from, to_folder, to) {
        // The file system does not know this kind of rename: a second link is as exclusive.
        Err(Errno::INVAL | Errno::NOSYS | Errno::OPNOTSUPP) => {
            rustix::fs::linkat(from_folder, from, to_folder, to, AtFlags::empty())?;
            rustix::fs::unlinkat(from_folder, from, AtFlags::empty())
        }
        other => other,
    }
}

#[cfg(any(target_os = "linux", target_vendor = "apple"))]
fn rename_no_replace(a: BorrowedFd<'_>, from: &str, b: BorrowedFd<'_>, to: &str) -> Result<(), Errno> {
    rustix::fs::renameat_with(a, from, b, to, rustix::fs::RenameFlags::NOREPLACE)
}

#[cfg(not(any(target_os = "linux", target_vendor = "apple")))]
fn rename_no_replace(_: BorrowedFd<'_>, _: &str, _: BorrowedFd<'_>, _: &str) -> Result<(), Errno> {
    Err(Errno::NOSYS)
}
