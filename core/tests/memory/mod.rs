//! A host in memory: a disk as a map, a clock that only moves when told or waited for, randomness from a counter, and HTTP
//! answered by a function. It drives an operation as a real host does, one effect at a time.
#![allow(dead_code, reason = "not every test file uses everything")]

pub(crate) mod machine;
pub(crate) mod play;
pub(crate) mod relay;
pub(crate) mod shell;
pub(crate) mod version2;

use std::collections::BTreeMap;

use azall_core::engine::effect::{
    Answer, Effect, Entry, EntryKind, Facts, FileHead, Http, HttpAnswer, IoError, IoErrorKind, RunScript, ScriptResult,
};
use azall_core::engine::error::Error;
use azall_core::engine::event::Event;
use azall_core::engine::op::{Op, Output};
use azall_core::protocol::layout::{Place, Root};
use azall_core::protocol::time::Now;

/// Runs a script: what it was asked, and the script's code.
type Scripts = Box<dyn FnMut(&RunScript, &str) -> Result<ScriptResult, IoError>>;

type Web = Box<dyn FnMut(&Http) -> Result<HttpAnswer, IoError>>;

pub(crate) struct MemoryHost {
    pub(crate) files: BTreeMap<(Root, String), Vec<u8>>,
    pub(crate) now: Now,
    pub(crate) events: Vec<Event>,
    pub(crate) web: Web,
    pub(crate) scripts: Scripts,
    /// Files that are listed as this kind and cannot be read.
    pub(crate) odd: BTreeMap<(Root, String), (EntryKind, IoErrorKind)>,
    /// Nothing can be written.
    pub(crate) read_only: bool,
    /// When every file was changed; `None` for just now.
    pub(crate) modified_ms: Option<i64>,
    /// How long each effect takes.
    pub(crate) effect_ms: i64,
    random: u64,
}

impl MemoryHost {
    pub(crate) fn new() -> Self {
        Self {
            files: BTreeMap::new(),
            now: Now::utc(1_773_239_400_000),
            events: Vec::new(),
            web: Box::new(|_| Err(IoError::new(IoErrorKind::Unreachable, "no network here"))),
            scripts: Box::new(|_, _| Err(IoError::new(IoErrorKind::Unsupported, "no scripts here"))),
            odd: BTreeMap::new(),
            read_only: false,
            modified_ms: None,
            effect_ms: 0,
            random: 1,
        }
    }

    /// Drives an operation to its end.
    pub(crate) fn run<T, E: From<Error>>(&mut self, mut op: Op<T, E>) -> Result<T, E> {
        loop {
            match op.poll(self.now) {
                Output::Effect(id, effect) => {
                    let answer = self.answer(&effect);
                    op.resume(id, answer).unwrap();
                }
                Output::Event(event) => self.events.push(event),
                Output::Wait(Some(deadline)) => self.now.unix_ms = self.now.unix_ms.max(deadline),
                Output::Wait(None) => panic!("waits, and nothing is in flight"),
                Output::Done(result) => return result,
            }
        }
    }

    pub(crate) fn file(&self, root: Root, path: &str) -> Option<&[u8]> {
        self.files.get(&(root, path.to_owned())).map(Vec::as_slice)
    }

    /// Makes an entry of the mailboxes folder one that is no usable file.
    pub(crate) fn spoil(&mut self, path: &str, kind: EntryKind, error: IoErrorKind) {
        let key = (Root::Mailboxes, path.to_owned());
        self.files.insert(key.clone(), Vec::new());
        self.odd.insert(key, (kind, error));
    }

