//! Running a mailbox's scripts: Python as a process of this user, WebAssembly in the sandbox.

use std::io::{self, PipeReader, PipeWriter, Read};
use std::os::unix::process::CommandExt;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use azall_core::engine::effect::{IoError, IoErrorKind, RunScript, ScriptResult};
use azall_core::protocol::layout::Root;
use rustix::event::{PollFd, PollFlags, Timespec};
use rustix::fs::FileType;
use rustix::process::{Pid, Signal, WaitId, WaitIdOptions};

use crate::roots::Roots;
use crate::system::{failed, failed_std};

/// The program that runs WebAssembly. It holds a compiler and is therefore one of its own.
pub const SANDBOX: &str = "azall-sandbox";

/// How often the script and the wish to stop are looked at while no output comes.
const TICK: Duration = Duration::from_millis(20);

/// The bytes of one read, and what a pipe holds by default.
const PIPE_SIZE: usize = 64 * 1024;

/// How many reads empty any pipe: its size can be raised to 1 MiB.
const MOST_RESTS: usize = 16;

/// Variables of azall's own that a script may see: they say where the mailbox is, and hold no secret.
const SHARED_VARIABLES: [&str; 3] = ["AGENTAZALL_CONFIG", "AGENTAZALL_ROOT", "AGENTAZALL_AGENT"];

/// What runs a Python script.
const PYTHON: &str = "python3";

/// The sandbox ends a program at the time limit itself, and says why. It is ended from outside only if it does not.
const GRACE: Duration = Duration::from_secs(5);

/// A script that was started.
pub struct Script {
    child: Child,
    streams: [Stream; 2],
    limit: Duration,
}

impl Script {
    /// Starts what [`RunScript`] asks for. A Python script runs in the folder of all mailboxes, with this process's environment but
    /// for variables that begin with `AGENTAZALL_` or `AZALL_`; of these it gets only `SHARED_VARIABLES`. `sandbox` is the program
    /// that runs WebAssembly, as a path or as a name on the path.
    ///
    /// # Errors
    /// [`IoErrorKind::Unsupported`] without a `python3` or a sandbox, [`IoErrorKind::PermissionDenied`] for a script that is not a
    /// regular file, and the system's.
    pub fn start(roots: &Roots, effect: &RunScript, sandbox: &Path) -> Result<Self, IoError> {
        let path = roots.resolve(&effect.script)?;
        let stat = rustix::fs::lstat(&path).map_err(failed)?;
        if FileType::from_raw_mode(stat.st_mode) != FileType::RegularFile {
            return Err(IoError::new(IoErrorKind::PermissionDenied, "not a regular file"));
        }
        let limit = Duration::from_millis(effect.timeout_ms);
        let (mut command, runner, limit) = if effect.script.path.file_name().ends_with(".wasm") {
            (in_sandbox(sandbox, roots, effect, &path)?, SANDBOX, limit.saturating_add(GRACE))
        } else {
            let mut command = Command::new(PYTHON);
            command.arg(path);
            (command, PYTHON, limit)
        };
        command.args(&effect.args).current_dir(roots.folder(Root::Mailboxes)).process_group(0);
        hide_own_variables(&mut command);
        let (stdout, out) = pipe(effect.output_limit).map_err(|error| failed_std(&error))?;
        let (stderr, err) = pipe(effect.output_limit).map_err(|error| failed_std(&error))?;
        let spawned = command.stdin(Stdio::null()).stdout(out).stderr(err).spawn();
        let child = spawned.map_err(|error| match error.kind() {
            io::ErrorKind::NotFound => {
                IoError::new(IoErrorKind::Unsupported, format!("there is no {runner} to run it with"))
            }
            _ => failed_std(&error),
        })?;
        Ok(Self { child, streams: [stdout, stderr], limit })
    }

