//! `daemon`: the sync loop.

use serde::Serialize;

use crate::engine::event::Level;
use crate::protocol::text;

use super::error::Error;
use super::inbox::sync_and_index;
use super::session::Session;

/// The longest pause after cycles that failed, in milliseconds.
const LONGEST_PAUSE_MS: i64 = 5 * 60 * 1000;

/// How to run.
#[derive(Clone, Debug, Default)]
pub struct Daemon {
    /// One cycle only.
    pub once: bool,
    /// Seconds between cycles, instead of the config's.
    pub interval: Option<u32>,
}

/// What the daemon did.
#[derive(Debug, Default, Serialize)]
pub struct DaemonOutcome {
    /// How many cycles ran.
    pub cycles: u64,
    /// How many of them failed.
    pub failed: u64,
    /// Messages received.
    pub received: usize,
    /// Messages that every recipient's transport accepted.
    pub delivered: usize,
    /// What each relay said in the last cycle.
    pub relays: Vec<crate::sync::fetch::RelayReport>,
}

impl DaemonOutcome {
    /// 1 when the last thing it did failed, 0 otherwise.
    #[must_use]
    pub fn exit_code(&self) -> u8 {
        u8::from(self.cycles == self.failed && self.failed > 0)
    }
}

/// Syncs, again and again, until the host stops it; a cycle that fails is told and tried again later.
///
/// # Errors
/// When the mailbox cannot be entered at all. With `once`, also what the one cycle fails with.
pub async fn daemon(session: &mut Session, daemon: Daemon) -> Result<DaemonOutcome, Error> {
    session.enter().await?;
    let mut outcome = DaemonOutcome::default();
    let mut failures_in_a_row = 0_u32;
    loop {
        match cycle(session, &mut outcome).await {
            Ok(()) => failures_in_a_row = 0,
            Err(error) if daemon.once => return Err(error),
            Err(error) => {
                outcome.failed += 1;
                failures_in_a_row += 1;
                session.cx.emit(Level::Warning, format!("sync failed: {error}"));
            }
        }
        outcome.cycles += 1;
        if daemon.once {
            return Ok(outcome);
        }
        let interval_ms = daemon.interval.map_or(session.config.sync_interval_ms(), |seconds| i64::from(seconds) * 1000);
        if !session.cx.sleep_ms(pause_ms(interval_ms, failures_in_a_row)).await || session.cx.is_cancelled() {
            return Ok(outcome);
        }
        // The config may have been changed meanwhile: a filter, a new relay.
        if let Err(error) = session.reload().await {
            session.cx.emit(Level::Warning, format!("the config cannot be read, the old one is used on: {error}"));
        }
    }
}

async fn cycle(session: &Session, outcome: &mut DaemonOutcome) -> Result<(), Error> {
    let report = sync_and_index(session).await?;
    for message in &report.received {
        let line = format!("received {} from {}: {} ({})", message.id, message.from, message.subject, message.verdict);
        session.cx.emit(Level::Info, text::for_terminal_line(&line));
    }
    for delivery in &report.delivered {
        session.cx.emit(Level::Info, delivery.summary());
    }
    outcome.received += report.received.len();
    outcome.delivered += report.delivered.iter().filter(|delivery| delivery.is_complete()).count();
    outcome.relays = report.relays;
    Ok(())
}

/// The pause before the next cycle: the interval, doubled for each failure in a row up to a bound.
fn pause_ms(interval_ms: i64, failures_in_a_row: u32) -> i64 {
    let factor = 1_i64.checked_shl(failures_in_a_row.min(16)).unwrap_or(1);
    interval_ms.max(1000).saturating_mul(factor).min(LONGEST_PAUSE_MS.max(interval_ms))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pauses_grow_to_a_bound() {
        assert_eq!(pause_ms(10_000, 0), 10_000);
        assert_eq!(pause_ms(10_000, 2), 40_000);
        assert_eq!(pause_ms(10_000, 40), LONGEST_PAUSE_MS);
        assert_eq!(pause_ms(0, 0), 1_000);
        assert_eq!(pause_ms(3_600_000, 3), 3_600_000);
    }
}