    pub(crate) fn answer(&mut self, effect: &Effect) -> Answer {
        self.now.unix_ms += self.effect_ms;
        let writes =
            matches!(effect, Effect::WriteAtomic(_) | Effect::Append(_) | Effect::Rename(_) | Effect::Remove(_));
        if self.read_only && writes {
            return effect.failed(IoError::new(IoErrorKind::PermissionDenied, "read-only file system"));
        }
        match effect {
            Effect::ReadFile(read) => Answer::ReadFile(self.read(&read.place)),
            Effect::ReadMany(many) => Answer::ReadMany(Ok(many
                .names
                .iter()
                .map(|name| {
                    let mut bytes = self.read(&many.folder.join(name).unwrap())?;
                    let truncated = bytes.len() as u64 > many.limit;
                    bytes.truncate(many.limit as usize);
                    Ok(FileHead { bytes, truncated })
                })
                .collect())),
            Effect::List(list) => Answer::List(self.list(&list.folder)),
            Effect::WriteAtomic(write) => {
                let key = key(&write.place);
                Answer::WriteAtomic(if write.exclusive && self.files.contains_key(&key) {
                    Err(IoError::new(IoErrorKind::AlreadyExists, "it exists"))
                } else {
                    self.files.insert(key, write.bytes.clone());
                    Ok(())
                })
            }
            Effect::Append(append) => {
                self.files.entry(key(&append.place)).or_default().extend(&append.bytes);
                Answer::Append(Ok(()))
            }
            Effect::Rename(rename) => Answer::Rename(self.rename(&rename.from, &rename.to, rename.exclusive)),
            Effect::Remove(remove) => {
                let (root, path) = key(&remove.place);
                let below = format!("{path}/");
                self.files.retain(|(r, p), _| *r != root || (*p != path && !p.starts_with(&below)));
                Answer::Remove(Ok(()))
            }
            Effect::Random(random) => Answer::Random(Ok((0..random.count).map(|_| self.next_byte()).collect())),
            Effect::HostFacts(_) => Answer::HostFacts(Ok(Facts {
                machine_name: "memory".into(),
                system: "Linux".into(),
                fingerprint_parts: vec!["memory".into()],
                process: "1@memory".into(),
            })),
            Effect::Http(http) => Answer::Http((self.web)(http)),
            Effect::RunScript(run) => Answer::RunScript(self.read(&run.script).and_then(|code| {
                let code = String::from_utf8_lossy(&code).into_owned();
                (self.scripts)(run, &code)
            })),
            other => other.failed(IoError::new(IoErrorKind::Unsupported, "not in memory")),
        }
    }

    fn read(&self, place: &Place) -> Result<Vec<u8>, IoError> {
        match self.odd.get(&key(place)) {
            Some((_, kind)) => Err(IoError::new(*kind, "it cannot be read")),
            None => self.files.get(&key(place)).cloned().ok_or_else(not_found),
        }
    }

    fn list(&self, folder: &Place) -> Result<Vec<Entry>, IoError> {
        let (root, path) = key(folder);
        let below = if path.is_empty() { String::new() } else { format!("{path}/") };
        let mut entries: BTreeMap<String, Entry> = BTreeMap::new();
        for ((_, file), bytes) in self.files.iter().filter(|((r, p), _)| *r == root && p.starts_with(&below)) {
            let rest = &file[below.len()..];
            let own_kind = self.odd.get(&(root, file.clone())).map_or(EntryKind::File, |(kind, _)| *kind);
            let (name, kind) = match rest.split_once('/') {
                Some((name, _)) => (name, EntryKind::Folder),
                None => (rest, own_kind),
            };
            let modified_ms = self.modified_ms.unwrap_or(self.now.unix_ms);
            let entry = Entry { name: name.to_owned(), kind, size: bytes.len() as u64, modified_ms };
            entries.insert(name.to_owned(), entry);
        }
        if entries.is_empty() { Err(not_found()) } else { Ok(entries.into_values().collect()) }
    }

    fn rename(&mut self, from: &Place, to: &Place, exclusive: bool) -> Result<(), IoError> {
        let ((root, old), (to_root, new)) = (key(from), key(to));
        let below = format!("{old}/");
        let moved: Vec<_> =
            self.files.keys().filter(|(r, p)| *r == root && (*p == old || p.starts_with(&below))).cloned().collect();
        if moved.is_empty() {
            return Err(not_found());
        }
        if exclusive && self.files.contains_key(&(to_root, new.clone())) {
            return Err(IoError::new(IoErrorKind::AlreadyExists, "it exists"));
        }
        for source in moved {
            let target = (to_root, format!("{new}{}", &source.1[old.len()..]));
            let bytes = self.files.remove(&source).unwrap();
            self.files.insert(target, bytes);
        }
        Ok(())
    }

    fn next_byte(&mut self) -> u8 {
        // Xorshift (Marsaglia 2003): different bytes, the same in every run.
        self.random ^= self.random << 13;
        self.random ^= self.random >> 7;
        self.random ^= self.random << 17;
        self.random as u8
    }
}

fn key(place: &Place) -> (Root, String) {
    (place.root, place.path.as_str().to_owned())
}

fn not_found() -> IoError {
    IoError::new(IoErrorKind::NotFound, "there is none")
}
