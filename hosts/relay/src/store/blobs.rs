//! Blobs: attachments too large for a message, as plain files named by their hash.
//!
//! A blob is there when its file and its row are: the file is made durable before its row, and removed before its row. A
//! file or a row that is alone was cut off, and is removed at the next start.

use std::collections::{BTreeSet, HashMap};
use std::fs::{self, File};
use std::io::{self, Read, Write};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use azall_core::protocol::relay::version2::BlobName;
use bytes::Bytes;
use parking_lot::Mutex;
use sha2::{Digest, Sha256};

use super::clock::millis;
use super::error::StoreError;
use super::load::every;
use super::message::{AccountId, ByAccount};
use super::{Shared, Store, blocking, keys};
use crate::engine::{Batch, Engine, EngineError, Table};

/// Bytes are written and hashed by this many at a time.
const CHUNK: usize = 256 << 10;

/// What is known of a blob.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct BlobInfo {
    /// Its size in bytes.
    pub size: u64,
    /// When it will be gone, in unix milliseconds.
    pub expires_ms: i64,
}

/// A blob that can be read, also when it is removed meanwhile.
#[derive(Debug)]
pub struct BlobFile {
    /// What is known of it.
    pub info: BlobInfo,
    /// Its bytes; reading begins at the first.
    pub file: File,
}

/// Why a blob was not taken.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum BlobError {
    /// The part does not begin where this account's upload has got to.
    #[error("the upload has got to byte {expected}; go on from there")]
    WrongOffset {
        /// Where to go on.
        expected: u64,
    },
    /// The bytes are not those of the name; they have been thrown away.
    #[error("the bytes do not have the hash that names the blob")]
    WrongHash,
    /// Larger than this relay takes, or than was said.
    #[error("the blob is too large")]
    TooLarge,
    /// The account has too much here.
    #[error("the blobs of this account take too much room")]
    Quota,
    /// The same account is uploading the same blob in another request.
    #[error("this blob is being uploaded in another request")]
    Busy,
    /// The store failed.
    #[error(transparent)]
    Store(#[from] StoreError),
}

/// How an upload begins.
pub enum BlobPut {
    /// There is nothing to upload; its expiry has begun anew.
    There(BlobInfo),
    /// Its bytes are wanted.
    Upload(BlobUpload),
}

/// How far an upload has got.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum BlobProgress {
    /// More is wanted, from here on.
    Part {
        /// The next byte.
        offset: u64,
    },
    /// All is there, verified and durable.
    Whole(BlobInfo),
}

/// A blob in the store.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Known {
    pub(crate) size: u64,
    pub(crate) expires_ms: i64,
    /// Whose quota it counts on; it stays as long as one of them does.
    pub(crate) owners: Vec<AccountId>,
}

/// An upload that has not got to its end.
struct Partial {
    /// What it counts on the quota.
    reserved: u64,
    /// The hash of what is there, if it need not be computed anew.
    so_far: Option<(u64, Sha256)>,
    is_open: bool,
}

#[derive(Default)]
struct State {
    known: HashMap<BlobName, Known>,
    by_expiry: BTreeSet<(i64, BlobName)>,
    partial: HashMap<(AccountId, BlobName), Partial>,
    used: ByAccount<u64>,
    bytes: u64,
}

impl State {
    fn used(&self, account: AccountId) -> u64 {
        self.used.get(&account).copied().unwrap_or(0)
    }

    fn give(&mut self, account: AccountId, bytes: u64) {
        *self.used.entry(account).or_default() += bytes;
    }

    fn take_back(&mut self, account: AccountId, bytes: u64) {
        let left = self.used(account).saturating_sub(bytes);
        if left == 0 {
            self.used.remove(&account);
        } else {
            self.used.insert(account, left);
        }
    }

    fn insert(&mut self, name: BlobName, known: Known) {
        self.by_expiry.insert((known.expires_ms, name));
        self.bytes += known.size;
        known.owners.iter().for_each(|owner| self.give(*owner, known.size));
        self.known.insert(name, known);
    }

