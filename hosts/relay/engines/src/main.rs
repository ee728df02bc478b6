//! Measures embedded engines under the load of a relay's store: `cargo run --release -- DIR [fjall|redb|sqlite|log ...]`.
//! Each engine runs in a process of its own, so that memory and processor time are its own.

#[allow(dead_code)]
#[path = "../../src/engine/mod.rs"]
mod engine;
mod engines;

use std::collections::VecDeque;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::{Duration, Instant};

use engines::{Change, Engine, Fjall, Log, Outcome, Redb, Sqlite};

const MESSAGES: usize = 0;
const INBOXES: usize = 1;
const ACCOUNTS: usize = 2;
const NAMES: usize = 3;

/// How long each load runs.
const SPAN: Duration = Duration::from_secs(4);
/// What the sustained load writes, in messages of 1 KB.
const SUSTAINED: usize = 2_200_000;
/// How many of those wait before they are removed again.
const BACKLOG: usize = 300_000;

fn main() -> Outcome<()> {
    let mut arguments = std::env::args().skip(1);
    let dir = PathBuf::from(arguments.next().ok_or("which folder?")?);
    let names: Vec<String> = arguments.collect();
    if let [flag, name] = names.as_slice()
        && flag == "--one"
    {
        return match name.as_str() {
            "fjall" => measure::<Fjall>(name, &dir),
            "redb" => measure::<Redb>(name, &dir),
            "sqlite" => measure::<Sqlite>(name, &dir),
            _ => measure::<Log>(name, &dir),
        };
    }
    println!("| engine | load | messages/s | CPU us a message | commit p50 ms | p99 ms | p99.9 ms | longest ms |");
    println!("|---|---|---|---|---|---|---|---|");
    let all = ["log", "fjall", "redb", "sqlite"].map(String::from).to_vec();
    for name in if names.is_empty() { all } else { names } {
        Command::new(std::env::current_exe()?).arg(&dir).arg("--one").arg(name).status()?;
    }
    Ok(())
}

fn measure<E: Engine>(name: &str, dir: &Path) -> Outcome<()> {
    let dir = dir.join(name);
    std::fs::create_dir_all(&dir)?;
    let mut engine = E::open(&dir)?;
    let mut load = Load::default();
    for inboxes in [2000, 1] {
        for group in [1, 30, 300] {
            let mut row = Row::begin();
            while row.begun.elapsed() < SPAN {
                row.commit(&mut engine, &load.appends(group, inboxes), group)?;
            }
            row.end(name, &format!("append {group}, {inboxes} inboxes"));
        }
    }
    let mut row = Row::begin();
    while row.begun.elapsed() < SPAN {
        let removals = load.removals(300);
        for (_, key, _) in removals.iter().take(300).step_by(30) {
            engine.scan(MESSAGES, key, &[0xff; 12], 30)?;
        }
        row.commit(&mut engine, &removals, 300)?;
    }
    row.end(name, "read and remove 300");
    let mut row = Row::begin();
    let mut written = 0;
    while written < SUSTAINED {
        let mut changes = load.appends(100, 2000);
        if load.stored.len() > BACKLOG {
            changes.extend(load.removals(100));
        }
        row.commit(&mut engine, &changes, 100)?;
        written += 100;
    }
    row.end(name, "append 100 and remove 100, 2.2 GB");
    drop(engine);
    std::fs::remove_dir_all(&dir)?;
    std::fs::create_dir_all(&dir)?;
    accounts::<E>(name, &dir)?;
    std::fs::remove_dir_all(&dir)?;
    Ok(())
}

/// A million accounts, made, and read anew.
fn accounts<E: Engine>(name: &str, dir: &Path) -> Outcome<()> {
    let begun = Instant::now();
    let value = [7; 100];
    let mut engine = E::open(dir)?;
    for group in 0..1000_u32 {
        let mut changes: Vec<Change<'_>> = Vec::new();
        for id in group * 1000..(group + 1) * 1000 {
            changes.push((ACCOUNTS, id.to_be_bytes().to_vec(), Some(&value)));
            let mixed = id.wrapping_mul(2_654_435_761);
            changes.push((NAMES, format!("agent-{mixed:08x}").into_bytes(), Some(&value[..4])));
        }
        engine.commit(&changes)?;
    }
    drop(engine);
    let made = begun.elapsed();
    let before = resident_mb();
    let begun = Instant::now();
    let mut engine = E::open(dir)?;
    let (mut first, mut count) = (vec![0; 4], 0);
    loop {
        let rows = engine.scan(ACCOUNTS, &first, &[0xff; 5], 10_000)?;
        let Some((last, _)) = rows.last() else { break };
        first.clone_from(last);
        first.push(0);
        count += rows.len();
    }
    let (read, after) = (begun.elapsed(), resident_mb());
    println!(
        "{name}: {count} accounts made in {made:.1?}, opened and read in {read:.2?}, resident {before} MB, then {after} MB"
    );
    Ok(())
}

