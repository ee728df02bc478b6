//! Scripts: their output, their limits, and what they may see.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing, clippy::string_slice)]
#![allow(clippy::type_complexity, missing_docs)]

mod support;

use std::path::Path;
use std::process::Command;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use azall_core::engine::effect::{IoError, IoErrorKind, RunScript, ScriptResult};
use azall_files::script::{SANDBOX, Script};
use support::{World, place};

/// A world with one script in it.
fn world(code: &str) -> World {
    let world = World::new();
    world.put("agent/tools/tool.py", code.as_bytes());
    world
}

fn script(args: &[&str]) -> RunScript {
    RunScript {
        script: place("agent/tools/tool.py"),
        folder: place("agent"),
        args: args.iter().map(|&arg| arg.to_owned()).collect(),
        timeout_ms: 20_000,
        output_limit: 1000,
    }
}

fn start(world: &World, effect: &RunScript) -> Result<Script, IoError> {
    Script::start(&world.roots, effect, Path::new(SANDBOX))
}

fn run_in(world: &World, effect: &RunScript) -> ScriptResult {
    start(world, effect).unwrap().finish(|| false).unwrap()
}

/// Whether the process with the number in this file still runs.
fn runs(world: &World, pid_file: &str) -> bool {
    let pid = std::fs::read_to_string(world.path(pid_file)).unwrap();
    // A process that nobody has waited for yet has a state of Z, and is as dead.
    let status = std::fs::read_to_string(format!("/proc/{}/stat", pid.trim())).unwrap_or_default();
    status.rsplit_once(") ").is_some_and(|(_, rest)| !rest.starts_with(['Z', 'X']))
}

const GRANDCHILD: &str = "
import subprocess, sys, time
child = subprocess.Popen(['sleep', '60'])
open('pid', 'w').write(str(child.pid))
print('started', flush=True)
if 'wait' in sys.argv: time.sleep(60)
";

#[test]
fn output_and_exit_code_are_told() {
    let world = world(
        "import os, sys\nprint(sys.argv[1:], os.getcwd(), repr(sys.stdin.read()))\nprint('oops', file=sys.stderr)\nsys.exit(3)",
    );
    let result = run_in(&world, &script(&["a b", "--c", "$HOME"]));
    let mailboxes = std::fs::canonicalize(world.path("")).unwrap();
    let expected = format!("['a b', '--c', '$HOME'] {} ''\n", mailboxes.display());
    assert_eq!(String::from_utf8(result.stdout).unwrap(), expected);
    assert_eq!(result.stderr, b"oops\n");
    assert_eq!((result.code, result.timed_out, result.truncated), (Some(3), false, false));
}

#[test]
fn the_time_limit_ends_the_script_and_all_it_started() {
    let world = world(GRANDCHILD);
    let start = Instant::now();
    let result = run_in(&world, &RunScript { timeout_ms: 1500, ..script(&["wait"]) });
    assert!(start.elapsed() < Duration::from_secs(5));
    assert_eq!((result.code, result.timed_out), (None, true));
    assert_eq!(result.stdout, b"started\n");
    thread::sleep(Duration::from_millis(100));
    assert!(!runs(&world, "pid"));
}

#[test]
fn a_script_that_exits_leaves_nobody_behind() {
    let world = world(GRANDCHILD);
    let start = Instant::now();
    let result = run_in(&world, &script(&[]));
    assert!(start.elapsed() < Duration::from_secs(10));
    assert_eq!((result.code, result.timed_out), (Some(0), false));
    thread::sleep(Duration::from_millis(100));
    assert!(!runs(&world, "pid"));
}

#[test]
fn the_wish_to_stop_ends_a_script() {
    let world = world(GRANDCHILD);
    let is_stopping = AtomicBool::new(false);
    let before = Instant::now();
    let result = thread::scope(|scope| {
        scope.spawn(|| {
            thread::sleep(Duration::from_millis(700));
            is_stopping.store(true, Ordering::SeqCst);
        });
        start(&world, &script(&["wait"])).unwrap().finish(|| is_stopping.load(Ordering::SeqCst)).unwrap()
    });
    assert!(before.elapsed() < Duration::from_secs(5));
    assert_eq!((result.code, result.timed_out), (None, false));
}

#[test]
fn a_flood_of_output_is_cut() {
    let world = world("import os\nfor _ in range(3000): os.write(1, b'x' * 65536)\nos.write(2, b'done')");
    let result = run_in(&world, &script(&[]));
    assert_eq!((result.stdout.len(), result.truncated, result.code), (1000, true, Some(0)));
    assert_eq!(result.stderr, b"done");
    let result = run_in(&world, &RunScript { output_limit: 0, ..script(&[]) });
    assert!(result.stdout.is_empty() && result.truncated);
}

#[test]
fn secrets_in_the_environment_are_not_handed_on() {
    if std::env::var_os("AZALL_TOKEN").is_none() {
        // A test must not change its own environment: the same test again, in a process of its own.
        let status = Command::new(std::env::current_exe().unwrap())
            .args(["--exact", "secrets_in_the_environment_are_not_handed_on"])
            .envs([("AZALL_TOKEN", "s3cret"), ("AGENTAZALL_KEY", "s3cret"), ("AGENTAZALL_ROOT", "/root-of-it")])
            .status();
        assert!(status.unwrap().success());
        return;
    }
    let world = world("import os\nfor item in os.environ.items(): print(*item)");
    let shown = String::from_utf8(run_in(&world, &RunScript { output_limit: 1 << 20, ..script(&[]) }).stdout).unwrap();
    assert!(shown.contains("PATH ") && shown.contains("AGENTAZALL_ROOT /root-of-it"), "{shown}");
    assert!(!shown.contains("s3cret"), "{shown}");
}

#[test]
fn only_a_regular_file_is_run() {
    let world = world("print('ran')");
    std::os::unix::fs::symlink("tool.py", world.path("agent/tools/link.py")).unwrap();
    for (below, kind) in [
        ("agent/tools/link.py", IoErrorKind::PermissionDenied),
        ("agent/tools", IoErrorKind::PermissionDenied),
        ("agent/tools/missing.py", IoErrorKind::NotFound),
    ] {
        let effect = RunScript { script: place(below), ..script(&[]) };
        assert_eq!(start(&world, &effect).err().unwrap().kind, kind, "{below}");
    }
}
