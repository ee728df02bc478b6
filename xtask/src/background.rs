//! A program that runs beside the others: what it says, and when it said so.

use std::io::{BufRead, BufReader, Read};
use std::process::{Child, Command, Stdio};
use std::sync::mpsc::{self, Receiver, Sender};
use std::thread;
use std::time::{Duration, Instant};

use crate::error::{Error, Result};

/// How long it may take until it says what is expected, and until it ends.
const LONGEST: Duration = Duration::from_secs(30);

/// How often to look whether it has ended.
const GLANCE: Duration = Duration::from_millis(20);

/// A program in the background; killed when dropped.
pub(crate) struct Background {
    step: String,
    child: Child,
    lines: Receiver<(Instant, String)>,
    mend: &'static str,
}

impl Background {
    /// Starts it. `mend` is what to do when it fails.
    pub(crate) fn start(step: &str, command: &mut Command, mend: &'static str) -> Result<Self> {
        let started = command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn();
        let mut child = started.map_err(|source| Error::Start {
            step: step.to_owned(),
            program: command.get_program().to_string_lossy().into_owned(),
            source,
            mend: mend.to_owned(),
        })?;
        let (sender, lines) = mpsc::channel();
        if let Some(stream) = child.stdout.take() {
            listen(stream, sender.clone());
        }
        if let Some(stream) = child.stderr.take() {
            listen(stream, sender);
        }
        Ok(Self { step: step.to_owned(), child, lines, mend })
    }

    /// Waits until a line holds this text; the lines up to it, and when it came.
    pub(crate) fn wait_for(&self, text: &str) -> Result<(Vec<String>, Instant)> {
        let deadline = Instant::now() + LONGEST;
        let mut said = Vec::new();
        while let Ok((when, line)) = self.lines.recv_timeout(deadline.saturating_duration_since(Instant::now())) {
            let is_it = line.contains(text);
            said.push(line);
            if is_it {
                return Ok((said, when));
            }
        }
        Err(self.failed(&format!("it did not say {text:?}, but:\n{}", said.join("\n"))))
    }

    /// Asks it to stop (SIGTERM) and waits for its end, which must be a good one.
    pub(crate) fn stop(mut self) -> Result<()> {
        let pid = self.child.id().to_string();
        let asked = Command::new("kill").args(["-TERM", &pid]).status();
        if !asked.is_ok_and(|status| status.success()) {
            return Err(self.failed("it cannot be asked to stop"));
        }
        let deadline = Instant::now() + LONGEST;
        while Instant::now() < deadline {
            match self.child.try_wait() {
                Ok(Some(status)) if status.success() => return Ok(()),
                Ok(Some(status)) => return Err(self.failed(&format!("asked to stop, it ended with {status}"))),
                Ok(None) => thread::sleep(GLANCE),
                Err(error) => return Err(self.failed(&error.to_string())),
            }
        }
        Err(self.failed("asked to stop, it does not"))
    }

    fn failed(&self, how: &str) -> Error {
        Error::Failed { step: self.step.clone(), how: how.to_owned(), mend: self.mend.to_owned() }
    }
}

impl Drop for Background {
    fn drop(&mut self) {
        // One that has ended already needs no end.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// Passes on the lines of a stream as they come.
fn listen(stream: impl Read + Send + 'static, sender: Sender<(Instant, String)>) {
    thread::spawn(move || {
        for line in BufReader::new(stream).lines().map_while(std::result::Result::ok) {
            if sender.send((Instant::now(), line)).is_err() {
                break;
            }
        }
    });
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shell(script: &str) -> Background {
        Background::start("shell", Command::new("sh").args(["-c", script]), "").unwrap()
    }

    #[test]
    fn lines_of_both_streams_are_waited_for() {
        let background = shell("echo one; sleep 0.1; echo two >&2; sleep 0.1; echo three; exec sleep 30");
        let (said, _) = background.wait_for("three").unwrap();
        assert_eq!(said, ["one", "two", "three"]);
        assert!(background.stop().is_err(), "a sleep that is stopped does not end well");
    }

    #[test]
    fn an_end_without_the_line_is_told_with_what_was_said() {
        let error = shell("echo nothing").wait_for("something").map(drop).unwrap_err().to_string();
        assert!(error.contains("nothing"), "{error}");
        let background = shell("trap 'exit 0' TERM; echo ready; while :; do sleep 0.05; done");
        background.wait_for("ready").unwrap();
        background.stop().unwrap();
    }
}
