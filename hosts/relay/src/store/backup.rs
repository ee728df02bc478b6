//! Backups: one file that holds all of a store as of one moment, made while it runs.
//!
//! A line that says what it is; the rows (number of the table, length of key and value, key, value), of which later ones hold; the blobs
//! ([`BLOB`], name, size, bytes); [`END`] and the SHA-256 of all before.

use std::collections::BTreeMap;
use std::fs::{self, File};
use std::io::{self, BufReader, BufWriter, Read, Write};
use std::ops::ControlFlow;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use azall_core::protocol::relay::version2::BlobName;
use bytes::Bytes;
use sha2::{Digest, Sha256};

use super::blobs::Blobs;
use super::error::{OpenError, StoreError};
use super::folder::Folder;
use super::{Store, blocking, keys};
use crate::engine::{Batch, Engine, EngineError, Head, Key, Table};

/// The first line.
const KIND: &[u8] = b"azall relay backup, format 1\n";
/// Begins a blob.
const BLOB: u8 = 0xfe;
/// Begins the hash.
const END: u8 = 0xff;
/// Rows are restored by this many.
const ROWS: usize = 4096;
/// Or by this many bytes.
const ROW_BYTES: usize = 4 << 20;
/// No value is larger.
const LONGEST_VALUE: u32 = 1 << 30;
/// In place of the length of a value: what is there is removed.
const REMOVED: u32 = u32::MAX;

/// Why a backup could not be made or read.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum BackupError {
    /// There is a file already; it was left as it is.
    #[error("{}: is there already; choose another name", file.display())]
    Exists {
        /// The file or folder.
        file: PathBuf,
    },
    /// Not a backup, or not a whole one.
    #[error("{}: {what}", file.display())]
    Damaged {
        /// The file.
        file: PathBuf,
        /// What is wrong.
        what: &'static str,
    },
    /// The system refused.
    #[error("{}: {error}", path.display())]
    Io {
        /// The file or folder.
        path: PathBuf,
        /// The system's word.
        error: io::Error,
    },
    /// The store could not be read or written.
    #[error(transparent)]
    Store(#[from] StoreError),
}

impl From<EngineError> for BackupError {
    fn from(error: EngineError) -> Self {
        Self::Store(error.into())
    }
}

/// Hashes what goes through it.
struct Hashing<T> {
    inner: T,
    hash: Sha256,
}

impl<T> Hashing<T> {
    fn new(inner: T) -> Self {
        Self { inner, hash: Sha256::new() }
    }
}

impl<T: Write> Write for Hashing<T> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let written = self.inner.write(bytes)?;
        self.hash.update(bytes.get(..written).unwrap_or_default());
        Ok(written)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.inner.flush()
    }
}

impl<T: Read> Read for Hashing<T> {
    fn read(&mut self, bytes: &mut [u8]) -> io::Result<usize> {
        let read = self.inner.read(bytes)?;
        self.hash.update(bytes.get(..read).unwrap_or_default());
        Ok(read)
    }
}

impl Store {
    /// Writes all of the store as of now into a new file, while everything goes on. The file is complete and on disk, or
    /// not there.
    ///
    /// # Errors
    /// The file is there already or cannot be written, or the store cannot be read.
    pub async fn backup(&self, file: &Path) -> Result<(), BackupError> {
        let (shared, file) = (Arc::clone(self.shared()), file.to_owned());
        blocking(move || Ok(write(&*shared.engine, &shared.blobs, &file))).await?
    }
}

fn write(engine: &dyn Engine, blobs: &Blobs, file: &Path) -> Result<(), BackupError> {
    if fs::symlink_metadata(file).is_ok() {
        return Err(BackupError::Exists { file: file.to_owned() });
    }
    let mut new = file.as_os_str().to_owned();
    new.push(".new");
    let new = PathBuf::from(new);
    let failed = |error| BackupError::Io { path: file.to_owned(), error };
    let mut options = File::options();
    options.write(true).create(true).truncate(true);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    let out = options.open(&new).map_err(failed)?;
    let written = write_all(engine, blobs, out).and_then(|()| {
        fs::rename(&new, file).map_err(failed)?;
        let folder = file.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."));
        File::open(folder).and_then(|folder| folder.sync_all()).map_err(failed)
    });
    if written.is_err() {
        let _ = fs::remove_file(&new);
    }
    written
}

