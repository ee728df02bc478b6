//! Each file effect as the native host does it: a row of small steps on the disk, between any two of which a process or the
//! machine may die.

use std::collections::BTreeSet;
use std::sync::Arc;

use azall_core::engine::effect::{Answer, Append, Effect, FileHead, IoError, IoErrorKind, WriteAtomic};
use azall_core::protocol::layout::{Place, Root};

use crate::disk::{Disk, split};
use crate::mutation::Mutation;

/// The folders of one agent, as paths on its machine's disk.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Roots {
    /// The folder of the config file.
    pub config: String,
    /// The mailboxes folder.
    pub mailboxes: String,
    /// The folder of shared scripts.
    pub shared: String,
}

impl Roots {
    /// The path of a place.
    #[must_use]
    pub fn resolve(&self, place: &Place) -> String {
        let root = match place.root {
            Root::Config => &self.config,
            Root::Mailboxes => &self.mailboxes,
            Root::Shared => &self.shared,
        };
        if place.path.as_str().is_empty() { root.clone() } else { format!("{root}/{}", place.path) }
    }
}

/// What a step needs besides the disk.
pub struct Setting<'a> {
    /// Where the agent's folders lie.
    pub roots: &'a Roots,
    /// The machine's clock.
    pub now_ms: i64,
    /// A number that no other temporary file has.
    pub serial: u64,
    /// Whether the file system lacks the exclusive rename, so that a second link is made instead.
    pub by_link: bool,
    /// The promise that this host breaks, in tests of the simulator itself.
    pub mutation: Option<Mutation>,
    /// Folders whose own entries this process knows to be durable.
    pub known: &'a BTreeSet<String>,
}

/// A file effect under way.
#[derive(Clone, Debug)]
pub struct Running {
    effect: Effect,
    stage: Stage,
    changed: BTreeSet<String>,
    temporary: String,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Stage {
    Begin,
    Fill,
    Sync,
    Name,
    Unname,
    Folders,
    Twice,
}

/// How far a step got.
pub enum Progress {
    /// There is more to do.
    More,
    /// Done: this is the answer.
    Done(Answer),
}

impl Running {
    /// An effect that was asked for and not begun.
    #[must_use]
    pub fn new(effect: Effect) -> Self {
        Self { effect, stage: Stage::Begin, changed: BTreeSet::new(), temporary: String::new() }
    }

    /// The effect.
    #[must_use]
    pub const fn effect(&self) -> &Effect {
        &self.effect
    }

    /// Whether the disk was touched already.
    #[must_use]
    pub fn has_begun(&self) -> bool {
        self.stage != Stage::Begin || !self.changed.is_empty()
    }

    /// The names that are durable now that the effect is done: the folders above, and a file that was added to.
    #[must_use]
    pub fn durable_names(&self, roots: &Roots) -> Vec<String> {
        match &self.effect {
            Effect::WriteAtomic(write) => ancestors(&roots.resolve(&write.place)),
            Effect::Append(append) => {
                let path = roots.resolve(&append.place);
                ancestors(&path).into_iter().chain([path]).collect()
            }
            Effect::Rename(rename) => ancestors(&roots.resolve(&rename.to)),
            _ => Vec::new(),
        }
    }

    /// Does one step.
    pub fn step(&mut self, disk: &mut Disk, setting: &Setting<'_>) -> Progress {
        let effect = self.effect.clone();
        let result = match &effect {
            Effect::WriteAtomic(write) => self.write(disk, setting, write),
            Effect::Append(append) => self.append(disk, setting, append),
            Effect::Rename(rename) => {
                let (from, to) = (setting.roots.resolve(&rename.from), setting.roots.resolve(&rename.to));
                self.rename(disk, setting, &from, &to, rename.exclusive)
            }
            Effect::Remove(remove) => self.remove(disk, setting, &setting.roots.resolve(&remove.place)),
            _ => return Progress::Done(look(disk, setting, &effect)),
        };
        match (result, &effect) {
            (Ok(false), _) => Progress::More,
            (Ok(true), Effect::WriteAtomic(_)) => Progress::Done(Answer::WriteAtomic(Ok(()))),
            (Ok(true), Effect::Append(_)) => Progress::Done(Answer::Append(Ok(()))),
            (Ok(true), Effect::Rename(_)) => Progress::Done(Answer::Rename(Ok(()))),
            (Ok(true), _) => Progress::Done(Answer::Remove(Ok(()))),
            (Err(error), effect) => Progress::Done(effect.failed(error)),
        }
    }

