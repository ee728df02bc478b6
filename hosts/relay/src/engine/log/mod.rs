//! An engine on disk: an append-only log in segments, and an index of it in memory.
//!
//! A commit is one frame, written with one call and made durable by one `fdatasync` into room that was reserved before.
//! Nothing is written twice, but what still lives in a segment most of which is dead: that is copied together with others
//! of its kind, in the background, and the old segments are removed (`clean`).
//!
//! The files are named by numbers that count up, and begin with the first one and the last one that they stand for, so that
//! a missing one is noticed. At the start all are read and verified. A frame that is cut off at the very end was never
//! acknowledged and is taken away; anything else that is not right is an error.

mod clean;
mod index;
mod open;
mod record;
mod segment;

use std::collections::{BTreeMap, HashMap};
use std::ops::ControlFlow;
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU32, AtomicU64, Ordering};
use std::thread::JoinHandle;

use bytes::Bytes;
use parking_lot::{Condvar, Mutex, RwLock};

use super::{Batch, Change, Dump, Engine, EngineError, Table, Visit};
use index::{Index, Place};
use record::{HEADER, Next};
use segment::Segment;

/// How much goes into a segment.
const SEGMENT_BYTES: u64 = 64 << 20;
/// So much room is kept for removals when the disk is full.
const KEPT_BYTES: u64 = 16 << 20;
/// The buffer for frames is given back when it has grown beyond this.
const BUFFER_BYTES: usize = 16 << 20;
/// A file with room for the next segment.
const SPARE: &str = "spare";
/// How many keys are looked up at once, at first and at most.
const SCANNED: (usize, usize) = (16, 1024);
/// So much is read at once at most, unless one value is larger.
const READ_BYTES: u64 = 1 << 20;

/// Tables in a log.
pub struct Log {
    inner: Arc<Inner>,
    cleaner: Mutex<Option<JoinHandle<()>>>,
}

struct Inner {
    dir: PathBuf,
    tables: RwLock<Tables>,
    active: Mutex<Active>,
    next_slot: AtomicU32,
    /// Whether there is a file with room for the next segment.
    has_spare: AtomicBool,
    /// Where the active segment will end.
    end: AtomicU64,
    /// How many asked for a purge, and for how many of them the last one was.
    purges: AtomicU64,
    cleaning: Mutex<u64>,
    wake: Mutex<Wake>,
    woken: Condvar,
}

/// What the cleaner is woken for.
#[derive(Default)]
struct Wake {
    is_closing: bool,
    has_work: bool,
}

/// Where everything lies.
#[derive(Default)]
struct Tables {
    index: Index,
    /// By their first number.
    ordered: BTreeMap<u64, Arc<Segment>>,
    slots: HashMap<u32, Arc<Segment>>,
}

/// The segment that is written to.
struct Active {
    segment: Arc<Segment>,
    buffer: Vec<u8>,
    /// Whether something that was not committed may lie after its last frame.
    is_torn: bool,
}

impl Tables {
    fn add(&mut self, segment: &Arc<Segment>) {
        self.slots.insert(segment.slot, Arc::clone(segment));
        self.ordered.insert(segment.header.first, Arc::clone(segment));
    }

    /// A value has come to lie somewhere, or has been removed by what is written in `segment`.
    fn set(
        &mut self,
        segment: &Segment,
        table: Table,
        key: &[u8],
        value: Option<(usize, usize)>,
    ) -> Result<(), EngineError> {
        let place = match value {
            None => {
                segment.removals.fetch_add(key.len() as u64, Ordering::Relaxed);
                None
            }
            Some((at, length)) => {
                segment.live.fetch_add((key.len() + length) as u64, Ordering::Relaxed);
                let too_far = |_| EngineError::Failed("a segment is too large".into());
                let (at, length) = (u32::try_from(at).map_err(too_far)?, u32::try_from(length).map_err(too_far)?);
                Some(Place { slot: segment.slot, at, length })
            }
        };
        if let Some(old) = self.index.set(table, key, place)?
            && let Some(segment) = self.slots.get(&old.slot)
        {
            segment.kill(key.len() as u64 + u64::from(old.length));
        }
        Ok(())
    }

    fn find(&self, table: Table, key: &[u8]) -> Option<(Arc<Segment>, Place)> {
        let place = self.index.get(table, key)?;
        Some((Arc::clone(self.slots.get(&place.slot)?), place))
    }
}

impl Log {
    /// Opens the log in a folder, or begins one.
    ///
    /// # Errors
    /// The files are damaged, or cannot be read or written.
    pub fn open(dir: &Path) -> Result<Self, EngineError> {
        let inner = Arc::new(open::open(dir)?);
        let cleaner = Arc::clone(&inner);
        let thread = std::thread::Builder::new().name("relay-cleaner".to_owned()).spawn(move || cleaner.clean_up())?;
        Ok(Self { inner, cleaner: Mutex::new(Some(thread)) })
    }
}

impl Drop for Log {
    fn drop(&mut self) {
        self.inner.wake.lock().is_closing = true;
        self.inner.woken.notify_all();
        if let Some(cleaner) = self.cleaner.lock().take() {
            let _ = cleaner.join();
        }
    }
}