fn write_all(engine: &dyn Engine, blobs: &Blobs, out: File) -> Result<(), BackupError> {
    let failed = |error: io::Error| BackupError::Store(error.into());
    let mut out = Hashing::new(BufWriter::with_capacity(1 << 20, out));
    out.write_all(KIND).map_err(failed)?;
    let mut rows = BTreeMap::new();
    let mut outcome = Ok(());
    engine.dump(&mut |table, key, value| {
        // The rows of blobs come with their bytes.
        if let (Table::Blobs, Ok(name)) = (table, keys::read_blob(key)) {
            match value {
                Some(value) => rows.insert(name, value.to_vec()),
                None => rows.remove(&name),
            };
            return ControlFlow::Continue(());
        }
        outcome = write_row(&mut out, table, key, value);
        if outcome.is_ok() { ControlFlow::Continue(()) } else { ControlFlow::Break(()) }
    })?;
    outcome.map_err(failed)?;
    for (name, row) in rows {
        match File::open(blobs.path(&name)) {
            Ok(bytes) => write_blob(&mut out, &name, &row, bytes).map_err(failed)?,
            // It has been removed since.
            Err(error) if error.kind() == io::ErrorKind::NotFound => {}
            Err(error) => return Err(failed(error)),
        }
    }
    out.write_all(&[END]).map_err(failed)?;
    let hash = out.hash.clone().finalize();
    out.write_all(&hash).map_err(failed)?;
    let out = out.inner.into_inner().map_err(|error| failed(error.into_error()))?;
    out.sync_all().map_err(failed)
}

fn write_row(out: &mut impl Write, table: Table, key: &[u8], value: Option<&[u8]>) -> io::Result<()> {
    let too_long = |_| io::Error::other("a row is too long");
    out.write_all(&[table.number(), u8::try_from(key.len()).map_err(too_long)?])?;
    let length = value.map_or(Ok(REMOVED), |value| u32::try_from(value.len())).map_err(too_long)?;
    out.write_all(&length.to_le_bytes())?;
    out.write_all(key)?;
    out.write_all(value.unwrap_or_default())
}

fn write_blob(out: &mut impl Write, name: &BlobName, row: &[u8], bytes: File) -> io::Result<()> {
    let size = bytes.metadata()?.len();
    out.write_all(&[BLOB])?;
    out.write_all(name.as_hash())?;
    out.write_all(&size.to_le_bytes())?;
    let copied = io::copy(&mut bytes.take(size), out)?;
    if copied != size {
        return Err(io::ErrorKind::UnexpectedEof.into());
    }
    write_row(out, Table::Blobs, name.as_hash(), Some(row))
}

/// Makes a store of a backup, in a folder that is empty or missing. The backup is verified before anything is made, and the
/// folder is complete or not there.
///
/// # Errors
/// The folder holds something, the backup is damaged, or the files cannot be read or written.
pub fn restore(file: &Path, dir: &Path) -> Result<(), OpenError> {
    let failed = |path: &Path| {
        let path = path.to_owned();
        move |error| BackupError::Io { path, error }
    };
    verify(file)?;
    match fs::read_dir(dir) {
        Ok(mut inside) => {
            if inside.next().is_some() {
                return Err(BackupError::Exists { file: dir.to_owned() }.into());
            }
            fs::remove_dir(dir).map_err(failed(dir))?;
        }
        Err(error) if error.kind() == io::ErrorKind::NotFound => {}
        Err(error) => return Err(failed(dir)(error).into()),
    }
    let mut new = dir.as_os_str().to_owned();
    new.push(".restoring");
    let new = PathBuf::from(new);
    if new.exists() {
        return Err(BackupError::Exists { file: new }.into());
    }
    let (folder, engine) = Folder::open(&new)?;
    let filled = fill(file, &*engine, &folder.blobs());
    drop(engine);
    drop(folder);
    let moved = filled.and_then(|()| fs::rename(&new, dir).map_err(failed(dir)));
    if moved.is_err() {
        let _ = fs::remove_dir_all(&new);
    }
    Ok(moved?)
}

/// Reads a backup.
struct Source<'a> {
    file: &'a Path,
    input: Hashing<BufReader<File>>,
}

/// A part of a backup.
enum Part {
    Row(Table, Vec<u8>, Option<Vec<u8>>),
    Blob(BlobName, u64),
    End,
}