    /// Makes one missing folder; false when none is missing.
    fn make_folder(&mut self, disk: &mut Disk, path: &str) -> Result<bool, IoError> {
        let mut missing = path;
        while !missing.is_empty() && !disk.exists(split(missing).0) {
            missing = split(missing).0;
        }
        if missing.is_empty() || disk.exists(path) {
            return Ok(false);
        }
        disk.make_folder(missing)?;
        self.changed.insert(split(missing).0.to_owned());
        Ok(true)
    }

    /// A folder that is there may have been made by a process that died before it was durable: it is synced with the rest.
    fn distrust(&mut self, setting: &Setting<'_>, path: &str) {
        let unknown = ancestors(path).into_iter().filter(|folder| !setting.known.contains(folder));
        self.changed.extend(unknown.map(|folder| split(&folder).0.to_owned()));
    }

    fn write(&mut self, disk: &mut Disk, setting: &Setting<'_>, write: &WriteAtomic) -> Result<bool, IoError> {
        let path = setting.roots.resolve(&write.place);
        let (folder, _) = split(&path);
        match self.stage {
            Stage::Begin => {
                if setting.mutation == Some(Mutation::LoseSpool) && path.contains("/.spool/") {
                    return Ok(true);
                }
                if self.make_folder(disk, folder)? {
                    return Ok(false);
                }
                let is_lock = path.ends_with("/.lock");
                if write.exclusive && disk.exists(&path) && !(setting.mutation == Some(Mutation::NoLock) && is_lock) {
                    return Err(IoError::new(IoErrorKind::AlreadyExists, "it is there"));
                }
                self.distrust(setting, &path);
                self.temporary = format!("{folder}/.tmp-{}", setting.serial);
                disk.create(&self.temporary, setting.now_ms)?;
                self.stage = Stage::Fill;
            }
            Stage::Fill => {
                disk.append(&self.temporary, &write.bytes, setting.now_ms)?;
                self.stage = Stage::Sync;
            }
            Stage::Sync => {
                if setting.mutation != Some(Mutation::SkipFileSync) {
                    disk.sync_file(&self.temporary)?;
                }
                self.stage = Stage::Name;
            }
            Stage::Name => {
                let exclusive = write.exclusive && setting.mutation != Some(Mutation::NoLock);
                let named = if exclusive && setting.by_link {
                    self.stage = Stage::Unname;
                    disk.hard_link(&self.temporary, &path)
                } else {
                    self.stage = Stage::Folders;
                    disk.rename(&self.temporary, &path, exclusive)
                };
                if let Err(error) = named {
                    disk.unlink(&self.temporary)?;
                    return Err(error);
                }
                self.changed.insert(folder.to_owned());
            }
            Stage::Unname => {
                disk.unlink(&self.temporary)?;
                self.stage = Stage::Folders;
            }
            Stage::Folders => return self.sync_folders(disk, setting, &path, write.exclusive),
            Stage::Twice => {
                let twin = path.replace(".txt", "-twin.txt");
                if !disk.exists(&twin) {
                    disk.place(&twin, &write.bytes, setting.now_ms);
                }
                return Ok(true);
            }
        }
        Ok(false)
    }

    /// Syncs one changed folder, parents first; true when it was the last.
    fn sync_folders(
        &mut self,
        disk: &mut Disk,
        setting: &Setting<'_>,
        path: &str,
        exclusive: bool,
    ) -> Result<bool, IoError> {
        if let Some(folder) = self.changed.pop_first()
            && setting.mutation != Some(Mutation::SkipFolderSync)
        {
            disk.sync_folder(&folder);
        }
        if setting.mutation == Some(Mutation::DeliverTwice) && exclusive && path.contains("/inbox/") {
            self.stage = Stage::Twice;
            return Ok(false);
        }
        Ok(self.changed.is_empty())
    }

