//! A world: machines with disks and clocks, relays, agents, and the processes that run there, one small step at a time.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write as _;

use azall_core::command::{Command, Error, Outcome};
use azall_core::engine::effect::{Answer, Effect, Facts, IoError, IoErrorKind};
use azall_core::engine::lock::GRACE_MS;
use azall_core::protocol::config::Config;
use azall_core::protocol::keyring::Keyring;
use azall_core::protocol::time::Now;
use serde_json::json;

use crate::choose::Chooser;
use crate::disk::{Disk, Tree};
use crate::host::{Progress, Roots, Running, Setting};
use crate::model::{self, Log, Mailbox};
use crate::mutation::Mutation;
use crate::network::{Late, Network};
use crate::plan::{At, Fault, Plan, Task, Transport, Versions, What};
use crate::process::{Flying, Polled, Process};
use crate::random::Random;
use crate::relay::Relay;
use crate::tasks::Promise;

/// When every world begins: 2026-03-11 14:30 UTC.
const BEGIN_MS: i64 = 1_773_239_400_000;

/// More decisions than any world needs: beyond them it has not come to rest.
const MOST_TICKS: u64 = 400_000;

/// A machine.
#[derive(Clone, Debug)]
pub struct Machine {
    /// Its disk.
    pub disk: Disk,
    /// How far its clock is from the world's.
    pub skew_ms: i64,
}

/// An agent, at its machine.
#[derive(Clone, Debug)]
pub struct Agent {
    /// Its address.
    pub address: String,
    /// Its machine.
    pub machine: usize,
    /// Its folder on the disk.
    pub home: String,
    /// Its config file on the disk.
    pub config: String,
    /// Its roots.
    pub roots: Roots,
}

/// What was done and what went wrong on purpose.
#[derive(Clone, Debug, Default)]
pub struct Counters {
    /// Effects that were answered.
    pub effects: u64,
    /// Small steps on disks.
    pub steps: u64,
    /// Effects that were under way when their process died.
    pub crashed: u64,
    /// Commands that were started.
    pub commands: u64,
    /// Commands that ended without an error.
    pub succeeded: u64,
    /// Faults by kind.
    pub faults: BTreeMap<&'static str, u64>,
}

impl Counters {
    /// How many faults.
    #[must_use]
    pub fn all_faults(&self) -> u64 {
        self.faults.values().sum()
    }

    /// Adds what another world did.
    pub fn add(&mut self, other: &Self) {
        self.effects += other.effects;
        self.steps += other.steps;
        self.crashed += other.crashed;
        self.commands += other.commands;
        self.succeeded += other.succeeded;
        for (name, count) in &other.faults {
            *self.faults.entry(name).or_default() += count;
        }
    }
}

/// A lane under way.
#[derive(Default)]
pub(crate) struct Track {
    pub(crate) agent: usize,
    pub(crate) tasks: std::collections::VecDeque<(i64, Task)>,
    pub(crate) next_ms: i64,
    pub(crate) current: Option<(Task, Promise, Process)>,
    cancel_ms: Option<i64>,
    pub(crate) requests: u64,
    pub(crate) steps: u64,
    /// What the last command gave: for tests of single commands.
    pub(crate) last: Option<Result<Outcome, Error>>,
}

/// The explicit list of faults, and which were met.
#[derive(Clone, Debug, Default)]
pub(crate) struct Faults {
    by_time: BTreeMap<At, Vec<(usize, What)>>,
    pub(crate) met: BTreeSet<usize>,
}

impl Faults {
    fn new(faults: &[Fault]) -> Self {
        let mut by_time: BTreeMap<At, Vec<(usize, What)>> = BTreeMap::new();
        for (index, fault) in faults.iter().enumerate() {
            by_time.entry(fault.at).or_default().push((index, fault.what.clone()));
        }
        Self { by_time, met: BTreeSet::new() }
    }

    fn take(&mut self, at: At) -> Vec<(usize, What)> {
        self.by_time.remove(&at).unwrap_or_default()
    }
}

/// A world.
pub struct World {
    /// Its machines.
    pub machines: Vec<Machine>,
    /// Its agents.
    pub agents: Vec<Agent>,
    /// Its relays.
    pub relays: Vec<Relay>,
    /// What was asked and answered.
    pub log: Log,
    /// What was done.
    pub counters: Counters,
    /// What went wrong that no tree of files shows.
    pub wrong: Vec<String>,
    /// The world's own time.
    pub time_ms: i64,
    /// Everything that happened, if it is kept.
    pub transcript: Option<String>,
    /// Every command's own run, masked, if they are kept.
    pub keep_runs: bool,
    pub(crate) tick: u64,
    pub(crate) tokens: BTreeMap<usize, String>,
    pub(crate) exported: Option<Vec<u8>>,
    pub(crate) happen: Random,
    pub(crate) tracks: Vec<Track>,
    pub(crate) faults: Faults,
    by_link: bool,
    mutation: Option<Mutation>,
    serial: u64,
    late: Vec<Late>,
    said: BTreeSet<String>,
    /// Blocks that an unblock ended, once these lanes' commands are over.
    ending: Vec<(Vec<usize>, BTreeSet<usize>)>,
}

