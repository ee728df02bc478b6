//! Prints how long each parser takes for a megabyte of what suits it least, in milliseconds: the slowest of all patterns that
//! the fuzz targets are fed, the best of three runs, without the time that other programs took where the system tells it.
//! `cargo run --release --example parse_times`; nothing should be above 50.
#![allow(clippy::unwrap_used, clippy::disallowed_methods, clippy::expect_used, reason = "a measurement, not the core")]

use std::hint::black_box;
use std::time::{Duration, Instant};

use azall_core::command::scripts::ScriptMeta;
use azall_core::protocol::address::Address;
use azall_core::protocol::archive::{self, Limits};
use azall_core::protocol::config::{AgentKey, Config};
use azall_core::protocol::dedupe::{CAPACITY, SeenIds};
use azall_core::protocol::delivery::DeliveryState;
use azall_core::protocol::envelope::{Opened, seal_version2};
use azall_core::protocol::filter::Pattern;
use azall_core::protocol::identity::Identity;
use azall_core::protocol::index::{Memory, MemoryRow, script_description};
use azall_core::protocol::keyring::Keyring;
use azall_core::protocol::message::{Head, Headers, Message, set_status_in_place};
use azall_core::protocol::name::{AttachmentName, sanitize};
use azall_core::protocol::relay::{Payload, Reply, ServerUrl, parse_agents, parse_messages, parse_sent, parse_status};
use azall_core::protocol::time::{Day, Now, parse_date};
use azall_core::protocol::trust::{Binding, PendingToken, UsedNonces, armor};
use azall_core::protocol::{memory_index, spool, text};

#[path = "../fuzz/src/hostile.rs"]
#[allow(unreachable_pub, clippy::expect_used, reason = "shared with the fuzz targets")]
mod hostile;

