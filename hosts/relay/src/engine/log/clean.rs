//! Taking waste out of the log: what lives in segments that are mostly waste is copied together into one that takes their
//! place.
//!
//! That something was removed need be said only as long as an older segment holds what was removed. Once nothing dead is
//! left in all older segments, such records are left out as well.

use std::fs::{self, File};
use std::os::unix::fs::{FileExt, OpenOptionsExt};
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};

use super::index::Place;
use super::record::{self, HEADER, Header, Next};
use super::segment::{self, Segment};
use super::{Inner, SEGMENT_BYTES};
use crate::engine::{EngineError, Table};

/// Copied frames are as long as this, and made durable one by one, so that commits in between do not wait for long.
const FRAME_BYTES: usize = 1 << 20;
/// Segments smaller than this are put together even if there is no waste in them,
const SMALL_BYTES: u64 = 4 << 20;
/// when there are so many in a row.
const SMALL_SEGMENTS: usize = 8;
/// So much of what is in the log may say that something was removed, beyond a half of what lives.
const REMOVALS_BYTES: u64 = 64 << 20;
/// The places of so many values are changed at once.
const SHIFTED: usize = 1000;
/// How long the cleaner sleeps if nobody wakes it.
const IDLE: Duration = Duration::from_secs(5);

/// A value that has been copied.
struct Moved {
    table: Table,
    key: Box<[u8]>,
    from: Place,
    to: Place,
}

impl Inner {
    /// The cleaner's thread.
    pub(super) fn clean_up(&self) {
        loop {
            {
                let mut wake = self.wake.lock();
                if !wake.has_work && !wake.is_closing {
                    self.woken.wait_for(&mut wake, IDLE);
                }
                if wake.is_closing {
                    return;
                }
                wake.has_work = false;
            }
            // The spare comes first, as a commit may need it soon; without room for it, cleaning makes some.
            let spare = self.make_spare();
            let cleaned = self.clean();
            if let Err(error) = cleaned.and_then(|()| spare.or_else(|_| self.make_spare())) {
                tracing::warn!(%error, "the log could not be cleaned up; it will be tried again");
            }
        }
    }

    /// Segments that are not written to, oldest first.
    fn sealed(&self) -> Vec<Arc<Segment>> {
        let open = self.active.lock().segment.header.first;
        self.tables.read().ordered.range(..open).map(|(_, segment)| Arc::clone(segment)).collect()
    }

    /// Cleans as long as it is worth it.
    fn clean(&self) -> Result<(), EngineError> {
        loop {
            let mut covered = self.cleaning.lock();
            let segments = self.sealed();
            let count = |of: &dyn Fn(&Segment) -> u64| segments.iter().map(|segment| of(segment)).sum::<u64>();
            let removals = count(&|segment| segment.removals.load(Ordering::Relaxed));
            if removals > REMOVALS_BYTES + count(&Segment::live) / 2 {
                self.clean_all(&segments, &mut covered)?;
                return Ok(());
            }
            let Some((group, are_removals_needed)) = worthwhile(&segments) else { return Ok(()) };
            if !self.copy(group, are_removals_needed)? {
                return Ok(());
            }
        }
    }

    /// See [`Engine::purge`](crate::engine::Engine::purge). One serves all who asked before it began.
    pub(super) fn purge(&self) -> Result<(), EngineError> {
        let asked = self.purges.fetch_add(1, Ordering::SeqCst) + 1;
        let mut covered = self.cleaning.lock();
        if *covered >= asked {
            return Ok(());
        }
        let asked = self.purges.load(Ordering::SeqCst);
        let segments = self.sealed_now()?;
        if self.clean_all(&segments, &mut covered)? {
            *covered = asked;
            return Ok(());
        }
        Err(EngineError::Failed("the store was closed".into()))
    }

