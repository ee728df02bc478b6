//! Makes a store of many accounts, then measures how long it takes to open and how much memory it needs:
//! `cargo run --release --example accounts -- DIR [COUNT]`.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::print_stdout)]

use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Instant;

use azall_relay::options::StoreLimits;
use azall_relay::store::{AgentName, Store};

/// How many are registered at once.
const AT_ONCE: usize = 1000;

fn main() {
    let mut arguments = std::env::args().skip(1);
    let dir = PathBuf::from(arguments.next().expect("which folder?"));
    let count: usize = arguments.next().map_or(1_000_000, |count| count.parse().expect("how many?"));
    if std::env::var_os("AZALL_EXAMPLE_OPEN").is_some() {
        return open(&dir);
    }
    let begun = Instant::now();
    tokio::runtime::Builder::new_multi_thread().enable_all().build().expect("a runtime").block_on(make(&dir, count));
    println!("{count} accounts made in {:.1?}", begun.elapsed());
    // Another process, whose memory is that of the open store alone.
    let program = std::env::current_exe().expect("this program");
    Command::new(program).arg(&dir).env("AZALL_EXAMPLE_OPEN", "1").status().expect("it runs");
}

async fn make(dir: &Path, count: usize) {
    let store = Store::open(dir, StoreLimits::default()).expect("a store");
    for first in (0..count).step_by(AT_ONCE) {
        let tasks: Vec<_> = (first..count.min(first + AT_ONCE))
            .map(|number| {
                let store = store.clone();
                let name = AgentName::parse(&format!("agent-number-{number:07}")).expect("a name");
                let key = (number % 2 == 0).then_some([7; 32]);
                tokio::spawn(async move { store.register(name, key).await })
            })
            .collect();
        for task in tasks {
            task.await.expect("it runs").expect("an account");
        }
    }
    store.close().await;
}

fn open(dir: &Path) {
    let begun = Instant::now();
    let store = Store::open(dir, StoreLimits::default()).expect("a store");
    let opened = begun.elapsed();
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let resident: Vec<&str> =
        status.lines().filter(|line| line.starts_with("VmRSS") || line.starts_with("VmHWM")).collect();
    println!("opened in {opened:.2?}: {} accounts; {}", store.facts().accounts, resident.join(", ").replace('\t', " "));
    let begun = Instant::now();
    let agents = store.agents(None, 1000).expect("the first agents");
    println!("the first {} agents in the order of their names in {:.2?}", agents.len(), begun.elapsed());
}