    fn remove(&mut self, name: &BlobName) {
        if let Some(known) = self.known.remove(name) {
            self.by_expiry.remove(&(known.expires_ms, *name));
            self.bytes = self.bytes.saturating_sub(known.size);
            known.owners.iter().for_each(|owner| self.take_back(*owner, known.size));
        }
    }

    fn end_partial(&mut self, account: AccountId, name: BlobName) {
        if let Some(partial) = self.partial.remove(&(account, name)) {
            self.take_back(account, partial.reserved);
        }
    }

    /// The blob belongs to this account too, and its expiry begins anew; its row, if the quota allows.
    fn renew(&mut self, name: BlobName, account: AccountId, quota: u64, expires_ms: i64) -> Option<Known> {
        let mut known = self.known.get(&name)?.clone();
        if !known.owners.contains(&account) {
            if self.used(account).saturating_add(known.size) > quota {
                return None;
            }
            known.owners.push(account);
        }
        self.remove(&name);
        known.expires_ms = expires_ms;
        self.insert(name, known.clone());
        Some(known)
    }
}

/// All blobs. The state is locked while a file gets or loses its name, so that it agrees with the folder.
pub(crate) struct Blobs {
    dir: PathBuf,
    state: Mutex<State>,
}

impl Blobs {
    pub(crate) fn load(engine: &dyn Engine, dir: PathBuf) -> Result<Self, EngineError> {
        let mut state = State::default();
        let mut files = HashMap::new();
        for entry in fs::read_dir(&dir)? {
            let entry = entry?;
            files.insert(entry.file_name(), entry.metadata()?.len());
        }
        let mut alone = Batch::default();
        every(engine, Table::Blobs, |key, value| {
            let (name, known) = (keys::read_blob(key)?, keys::read_blob_value(value)?);
            match files.remove(std::ffi::OsStr::new(&name.to_string())) {
                Some(size) if size == known.size => state.insert(name, known),
                Some(size) => {
                    let text = format!("blob {name} has {size} bytes, not {}", known.size);
                    return Err(EngineError::Corrupt(text.into()));
                }
                None => alone.remove(Table::Blobs, keys::blob(&name)),
            }
            Ok(())
        })?;
        engine.commit(alone)?;
        let mut left: Vec<_> = files.into_iter().collect();
        left.sort();
        for (file, size) in left {
            match file.to_str().and_then(parse_partial) {
                Some((account, name)) => {
                    state.give(account, size);
                    let partial = Partial { reserved: size, so_far: None, is_open: false };
                    state.partial.insert((account, name), partial);
                }
                None => fs::remove_file(dir.join(file))?,
            }
        }
        Ok(Self { dir, state: Mutex::new(state) })
    }

    /// How many there are, and their size.
    pub(crate) fn count(&self) -> (u64, u64) {
        let state = self.state.lock();
        (state.known.len() as u64, state.bytes)
    }

    pub(crate) fn path(&self, name: &BlobName) -> PathBuf {
        self.dir.join(name.to_string())
    }

    fn partial_path(&self, account: AccountId, name: &BlobName) -> PathBuf {
        self.dir.join(format!("{:08x}-{name}", account.0))
    }

    fn known(&self, name: &BlobName, now_ms: i64) -> Option<BlobInfo> {
        let state = self.state.lock();
        let known = state.known.get(name).filter(|known| known.expires_ms > now_ms)?;
        Some(BlobInfo { size: known.size, expires_ms: known.expires_ms })
    }

