//! The drive loop: polls an operation, does what it asks, and resumes it with the answers as they come.
//!
//! A single file effect is done on the calling thread, and so is a single group of writes: a command that asks for one
//! thing after another never starts a thread. Several file effects at once are shared out to all cores. Requests and
//! scripts, which may take long, get a thread each, so that neither holds up files nor a signal.

use std::collections::VecDeque;
use std::io::{self, Read, Write};
use std::os::fd::AsFd;
use std::os::unix::net::UnixStream;
use std::sync::Arc;
use std::sync::mpsc::{Receiver, Sender, channel};
use std::thread;
use std::time::{Duration, Instant};

use azall_core::engine::effect::{Answer, Effect, IoError, IoErrorKind, WriteAtomic};
use azall_core::engine::error::Error;
use azall_core::engine::event::Event;
use azall_core::engine::op::{EffectId, Op, Output};
use azall_files::clock;
use rustix::event::{PollFd, PollFlags, Timespec};
use rustix::io::Errno;

use crate::host::Host;

/// The most requests and scripts at once; more wait their turn.
const MOST_THREADS: usize = 16;

/// How long requests and scripts may still take once the operation is to stop. What a relay is handing out it may have deleted, so
/// they are not cut off at once; a service manager kills after ten seconds.
const GRACE: Duration = Duration::from_secs(8);

/// Runs an operation to its end. When the host's [`Interrupt`](crate::interrupt::Interrupt) is raised, the operation
/// is asked once to stop, and requests that are not answered soon after fail.
///
/// # Errors
/// The operation's own; and [`Error::Host`] when the system gives this process no thread or file descriptor, or an
/// answer is not taken.
pub fn drive<T, E: From<Error>>(op: &mut Op<T, E>, host: &Host, mut on_event: impl FnMut(Event)) -> Result<T, E> {
    let mut work = Work::default();
    let mut give_up_at: Option<Instant> = None;
    loop {
        if host.interrupt().is_raised() && give_up_at.is_none() {
            give_up_at = Some(Instant::now() + GRACE);
            op.cancel();
        }
        let mut asked = Vec::new();
        let deadline = loop {
            match op.poll(clock::now()) {
                Output::Effect(id, effect) => asked.push((id, effect)),
                Output::Event(event) => on_event(event),
                Output::Wait(deadline) => break deadline,
                Output::Done(result) => return result,
            }
        };
        let answers = if asked.is_empty() {
            work.wait(host, deadline, give_up_at).map_err(broken)?
        } else {
            work.start(host, Round::sort(asked)).map_err(broken)?
        };
        for (id, answer) in answers {
            op.resume(id, answer).map_err(|error| broken(io::Error::other(error)))?;
        }
    }
}

/// The loop itself failed.
fn broken(error: io::Error) -> Error {
    Error::Host { action: "driving the operation", source: azall_files::system::failed_std(&error) }
}

/// The answers to effects, in the order in which they came.
type Answers = Vec<(EffectId, Answer)>;

/// What an operation asked for between two waits, by the way it is done.
#[derive(Default)]
struct Round {
    /// Writes, which share their syncs.
    writes: (Vec<EffectId>, Vec<WriteAtomic>),
    /// Other effects that are soon done.
    local: Vec<(EffectId, Effect)>,
    /// Effects that may take long.
    slow: Vec<(EffectId, Effect)>,
}

impl Round {
    fn sort(asked: Vec<(EffectId, Effect)>) -> Self {
        let mut round = Self::default();
        for (id, effect) in asked {
            match effect {
                Effect::WriteAtomic(write) => {
                    round.writes.0.push(id);
                    round.writes.1.push(write);
                }
                Effect::Http(_) | Effect::RunScript(_) => round.slow.push((id, effect)),
                _ => round.local.push((id, effect)),
            }
        }
        round
    }

    /// How many pieces of work on files this is.
    fn files(&self) -> usize {
        self.local.len() + usize::from(!self.writes.0.is_empty())
    }
}

/// What is being done on other threads.
#[derive(Default)]
struct Work {
    /// Made when there is something to be done on another thread.
    completions: Option<Completions>,
    in_flight: usize,
    threads: usize,
    queued: VecDeque<(EffectId, Effect)>,
    /// Requests and scripts that somebody waits for, each with its answer if it is given up.
    slow: Vec<(EffectId, Answer)>,
}

impl Work {
    /// Does a lone piece of work on files at once and gives its answers; starts everything else.
    fn start(&mut self, host: &Host, round: Round) -> io::Result<Answers> {
        let is_alone = self.in_flight == 0 && round.slow.is_empty() && round.files() == 1;
        let mut answers = Vec::new();
        let (ids, writes) = round.writes;
        if !ids.is_empty() {
            let job = move |host: &Host| ids.into_iter().zip(host.commit(&writes)).collect();
            if is_alone { answers = job(host) } else { self.start_on_pool(host, job)? }
        }
        for (id, effect) in round.local {
            let job = move |host: &Host| vec![(id, host.answer(&effect))];
            if is_alone { answers = job(host) } else { self.start_on_pool(host, job)? }
        }
        for (id, effect) in round.slow {
            let given_up = IoError::new(IoErrorKind::TimedOut, "told to stop before an answer came");
            self.slow.push((id, effect.failed(given_up)));
            self.queued.push_back((id, effect));
        }
        self.start_queued(host)?;
        Ok(answers)
    }

