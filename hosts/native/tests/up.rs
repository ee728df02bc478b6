//! `azall up`: the relay, the agent and the daemon of one process, as another agent sees them.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing, clippy::string_slice)]
#![allow(missing_docs)]

use std::io::{BufRead, BufReader, Read};
use std::path::Path;
use std::process::{Child, Command, ExitStatus, Stdio};
use std::thread::sleep;
use std::time::{Duration, Instant};

use rustix::process::{Pid, Signal, kill_process};
use serde_json::Value;

/// How long anything may take.
const LONGEST: Duration = Duration::from_secs(60);

/// A command of an agent, who has a folder of its own: agents that share their mailboxes need no relay.
fn azall(town: &Path, agent: &str, arguments: &[&str]) -> Command {
    let folder = town.join(agent);
    std::fs::create_dir_all(&folder).unwrap();
    let mut command = Command::new(env!("CARGO_BIN_EXE_azall"));
    command.args(["--json", "--config", "config.json"]).args(arguments).current_dir(folder);
    command.stdin(Stdio::null()).stderr(Stdio::null()).env_remove("AGENTAZALL_AGENT");
    command
}

fn ask(folder: &Path, agent: &str, arguments: &[&str]) -> Value {
    let output = azall(folder, agent, arguments).output().unwrap();
    let answer = String::from_utf8(output.stdout).unwrap();
    assert!(output.status.success(), "{arguments:?}: {answer}");
    serde_json::from_str(&answer).unwrap()
}

/// A process that runs until it is told to stop; killed if the test fails before.
struct Up {
    child: Child,
    said: Value,
}

impl Up {
    fn start(folder: &Path, arguments: &[&str]) -> Self {
        let mut child = azall(folder, "alice", arguments).stdout(Stdio::piped()).spawn().unwrap();
        let mut output = BufReader::new(child.stdout.take().unwrap());
        let mut said = String::new();
        output.read_line(&mut said).unwrap();
        if !said.ends_with("}\n") {
            output.read_to_string(&mut said).unwrap();
            panic!("it does not start: {said}");
        }
        Self { child, said: serde_json::from_str(&said).unwrap() }
    }

    fn stop(mut self) -> ExitStatus {
        kill_process(Pid::from_child(&self.child), Signal::TERM).unwrap();
        let start = Instant::now();
        loop {
            if let Some(status) = self.child.try_wait().unwrap() {
                return status;
            }
            assert!(start.elapsed() < LONGEST, "it does not stop");
            sleep(Duration::from_millis(20));
        }
    }
}

impl Drop for Up {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// The subjects in today's inbox, once there are so many.
fn subjects(folder: &Path, agent: &str, count: usize) -> Vec<String> {
    let start = Instant::now();
    loop {
        let inbox = ask(folder, agent, &["inbox", "--offline", "--all"]);
        let messages = inbox["messages"].as_array().unwrap();
        if messages.len() >= count {
            return messages.iter().map(|message| message["subject"].as_str().unwrap().to_owned()).collect();
        }
        assert!(start.elapsed() < LONGEST, "{inbox}");
        sleep(Duration::from_millis(50));
    }
}

#[test]
fn up_serves_receives_stops_and_goes_on_where_it_stopped() {
    let folder = tempfile::tempdir().unwrap();
    let folder = folder.path();
    let up = Up::start(folder, &["up", "--agent", "alice", "--port", "0", "--interval", "1"]);
    let relay = up.said["relay"].as_str().unwrap().to_owned();
    assert_eq!(up.said["agent"], "alice.agenttalk");

    ask(folder, "bob", &["register", "--agent", "bob", "--server", &relay]);
    ask(folder, "bob", &["send", "--to", "alice.agenttalk", "-s", "First", "-b", "Hello"]);
    // Nobody but the daemon fetches it.
    assert_eq!(subjects(folder, "alice", 1), ["First"]);
    ask(folder, "alice", &["send", "--to", "bob.agenttalk", "-s", "Answer", "-b", "Hello"]);
    assert!(up.stop().success());

    // The same agent, the same relay, with what was left there.
    let up = Up::start(folder, &["up", "--interval", "1"]);
    assert_eq!((up.said["agent"].as_str(), up.said["relay"].as_str()), (Some("alice.agenttalk"), Some(relay.as_str())));
    ask(folder, "bob", &["inbox"]);
    assert_eq!(subjects(folder, "bob", 1), ["Answer"]);
    assert!(up.stop().success());
}

#[test]
fn up_for_another_agent_than_the_configs_is_refused() {
    let folder = tempfile::tempdir().unwrap();
    let folder = folder.path();
    assert!(Up::start(folder, &["up", "--agent", "alice", "--port", "0"]).stop().success());
    assert!(
        refusal(folder, "alice").contains("config.json is the config of alice.agenttalk; carol needs one of its own")
    );
    // One that has no account yet keeps its name and its memories too.
    ask(folder, "dora", &["quickstart", "--agent", "dora"]);
    assert!(
        refusal(folder, "dora").contains("config.json is the config of dora@localhost; carol needs one of its own")
    );
    assert_eq!(ask(folder, "dora", &["address"])["address"], "dora@localhost");
}

/// What is said where the config's agent is asked to be Carol.
fn refusal(folder: &Path, agent: &str) -> String {
    let mut child =
        azall(folder, agent, &["up", "--agent", "carol", "--port", "0"]).stdout(Stdio::piped()).spawn().unwrap();
    let mut said = String::new();
    child.stdout.take().unwrap().read_to_string(&mut said).unwrap();
    assert_eq!(child.wait().unwrap().code(), Some(1));
    said
}
