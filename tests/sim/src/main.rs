//! `azall-sim`: worlds by the thousand, and one again.

use std::collections::BTreeMap;
use std::process::ExitCode;
use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::{Duration, Instant};

use azall_sim::crash::scenarios;
use azall_sim::explore::{Result as Run, run, shrink};
use azall_sim::interleave::pairs;
use azall_sim::plan::{Fault, Plan};
use azall_sim::world::Counters;
use serde::{Deserialize, Serialize};

const USAGE: &str = "\
Simulated worlds for azall.

Usage: azall-sim explore [--seeds N] [--from S] [--minutes M] [--jobs J]
       azall-sim exhaust [--seeds N]
       azall-sim replay FILE

explore runs the worlds of N seeds (default 1000) from S on (default 0), at most for M minutes, on J threads (default: one
per core). The first that fails ends the run: its seed and the fewest faults that still fail are printed, and what happened
is written to azall-sim-SEED.txt, which replay runs again.

exhaust crashes every command before each of its steps, each loss of power with N outcomes (default 5), and runs pairs of
commands in N hundred orders.";

fn main() -> ExitCode {
    let args: Vec<String> = std::env::args().skip(1).collect();
    let args: Vec<&str> = args.iter().map(String::as_str).collect();
    let done = match args.split_first() {
        Some((&"explore", rest)) => Options::parse(rest).map(|options| explore(&options)),
        Some((&"exhaust", rest)) => Options::parse(rest).map(|options| exhaust(options.seeds.min(100))),
        Some((&"replay", [file])) => replay(file),
        _ => Err(USAGE.to_owned()),
    };
    done.unwrap_or_else(|error| {
        eprintln!("{error}");
        ExitCode::from(2)
    })
}

struct Options {
    from: u64,
    seeds: u64,
    minutes: u64,
    jobs: usize,
}

impl Options {
    fn parse(args: &[&str]) -> Result<Self, String> {
        let jobs = std::thread::available_parallelism().map_or(1, usize::from);
        let mut options = Self { from: 0, seeds: 1000, minutes: u64::MAX / 60, jobs };
        let mut args = args.iter();
        while let Some(name) = args.next() {
            let value = args.next().and_then(|value| value.parse::<u64>().ok());
            let value = value.ok_or_else(|| format!("{name} wants a whole number\n\n{USAGE}"))?;
            match *name {
                "--seeds" => options.seeds = value,
                "--from" => options.from = value,
                "--minutes" => options.minutes = value,
                "--jobs" => options.jobs = usize::try_from(value).unwrap_or(1).max(1),
                unknown => return Err(format!("explore does not know {unknown}\n\n{USAGE}")),
            }
        }
        Ok(options)
    }
}

fn explore(options: &Options) -> ExitCode {
    let begun = Instant::now();
    let limit = Duration::from_secs(options.minutes * 60);
    let (next, worlds, failed) = (AtomicU64::new(options.from), AtomicU64::new(0), AtomicBool::new(false));
    let end = options.from.saturating_add(options.seeds);
    let (counters, failure) = (Mutex::new(Counters::default()), Mutex::new(None::<(u64, Run)>));
    std::thread::scope(|scope| {
        for _ in 0..options.jobs {
            scope.spawn(|| {
                while !failed.load(Ordering::Relaxed) && begun.elapsed() < limit {
                    let seed = next.fetch_add(1, Ordering::Relaxed);
                    if seed >= end {
                        break;
                    }
                    let result = run(&Plan::of_seed(seed), false);
                    worlds.fetch_add(1, Ordering::Relaxed);
                    locked(&counters).add(&result.counters);
                    if !result.wrong.is_empty() {
                        failed.store(true, Ordering::Relaxed);
                        let mut failure = locked(&failure);
                        if failure.as_ref().is_none_or(|(other, _)| seed < *other) {
                            *failure = Some((seed, result));
                        }
                    }
                }
            });
        }
    });
    print_counters(worlds.load(Ordering::Relaxed), &locked(&counters), begun.elapsed());
    let failure = locked(&failure).take();
    match failure {
        None => ExitCode::SUCCESS,
        Some((seed, result)) => {
            tell_failure(seed, &result);
            ExitCode::FAILURE
        }
    }
}

