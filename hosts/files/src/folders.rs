//! Folders opened, made and synced on behalf of writes.

use std::collections::{BTreeMap, BTreeSet};
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::path::{Path, PathBuf};

use rustix::fs::{CWD, Mode, OFlags};
use rustix::io::Errno;

use crate::roots::Roots;

/// From this many files or folders on, one `syncfs` is cheaper than an `fsync` of each.
pub(crate) const MANY: usize = 8;

/// Opens a folder so that names can be looked up in it.
pub(crate) fn open(path: &Path) -> Result<OwnedFd, Errno> {
    rustix::fs::openat(CWD, path, OFlags::RDONLY | OFlags::DIRECTORY | OFlags::CLOEXEC, Mode::empty())
}

/// The folders of a batch of writes: each is opened once, and synced once at the end if its entries changed.
#[derive(Debug, Default)]
pub(crate) struct Folders {
    opened: BTreeMap<PathBuf, OwnedFd>,
    changed: BTreeSet<PathBuf>,
    /// Names that were there already and may not be durable; synced with the rest.
    doubtful: BTreeSet<PathBuf>,
}

impl Folders {
    /// A folder, made with all its missing parents.
    pub(crate) fn ensure(&mut self, path: &Path) -> Result<BorrowedFd<'_>, Errno> {
        if !self.opened.contains_key(path) {
            let fd = match open(path) {
                Err(Errno::NOENT) => self.make(path)?,
                other => other?,
            };
            self.opened.insert(path.to_owned(), fd);
        }
        self.opened(path).ok_or(Errno::NOENT)
    }

    /// A folder that [`ensure`](Self::ensure) has opened.
    pub(crate) fn opened(&self, path: &Path) -> Option<BorrowedFd<'_>> {
        self.opened.get(path).map(AsFd::as_fd)
    }

    /// Notes that an entry of this folder was made, renamed or removed.
    pub(crate) fn changed(&mut self, path: &Path) {
        if !self.changed.contains(path) {
            self.changed.insert(path.to_owned());
        }
    }

    /// Notes that this folder, or one above it, may be there without being durable.
    pub(crate) fn doubt(&mut self, roots: &Roots, folder: &Path) {
        self.doubtful.extend(roots.doubtful(folder).into_iter().map(Path::to_owned));
    }

    /// Notes that this file may have a name that is not durable.
    pub(crate) fn doubt_file(&mut self, roots: &Roots, file: &Path) {
        if !roots.is_durable(file) {
            self.doubtful.insert(file.to_owned());
        }
    }

    /// Makes the entries of the changed folders durable; tells which could not be.
    pub(crate) fn sync(&mut self, roots: &Roots) -> BTreeMap<PathBuf, Errno> {
        let mut failed = BTreeMap::new();
        let doubtful = std::mem::take(&mut self.doubtful);
        for parent in doubtful.iter().filter_map(|path| path.parent()) {
            // A folder above the mailboxes may be closed to us; what is in it is then not ours to make durable.
            if !self.changed.contains(parent) && self.ensure(parent).is_ok() {
                self.changed(parent);
            }
        }
        self.sync_changed(&mut failed);
        if failed.is_empty() {
            roots.note_durable(doubtful);
        }
        failed
    }

    fn sync_changed(&mut self, failed: &mut BTreeMap<PathBuf, Errno>) {
        let changed = std::mem::take(&mut self.changed);
        let mut folders = Vec::new();
        for path in changed {
            match self.ensure(&path) {
                Ok(_) => folders.push(path),
                Err(errno) => drop(failed.insert(path, errno)),
            }
        }
        let opened: Vec<_> = folders.into_iter().filter_map(|path| Some((self.opened(&path)?, path))).collect();
        if opened.len() >= MANY && sync_file_systems(opened.iter().map(|(fd, _)| *fd)).is_ok() {
            return;
        }
        for (fd, path) in opened {
            if let Err(errno) = sync_folder(fd) {
                failed.insert(path, errno);
            }
        }
    }

    fn make(&mut self, path: &Path) -> Result<OwnedFd, Errno> {
        let parent = path.parent().ok_or(Errno::NOENT)?;
        self.ensure(parent)?;
        match rustix::fs::mkdirat(CWD, path, Mode::from_raw_mode(0o777)) {
            // Somebody else may have made it in between.
            Ok(()) | Err(Errno::EXIST) => {}
            Err(errno) => return Err(errno),
        }
        self.changed(parent);
        open(path)
    }
}

/// Writes the entries of one folder through to the disk.
fn sync_folder(fd: BorrowedFd<'_>) -> Result<(), Errno> {
    match rustix::fs::fsync(fd) {
        // Some network and user-space file systems have nothing to sync in a folder and say so in this way.
        Err(Errno::INVAL) => Ok(()),
        // Nor can a folder be synced through every WASI runtime; whoever runs it there syncs from outside.
        Err(Errno::BADF) if cfg!(target_os = "wasi") => Ok(()),
        other => other,
    }
}

/// Writes every file system that one of these folders lies on through to the disk, each once.
#[cfg(target_os = "linux")]
pub(crate) fn sync_file_systems<'a>(folders: impl Iterator<Item = BorrowedFd<'a>>) -> Result<(), Errno> {
    let mut synced = BTreeSet::new();
    for fd in folders {
        if synced.insert(rustix::fs::fstat(fd)?.st_dev) {
            rustix::fs::syncfs(fd)?;
        }
    }
    Ok(())
}

/// No such call here: files are synced one by one.
#[cfg(not(target_os = "linux"))]
pub(crate) fn sync_file_systems<'a>(_: impl Iterator<Item = BorrowedFd<'a>>) -> Result<(), Errno> {
    Err(Errno::NOSYS)
}