    /// Shares work on files out to all cores.
    fn start_on_pool(&mut self, host: &Host, job: impl FnOnce(&Host) -> Answers + Send + 'static) -> io::Result<()> {
        let slot = self.slot()?;
        let host = host.clone();
        rayon::spawn(move || slot.put(Done { answers: job(&host), ends_thread: false }));
        self.in_flight += 1;
        Ok(())
    }

    /// Starts the requests and scripts that wait for a thread, as far as there may be more.
    fn start_queued(&mut self, host: &Host) -> io::Result<()> {
        while self.threads < MOST_THREADS {
            let Some((id, effect)) = self.queued.pop_front() else { break };
            let slot = self.slot()?;
            let host = host.clone();
            let job = move || slot.put(Done { answers: vec![(id, host.answer(&effect))], ends_thread: true });
            thread::Builder::new().name("azall-slow".to_owned()).spawn(job)?;
            self.in_flight += 1;
            self.threads += 1;
        }
        Ok(())
    }

    /// Waits for answers, the deadline (unix milliseconds) or, unless it was obeyed already, the interrupt. From `give_up_at` on
    /// nobody waits for requests and scripts any more.
    fn wait(&mut self, host: &Host, deadline: Option<i64>, give_up_at: Option<Instant>) -> io::Result<Answers> {
        let mut waiting = Vec::new();
        if let Some(completions) = self.completions.as_ref().filter(|_| self.in_flight > 0) {
            waiting.push(PollFd::from_borrowed_fd(completions.rung.as_fd(), PollFlags::IN));
        }
        if give_up_at.is_none() {
            waiting.push(PollFd::from_borrowed_fd(host.interrupt().as_fd(), PollFlags::IN));
        }
        let grace = give_up_at.filter(|_| !self.slow.is_empty()).map(|at| at.saturating_duration_since(Instant::now()));
        let limit = until(deadline).min(grace.unwrap_or(LONGEST_WAIT));
        match rustix::event::poll(&mut waiting, Timespec::try_from(limit).ok().as_ref()) {
            Ok(_) | Err(Errno::INTR) => {}
            Err(errno) => return Err(errno.into()),
        }
        let done = self.completions.as_mut().map(Completions::empty).unwrap_or_default();
        self.in_flight -= done.len();
        let mut answers = Answers::new();
        for Done { answers: these, ends_thread } in done {
            self.threads -= usize::from(ends_thread);
            // Of what was given up the operation knows no more.
            answers.extend(these.into_iter().filter(|(id, _)| !ends_thread || self.is_awaited(*id)));
        }
        if give_up_at.is_some_and(|at| at <= Instant::now()) {
            self.queued.clear();
            answers.append(&mut self.slow);
        }
        self.start_queued(host)?;
        Ok(answers)
    }

    /// Whether somebody waits for this request or script, who is served now.
    fn is_awaited(&mut self, id: EffectId) -> bool {
        let place = self.slow.iter().position(|(waiting, _)| *waiting == id);
        place.map(|place| self.slow.swap_remove(place)).is_some()
    }

    fn slot(&mut self) -> io::Result<Slot> {
        if let Some(completions) = &self.completions {
            return Ok(completions.slot.clone());
        }
        let completions = Completions::new()?;
        let slot = completions.slot.clone();
        self.completions = Some(completions);
        Ok(slot)
    }
}

/// How long to wait for a deadline, at most: the system's clock may be set, or the machine sleep, meanwhile.
const LONGEST_WAIT: Duration = Duration::from_secs(30);

fn until(deadline: Option<i64>) -> Duration {
    let left = deadline.map(|deadline| deadline.saturating_sub(clock::now().unix_ms));
    left.map_or(LONGEST_WAIT, |ms| Duration::from_millis(u64::try_from(ms).unwrap_or(0)).min(LONGEST_WAIT))
}

/// A piece of work that is over.
struct Done {
    answers: Answers,
    /// Whether one of the threads for requests and scripts is free again.
    ends_thread: bool,
}

/// Where other threads put what is done, with a socket to wait on beside the interrupt's.
struct Completions {
    done: Receiver<Done>,
    rung: UnixStream,
    slot: Slot,
}

impl Completions {
    fn new() -> io::Result<Self> {
        let (sender, done) = channel();
        let (rung, bell) = UnixStream::pair()?;
        rung.set_nonblocking(true)?;
        bell.set_nonblocking(true)?;
        Ok(Self { done, rung, slot: Slot { sender, bell: Arc::new(bell) } })
    }

    fn empty(&mut self) -> Vec<Done> {
        // First the socket, then the channel: what is put in between rings again.
        let mut rings = [0; 64];
        while matches!((&self.rung).read(&mut rings), Ok(1..)) {}
        self.done.try_iter().collect()
    }
}

/// Another thread's way into [`Completions`].
#[derive(Clone)]
struct Slot {
    sender: Sender<Done>,
    bell: Arc<UnixStream>,
}

impl Slot {
    /// Both fail only when the operation is over and nobody waits any more, or when the socket is full of rings.
    fn put(self, done: Done) {
        let _ = self.sender.send(done);
        let _ = (&*self.bell).write(&[0]);
    }
}