impl Engine for Log {
    fn read(&self, table: Table, key: &[u8]) -> Result<Option<Bytes>, EngineError> {
        let found = self.inner.tables.read().find(table, key);
        Ok(match found {
            Some((segment, place)) => Some(segment.read(place.at, place.length)?.into()),
            None => None,
        })
    }

    fn scan(&self, table: Table, first: &[u8], last: &[u8], visit: Visit<'_>) -> Result<(), EngineError> {
        let (mut first, mut limit) = (first.to_vec(), SCANNED.0);
        loop {
            let found: Vec<_> = {
                let tables = self.inner.tables.read();
                let range = tables.index.range(table, &first, last, limit);
                range.into_iter().map(|(key, place)| (key, tables.slots.get(&place.slot).cloned(), place)).collect()
            };
            let mut rest = found.as_slice();
            while !rest.is_empty() {
                let (run, later) = rest.split_at(neighbours(rest));
                if read_run(run, visit)?.is_break() {
                    return Ok(());
                }
                rest = later;
            }
            let Some((key, ..)) = found.last().filter(|_| found.len() == limit) else { return Ok(()) };
            first.clone_from(key);
            first.push(0);
            limit = (limit * 4).min(SCANNED.1);
        }
    }

    fn count(&self, table: Table) -> usize {
        self.inner.tables.read().index.count(table)
    }

    fn commit(&self, batch: Batch) -> Result<(), EngineError> {
        if batch.changes.is_empty() {
            return Ok(());
        }
        self.inner.commit(&batch)
    }

    fn purge(&self) -> Result<(), EngineError> {
        self.inner.purge()
    }

    fn dump(&self, visit: Dump<'_>) -> Result<(), EngineError> {
        let segments = self.inner.sealed_now()?;
        for segment in segments {
            let bytes = segment.read_all()?;
            let mut at = HEADER;
            while let Next::Frame(records, end) = record::next(segment.header.salt, &bytes, at) {
                for record in records {
                    let record = record?;
                    if visit(record.table, record.key, record.value.map(|(_, value)| value)).is_break() {
                        return Ok(());
                    }
                }
                at = end;
            }
            if at != bytes.len() {
                return Err(EngineError::Corrupt(format!("{} cannot be read", segment.path.display()).into()));
            }
        }
        Ok(())
    }

    fn room(&self) -> Result<(), EngineError> {
        self.inner.room()
    }
}

/// A key, and where its value lies.
type Found = (Vec<u8>, Option<Arc<Segment>>, Place);

/// How many of these, from the first on, lie so close together that they are best read at once.
fn neighbours(found: &[Found]) -> usize {
    let Some((_, _, first)) = found.first() else { return 0 };
    let (mut end, mut wanted) = (first.at, 0_u64);
    let is_near = |(_, _, place): &&Found| {
        wanted += u64::from(place.length);
        let span = u64::from(place.at) + u64::from(place.length) - u64::from(first.at.min(place.at));
        let is_near = place.slot == first.slot && place.at >= end && span <= (wanted * 2).min(READ_BYTES);
        end = place.at.saturating_add(place.length);
        is_near
    };
    found.iter().take_while(is_near).count().max(1)
}

/// Reads what lies close together, and shows it.
fn read_run(run: &[Found], visit: Visit<'_>) -> Result<ControlFlow<()>, EngineError> {
    let (Some((_, segment, first)), Some((_, _, last))) = (run.first(), run.last()) else {
        return Ok(ControlFlow::Continue(()));
    };
    let segment = segment.as_ref().ok_or_else(|| EngineError::Corrupt("a segment is not there".into()))?;
    let bytes = Bytes::from(segment.read(first.at, last.at - first.at + last.length)?);
    for (key, _, place) in run {
        let at = (place.at - first.at) as usize;
        if visit(key, bytes.slice(at..at + place.length as usize)).is_break() {
            return Ok(ControlFlow::Break(()));
        }
    }
    Ok(ControlFlow::Continue(()))
}

impl Inner {
    fn commit(&self, batch: &Batch) -> Result<(), EngineError> {
        let mut active = self.active.lock();
        active.mend()?;
        let mut buffer = std::mem::take(&mut active.buffer);
        buffer.clear();
        let begun = record::begin_frame(&mut buffer);
        let places = record::encode(batch, &mut buffer);
        if active.segment.length() + buffer.len() as u64 > self.end.load(Ordering::Relaxed) {
            self.rotate(&mut active, buffer.len() as u64)?;
        }
        record::end_frame(&mut buffer, begun, active.segment.header.salt)?;
        let at = active.append(&buffer)?;
        buffer.shrink_to(BUFFER_BYTES);
        active.buffer = buffer;
        let at = usize::try_from(at).unwrap_or(usize::MAX);
        let mut tables = self.tables.write();
        for (change, place) in batch.changes.iter().zip(places) {
            let (table, key, value) = match change {
                Change::Put { table, key, head, body } => {
                    (*table, key, place.map(|place| (at.saturating_add(place), head.bytes().len() + body.len())))
                }
                Change::Remove { table, key } => (*table, key, None),
            };
            tables.set(&active.segment, table, key.bytes(), value)?;
        }
        Ok(())
    }