impl World {
    /// The world of a plan, before anything happens.
    #[must_use]
    pub fn new(plan: &Plan) -> Self {
        let mut happen = Random::stream(plan.seed, 3);
        let relays = match plan.transport {
            Transport::Folder => 0,
            Transport::Relay => 1,
            Transport::TwoRelays => 2,
        };
        let mut relays: Vec<Relay> =
            (0..relays).map(|at| Relay::new(&format!("http://127.0.0.1:{}", 8484 + at), plan.durable_relays)).collect();
        relays.iter_mut().for_each(|relay| relay.speaks_2 = plan.versions != Versions::One);
        let disk = Disk::new(plan.journaled);
        let mut machines = vec![Machine { disk, skew_ms: 0 }; plan.machines];
        let mut agents = Vec::new();
        for (at, planned) in plan.agents.iter().enumerate() {
            let roots = Roots {
                config: format!("home{at}"),
                mailboxes: "data/mailboxes".to_owned(),
                shared: "data/shared".to_owned(),
            };
            let config = format!("{}/config.json", roots.config);
            let name = planned.address.trim_end_matches(".agenttalk");
            if planned.fresh {
                machines[planned.machine].disk.place(&format!("{}/.here", roots.config), b"", BEGIN_MS);
                let home = format!("{}/{}", roots.mailboxes, planned.address);
                agents.push(Agent { address: planned.address.clone(), machine: planned.machine, home, config, roots });
                continue;
            }
            let accounts: Vec<_> = relays
                .iter_mut()
                .map(|relay| json!({"server": relay.url, "token": relay.add(name, &mut happen), "address": planned.address}))
                .collect();
            let mut file = json!({
                "agent_name": planned.address, "mailbox_dir": "../data/mailboxes", "transport": "agenttalk",
                "signature_policy": planned.policy, "relays": accounts,
            });
            if !planned.keyless {
                file["agent_key"] = json!(azall_core::protocol::text::hex(&happen.bytes(16)));
            }
            machines[planned.machine].disk.place(&config, file.to_string().as_bytes(), BEGIN_MS);
            let home = format!("{}/{}", roots.mailboxes, planned.address);
            agents.push(Agent { address: planned.address.clone(), machine: planned.machine, home, config, roots });
        }
        let mut world = Self {
            machines,
            agents,
            relays,
            log: Log::default(),
            counters: Counters::default(),
            wrong: Vec::new(),
            time_ms: BEGIN_MS,
            transcript: None,
            keep_runs: false,
            tick: 0,
            tokens: BTreeMap::new(),
            exported: None,
            happen,
            tracks: Vec::new(),
            faults: Faults::new(&plan.faults),
            by_link: plan.by_link,
            mutation: plan.mutation,
            serial: 0,
            late: Vec::new(),
            said: BTreeSet::new(),
            ending: Vec::new(),
        };
        world.set_lanes(&plan.lanes);
        world
    }

    /// Replaces what is to go wrong from here on, counted from here.
    pub fn set_faults(&mut self, faults: &[Fault]) {
        self.faults = Faults { met: std::mem::take(&mut self.faults.met), ..Faults::new(faults) };
    }

    /// Replaces what is to be done from here on.
    pub fn set_lanes(&mut self, lanes: &[crate::plan::Lane]) {
        let track = |lane: &crate::plan::Lane| {
            let tasks: std::collections::VecDeque<_> = lane.tasks.iter().cloned().collect();
            let next_ms = self.time_ms + tasks.front().map_or(0, |(after_ms, _)| *after_ms);
            Track { agent: lane.agent, tasks, next_ms, ..Track::default() }
        };
        self.tracks = lanes.iter().map(track).collect();
    }

    pub(crate) fn next_serial(&mut self) -> u64 {
        self.serial += 1;
        self.serial
    }

    fn tell(&mut self, what: impl FnOnce(&Self) -> String) {
        if self.transcript.is_some() {
            let line = what(self);
            let time = self.time_ms - BEGIN_MS;
            if let Some(transcript) = &mut self.transcript {
                let _ = writeln!(transcript, "{time} {line}");
            }
        }
    }

    fn now(&self, machine: usize) -> Now {
        Now::utc(self.time_ms + self.machines[machine].skew_ms)
    }

