//! The `azall` command under WASI preview 1: the files below the folders that the runtime opens for it, no network and no
//! processes. What would go over the network stays queued for a daemon outside.

mod host;

use std::io;
use std::process::ExitCode;
use std::thread;
use std::time::Duration;

use azall_core::cli::{Exit, Invocation};
use azall_core::command::Error;
use azall_core::engine::error;
use azall_core::engine::event::Event;
use azall_core::engine::op::{Op, Output};
use azall_files::cli::Machine;
use azall_files::clock;
use azall_files::roots::Roots;

use host::Host;

/// The longest sleep at a stretch, in milliseconds: the clock may be set meanwhile.
const LONGEST_SLEEP_MS: u64 = 30_000;

fn main() -> ExitCode {
    ExitCode::from(azall_files::cli::run::<Sandbox>(std::env::args_os()))
}

/// What a WASI runtime lets us have.
struct Sandbox;

impl Machine for Sandbox {
    fn start() -> io::Result<Self> {
        Ok(Self)
    }

    fn other(_: &Invocation) -> Result<Option<u8>, Exit> {
        // Commands alone; the core says of everything else that this host cannot do it.
        Ok(None)
    }

    fn drive<T>(&self, op: &mut Op<T, Error>, roots: Roots, mut on_event: impl FnMut(Event)) -> Result<T, Error> {
        let host = Host::new(roots);
        loop {
            match op.poll(clock::now()) {
                Output::Effect(id, effect) => {
                    let answer = host.answer(&effect);
                    op.resume(id, answer).map_err(|error| broken(&io::Error::other(error)))?;
                }
                Output::Event(event) => on_event(event),
                Output::Wait(deadline) => sleep_until(deadline),
                Output::Done(result) => return result,
            }
        }
    }
}

/// Every effect is answered at once, so all that an operation can wait for is the time.
fn sleep_until(deadline: Option<i64>) {
    let left = deadline.map_or(0, |deadline| deadline.saturating_sub(clock::now().unix_ms));
    thread::sleep(Duration::from_millis(u64::try_from(left).unwrap_or(0).min(LONGEST_SLEEP_MS)));
}

/// The loop itself failed.
fn broken(why: &io::Error) -> error::Error {
    error::Error::Host { action: "driving the operation", source: azall_files::system::failed_std(why) }
}