    fn append(&mut self, disk: &mut Disk, setting: &Setting<'_>, append: &Append) -> Result<bool, IoError> {
        let path = setting.roots.resolve(&append.place);
        match self.stage {
            Stage::Begin => {
                if setting.mutation == Some(Mutation::ForgetSeen) && path.ends_with("/.seen_ids") {
                    return Ok(true);
                }
                if self.make_folder(disk, split(&path).0)? {
                    return Ok(false);
                }
                self.distrust(setting, &path);
                if !disk.exists(&path) {
                    disk.create(&path, setting.now_ms)?;
                }
                if !setting.known.contains(&path) {
                    self.changed.insert(split(&path).0.to_owned());
                }
                self.stage = Stage::Fill;
            }
            Stage::Fill => {
                disk.append(&path, &append.bytes, setting.now_ms)?;
                self.stage = Stage::Sync;
            }
            Stage::Sync => {
                if setting.mutation != Some(Mutation::SkipFileSync) {
                    disk.sync_file(&path)?;
                }
                self.stage = Stage::Folders;
                return Ok(self.changed.is_empty());
            }
            _ => return self.sync_folders(disk, setting, &path, false),
        }
        Ok(false)
    }

    fn rename(
        &mut self,
        disk: &mut Disk,
        setting: &Setting<'_>,
        from: &str,
        to: &str,
        exclusive: bool,
    ) -> Result<bool, IoError> {
        match self.stage {
            Stage::Begin => {
                if !disk.exists(from) {
                    return Err(IoError::new(IoErrorKind::NotFound, "no such file or folder"));
                }
                if !self.make_folder(disk, split(to).0)? {
                    // A new folder is made durable before anything is moved into it.
                    self.distrust(setting, to);
                    self.stage = if self.changed.is_empty() { Stage::Name } else { Stage::Sync };
                }
            }
            Stage::Sync => {
                if self.sync_folders(disk, setting, to, false)? {
                    self.stage = Stage::Name;
                }
            }
            Stage::Name => {
                disk.rename(from, to, exclusive)?;
                self.changed.extend([split(from).0.to_owned(), split(to).0.to_owned()]);
                self.stage = Stage::Folders;
            }
            _ => return self.sync_folders(disk, setting, to, false),
        }
        Ok(false)
    }

    fn remove(&mut self, disk: &mut Disk, setting: &Setting<'_>, path: &str) -> Result<bool, IoError> {
        if self.stage == Stage::Folders {
            return self.sync_folders(disk, setting, path, false);
        }
        // The deepest first entry goes first, one at a step.
        let mut at = path.to_owned();
        while let Some(inner) = disk.first_entry(&at) {
            at = inner;
        }
        match disk.unlink(&at) {
            Err(_) => return Ok(true),
            Ok(_) if at == path => {
                self.changed.insert(split(path).0.to_owned());
                self.stage = Stage::Folders;
            }
            Ok(_) => {}
        }
        Ok(false)
    }
}

/// The folders above a path, the innermost first.
fn ancestors(path: &str) -> Vec<String> {
    std::iter::successors(Some(split(path).0), |folder| Some(split(folder).0))
        .take_while(|folder| !folder.is_empty())
        .map(str::to_owned)
        .collect()
}

/// Effects that only look.
fn look(disk: &Disk, setting: &Setting<'_>, effect: &Effect) -> Answer {
    match effect {
        Effect::ReadFile(read) => {
            Answer::ReadFile(disk.read(&setting.roots.resolve(&read.place)).map(Arc::unwrap_or_clone))
        }
        Effect::ReadMany(many) => {
            let folder = setting.roots.resolve(&many.folder);
            if !disk.is_folder(&folder) {
                return effect.failed(IoError::new(IoErrorKind::NotFound, "no such folder"));
            }
            let head = |name: &String| {
                let mut bytes = Arc::unwrap_or_clone(disk.read(&format!("{folder}/{name}"))?);
                let truncated = bytes.len() as u64 > many.limit;
                bytes.truncate(usize::try_from(many.limit).unwrap_or(usize::MAX));
                Ok(FileHead { bytes, truncated })
            };
            Answer::ReadMany(Ok(many.names.iter().map(head).collect()))
        }
        Effect::List(list) => Answer::List(disk.list(&setting.roots.resolve(&list.folder))),
        other => other.failed(IoError::new(IoErrorKind::Unsupported, "not in the simulator")),
    }
}