    fn count(&mut self, name: &'static str, times: u64) {
        if times > 0 {
            *self.counters.faults.entry(name).or_default() += times;
        }
    }

    /// Runs until every lane is done.
    pub fn run(&mut self, chooser: &mut Chooser) {
        while self.advance(chooser) {
            if self.tick > MOST_TICKS {
                self.wrong.push(format!("the world did not come to rest in {MOST_TICKS} decisions"));
                return;
            }
        }
    }

    /// One decision; false when all is done.
    fn advance(&mut self, chooser: &mut Chooser) -> bool {
        self.tick += 1;
        self.disturb();
        self.begin_what_is_due();
        let ready = self.ready();
        if ready.is_empty() {
            return self.wait();
        }
        let (track, at) = ready[chooser.choose(&ready)];
        self.time_ms += chooser.pass();
        let whole = chooser.takes_whole();
        self.step(track, at, whole);
        true
    }

    /// What goes wrong by itself at this decision.
    fn disturb(&mut self) {
        for (index, what) in self.faults.take(At::Tick(self.tick)) {
            match what {
                What::Jump(machine, ms) => {
                    self.machines[machine].skew_ms += ms;
                    if !(0..3_600_000).contains(&ms) {
                        self.log.clock_set.insert(machine);
                    }
                    for track in 0..self.tracks.len() {
                        self.wake(track, machine);
                    }
                }
                What::Speak(relay, speaks_2) if relay < self.relays.len() => {
                    self.relays[relay].speaks_2 = speaks_2;
                    self.log.blobs_lost |= !speaks_2;
                }
                What::BlobsExpire(relay) if relay < self.relays.len() => {
                    self.log.blobs_lost |= self.relays[relay].version2.expire_blobs();
                }
                What::RelayCrash(relay, ms) if relay < self.relays.len() => {
                    let until_ms = self.time_ms + ms;
                    self.log.blobs_lost |= !self.relays[relay].durable;
                    for (account, lost) in self.relays[relay].crash(until_ms) {
                        if let Some(mailbox) = self.mailbox_of_account(&account) {
                            self.log.lose(&lost.marker, mailbox);
                        }
                    }
                }
                _ => continue,
            }
            self.meet(index, &what);
        }
    }

    fn meet(&mut self, index: usize, what: &What) {
        self.faults.met.insert(index);
        self.count(what.name(), 1);
        self.tell(|_| format!("fault {what:?}"));
    }

    fn mailbox_of_account(&self, account: &str) -> Option<usize> {
        self.agents
            .iter()
            .position(|agent| agent.address.strip_suffix(".agenttalk").unwrap_or(&agent.address) == account)
    }

    /// Starts commands, wakes sleepers, cancels daemons and lets late requests arrive.
    fn begin_what_is_due(&mut self) {
        for track in 0..self.tracks.len() {
            let due = self.tracks[track].next_ms <= self.time_ms;
            if self.tracks[track].current.is_none()
                && due
                && let Some((_, task)) = self.tracks[track].tasks.pop_front()
            {
                self.begin(track, task);
            }
            let stopped_until_ms = self.tracks[track].current.as_ref().map_or(0, |current| current.2.stopped_until_ms);
            if self.tracks[track].cancel_ms.is_some_and(|at| at.max(stopped_until_ms) <= self.time_ms) {
                self.tracks[track].cancel_ms = None;
                self.tell(|_| format!("lane {track} is asked to stop"));
                if let Some((_, _, process)) = &mut self.tracks[track].current {
                    process.cancel();
                    self.poll(track);
                }
            }
            self.wake(track, usize::MAX);
        }
        while let Some(at) = self.late.iter().position(|late| late.due_ms <= self.time_ms) {
            let late = self.late.remove(at);
            self.tell(|_| format!("late request {}", late.http.url));
            self.network(|network| network.carry_late(&late.http));
        }
    }

