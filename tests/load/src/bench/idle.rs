//! Few among many: one account that is active among ten thousand that are not; memory and start of a relay that knows a
//! million accounts.

use super::maximum::Maximum;
use super::relay::{Bench, Kind};
use super::table::{Figures, Measure};
use super::{CONNECTIONS, Cast, KB, Options};
use crate::account::register_many;
use crate::error::Result;
use crate::mix::Send;

/// Idle accounts for each active one.
const IDLE_PER_ACTIVE: usize = 10_000;

/// Accounts of our relay.
const ACCOUNTS: usize = 1_000_000;

/// The same in quick mode.
const ACCOUNTS_QUICK: usize = 100_000;

/// The existing relay, with as many accounts as it has: ten thousand take it minutes to register.
pub(super) async fn one_active(options: &Options, bench: &Bench, cast: &Cast) -> Result<f64> {
    let active = cast.senders.get(..1).unwrap_or_default();
    let name = format!("send, one of {} accounts active", cast.recipients.len());
    let mix = || Send::new(active, active.iter().map(|one| one.name.as_str()), KB);
    Ok(Maximum::find(options, bench, &name, &CONNECTIONS, mix).await?.rate)
}

/// Our relay.
pub(super) async fn many(options: &Options, kind: &Kind, figures: &mut Figures) -> Result<()> {
    let count = if options.quick { ACCOUNTS_QUICK } else { ACCOUNTS };
    let bench = Bench::start(kind, options).await?;
    let active = register_many(bench.address(), "idle", count, count / IDLE_PER_ACTIVE).await?;
    let bench = bench.again().await?;
    figures.set(Measure::Start, bench.started_in.as_secs_f64());
    figures.set(Measure::Resident, bench.resident_bytes()? as f64 / 1e6);
    let name = format!("send, {} of {count} accounts active", active.len());
    let mix = || Send::new(&active, active.iter().map(|one| one.name.as_str()), KB);
    figures.set(Measure::Idle, Maximum::find(options, &bench, &name, &CONNECTIONS, mix).await?.rate);
    bench.end().await
}