    /// Leaves nothing in these segments, which are the oldest, of what was dead before. False if it was called off.
    fn clean_all(&self, segments: &[Arc<Segment>], _cleaning: &mut u64) -> Result<bool, EngineError> {
        let mut rest = segments;
        while let Some(first) = rest.iter().position(|segment| segment.has_waste()) {
            let from = rest.get(first..).unwrap_or_default();
            let (group, later) = from.split_at(fitting(from, |segment| segment.has_waste() || is_small(segment)));
            // All that is older holds nothing dead but what died since, and that is said in later segments.
            if !self.copy(group, false)? {
                return Ok(false);
            }
            rest = later;
        }
        Ok(true)
    }

    /// Copies what lives in these segments, which follow one another, into one that takes their place. False if it was
    /// called off.
    fn copy(&self, group: &[Arc<Segment>], are_removals_needed: bool) -> Result<bool, EngineError> {
        let (Some(first), Some(last)) = (group.first(), group.last()) else { return Ok(true) };
        let header = Header { first: first.header.first, last: last.header.last, salt: segment::salt()? };
        let path = self.dir.join(segment::NEW);
        let file = File::options().read(true).write(true).create(true).truncate(true).mode(0o600).open(&path)?;
        let slot = self.next_slot.fetch_add(1, Ordering::Relaxed);
        let new = Arc::new(Segment::new(slot, header, first.path.clone(), file));
        let copied = self.copy_into(&new, group, are_removals_needed);
        let Ok(Some(moved)) = copied else {
            let _ = fs::remove_file(&path);
            return copied.map(|_| false);
        };
        fs::rename(&path, &new.path)?;
        segment::sync_folder(&self.dir)?;
        self.exchange(group, &new, moved);
        for old in group.iter().skip(1) {
            fs::remove_file(&old.path)?;
        }
        segment::sync_folder(&self.dir)?;
        Ok(true)
    }

    /// What was copied; `None` if it was called off.
    fn copy_into(
        &self,
        new: &Segment,
        group: &[Arc<Segment>],
        are_removals_needed: bool,
    ) -> Result<Option<Vec<Moved>>, EngineError> {
        new.file.write_all_at(&new.header.bytes(), 0)?;
        let mut out = Frames { segment: new, buffer: Vec::new(), moved: Vec::new(), placed: 0, removals: 0 };
        for old in group {
            let bytes = old.read_all()?;
            let mut at = HEADER;
            while let Next::Frame(records, end) = record::next(old.header.salt, &bytes, at) {
                for record in records {
                    let record = record?;
                    match record.value {
                        Some((at, value)) => {
                            let from = place(old.slot, at, value.len())?;
                            if self.tables.read().index.get(record.table, record.key) == Some(from) {
                                out.put(record.table, record.key, value, from)?;
                            }
                        }
                        None if are_removals_needed => out.remove(record.table, record.key),
                        None => {}
                    }
                    if out.buffer.len() >= FRAME_BYTES {
                        let begun = Instant::now();
                        out.write()?;
                        if self.wake.lock().is_closing {
                            return Ok(None);
                        }
                        // Half of the time is for others.
                        std::thread::sleep(begun.elapsed());
                    }
                }
                at = end;
            }
            if at != bytes.len() {
                return Err(EngineError::Corrupt(format!("{} cannot be read", old.path.display()).into()));
            }
        }
        out.write()?;
        new.file.sync_all()?;
        new.removals.store(out.removals, Ordering::Relaxed);
        Ok(Some(out.moved))
    }

    /// Lets the values be found in the new segment instead of the old ones.
    fn exchange(&self, group: &[Arc<Segment>], new: &Arc<Segment>, moved: Vec<Moved>) {
        self.tables.write().slots.insert(new.slot, Arc::clone(new));
        for part in moved.chunks(SHIFTED) {
            let mut tables = self.tables.write();
            for Moved { table, key, from, to } in part {
                let bytes = key.len() as u64 + u64::from(to.length);
                if tables.index.shift(*table, key, *from, *to) {
                    new.live.fetch_add(bytes, Ordering::Relaxed);
                } else {
                    new.dead.fetch_add(bytes, Ordering::Relaxed);
                }
            }
        }
        let mut tables = self.tables.write();
        for old in group {
            tables.ordered.remove(&old.header.first);
            tables.slots.remove(&old.slot);
        }
        tables.ordered.insert(new.header.first, Arc::clone(new));
    }
}

