//! Two processes on one mailbox, in every order of their effects with a bounded number of changes from one to the other
//! (Musuvathi and Qadeer 2007: few preemptions find most faults), and by chance beyond the bound.

use crate::choose::{Chooser, List};
use crate::plan::{AgentPlan, Lane, Plan, Task, Transport, Versions};
use crate::random::Random;
use crate::world::World;

/// Two commands at once.
#[derive(Clone, Debug)]
pub struct Pair {
    /// What it is called.
    pub name: &'static str,
    /// What the two agents did before.
    pub before: Vec<(usize, Task)>,
    /// The two commands, both of the first agent.
    pub tasks: [Task; 2],
    /// Whether the config came without a key.
    pub keyless: bool,
    /// Which API the relay speaks.
    pub versions: Versions,
}

/// What was tried.
#[derive(Clone, Debug, Default)]
pub struct Tried {
    /// How many orders.
    pub orders: u64,
    /// What is wrong, with the choices that led there.
    pub wrong: Vec<String>,
}

impl Pair {
    fn run(&self, choices: Vec<usize>, wrong: &mut Vec<String>) -> List {
        let agent = |at: usize| AgentPlan {
            address: format!("agent{at}.agenttalk"),
            machine: at,
            keyless: self.keyless && at == 0,
            policy: "accept",
            fresh: false,
        };
        let plan = Plan {
            seed: 1,
            transport: Transport::Relay,
            versions: self.versions,
            durable_relays: true,
            machines: 2,
            journaled: true,
            by_link: false,
            agents: (0..2).map(agent).collect(),
            lanes: Vec::new(),
            faults: Vec::new(),
            mutation: None,
        };
        let mut world = World::new(&plan);
        let mut alone = Chooser::in_order();
        for (agent, task) in &self.before {
            let done = world.alone(*agent, task.clone(), &mut alone);
            assert!(done.is_ok(), "{}: {task:?}: {done:?}", self.name);
        }
        let lanes = self.tasks.iter().map(|task| Lane { agent: 0, tasks: vec![(0, task.clone())] });
        world.set_lanes(&lanes.collect::<Vec<_>>());
        let mut chooser = Chooser::List(List::new(choices.clone()));
        world.run(&mut chooser);
        world.rest();
        wrong.extend(world.check().into_iter().map(|line| format!("{} {choices:?}: {line}", self.name)));
        match chooser {
            Chooser::List(list) => list,
            _ => List::default(),
        }
    }

    /// Every order with at most `changes` changes; stops at `limit` orders, and tries as many by chance then.
    #[must_use]
    pub fn exhaust(&self, changes: usize, limit: u64) -> Tried {
        let mut tried = Tried::default();
        let mut pending: Vec<Vec<usize>> = vec![Vec::new()];
        while let Some(prefix) = pending.pop() {
            if tried.orders >= limit {
                break;
            }
            tried.orders += 1;
            let list = self.run(prefix.clone(), &mut tried.wrong);
            if prefix.iter().filter(|choice| **choice > 0).count() >= changes {
                continue;
            }
            for (at, (lanes, _)) in list.made.iter().enumerate().skip(prefix.len()) {
                for choice in 1..*lanes {
                    let mut next = prefix.clone();
                    next.resize(at, 0);
                    next.push(choice);
                    pending.push(next);
                }
            }
        }
        if !pending.is_empty() {
            self.sample(limit, &mut tried);
        }
        tried
    }

    fn sample(&self, orders: u64, tried: &mut Tried) {
        let mut random = Random::new(9);
        for _ in 0..orders {
            let often = 1 + random.below(20) as u32;
            let choices = (0..400).map(|_| usize::from(random.chance(often))).collect();
            tried.orders += 1;
            self.run(choices, &mut tried.wrong);
        }
    }
}

/// The pairs that share state.
#[must_use]
pub fn pairs() -> Vec<Pair> {
    let to_peer = || Task::Send { to: vec![1], cc: Vec::new(), attach: Vec::new() };
    let from_peer = || Task::Send { to: vec![0], cc: Vec::new(), attach: Vec::new() };
    let remember = || Task::Remember { title: Some("shared".to_owned()) };
    let pair =
        |name, before: Vec<(usize, Task)>, tasks| Pair { name, before, tasks, keyless: false, versions: Versions::One };
    let pair2 = |name, before, tasks| Pair { versions: Versions::Two, ..pair(name, before, tasks) };
    let blob_from_peer = || Task::Send { to: vec![0], cc: Vec::new(), attach: vec![85] };
    vec![
        pair2("send and daemon, version 2", vec![(1, from_peer()), (0, Task::Inbox)], [to_peer(), Task::DaemonOnce]),
        pair2("inbox and inbox, version 2", vec![(1, from_peer()), (1, blob_from_peer())], [Task::Inbox, Task::Inbox]),
        pair2("filter and daemon, version 2", vec![(1, from_peer())], [Task::BlockStranger, Task::DaemonOnce]),
        pair2("two that listen", vec![(1, from_peer())], [Task::Daemon(3_000), Task::Daemon(3_000)]),
        pair("send and daemon", vec![(1, from_peer()), (0, Task::Inbox)], [to_peer(), Task::DaemonOnce]),
        pair("remember and remember", vec![(0, Task::Inbox)], [remember(), remember()]),
        pair("remember and inbox", vec![(1, from_peer())], [remember(), Task::Inbox]),
        pair("filter and daemon", vec![(1, from_peer())], [Task::BlockStranger, Task::DaemonOnce]),
        pair("filter and relay add", vec![(0, Task::Inbox)], [Task::BlockStranger, Task::RelayAdd]),
        pair("trust-bind and trust-bind", vec![(0, Task::TrustGen)], [Task::TrustBind, Task::TrustBind]),
        pair("note and note", vec![(0, Task::Inbox)], [Task::Note, Task::Note]),
        pair("inbox and inbox", vec![(1, from_peer()), (1, from_peer())], [Task::Inbox, Task::Inbox]),
        pair(
            "read and daemon",
            vec![(1, from_peer()), (0, Task::Inbox), (1, from_peer())],
            [Task::Read, Task::DaemonOnce],
        ),
        Pair { keyless: true, ..pair("two first commands", Vec::new(), [Task::Inbox, Task::Note]) },
    ]
}
