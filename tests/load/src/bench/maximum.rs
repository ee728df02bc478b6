//! The maximum of a mix, and how long its requests take at a rate.

use std::time::Duration;

use super::Options;
use super::relay::Bench;
use crate::drive::{Load, Mix, Pace, Until, drive};
use crate::error::{Error, Result};
use crate::measured::Measured;

/// What does not count at the beginning of a run.
const WARM_UP: Duration = Duration::from_millis(500);

/// The most messages a second that a relay took.
pub(super) struct Maximum {
    /// Messages a second, the median of the runs.
    pub(super) rate: f64,
    /// With how many connections.
    pub(super) connections: usize,
}

impl Maximum {
    /// Looks for the best number of connections, and takes the median of the runs with it. A number with which the relay
    /// refuses anything is told and not taken; if it refuses something in a run that counts, the whole is a failure.
    pub(super) async fn find<M: Mix>(
        options: &Options,
        bench: &Bench,
        name: &str,
        connections: &[usize],
        mix: impl Fn() -> Result<M>,
    ) -> Result<Self> {
        let mut best = Self { rate: 0.0, connections: 1 };
        for &connections in connections.iter().filter(|&&connections| connections <= bench.most_connections()) {
            match closed(bench, name, connections, options.run() / 2, mix()?).await {
                Ok(measured) if measured.rate() > best.rate => best = Self { rate: measured.rate(), connections },
                Ok(_) => {}
                Err(refused @ Error::Unexpected { .. }) => println!("  not with {connections} connections: {refused}"),
                Err(error) => return Err(error),
            }
        }
        let mut rates = Vec::new();
        for _ in 0..options.runs() {
            rates.push(closed(bench, name, best.connections, options.run(), mix()?).await?.rate());
        }
        best.rate = median(rates);
        Ok(best)
    }
}

async fn closed<M: Mix>(bench: &Bench, name: &str, connections: usize, run: Duration, mix: M) -> Result<Measured> {
    let load = Load { connections, pace: Pace::Closed, until: Until::Time { warm_up: WARM_UP, run } };
    let measured = drive(mix, bench.address(), load).await?.require(name)?;
    bench.tell(&format!("{name}, {connections} connections"), &measured);
    Ok(measured)
}

/// The latencies at so many requests a second. There are as many connections as the maximum wanted, so that a relay that
/// stalls finds its requests waiting.
pub(super) async fn at_rate<M: Mix>(
    options: &Options,
    bench: &Bench,
    name: &str,
    connections: usize,
    rate: f64,
    mix: M,
) -> Result<Measured> {
    let until = Until::Time { warm_up: WARM_UP, run: options.run() * 2 };
    let load = Load { connections, pace: Pace::Open(rate), until };
    let measured = drive(mix, bench.address(), load).await?.require(name)?;
    bench.tell(&format!("{name}, {connections} connections"), &measured);
    Ok(measured)
}

/// The middle one.
pub(super) fn median(mut values: Vec<f64>) -> f64 {
    values.sort_by(f64::total_cmp);
    values.get(values.len() / 2).copied().unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_median_is_the_middle_one() {
        assert_eq!(median(vec![3.0, 1.0, 2.0]).to_bits(), 2.0_f64.to_bits());
        assert_eq!(median(vec![]).to_bits(), 0.0_f64.to_bits());
    }
}
