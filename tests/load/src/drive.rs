//! The two loops.
//!
//! *Open*: requests are due at a fixed rate, whatever the relay does, and a latency counts from the moment at which its
//! request was due: a relay that stalls is charged for all that it kept waiting. *Closed*: every connection sends its next
//! request when it has its answer; this finds the maximum. The timer's grain of a millisecond is part of open latencies.

use std::net::SocketAddr;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::time::{Instant, sleep_until};

use crate::connection::Connection;
use crate::error::{Error, Result};
use crate::measured::{Measured, Statuses};

/// What is asked of a relay, again and again.
pub trait Mix: Send + Sync + 'static {
    /// Does it once: one request or several, with every status counted. `serial` is different every time, and counts from
    /// 0. Gives the number of messages that went through.
    fn transact(
        &self,
        connection: &mut Connection,
        serial: u64,
        statuses: &Tally,
    ) -> impl Future<Output = Result<u64>> + Send;
}

/// The statuses of a run, counted by all its connections.
#[derive(Debug, Default)]
pub struct Tally(Mutex<Statuses>);

impl Tally {
    /// Counts an answer.
    pub fn count(&self, status: u16) {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).count(status);
    }

    /// Counts recipients that were refused.
    pub fn refuse(&self, recipients: u64) {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).refuse(recipients);
    }
}

/// When a request is due.
#[derive(Clone, Copy, Debug)]
pub enum Pace {
    /// When the connection is free.
    Closed,
    /// So many times a second.
    Open(f64),
}

/// When to stop.
#[derive(Clone, Copy, Debug)]
pub enum Until {
    /// After a warm-up, which does not count, and this time.
    Time {
        /// What does not count.
        warm_up: Duration,
        /// What counts.
        run: Duration,
    },
    /// After so many transactions, which all count.
    Count(u64),
}

/// A run to be made.
#[derive(Clone, Copy, Debug)]
pub struct Load {
    /// Connections at once.
    pub connections: usize,
    /// The loop.
    pub pace: Pace,
    /// The end.
    pub until: Until,
}

struct Run<M> {
    mix: M,
    load: Load,
    start: Instant,
    next: AtomicU64,
    measured: Mutex<Measured>,
    statuses: Tally,
}

/// Makes a run.
///
/// # Errors
/// The first failure of a connection; what it measured is then of no use.
pub async fn drive<M: Mix>(mix: M, address: SocketAddr, load: Load) -> Result<Measured> {
    let run = Arc::new(Run {
        mix,
        load,
        start: Instant::now(),
        next: AtomicU64::new(0),
        measured: Mutex::default(),
        statuses: Tally::default(),
    });
    let workers: Vec<_> =
        (0..load.connections).map(|_| tokio::spawn(worker(Arc::clone(&run), Connection::to(address)))).collect();
    for worker in workers {
        // A worker is never cancelled; one that panics is a fault of this program.
        worker.await.map_err(|failed| Error::Usage(failed.to_string()))??;
    }
    let mut measured = std::mem::take(&mut *run.measured());
    measured.statuses = std::mem::take(&mut *run.statuses.0.lock().unwrap_or_else(PoisonError::into_inner));
    measured.time = match load.until {
        Until::Time { run, .. } => run,
        Until::Count(_) => run.start.elapsed(),
    };
    Ok(measured)
}

async fn worker<M: Mix>(run: Arc<Run<M>>, mut connection: Connection) -> Result<()> {
    while let Some((serial, due)) = run.due() {
        // A timer takes until its next tick, whatever it is asked for.
        if due > Instant::now() {
            sleep_until(due).await;
        }
        let messages = run.mix.transact(&mut connection, serial, &run.statuses).await?;
        run.note(due, messages);
    }
    run.measured().connections += connection.opened();
    Ok(())
}