fn place(slot: u32, at: usize, length: usize) -> Result<Place, EngineError> {
    let too_far = |_| EngineError::Failed("a segment is too large".into());
    Ok(Place { slot, at: u32::try_from(at).map_err(too_far)?, length: u32::try_from(length).map_err(too_far)? })
}

fn is_small(segment: &Segment) -> bool {
    segment.length() < SMALL_BYTES
}

/// How many of these, from the first on, are wanted and fit together into one.
fn fitting(segments: &[Arc<Segment>], is_wanted: impl Fn(&Segment) -> bool) -> usize {
    let mut live = 0;
    let fits = |segment: &&Arc<Segment>| {
        live += segment.live();
        is_wanted(segment) && live <= SEGMENT_BYTES
    };
    segments.iter().take_while(fits).count().max(1)
}

/// The oldest segments in a row that it is worth to clean, and whether it must still be said what was removed in them.
fn worthwhile(segments: &[Arc<Segment>]) -> Option<(&[Arc<Segment>], bool)> {
    let mut are_removals_needed = false;
    let mut rest = segments;
    while let Some(first) = rest.first() {
        let wasted = |segment: &Segment| {
            let removals = if are_removals_needed { 0 } else { segment.removals.load(Ordering::Relaxed) };
            segment.dead.load(Ordering::Relaxed) + removals
        };
        let is_wasteful = |segment: &Segment| wasted(segment) > segment.live();
        let (group, later) = rest.split_at(fitting(rest, |segment| is_wasteful(segment) || is_small(segment)));
        let wasteful = group.iter().any(|segment| is_wasteful(segment) && !is_small(segment));
        if wasteful || group.len() >= SMALL_SEGMENTS {
            return Some((group, are_removals_needed));
        }
        are_removals_needed |= first.dead.load(Ordering::Relaxed) > 0;
        are_removals_needed |= group.iter().any(|segment| segment.dead.load(Ordering::Relaxed) > 0);
        rest = later;
    }
    None
}

/// Frames on their way into a segment that is being made.
struct Frames<'a> {
    segment: &'a Segment,
    /// The frame that is being made, if any.
    buffer: Vec<u8>,
    moved: Vec<Moved>,
    /// How many of the moved are in frames that are written.
    placed: usize,
    removals: u64,
}

impl Frames<'_> {
    fn begin(&mut self) {
        if self.buffer.is_empty() {
            record::begin_frame(&mut self.buffer);
        }
    }

    fn put(&mut self, table: Table, key: &[u8], value: &[u8], from: Place) -> Result<(), EngineError> {
        self.begin();
        let at = record::put(&mut self.buffer, table, key, &[], value);
        let to = place(self.segment.slot, at, value.len())?;
        self.moved.push(Moved { table, key: key.into(), from, to });
        Ok(())
    }

    fn remove(&mut self, table: Table, key: &[u8]) {
        self.begin();
        record::remove(&mut self.buffer, table, key);
        self.removals += key.len() as u64;
    }

    /// Writes the frame that is being made.
    fn write(&mut self) -> Result<(), EngineError> {
        if self.buffer.is_empty() {
            return Ok(());
        }
        let begun = self.segment.length();
        record::end_frame(&mut self.buffer, 0, self.segment.header.salt)?;
        self.segment.file.write_all_at(&self.buffer, begun)?;
        self.segment.file.sync_data()?;
        let too_far = |_| EngineError::Failed("a segment is too large".into());
        let begun_at = u32::try_from(begun).map_err(too_far)?;
        for moved in self.moved.iter_mut().skip(self.placed) {
            moved.to.at = moved.to.at.checked_add(begun_at).ok_or(EngineError::Full)?;
        }
        self.placed = self.moved.len();
        self.segment.length.store(begun + self.buffer.len() as u64, Ordering::Relaxed);
        self.buffer.clear();
        Ok(())
    }
}
