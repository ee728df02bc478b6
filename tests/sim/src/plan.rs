//! What happens in a world: who is there, what they do, and what goes wrong. All of it follows from the seed; the list of
//! faults is kept apart, so that it can be cut down and given again.

use serde::{Deserialize, Serialize};

use crate::mutation::Mutation;
use crate::random::Random;

/// How messages travel.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Transport {
    /// All agents share one mailboxes folder.
    Folder,
    /// One relay.
    Relay,
    /// Two relays, every agent on both.
    TwoRelays,
}

/// Which API the relays speak.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Versions {
    /// Version 1, all the time.
    One,
    /// Version 2, all the time.
    Two,
    /// Now the one and now the other; version 2 at first.
    Changing,
}

/// An agent.
#[derive(Clone, Debug)]
pub struct AgentPlan {
    /// Its address.
    pub address: String,
    /// Its machine.
    pub machine: usize,
    /// Whether its config came without an `agent_key`.
    pub keyless: bool,
    /// `signature_policy`.
    pub policy: &'static str,
    /// Whether it has no config yet, and no account.
    pub fresh: bool,
}

/// What somebody does.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Task {
    /// `send`, with so many bytes of attachment.
    Send {
        /// The recipients, as indexes of agents.
        to: Vec<usize>,
        /// More of them.
        cc: Vec<usize>,
        /// Sizes of attachments.
        attach: Vec<usize>,
    },
    /// `send` to somebody who does not exist.
    SendToNobody,
    /// `reply` to a message of the inbox.
    Reply,
    /// `inbox`.
    Inbox,
    /// `startup`.
    Startup,
    /// `read` of a message of the inbox.
    Read,
    /// `remember`; with a title that others use too, or without.
    Remember {
        /// The title.
        title: Option<String>,
    },
    /// `note --append`.
    Note,
    /// `doing --set`.
    Doing,
    /// `filter --block` of a pattern that matches nobody here.
    BlockStranger,
    /// `filter --block` of an agent.
    Block(usize),
    /// `filter --unblock` of an agent.
    Unblock(usize),
    /// `keyring trust` of a key.
    TrustKey,
    /// `trust-gen`.
    TrustGen,
    /// `trust-bind` with the token made last.
    TrustBind,
    /// `trust-revoke`.
    TrustRevoke,
    /// `relay add` of a relay that is never there.
    RelayAdd,
    /// `held release`.
    Release,
    /// `held drop`.
    Drop,
    /// `export`.
    Export,
    /// `index --rebuild`.
    Reindex,
    /// `quickstart --agent`.
    Quickstart,
    /// `setup --agent`.
    Setup,
    /// `register --yes` at the first relay.
    Register,
    /// `import` of what another agent's `export` gave last.
    Import,
    /// `daemon --once`.
    DaemonOnce,
    /// `daemon`, stopped after so many milliseconds.
    Daemon(i64),
}

/// One person or program at an agent: it does one thing after another.
#[derive(Clone, Debug)]
pub struct Lane {
    /// The agent.
    pub agent: usize,
    /// What it does: when (milliseconds after the one before), and what.
    pub tasks: Vec<(i64, Task)>,
}

/// What goes wrong.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Fault {
    /// When.
    pub at: At,
    /// What.
    pub what: What,
}

/// When something goes wrong, counted so that other faults move it as little as possible.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub enum At {
    /// At this request of this lane.
    Request(usize, u64),
    /// Before this step on the disk of this lane.
    Step(usize, u64),
    /// At this decision of the scheduler.
    Tick(u64),
}

/// A fault.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum What {
    /// The request never arrives.
    DropRequest,
    /// The request takes effect and the answer never arrives.
    DropAnswer,
    /// The request takes effect, and the answer comes when the client has given up.
    AnswerTooLate,
    /// The client gives up, and the request takes effect that many milliseconds later.
    RequestTooLate(i64),
    /// The relay or a proxy refuses without effect.
    Refuse(u16),
    /// A proxy says that it failed, after the request took effect.
    RefuseAfterEffect(u16),
    /// A page of HTML with status 200, without effect.
    Html,
    /// Bytes that are no JSON with status 200, without effect.
    Garbage,
    /// The answer breaks off after this share (of 256) of its bytes.
    Half(u8),
    /// The answer takes that many milliseconds.
    Delay(i64),
    /// The message that came last is delivered twice.
    Double,
    /// What waits is handed out in another order.
    Reorder,
    /// The process is killed.
    Kill,
    /// The machine loses power.
    PowerLoss,
    /// The process is stopped for that many milliseconds.
    Pause(i64),
    /// The disk refuses the effect that is to begin: it is full, or broken.
    DiskRefuses,
    /// The clock of this machine jumps.
    Jump(usize, i64),
    /// This relay crashes and is down for that many milliseconds.
    RelayCrash(usize, i64),
    /// This relay is upgraded to version 2, or downgraded.
    Speak(usize, bool),
    /// The time of all blobs at this relay is over.
    BlobsExpire(usize),
}

