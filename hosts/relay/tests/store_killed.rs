//! A process that stores messages is killed at random moments: what it had been told is stored is there, once.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing)]
#![allow(missing_docs)]

use std::collections::BTreeMap;
use std::io::{BufRead, BufReader, Write};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::Duration;

use azall_relay::options::StoreLimits;
use azall_relay::store::{AgentName, Cursor, IdempotencyKey, Outgoing, Store};
use bytes::Bytes;

/// How often it is killed.
const KILLS: u64 = 50;
/// Where the process that is killed finds its store.
const DIR: &str = "AZALL_RELAY_TEST_STORE";
/// Which life of it this is.
const LIFE: &str = "AZALL_RELAY_TEST_LIFE";
/// Who sends.
const TASKS: usize = 16;

fn limits() -> StoreLimits {
    StoreLimits { inbox_bytes: 1 << 30, inbox_messages: 1_000_000, ..StoreLimits::default() }
}

fn name(text: &str) -> AgentName {
    AgentName::parse(text).unwrap()
}

/// Not a test by itself: the process that is killed. It tells what was stored and what was removed, after it was.
#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn the_process_that_is_killed() {
    let Some(dir) = std::env::var_os(DIR) else { return };
    let life = std::env::var(LIFE).unwrap();
    let store = Store::open(&PathBuf::from(dir), limits()).unwrap();
    let sender = store.agent(&name("sender")).unwrap().id;
    let tasks: Vec<_> = (0..TASKS)
        .map(|task| {
            let (store, life) = (store.clone(), life.clone());
            tokio::spawn(async move {
                let reader = store.agent(&name(&format!("reader-{}", task % 4))).unwrap().id;
                for number in 0.. {
                    let text = format!("{life}.{task}.{number}");
                    let payload = Bytes::from(format!("{text} {}", "x".repeat(number * 37 % 3000)));
                    let idempotency_key = Some(IdempotencyKey::parse(&text).unwrap());
                    let outgoing = Outgoing { to: vec![Ok(reader)], payload, idempotency_key };
                    assert!(store.append(sender, vec![outgoing]).await.unwrap()[0][0].is_ok());
                    say(&format!("stored {text}"));
                    if number % 7 == 0 {
                        let lease = store.lease(reader, 3, 1 << 20).await.unwrap();
                        let texts: Vec<String> = lease.messages.iter().map(|one| first_word(&one.payload)).collect();
                        say(&format!("removing {}", texts.join(" ")));
                        lease.delivered().await.unwrap();
                        say(&format!("removed {}", texts.join(" ")));
                    }
                }
            })
        })
        .collect();
    for task in tasks {
        task.await.unwrap();
    }
}

/// One write, so that a line is there as a whole or not at all.
fn say(line: &str) {
    let mut out = std::io::stderr().lock();
    out.write_all(format!("said: {line}\n").as_bytes()).unwrap();
}

fn first_word(payload: &[u8]) -> String {
    String::from_utf8_lossy(payload).split(' ').next().unwrap_or_default().to_owned()
}

/// What is known of a message.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Fate {
    Stored,
    /// It may be there or not.
    Removing,
    Removed,
}

/// Runs the process for a while, kills it, and notes what it said.
fn live(dir: &Path, life: u64, fates: &mut BTreeMap<String, Fate>) {
    let mut child = Command::new(std::env::current_exe().unwrap())
        .args(["--exact", "the_process_that_is_killed", "--nocapture"])
        .env(DIR, dir)
        .env(LIFE, life.to_string())
        .stderr(Stdio::piped())
        .stdout(Stdio::null())
        .spawn()
        .unwrap();
    let said = BufReader::new(child.stderr.take().unwrap());
    let (first, begun) = std::sync::mpsc::channel();
    let reader = std::thread::spawn(move || {
        let mut lines = Vec::new();
        for line in said.lines() {
            let Ok(line) = line else { break };
            if let Some(line) = line.strip_prefix("said: ") {
                let _ = first.send(());
                lines.push(line.to_owned());
            } else {
                eprintln!("{line}");
            }
        }
        lines
    });
    begun.recv().expect("it should store something");
    std::thread::sleep(Duration::from_micros(life * 7919 % 60_000));
    child.kill().unwrap();
    child.wait().unwrap();
    for line in reader.join().unwrap() {
        let (word, texts) = line.split_once(' ').unwrap();
        for text in texts.split_whitespace() {
            let fate = match word {
                "stored" => Fate::Stored,
                "removing" => Fate::Removing,
                _ => Fate::Removed,
            };
            // Who stores is told later than who removes finds it, now and then.
            let known = fates.entry(text.to_owned()).or_insert(fate);
            if (*known as u8) < fate as u8 {
                *known = fate;
            }
        }
    }
}

#[tokio::test]
async fn what_was_acknowledged_is_there_once() {
    let dir = tempfile::tempdir().unwrap();
    let store = Store::open(dir.path(), limits()).unwrap();
    store.register(name("sender"), None).await.unwrap();
    for reader in 0..4 {
        store.register(name(&format!("reader-{reader}")), None).await.unwrap();
    }
    store.close().await;
    let mut fates = BTreeMap::new();
    for life in 0..KILLS {
        live(dir.path(), life, &mut fates);
        let store = Store::open(dir.path(), limits()).unwrap();
        let mut found: BTreeMap<String, usize> = BTreeMap::new();
        let (mut messages, mut bytes) = (0, 0);
        for reader in 0..4 {
            let account = store.agent(&name(&format!("reader-{reader}"))).unwrap().id;
            let mut after: Option<Cursor> = None;
            loop {
                let page = store.page(account, after, 1000, usize::MAX).await.unwrap();
                let Some(last) = page.messages.last() else { break };
                after = Some(last.cursor);
                for one in &page.messages {
                    (messages, bytes) = (messages + 1, bytes + one.payload.len() as u64);
                    *found.entry(first_word(&one.payload)).or_default() += 1;
                }
            }
        }
        assert_eq!((store.facts().messages, store.facts().message_bytes), (messages, bytes));
        assert!(found.values().all(|count| *count == 1), "something is there twice");
        for (text, fate) in &mut fates {
            match fate {
                Fate::Stored => assert!(found.contains_key(text), "{text} is lost"),
                Fate::Removed => assert!(!found.contains_key(text), "{text} is back"),
                // Now it is known.
                Fate::Removing if found.contains_key(text) => *fate = Fate::Stored,
                Fate::Removing => *fate = Fate::Removed,
            }
        }
        store.close().await;
    }
    let stored = fates.len();
    println!("{stored} messages acknowledged in {KILLS} lives");
    assert!(stored > 1000);
}
