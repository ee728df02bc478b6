//! How soon a client that waits has a message.

use std::time::{Duration, Instant};

use bytes::Bytes;
use http_body_util::BodyExt;
use hyper::body::Incoming;
use memchr::memmem;
use tokio::time::sleep;

use super::relay::Bench;
use super::table::{Figures, Measure};
use super::{Cast, KB, Options};
use crate::account::Account;
use crate::connection::{Call, Connection};
use crate::error::{Error, Result};
use crate::measured::Latencies;
use crate::mix::{Page, payload};

/// The pause between two messages.
const PAUSE: Duration = Duration::from_millis(5);

/// Measures both ways of waiting. The time counts from the moment at which the message is sent, so it holds the disk's too
/// and is longer than the time since the message was accepted: that moment and this one lie close together, in either order.
pub(super) async fn measure(options: &Options, bench: &Bench, cast: &Cast, figures: &mut Figures) -> Result<()> {
    let count = if options.quick { 200 } else { 2000 };
    let [sender, poller, listener, ..] = cast.recipients.as_slice() else {
        return Ok(());
    };
    bench.drain(&[poller.clone(), listener.clone()]).await?;
    let polled = by_long_poll(bench, sender, poller, count).await?;
    println!("  azall     sent -> readable, long poll: {polled}");
    figures.set(Measure::LongPoll, polled.at(0.5).as_secs_f64() * 1e3);
    let streamed = by_stream(bench, sender, listener, count).await?;
    println!("  azall     sent -> readable, stream:    {streamed}");
    figures.set(Measure::Stream, streamed.at(0.5).as_secs_f64() * 1e3);
    Ok(())
}

fn send_call(from: &Account, to: &Account) -> Result<Call> {
    let body = format!(r#"{{"to":"{}","payload":"{}"}}"#, to.name, payload(KB));
    Ok(Call::post("/send", body)?.by(&from.authorization))
}

async fn by_long_poll(bench: &Bench, from: &Account, to: &Account, count: u64) -> Result<Latencies> {
    let send = send_call(from, to)?;
    let (mut sending, mut waiting) = (Connection::to(bench.address()), Connection::to(bench.address()));
    let mut latencies = Latencies::default();
    let mut after = String::from("0");
    for _ in 0..count {
        let wait = Call::get(&format!("/v2/messages?after={after}&wait=30"))?.by(&to.authorization);
        let read = async {
            let page: Page = waiting.call(&wait).await?.json(&wait, 200)?;
            Ok::<_, Error>((page, Instant::now()))
        };
        let sent = async {
            // The poll goes out first.
            sleep(PAUSE).await;
            let start = Instant::now();
            sending.call(&send).await?.json::<serde_json::Value>(&send, 200)?;
            Ok(start)
        };
        let ((page, read), sent) = tokio::try_join!(read, sent)?;
        after = page.next;
        latencies.record(read.saturating_duration_since(sent));
    }
    Ok(latencies)
}

async fn by_stream(bench: &Bench, from: &Account, to: &Account, count: u64) -> Result<Latencies> {
    let send = send_call(from, to)?;
    let listen = Call::get("/v2/stream")?.by(&to.authorization);
    let (mut sending, mut listening) = (Connection::to(bench.address()), Connection::to(bench.address()));
    let mut events = Events { body: listening.send(&listen).await?.into_body(), pending: Vec::new() };
    let mut latencies = Latencies::default();
    for _ in 0..count {
        let sent = async {
            sleep(PAUSE).await;
            let start = Instant::now();
            sending.call(&send).await?.json::<serde_json::Value>(&send, 200)?;
            Ok(start)
        };
        let (read, sent) = tokio::try_join!(events.next(), sent)?;
        latencies.record(read.saturating_duration_since(sent));
    }
    Ok(latencies)
}

/// The events of a stream.
struct Events {
    body: Incoming,
    pending: Vec<u8>,
}

impl Events {
    /// When the next message was told of.
    async fn next(&mut self) -> Result<Instant> {
        loop {
            if let Some(end) = memmem::find(&self.pending, b"\n\n") {
                let event: Vec<u8> = self.pending.drain(..end + 2).collect();
                if memmem::find(&event, b"event: message").is_some() {
                    return Ok(Instant::now());
                }
                continue;
            }
            let frame = self.body.frame().await.and_then(std::result::Result::ok);
            let data: Bytes = frame.and_then(|frame| frame.into_data().ok()).ok_or_else(|| Error::Answer {
                method: "GET".to_owned(),
                path: "/v2/stream".to_owned(),
                status: 200,
                body: "an end that nobody asked for".to_owned(),
            })?;
            self.pending.extend_from_slice(&data);
        }
    }
}