/// What has been stored and not removed.
#[derive(Default)]
struct Load {
    next: Vec<u64>,
    stored: VecDeque<Vec<u8>>,
    turn: usize,
}

static PAYLOAD: [u8; 1024] = {
    let mut payload = [0; 1024];
    let (mut at, mut state) = (0, 12_345_u32);
    while at < 1024 {
        state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        payload[at] = (state >> 24) as u8;
        at += 1;
    }
    payload
};

impl Load {
    fn appends(&mut self, group: usize, inboxes: usize) -> Vec<Change<'static>> {
        self.next.resize(2000, 1);
        let mut changes: Vec<Change<'static>> = Vec::with_capacity(group * 2);
        for _ in 0..group {
            self.turn = (self.turn + 997) % 2000;
            let inbox = self.turn % inboxes;
            let mut key = (inbox as u32).to_be_bytes().to_vec();
            key.extend(self.next[inbox].to_be_bytes());
            self.next[inbox] += 1;
            self.stored.push_back(key.clone());
            changes.push((MESSAGES, key, Some(&PAYLOAD)));
            changes.push((INBOXES, (inbox as u32).to_be_bytes().to_vec(), Some(&PAYLOAD[..36])));
        }
        // One row for each inbox.
        if inboxes == 1 {
            changes.dedup_by(|one, other| one.0 == INBOXES && other.0 == INBOXES);
            let last = changes.pop();
            changes.retain(|change| change.0 != INBOXES);
            changes.extend(last);
        }
        changes
    }

    fn removals(&mut self, group: usize) -> Vec<Change<'static>> {
        let count = group.min(self.stored.len());
        self.stored.drain(..count).map(|key| (MESSAGES, key, None)).collect()
    }
}

/// One row of the table.
struct Row {
    begun: Instant,
    cpu: Duration,
    messages: usize,
    commits: Vec<Duration>,
}

impl Row {
    fn begin() -> Self {
        Self { begun: Instant::now(), cpu: cpu(), messages: 0, commits: Vec::new() }
    }

    fn commit(&mut self, engine: &mut impl Engine, changes: &[Change<'_>], messages: usize) -> Outcome<()> {
        let begun = Instant::now();
        engine.commit(changes)?;
        self.commits.push(begun.elapsed());
        self.messages += messages;
        Ok(())
    }

    fn end(mut self, engine: &str, load: &str) {
        let rate = self.messages as f64 / self.begun.elapsed().as_secs_f64();
        let cpu = (cpu() - self.cpu).as_secs_f64() * 1e6 / self.messages as f64;
        self.commits.sort();
        let ms = |part: f64| {
            let at = ((self.commits.len() - 1) as f64 * part) as usize;
            self.commits[at].as_secs_f64() * 1e3
        };
        let (half, most, nearly, all) = (ms(0.5), ms(0.99), ms(0.999), ms(1.0));
        println!("| {engine} | {load} | {rate:.0} | {cpu:.1} | {half:.2} | {most:.2} | {nearly:.2} | {all:.0} |");
    }
}

/// Processor time of this process.
fn cpu() -> Duration {
    let stat = std::fs::read_to_string("/proc/self/stat").unwrap_or_default();
    let fields: Vec<u64> =
        stat.rsplit(')').next().unwrap_or("").split_whitespace().map(|field| field.parse().unwrap_or(0)).collect();
    let ticks = fields.get(11).unwrap_or(&0) + fields.get(12).unwrap_or(&0);
    Duration::from_millis(ticks * 10)
}

fn resident_mb() -> u64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:"));
    line.and_then(|line| line.trim().trim_end_matches(" kB").parse::<u64>().ok()).unwrap_or(0) / 1024
}
