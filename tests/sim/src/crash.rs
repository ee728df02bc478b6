//! A crash after every step of a command: run it once to count the steps, then again for each of them, and finish as a
//! person would.

use crate::choose::Chooser;
use crate::plan::{AgentPlan, At, Fault, Plan, Task, Transport, Versions, What};
use crate::world::World;

/// Two agents, and what was done before the command that is to crash.
#[derive(Clone, Debug)]
pub struct Scenario {
    /// What it is called.
    pub name: &'static str,
    /// How messages travel.
    pub transport: Transport,
    /// Which API the relays speak.
    pub versions: Versions,
    /// What the agents did before: who, and what.
    pub before: Vec<(usize, Task)>,
    /// Who runs the command.
    pub agent: usize,
    /// The command.
    pub task: Task,
    /// What the second agent's policy is.
    pub policy: &'static str,
    /// Whether the first agent's config came without a key.
    pub keyless: bool,
    /// Whether the first agent has no config yet.
    pub fresh: bool,
}

impl Scenario {
    /// A command of the first agent that nothing went before, over one relay.
    #[must_use]
    pub const fn new(name: &'static str, task: Task) -> Self {
        Self {
            name,
            transport: Transport::Relay,
            versions: Versions::One,
            before: Vec::new(),
            agent: 0,
            task,
            policy: "accept",
            keyless: false,
            fresh: false,
        }
    }

    fn world(&self, seed: u64, faults: Vec<Fault>) -> World {
        let ending = if self.transport == Transport::Folder { "@localhost" } else { ".agenttalk" };
        let agent = |at: usize| AgentPlan {
            address: format!("agent{at}{ending}"),
            machine: 0,
            keyless: self.keyless && at == 0,
            policy: if at == 1 { self.policy } else { "accept" },
            fresh: self.fresh && at == 0,
        };
        let machines = if self.transport == Transport::Folder { 1 } else { 2 };
        let plan = Plan {
            seed,
            transport: self.transport,
            versions: self.versions,
            durable_relays: true,
            machines,
            journaled: seed.is_multiple_of(2),
            by_link: seed.is_multiple_of(3),
            agents: (0..2).map(|at| AgentPlan { machine: at % machines, ..agent(at) }).collect(),
            lanes: Vec::new(),
            faults: Vec::new(),
            mutation: None,
        };
        let mut world = World::new(&plan);
        let mut chooser = Chooser::in_order();
        for (agent, task) in &self.before {
            let done = world.alone(*agent, task.clone(), &mut chooser);
            assert!(done.is_ok(), "{}: {task:?}: {done:?}", self.name);
        }
        world.set_faults(&faults);
        world
    }

    /// How many steps on the disk the command takes.
    #[must_use]
    pub fn steps(&self) -> u64 {
        let mut world = self.world(0, Vec::new());
        let before = world.counters.steps;
        let done = world.alone(self.agent, self.task.clone(), &mut Chooser::in_order());
        assert!(done.is_ok(), "{}: {done:?}", self.name);
        world.counters.steps - before
    }

    /// Crashes before the given steps of the command and of its repetition, finishes, and says what is wrong.
    #[must_use]
    pub fn crash(&self, seed: u64, steps: &[u64], what: &What) -> Vec<String> {
        let faults = |step: Option<&u64>| step.map(|step| Fault { at: At::Step(0, *step), what: what.clone() });
        let mut world = self.world(seed, faults(steps.first()).into_iter().collect());
        let mut chooser = Chooser::in_order();
        for at in 0..=steps.len() {
            if world.alone(self.agent, self.task.clone(), &mut chooser).is_ok() {
                break;
            }
            world.set_faults(&faults(steps.get(at + 1)).into_iter().collect::<Vec<_>>());
        }
        world.rest();
        world.check()
    }

    /// Crashes before each step, by death of the process and by loss of power, each loss with several outcomes. What is
    /// wrong, with the step, and how many crashes there were.
    #[must_use]
    pub fn exhaust(&self, outcomes: u64) -> (Vec<String>, u64) {
        let mut wrong = Vec::new();
        let mut crashes = 0;
        for step in 0..=self.steps() {
            let mut crash = |seed: u64, what: &What| {
                crashes += 1;
                let found = self.crash(seed, &[step], what);
                wrong.extend(
                    found
                        .into_iter()
                        .map(|line| format!("{}: {what:?} before step {step}, seed {seed}: {line}", self.name)),
                );
            };
            crash(step, &What::Kill);
            for outcome in 0..outcomes {
                crash(outcome, &What::PowerLoss);
            }
        }
        (wrong, crashes)
    }
}

