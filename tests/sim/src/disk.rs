//! A disk in memory that forgets as a real one does.
//!
//! What a program sees (`content`, `entries`) and what would survive a loss of power (`durable`) are kept apart. `fsync` of
//! a file makes its content durable, `fsync` of a folder its entries; everything else is open until then. At a loss of
//! power the seed chooses, for each file that was not synced, between what was durable, what was written, a part of it and
//! zeros, and for the changes of folders either a beginning of them in the order in which they were made (a file system
//! with a journal) or any of them (one that promises no order). A rename is one change: it happened or it did not.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use azall_core::engine::effect::{Entry, EntryKind, IoError, IoErrorKind};

use crate::random::Random;

/// Names a file or folder, whatever its path.
pub type Ino = usize;

/// The root folder.
const ROOT: Ino = 0;

/// A plain tree of files: path below the disk's root (without a leading slash) to content.
pub type Tree = BTreeMap<String, Vec<u8>>;

#[derive(Clone, Debug)]
enum Node {
    File { content: Arc<Vec<u8>>, durable: Arc<Vec<u8>>, modified_ms: i64, names: u32 },
    Folder { entries: BTreeMap<String, Ino>, durable: BTreeMap<String, Ino> },
}

/// A change of folders that no sync has covered yet.
#[derive(Clone, Debug)]
enum Change {
    Link { folder: Ino, name: String, ino: Ino },
    Unlink { folder: Ino, name: String, ino: Ino },
    Rename { from: (Ino, String), to: (Ino, String), ino: Ino },
}

impl Change {
    fn touches(&self, wanted: Ino) -> bool {
        match self {
            Self::Link { folder, .. } | Self::Unlink { folder, .. } => *folder == wanted,
            Self::Rename { from, to, .. } => from.0 == wanted || to.0 == wanted,
        }
    }

    /// The file that lost a name by it.
    fn unlinked(&self) -> Option<Ino> {
        match self {
            Self::Unlink { ino, .. } => Some(*ino),
            Self::Link { .. } | Self::Rename { .. } => None,
        }
    }

    fn is_of(&self, wanted: Ino) -> bool {
        match self {
            Self::Link { ino, .. } | Self::Unlink { ino, .. } | Self::Rename { ino, .. } => *ino == wanted,
        }
    }

    /// The names that it changes: folder and entry.
    fn names(&self) -> impl Iterator<Item = (Ino, &str)> {
        let (first, second) = match self {
            Self::Link { folder, name, .. } | Self::Unlink { folder, name, .. } => ((*folder, name.as_str()), None),
            Self::Rename { from, to, .. } => ((from.0, from.1.as_str()), Some((to.0, to.1.as_str()))),
        };
        std::iter::once(first).chain(second)
    }
}

/// Divides changes into those that reach the disk and the rest, both in their order: with a wanted one comes everything
/// before it that was about a name of it, which it rests on.
fn divide(changes: Vec<Change>, wanted: impl Fn(&Change) -> bool) -> (Vec<Change>, Vec<Change>) {
    let mut names: BTreeSet<(Ino, String)> = BTreeSet::new();
    let mut reaches = vec![false; changes.len()];
    for (change, reaches) in changes.iter().zip(&mut reaches).rev() {
        *reaches = wanted(change) || change.names().any(|(folder, name)| names.contains(&(folder, name.to_owned())));
        if *reaches {
            names.extend(change.names().map(|(folder, name)| (folder, name.to_owned())));
        }
    }
    let (now, later): (Vec<_>, Vec<_>) = changes.into_iter().zip(reaches).partition(|(_, reaches)| *reaches);
    let only = |changes: Vec<(Change, bool)>| changes.into_iter().map(|(change, _)| change).collect();
    (only(now), only(later))
}

/// A disk.
#[derive(Clone, Debug)]
pub struct Disk {
    nodes: Vec<Node>,
    pending: Vec<Change>,
    /// Whether changes of folders reach the disk in their order.
    journaled: bool,
}

/// What a loss of power did.
#[derive(Clone, Copy, Debug, Default)]
pub struct Losses {
    /// Files whose content was not what was written last.
    pub files: u64,
    /// Changes of folders that are gone.
    pub changes: u64,
}

impl Default for Disk {
    fn default() -> Self {
        Self::new(true)
    }
}

