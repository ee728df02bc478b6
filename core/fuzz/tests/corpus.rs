//! Replays every target's corpus, so that what fuzzing once found stays fixed, and so that the targets still hold
//! where nobody fuzzes.

use std::collections::BTreeSet;
use std::path::PathBuf;

use azall_fuzz::TARGETS;

/// The entries of a folder beside the manifest, where tests run, in order.
fn entries(folder: &str) -> Vec<PathBuf> {
    let mut found: Vec<PathBuf> = std::fs::read_dir(folder)
        .unwrap_or_else(|error| panic!("cannot list {folder}: {error}"))
        .map(|entry| entry.expect("an entry").path())
        .collect();
    found.sort();
    found
}

fn stems(folder: &str) -> BTreeSet<String> {
    entries(folder).iter().filter_map(|path| Some(path.file_stem()?.to_str()?.to_owned())).collect()
}

#[test]
fn every_corpus_holds() {
    for (name, run) in TARGETS {
        let inputs = entries(&format!("corpus/{name}"));
        assert!(!inputs.is_empty(), "the corpus of {name} is empty");
        for input in inputs {
            let bytes = std::fs::read(&input).unwrap_or_else(|error| panic!("{}: {error}", input.display()));
            println!("{}", input.display());
            run(&bytes);
        }
    }
}

#[test]
fn every_target_has_a_corpus_and_a_binary() {
    let names: BTreeSet<String> = TARGETS.iter().map(|(name, _)| (*name).to_owned()).collect();
    assert_eq!(stems("corpus"), names);
    assert_eq!(stems("fuzz_targets"), names);
    let manifest = include_str!("../Cargo.toml");
    for name in names {
        assert!(manifest.contains(&format!("name = \"{name}\"\npath = \"fuzz_targets/{name}.rs\"")), "{name}");
    }
}

#[test]
fn a_megabyte_of_anything_is_taken() {
    let megabytes = azall_fuzz::hostile::patterns(1_000_000);
    // What refuses a megabyte unread is fed what it takes.
    let halves = azall_fuzz::hostile::patterns(500_000);
    let next = std::sync::atomic::AtomicUsize::new(0);
    let work = || {
        while let Some((name, run)) = TARGETS.get(next.fetch_add(1, std::sync::atomic::Ordering::Relaxed)) {
            let inputs = if matches!(*name, "config" | "key_files") { &halves } else { &megabytes };
            for (pattern, input) in inputs {
                // What is quadratic takes minutes: the last line tells what. How long each takes: `--example parse_times`.
                println!("{name} on {}", pattern.chars().take(80).collect::<String>());
                run(input);
            }
        }
    };
    std::thread::scope(|scope| {
        for _ in 0..std::thread::available_parallelism().map_or(1, usize::from) {
            scope.spawn(work);
        }
    });
}
