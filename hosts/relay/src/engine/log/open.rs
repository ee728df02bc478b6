//! Opening a log: all of it is read and verified.

use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU32, AtomicU64, Ordering};

use parking_lot::{Condvar, Mutex, RwLock};

use super::record::{self, HEADER, Header, Next};
use super::segment::{self, Segment};
use super::{Active, Inner, SEGMENT_BYTES, SPARE, Tables, Wake};
use crate::engine::EngineError;

fn corrupt(text: String) -> EngineError {
    EngineError::Corrupt(text.into())
}

pub(super) fn open(dir: &Path) -> Result<Inner, EngineError> {
    let mut tables = Tables::default();
    // Nothing is removed before everything is seen to be right.
    let (numbers, mut leftovers) = list(dir)?;
    let mut last = 0;
    let mut slot = 0;
    for (at, &number) in numbers.iter().enumerate() {
        let path = segment::path(dir, number);
        if number <= last {
            // An earlier one stands for it: its removal was cut off.
            leftovers.push(path);
            continue;
        }
        if number != last + 1 {
            return Err(corrupt(format!("{} is missing", segment::path(dir, last + 1).display())));
        }
        let is_last = at + 1 == numbers.len();
        if let Some(segment) = load(&mut tables, &path, number, slot, is_last)? {
            last = segment.header.last;
            slot += 1;
        }
    }
    leftovers.iter().try_for_each(fs::remove_file)?;
    begin(dir, tables, last + 1, slot)
}

/// The numbers of the segments in a folder, in order, and what was cut off while it was made.
fn list(dir: &Path) -> Result<(Vec<u64>, Vec<PathBuf>), EngineError> {
    let (mut numbers, mut leftovers) = (Vec::new(), Vec::new());
    for entry in fs::read_dir(dir)? {
        let entry = entry?;
        let name = entry.file_name();
        match name.to_str() {
            Some(SPARE | segment::NEW) => leftovers.push(entry.path()),
            Some(name) if segment::number(name).is_some() => numbers.extend(segment::number(name)),
            _ => return Err(corrupt(format!("{} does not belong here", entry.path().display()))),
        }
    }
    numbers.sort_unstable();
    Ok((numbers, leftovers))
}

/// Reads a segment. `None` if it is the last one and was cut off before it held anything.
fn load(
    tables: &mut Tables,
    path: &Path,
    number: u64,
    slot: u32,
    is_last: bool,
) -> Result<Option<Arc<Segment>>, EngineError> {
    let bytes = fs::read(path)?;
    let header = match Header::read(&bytes) {
        Some(header) if header.first == number => header,
        _ if is_last && bytes.iter().all(|byte| *byte == 0) => {
            fs::remove_file(path)?;
            return Ok(None);
        }
        _ => return Err(corrupt(format!("{} does not begin as it should", path.display()))),
    };
    let file = fs::File::options().read(true).write(true).open(path)?;
    let segment = Arc::new(Segment::new(slot, header, path.to_owned(), file));
    tables.add(&segment);
    let mut at = HEADER;
    loop {
        match record::next(header.salt, &bytes, at) {
            Next::Frame(records, end) => {
                for record in records {
                    let record = record?;
                    let value = record.value.map(|(at, value)| (at, value.len()));
                    tables.set(&segment, record.table, record.key, value)?;
                }
                at = end;
            }
            Next::End => break,
            Next::Broken if is_last && !record::has_frame_after(header.salt, &bytes, at) => {
                let path = path.display();
                tracing::warn!(%path, at, "the last commit was cut off before it was acknowledged; it is taken away");
                break;
            }
            Next::Broken => return Err(corrupt(format!("{} is damaged at byte {at}", path.display()))),
        }
    }
    segment.length.store(at as u64, Ordering::Relaxed);
    if bytes.len() != at {
        segment.file.set_len(at as u64)?;
        segment.file.sync_all()?;
    }
    Ok(Some(segment))
}

/// Goes on in a new segment.
fn begin(dir: &Path, tables: Tables, number: u64, next_slot: u32) -> Result<Inner, EngineError> {
    let spare = dir.join(SPARE);
    segment::reserve(&spare, SEGMENT_BYTES)?;
    let segment = Arc::new(Segment::begin(dir, &spare, number, next_slot)?);
    let mut tables = tables;
    tables.add(&segment);
    Ok(Inner {
        dir: dir.to_owned(),
        tables: RwLock::new(tables),
        active: Mutex::new(Active { segment, buffer: Vec::new(), is_torn: false }),
        next_slot: AtomicU32::new(next_slot + 1),
        has_spare: AtomicBool::new(false),
        end: AtomicU64::new(SEGMENT_BYTES),
        purges: AtomicU64::new(0),
        cleaning: Mutex::new(0),
        wake: Mutex::new(Wake { is_closing: false, has_work: true }),
        woken: Condvar::new(),
    })
}
