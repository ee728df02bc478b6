//! What a send into an inbox costs that holds 5,000 messages, against one into an inbox that is nearly empty.

use super::maximum::median;
use super::relay::Bench;
use super::{KB, Options};
use crate::account::{Account, register_many};
use crate::drive::{Load, Pace, Until, drive};
use crate::error::Result;
use crate::mix::{BATCH, Batch, Send};

/// Messages that wait in a deep inbox.
const DEEP: u64 = 5000;

/// Sends into each inbox in a round.
const SENDS: u64 = 100;

/// Rounds: into deep ones, then into as many empty ones.
const ROUNDS: usize = 9;

/// Connections of a round.
const CONNECTIONS: usize = 32;

/// Fills inboxes message by message, which is all that version 1 can do.
pub(super) async fn by_singles(options: &Options, bench: &Bench, senders: &[Account]) -> Result<f64> {
    let deep = register_many(bench.address(), "deep", 2, 2).await?;
    let names: Vec<&str> = deep.iter().map(|one| one.name.as_str()).collect();
    // In quick mode the existing relay is spared: it takes a thousand a second.
    let depth = if options.quick { DEEP / 5 } else { DEEP };
    let fill = Load { connections: CONNECTIONS, pace: Pace::Closed, until: Until::Count(depth * 2) };
    drive(Send::new(senders, names.iter().copied(), KB)?, bench.address(), fill).await?.require("filling inboxes")?;
    compare(bench, senders, &names).await
}

/// Fills inboxes by batches.
pub(super) async fn by_batches(_: &Options, bench: &Bench, senders: &[Account]) -> Result<f64> {
    const INBOXES: usize = 20;
    let deep = register_many(bench.address(), "deep", INBOXES, INBOXES).await?;
    let names: Vec<&str> = deep.iter().map(|one| one.name.as_str()).collect();
    let batches = DEEP * INBOXES as u64 / BATCH;
    let fill = Load { connections: CONNECTIONS, pace: Pace::Closed, until: Until::Count(batches) };
    drive(Batch::new(senders, &names, KB)?, bench.address(), fill).await?.require("filling inboxes")?;
    compare(bench, senders, &names).await
}

/// The time for sends into deep inboxes over that for as many into empty ones.
async fn compare(bench: &Bench, senders: &[Account], deep: &[&str]) -> Result<f64> {
    let (mut into_deep, mut into_empty) = (Vec::new(), Vec::new());
    for round in 0..ROUNDS {
        let empty = register_many(bench.address(), &format!("empty{round}"), deep.len(), deep.len()).await?;
        let empty: Vec<&str> = empty.iter().map(|one| one.name.as_str()).collect();
        into_deep.push(time(bench, "into inboxes that hold 5,000", senders, deep).await?);
        into_empty.push(time(bench, "into empty inboxes", senders, &empty).await?);
    }
    Ok(median(into_deep) / median(into_empty))
}

async fn time(bench: &Bench, name: &str, senders: &[Account], to: &[&str]) -> Result<f64> {
    let until = Until::Count(SENDS * to.len() as u64);
    let load = Load { connections: CONNECTIONS, pace: Pace::Closed, until };
    let measured = drive(Send::new(senders, to.iter().copied(), KB)?, bench.address(), load).await?.require(name)?;
    bench.tell(name, &measured);
    Ok(measured.time.as_secs_f64())
}
