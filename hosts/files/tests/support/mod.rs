//! What the tests share: a mailbox in a temporary folder, and short ways to write effects.
#![allow(dead_code, reason = "not every test uses everything")]

use std::path::{Path, PathBuf};

use azall_core::engine::effect::{IoErrorKind, WriteAtomic};
use azall_core::protocol::layout::{Place, RelPath, Root};
use azall_files::roots::Roots;

/// Three roots below a temporary folder, of which none exists yet.
pub(crate) struct World {
    pub(crate) dir: tempfile::TempDir,
    pub(crate) roots: Roots,
}

impl World {
    pub(crate) fn new() -> Self {
        let dir = tempfile::tempdir().unwrap();
        let roots = roots_in(dir.path());
        Self { dir, roots }
    }

    /// Where a place of the mailboxes' root lies.
    pub(crate) fn path(&self, below: &str) -> PathBuf {
        self.roots.resolve(&place(below)).unwrap()
    }

    /// Puts a file there without the host's help.
    pub(crate) fn put(&self, below: &str, bytes: &[u8]) {
        let path = self.path(below);
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(path, bytes).unwrap();
    }

    /// The names in a folder, sorted.
    pub(crate) fn names(&self, below: &str) -> Vec<String> {
        let entries = std::fs::read_dir(self.path(below)).unwrap();
        let mut names: Vec<_> = entries.map(|e| e.unwrap().file_name().into_string().unwrap()).collect();
        names.sort();
        names
    }
}

pub(crate) fn roots_in(dir: &Path) -> Roots {
    Roots::new(dir.join("config"), dir.join("data/mailboxes"), dir.join("data/shared")).unwrap()
}

pub(crate) fn place(below: &str) -> Place {
    Place::new(Root::Mailboxes, RelPath::parse(below).unwrap())
}

pub(crate) fn write(below: &str, bytes: impl Into<Vec<u8>>) -> WriteAtomic {
    WriteAtomic { place: place(below), bytes: bytes.into(), private: false, exclusive: false }
}

pub(crate) fn exclusive(below: &str, bytes: impl Into<Vec<u8>>) -> WriteAtomic {
    WriteAtomic { exclusive: true, ..write(below, bytes) }
}

pub(crate) fn mode(path: &Path) -> u32 {
    use std::os::unix::fs::PermissionsExt;
    std::fs::metadata(path).unwrap().permissions().mode() & 0o7777
}

/// The kinds of the failures among some answers.
pub(crate) fn kinds<T>(answers: &[Result<T, azall_core::engine::effect::IoError>]) -> Vec<IoErrorKind> {
    answers.iter().filter_map(|answer| answer.as_ref().err()).map(|error| error.kind).collect()
}
