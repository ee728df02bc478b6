//! The comparison: the existing relay and azall's, one after the other on one machine, in one table.

mod deep;
mod doorbell;
mod idle;
mod maximum;
mod relay;
mod table;

use std::path::PathBuf;
use std::time::Duration;

use crate::account::{Account, register_many};
use crate::error::{Error, Result};
use crate::mix::{Batch, Send, SendPageAck, SendReceive};

use maximum::{Maximum, at_rate};
use relay::{Bench, Kind};
use table::{Figures, Measure};

/// Bytes of an ordinary message.
const KB: usize = 1024;

/// Bytes of the largest message.
const LARGEST: usize = 256 * 1024;

/// Inboxes that messages are spread over.
const SPREAD: usize = 2000;

/// Accounts that send.
const SENDERS: usize = 64;

/// Connections to try for the maximum of single requests.
const CONNECTIONS: [usize; 3] = [16, 64, 256];

/// Connections to try for batches, which keep a relay busy with fewer.
const FEW_CONNECTIONS: [usize; 3] = [4, 16, 64];

/// What to run, and how thoroughly.
#[derive(Clone, Debug)]
pub struct Options {
    /// Shorter, and less of everything: for a look, not for figures.
    pub quick: bool,
    /// The `azall` program.
    pub azall: PathBuf,
    /// A Python that has `agentazall`; without one there is nothing to compare with.
    pub python: Option<PathBuf>,
    /// Where the relays keep their data.
    pub folder: PathBuf,
}

impl Options {
    /// How long a measured run takes.
    fn run(&self) -> Duration {
        Duration::from_secs(if self.quick { 2 } else { 5 })
    }

    /// How many runs make a median.
    fn runs(&self) -> usize {
        if self.quick { 1 } else { 3 }
    }
}

/// Runs everything and prints the table. Says whether every threshold was met.
///
/// # Errors
/// The first run that could not be made, or that met an answer which it must not meet.
pub async fn run(options: &Options) -> Result<bool> {
    println!("{}", relay::setting(&options.folder)?);
    let existing = match &options.python {
        Some(python) => existing(options, Kind::Existing { python: python.clone() }).await?,
        None => Figures::default(),
    };
    let ours = ours(options, &Kind::Azall { program: options.azall.clone() }).await?;
    let (table, met) = table::render(&existing, &ours, options.quick);
    println!("\n{table}");
    Ok(met)
}

/// The existing relay. Its registration slows down with the number of its accounts, so one process serves all runs.
async fn existing(options: &Options, kind: Kind) -> Result<Figures> {
    let mut figures = Figures::default();
    let bench = Bench::start(&kind, options).await?;
    let spread = if options.quick { SPREAD / 10 } else { SPREAD };
    let cast = Cast::register(&bench, spread).await?;
    sends(options, &bench, &cast, &mut figures).await?;
    exchanges(options, &bench, &cast, &mut figures).await?;
    figures.set(Measure::Deep, deep::by_singles(options, &bench, &cast.senders).await?);
    figures.set(Measure::Idle, idle::one_active(options, &bench, &cast).await?);
    bench.end().await?;
    Ok(figures)
}

/// Our relay, with empty data for each group of runs.
async fn ours(options: &Options, kind: &Kind) -> Result<Figures> {
    let mut figures = Figures::default();
    let bench = Bench::start(kind, options).await?;
    let cast = Cast::register(&bench, SPREAD).await?;
    sends(options, &bench, &cast, &mut figures).await?;
    bench.end().await?;

    let bench = Bench::start(kind, options).await?;
    let cast = Cast::register(&bench, SPREAD).await?;
    batches(options, &bench, &cast, &mut figures).await?;
    bench.end().await?;

    let bench = Bench::start(kind, options).await?;
    let cast = Cast::register(&bench, SPREAD).await?;
    exchanges(options, &bench, &cast, &mut figures).await?;
    let pages =
        Maximum::find(options, &bench, "send, page and ack", &CONNECTIONS, || SendPageAck::new(&cast.recipients, KB));
    figures.set(Measure::SendPageAck, pages.await?.rate);
    doorbell::measure(options, &bench, &cast, &mut figures).await?;
    bench.end().await?;

    let bench = Bench::start(kind, options).await?;
    let senders = register_many(bench.address(), "sender", SENDERS, SENDERS).await?;
    figures.set(Measure::Deep, deep::by_batches(options, &bench, &senders).await?);
    bench.end().await?;

    idle::many(options, kind, &mut figures).await?;
    Ok(figures)
}