    /// Takes an account away from all its blobs, and those away that nobody has any more.
    pub(crate) fn disown(&self, account: AccountId, batch: &mut Batch) -> Result<(), StoreError> {
        let mut state = self.state.lock();
        let mut owned: Vec<BlobName> =
            state.known.iter().filter(|(_, known)| known.owners.contains(&account)).map(|(name, _)| *name).collect();
        owned.sort_unstable();
        for name in owned {
            let Some(mut known) = state.known.get(&name).cloned() else { continue };
            known.owners.retain(|owner| *owner != account);
            if known.owners.is_empty() {
                remove_if_there(&self.path(&name))?;
                state.remove(&name);
                batch.remove(Table::Blobs, keys::blob(&name));
            } else {
                put_row(batch, &name, &known);
                state.remove(&name);
                state.insert(name, known);
            }
        }
        let mut partial: Vec<BlobName> =
            state.partial.keys().filter(|(owner, _)| *owner == account).map(|(_, name)| *name).collect();
        partial.sort_unstable();
        for name in partial {
            remove_if_there(&self.partial_path(account, &name))?;
            state.end_partial(account, name);
        }
        Ok(())
    }

    /// Removes what has expired; the rows to be removed.
    fn expire(&self, now_ms: i64, ttl_ms: i64) -> Result<Batch, StoreError> {
        let mut batch = Batch::default();
        let mut state = self.state.lock();
        while let Some((_, name)) = state.by_expiry.first().copied().filter(|(expires_ms, _)| *expires_ms <= now_ms) {
            remove_if_there(&self.path(&name))?;
            state.remove(&name);
            batch.remove(Table::Blobs, keys::blob(&name));
        }
        let mut partial: Vec<_> = state.partial.iter().filter(|(_, one)| !one.is_open).map(|(key, _)| *key).collect();
        partial.sort_unstable();
        for (account, name) in partial {
            let path = self.partial_path(account, &name);
            let touched = fs::metadata(&path).and_then(|metadata| metadata.modified());
            let age = touched.ok().and_then(|touched| touched.elapsed().ok()).map_or(0, millis);
            if age > ttl_ms {
                remove_if_there(&path)?;
                state.end_partial(account, name);
            }
        }
        Ok(batch)
    }
}

fn put_row(batch: &mut Batch, name: &BlobName, known: &Known) {
    let (head, owners) = keys::blob_value(known);
    batch.put(Table::Blobs, keys::blob(name), head, owners);
}

fn remove_if_there(path: &Path) -> io::Result<()> {
    match fs::remove_file(path) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => Err(error),
        _ => Ok(()),
    }
}

/// Account and blob in the name of a file that is being uploaded.
fn parse_partial(file: &str) -> Option<(AccountId, BlobName)> {
    let (account, name) = file.split_once('-')?;
    let is_ours = account.len() == 8;
    let account = u32::from_str_radix(account, 16).ok().filter(|_| is_ours)?;
    Some((AccountId(account), BlobName::parse(name)?))
}

impl Store {
    /// What is known of a blob, if it is there.
    #[must_use]
    pub fn blob(&self, name: &BlobName) -> Option<BlobInfo> {
        self.shared().blobs.known(name, self.shared().clock.now_ms())
    }

    /// Where an account's upload of a blob has got to, if it has uploaded a part of it.
    ///
    /// # Errors
    /// The file cannot be read.
    pub fn blob_offset(&self, account: AccountId, name: &BlobName) -> Result<Option<u64>, StoreError> {
        match fs::metadata(self.shared().blobs.partial_path(account, name)) {
            Ok(metadata) => Ok(Some(metadata.len())),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
            Err(error) => Err(error.into()),
        }
    }

    /// Opens a blob for reading, if it is there.
    ///
    /// # Errors
    /// The file cannot be opened.
    pub async fn open_blob(&self, name: &BlobName) -> Result<Option<BlobFile>, StoreError> {
        let Some(info) = self.blob(name) else { return Ok(None) };
        let path = self.shared().blobs.path(name);
        blocking(move || match File::open(path) {
            Ok(file) => Ok(Some(BlobFile { info, file })),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
            Err(error) => Err(error.into()),
        })
        .await
    }