fn error(kind: IoErrorKind, what: &str) -> IoError {
    IoError::new(kind, what)
}

fn missing() -> IoError {
    error(IoErrorKind::NotFound, "no such file or folder")
}

fn there() -> IoError {
    error(IoErrorKind::AlreadyExists, "it is there")
}

/// Folder and name of a path.
pub fn split(path: &str) -> (&str, &str) {
    path.rsplit_once('/').unwrap_or(("", path))
}

impl Disk {
    /// An empty disk.
    #[must_use]
    pub fn new(journaled: bool) -> Self {
        let root = Node::Folder { entries: BTreeMap::new(), durable: BTreeMap::new() };
        Self { nodes: vec![root], pending: Vec::new(), journaled }
    }

    fn lookup(&self, path: &str) -> Option<Ino> {
        path.split('/').filter(|part| !part.is_empty()).try_fold(ROOT, |at, part| match &self.nodes[at] {
            Node::Folder { entries, .. } => entries.get(part).copied(),
            Node::File { .. } => None,
        })
    }

    fn entries(&mut self, folder: Ino) -> &mut BTreeMap<String, Ino> {
        match &mut self.nodes[folder] {
            Node::Folder { entries, .. } => entries,
            Node::File { .. } => panic!("a file has no entries"),
        }
    }

    fn folder(&self, path: &str) -> Result<Ino, IoError> {
        match self.lookup(path) {
            Some(ino) if matches!(self.nodes[ino], Node::Folder { .. }) => Ok(ino),
            Some(_) => Err(error(IoErrorKind::Other, "not a folder")),
            None => Err(missing()),
        }
    }

    /// Whether there is a file or folder.
    #[must_use]
    pub fn exists(&self, path: &str) -> bool {
        self.lookup(path).is_some()
    }

    /// Whether there is a folder.
    #[must_use]
    pub fn is_folder(&self, path: &str) -> bool {
        self.folder(path).is_ok()
    }

    fn link(&mut self, path: &str, node: Node) -> Result<Ino, IoError> {
        let (folder, name) = split(path);
        let folder = self.folder(folder)?;
        if self.entries(folder).contains_key(name) {
            return Err(there());
        }
        let ino = self.nodes.len();
        self.nodes.push(node);
        self.entries(folder).insert(name.to_owned(), ino);
        self.pending.push(Change::Link { folder, name: name.to_owned(), ino });
        Ok(ino)
    }

    /// Makes a folder.
    ///
    /// # Errors
    /// When it is there, or its parent is not.
    pub fn make_folder(&mut self, path: &str) -> Result<(), IoError> {
        self.link(path, Node::Folder { entries: BTreeMap::new(), durable: BTreeMap::new() }).map(|_| ())
    }

    /// Makes an empty file.
    ///
    /// # Errors
    /// When it is there, or its folder is not.
    pub fn create(&mut self, path: &str, now_ms: i64) -> Result<(), IoError> {
        let empty = Arc::new(Vec::new());
        self.link(path, Node::File { content: Arc::clone(&empty), durable: empty, modified_ms: now_ms, names: 1 })
            .map(|_| ())
    }

    /// Adds to a file.
    ///
    /// # Errors
    /// When there is none.
    pub fn append(&mut self, path: &str, bytes: &[u8], now_ms: i64) -> Result<(), IoError> {
        let ino = self.lookup(path).ok_or_else(missing)?;
        match &mut self.nodes[ino] {
            Node::File { content, modified_ms, .. } => {
                Arc::make_mut(content).extend_from_slice(bytes);
                *modified_ms = now_ms;
                Ok(())
            }
            Node::Folder { .. } => Err(error(IoErrorKind::PermissionDenied, "not a file")),
        }
    }

    /// Makes a file's content durable.
    ///
    /// # Errors
    /// When there is none.
    pub fn sync_file(&mut self, path: &str) -> Result<(), IoError> {
        let ino = self.lookup(path).ok_or_else(missing)?;
        if let Node::File { content, durable, .. } = &mut self.nodes[ino] {
            *durable = Arc::clone(content);
        }
        Ok(())
    }