/// The accounts of a run.
struct Cast {
    senders: Vec<Account>,
    recipients: Vec<Account>,
    /// The recipient of everything, where there is one.
    busy: Account,
}

impl Cast {
    async fn register(bench: &Bench, spread: usize) -> Result<Self> {
        let address = bench.address();
        let missing = || Error::Usage("an account is missing".to_owned());
        Ok(Self {
            senders: register_many(address, "sender", SENDERS, SENDERS).await?,
            recipients: register_many(address, "recipient", spread, spread).await?,
            busy: register_many(address, "busy", 1, 1).await?.pop().ok_or_else(missing)?,
        })
    }

    fn names(&self) -> Vec<&str> {
        self.recipients.iter().map(|one| one.name.as_str()).collect()
    }
}

async fn sends(options: &Options, bench: &Bench, cast: &Cast, figures: &mut Figures) -> Result<()> {
    let spread = || Send::new(&cast.senders, cast.names(), KB);
    let most = Maximum::find(options, bench, "send, spread", &CONNECTIONS, spread).await?;
    figures.set(Measure::Send, most.rate);
    let half = at_rate(options, bench, "send, at half of that", most.connections, most.rate / 2.0, spread()?).await?;
    figures.set(Measure::SendP99, half.latencies.at(0.99).as_secs_f64() * 1e3);
    let busy = || Send::new(&cast.senders, [cast.busy.name.as_str()], KB);
    let most = Maximum::find(options, bench, "send, one busy inbox", &CONNECTIONS, busy).await?;
    figures.set(Measure::SendBusy, most.rate);
    Ok(())
}

async fn batches(options: &Options, bench: &Bench, cast: &Cast, figures: &mut Figures) -> Result<()> {
    let spread = || Batch::new(&cast.senders, &cast.names(), KB);
    let most = Maximum::find(options, bench, "batches, spread", &FEW_CONNECTIONS, spread).await?;
    figures.set(Measure::Batch, most.rate);
    let requests = most.rate / 2.0 / crate::mix::BATCH as f64;
    let half = at_rate(options, bench, "batches, at half of that", most.connections, requests, spread()?).await?;
    figures.set(Measure::BatchP99, half.latencies.at(0.99).as_secs_f64() * 1e3);
    let busy = || Batch::new(&cast.senders, &[cast.busy.name.as_str()], KB);
    let most = Maximum::find(options, bench, "batches, one busy inbox", &FEW_CONNECTIONS, busy).await?;
    figures.set(Measure::BatchBusy, most.rate);
    Ok(())
}

async fn exchanges(options: &Options, bench: &Bench, cast: &Cast, figures: &mut Figures) -> Result<()> {
    // What earlier runs left is fetched first: it is not what these runs are about.
    bench.drain(&cast.recipients).await?;
    let exchange = || SendReceive::new(&cast.recipients, KB);
    let most = Maximum::find(options, bench, "send and receive", &CONNECTIONS, exchange).await?;
    figures.set(Measure::SendReceive, most.rate);
    let large = || SendReceive::new(&cast.recipients, LARGEST);
    let most = Maximum::find(options, bench, "send and receive 256 KiB", &FEW_CONNECTIONS, large).await?;
    figures.set(Measure::Large, most.rate);
    Ok(())
}
