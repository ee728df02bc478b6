//! What no call of the runtime can be asked to keep to: the time in all, and the memory of this process.

use std::fs;
use std::io::{self, Write};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc;
use std::thread;
use std::time::{Duration, Instant};

use wasmtime::Engine;

use crate::error::Error;
use crate::limits::Limits;
use crate::output::Output;

/// How often a program is looked at.
const TICK: Duration = Duration::from_millis(10);

/// How long a reader that is slow may take for the output of a program that was ended.
const GRACE: Duration = Duration::from_secs(1);

/// Watches over a run, and ends the process where it must.
#[derive(Clone)]
pub(crate) struct Watch {
    /// Whether the run is over. Who finds that it is not, and says so, has the last word.
    is_over: Arc<AtomicBool>,
}

impl Watch {
    /// Lets the engine's time go on, and ends the process when it has taken too long, or too much memory.
    pub(crate) fn start(engine: &Engine, limits: Limits, output: Output) -> Result<Self, Error> {
        let watch = Self { is_over: Arc::default() };
        let (own, engine) = (watch.clone(), engine.clone());
        let watcher = move || {
            let error = reached(&engine, limits);
            if own.is_over.swap(true, Ordering::SeqCst) {
                return;
            }
            // It computes, is compiled, or waits in a call of the runtime: only the end of the process cuts these short.
            engine.increment_epoch();
            die(error, output);
        };
        let spawned = thread::Builder::new().name("limits".to_owned()).spawn(watcher);
        spawned.map(|_| watch).map_err(|error| Error::Setup(error.to_string()))
    }

    /// The run is over. Where the watcher has said so before, this does not return: the process is about to end.
    pub(crate) fn end(&self) {
        if self.is_over.swap(true, Ordering::SeqCst) {
            wait_for_the_end();
        }
    }

    /// Called while the program runs: does not return once the watcher has ended the run.
    pub(crate) fn pass(&self) {
        if self.is_over.load(Ordering::SeqCst) {
            wait_for_the_end();
        }
    }
}

fn wait_for_the_end() -> ! {
    loop {
        thread::park();
    }
}

/// Waits until a bound is reached.
fn reached(engine: &Engine, limits: Limits) -> Error {
    let started = Instant::now();
    loop {
        thread::sleep(TICK);
        engine.increment_epoch();
        if started.elapsed() >= limits.wall_time() {
            return Error::Wall(limits.wall);
        }
        if resident() > limits.process_bytes() {
            return Error::Runtime(limits.process_bytes() >> 20);
        }
    }
}

/// The memory that this process uses; 0 where the system does not tell.
fn resident() -> u64 {
    let status = fs::read_to_string("/proc/self/status").unwrap_or_default();
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:"));
    line.and_then(|line| line.trim().strip_suffix("kB")?.trim().parse::<u64>().ok()).unwrap_or(0) << 10
}

/// Passes on what there is and ends the process, whether somebody reads it or not.
fn die(error: Error, output: Output) {
    let (done, is_done) = mpsc::channel();
    thread::spawn(move || {
        let _ = output.pass_on();
        let _ = writeln!(io::stderr(), "error: {error}");
        let _ = done.send(());
    });
    let _ = is_done.recv_timeout(GRACE);
    std::process::exit(i32::from(crate::EXIT_REFUSED));
}