    /// Makes a folder's entries durable. A journal writes all earlier changes with them.
    pub fn sync_folder(&mut self, path: &str) {
        let Ok(folder) = self.folder(path) else { return };
        let journaled = self.journaled;
        let pending = std::mem::take(&mut self.pending);
        let (now, later) = divide(pending, |change| journaled || change.touches(folder));
        self.pending = later;
        let gone: Vec<Ino> = now.iter().filter_map(Change::unlinked).collect();
        self.apply(now);
        self.free(&gone);
    }

    /// Lets go of the content of files that have no name left, now or after any loss of power.
    fn free(&mut self, gone: &[Ino]) {
        for ino in gone.iter().filter(|ino| !self.pending.iter().any(|change| change.is_of(**ino))) {
            if let Node::File { content, durable, names: 0, .. } = &mut self.nodes[*ino] {
                *content = Arc::default();
                *durable = Arc::default();
            }
        }
    }

    fn count_names(&mut self, ino: Ino, by: i32) {
        if let Node::File { names, .. } = &mut self.nodes[ino] {
            *names = names.saturating_add_signed(by);
        }
    }

    fn apply(&mut self, changes: Vec<Change>) {
        for change in changes {
            match change {
                Change::Link { folder, name, ino } => {
                    self.durable(folder).insert(name, ino);
                }
                Change::Unlink { folder, name, ino } => self.forget(folder, &name, ino),
                Change::Rename { from, to, ino } => {
                    self.forget(from.0, &from.1, ino);
                    self.durable(to.0).insert(to.1, ino);
                }
            }
        }
    }

    fn durable(&mut self, folder: Ino) -> &mut BTreeMap<String, Ino> {
        match &mut self.nodes[folder] {
            Node::Folder { durable, .. } => durable,
            Node::File { .. } => panic!("a file has no entries"),
        }
    }

    fn forget(&mut self, folder: Ino, name: &str, ino: Ino) {
        let durable = self.durable(folder);
        if durable.get(name) == Some(&ino) {
            durable.remove(name);
        }
    }

    /// Renames a file or folder.
    ///
    /// # Errors
    /// When the source or the target's folder is not there; when the target is there and the rename exclusive, or it is a
    /// folder that is not empty.
    pub fn rename(&mut self, from: &str, to: &str, exclusive: bool) -> Result<(), IoError> {
        let ino = self.lookup(from).ok_or_else(missing)?;
        let (to_folder, to_name) = split(to);
        let (from_folder, from_name) = split(from);
        let (from_folder, to_folder) = (self.folder(from_folder)?, self.folder(to_folder)?);
        if let Some(old) = self.lookup(to) {
            if old == ino {
                return Ok(());
            }
            let is_free = match (&self.nodes[ino], &self.nodes[old]) {
                (Node::File { .. }, Node::File { .. }) => true,
                (Node::Folder { .. }, Node::Folder { entries, .. }) => entries.is_empty(),
                _ => false,
            };
            if exclusive || !is_free {
                return Err(there());
            }
            self.count_names(old, -1);
        }
        self.entries(from_folder).remove(from_name);
        self.entries(to_folder).insert(to_name.to_owned(), ino);
        let (from, to) = ((from_folder, from_name.to_owned()), (to_folder, to_name.to_owned()));
        self.pending.push(Change::Rename { from, to, ino });
        Ok(())
    }

    /// A second name for a file.
    ///
    /// # Errors
    /// When the file is not there, or the name is taken.
    pub fn hard_link(&mut self, from: &str, to: &str) -> Result<(), IoError> {
        let ino = self.lookup(from).ok_or_else(missing)?;
        let (folder, name) = split(to);
        let folder = self.folder(folder)?;
        if self.entries(folder).contains_key(name) {
            return Err(there());
        }
        self.entries(folder).insert(name.to_owned(), ino);
        self.count_names(ino, 1);
        self.pending.push(Change::Link { folder, name: name.to_owned(), ino });
        Ok(())
    }

    /// Removes a file or an empty folder. False when a folder is not empty.
    ///
    /// # Errors
    /// When it is not there.
    pub fn unlink(&mut self, path: &str) -> Result<bool, IoError> {
        let ino = self.lookup(path).ok_or_else(missing)?;
        if matches!(&self.nodes[ino], Node::Folder { entries, .. } if !entries.is_empty()) {
            return Ok(false);
        }
        let (folder, name) = split(path);
        let folder = self.folder(folder)?;
        self.entries(folder).remove(name);
        self.count_names(ino, -1);
        self.pending.push(Change::Unlink { folder, name: name.to_owned(), ino });
        Ok(true)
    }

