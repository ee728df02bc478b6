//! The program itself, killed at random moments while several of it work on the same mailboxes; afterwards the model of the
//! simulator judges the real files.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing, clippy::string_slice)]
#![allow(missing_docs)]

#[path = "support/relay.rs"]
mod relay;

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::thread::sleep;
use std::time::{Duration, Instant};

use azall::host::Host;
use azall::http::HttpOptions;
use azall::interrupt::Interrupt;
use azall_core::command::daemon::Daemon;
use azall_core::command::session::{self, Context};
use azall_core::command::{self, Command as Asked, Error};
use azall_core::engine::op::{Op, Output};
use azall_core::protocol::keyring::Keyring;
use azall_core::protocol::layout::RelPath;
use azall_core::protocol::time::Now;
use azall_files::clock;
use azall_files::roots::Roots;
use azall_sim::model::{self, Kept, Log, Mailbox};
use azall_sim::random::Random;
use relay::LiveRelay;

/// How often a process is killed.
const KILLS: usize = 200;

/// Agents: name, and the folder of mailboxes that it shares with others.
const AGENTS: [(&str, &str); 4] = [("anna", "one"), ("ben", "one"), ("cleo", "two"), ("dan", "three")];

struct Town {
    dir: tempfile::TempDir,
    relay: LiveRelay,
    random: Random,
    log: Log,
    serial: u64,
}

/// What a process was started for, and whether it was seen to end well.
struct Running {
    child: Child,
    agent: usize,
    task: Task,
}

enum Task {
    Send { marker: String },
    Remember { line: String },
    Receive,
}

impl Town {
    fn new(seed: u64) -> Self {
        let town = Self {
            dir: tempfile::tempdir().unwrap(),
            relay: LiveRelay::start(seed),
            random: Random::new(seed),
            log: Log::default(),
            serial: 0,
        };
        for (at, (name, disk)) in AGENTS.into_iter().enumerate() {
            let token = town.relay.add(name);
            let config = serde_json::json!({
                "agent_name": format!("{name}.agenttalk"),
                "agent_key": format!("{at:032x}"),
                "mailbox_dir": "../mailboxes",
                "transport": "agenttalk",
                "agenttalk": {"server": town.relay.url, "token": token},
            });
            fs::create_dir_all(town.disk(disk).join(name)).unwrap();
            fs::write(town.config(at), config.to_string()).unwrap();
        }
        town
    }

    fn disk(&self, disk: &str) -> PathBuf {
        self.dir.path().join(disk)
    }

    fn config(&self, agent: usize) -> PathBuf {
        let (name, disk) = AGENTS[agent];
        self.disk(disk).join(name).join("config.json")
    }

    fn home(&self, agent: usize) -> PathBuf {
        let (name, disk) = AGENTS[agent];
        self.disk(disk).join("mailboxes").join(format!("{name}.agenttalk"))
    }

