//! Worlds by the thousand: run, check, and cut down what fails.

use crate::choose::Chooser;
use crate::plan::{Fault, Plan};
use crate::world::{Counters, World};

/// What a world gave.
#[derive(Clone, Debug)]
pub struct Result {
    /// What was done.
    pub counters: Counters,
    /// What is wrong; empty when all is well.
    pub wrong: Vec<String>,
    /// The faults that were met, as indexes of the plan's list.
    pub met: Vec<usize>,
    /// What happened, if it was kept.
    pub transcript: String,
}

/// Runs a world to its end and checks it.
#[must_use]
pub fn run(plan: &Plan, keep_transcript: bool) -> Result {
    let mut world = World::new(plan);
    world.transcript = keep_transcript.then(String::new);
    // Masking every run costs more than the run.
    world.keep_runs = plan.seed.is_multiple_of(40);
    let mut chooser = Chooser::by_seed(plan.seed);
    world.run(&mut chooser);
    world.rest();
    let wrong = world.check();
    let met = world.faults.met.iter().copied().collect();
    Result { counters: world.counters, wrong, met, transcript: world.transcript.unwrap_or_default() }
}

/// What kind of thing is wrong: the line without what differs from run to run.
fn kind(line: &str) -> String {
    line.split_whitespace().filter(|word| word.chars().all(char::is_alphabetic)).collect::<Vec<_>>().join(" ")
}

/// The plan with as few faults as still go wrong in the same way: delta debugging (Zeller and Hildebrandt 2002) on the list of faults.
#[must_use]
pub fn shrink(plan: &Plan, met: &[usize], wrong: &[String]) -> Plan {
    let kinds: Vec<String> = wrong.iter().map(|line| kind(line)).collect();
    let fails = |faults: &[Fault]| {
        let plan = Plan { faults: faults.to_vec(), ..plan.clone() };
        run(&plan, false).wrong.iter().any(|line| kinds.contains(&kind(line)))
    };
    let mut faults: Vec<Fault> = met.iter().filter_map(|at| plan.faults.get(*at)).cloned().collect();
    if !fails(&faults) {
        return plan.clone();
    }
    let mut parts = 2;
    while faults.len() > 1 {
        let size = faults.len().div_ceil(parts);
        let without = |from: usize| {
            let rest = faults.iter().enumerate().filter(|(at, _)| *at < from || *at >= from + size);
            rest.map(|(_, fault)| fault.clone()).collect::<Vec<_>>()
        };
        let smaller = (0..faults.len()).step_by(size).map(without).find(|smaller| fails(smaller));
        match smaller {
            Some(smaller) => {
                faults = smaller;
                parts = (parts - 1).max(2);
            }
            None if size == 1 => break,
            None => parts = (parts * 2).min(faults.len()),
        }
    }
    if faults.len() == 1 && fails(&[]) {
        faults.clear();
    }
    Plan { faults, ..plan.clone() }
}
