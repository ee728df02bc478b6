//! Worlds from seeds.

use azall_sim::explore::run;
use azall_sim::mutation::Mutation;
use azall_sim::plan::Plan;

#[test]
fn a_world_is_the_same_every_time() {
    for seed in [3, 40, 77] {
        let plan = Plan::of_seed(seed);
        let (first, second) = (run(&plan, true), run(&plan, true));
        assert!(first.transcript.lines().count() > 500);
        assert!(first.transcript == second.transcript, "seed {seed} went two ways");
    }
}

#[test]
fn nothing_is_lost_in_any_world() {
    for seed in 0..120 {
        let result = run(&Plan::of_seed(seed), false);
        assert!(result.wrong.is_empty(), "seed {seed}:\n{}", result.wrong.join("\n"));
    }
}

/// Every breaking of a promise is noticed, soon.
#[test]
fn a_host_that_breaks_a_promise_is_caught() {
    for mutation in Mutation::ALL {
        let is_caught = |seed: &u64| {
            let plan = Plan { mutation: Some(mutation), ..Plan::of_seed(*seed) };
            !run(&plan, false).wrong.is_empty()
        };
        let caught = (0..300).find(is_caught);
        assert!(caught.is_some(), "{mutation:?} was not noticed in 300 worlds");
    }
}