/// Every command that changes something, in the situations that matter; those that talk to a relay also with one of version 2.
#[must_use]
pub fn scenarios() -> Vec<Scenario> {
    let mut scenarios = of_version1();
    scenarios.extend(of_version2());
    scenarios
}

/// With relays of version 2. Attachments of 3,400 bytes are too large for a message there.
fn of_version2() -> Vec<Scenario> {
    let send = |size| Task::Send { to: vec![1], cc: Vec::new(), attach: vec![size] };
    let answer = |size| Task::Send { to: vec![0], cc: Vec::new(), attach: vec![size] };
    let scenario = |name, before: Vec<(usize, Task)>, task| Scenario {
        versions: Versions::Two,
        before,
        ..Scenario::new(name, task)
    };
    let mut scenarios = vec![
        scenario("send, version 2", vec![], send(40)),
        scenario("send of a blob", vec![], send(85)),
        Scenario { transport: Transport::TwoRelays, ..scenario("send over two relays, version 2", vec![], send(85)) },
        scenario("inbox with waiting messages, version 2", vec![(1, answer(40)), (1, answer(30))], Task::Inbox),
        scenario("inbox with a blob", vec![(1, answer(85)), (1, answer(40))], Task::Inbox),
        scenario("daemon with waiting messages, version 2", vec![(1, answer(85)), (0, send(40))], Task::DaemonOnce),
        scenario("daemon that listens", vec![(1, answer(40))], Task::Daemon(3_000)),
    ];
    scenarios.push(Scenario { fresh: true, ..scenario("register, version 2", vec![], Task::Register) });
    scenarios
}

fn of_version1() -> Vec<Scenario> {
    let send = || Task::Send { to: vec![1], cc: Vec::new(), attach: vec![40] };
    let answer = || Task::Send { to: vec![0], cc: Vec::new(), attach: Vec::new() };
    let plain = Scenario::new;
    let after = |name, before: Vec<(usize, Task)>, task| Scenario { before, ..Scenario::new(name, task) };
    let remember = |title: Option<&str>| Task::Remember { title: title.map(str::to_owned) };
    vec![
        plain("send over a relay", send()),
        Scenario { transport: Transport::TwoRelays, ..plain("send over two relays", send()) },
        Scenario {
            transport: Transport::Folder,
            before: vec![(1, Task::Inbox)],
            ..plain("send to a neighbour", send())
        },
        after("reply", vec![(1, answer()), (0, Task::Inbox)], Task::Reply),
        after("inbox with waiting messages", vec![(1, answer()), (1, answer())], Task::Inbox),
        after("daemon with waiting messages", vec![(1, answer()), (0, send())], Task::DaemonOnce),
        Scenario {
            transport: Transport::Folder,
            before: vec![(0, Task::Inbox), (1, answer())],
            ..plain("inbox with what a neighbour dropped", Task::Inbox)
        },
        Scenario {
            transport: Transport::Folder,
            before: vec![(1, Task::Inbox), (0, send())],
            agent: 1,
            policy: "require-known",
            ..plain("inbox with what policy holds", Task::Inbox)
        },
        Scenario {
            before: vec![(0, send()), (1, Task::Inbox)],
            agent: 1,
            policy: "require-known",
            ..plain("held release", Task::Release)
        },
        Scenario {
            before: vec![(0, send()), (1, Task::Inbox)],
            agent: 1,
            policy: "require-known",
            ..plain("held drop", Task::Drop)
        },
        after("read", vec![(1, answer()), (0, Task::Inbox)], Task::Read),
        plain("remember", remember(None)),
        after("remember more", vec![(0, remember(Some("a")))], remember(Some("a"))),
        plain("note", Task::Note),
        plain("doing", Task::Doing),
        plain("filter", Task::BlockStranger),
        after("keyring trust", vec![(1, answer()), (0, Task::Inbox)], Task::TrustKey),
        after("trust-bind", vec![(0, Task::TrustGen)], Task::TrustBind),
        after("trust-revoke", vec![(0, Task::TrustGen), (0, Task::TrustBind)], Task::TrustRevoke),
        plain("trust-gen", Task::TrustGen),
        plain("relay add", Task::RelayAdd),
        after("export", vec![(0, remember(None))], Task::Export),
        after("index", vec![(0, remember(None))], Task::Reindex),
        Scenario { keyless: true, ..plain("first command without a key", Task::Inbox) },
        Scenario { fresh: true, ..plain("first command without a config", Task::Inbox) },
        Scenario { fresh: true, ..plain("quickstart", Task::Quickstart) },
        Scenario { fresh: true, ..plain("setup", Task::Setup) },
        Scenario { fresh: true, ..plain("register", Task::Register) },
        Scenario { fresh: true, before: vec![(1, remember(None)), (1, Task::Export)], ..plain("import", Task::Import) },
    ]
}