    fn command(&self, agent: usize, arguments: &[&str]) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_azall"));
        command.arg("--config").arg(self.config(agent)).args(arguments).current_dir(self.dir.path());
        command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
        command
    }

    fn start(&mut self, agent: usize) -> Running {
        self.serial += 1;
        match self.random.below(8) {
            0..=2 => self.start_send(agent),
            3 => {
                let line = format!("fact {}", self.serial);
                let child = self.command(agent, &["remember", "--text", &line]).spawn().unwrap();
                Running { child, agent, task: Task::Remember { line } }
            }
            4 => self.receive(agent, &["inbox"]),
            5 => self.receive(agent, &["daemon", "--interval", "1"]),
            _ => self.receive(agent, &["daemon", "--once"]),
        }
    }

    fn receive(&self, agent: usize, arguments: &[&str]) -> Running {
        Running { child: self.command(agent, arguments).spawn().unwrap(), agent, task: Task::Receive }
    }

    /// Sends to one or two others, now and then with attachments.
    fn start_send(&mut self, agent: usize) -> Running {
        let marker = model::marker(self.serial);
        let first = (agent + 1 + self.random.below(AGENTS.len() - 1)) % AGENTS.len();
        let second = (agent + 1 + self.random.below(AGENTS.len() - 1)) % AGENTS.len();
        let to: Vec<String> = [first, second][..=usize::from(first != second && self.random.chance(30))]
            .iter()
            .map(|to| format!("{}.agenttalk", AGENTS[*to].0))
            .collect();
        let mut attachments = Vec::new();
        for number in 0..self.random.below(3) {
            let name = format!("file{number}.bin");
            let folder = self.dir.path().join("attachments").join(self.serial.to_string());
            let bytes = self.random.bytes(3000);
            fs::create_dir_all(&folder).unwrap();
            fs::write(folder.join(&name), &bytes).unwrap();
            attachments.push((name, bytes));
        }
        let mut command = self.command(agent, &["send", "--to", &to.join(","), "-s", "Hello", "--body-file", "-"]);
        for (name, _) in &attachments {
            command.arg("-a").arg(self.dir.path().join("attachments").join(self.serial.to_string()).join(name));
        }
        let mut child = command.stdin(Stdio::piped()).spawn().unwrap();
        child.stdin.take().unwrap().write_all(format!("{marker}\nHow are you?").as_bytes()).unwrap();
        self.log.asked.push(model::Asked {
            marker: marker.clone(),
            from: agent,
            at: self.serial,
            acknowledged: false,
            attachments,
        });
        Running { child, agent, task: Task::Send { marker } }
    }

    /// Notes what a process that ended well has promised.
    fn note(&mut self, running: &Running) {
        match &running.task {
            Task::Send { marker } => {
                let asked = self.log.asked.iter_mut().find(|asked| asked.marker == *marker);
                asked.unwrap().acknowledged = true;
            }
            Task::Remember { line } => {
                self.log.kept.push(Kept { mailbox: running.agent, folder: "remember", line: line.clone() });
            }
            Task::Receive => {}
        }
    }

    /// Starts a few processes and kills those that still run after a random time; how many were killed.
    fn round(&mut self) -> usize {
        let mut running: Vec<Running> = (0..3)
            .map(|_| {
                let agent = self.random.below(AGENTS.len());
                self.start(agent)
            })
            .collect();
        let mut killed = 0;
        for process in &mut running {
            // Some live to the end, or nothing would ever be acknowledged.
            let longest = if self.random.chance(30) { 2_000_000 } else { 60_000 };
            let after = Duration::from_micros(self.random.number() % longest);
            let until = Instant::now() + after;
            while Instant::now() < until && process.child.try_wait().unwrap().is_none() {
                sleep(Duration::from_micros(200));
            }
            match process.child.try_wait().unwrap() {
                Some(status) if status.success() => self.note(process),
                Some(_) => {}
                None => {
                    process.child.kill().unwrap();
                    process.child.wait().unwrap();
                    killed += 1;
                }
            }
        }
        self.bury();
        killed
    }

    /// What waiting would do, at once: nobody lives who holds a lock, and what the dead were handed comes again.
    fn bury(&mut self) {
        for (agent, (name, _)) in AGENTS.into_iter().enumerate() {
            self.relay.hand_back(name);
            for lock in [".lock", ".lock.takeover"] {
                let _ = fs::remove_file(self.home(agent).join(lock));
            }
            self.note_keys(agent);
        }
    }

    /// A key that was in the keyring once must stay.
    fn note_keys(&mut self, agent: usize) {
        if let Ok(bytes) = fs::read(self.home(agent).join(".keyring.json")) {
            let keyring = Keyring::parse(&bytes).expect("a whole keyring");
            let keys = keyring.entries().map(|(fingerprint, _)| fingerprint.to_string());
            self.log.pinned.entry(agent).or_default().extend(keys);
        }
    }

    /// Lets everybody sync undisturbed, at times when every lease and pause has run out.
    fn finish(&mut self) {
        for hours in 1..=4 {
            for (agent, (name, _)) in AGENTS.into_iter().enumerate() {
                self.sync(agent, hours * 3_600_000);
                self.relay.settle(name);
            }
        }
    }

    /// One delivery cycle by the native host, later.
    fn sync(&self, agent: usize, later_ms: i64) {
        let config = self.config(agent);
        let mailboxes = self.home(agent).parent().unwrap().to_owned();
        let shared = mailboxes.parent().unwrap().join("shared");
        let roots = Roots::new(config.parent().unwrap(), &mailboxes, shared).unwrap();
        let host = Host::new(roots, HttpOptions::default(), Interrupt::new().unwrap());
        let config_file = RelPath::parse("config.json").unwrap();
        let opened = run_later(session::open(config_file.clone(), None), &host, later_ms).unwrap();
        let context = Context {
            opened,
            config_file,
            config_shown: config.display().to_string(),
            mailboxes_shown: mailboxes.display().to_string(),
        };
        let daemon = Asked::from(Daemon { once: true, ..Daemon::default() });
        run_later(command::start(daemon, context), &host, later_ms).unwrap();
    }

    /// What the model says of the files.
    fn judge(&mut self) -> Vec<String> {
        let names = AGENTS.map(|(name, _)| name.to_owned());
        self.relay.tell(&mut self.log, &names);
        let disks = ["one", "two", "three"];
        let trees: Vec<_> = disks.iter().map(|disk| read_tree(&self.disk(disk))).collect();
        let roots: Vec<Vec<String>> = disks
            .iter()
            .map(|disk| {
                let here = AGENTS.iter().filter(|(_, on)| on == disk).map(|(name, _)| format!("{name}/config.json"));
                here.chain(["mailboxes".to_owned()]).collect()
            })
            .collect();
        let mailboxes: Vec<Mailbox> = AGENTS
            .iter()
            .map(|(name, disk)| Mailbox {
                address: format!("{name}.agenttalk"),
                disk: disks.iter().position(|one| one == disk).unwrap(),
                home: format!("mailboxes/{name}.agenttalk"),
                config: format!("{name}/config.json"),
            })
            .collect();
        model::check(&trees, &mailboxes, &roots, &self.log)
    }
}