impl<'a> Source<'a> {
    fn open(file: &'a Path) -> Result<Self, BackupError> {
        let opened = File::open(file).map_err(|error| BackupError::Io { path: file.to_owned(), error })?;
        let mut source = Self { file, input: Hashing::new(BufReader::with_capacity(1 << 20, opened)) };
        let mut kind = vec![0; KIND.len()];
        source.fill(&mut kind)?;
        if kind == KIND { Ok(source) } else { Err(source.damaged("not a backup of a relay")) }
    }

    fn damaged(&self, what: &'static str) -> BackupError {
        BackupError::Damaged { file: self.file.to_owned(), what }
    }

    fn fill(&mut self, bytes: &mut [u8]) -> Result<(), BackupError> {
        self.input.read_exact(bytes).map_err(|error| match error.kind() {
            io::ErrorKind::UnexpectedEof => self.damaged("the backup is cut off"),
            _ => BackupError::Io { path: self.file.to_owned(), error },
        })
    }

    fn array<const N: usize>(&mut self) -> Result<[u8; N], BackupError> {
        let mut bytes = [0; N];
        self.fill(&mut bytes).map(|()| bytes)
    }

    fn vec(&mut self, len: usize) -> Result<Vec<u8>, BackupError> {
        let mut bytes = vec![0; len];
        self.fill(&mut bytes).map(|()| bytes)
    }

    fn part(&mut self) -> Result<Part, BackupError> {
        let [kind] = self.array()?;
        match kind {
            END => {
                let computed: [u8; 32] = self.input.hash.clone().finalize().into();
                let is_good = self.array()? == computed;
                if is_good { Ok(Part::End) } else { Err(self.damaged("the backup is damaged")) }
            }
            BLOB => Ok(Part::Blob(BlobName::from_hash(self.array()?), u64::from_le_bytes(self.array()?))),
            number => {
                let table = Table::numbered(number).ok_or_else(|| self.damaged("the backup is damaged"))?;
                let [key_len] = self.array()?;
                let value_len = u32::from_le_bytes(self.array()?);
                let is_removed = value_len == REMOVED;
                if (value_len > LONGEST_VALUE && !is_removed) || usize::from(key_len) > Key::ROOM {
                    return Err(self.damaged("the backup is damaged"));
                }
                let key = self.vec(key_len.into())?;
                let value = if is_removed { None } else { Some(self.vec(value_len as usize)?) };
                Ok(Part::Row(table, key, value))
            }
        }
    }

    fn copy(&mut self, size: u64, out: &mut impl Write) -> Result<(), BackupError> {
        let copied = io::copy(&mut (&mut self.input).take(size), out);
        match copied {
            Ok(copied) if copied == size => Ok(()),
            Ok(_) => Err(self.damaged("the backup is cut off")),
            Err(error) => Err(BackupError::Io { path: self.file.to_owned(), error }),
        }
    }
}

fn verify(file: &Path) -> Result<(), BackupError> {
    let mut source = Source::open(file)?;
    loop {
        match source.part()? {
            Part::Row(..) => {}
            Part::Blob(_, size) => source.copy(size, &mut io::sink())?,
            Part::End => return Ok(()),
        }
    }
}

fn fill(file: &Path, engine: &dyn Engine, blobs: &Path) -> Result<(), BackupError> {
    let mut source = Source::open(file)?;
    let (mut batch, mut bytes) = (Batch::default(), 0);
    loop {
        match source.part()? {
            Part::Row(table, key, value) => {
                let key = Key::new().with(&key);
                match value {
                    Some(value) => {
                        bytes += value.len();
                        batch.put(table, key, Head::new(), Bytes::from(value));
                    }
                    None => batch.remove(table, key),
                }
            }
            Part::Blob(name, size) => {
                let path = blobs.join(name.to_string());
                let failed = |error| BackupError::Io { path: path.clone(), error };
                let mut options = File::options();
                options.write(true).create_new(true);
                #[cfg(unix)]
                std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
                let mut out = options.open(&path).map_err(failed)?;
                source.copy(size, &mut out)?;
                out.sync_all().map_err(failed)?;
            }
            Part::End => {
                engine.commit(batch)?;
                return File::open(blobs)
                    .and_then(|dir| dir.sync_all())
                    .map_err(|error| BackupError::Io { path: blobs.to_owned(), error });
            }
        }
        if batch.changes.len() >= ROWS || bytes >= ROW_BYTES {
            engine.commit(std::mem::take(&mut batch))?;
            bytes = 0;
        }
    }
}
