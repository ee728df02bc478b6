//! What a run measured: latencies, statuses, messages.

use std::collections::BTreeMap;
use std::fmt;
use std::time::Duration;

use hdrhistogram::Histogram;

use crate::error::{Error, Result};

/// The longest latency that is told apart from longer ones, in microseconds.
const LONGEST_US: u64 = 120_000_000;

/// Latencies in a histogram of three digits.
#[derive(Clone, Debug)]
pub struct Latencies(Histogram<u64>);

impl Default for Latencies {
    fn default() -> Self {
        // These bounds are good ones, so the fallback, which grows as it must, is never used.
        Self(Histogram::new_with_bounds(1, LONGEST_US, 3).unwrap_or_else(|_| growing()))
    }
}

#[allow(clippy::expect_used, reason = "three digits are allowed")]
fn growing() -> Histogram<u64> {
    Histogram::new(3).expect("three digits are allowed")
}

impl Latencies {
    /// Adds one.
    pub fn record(&mut self, latency: Duration) {
        self.0.saturating_record(u64::try_from(latency.as_micros()).unwrap_or(LONGEST_US).max(1));
    }

    /// The latency that this share of all stayed below.
    #[must_use]
    pub fn at(&self, quantile: f64) -> Duration {
        Duration::from_micros(self.0.value_at_quantile(quantile))
    }

    /// The longest.
    #[must_use]
    pub fn max(&self) -> Duration {
        Duration::from_micros(self.0.max())
    }

    /// How many there are.
    #[must_use]
    pub fn count(&self) -> u64 {
        self.0.len()
    }
}

impl fmt::Display for Latencies {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let ms = |time: Duration| time.as_secs_f64() * 1e3;
        write!(f, "p50 {:.2} ms, p99 {:.2} ms, max {:.1} ms", ms(self.at(0.5)), ms(self.at(0.99)), ms(self.max()))
    }
}

/// How often which status was answered.
#[derive(Clone, Debug, Default)]
pub struct Statuses {
    counts: BTreeMap<u16, u64>,
    refused: u64,
}

impl Statuses {
    /// Counts an answer.
    pub fn count(&mut self, status: u16) {
        *self.counts.entry(status).or_default() += 1;
    }

    /// Counts recipients that were refused in an answer that is 200 as a whole.
    pub fn refuse(&mut self, recipients: u64) {
        self.refused += recipients;
    }

    /// Whether all went well.
    #[must_use]
    pub fn are_good(&self) -> bool {
        self.refused == 0 && self.counts.keys().all(|status| (200..300).contains(status))
    }
}

impl fmt::Display for Statuses {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (at, (status, count)) in self.counts.iter().enumerate() {
            write!(f, "{}{count} x {status}", if at > 0 { ", " } else { "" })?;
        }
        if self.refused > 0 {
            write!(f, ", {} recipients refused", self.refused)?;
        }
        Ok(())
    }
}

/// A run.
#[derive(Clone, Debug, Default)]
pub struct Measured {
    /// From the moment at which a request was due (open loop) or sent (closed loop) to its answer.
    pub latencies: Latencies,
    /// All answers, those of the warm-up too.
    pub statuses: Statuses,
    /// Messages, in the time that counts.
    pub messages: u64,
    /// The time that counts.
    pub time: Duration,
    /// Connections opened.
    pub connections: u64,
}

impl Measured {
    /// Messages a second.
    #[must_use]
    pub fn rate(&self) -> f64 {
        self.messages as f64 / self.time.as_secs_f64()
    }

    /// This, if nothing but what was expected was answered.
    ///
    /// # Errors
    /// [`Error::Unexpected`]: a rate of refusals says nothing about messages.
    pub fn require(self, run: &str) -> Result<Self> {
        if self.statuses.are_good() && self.messages > 0 {
            return Ok(self);
        }
        Err(Error::Unexpected { run: run.to_owned(), statuses: self.statuses.to_string() })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_run_with_a_refusal_is_not_a_measurement() {
        let mut measured = Measured { messages: 3, time: Duration::from_secs(1), ..Measured::default() };
        measured.statuses.count(200);
        assert!(measured.clone().require("run").is_ok());
        let mut full = measured.clone();
        full.statuses.count(507);
        assert_eq!(
            full.require("run").unwrap_err().to_string(),
            "run: not only what was expected was answered: 1 x 200, 1 x 507"
        );
        measured.statuses.refuse(2);
        assert!(measured.require("run").is_err());
    }

    #[test]
    fn quantiles_are_those_of_what_was_recorded() {
        let mut latencies = Latencies::default();
        for ms in 1..=1000 {
            latencies.record(Duration::from_millis(ms));
        }
        let near = |a: Duration, ms: f64| (a.as_secs_f64() * 1e3 - ms).abs() < ms / 500.0;
        assert!(near(latencies.at(0.5), 500.0) && near(latencies.at(0.99), 990.0) && near(latencies.max(), 1000.0));
        latencies.record(Duration::from_secs(100_000));
        assert_eq!(latencies.count(), 1001);
    }
}