    /// Goes on in a new segment with room for a frame of so many bytes.
    fn rotate(&self, active: &mut Active, bytes: u64) -> Result<(), EngineError> {
        let room = SEGMENT_BYTES.max(bytes + HEADER as u64);
        let spare = self.dir.join(SPARE);
        if room > SEGMENT_BYTES || !self.has_spare.load(Ordering::Relaxed) {
            segment::reserve(&spare, room)?;
        }
        self.has_spare.store(false, Ordering::Relaxed);
        let old = &active.segment;
        old.file.set_len(old.length())?;
        old.file.sync_all()?;
        let slot = self.next_slot.fetch_add(1, Ordering::Relaxed);
        let segment = Arc::new(Segment::begin(&self.dir, &spare, old.header.last + 1, slot)?);
        self.tables.write().add(&segment);
        active.segment = segment;
        self.end.store(room, Ordering::Relaxed);
        self.wake_cleaner();
        Ok(())
    }

    fn wake_cleaner(&self) {
        self.wake.lock().has_work = true;
        self.woken.notify_all();
    }

    /// All segments, of which none is written to any more.
    fn sealed_now(&self) -> Result<Vec<Arc<Segment>>, EngineError> {
        let mut active = self.active.lock();
        active.mend()?;
        if active.segment.length() > HEADER as u64 {
            self.rotate(&mut active, 0)?;
        }
        let open = active.segment.header.first;
        Ok(self.tables.read().ordered.range(..open).map(|(_, segment)| Arc::clone(segment)).collect())
    }

    /// Makes sure that there is a file with room for the next segment.
    fn make_spare(&self) -> Result<(), EngineError> {
        let _active = self.active.lock();
        if !self.has_spare.load(Ordering::Relaxed) {
            segment::reserve(&self.dir.join(SPARE), SEGMENT_BYTES)?;
            self.has_spare.store(true, Ordering::Relaxed);
        }
        Ok(())
    }

    fn room(&self) -> Result<(), EngineError> {
        if self.has_spare.load(Ordering::Relaxed) {
            return Ok(());
        }
        let left = {
            let active = self.active.lock();
            self.end.load(Ordering::Relaxed).saturating_sub(active.segment.length())
        };
        if left >= KEPT_BYTES {
            return Ok(());
        }
        self.make_spare().inspect_err(|_| self.wake_cleaner())
    }
}

impl Active {
    /// Writes a frame; where it begins.
    fn append(&mut self, frame: &[u8]) -> Result<u64, EngineError> {
        let at = self.segment.length();
        let written = self.segment.file.write_all_at(frame, at).and_then(|()| self.segment.file.sync_data());
        if let Err(error) = written {
            self.is_torn = true;
            // Now, or before the next commit.
            let _ = self.mend();
            return Err(error.into());
        }
        self.segment.length.store(at + frame.len() as u64, Ordering::Relaxed);
        Ok(at)
    }

    /// Takes away what a commit that failed may have left.
    fn mend(&mut self) -> Result<(), EngineError> {
        if self.is_torn {
            let length = self.segment.file.metadata()?.len();
            self.segment.file.set_len(self.segment.length())?;
            // Zeros again, up to where it will end.
            self.segment.file.set_len(length)?;
            self.segment.file.sync_all()?;
            self.is_torn = false;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::super::{Head, Key};
    use super::*;

    fn put(name: &[u8]) -> Batch {
        let mut batch = Batch::default();
        batch.put(Table::Names, Key::new().with(name), Head::new(), Bytes::from_static(b"value"));
        batch
    }

    #[test]
    fn a_commit_that_fails_has_not_happened() {
        let dir = tempfile::tempdir().unwrap();
        let log = Log::open(dir.path()).unwrap();
        log.commit(put(b"anna")).unwrap();
        let good = Arc::clone(&log.inner.active.lock().segment);
        let read_only = std::fs::File::open(&good.path).unwrap();
        let bad = Segment::new(good.slot, good.header, good.path.clone(), read_only);
        bad.length.store(good.length(), Ordering::Relaxed);
        log.inner.active.lock().segment = Arc::new(bad);
        for _ in 0..2 {
            assert!(log.commit(put(b"ben")).is_err());
            assert!(log.dump(&mut |_, _, _| ControlFlow::Continue(())).is_err());
        }
        assert_eq!(log.read(Table::Names, b"ben").unwrap(), None);
        // Some of it may have got to the disk.
        good.file.write_all_at(b"fRa1 and half of a commit that is longer than the next one", good.length()).unwrap();
        log.inner.active.lock().segment = good;
        log.commit(put(b"carl")).unwrap();
        drop(log);
        let log = Log::open(dir.path()).unwrap();
        let there = |name: &[u8]| log.read(Table::Names, name).unwrap().is_some();
        assert!(there(b"anna") && !there(b"ben") && there(b"carl"));
    }
}
