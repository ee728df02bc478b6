//! Measures the store alone: `cargo run --release --example appends -- DIR [PART OF A
//! LOAD'S NAME]`. Messages of 1 KB, durable.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::print_stdout, clippy::indexing_slicing)]

use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use azall_relay::options::StoreLimits;
use azall_relay::store::{AccountId, AgentName, Outgoing, Store};
use bytes::Bytes;

/// How many inboxes there are.
const INBOXES: usize = 2000;
/// How long each load runs.
const SPAN: Duration = Duration::from_secs(5);

/// Who sends what.
#[derive(Clone, Copy)]
struct Load {
    name: &'static str,
    tasks: usize,
    /// Messages in a request.
    batch: usize,
    inboxes: usize,
    /// How long a task waits between requests.
    pause: Duration,
    /// Whether what was stored is removed again.
    is_read: bool,
    span: Duration,
}

#[tokio::main(flavor = "multi_thread", worker_threads = 2)]
async fn main() {
    let dir = PathBuf::from(std::env::args().nth(1).expect("which folder?"));
    let limits = StoreLimits { inbox_bytes: u64::MAX, inbox_messages: u32::MAX, ..StoreLimits::default() };
    let store = Store::open(&dir, limits).expect("a store");
    let mut accounts = Vec::new();
    for number in 0..INBOXES {
        let name = AgentName::parse(&format!("agent-{number}")).expect("a name");
        accounts.push(match store.agent(&name) {
            Some(agent) => agent.id,
            None => store.register(name, None).await.expect("an account").account,
        });
    }
    let accounts: Arc<[AccountId]> = accounts.into();
    println!("| load | messages/s | messages a commit | CPU us a message | p50 ms | p99 ms | p99.9 ms | longest ms |");
    println!("|---|---|---|---|---|---|---|---|");
    let one = Load {
        name: "1 task, 1 a request",
        tasks: 1,
        batch: 1,
        inboxes: INBOXES,
        pause: Duration::ZERO,
        is_read: true,
        span: SPAN,
    };
    let loads = [
        one,
        Load { name: "256 tasks, 1 a request", tasks: 256, ..one },
        Load { name: "256 tasks, 1 a request, one inbox", tasks: 256, inboxes: 1, is_read: false, ..one },
        Load { name: "16 tasks, 100 a request", tasks: 16, batch: 100, ..one },
        Load { name: "16 tasks, 100 a request, nothing removed", tasks: 16, batch: 100, is_read: false, ..one },
        Load {
            name: "256 tasks, 1 a request, paced, 60 s",
            tasks: 256,
            pause: Duration::from_millis(8),
            span: Duration::from_secs(60),
            ..one
        },
        Load { name: "16 tasks, 100 a request, 60 s", tasks: 16, batch: 100, span: Duration::from_secs(60), ..one },
    ];
    let wanted = std::env::args().nth(2).unwrap_or_default();
    for load in loads.into_iter().filter(|load| load.name.contains(&wanted)) {
        run(&store, &accounts, load).await;
    }
}

async fn run(store: &Store, accounts: &Arc<[AccountId]>, load: Load) {
    let is_over = Arc::new(AtomicBool::new(false));
    let (begun, cpu_before, commits_before) = (Instant::now(), cpu(), store.facts().commits);
    let tasks: Vec<_> = (0..load.tasks)
        .map(|task| {
            let (store, accounts, is_over) = (store.clone(), Arc::clone(accounts), Arc::clone(&is_over));
            tokio::spawn(async move { send(&store, &accounts, load, task, &is_over).await })
        })
        .collect();
    tokio::time::sleep(load.span).await;
    is_over.store(true, Ordering::Relaxed);
    let mut latencies = Vec::new();
    for task in tasks {
        latencies.extend(task.await.expect("it runs"));
    }
    let messages = (latencies.len() * load.batch) as f64;
    let commits = (store.facts().commits - commits_before) as f64;
    let rate = messages / begun.elapsed().as_secs_f64();
    let cpu = (cpu() - cpu_before).as_secs_f64() * 1e6 / messages;
    latencies.sort();
    let ms = |part: f64| latencies[((latencies.len() - 1) as f64 * part) as usize].as_secs_f64() * 1e3;
    println!(
        "| {} | {rate:.0} | {:.0} | {cpu:.1} | {:.2} | {:.2} | {:.2} | {:.0} |",
        load.name,
        messages / commits,
        ms(0.5),
        ms(0.99),
        ms(0.999),
        ms(1.0)
    );
}

async fn send(store: &Store, accounts: &[AccountId], load: Load, task: usize, is_over: &AtomicBool) -> Vec<Duration> {
    let payload = Bytes::from(vec![b'x'; 1024]);
    let mut latencies = Vec::new();
    let mut turn = task * 31;
    while !is_over.load(Ordering::Relaxed) {
        let messages = (0..load.batch)
            .map(|_| {
                turn += 997;
                let to = accounts[turn % load.inboxes];
                Outgoing { to: vec![Ok(to)], payload: payload.clone(), idempotency_key: None }
            })
            .collect();
        let begun = Instant::now();
        store.append(accounts[0], messages).await.expect("it is stored");
        latencies.push(begun.elapsed());
        if load.is_read && latencies.len() % 20 == 0 {
            for step in 0..20 * load.batch / 10 {
                let reader = accounts[(turn + step * 13) % load.inboxes];
                let lease = store.lease(reader, 100, 1 << 20).await.expect("it is read");
                lease.delivered().await.expect("it is removed");
            }
        }
        if !load.pause.is_zero() {
            tokio::time::sleep(load.pause).await;
        }
    }
    latencies
}

/// Processor time of this process.
fn cpu() -> Duration {
    let stat = std::fs::read_to_string("/proc/self/stat").unwrap_or_default();
    let fields: Vec<u64> =
        stat.rsplit(')').next().unwrap_or("").split_whitespace().map(|field| field.parse().unwrap_or(0)).collect();
    Duration::from_millis((fields.get(11).unwrap_or(&0) + fields.get(12).unwrap_or(&0)) * 10)
}