    /// Reads what the script writes until it ends or has to. It is the leader of a process group, and all of the group ends with it:
    /// when it exits, at the time limit, or when it is to stop.
    ///
    /// # Errors
    /// The system's.
    pub fn finish(mut self, is_stopping: impl Fn() -> bool) -> Result<ScriptResult, IoError> {
        let group = Pid::from_child(&self.child);
        let deadline = Instant::now().checked_add(self.limit);
        let mut timed_out = false;
        while !has_exited(group) {
            let left = deadline.map_or(TICK, |deadline| deadline.saturating_duration_since(Instant::now()));
            timed_out = left.is_zero();
            if timed_out || is_stopping() {
                break;
            }
            self.read_for(left.min(TICK));
        }
        // The leader is waited for only afterwards: until then its number cannot become that of another group.
        let _ = rustix::process::kill_process_group(group, Signal::KILL);
        let status = self.child.wait().map_err(|error| failed_std(&error))?;
        let [stdout, stderr] = self.streams.map(Stream::into_rest);
        Ok(ScriptResult {
            code: status.code(),
            timed_out,
            truncated: stdout.truncated || stderr.truncated,
            stdout: stdout.kept,
            stderr: stderr.kept,
        })
    }

    /// Waits until there is something to read, but not longer than this, and reads it.
    fn read_for(&mut self, wait: Duration) {
        let open: Vec<_> = self.streams.iter().filter_map(|stream| stream.pipe.as_ref()).collect();
        // Closed streams mostly mean that the script is about to exit.
        let wait = if open.is_empty() { wait.min(Duration::from_millis(1)) } else { wait };
        let mut polled: Vec<_> = open.into_iter().map(|pipe| PollFd::new(pipe, PollFlags::IN)).collect();
        // A failure here is an early end of the wait: the reads below tell what there is.
        let _ = rustix::event::poll(&mut polled, Timespec::try_from(wait).ok().as_ref());
        for stream in &mut self.streams {
            stream.read_once();
        }
    }
}

/// The sandbox with a program in it, up to the program's arguments.
fn in_sandbox(sandbox: &Path, roots: &Roots, effect: &RunScript, module: &Path) -> Result<Command, IoError> {
    let seconds = effect.timeout_ms.div_ceil(1000).max(1).to_string();
    let mebibytes = effect.output_limit.div_ceil(1 << 20).max(1).to_string();
    let mut command = Command::new(sandbox);
    command.arg("--folder").arg(roots.resolve(&effect.folder)?).arg("--module").arg(module);
    command.args(["--time", &seconds, "--wall", &seconds, "--output", &mebibytes, "--"]);
    Ok(command)
}

fn hide_own_variables(command: &mut Command) {
    for (name, _) in std::env::vars_os() {
        let own = name.as_encoded_bytes();
        let is_own = own.starts_with(b"AGENTAZALL_") || own.starts_with(b"AZALL_");
        if is_own && !SHARED_VARIABLES.iter().any(|shared| name == *shared) {
            command.env_remove(name);
        }
    }
}

/// A pipe that a script writes to, and what is read of it.
fn pipe(limit: u64) -> io::Result<(Stream, PipeWriter)> {
    let (read, write) = io::pipe()?;
    rustix::io::ioctl_fionbio(&read, true)?;
    Ok((Stream::new(read, limit), write))
}

/// Whether the leader has exited; it stays to be waited for.
fn has_exited(leader: Pid) -> bool {
    let options = WaitIdOptions::EXITED | WaitIdOptions::NOHANG | WaitIdOptions::NOWAIT;
    !matches!(rustix::process::waitid(WaitId::Pid(leader), options), Ok(None))
}

/// What comes out of one end of a script.
#[derive(Default)]
struct Stream {
    pipe: Option<PipeReader>,
    kept: Vec<u8>,
    limit: usize,
    truncated: bool,
}

impl Stream {
    fn new(pipe: PipeReader, limit: u64) -> Self {
        Self { pipe: Some(pipe), limit: usize::try_from(limit).unwrap_or(usize::MAX), ..Self::default() }
    }

    /// Takes what one read gives; tells whether there may be more.
    fn read_once(&mut self) -> bool {
        let Some(pipe) = &mut self.pipe else { return false };
        let mut buffer = [0; PIPE_SIZE];
        match pipe.read(&mut buffer) {
            Ok(read @ 1..) => {
                let wanted = read.min(self.limit.saturating_sub(self.kept.len()));
                self.kept.extend(buffer.iter().take(wanted));
                self.truncated |= wanted < read;
                true
            }
            Err(error) if matches!(error.kind(), io::ErrorKind::WouldBlock | io::ErrorKind::Interrupted) => false,
            _ => {
                self.pipe = None;
                false
            }
        }
    }

    /// Takes what is still in the pipe, but no more: a process that has left the group may write for ever.
    fn into_rest(mut self) -> Self {
        for _ in 0..MOST_RESTS {
            if !self.read_once() {
                break;
            }
        }
        self
    }
}