    /// The first entry of a folder, as a path.
    #[must_use]
    pub fn first_entry(&self, path: &str) -> Option<String> {
        match &self.nodes[self.lookup(path)?] {
            Node::Folder { entries, .. } => entries.keys().next().map(|name| format!("{path}/{name}")),
            Node::File { .. } => None,
        }
    }

    /// A file's content.
    ///
    /// # Errors
    /// When there is none, or it is a folder.
    pub fn read(&self, path: &str) -> Result<Arc<Vec<u8>>, IoError> {
        match &self.nodes[self.lookup(path).ok_or_else(missing)?] {
            Node::File { content, .. } => Ok(Arc::clone(content)),
            Node::Folder { .. } => Err(error(IoErrorKind::PermissionDenied, "not a regular file")),
        }
    }

    /// A folder's entries.
    ///
    /// # Errors
    /// When there is none.
    pub fn list(&self, path: &str) -> Result<Vec<Entry>, IoError> {
        let folder = self.folder(path)?;
        let Node::Folder { entries, .. } = &self.nodes[folder] else { return Err(missing()) };
        let entry = |(name, ino): (&String, &Ino)| {
            let name = name.clone();
            match &self.nodes[*ino] {
                Node::File { content, modified_ms, .. } => {
                    Entry { name, kind: EntryKind::File, size: content.len() as u64, modified_ms: *modified_ms }
                }
                Node::Folder { .. } => Entry { name, kind: EntryKind::Folder, size: 0, modified_ms: 0 },
            }
        };
        Ok(entries.iter().map(entry).collect())
    }

    /// All files.
    #[must_use]
    pub fn tree(&self) -> Tree {
        let mut tree = Tree::new();
        let mut folders = vec![(String::new(), ROOT)];
        while let Some((path, folder)) = folders.pop() {
            let Node::Folder { entries, .. } = &self.nodes[folder] else { continue };
            for (name, ino) in entries {
                let path = if path.is_empty() { name.clone() } else { format!("{path}/{name}") };
                match &self.nodes[*ino] {
                    Node::File { content, .. } => drop(tree.insert(path, content.to_vec())),
                    Node::Folder { .. } => folders.push((path, *ino)),
                }
            }
        }
        tree
    }

    /// Puts a file there, durably, with its folders: the world as it was before.
    pub fn place(&mut self, path: &str, bytes: &[u8], now_ms: i64) {
        let mut at = String::new();
        for part in split(path).0.split('/').filter(|part| !part.is_empty()) {
            at = format!("{at}/{part}");
            if !self.exists(&at) {
                self.make_folder(&at).unwrap_or_else(|error| panic!("{at}: {error}"));
            }
        }
        if !self.exists(path) {
            self.create(path, now_ms).unwrap_or_else(|error| panic!("{path}: {error}"));
        }
        self.append(path, bytes, now_ms).unwrap_or_else(|error| panic!("{path}: {error}"));
        self.sync_file(path).unwrap_or_else(|error| panic!("{path}: {error}"));
        let pending = std::mem::take(&mut self.pending);
        self.apply(pending);
    }

    /// The power goes: what is left is what was durable, and of the rest what chance leaves.
    pub fn lose_power(&mut self, random: &mut Random) -> Losses {
        let mut losses = Losses::default();
        let pending = std::mem::take(&mut self.pending);
        let kept: Vec<Change> = if self.journaled {
            let upto = if random.chance(50) { 0 } else { random.below(pending.len() + 1) };
            losses.changes = (pending.len() - upto) as u64;
            pending.into_iter().take(upto).collect()
        } else {
            let chances: Vec<bool> = pending.iter().map(|_| random.chance(50)).collect();
            let chance = std::cell::RefCell::new(chances);
            let (kept, lost) = divide(pending, |_| chance.borrow_mut().pop().unwrap_or_default());
            losses.changes = lost.len() as u64;
            kept
        };
        self.apply(kept);
        for node in &mut self.nodes {
            match node {
                Node::Folder { entries, durable } => *entries = durable.clone(),
                Node::File { content, durable, .. } if content != durable => {
                    let left = tear(durable, content, random);
                    losses.files += u64::from(left != **content);
                    *content = Arc::new(left);
                    *durable = Arc::clone(content);
                }
                Node::File { .. } => {}
            }
        }
        losses
    }
}

