//! Steps: what is being done, its output as it comes, its time, and one table at the end.

use std::io::{self, IsTerminal, Read, Write};
use std::process::{Command, ExitStatus, Stdio};
use std::thread;
use std::time::{Duration, Instant};

use crate::error::{Error, Result};

/// Whether a person is reading standard output.
pub(crate) fn stdout_is_terminal() -> bool {
    io::stdout().is_terminal() && std::env::var_os("NO_COLOR").is_none()
}

/// Text in an SGR style (ECMA-48: `1` bold, `2` faint, `31` red, `32` green), plain where nobody would see it.
pub(crate) fn styled(style: &str, text: &str) -> String {
    if stdout_is_terminal() { format!("\x1b[{style}m{text}\x1b[0m") } else { text.to_owned() }
}

/// Announces a step.
pub(crate) fn heading(step: &str) {
    println!("{}", styled("1", &format!("==> {step}")));
}

/// A duration for people.
pub(crate) fn seconds(time: Duration) -> String {
    format!("{:.1} s", time.as_secs_f64())
}

/// A step's command that has ended.
pub(crate) struct Finished {
    /// How it ended.
    pub(crate) status: ExitStatus,
    /// What it wrote to either stream, as it came.
    pub(crate) output: String,
    /// How long it took.
    pub(crate) time: Duration,
}

/// Runs a step: announces it, shows its output as it comes, keeps it, and says how long it took. `mend` is what to do
/// when the program cannot be started.
pub(crate) fn run(step: &str, command: &mut Command, mend: &str) -> Result<Finished> {
    heading(step);
    let start = Instant::now();
    let (status, output) = run_and_show(command).map_err(|source| Error::Start {
        step: step.to_owned(),
        program: command.get_program().to_string_lossy().into_owned(),
        source,
        mend: mend.to_owned(),
    })?;
    let time = start.elapsed();
    let verdict = if status.success() { styled("32", "done") } else { styled("31", &format!("failed ({status})")) };
    println!("    {step}: {verdict} in {}", seconds(time));
    Ok(Finished { status, output, time })
}

/// As [`run`], where nothing can go on after a failure.
pub(crate) fn require(step: &str, command: &mut Command, mend: &str) -> Result<()> {
    let finished = run(step, command, mend)?;
    if finished.status.success() {
        return Ok(());
    }
    Err(Error::Failed { step: step.to_owned(), how: finished.status.to_string(), mend: mend.to_owned() })
}

fn run_and_show(command: &mut Command) -> io::Result<(ExitStatus, String)> {
    let mut child = command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn()?;
    let stderr = child.stderr.take().map(|stream| thread::spawn(move || tee(stream, io::stderr())));
    let mut output = child.stdout.take().map(|stream| tee(stream, io::stdout())).unwrap_or_default();
    if let Some(bytes) = stderr.and_then(|reader| reader.join().ok()) {
        output.extend(bytes);
    }
    Ok((child.wait()?, String::from_utf8_lossy(&output).into_owned()))
}

/// Copies a stream to the terminal as it comes and returns all of it.
fn tee(mut from: impl Read, mut to: impl Write) -> Vec<u8> {
    let mut all = Vec::new();
    let mut buffer = [0; 8192];
    while let Ok(count @ 1..) = from.read(&mut buffer) {
        let part = buffer.get(..count).unwrap_or_default();
        all.extend_from_slice(part);
        // A closed terminal is no reason to stop the step.
        let _ = to.write_all(part).and_then(|()| to.flush());
    }
    all
}
