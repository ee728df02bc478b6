//! The folder of a store: whose it is, in which format, and that one process has it.

use std::fs::{self, File, TryLockError};
use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use super::error::OpenError;
use super::keys::FORMAT;
use super::token::Token;
use crate::engine::{Engine, EngineError, log::Log};

/// Says what the folder is, and in which format. Locked while a relay has it.
pub(crate) const MARK: &str = "azall-relay";
/// The tables.
const TABLES: &str = "tables";
/// The blobs.
const BLOBS: &str = "blobs";
/// The first word of the mark.
const KIND: &str = "azall relay, format";

/// The folder, locked. Its tables may be in memory.
pub(crate) struct Folder {
    dir: PathBuf,
    is_temporary: bool,
    /// Held open for its lock.
    _mark: Option<File>,
}

impl Drop for Folder {
    fn drop(&mut self) {
        if self.is_temporary {
            let _ = fs::remove_dir_all(&self.dir);
        }
    }
}

fn io_at(path: &Path) -> impl FnOnce(io::Error) -> OpenError {
    let path = path.to_owned();
    move |error| OpenError::Io { path, error }
}

impl Folder {
    /// Opens a folder that is a store, or makes one of a missing or empty folder. Nothing is changed in any other.
    pub(crate) fn open(dir: &Path) -> Result<(Self, Arc<dyn Engine>), OpenError> {
        if dir.is_file() {
            return Err(OpenError::Foreign { dir: dir.to_owned(), found: "it is a file".to_owned() });
        }
        make_private(dir)?;
        let mark_path = dir.join(MARK);
        let mark = match File::options().read(true).write(true).open(&mark_path) {
            Ok(mark) => mark,
            Err(error) if error.kind() == io::ErrorKind::NotFound => begin(dir, &mark_path)?,
            Err(error) => return Err(OpenError::Io { path: mark_path, error }),
        };
        match mark.try_lock() {
            Ok(()) => {}
            Err(TryLockError::WouldBlock) => return Err(OpenError::InUse { dir: dir.to_owned() }),
            Err(TryLockError::Error(error)) => return Err(OpenError::Io { path: mark_path, error }),
        }
        check(dir, &mark_path)?;
        let damaged = |what: &str| OpenError::Corrupt { dir: dir.to_owned(), what: what.to_owned() };
        for folder in [TABLES, BLOBS] {
            if !dir.join(folder).is_dir() {
                return Err(damaged(&format!("the folder {folder} is missing")));
            }
        }
        let engine = Log::open(&dir.join(TABLES)).map_err(|error| match error {
            EngineError::Corrupt(what) => damaged(&what),
            EngineError::Full => io_at(dir)(io::ErrorKind::StorageFull.into()),
            EngineError::Failed(what) => io_at(dir)(io::Error::other(what.to_string())),
        })?;
        Ok((Self { dir: dir.to_owned(), is_temporary: false, _mark: Some(mark) }, Arc::new(engine)))
    }

    /// A folder that is removed when it is dropped.
    pub(crate) fn temporary() -> Result<Self, OpenError> {
        let token = Token::random().map_err(|error| OpenError::Start(error.to_string()))?;
        let dir = std::env::temp_dir().join(format!("azall-relay-{}", token.reveal()));
        make_private(&dir)?;
        make_private(&dir.join(BLOBS))?;
        Ok(Self { dir, is_temporary: true, _mark: None })
    }

    /// Where the blobs lie.
    pub(crate) fn blobs(&self) -> PathBuf {
        self.dir.join(BLOBS)
    }

    /// Where the store lies.
    pub(crate) fn path(&self) -> &Path {
        &self.dir
    }
}

/// Makes a folder that nobody else may look into, if it is not there.
fn make_private(dir: &Path) -> Result<(), OpenError> {
    let mut builder = fs::DirBuilder::new();
    builder.recursive(true);
    #[cfg(unix)]
    std::os::unix::fs::DirBuilderExt::mode(&mut builder, 0o700);
    builder.create(dir).map_err(io_at(dir))
}

/// Makes a store of an empty folder. The mark comes last: without it, a folder is not a store.
fn begin(dir: &Path, mark_path: &Path) -> Result<File, OpenError> {
    let foreign = |found: String| OpenError::Foreign { dir: dir.to_owned(), found };
    for entry in fs::read_dir(dir).map_err(io_at(dir))? {
        let name = entry.map_err(io_at(dir))?.file_name();
        // What a start that was cut off has left behind.
        let is_ours = [TABLES, BLOBS].iter().any(|ours| name == *ours);
        let is_empty = is_ours && fs::read_dir(dir.join(&name)).is_ok_and(|mut inside| inside.next().is_none());
        let is_new_mark = name.to_str().is_some_and(|name| name.strip_prefix(MARK) == Some(".new"));
        if !is_empty && !is_new_mark {
            return Err(foreign(format!("it holds {}", name.to_string_lossy())));
        }
    }
    for folder in [TABLES, BLOBS] {
        make_private(&dir.join(folder))?;
    }
    let new_path = dir.join(format!("{MARK}.new"));
    let write = || -> io::Result<File> {
        let mut new = File::create(&new_path)?;
        writeln!(new, "{KIND} {FORMAT}")?;
        new.sync_all()?;
        fs::rename(&new_path, mark_path)?;
        File::open(dir)?.sync_all()?;
        File::options().read(true).write(true).open(mark_path)
    };
    write().map_err(io_at(mark_path))
}

/// Reads what the mark says.
fn check(dir: &Path, mark_path: &Path) -> Result<(), OpenError> {
    let mark = fs::read(mark_path).map_err(io_at(mark_path))?;
    let text = String::from_utf8_lossy(&mark);
    let Some(format) = text.trim_end().strip_prefix(KIND) else {
        let found = format!("{} is not its mark", mark_path.display());
        return Err(OpenError::Foreign { dir: dir.to_owned(), found });
    };
    match format.trim().parse::<u32>() {
        Ok(FORMAT) => Ok(()),
        Ok(later) if later > FORMAT => {
            Err(OpenError::Newer { dir: dir.to_owned(), found: later.to_string(), known: FORMAT })
        }
        _ => Err(OpenError::Corrupt { dir: dir.to_owned(), what: format!("{} is damaged", mark_path.display()) }),
    }
}
