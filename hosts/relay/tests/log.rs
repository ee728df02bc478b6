//! The engine on disk against a map, while it is cleaned and opened anew.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing)]
#![allow(missing_docs)]

use std::collections::BTreeMap;
use std::ops::ControlFlow;
use std::path::Path;

use azall_relay::engine::log::Log;
use azall_relay::engine::memory::Memory;
use azall_relay::engine::{Batch, Engine, Head, Key, Table};
use bytes::Bytes;
use proptest::prelude::*;

type Rows = BTreeMap<(Table, Vec<u8>), Vec<u8>>;

fn key(table: Table, number: u8) -> Vec<u8> {
    let length = match table {
        Table::Facts | Table::Names => 3 + usize::from(number % 4),
        Table::Accounts | Table::Inboxes => 4,
        Table::Messages => 12,
        Table::Idempotency => 24,
        _ => 32,
    };
    let mut key = vec![b'k'; length];
    key[length - 1] = number;
    key
}

/// All that an engine says it holds.
fn rows(engine: &dyn Engine) -> Rows {
    let mut rows = Rows::new();
    for table in Table::ALL {
        let before = rows.len();
        engine
            .scan(table, &[], &[0xff; 64], &mut |key, value| {
                assert!(rows.insert((table, key.to_vec()), value.to_vec()).is_none());
                ControlFlow::Continue(())
            })
            .unwrap();
        assert_eq!(engine.count(table), rows.len() - before);
    }
    rows
}

fn dumped(engine: &dyn Engine) -> Rows {
    let mut rows = Rows::new();
    engine
        .dump(&mut |table, key, value| {
            match value {
                Some(value) => rows.insert((table, key.to_vec()), value.to_vec()),
                None => rows.remove(&(table, key.to_vec())),
            };
            ControlFlow::Continue(())
        })
        .unwrap();
    rows
}

#[derive(Debug, Clone)]
enum Step {
    Commit(Vec<(u8, u8, Option<u16>)>),
    Purge,
    Reopen,
}

fn steps() -> impl Strategy<Value = Vec<Step>> {
    let change = (0..7_u8, 0..20_u8, prop::option::of(any::<u16>()));
    let step = prop_oneof![
        6 => prop::collection::vec(change, 1..20).prop_map(Step::Commit),
        1 => Just(Step::Purge),
        1 => Just(Step::Reopen),
    ];
    prop::collection::vec(step, 1..30)
}

fn play(steps: Vec<Step>, dir: Option<&Path>) {
    let open = || -> Box<dyn Engine> {
        match dir {
            Some(dir) => Box::new(Log::open(dir).unwrap()),
            None => Box::new(Memory::default()),
        }
    };
    let mut engine = open();
    let mut model = Rows::new();
    let mut serial = 0_u32;
    for step in steps {
        match step {
            Step::Commit(changes) => {
                let mut batch = Batch::default();
                for (table, number, length) in changes {
                    let table = Table::numbered(table).unwrap();
                    let key = key(table, number);
                    let short = Key::new().with(&key);
                    match length {
                        Some(length) => {
                            serial += 1;
                            let body = vec![length as u8; usize::from(length % 5000)];
                            let value = [&serial.to_le_bytes()[..], &body].concat();
                            batch.put(table, short, Head::new().with(&serial.to_le_bytes()), Bytes::from(body));
                            model.insert((table, key), value);
                        }
                        None => {
                            batch.remove(table, short);
                            model.remove(&(table, key));
                        }
                    }
                }
                engine.commit(batch).unwrap();
            }
            Step::Purge => engine.purge().unwrap(),
            Step::Reopen if dir.is_some() => {
                drop(engine);
                engine = open();
            }
            Step::Reopen => {}
        }
        assert!(rows(&*engine) == model);
        for ((table, key), value) in model.iter().step_by(5) {
            assert_eq!(engine.read(*table, key).unwrap().unwrap(), value);
        }
    }
    assert!(dumped(&*engine) == model);
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 24, ..ProptestConfig::default() })]

    #[test]
    fn the_log_is_as_a_map(steps in steps()) {
        let dir = tempfile::tempdir().unwrap();
        play(steps, Some(dir.path()));
    }

    #[test]
    fn the_memory_is_as_a_map(steps in steps()) {
        play(steps, None);
    }
}

/// Enough comes and goes for many segments: what is left on disk stays near what lives, and all of that is there.
#[test]
fn waste_is_taken_out_while_it_is_written() {
    let dir = tempfile::tempdir().unwrap();
    let log = Log::open(dir.path()).unwrap();
    let payload = Bytes::from(vec![b'x'; 64 << 10]);
    let put = |batch: &mut Batch, number: u64| {
        let key = Key::new().with(&[0; 4]).with(&number.to_be_bytes());
        batch.put(Table::Messages, key, Head::new().with(&number.to_le_bytes()), payload.clone());
    };
    let mut live: Vec<u64> = Vec::new();
    for group in 0..100_u64 {
        let mut batch = Batch::default();
        for number in group * 64..(group + 1) * 64 {
            put(&mut batch, number);
            // One of a hundred stays.
            if number % 100 == 0 {
                live.push(number);
            } else if number >= 200 {
                let old = number - 200;
                let key = Key::new().with(&[0; 4]).with(&old.to_be_bytes());
                if old % 100 != 0 {
                    batch.remove(Table::Messages, key);
                }
            }
        }
        log.commit(batch).unwrap();
    }
    let there = |log: &Log| {
        live.iter().all(|number| {
            let key = Key::new().with(&[0; 4]).with(&number.to_be_bytes());
            let value = log.read(Table::Messages, key.bytes()).unwrap();
            value.is_some_and(|value| value[..8] == number.to_le_bytes() && value[8..] == payload)
        })
    };
    assert!(there(&log));
    let size = || -> u64 {
        let files = std::fs::read_dir(dir.path()).unwrap();
        files.map(|file| file.unwrap().metadata().unwrap().len()).sum()
    };
    // 400 MB were written; the segment that is written to and the spare are 128 MB.
    let mut tries = 0;
    while size() > 230 << 20 {
        tries += 1;
        assert!(tries < 600, "{} MB are left", size() >> 20);
        std::thread::sleep(std::time::Duration::from_millis(100));
    }
    assert!(there(&log));
    let count = log.count(Table::Messages);
    drop(log);
    let log = Log::open(dir.path()).unwrap();
    assert_eq!(log.count(Table::Messages), count);
    assert!(there(&log));
}
