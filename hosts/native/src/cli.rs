//! The `azall` command on this host: arguments and files in, text and an exit code out. What a command means is decided in
//! the core; this only fetches what it names, drives it, and prints.

use std::ffi::OsString;
use std::fs::File;
use std::io::{self, IsTerminal, Read, Write};
use std::path::{Path, PathBuf};

use azall_core::cli::{self, Exit, Invocation, input::Input, input::Inputs, input::Source, server::ServerTask};
use azall_core::command::session::{self, Context, Opened};
use azall_core::command::{self, Command, Error, Outcome};
use azall_core::engine::event::{Event, Level};
use azall_core::engine::op::Op;
use azall_core::protocol::config::{ConfigEnv, locate};
use azall_core::protocol::layout::RelPath;
use azall_core::protocol::text;

use crate::archive;
use crate::drive::drive;
use crate::host::Host;
use crate::http::HttpOptions;
use crate::interrupt::Interrupt;
use crate::roots::Roots;
use crate::server;

/// Runs one command line and gives its exit code.
#[must_use]
pub fn run(arguments: impl IntoIterator<Item = OsString>) -> u8 {
    let ran = cli::parse(arguments).and_then(|invocation| match invocation.server_task()? {
        Some(task) => serve(task, &invocation),
        None => prepare(invocation).map(Prepared::run),
    });
    ran.unwrap_or_else(|exit| leave(&exit))
}

/// Prints an exit's text and gives its code. A reader that has gone away has nothing to complain about.
fn leave(exit: &Exit) -> u8 {
    let _ = if exit.to_stderr {
        io::stderr().write_all(exit.text.as_bytes())
    } else {
        io::stdout().write_all(exit.text.as_bytes())
    };
    exit.code
}

/// How to print.
#[derive(Clone, Copy)]
struct Manner {
    json: bool,
    verbose: bool,
    color: bool,
    color_of_notices: bool,
}

impl Manner {
    /// How this invocation is to be answered, on the streams that this process has.
    fn of(invocation: &Invocation) -> Self {
        let colorful = !invocation.no_color && std::env::var_os("NO_COLOR").is_none_or(|value| value.is_empty());
        Self {
            json: invocation.json,
            verbose: invocation.verbose,
            color: colorful && io::stdout().is_terminal(),
            color_of_notices: colorful && io::stderr().is_terminal(),
        }
    }

    /// A failure of this host.
    fn failed(self, why: &str) -> Exit {
        Exit::failure(1, &text::for_terminal_line(why), self.json, self.color_of_notices)
    }
}

/// Runs a server, or what concerns one.
fn serve(task: ServerTask, invocation: &Invocation) -> Result<u8, Exit> {
    let manner = Manner::of(invocation);
    let config_path = config_path(invocation, manner)?;
    let folder = config_path.parent().unwrap_or(Path::new("/"));
    server::run(task, folder, manner.verbose, manner.json).map(|()| 0).map_err(|why| manner.failed(&why))
}

/// A command with all that it needs before it starts.
struct Prepared {
    command: Command,
    config_path: PathBuf,
    manner: Manner,
}

/// Reads what the command line names.
fn prepare(invocation: Invocation) -> Result<Prepared, Exit> {
    let manner = Manner::of(&invocation);
    let config_path = config_path(&invocation, manner)?;
    let mut inputs = Vec::new();
    for source in invocation.sources() {
        inputs.push(read_input(source, manner)?);
    }
    let command = invocation.into_command(Inputs::new(inputs))?;
    Ok(Prepared { command, config_path, manner })
}

/// The config file, which need not be there.
fn config_path(invocation: &Invocation, manner: Manner) -> Result<PathBuf, Exit> {
    let environment = |name| std::env::var(name).ok();
    let located = locate(&ConfigEnv {
        flag: invocation.config.clone(),
        config: environment("AGENTAZALL_CONFIG"),
        root: environment("AGENTAZALL_ROOT"),
    });
    std::path::absolute(&located)
        .map_err(|error| manner.failed(&format!("cannot use the config path {located}: {error}")))
}

fn read_input(source: Source, manner: Manner) -> Result<Option<Input>, Exit> {
    let limit = source.limit();
    let (name, read) = match source {
        Source::File(path) | Source::Archive(path) => {
            let read = File::open(&path).and_then(|file| read_bounded(file, limit));
            (path, read)
        }
        Source::Stdin => ("-".to_owned(), read_bounded(io::stdin().lock(), limit)),
        Source::StdinIfPiped if io::stdin().is_terminal() => return Ok(None),
        Source::StdinIfPiped => ("-".to_owned(), read_bounded(io::stdin().lock(), limit)),
    };
    let shown = if name == "-" { "standard input" } else { &name };
    let bytes = read.map_err(|error| manner.failed(&format!("cannot read {shown}: {error}")))?;
    Ok(Some(Input::new(name, bytes)))
}