impl What {
    /// The kind's name, for counting.
    #[must_use]
    pub const fn name(&self) -> &'static str {
        match self {
            Self::DropRequest => "request dropped",
            Self::DropAnswer => "answer dropped",
            Self::AnswerTooLate => "answer too late",
            Self::RequestTooLate(_) => "request too late",
            Self::Refuse(_) => "refused",
            Self::RefuseAfterEffect(_) => "refused after effect",
            Self::Html => "html",
            Self::Garbage => "garbage",
            Self::Half(_) => "half an answer",
            Self::Delay(_) => "delayed",
            Self::Double => "doubled",
            Self::Reorder => "reordered",
            Self::Kill => "process killed",
            Self::PowerLoss => "power lost",
            Self::Pause(_) => "process stopped",
            Self::DiskRefuses => "disk refused",
            Self::Jump(..) => "clock jumped",
            Self::RelayCrash(..) => "relay crashed",
            Self::Speak(..) => "relay changed version",
            Self::BlobsExpire(_) => "blobs expired",
        }
    }
}

/// A world before it begins.
#[derive(Clone, Debug)]
pub struct Plan {
    /// The seed.
    pub seed: u64,
    /// How messages travel.
    pub transport: Transport,
    /// Which API the relays speak.
    pub versions: Versions,
    /// Whether relays keep what they hold when they crash.
    pub durable_relays: bool,
    /// How many machines.
    pub machines: usize,
    /// Whether the disks have a journal.
    pub journaled: bool,
    /// Whether the file systems lack the exclusive rename.
    pub by_link: bool,
    /// The agents.
    pub agents: Vec<AgentPlan>,
    /// What they do.
    pub lanes: Vec<Lane>,
    /// What goes wrong.
    pub faults: Vec<Fault>,
    /// The promise that the hosts break, in tests of the simulator itself.
    pub mutation: Option<Mutation>,
}

impl Plan {
    /// The plan of a seed.
    #[must_use]
    pub fn of_seed(seed: u64) -> Self {
        let mut random = Random::stream(seed, 1);
        let transport = [Transport::Folder, Transport::Relay, Transport::TwoRelays][random.below(3)];
        let count = 2 + random.below(3);
        let machines = if transport == Transport::Folder { 1 } else { 1 + random.below(count) };
        let ending = if transport == Transport::Folder { "@localhost" } else { ".agenttalk" };
        let agents: Vec<AgentPlan> = (0..count)
            .map(|at| AgentPlan {
                address: format!("agent{at}{ending}"),
                machine: at % machines,
                keyless: random.chance(20),
                policy: if random.chance(20) { "require-known" } else { "accept" },
                fresh: false,
            })
            .collect();
        let mut lanes = Vec::new();
        for agent in 0..count {
            for _ in 0..1 + random.below(2) {
                let tasks =
                    (0..5 + random.below(7)).map(|_| (random.between(0, 4_000), task(&mut random, agent, count)));
                lanes.push(Lane { agent, tasks: tasks.collect() });
            }
            if random.chance(70) {
                let run = Task::Daemon(random.between(60_000, 600_000));
                lanes.push(Lane { agent, tasks: vec![(random.between(0, 2_000), run)] });
            }
        }
        let mut faults = faults(&mut Random::stream(seed, 2), lanes.len(), machines);
        let mut of_versions = Random::stream(seed, 4);
        let versions = [Versions::One, Versions::Two, Versions::Two, Versions::Changing][of_versions.below(4)];
        faults.extend(changes(&mut of_versions, versions));
        Self {
            seed,
            transport,
            versions,
            durable_relays: random.chance(70),
            machines,
            journaled: random.chance(50),
            by_link: random.chance(25),
            agents,
            lanes,
            faults,
            mutation: None,
        }
    }
}