/// A parser's name, and a call of it with bytes, and the same bytes as text.
type Parser = (&'static str, fn(&[u8], &str));

const PARSERS: &[Parser] = &[
    ("message", |bytes, _| drop(black_box(Message::parse(bytes)))),
    ("message head", |bytes, _| drop(black_box(Head::parse(bytes)))),
    ("message status", |bytes, _| drop(black_box(set_status_in_place(bytes, "read")))),
    ("envelope in a file", |bytes, _| {
        let message = Message::parse(bytes);
        let _ = black_box(Opened::read(&message.headers, &message.body).check(|_| None));
    }),
    ("envelope", |_, text| drop(black_box(Opened::read(&Headers::default(), text).check(|_| None)))),
    ("envelope sealed", |_, text| drop(black_box(sealed(text)))),
    ("address list", |_, text| drop(black_box(Address::parse_list(text)))),
    ("date", |_, text| {
        let _ = black_box(parse_date(text, 0));
    }),
    ("file names", |_, text| drop(black_box((sanitize(text), AttachmentName::from_untrusted(text))))),
    ("text for a terminal", |_, text| drop(black_box(text::for_terminal(text)))),
    ("config", |bytes, _| drop(black_box(Config::parse(bytes)))),
    ("agent key", |bytes, _| drop(black_box(AgentKey::parse(bytes)))),
    ("identity", |bytes, _| drop(black_box(Identity::parse(bytes)))),
    ("keyring", |bytes, _| drop(black_box(Keyring::parse(bytes)))),
    ("seen ids", |bytes, _| drop(black_box(SeenIds::parse(bytes, CAPACITY)))),
    ("delivery state", |bytes, _| drop(black_box(DeliveryState::parse(bytes)))),
    ("spool", |bytes, _| drop(black_box(spool::decode(bytes)))),
    ("relay messages", |bytes, _| drop(black_box(parse_messages(&server(), reply(bytes))))),
    ("relay agents", |bytes, _| drop(black_box(parse_agents(&server(), reply(bytes))))),
    ("relay status", |bytes, _| drop(black_box(parse_status(&server(), reply(bytes))))),
    ("relay error", |bytes, _| drop(black_box(parse_sent(&server(), Reply { status: 400, ..reply(bytes) })))),
    ("relay payload", |_, text| drop(black_box(Payload::parse(text)))),
    ("filter pattern", |_, text| filter(text)),
    ("memory index", |_, text| drop(black_box(memory_index::put(text, "me@x", &memory(), false, Now::utc(0))))),
    ("script meta", |bytes, _| drop(black_box(serde_json::from_slice::<ScriptMeta>(bytes)))),
    ("script description", |bytes, _| drop(black_box(script_description(bytes)))),
    ("trust armor", |_, text| drop(black_box(armor::parse(text)))),
    ("trust binding", |bytes, _| drop(black_box(Binding::parse(bytes)))),
    ("trust nonces", |bytes, _| drop(black_box(UsedNonces::parse(bytes)))),
    ("trust pending", |bytes, _| drop(black_box(PendingToken::parse(bytes)))),
    ("archive", |bytes, _| drop(black_box(archive::read(bytes, Limits::default())))),
];

fn main() {
    // Some refuse a megabyte unread.
    let patterns: Vec<(String, Vec<u8>, String)> = [1_000_000, 500_000]
        .into_iter()
        .flat_map(hostile::patterns)
        .map(|(name, bytes)| {
            let text = String::from_utf8_lossy(&bytes).into_owned();
            (name, bytes, text)
        })
        .collect();
    for (parser, parse) in PARSERS {
        let time = |(name, bytes, text)| (best_of_three(|| parse(bytes, text)), name);
        let times = patterns.iter().map(|(name, bytes, text)| time((name, bytes.as_slice(), text.as_str())));
        let (slowest, name) = times.max().expect("a pattern");
        println!("{:8.1} ms  {parser:20} {}", slowest.as_secs_f64() * 1e3, text::prefix(name, 90));
    }
}

fn best_of_three(work: impl Fn()) -> Duration {
    let time = |_| {
        let (start, start_on_cpu) = (Instant::now(), time_on_cpu());
        work();
        let elapsed = start.elapsed();
        match (start_on_cpu, time_on_cpu()) {
            (Some(from), Some(to)) => to.saturating_sub(from).min(elapsed),
            _ => elapsed,
        }
    };
    (0..3).map(time).min().unwrap_or_default()
}

/// How long this thread has been running on Linux.
fn time_on_cpu() -> Option<Duration> {
    let stat = std::fs::read_to_string("/proc/thread-self/schedstat").ok()?;
    Some(Duration::from_nanos(stat.split(' ').next()?.parse().ok()?))
}

fn server() -> ServerUrl {
    ServerUrl::parse("https://relay.example").unwrap()
}

fn reply(body: &[u8]) -> Reply<'_> {
    Reply { status: 200, headers: &[], body }
}

fn memory() -> Memory<'static> {
    Memory { day: Day::parse("2026-03-11").unwrap(), row: MemoryRow { file: "new.txt", text: "x" } }
}

/// The text as a body that is signed: markers in it are escaped.
fn sealed(body: &str) -> Option<String> {
    let headers = azall_core::protocol::envelope::SignedHeaders {
        from: Address::parse("a@x").ok()?,
        to: Address::parse_list("b@x").ok()?,
        cc: Vec::new(),
        subject: String::new(),
        date: String::new(),
        message_id: azall_core::protocol::id::MessageId::parse("1").ok(),
        in_reply_to: None,
        attachments: Vec::new(),
    };
    seal_version2(&Identity::from_seed([1; 32]), &headers, body).ok()
}

/// The longest pattern and sender that are compared, of these characters.
fn filter(text: &str) {
    let short = text::prefix(text, 1000);
    if let Ok(pattern) = Pattern::new(short) {
        black_box(pattern.matches(short));
        black_box(pattern.matches(&"a".repeat(1000)));
    }
}