/// Every crash of every command, and pairs of commands in every order.
fn exhaust(outcomes: u64) -> ExitCode {
    let mut all_wrong = Vec::new();
    for scenario in scenarios() {
        let (wrong, crashes) = scenario.exhaust(outcomes);
        println!("{:<40} {crashes:>7} crashes {:>5} wrong", scenario.name, wrong.len());
        all_wrong.extend(wrong);
    }
    for pair in pairs() {
        let tried = pair.exhaust(2, outcomes * 100);
        println!("{:<40} {:>7} orders  {:>5} wrong", pair.name, tried.orders, tried.wrong.len());
        all_wrong.extend(tried.wrong);
    }
    for line in all_wrong.iter().take(30) {
        println!("{line}");
    }
    if all_wrong.is_empty() { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}

fn locked<T>(mutex: &Mutex<T>) -> std::sync::MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(std::sync::PoisonError::into_inner)
}

fn print_counters(worlds: u64, counters: &Counters, time: Duration) {
    let minutes = time.as_secs_f64() / 60.0;
    let rate = worlds as f64 / minutes.max(1e-9);
    println!("worlds            {worlds:>12}  ({rate:.0} a minute)");
    println!("commands          {:>12}  ({} succeeded)", counters.commands, counters.succeeded);
    println!("effects           {:>12}", counters.effects);
    println!("steps on disks    {:>12}", counters.steps);
    println!("effects crashed   {:>12}", counters.crashed);
    println!("faults            {:>12}", counters.all_faults());
    for (name, count) in &counters.faults {
        println!("  {name:<20} {count:>7}");
    }
}

/// The first line of a transcript file.
#[derive(Serialize, Deserialize)]
struct Head {
    seed: u64,
    faults: Vec<Fault>,
    wrong: Vec<String>,
}

fn tell_failure(seed: u64, result: &Run) {
    println!("\nseed {seed} fails:");
    for line in &result.wrong {
        println!("  {line}");
    }
    let plan = shrink(&Plan::of_seed(seed), &result.met, &result.wrong);
    let again = run(&plan, true);
    println!("with {} faults:", plan.faults.len());
    for fault in &plan.faults {
        println!("  {:?}: {:?}", fault.at, fault.what);
    }
    for line in &again.wrong {
        println!("  {line}");
    }
    let head = Head { seed, faults: plan.faults, wrong: again.wrong };
    let head = serde_json::to_string(&head).unwrap_or_default();
    let file = format!("azall-sim-{seed}.txt");
    match std::fs::write(&file, format!("{head}\n{}", again.transcript)) {
        Ok(()) => println!("what happened: {file}; again: azall-sim replay {file}"),
        Err(error) => println!("cannot write {file}: {error}"),
    }
}

fn replay(file: &str) -> Result<ExitCode, String> {
    let text = std::fs::read_to_string(file).map_err(|error| format!("cannot read {file}: {error}"))?;
    let (head, transcript) = text.split_once('\n').ok_or_else(|| format!("{file} is no transcript"))?;
    let head: Head = serde_json::from_str(head).map_err(|error| format!("{file} is no transcript: {error}"))?;
    let plan = Plan { faults: head.faults, ..Plan::of_seed(head.seed) };
    let result = run(&plan, true);
    let differing = result.transcript.lines().zip(transcript.lines()).position(|(now, then)| now != then);
    match differing {
        None if result.transcript == transcript => println!("the same run, to the last byte"),
        at => println!("another run than then, from line {} on", at.map_or(0, |at| at + 2)),
    }
    println!("wrong then: {:?}", head.wrong);
    println!("wrong now:  {:?}", result.wrong);
    let faults: BTreeMap<_, _> = result.counters.faults;
    println!("faults: {faults:?}");
    Ok(if result.wrong.is_empty() { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}
