//! A crash after every step of every command.

use azall_sim::crash::scenarios;
use azall_sim::plan::What;
use azall_sim::random::Random;

#[test]
fn a_crash_before_any_step_of_a_command_loses_nothing() {
    let mut wrong = Vec::new();
    for scenario in scenarios() {
        wrong.extend(scenario.exhaust(3).0);
    }
    assert!(wrong.is_empty(), "{} faults:\n{}", wrong.len(), wrong[..wrong.len().min(20)].join("\n"));
}

#[test]
fn two_crashes_in_a_row_lose_nothing() {
    let mut random = Random::new(1);
    let mut wrong = Vec::new();
    for scenario in scenarios() {
        let steps = scenario.steps() as usize;
        for seed in 0..20 {
            let at = [random.below(steps) as u64, random.below(steps) as u64];
            let what = if seed % 2 == 0 { What::PowerLoss } else { What::Kill };
            let found = scenario.crash(seed, &at, &what);
            wrong.extend(
                found.into_iter().map(|line| format!("{}: {what:?} at {at:?}, seed {seed}: {line}", scenario.name)),
            );
        }
    }
    assert!(wrong.is_empty(), "{} faults:\n{}", wrong.len(), wrong[..wrong.len().min(20)].join("\n"));
}