    /// Begins an upload, or goes on with one, at byte `offset` of `total`.
    ///
    /// # Errors
    /// The upload is not there, too much is wanted, or the file cannot be written.
    pub async fn put_blob(
        &self,
        account: AccountId,
        name: BlobName,
        offset: u64,
        total: u64,
    ) -> Result<BlobPut, BlobError> {
        let shared = Arc::clone(self.shared());
        if total > shared.limits.blob_bytes {
            return Err(BlobError::TooLarge);
        }
        if shared.blobs.known(&name, shared.clock.now_ms()).is_some() {
            return shared.renew_blob(account, name).await.map(BlobPut::There);
        }
        let begun = blocking(move || Ok(BlobUpload::begin(shared, account, name, offset, total))).await?;
        begun.map(BlobPut::Upload)
    }

    /// Removes the blobs that have expired.
    pub(crate) async fn expire_blobs(&self) -> Result<(), StoreError> {
        let shared = Arc::clone(self.shared());
        let batch = blocking(move || shared.blobs.expire(shared.clock.now_ms(), millis(shared.limits.blob_ttl)));
        self.shared().apply(batch.await?).await
    }
}

impl Shared {
    fn blob_expiry(&self) -> i64 {
        self.clock.now_ms().saturating_add(millis(self.limits.blob_ttl))
    }

    async fn renew_blob(&self, account: AccountId, name: BlobName) -> Result<BlobInfo, BlobError> {
        let mut batch = Batch::default();
        let known = {
            let expires_ms = self.blob_expiry();
            let quota = self.limits.blob_account_bytes;
            let known = self.blobs.state.lock().renew(name, account, quota, expires_ms).ok_or(BlobError::Quota)?;
            put_row(&mut batch, &name, &known);
            known
        };
        self.apply(batch).await?;
        Ok(BlobInfo { size: known.size, expires_ms: known.expires_ms })
    }
}

/// A blob on its way in. Dropped without [`finish`](Self::finish), it can be gone on with.
pub struct BlobUpload {
    shared: Arc<Shared>,
    account: AccountId,
    name: BlobName,
    total: u64,
    /// What has been written or waits in the buffer.
    offset: u64,
    waiting: Vec<u8>,
    /// Away while it is being written to.
    open: Option<Open>,
}

struct Open {
    file: File,
    hash: Sha256,
    written: u64,
}

impl Open {
    fn write(mut self, bytes: &[u8]) -> Result<Self, StoreError> {
        self.file.write_all(bytes)?;
        self.hash.update(bytes);
        self.written += bytes.len() as u64;
        Ok(self)
    }
}

impl BlobUpload {
    fn begin(
        shared: Arc<Shared>,
        account: AccountId,
        name: BlobName,
        offset: u64,
        total: u64,
    ) -> Result<Self, BlobError> {
        let path = shared.blobs.partial_path(account, &name);
        let so_far = {
            let mut state = shared.blobs.state.lock();
            let before = state.partial.get(&(account, name)).map_or(0, |partial| partial.reserved);
            if state.partial.get(&(account, name)).is_some_and(|partial| partial.is_open) {
                return Err(BlobError::Busy);
            }
            let used = state.used(account).saturating_sub(before);
            if used.saturating_add(total) > shared.limits.blob_account_bytes {
                return Err(BlobError::Quota);
            }
            let expected = match fs::metadata(&path) {
                Ok(metadata) => metadata.len(),
                Err(error) if error.kind() == io::ErrorKind::NotFound => 0,
                Err(error) => return Err(BlobError::Store(error.into())),
            };
            if offset != expected {
                return Err(BlobError::WrongOffset { expected });
            }
            state.take_back(account, before);
            state.give(account, total);
            let so_far = state.partial.remove(&(account, name)).and_then(|partial| partial.so_far);
            let partial = Partial { reserved: total, so_far: None, is_open: true };
            state.partial.insert((account, name), partial);
            so_far.filter(|(length, _)| *length == offset)
        };
        // From here on, dropping it lets others go on.
        let mut upload = Self { shared, account, name, total, offset, waiting: Vec::new(), open: None };
        upload.open = Some(open_partial(&path, offset, so_far)?);
        Ok(upload)
    }