fn task(random: &mut Random, agent: usize, agents: usize) -> Task {
    let peer = (agent + 1 + random.below(agents - 1)) % agents;
    match random.below(100) {
        0..=32 => {
            let others: Vec<usize> = (0..agents).filter(|other| *other != agent && *other != peer).collect();
            let to = if random.chance(30) { others.iter().copied().chain([peer]).collect() } else { vec![peer] };
            let cc = if to.len() == 1 && random.chance(20) { others } else { Vec::new() };
            let attach = (0..random.below(3).saturating_sub(random.below(2))).map(|_| random.below(300)).collect();
            Task::Send { to, cc, attach }
        }
        33..=34 => Task::SendToNobody,
        35..=41 => Task::Reply,
        42..=51 => Task::Inbox,
        52..=53 => Task::Startup,
        54..=60 => Task::Read,
        61..=68 => Task::Remember { title: random.chance(60).then(|| format!("title-{}", random.below(2))) },
        69..=73 => Task::Note,
        74..=75 => Task::Doing,
        76..=78 => Task::BlockStranger,
        79 => Task::Block(peer),
        80..=81 => Task::Unblock(peer),
        82 => Task::TrustKey,
        83..=84 => Task::TrustGen,
        85..=88 => Task::TrustBind,
        89 => Task::TrustRevoke,
        90 => Task::RelayAdd,
        91..=92 => Task::Release,
        93 => Task::Drop,
        94 => Task::Export,
        95 => Task::Reindex,
        _ => Task::DaemonOnce,
    }
}

/// Many more than will be met: those that are met are counted.
fn faults(random: &mut Random, lanes: usize, machines: usize) -> Vec<Fault> {
    let mut faults = Vec::new();
    let percent = [30, 60, 85, 95][random.below(4)];
    let crashes = [0, 1, 2, 4][random.below(4)];
    for lane in 0..lanes {
        for request in 0..200 {
            if random.chance(percent) {
                faults.push(Fault { at: At::Request(lane, request), what: of_request(random) });
            }
        }
        for _ in 0..crashes {
            let what = if random.chance(40) { What::PowerLoss } else { What::Kill };
            faults.push(Fault { at: At::Step(lane, random.number() % 900), what });
        }
        for _ in 0..random.below(80) {
            let longest = [500, 9_000, 200_000][random.below(3)];
            let what = if random.chance(85) { What::Pause(random.between(1, longest)) } else { What::DiskRefuses };
            faults.push(Fault { at: At::Step(lane, random.number() % 2_000), what });
        }
    }
    let leaps = [10, 1_000, 20_000, 3_600_000, 100_000_000];
    for _ in 0..random.below(24) {
        let leap = leaps[random.below(leaps.len())];
        let what = What::Jump(random.below(machines), random.between(-leap, leap));
        faults.push(Fault { at: At::Tick(random.number() % 6_000), what });
    }
    for _ in 0..random.below(4) {
        let what = What::RelayCrash(random.below(2), random.between(0, 30_000));
        faults.push(Fault { at: At::Tick(random.number() % 6_000), what });
    }
    faults
}

/// What happens to relays of version 2 beside.
fn changes(random: &mut Random, versions: Versions) -> Vec<Fault> {
    let mut changes = Vec::new();
    if versions == Versions::Changing {
        for _ in 0..1 + random.below(4) {
            let what = What::Speak(random.below(2), random.chance(50));
            changes.push(Fault { at: At::Tick(random.number() % 6_000), what });
        }
    }
    if versions != Versions::One {
        for _ in 0..random.below(3) {
            changes.push(Fault { at: At::Tick(random.number() % 6_000), what: What::BlobsExpire(random.below(2)) });
        }
    }
    changes
}

fn of_request(random: &mut Random) -> What {
    match random.below(24) {
        0..=1 => What::DropRequest,
        2..=4 => What::DropAnswer,
        5 => What::AnswerTooLate,
        6..=7 => What::RequestTooLate(random.between(1, 60_000)),
        8..=10 => What::Refuse([401, 429, 500, 503, 507, 502][random.below(6)]),
        11 => What::RefuseAfterEffect(502),
        12 => What::Html,
        13 => What::Garbage,
        14..=15 => What::Half((random.number() % 256) as u8),
        16..=18 => What::Delay(random.between(1, 20_000)),
        19..=21 => What::Double,
        _ => What::Reorder,
    }
}