fn read_bounded(source: impl Read, limit: u64) -> io::Result<Vec<u8>> {
    let mut bytes = Vec::new();
    source.take(limit.saturating_add(1)).read_to_end(&mut bytes)?;
    if bytes.len() as u64 > limit {
        return Err(io::Error::other(format!("it has more than {limit} bytes")));
    }
    Ok(bytes)
}

impl Prepared {
    fn run(self) -> u8 {
        let manner = self.manner;
        match self.outcome() {
            Ok(outcome) => finish(&outcome, manner),
            Err(error) => leave(&Exit::of(&error, manner.json, manner.color_of_notices)),
        }
    }

    fn outcome(self) -> Result<Outcome, Error> {
        let manner = self.manner;
        let interrupt = Interrupt::on_signals().map_err(|error| host_error("catching signals", &error))?;
        let folder = self.config_path.parent().unwrap_or(Path::new("/")).to_owned();
        let file_name = self.config_path.file_name().and_then(|name| name.to_str()).unwrap_or_default();
        let config_file = RelPath::parse(file_name)?;

        // The config names the other folders, so it is read through its own alone.
        let host = open_host(&folder, &folder, interrupt.clone())?;
        let agent = std::env::var("AGENTAZALL_AGENT").ok();
        let config_shown = self.config_path.display().to_string();
        let opened: Opened = run_op(session::open(config_file.clone(), agent), &host, manner)
            .map_err(|error| session::open_error(error, &config_shown))?;

        let mailboxes = std::path::absolute(folder.join(opened.config.mailbox_dir()))
            .map_err(|error| host_error("finding the mailboxes folder", &error))?;
        let mailboxes = lexically_plain(&mailboxes);
        let host = open_host(&folder, &mailboxes, interrupt)?;
        let context = Context { opened, config_file, config_shown, mailboxes_shown: mailboxes.display().to_string() };
        run_op(command::start(self.command, context), &host, manner)
    }
}

/// A path without `.` and `..`, so that what is shown is what a person would write.
fn lexically_plain(path: &Path) -> PathBuf {
    let mut plain = PathBuf::new();
    for part in path.components() {
        match part {
            std::path::Component::CurDir => {}
            std::path::Component::ParentDir => {
                plain.pop();
            }
            other => plain.push(other),
        }
    }
    plain
}

fn open_host(config: &Path, mailboxes: &Path, interrupt: Interrupt) -> Result<Host, Error> {
    let shared = mailboxes.parent().unwrap_or(mailboxes).join("shared");
    let roots = Roots::new(config, mailboxes, shared)
        .map_err(|error| host_error("opening the mailbox", &io::Error::other(error)))?;
    Ok(Host::new(roots, HttpOptions::from_env(), interrupt))
}

fn host_error(action: &'static str, error: &io::Error) -> Error {
    use azall_core::engine::effect::{IoError, IoErrorKind};
    azall_core::engine::error::Error::Host { action, source: IoError::new(IoErrorKind::Other, error.to_string()) }
        .into()
}

fn run_op<T>(mut op: Op<T, Error>, host: &Host, manner: Manner) -> Result<T, Error> {
    drive(&mut op, host, |event| tell(&event, manner))
}

/// Shows an event: notices on standard error, a part of the result on standard output.
fn tell(event: &Event, manner: Manner) {
    let _ = match event.level {
        Level::Detail if !manner.verbose => Ok(()),
        Level::Result if manner.json => Ok(()),
        Level::Result => io::stdout().write_all(cli::show_event(event, manner.color).as_bytes()),
        _ => io::stderr().write_all(cli::show_event(event, manner.color_of_notices).as_bytes()),
    };
}

/// Writes what the outcome has for a file, prints the outcome, and gives the exit code.
fn finish(outcome: &Outcome, manner: Manner) -> u8 {
    if let Some((path, bytes)) = outcome.artifact()
        && let Err(error) = archive::write(Path::new(path), bytes)
    {
        return leave(&manner.failed(&format!("cannot write {path}: {error}")));
    }
    match io::stdout().write_all(cli::show(outcome, manner.json, manner.color).as_bytes()) {
        // A closed pipe (`azall inbox | head`) is not a failure of the command.
        Err(error) if error.kind() != io::ErrorKind::BrokenPipe => {
            let _ = writeln!(io::stderr(), "error: cannot print: {error}");
            1
        }
        _ => outcome.exit_code(),
    }
}