    /// Takes the next bytes.
    ///
    /// # Errors
    /// There are more than was said, or they cannot be written.
    pub async fn write(&mut self, bytes: Bytes) -> Result<(), BlobError> {
        let offset = self.offset.saturating_add(bytes.len() as u64);
        if offset > self.total {
            return Err(BlobError::TooLarge);
        }
        self.offset = offset;
        self.waiting.extend_from_slice(&bytes);
        if self.waiting.len() >= CHUNK {
            self.flush().await?;
        }
        Ok(())
    }

    async fn flush(&mut self) -> Result<(), StoreError> {
        let bytes = std::mem::take(&mut self.waiting);
        let Some(open) = self.open.take() else { return Err(StoreError::Failed("an earlier write failed".into())) };
        self.open = Some(blocking(move || open.write(&bytes)).await?);
        Ok(())
    }

    /// Ends this part; if it was the last, verifies the whole and makes it durable.
    ///
    /// # Errors
    /// The hash is another, or the files cannot be written.
    pub async fn finish(mut self) -> Result<BlobProgress, BlobError> {
        self.flush().await?;
        if self.offset < self.total {
            return Ok(BlobProgress::Part { offset: self.offset });
        }
        let Some(open) = self.open.take() else { return Err(StoreError::Failed("it is closed".into()).into()) };
        let (shared, account, name) = (Arc::clone(&self.shared), self.account, self.name);
        let kept = blocking(move || Ok(keep(&shared, account, name, open))).await?;
        let known = kept?;
        let mut batch = Batch::default();
        put_row(&mut batch, &name, &known);
        self.shared.apply(batch).await?;
        Ok(BlobProgress::Whole(BlobInfo { size: known.size, expires_ms: known.expires_ms }))
    }
}

impl Drop for BlobUpload {
    fn drop(&mut self) {
        let mut state = self.shared.blobs.state.lock();
        if let Some(partial) = state.partial.get_mut(&(self.account, self.name)) {
            partial.is_open = false;
            partial.so_far = self.open.take().map(|open| (open.written, open.hash));
        }
    }
}

/// Opens what has been uploaded so far, and brings its hash up to date.
fn open_partial(path: &Path, offset: u64, so_far: Option<(u64, Sha256)>) -> Result<Open, StoreError> {
    let mut options = File::options();
    options.read(true).append(true).create(true);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    let mut file = options.open(path)?;
    let hash = match so_far {
        Some((_, hash)) => hash,
        None => {
            let mut hash = Sha256::new();
            let mut buffer = vec![0; CHUNK];
            loop {
                let read = file.read(&mut buffer)?;
                if read == 0 {
                    break;
                }
                hash.update(buffer.get(..read).unwrap_or_default());
            }
            hash
        }
    };
    Ok(Open { file, hash, written: offset })
}

/// Verifies a whole upload, makes it durable and gives it its name.
fn keep(shared: &Shared, account: AccountId, name: BlobName, open: Open) -> Result<Known, BlobError> {
    let blobs = &shared.blobs;
    let path = blobs.partial_path(account, &name);
    let Open { file, hash, written: size } = open;
    let is_good = <[u8; 32]>::from(hash.finalize()) == *name.as_hash();
    if is_good {
        file.sync_data().map_err(StoreError::from)?;
    }
    let mut state = blobs.state.lock();
    let has_account = shared.accounts.read().by_id(account).is_some();
    if !is_good || !has_account {
        remove_if_there(&path).map_err(StoreError::from)?;
        state.end_partial(account, name);
        return Err(if has_account { BlobError::WrongHash } else { StoreError::NoSuchAccount.into() });
    }
    fs::rename(&path, blobs.path(&name)).map_err(StoreError::from)?;
    File::open(&blobs.dir).and_then(|dir| dir.sync_all()).map_err(StoreError::from)?;
    state.end_partial(account, name);
    // Somebody else may have brought it meanwhile.
    let mut owners = state.known.get(&name).map(|known| known.owners.clone()).unwrap_or_default();
    owners.push(account);
    owners.sort_unstable();
    owners.dedup();
    state.remove(&name);
    let known = Known { size, expires_ms: shared.blob_expiry(), owners };
    state.insert(name, known.clone());
    Ok(known)
}
