//! One process: a command under way, with the effects that it waits for.

use std::collections::BTreeSet;

use azall_core::command::session::{self, Context, Opened};
use azall_core::command::{self, Command, Error, Outcome};
use azall_core::engine::effect::{Answer, Effect, Http};
use azall_core::engine::event::Event;
use azall_core::engine::op::{EffectId, Op, Output};
use azall_core::engine::transcript::{Recorder, Transcript};
use azall_core::protocol::layout::RelPath;
use azall_core::protocol::time::Now;

use crate::host::Running;

/// What a fetch handed out: for whom, the markers, and the body that is to be made durable.
#[derive(Clone, Debug)]
pub(crate) struct Fetched {
    pub(crate) mailbox: usize,
    pub(crate) markers: Vec<String>,
    pub(crate) body: Vec<u8>,
}

/// An effect that was asked for and not answered.
pub(crate) enum Flying {
    /// About files.
    File(EffectId, Running),
    /// Carried out as far as the command knows, and not in truth (see [`crate::mutation`]).
    Unseen(Running),
    /// A request that was not sent yet.
    Request(EffectId, Http),
    /// A request that a relay holds back until there is something, at most until that moment.
    Held(EffectId, Http, i64),
    /// A request whose answer is on its way until that moment.
    Answer(EffectId, i64, Box<Answer>, Option<Fetched>),
}

enum Stage {
    Opening(Op<Opened, Error>, Box<Command>),
    Running(Op<Outcome, Error>),
    Recorded(Box<Recorder<Outcome, Error>>),
    Over,
}

/// What polling a process gave.
pub(crate) enum Polled {
    /// It waits.
    Waits,
    /// It is over.
    Done(Box<Result<Outcome, Error>>),
}

pub(crate) struct Process {
    stage: Stage,
    /// Keep the run of the command itself.
    recorded: bool,
    pub(crate) transcript: Option<Transcript>,
    pub(crate) flying: Vec<Flying>,
    /// When the machine's clock shows this, it goes on.
    pub(crate) wake_ms: Option<i64>,
    /// Stopped until this moment of the world's time.
    pub(crate) stopped_until_ms: i64,
    /// What it has been handed out and has not made durable.
    pub(crate) unspooled: Vec<Fetched>,
    pub(crate) events: Vec<Event>,
    /// Folders that it knows to be durable.
    pub(crate) known: BTreeSet<String>,
    cancelled: bool,
    /// Whether the disk refused a spool file.
    pub(crate) spool_refused: bool,
    config_file: String,
    mailboxes: String,
}

impl Process {
    pub(crate) fn start(command: Command, config: &str, mailboxes: &str, recorded: bool) -> Self {
        let file = crate::disk::split(config).1;
        let path = RelPath::parse(file).unwrap_or_default();
        Self {
            stage: Stage::Opening(session::open(path, None), Box::new(command)),
            recorded,
            transcript: None,
            flying: Vec::new(),
            wake_ms: None,
            stopped_until_ms: 0,
            unspooled: Vec::new(),
            events: Vec::new(),
            known: BTreeSet::new(),
            cancelled: false,
            spool_refused: false,
            config_file: config.to_owned(),
            mailboxes: mailboxes.to_owned(),
        }
    }

    /// Whether a change of the disk is under way.
    pub(crate) fn is_changing(&self) -> bool {
        let changes = |flying: &Flying| match flying {
            Flying::File(_, running) | Flying::Unseen(running) => matches!(
                running.effect(),
                Effect::WriteAtomic(_) | Effect::Append(_) | Effect::Rename(_) | Effect::Remove(_)
            ),
            Flying::Request(..) | Flying::Held(..) | Flying::Answer(..) => false,
        };
        self.flying.iter().any(changes)
    }

    /// The host is asked to stop: it tells the operation under way, and the one that follows.
    pub(crate) fn cancel(&mut self) {
        self.cancelled = true;
        match &mut self.stage {
            Stage::Opening(op, _) => op.cancel(),
            Stage::Running(op) => op.cancel(),
            Stage::Recorded(recorder) => recorder.cancel(),
            Stage::Over => {}
        }
    }

    /// Whether it was asked to stop, and the disk had refused to keep what a relay handed out.
    pub(crate) fn was_full_until_cancelled(&self) -> bool {
        self.cancelled && self.spool_refused
    }

    /// Answers an effect.
    pub(crate) fn resume(&mut self, id: EffectId, answer: Answer) {
        let taken = match &mut self.stage {
            Stage::Opening(op, _) => op.resume(id, answer),
            Stage::Running(op) => op.resume(id, answer),
            Stage::Recorded(recorder) => recorder.resume(id, answer),
            Stage::Over => Ok(()),
        };
        taken.unwrap_or_else(|error| panic!("an answer was not taken: {error}"));
    }

    /// Goes on as far as it can.
    pub(crate) fn poll(&mut self, now: Now) -> Polled {
        loop {
            let next = match &mut self.stage {
                Stage::Opening(op, _) => match op.poll(now) {
                    Output::Done(Ok(opened)) => {
                        self.run(opened);
                        continue;
                    }
                    Output::Done(Err(error)) => Output::Done(Err(error)),
                    Output::Effect(id, effect) => Output::Effect(id, effect),
                    Output::Event(event) => Output::Event(event),
                    Output::Wait(deadline) => Output::Wait(deadline),
                },
                Stage::Running(op) => op.poll(now),
                Stage::Recorded(recorder) => recorder.poll(now),
                Stage::Over => return Polled::Waits,
            };
            match next {
                Output::Effect(id, Effect::Http(http)) => self.flying.push(Flying::Request(id, http)),
                Output::Effect(id, effect) => self.flying.push(Flying::File(id, Running::new(effect))),
                Output::Event(event) => self.events.push(event),
                Output::Wait(deadline) => {
                    self.wake_ms = deadline;
                    return Polled::Waits;
                }
                Output::Done(result) => {
                    if let Stage::Recorded(recorder) = std::mem::replace(&mut self.stage, Stage::Over) {
                        self.transcript = Some(recorder.into_transcript());
                    }
                    return Polled::Done(Box::new(result));
                }
            }
        }
    }

    fn run(&mut self, opened: Opened) {
        let Stage::Opening(_, command) = std::mem::replace(&mut self.stage, Stage::Over) else { return };
        let context = Context {
            opened,
            config_file: RelPath::parse(crate::disk::split(&self.config_file).1).unwrap_or_default(),
            config_shown: self.config_file.clone(),
            mailboxes_shown: self.mailboxes.clone(),
        };
        let op = command::start(*command, context);
        self.stage = if self.recorded { Stage::Recorded(Box::new(Recorder::new(op))) } else { Stage::Running(op) };
        if self.cancelled {
            self.cancel();
        }
    }
}
