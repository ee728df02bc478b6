//! Where the roots of an operation lie on this machine, and how a place becomes a path below one of them.

use std::collections::BTreeSet;
use std::path::{Component, Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};

use azall_core::engine::effect::{IoError, IoErrorKind};
use azall_core::protocol::layout::{Place, Root};

/// Why a folder cannot be a root.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{} cannot hold a mailbox: the path must be absolute", .path.display())]
pub struct RootError {
    /// The path as it was given.
    pub path: PathBuf,
}

/// The absolute folder of each [`Root`], and what is known of the names below them.
#[derive(Clone, Debug)]
pub struct Roots {
    config: PathBuf,
    mailboxes: PathBuf,
    shared: PathBuf,
    /// Folders and files whose names this process has seen on the disk for sure.
    durable: Arc<Mutex<BTreeSet<PathBuf>>>,
}

impl Roots {
    /// The roots at these folders. They need not exist yet: a write makes them.
    ///
    /// # Errors
    /// [`RootError`] for a path that is not absolute, which would change its meaning with the working folder.
    pub fn new(
        config: impl Into<PathBuf>,
        mailboxes: impl Into<PathBuf>,
        shared: impl Into<PathBuf>,
    ) -> Result<Self, RootError> {
        let absolute = |path: PathBuf| if path.is_absolute() { Ok(path) } else { Err(RootError { path }) };
        Ok(Self {
            config: absolute(config.into())?,
            mailboxes: absolute(mailboxes.into())?,
            shared: absolute(shared.into())?,
            durable: Arc::default(),
        })
    }

    /// The roots of a config's folder and a mailboxes folder: what agents share lies beside the latter.
    ///
    /// # Errors
    /// As [`new`](Self::new).
    pub fn of_mailboxes(config: impl Into<PathBuf>, mailboxes: impl Into<PathBuf>) -> Result<Self, RootError> {
        let mailboxes = mailboxes.into();
        let shared = mailboxes.parent().unwrap_or(&mailboxes).join("shared");
        Self::new(config, mailboxes, shared)
    }

    /// The folder of a root.
    #[must_use]
    pub fn folder(&self, root: Root) -> &Path {
        match root {
            Root::Config => &self.config,
            Root::Mailboxes => &self.mailboxes,
            Root::Shared => &self.shared,
        }
    }

    /// The folder and those above it, up to the config's, whose names may not be durable: another process may have made
    /// them and died before it synced them.
    pub(crate) fn doubtful<'a>(&self, folder: &'a Path) -> Vec<&'a Path> {
        let durable = self.durable.lock().unwrap_or_else(PoisonError::into_inner);
        let data = self.mailboxes.parent().unwrap_or(&self.mailboxes);
        let ours = |path: &&Path| path.starts_with(data) || (path.starts_with(&self.config) && **path != self.config);
        folder.ancestors().take_while(ours).filter(|path| !durable.contains(*path)).collect()
    }

    /// Whether a name is durable for sure.
    pub(crate) fn is_durable(&self, path: &Path) -> bool {
        self.durable.lock().unwrap_or_else(PoisonError::into_inner).contains(path)
    }

    /// These names are durable now.
    pub(crate) fn note_durable(&self, paths: impl IntoIterator<Item = PathBuf>) {
        self.durable.lock().unwrap_or_else(PoisonError::into_inner).extend(paths);
    }

    /// What was at this path is there no more: what comes there anew is not durable for having been so before.
    pub(crate) fn forget_durable(&self, gone: &Path) {
        self.durable.lock().unwrap_or_else(PoisonError::into_inner).retain(|path| !path.starts_with(gone));
    }

    /// The path of a place. A [`Place`] can only hold a good path; it is checked again here, because this is the last
    /// point before the system.
    ///
    /// # Errors
    /// [`IoErrorKind::PermissionDenied`] for a path that is not made of plain names.
    pub fn resolve(&self, place: &Place) -> Result<PathBuf, IoError> {
        let below = Path::new(place.path.as_str());
        if !below.components().all(|part| matches!(part, Component::Normal(_))) {
            return Err(refused("not a path below its root"));
        }
        let folder = self.folder(place.root);
        Ok(if below.as_os_str().is_empty() { folder.to_owned() } else { folder.join(below) })
    }

    /// The folder and name of a place that is to be written, renamed or removed.
    ///
    /// # Errors
    /// As [`resolve`](Self::resolve), and for a root itself.
    pub(crate) fn split(&self, place: &Place) -> Result<Target, IoError> {
        let path = self.resolve(place)?;
        let name = place.path.file_name();
        match path.parent() {
            Some(folder) if !name.is_empty() => Ok(Target { folder: folder.to_owned(), name: name.to_owned(), path }),
            _ => Err(refused("the root folder itself cannot be changed")),
        }
    }
}

/// A file or folder to be changed, as its folder and its name there.
#[derive(Debug)]
pub(crate) struct Target {
    pub(crate) folder: PathBuf,
    pub(crate) name: String,
    pub(crate) path: PathBuf,
}

fn refused(why: &str) -> IoError {
    IoError::new(IoErrorKind::PermissionDenied, why)
}

#[cfg(test)]
mod tests {
    use azall_core::protocol::layout::RelPath;

    use super::*;

    fn roots() -> Roots {
        Roots::new("/c", "/m", "/s").unwrap()
    }

    fn place(root: Root, path: &str) -> Place {
        Place::new(root, RelPath::parse(path).unwrap())
    }

    #[test]
    fn places_stay_below_their_root() {
        assert_eq!(roots().resolve(&place(Root::Config, "config.json")).unwrap(), Path::new("/c/config.json"));
        assert_eq!(roots().resolve(&place(Root::Mailboxes, "a/b.txt")).unwrap(), Path::new("/m/a/b.txt"));
        assert_eq!(roots().resolve(&place(Root::Shared, "")).unwrap(), Path::new("/s"));
        let target = roots().split(&place(Root::Mailboxes, "a/b.txt")).unwrap();
        assert_eq!((target.folder.as_path(), target.name.as_str()), (Path::new("/m/a"), "b.txt"));
    }

    #[test]
    fn a_root_itself_is_never_changed() {
        let error = roots().split(&place(Root::Mailboxes, "")).unwrap_err();
        assert_eq!(error.kind, IoErrorKind::PermissionDenied);
    }

    #[test]
    fn relative_roots_are_refused() {
        assert!(Roots::new("c", "/m", "/s").is_err());
        assert!(Roots::new("/c", "/m", "./s").is_err());
    }
}