    fn network<T>(&mut self, call: impl FnOnce(&mut Network<'_>) -> T) -> T {
        let addresses: Vec<String> = self.agents.iter().map(|agent| agent.address.clone()).collect();
        let mut network = Network {
            relays: &mut self.relays,
            late: &mut self.late,
            log: &mut self.log,
            random: &mut self.happen,
            now_ms: self.time_ms,
            addresses: &addresses,
            mutation: self.mutation,
        };
        call(&mut network)
    }

    /// Polls a process whose sleep is over, or whose machine's clock was set.
    fn wake(&mut self, track: usize, machine: usize) {
        let agent = self.tracks[track].agent;
        let of_machine = self.agents[agent].machine;
        let now_ms = self.now(of_machine).unix_ms;
        let time_ms = self.time_ms;
        let Some((_, _, process)) = &mut self.tracks[track].current else { return };
        let is_due = process.wake_ms.is_some_and(|wake| wake <= now_ms) || of_machine == machine;
        if is_due && process.wake_ms.is_some() && process.stopped_until_ms <= time_ms {
            process.wake_ms = None;
            self.poll(track);
        }
    }

    fn begin(&mut self, track: usize, task: Task) {
        let agent = self.tracks[track].agent;
        if let Some((command, promise)) = self.command(agent, &task) {
            self.start(track, task, command, promise);
        } else {
            self.schedule_next(track);
        }
    }

    /// Starts a command in a lane.
    pub(crate) fn start(&mut self, track: usize, task: Task, command: Command, promise: Promise) {
        self.tell(|_| format!("lane {track} starts {task:?}"));
        self.counters.commands += 1;
        let agent = &self.agents[self.tracks[track].agent];
        let process = Process::start(command, &agent.config, &agent.roots.mailboxes, self.keep_runs);
        if let Task::Daemon(ms) = task {
            self.tracks[track].cancel_ms = Some(self.time_ms + ms);
        }
        self.tracks[track].current = Some((task, promise, process));
        self.poll(track);
    }

    fn schedule_next(&mut self, track: usize) {
        let after_ms = self.tracks[track].tasks.front().map_or(0, |(after_ms, _)| *after_ms);
        self.tracks[track].next_ms = self.time_ms + after_ms;
    }

    fn poll(&mut self, track: usize) {
        let machine = self.agents[self.tracks[track].agent].machine;
        let now = self.now(machine);
        let Some((_, _, process)) = &mut self.tracks[track].current else { return };
        let before = process.flying.len();
        let polled = process.poll(now);
        let events = std::mem::take(&mut process.events);
        let unspooled = !process.unspooled.is_empty();
        let asked: Vec<&'static str> = process.flying.iter().skip(before).map(name_of).collect();
        let is_careless = unspooled && process.flying.iter().skip(before).any(is_no_spooling);
        // With one relay nothing else can be under way.
        if is_careless && self.relays.len() == 1 {
            self.wrong.push("a command went on before what a relay handed out was durable".to_owned());
        }
        self.tell(|_| format!("lane {track} asks {asked:?}"));
        for event in events {
            self.tell(|_| format!("lane {track} says {:?} {}", event.level, event.text));
            self.said.insert(event.text);
        }
        if let Polled::Done(result) = polled {
            self.finish(track, *result);
        }
    }

    fn finish(&mut self, track: usize, result: Result<Outcome, Error>) {
        let Some((task, promise, process)) = self.tracks[track].current.take() else { return };
        let agent = self.tracks[track].agent;
        self.tell(|_| match &result {
            Ok(outcome) => format!("lane {track} done {}", serde_json::to_string(outcome).unwrap_or_default()),
            Err(error) => format!("lane {track} failed {error}"),
        });
        match &result {
            Ok(outcome) => {
                self.counters.succeeded += 1;
                self.note(agent, promise, outcome);
                if !matches!(outcome, Outcome::TrustToken(_)) {
                    self.said.insert(serde_json::to_string(outcome).unwrap_or_default());
                }
            }
            Err(error) => drop(self.said.insert(error.to_string())),
        }
        if let Some(transcript) = &process.transcript {
            self.said.insert(format!("{task:?} {}", transcript.to_text()));
        }
        // A disk that is full until the command is stopped keeps nothing; whatever else it did not keep has no excuse.
        if process.was_full_until_cancelled() {
            for fetched in &process.unspooled {
                fetched.markers.iter().for_each(|marker| self.log.lose(marker, fetched.mailbox));
            }
        }
        self.tracks[track].cancel_ms = None;
        self.tracks[track].last = Some(result);
        self.end_of_lane_command(track);
        self.schedule_next(track);
    }

    /// A pattern is off the list; what runs now may still go by it, and a command that puts it there may do so after.
    pub(crate) fn unblocked(&mut self, mailbox: usize, pattern: &str) {
        let promises = self.tracks.iter().filter_map(|track| track.current.as_ref().map(|(_, promise, _)| promise));
        let being_made: Vec<usize> =
            promises.filter_map(|promise| if let Promise::Block(at) = promise { Some(*at) } else { None }).collect();
        let blocks = self.log.blocks.iter().enumerate();
        let blocks =
            blocks.filter(|(_, block)| block.mailbox == mailbox && block.pattern == pattern && block.until.is_none());
        let blocks: Vec<usize> = blocks.map(|(at, _)| at).filter(|at| !being_made.contains(at)).collect();
        let running = self.tracks.iter().enumerate();
        let running = running.filter(|(_, track)| track.agent == mailbox && track.current.is_some());
        self.ending.push((blocks, running.map(|(at, _)| at).collect()));
        self.end_of_lane_command(usize::MAX);
    }

    fn end_of_lane_command(&mut self, track: usize) {
        let tick = self.tick;
        let mut over = Vec::new();
        for (blocks, running) in &mut self.ending {
            running.remove(&track);
            if running.is_empty() {
                over.append(blocks);
            }
        }
        self.ending.retain(|(blocks, _)| !blocks.is_empty());
        for block in over {
            self.log.blocks[block].until = Some(tick);
        }
    }

    /// Effects that can go on: lane and place among its effects.
    fn ready(&self) -> Vec<(usize, usize)> {
        let mut ready = Vec::new();
        for (at, track) in self.tracks.iter().enumerate() {
            let Some((_, _, process)) = &track.current else { continue };
            if process.stopped_until_ms > self.time_ms {
                continue;
            }
            for (index, flying) in process.flying.iter().enumerate() {
                let waits = match flying {
                    Flying::Answer(_, due_ms, ..) => *due_ms > self.time_ms,
                    Flying::Held(_, http, until_ms) => *until_ms > self.time_ms && self.is_held_back(http),
                    _ => false,
                };
                if !waits {
                    ready.push((at, index));
                }
            }
        }
        ready
    }

    /// Whether a relay has nothing yet for a request that waits.
    fn is_held_back(&self, http: &azall_core::engine::effect::Http) -> bool {
        let relay = self.relays.iter().find(|relay| http.url.starts_with(&relay.url));
        relay.is_some_and(|relay| relay.down_until_ms <= self.time_ms && relay.holds_back(http))
    }

    /// Lets time pass until something can happen; false when nothing ever will.
    fn wait(&mut self) -> bool {
        let mut next = self.late.iter().map(|late| late.due_ms).min();
        let mut consider = |at: i64| next = Some(next.map_or(at, |next: i64| next.min(at)));
        let mut any = false;
        for track in &self.tracks {
            match &track.current {
                None if track.tasks.is_empty() => continue,
                None => consider(track.next_ms),
                Some((_, _, process)) => {
                    any = true;
                    if process.stopped_until_ms > self.time_ms {
                        consider(process.stopped_until_ms);
                        continue;
                    }
                    track.cancel_ms.into_iter().for_each(&mut consider);
                    let skew_ms = self.machines[self.agents[track.agent].machine].skew_ms;
                    process.wake_ms.into_iter().for_each(|wake| consider(wake - skew_ms));
                    for flying in &process.flying {
                        if let Flying::Answer(_, due_ms, ..) | Flying::Held(_, _, due_ms) = flying {
                            consider(*due_ms);
                        }
                    }
                }
            }
            any = true;
        }
        match next.filter(|_| any) {
            Some(at) => {
                self.time_ms = self.time_ms.max(at).max(self.time_ms + 1);
                true
            }
            None => {
                if any {
                    self.wrong.push("something waits for nothing".to_owned());
                }
                false
            }
        }
    }

    /// Takes one effect a step further, or to its end.
    fn step(&mut self, track: usize, at: usize, whole: bool) {
        loop {
            let index = self.tracks[track].steps;
            self.tracks[track].steps += 1;
            if self.meet_at_step(track, at, index) {
                return;
            }
            if self.step_once(track, at) || !whole {
                return;
            }
        }
    }

    /// Whether a fault at this step leaves nothing to do.
    fn meet_at_step(&mut self, track: usize, at: usize, index: u64) -> bool {
        let mut stops = false;
        for (fault, what) in self.faults.take(At::Step(track, index)) {
            match &what {
                What::Kill => {
                    self.meet(fault, &what);
                    self.kill(track);
                    return true;
                }
                What::PowerLoss => {
                    self.meet(fault, &what);
                    self.lose_power(self.agents[self.tracks[track].agent].machine);
                    return true;
                }
                What::Pause(ms) => {
                    let time_ms = self.time_ms;
                    if let Some((_, _, process)) = &mut self.tracks[track].current {
                        // Longer than the lock's grace in the middle of a change is what the lock does not promise to bear.
                        let ms = if process.is_changing() { (*ms).min(GRACE_MS / 2) } else { *ms };
                        process.stopped_until_ms = time_ms + ms;
                        self.meet(fault, &what);
                        stops = true;
                    }
                }
                What::DiskRefuses => stops |= self.refuse(track, at, fault, &what),
                _ => {}
            }
        }
        stops
    }

    /// The disk refuses the effect.
    fn refuse(&mut self, track: usize, at: usize, fault: usize, what: &What) -> bool {
        let Some((_, _, process)) = &mut self.tracks[track].current else { return false };
        let Some(Flying::File(id, running)) = process.flying.get(at) else { return false };
        if running.has_begun() || matches!(running.effect(), Effect::Random(_) | Effect::HostFacts(_)) {
            return false;
        }
        let answer = running.effect().failed(IoError::new(IoErrorKind::StorageFull, "the disk is full"));
        let is_spool =
            matches!(running.effect(), Effect::WriteAtomic(write) if write.place.path.as_str().contains("/.spool/"));
        process.spool_refused |= is_spool;
        let id = *id;
        process.flying.swap_remove(at);
        self.meet(fault, what);
        self.answer(track, id, answer);
        true
    }

    /// One step of one effect; whether the effect is over.
    fn step_once(&mut self, track: usize, at: usize) -> bool {
        self.counters.steps += 1;
        let agent = self.tracks[track].agent;
        let machine = self.agents[agent].machine;
        let now_ms = self.now(machine).unix_ms;
        let serial = self.next_serial();
        let Some((_, _, process)) = &mut self.tracks[track].current else { return true };
        let known = std::mem::take(&mut process.known);
        let over = self.step_flying(track, at, now_ms, serial, &known);
        if let Some((_, _, process)) = &mut self.tracks[track].current {
            process.known.extend(known);
        }
        over
    }

    fn step_flying(&mut self, track: usize, at: usize, now_ms: i64, serial: u64, known: &BTreeSet<String>) -> bool {
        let agent = self.tracks[track].agent;
        let machine = self.agents[agent].machine;
        let Some((_, _, process)) = &mut self.tracks[track].current else { return true };
        match &mut process.flying[at] {
            Flying::File(id, _) => {
                let id = *id;
                if let Some(answer) = self.without_disk(track, at) {
                    self.land(track, at);
                    self.answer(track, id, answer);
                    return true;
                }
                let Some((_, _, process)) = &mut self.tracks[track].current else { return true };
                let Flying::File(_, running) = &mut process.flying[at] else { return true };
                if self.mutation == Some(Mutation::AnswerBeforeWrite)
                    && let Effect::WriteAtomic(write) = running.effect()
                    && !write.exclusive
                {
                    let unseen = running.clone();
                    process.flying[at] = Flying::Unseen(unseen.clone());
                    self.done(track, &Answer::WriteAtomic(Ok(())), Some(&unseen));
                    self.answer(track, id, Answer::WriteAtomic(Ok(())));
                    return true;
                }
                let setting = Setting {
                    roots: &self.agents[agent].roots,
                    now_ms,
                    serial,
                    by_link: self.by_link,
                    mutation: self.mutation,
                    known,
                };
                let progress = running.step(&mut self.machines[machine].disk, &setting);
                let Progress::Done(answer) = progress else { return false };
                let running = self.land(track, at);
                self.done(track, &answer, running.as_ref());
                self.answer(track, id, answer);
                true
            }
            Flying::Unseen(running) => {
                let setting = Setting {
                    roots: &self.agents[agent].roots,
                    now_ms,
                    serial,
                    by_link: self.by_link,
                    mutation: self.mutation,
                    known,
                };
                let over = matches!(running.step(&mut self.machines[machine].disk, &setting), Progress::Done(_));
                if over {
                    self.land(track, at);
                }
                over
            }
            Flying::Request(id, http) => {
                let (id, http) = (*id, http.clone());
                let request = self.tracks[track].requests;
                self.tracks[track].requests += 1;
                let mut faults = self.faults.take(At::Request(track, request));
                let fault = faults.pop();
                if let Some((index, what)) = &fault {
                    self.meet(*index, what);
                }
                if let Some(ms) =
                    crate::version2::waits_ms(&http).filter(|_| fault.is_none() && self.is_held_back(&http))
                {
                    let held = Flying::Held(id, http, self.time_ms + ms);
                    if let Some((_, _, process)) = &mut self.tracks[track].current {
                        process.flying[at] = held;
                    }
                    return true;
                }
                let response = self.network(|network| network.carry(&http, fault.as_ref().map(|(_, what)| what)));
                let (after_ms, answer, fetched) = response.into_answer();
                self.tell(|_| format!("lane {track} {} {} gives {answer:?}", http.method, http.url));
                let due_ms = self.time_ms + after_ms;
                let flying = Flying::Answer(id, due_ms, Box::new(answer), fetched);
                if let Some((_, _, process)) = &mut self.tracks[track].current {
                    process.flying[at] = flying;
                }
                true
            }
            Flying::Held(id, http, _) => {
                let (id, http) = (*id, http.clone());
                let (after_ms, answer, _) = self.network(|network| network.carry(&http, None)).into_answer();
                let due_ms = self.time_ms + after_ms;
                if let Some((_, _, process)) = &mut self.tracks[track].current {
                    process.flying[at] = Flying::Answer(id, due_ms, Box::new(answer), None);
                }
                true
            }
            Flying::Answer(..) => {
                if let Flying::Answer(id, _, answer, fetched) = process.flying.swap_remove(at) {
                    process.unspooled.extend(fetched);
                    self.answer(track, id, *answer);
                }
                true
            }
        }
    }

    fn land(&mut self, track: usize, at: usize) -> Option<Running> {
        let (_, _, process) = self.tracks[track].current.as_mut()?;
        match process.flying.swap_remove(at) {
            Flying::File(_, running) | Flying::Unseen(running) => Some(running),
            _ => None,
        }
    }

    /// Effects that have nothing to do with the disk.
    fn without_disk(&mut self, track: usize, at: usize) -> Option<Answer> {
        let machine = self.agents[self.tracks[track].agent].machine;
        let (_, _, process) = self.tracks[track].current.as_ref()?;
        let Flying::File(_, running) = process.flying.get(at)? else { return None };
        match running.effect() {
            Effect::Random(random) => {
                let count = random.count;
                Some(Answer::Random(Ok(self.happen.bytes(count))))
            }
            Effect::HostFacts(_) => Some(Answer::HostFacts(Ok(Facts {
                machine_name: format!("machine{machine}"),
                system: "Linux".to_owned(),
                fingerprint_parts: vec![format!("machine{machine}")],
                process: format!("{track}@machine{machine}"),
            }))),
            _ => None,
        }
    }

    /// Notes what a file effect that is over means.
    fn done(&mut self, track: usize, answer: &Answer, running: Option<&Running>) {
        let agent = self.tracks[track].agent;
        let effect = running.map(Running::effect);
        if let (Some(running), Some((_, _, process))) = (running, &mut self.tracks[track].current) {
            process.known.extend(running.durable_names(&self.agents[agent].roots));
        }
        self.tell(|_| format!("lane {track} did {effect:?} {answer:?}"));
        let Some(Effect::WriteAtomic(write)) = effect.filter(|_| matches!(answer, Answer::WriteAtomic(Ok(())))) else {
            return;
        };
        let path = write.place.path.as_str();
        if path.contains("/.spool/") {
            if let Some((_, _, process)) = &mut self.tracks[track].current {
                process.unspooled.retain(|fetched| !write.bytes.ends_with(&fetched.body));
            }
        } else if path.ends_with("/.keyring.json")
            && let Ok(keyring) = Keyring::parse(&write.bytes)
        {
            let keys = keyring.entries().map(|(key, _)| key.to_string());
            self.log.pinned.entry(agent).or_default().extend(keys);
        }
    }

    fn answer(&mut self, track: usize, id: azall_core::engine::op::EffectId, answer: Answer) {
        self.counters.effects += 1;
        let Some((_, _, process)) = &mut self.tracks[track].current else { return };
        process.resume(id, answer);
        self.poll(track);
    }

    /// A process is gone.
    pub(crate) fn kill(&mut self, track: usize) {
        let Some((task, _, process)) = self.tracks[track].current.take() else { return };
        self.tell(|_| format!("lane {track} is dead in {task:?}"));
        self.counters.crashed += process.flying.len() as u64;
        let on_the_way = process.flying.iter().filter_map(|flying| match flying {
            Flying::Answer(_, _, _, fetched) => fetched.as_ref(),
            _ => None,
        });
        for fetched in on_the_way.chain(&process.unspooled) {
            for marker in &fetched.markers {
                self.log.lose(marker, fetched.mailbox);
            }
        }
        self.tracks[track].cancel_ms = None;
        self.end_of_lane_command(track);
        // Whoever ran it runs it again, sooner or later, with a text of its own.
        let again_ms = self.happen.between(0, 3_000);
        let is_daemon = matches!(task, Task::Daemon(_));
        if is_daemon || self.happen.chance(50) {
            self.tracks[track].tasks.push_front((again_ms, task));
        }
        self.schedule_next(track);
    }

    /// A machine loses power: its processes are gone, and of its disk what was not durable.
    pub(crate) fn lose_power(&mut self, machine: usize) {
        for track in 0..self.tracks.len() {
            if self.agents[self.tracks[track].agent].machine == machine {
                self.kill(track);
            }
        }
        let losses = self.machines[machine].disk.lose_power(&mut self.happen);
        self.count("file torn or lost", losses.files);
        self.count("name lost", losses.changes);
    }

    /// Everybody syncs, without faults, until nothing waits any more.
    pub fn rest(&mut self) {
        self.faults = Faults { met: std::mem::take(&mut self.faults.met), ..Faults::default() };
        let mut chooser = Chooser::in_order();
        for late in std::mem::take(&mut self.late) {
            self.network(|network| network.carry_late(&late.http));
        }
        for round in 0..9 {
            self.time_ms += if round == 6 { 30 * 24 * 3_600_000 } else { 75 * 60_000 };
            for agent in 0..self.agents.len() {
                if let Err(error) = self.alone(agent, Task::DaemonOnce, &mut chooser) {
                    self.wrong.push(format!("{}: a sync at rest failed: {error}", self.agents[agent].address));
                }
            }
            if round >= 2 && !self.has_work() {
                break;
            }
        }
    }

    /// Whether something waits to go out, or is not stored to its end.
    fn has_work(&self) -> bool {
        let waits = |(path, _): (&String, &Vec<u8>)| {
            (path.contains("/outbox/") && path.ends_with(".txt"))
                || (path.contains("/.spool/") && !path.ends_with(".damaged"))
        };
        self.machines.iter().any(|machine| machine.disk.tree().iter().any(waits))
    }

    /// Runs one command by itself to its end.
    ///
    /// # Errors
    /// What it fails with; that there is nothing to do it to.
    pub fn alone(&mut self, agent: usize, task: Task, chooser: &mut Chooser) -> Result<Outcome, String> {
        let Some((command, promise)) = self.command(agent, &task) else {
            return Err("there is nothing to do".to_owned());
        };
        self.alone_with(agent, task, command, promise, chooser)
    }

    /// Runs one command by itself to its end.
    ///
    /// # Errors
    /// What it fails with.
    pub fn alone_with(
        &mut self,
        agent: usize,
        task: Task,
        command: Command,
        promise: Promise,
        chooser: &mut Chooser,
    ) -> Result<Outcome, String> {
        let waiting = std::mem::replace(&mut self.tracks, vec![Track { agent, ..Track::default() }]);
        self.start(0, task, command, promise);
        while self.tracks[0].current.is_some() && self.advance(chooser) {}
        let tracks = std::mem::replace(&mut self.tracks, waiting);
        match tracks.into_iter().next().and_then(|track| track.last) {
            Some(result) => result.map_err(|error| error.to_string()),
            None => Err("it was killed".to_owned()),
        }
    }

    /// Everything that is wrong, now that it is at rest.
    #[must_use]
    pub fn check(&self) -> Vec<String> {
        let trees: Vec<Tree> = self.machines.iter().map(|machine| machine.disk.tree()).collect();
        let mailboxes = self.mailboxes();
        let roots = |machine: usize| {
            let of_agents = self.agents.iter().filter(|agent| agent.machine == machine);
            let mut roots: Vec<String> = of_agents.map(|agent| agent.roots.config.clone()).collect();
            roots.extend(["data/mailboxes".to_owned(), "data/shared".to_owned()]);
            roots
        };
        let roots: Vec<Vec<String>> = (0..self.machines.len()).map(roots).collect();
        let mut wrong = self.wrong.clone();
        wrong.extend(model::check(&trees, &mailboxes, &roots, &self.log));
        let mut secrets: BTreeSet<String> = self.relays.iter().flat_map(Relay::tokens).map(str::to_owned).collect();
        for mailbox in &mailboxes {
            secrets.extend(model::secrets(&trees[mailbox.disk], mailbox));
        }
        for said in &self.said {
            if secrets.iter().any(|secret| said.contains(secret)) {
                wrong.push(format!("a secret was told: {}", said.chars().take(300).collect::<String>()));
            }
        }
        wrong
    }

    /// Where the agents' mailboxes lie, for the model.
    #[must_use]
    pub fn mailboxes(&self) -> Vec<Mailbox> {
        let mailbox = |agent: &Agent| {
            // A first command names the agent itself.
            let config = self.machines[agent.machine].disk.read(&agent.config).ok();
            let config = config.and_then(|bytes| Config::parse(&bytes).ok());
            let address = config.map_or_else(|| agent.address.clone(), |config| config.agent().to_string());
            let home = format!("{}/{address}", agent.roots.mailboxes);
            Mailbox { address, disk: agent.machine, home, config: agent.config.clone() }
        };
        self.agents.iter().map(mailbox).collect()
    }
}

fn name_of(flying: &Flying) -> &'static str {
    match flying {
        Flying::File(_, running) | Flying::Unseen(running) => running.effect().name(),
        Flying::Request(..) | Flying::Held(..) => "Http",
        Flying::Answer(..) => "answer",
    }
}

/// Whether an effect has nothing to do with making durable what a relay handed out.
fn is_no_spooling(flying: &Flying) -> bool {
    match flying {
        Flying::File(_, running) => match running.effect() {
            Effect::Random(_) => false,
            Effect::WriteAtomic(write) => !write.place.path.as_str().contains("/.spool/"),
            // The room that is kept free for it.
            Effect::Remove(remove) => !remove.place.path.file_name().ends_with("room"),
            _ => true,
        },
        _ => false,
    }
}