/// What may be left of a write that was not synced.
fn tear(durable: &[u8], written: &[u8], random: &mut Random) -> Vec<u8> {
    match random.below(5) {
        0 => durable.to_vec(),
        1 => written.to_vec(),
        2 => {
            let from = durable.len().min(written.len());
            written[..from + random.below(written.len() - from + 1)].to_vec()
        }
        3 => {
            // The length reached the disk and the blocks did not.
            let from = durable.len().min(written.len());
            let mut left = written[..from].to_vec();
            left.resize(written.len(), 0);
            left
        }
        _ => {
            // A later block reached the disk and an earlier one did not.
            let from = durable.len().min(written.len());
            let hole = from + random.below(written.len() - from + 1);
            let mut left = written.to_vec();
            left[from..hole].fill(0);
            left
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn after_power_loss(disk: &Disk, seed: u64) -> Tree {
        let mut disk = disk.clone();
        disk.lose_power(&mut Random::new(seed));
        disk.tree()
    }

    fn write(disk: &mut Disk, path: &str, text: &str) {
        disk.create(path, 0).unwrap();
        disk.append(path, text.as_bytes(), 0).unwrap();
    }

    #[test]
    fn what_is_synced_with_its_folder_survives_every_loss() {
        for journaled in [true, false] {
            let mut disk = Disk::new(journaled);
            disk.make_folder("a").unwrap();
            write(&mut disk, "a/tmp", "whole");
            disk.sync_file("a/tmp").unwrap();
            disk.rename("a/tmp", "a/f", false).unwrap();
            disk.sync_folder("");
            disk.sync_folder("a");
            for seed in 0..200 {
                assert_eq!(after_power_loss(&disk, seed), Tree::from([("a/f".to_owned(), b"whole".to_vec())]));
            }
        }
    }

    #[test]
    fn what_is_not_synced_may_be_lost_torn_or_there() {
        let mut disk = Disk::default();
        disk.place("f", b"old", 0);
        write(&mut disk, "tmp", "newer");
        disk.rename("tmp", "f", false).unwrap();
        let seen: std::collections::BTreeSet<Vec<u8>> =
            (0..300).filter_map(|seed| after_power_loss(&disk, seed).remove("f")).collect();
        for expected in [&b"old"[..], b"newer", b"", b"new", b"\0\0\0\0\0", b"\0\0wer"] {
            assert!(seen.contains(expected), "{seen:?}");
        }
    }

    #[test]
    fn a_rename_over_a_durable_file_leaves_one_or_the_other() {
        for journaled in [true, false] {
            let mut disk = Disk::new(journaled);
            disk.place("f", b"old", 0);
            write(&mut disk, "tmp", "new");
            disk.sync_file("tmp").unwrap();
            disk.rename("tmp", "f", false).unwrap();
            for seed in 0..200 {
                let tree = after_power_loss(&disk, seed);
                assert!(matches!(tree.get("f").map(Vec::as_slice), Some(b"old" | b"new")), "{tree:?}");
            }
        }
    }

    #[test]
    fn without_a_journal_a_later_change_can_outlive_an_earlier_one() {
        let mut disk = Disk::new(false);
        disk.place("x/keep", b"", 0);
        write(&mut disk, "x/a", "");
        write(&mut disk, "x/b", "");
        let only_later = |seed| {
            let tree = after_power_loss(&disk, seed);
            !tree.contains_key("x/a") && tree.contains_key("x/b")
        };
        assert!((0..100).any(only_later));
    }

    #[test]
    fn exclusive_names_are_honest() {
        let mut disk = Disk::default();
        write(&mut disk, "a", "1");
        write(&mut disk, "b", "2");
        assert!(
            disk.create("a", 0).is_err() && disk.rename("b", "a", true).is_err() && disk.hard_link("b", "a").is_err()
        );
        assert_eq!(*disk.read("a").unwrap(), b"1".to_vec());
        disk.make_folder("d").unwrap();
        disk.rename("b", "d/b", true).unwrap();
        assert!(!disk.unlink("d").unwrap() && disk.unlink("d/b").unwrap() && disk.unlink("d").unwrap());
    }
}
