//! `daemon`: the sync loop.

use std::sync::atomic::{AtomicUsize, Ordering};

use serde::{Deserialize, Serialize};

use crate::engine::event::Level;
use crate::protocol::text;
use crate::sync::Report;
use crate::sync::fetch::RelayReport;
use crate::sync::listen::{Listeners, Told};
use crate::sync::receive::{Received, Stored};

use super::error::Error;
use super::inbox::sync_and_index;
use super::index;
use super::session::Session;

/// The longest pause after cycles that failed, in milliseconds.
const LONGEST_PAUSE_MS: i64 = 5 * 60 * 1000;

/// How to run.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Daemon {
    /// One cycle only.
    #[serde(default)]
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
    pub relays: Vec<RelayReport>,
    /// Whether it was to be one cycle only.
    #[serde(skip)]
    pub once: bool,
}

impl DaemonOutcome {
    /// 1 when no cycle succeeded, or when a relay failed in the only one; 0 otherwise.
    #[must_use]
    pub fn exit_code(&self) -> u8 {
        let no_success = self.cycles == self.failed && self.failed > 0;
        u8::from(no_success || (self.once && self.relays.iter().any(|relay| relay.problem.is_some())))
    }
}

/// Syncs, again and again, until the host stops it; a cycle that fails is told and tried again later. Between the cycles, and beside
/// them, it listens to the relays at which one can wait.
///
/// # Errors
/// When the mailbox cannot be entered at all. With `once`, also what the one cycle fails with.
pub async fn daemon(session: &mut Session, daemon: Daemon) -> Result<DaemonOutcome, Error> {
    session.enter().await?;
    let mut outcome = DaemonOutcome { once: daemon.once, ..DaemonOutcome::default() };
    let mut listeners = Listeners::default();
    let mut pause = Pause::default();
    let heard = AtomicUsize::new(0);
    loop {
        let mailbox = session.mailbox();
        let tell = |stored: Stored| -> Told<'_, Error> { Box::pin(tell(session, stored.received, &heard)) };
        let listening = listeners.accounts();
        let (synced, listened) = {
            let cycle = sync_and_index(session, &listening);
            listeners.during(&mailbox, cycle, &tell).await
        };
        let synced = synced.and_then(|report| listened.map(|()| report));
        match synced {
            Ok(report) => {
                pause.succeeded();
                listeners.attend(&mailbox, &report);
                outcome.note(session, report);
            }
            // Told to stop in the middle of a cycle: what is not done waits for the next run.
            Err(_) if session.cx.is_cancelled() => return Ok(outcome.with(&heard, &listeners)),
            Err(error) if daemon.once => return Err(error),
            Err(error) => {
                outcome.failed += 1;
                pause.failed();
                session.cx.emit(Level::Warning, format!("sync failed: {}", session.located(error)));
            }
        }
        outcome.cycles += 1;
        if daemon.once {
            return Ok(outcome);
        }
        let interval_ms =
            daemon.interval.map_or(session.config.sync_interval_ms(), |seconds| u64::from(seconds) * 1000);
        let sleep = session.cx.sleep_ms(pause.before_next_ms(interval_ms));
        let (is_next, listened) = listeners.during(&mailbox, sleep, &tell).await;
        if !is_next || session.cx.is_cancelled() {
            return Ok(outcome.with(&heard, &listeners));
        }
        if let Err(error) = listened {
            session.cx.emit(Level::Warning, format!("sync failed: {}", session.located(error)));
        }
        // The config may have been changed meanwhile: a filter, a new relay.
        session.reload_or_tell().await;
    }
}

/// Tells of what a relay has just brought.
async fn tell(session: &Session, received: Vec<Received>, heard: &AtomicUsize) -> Result<(), Error> {
    tell_received(session, &received);
    heard.fetch_add(received.len(), Ordering::Relaxed);
    index::refresh_day_index(session, session.today()).await
}

fn tell_received(session: &Session, received: &[Received]) {
    for message in received {
        let line = format!("received {} from {}: {} ({})", message.id, message.from, message.subject, message.verdict);
        session.cx.emit(Level::Info, text::for_terminal_line(&line));
    }
}

impl DaemonOutcome {
    /// Notes what a cycle did.
    fn note(&mut self, session: &Session, report: Report) {
        tell_received(session, &report.received);
        for delivery in &report.delivered {
            session.cx.emit(Level::Info, delivery.summary());
        }
        self.received += report.received.len();
        self.delivered += report.delivered.iter().filter(|delivery| delivery.is_complete()).count();
        self.relays = report.relays;
    }

    /// The same with what was heard between the cycles.
    fn with(mut self, heard: &AtomicUsize, listeners: &Listeners) -> Self {
        self.received += heard.load(Ordering::Relaxed);
        let is_told = |server: &str| self.relays.iter().any(|relay| relay.server == server);
        let heard: Vec<RelayReport> = listeners.reports().filter(|report| !is_told(&report.server)).cloned().collect();
        self.relays.extend(heard);
        self
    }
}

/// The pause between cycles: the interval, doubled for each failure in a row up to a bound.
#[derive(Debug, Default)]
pub(super) struct Pause {
    failures_in_a_row: u32,
}

impl Pause {
    pub(super) const fn succeeded(&mut self) {
        self.failures_in_a_row = 0;
    }

    pub(super) const fn failed(&mut self) {
        self.failures_in_a_row = self.failures_in_a_row.saturating_add(1);
    }

    /// Milliseconds before the next cycle, where the config says `interval_ms`.
    pub(super) fn before_next_ms(&self, interval_ms: u64) -> i64 {
        let interval_ms = i64::try_from(interval_ms).unwrap_or(i64::MAX);
        let factor = 1_i64.checked_shl(self.failures_in_a_row.min(16)).unwrap_or(1);
        interval_ms.max(1000).saturating_mul(factor).min(LONGEST_PAUSE_MS.max(interval_ms))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pauses_grow_to_a_bound() {
        for (interval_ms, failures_in_a_row, expected) in [
            (10_000, 0, 10_000),
            (10_000, 2, 40_000),
            (10_000, 40, LONGEST_PAUSE_MS),
            (0, 0, 1_000),
            (3_600_000, 3, 3_600_000),
        ] {
            assert_eq!(Pause { failures_in_a_row }.before_next_ms(interval_ms), expected);
        }
    }
}
