//! The program on a file system that is full or read-only: clear errors, nothing half written, nothing lost. Needs the right
//! to mount one; without it, this says so and tests nothing.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing, clippy::string_slice)]
#![allow(missing_docs)]

#[path = "support/relay.rs"]
mod relay;

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use relay::LiveRelay;

/// A small file system in memory, gone when dropped.
struct Mount(PathBuf);

impl Mount {
    /// `None` where this process may not mount.
    fn new(path: &Path, size: &str) -> Option<Self> {
        fs::create_dir_all(path).unwrap();
        let options = format!("size={size}");
        let mounted = Command::new("mount").args(["-t", "tmpfs", "-o", &options, "azall-test"]).arg(path).output();
        if mounted.is_ok_and(|output| output.status.success()) {
            return Some(Self(path.to_owned()));
        }
        println!("not tested: this process may not mount a file system; run the tests as root");
        None
    }

    /// Whether it can be written to.
    fn set_writable(&self, writable: bool) {
        let options = if writable { "remount,rw" } else { "remount,ro" };
        assert!(Command::new("mount").args(["-o", options]).arg(&self.0).status().unwrap().success());
    }

    /// Takes all the room that is left; the file that does.
    fn fill(&self) -> PathBuf {
        let filler = self.0.join("filler");
        let mut size = 1 << 24;
        let mut bytes = Vec::new();
        while size >= 1 {
            bytes.resize(bytes.len() + size, b'x');
            if fs::write(&filler, &bytes).is_err() {
                bytes.truncate(bytes.len() - size);
                size /= 2;
            }
        }
        fs::write(&filler, &bytes).unwrap();
        filler
    }
}

impl Drop for Mount {
    fn drop(&mut self) {
        let _ = Command::new("umount").arg(&self.0).status();
    }
}

/// A mailbox on a small file system, and a sender on the ordinary one, both with an account at a relay.
struct Pair {
    dir: tempfile::TempDir,
    mount: Mount,
}

impl Pair {
    fn new() -> Option<Self> {
        let dir = tempfile::tempdir().unwrap();
        let mount = Mount::new(&dir.path().join("small"), "4m")?;
        let relay = LiveRelay::start(7);
        for (folder, name) in [("small", "anna"), ("large", "ben")] {
            let config = serde_json::json!({
                "agent_name": format!("{name}.agenttalk"), "agent_key": "0123456789abcdef0123456789abcdef",
                "transport": "agenttalk", "agenttalk": {"server": relay.url, "token": relay.add(name)},
            });
            fs::create_dir_all(dir.path().join(folder)).unwrap();
            fs::write(dir.path().join(folder).join("config.json"), config.to_string()).unwrap();
        }
        Some(Self { dir, mount })
    }

    fn run(&self, folder: &str, arguments: &[&str]) -> Output {
        let mut command = Command::new(env!("CARGO_BIN_EXE_azall"));
        command.args(arguments).current_dir(self.dir.path().join(folder)).stdin(std::process::Stdio::null());
        command.output().unwrap()
    }

    fn succeeds(&self, folder: &str, arguments: &[&str]) -> String {
        let output = self.run(folder, arguments);
        assert!(output.status.success(), "{arguments:?}: {}", String::from_utf8_lossy(&output.stderr));
        String::from_utf8(output.stdout).unwrap()
    }

    /// What is said of the failure.
    fn fails(&self, folder: &str, arguments: &[&str]) -> String {
        let output = self.run(folder, arguments);
        let said = String::from_utf8_lossy(&output.stderr).into_owned();
        assert_eq!(output.status.code(), Some(1), "{arguments:?}: {said}");
        said
    }
}

#[test]
fn on_a_full_disk_nothing_is_half_written_and_nothing_lost() {
    let Some(pair) = Pair::new() else { return };
    pair.succeeds("small", &["remember", "--text", "before", "--title", "before"]);
    pair.succeeds("small", &["inbox"]);
    let filler = pair.mount.fill();
    for command in
        [&["remember", "--text", "a new fact"][..], &["send", "--to", "ben.agenttalk", "-s", "Hi", "-b", "x"]]
    {
        let said = pair.fails("small", command);
        assert!(said.contains("No space left") && said.contains("small"), "{said}");
    }
    assert!(pair.succeeds("small", &["recall"]).contains("before"));
    pair.succeeds("large", &["send", "--to", "anna.agenttalk", "-s", "While you are full", "-b", "hold on"]);
    let said = pair.fails("small", &["inbox"]);
    assert!(said.contains("No space left"), "{said}");

    fs::remove_file(filler).unwrap();
    let inbox = pair.succeeds("small", &["inbox"]);
    assert_eq!(inbox.matches("While you are full").count(), 1, "{inbox}");
    pair.succeeds("small", &["send", "--to", "ben.agenttalk", "-s", "Room again", "-b", "x"]);
    let inbox = pair.succeeds("large", &["inbox"]);
    assert!(inbox.contains("Room again") && !inbox.contains("Hi"), "{inbox}");
}

#[test]
fn on_a_read_only_disk_nothing_is_taken_from_the_relay() {
    let Some(pair) = Pair::new() else { return };
    pair.succeeds("small", &["remember", "--text", "before", "--title", "before"]);
    pair.succeeds("small", &["inbox"]);
    pair.mount.set_writable(false);
    pair.succeeds("large", &["send", "--to", "anna.agenttalk", "-s", "While you sleep", "-b", "hold on"]);
    let said = pair.fails("small", &["remember", "--text", "a new fact"]);
    assert!(said.contains("Read-only file system") && said.contains("small"), "{said}");
    pair.fails("small", &["inbox"]);
    assert!(pair.succeeds("small", &["recall"]).contains("before"));
    pair.mount.set_writable(true);
    let inbox = pair.succeeds("small", &["inbox"]);
    assert_eq!(inbox.matches("While you sleep").count(), 1, "{inbox}");
}