/// Drives an operation that believes it is later.
fn run_later<T>(mut op: Op<T, Error>, host: &Host, later_ms: i64) -> Result<T, Error> {
    let mut slept_ms = 0;
    loop {
        let now = clock::now();
        let now = Now { unix_ms: now.unix_ms + later_ms + slept_ms, ..now };
        match op.poll(now) {
            Output::Effect(id, effect) => op.resume(id, host.answer(&effect)).unwrap(),
            Output::Event(_) => {}
            Output::Wait(due_ms) => slept_ms += due_ms.expect("something to wait for") - now.unix_ms,
            Output::Done(result) => return result,
        }
    }
}

/// All files below a folder, by their path in it.
fn read_tree(root: &Path) -> BTreeMap<String, Vec<u8>> {
    let mut files = BTreeMap::new();
    let mut folders = vec![root.to_owned()];
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(&folder).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                folders.push(path);
            } else {
                let name = path.strip_prefix(root).unwrap().to_str().unwrap().to_owned();
                files.insert(name, fs::read(&path).unwrap());
            }
        }
    }
    files
}

#[test]
fn killed_at_random_moments_nothing_is_lost_and_nothing_doubled() {
    let mut town = Town::new(20);
    let mut killed = 0;
    while killed < KILLS {
        killed += town.round();
    }
    town.finish();
    let wrong = town.judge();
    let acknowledged = town.log.asked.iter().filter(|asked| asked.acknowledged).count();
    println!("{killed} killed, {} messages, {acknowledged} acknowledged", town.log.asked.len());
    assert!(acknowledged > 10 && !town.log.pinned.is_empty());
    assert!(wrong.is_empty(), "{}:\n{}", town.dir.keep().display(), wrong.join("\n"));
}

/// The existing relay deletes what it hands out. From the moment at which its answer is in the spool, nothing of it may be
/// lost, though nobody hands it out again.
#[test]
fn what_reached_the_spool_survives_being_killed() {
    let mut town = Town::new(21);
    let reader = 2;
    let mut killed = 0;
    while killed < KILLS / 4 {
        for _ in 0..4 {
            town.serial += 1;
            let mut send = town.start_send([0, 1, 3][(town.serial % 3) as usize]);
            assert!(send.child.wait().unwrap().success());
            town.note(&send);
        }
        let spool = town.home(reader).join(".spool");
        let spooled = || -> BTreeSet<String> {
            let entries = fs::read_dir(&spool).into_iter().flatten().flatten();
            let names = entries.map(|entry| entry.file_name().to_string_lossy().into_owned());
            names.filter(|name| !name.starts_with(".tmp-")).collect()
        };
        // What an earlier one has left says nothing of the answer that comes now.
        let left = spooled();
        let has_spooled = || !spooled().is_subset(&left);
        let mut process = town.receive(reader, &["inbox"]);
        while process.child.try_wait().unwrap().is_none() && !has_spooled() {
            sleep(Duration::from_micros(50));
        }
        sleep(Duration::from_micros(town.random.number() % 20_000));
        if process.child.try_wait().unwrap().is_none() {
            process.child.kill().unwrap();
            process.child.wait().unwrap();
            killed += 1;
        }
        town.relay.settle(AGENTS[reader].0);
        for lock in [".lock", ".lock.takeover"] {
            let _ = fs::remove_file(town.home(reader).join(lock));
        }
        town.note_keys(reader);
    }
    town.finish();
    let wrong = town.judge();
    assert!(wrong.is_empty(), "{}:\n{}", town.dir.keep().display(), wrong.join("\n"));
}