impl<M> Run<M> {
    fn measured(&self) -> MutexGuard<'_, Measured> {
        self.measured.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The next transaction and when it is due, unless that is after the end.
    fn due(&self) -> Option<(u64, Instant)> {
        let serial = self.next.fetch_add(1, Ordering::Relaxed);
        let due = match self.load.pace {
            Pace::Closed => Instant::now(),
            Pace::Open(rate) => self.start + Duration::from_secs_f64(serial as f64 / rate),
        };
        let over = match self.load.until {
            Until::Time { warm_up, run } => due >= self.start + warm_up + run,
            Until::Count(count) => serial >= count,
        };
        (!over).then_some((serial, due))
    }

    /// Notes a transaction that is over. In the open loop it counts by when it was due, else by when it ended: what is
    /// under way at either end of the time that counts is then neither lost nor counted twice.
    fn note(&self, due: Instant, messages: u64) {
        let now = Instant::now();
        let counts = match self.load.until {
            Until::Count(_) => true,
            Until::Time { warm_up, run } => {
                let at = if matches!(self.load.pace, Pace::Open(_)) { due } else { now };
                (self.start + warm_up..self.start + warm_up + run).contains(&at)
            }
        };
        if counts {
            let mut measured = self.measured();
            measured.latencies.record(now - due);
            measured.messages += messages;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::connection::Call;
    use tokio::io::{AsyncReadExt, AsyncWriteExt};
    use tokio::net::TcpListener;

    struct Health(Call);

    impl Mix for Health {
        async fn transact(&self, connection: &mut Connection, _: u64, statuses: &Tally) -> Result<u64> {
            let answer = connection.call(&self.0).await?;
            statuses.count(answer.status);
            Ok(1)
        }
    }

    /// A server that answers every request on its one connection, the tenth only after a stall.
    async fn stalling(listener: TcpListener, stall: Duration) {
        let (mut stream, _) = listener.accept().await.unwrap();
        let mut buffer = [0; 4096];
        let mut answered = 0;
        while stream.read(&mut buffer).await.is_ok_and(|count| count > 0) {
            answered += 1;
            if answered == 10 {
                tokio::time::sleep(stall).await;
            }
            stream.write_all(b"HTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n").await.unwrap();
        }
    }

    async fn run(pace: Pace, count: u64, stall: Duration) -> Measured {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let server = tokio::spawn(stalling(listener, stall));
        let load = Load { connections: 1, pace, until: Until::Count(count) };
        let measured = drive(Health(Call::get("/health").unwrap()), address, load).await.unwrap();
        server.await.unwrap();
        measured
    }

    #[tokio::test(flavor = "current_thread")]
    async fn a_stall_is_charged_for_all_that_it_kept_waiting() {
        let stall = Duration::from_millis(300);
        let open = run(Pace::Open(200.0), 40, stall).await;
        assert_eq!((open.latencies.count(), open.messages, open.connections), (40, 40, 1));
        // Thirty more were due while the relay stalled; half of them by more than half of it.
        assert!(open.latencies.at(0.5) > stall / 3, "{}", open.latencies);
        let closed = run(Pace::Closed, 40, stall).await;
        // The closed loop met the same stall and charges one request alone: this is the omission.
        assert!(closed.latencies.max() >= stall && closed.latencies.at(0.5) < open.latencies.at(0.5));
    }

    #[tokio::test(flavor = "current_thread")]
    async fn an_idle_connection_that_was_closed_is_opened_again() {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let server = tokio::spawn(async move {
            for _ in 0..3 {
                let (mut stream, _) = listener.accept().await.unwrap();
                let _ = stream.read(&mut [0; 4096]).await.unwrap();
                stream.write_all(b"HTTP/1.1 200 OK\r\nconnection: close\r\ncontent-length: 0\r\n\r\n").await.unwrap();
            }
        });
        let load = Load { connections: 1, pace: Pace::Closed, until: Until::Count(3) };
        let measured = drive(Health(Call::get("/health").unwrap()), address, load).await.unwrap();
        server.await.unwrap();
        assert_eq!((measured.connections, measured.messages), (3, 3));
    }
}
