//! The `azall` command on a host with files: arguments and files in, text and an exit code out. What a command means is
//! decided in the core; this only fetches what it names, has it driven, and prints.

use std::env::VarError;
use std::ffi::OsString;
use std::fs::File;
use std::io::{self, IsTerminal, Read, Write};
use std::path::{Path, PathBuf};

use azall_core::cli::{self, Exit, Invocation, input::Input, input::Inputs, input::Source};
use azall_core::command::session::{self, Context, Opened};
use azall_core::command::{self, Command, Error, Outcome};
use azall_core::engine::event::{Event, Level};
use azall_core::engine::op::Op;
use azall_core::protocol::config::{ConfigEnv, locate};
use azall_core::protocol::layout::RelPath;
use azall_core::protocol::text;

use crate::archive;
use crate::roots::Roots;
use crate::system::words;
use crate::working_folder;

/// What drives operations, and what else a host can do: the part of the command line that hosts do differently.
pub trait Machine: Sized {
    /// Makes one, once the command line is understood.
    ///
    /// # Errors
    /// The system's, when it does not give what the host needs.
    fn start() -> io::Result<Self>;

    /// Runs an operation to its end, with the files below `roots`.
    ///
    /// # Errors
    /// The operation's own, and those of driving it.
    fn drive<T>(&self, op: &mut Op<T, Error>, roots: Roots, on_event: impl FnMut(Event)) -> Result<T, Error>;

    /// Does what is no command of a mailbox, and gives its exit code; `None` for what is one.
    ///
    /// # Errors
    /// What is to be printed, and the exit code.
    fn other(invocation: &Invocation) -> Result<Option<u8>, Exit>;
}

/// Runs one command line and gives its exit code.
#[must_use]
pub fn run<M: Machine>(arguments: impl IntoIterator<Item = OsString>) -> u8 {
    let ran = cli::parse(arguments).and_then(|invocation| match M::other(&invocation)? {
        Some(code) => Ok(code),
        None => run_command::<M>(invocation),
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

/// Reads what the command line names, runs the command, and prints what it gives.
fn run_command<M: Machine>(invocation: Invocation) -> Result<u8, Exit> {
    let runner = Runner::<M>::of(&invocation)?;
    let mut inputs = Vec::new();
    for source in invocation.sources() {
        inputs.push(read_input(source, runner.place.manner)?);
    }
    let command = invocation.into_command(Inputs::new(inputs))?;
    runner.outcome(command).map(|outcome| finish(&outcome, runner.place.manner))
}

/// The config file, which need not be there.
fn config_path(invocation: &Invocation, manner: Manner) -> Result<PathBuf, Exit> {
    let located = locate(&ConfigEnv {
        flag: invocation.config.clone(),
        config: variable("AGENTAZALL_CONFIG").map_err(|why| manner.failed(&why))?,
        root: variable("AGENTAZALL_ROOT").map_err(|why| manner.failed(&why))?,
    });
    working_folder::absolute(&located)
        .map_err(|error| manner.failed(&format!("cannot use the config path {located}: {}", words(&error))))
}

/// A variable of the environment. One that is there and cannot be used is not passed over: what was meant for one mailbox
/// would be done in another.
fn variable(name: &str) -> Result<Option<String>, String> {
    match std::env::var(name) {
        Ok(value) => Ok(Some(value)),
        Err(VarError::NotPresent) => Ok(None),
        Err(VarError::NotUnicode(_)) => Err(format!("${name} is not UTF-8")),
    }
}

fn read_input(source: Source, manner: Manner) -> Result<Option<Input>, Exit> {
    let limit = source.limit();
    let (name, read) = match source {
        Source::File(path) | Source::Archive(path) => {
            let opened = working_folder::absolute(&path).and_then(open_file);
            let read = opened.and_then(|file| read_bounded(file, limit));
            (path, read)
        }
        Source::Stdin => ("-".to_owned(), read_bounded(io::stdin().lock(), limit)),
        Source::StdinIfPiped if io::stdin().is_terminal() => return Ok(None),
        Source::StdinIfPiped => ("-".to_owned(), read_bounded(io::stdin().lock(), limit)),
    };
    let shown = if name == "-" { "standard input" } else { &name };
    let bytes = read.map_err(|error| manner.failed(&format!("cannot read {shown}: {}", words(&error))))?;
    Ok(Some(Input::new(name, bytes)))
}

fn open_file(path: PathBuf) -> io::Result<File> {
    let file = File::open(path)?;
    // Under WASI reading one fails with words that say nothing.
    if file.metadata()?.is_dir() { Err(rustix::io::Errno::ISDIR.into()) } else { Ok(file) }
}

fn read_bounded(source: impl Read, limit: u64) -> io::Result<Vec<u8>> {
    let mut bytes = Vec::new();
    source.take(limit.saturating_add(1)).read_to_end(&mut bytes)?;
    if bytes.len() as u64 > limit {
        return Err(io::Error::other(format!("it has more than {limit} bytes")));
    }
    Ok(bytes)
}

/// The config file that a command line means, which need not be there, and how to print.
pub struct ConfigPlace {
    path: PathBuf,
    manner: Manner,
}

impl ConfigPlace {
    /// Finds it.
    ///
    /// # Errors
    /// The system's, to be printed.
    pub fn of(invocation: &Invocation) -> Result<Self, Exit> {
        let manner = Manner::of(invocation);
        Ok(Self { path: config_path(invocation, manner)?, manner })
    }

    /// The config file.
    #[must_use]
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// The folder that it lies in.
    #[must_use]
    pub fn folder(&self) -> &Path {
        self.path.parent().unwrap_or(Path::new("/"))
    }

    /// Whether to print one JSON document.
    #[must_use]
    pub const fn json(&self) -> bool {
        self.manner.json
    }

    /// Whether to say more.
    #[must_use]
    pub const fn verbose(&self) -> bool {
        self.manner.verbose
    }

    /// A failure of this host.
    #[must_use]
    pub fn failed(&self, why: &str) -> Exit {
        self.manner.failed(why)
    }
}

/// Runs commands over one config file.
pub struct Runner<M> {
    place: ConfigPlace,
    machine: M,
}

impl<M: Machine> Runner<M> {
    /// For what a command line names.
    ///
    /// # Errors
    /// The system's, to be printed.
    pub fn of(invocation: &Invocation) -> Result<Self, Exit> {
        let place = ConfigPlace::of(invocation)?;
        let machine = M::start().map_err(|error| place.failed(&format!("starting: {}", words(&error))))?;
        Ok(Self { place, machine })
    }

    /// The config file.
    #[must_use]
    pub const fn place(&self) -> &ConfigPlace {
        &self.place
    }

    /// The config as it is now.
    ///
    /// # Errors
    /// What is wrong with it, to be printed.
    pub fn opened(&self) -> Result<Opened, Exit> {
        self.config_file().and_then(|file| self.open(&file)).map_err(|error| self.exit(&error))
    }

    /// Runs a command to its end.
    ///
    /// # Errors
    /// What it failed with, to be printed.
    pub fn outcome(&self, command: Command) -> Result<Outcome, Exit> {
        self.start(command).map_err(|error| self.exit(&error))
    }

    fn exit(&self, error: &Error) -> Exit {
        Exit::of(error, self.place.manner.json, self.place.manner.color_of_notices)
    }

    fn config_file(&self) -> Result<RelPath, Error> {
        let name = self.place.path.file_name().and_then(|name| name.to_str()).unwrap_or_default();
        Ok(RelPath::parse(name)?)
    }

    /// The config names the other folders, so it is read through its own alone.
    fn open(&self, config_file: &RelPath) -> Result<Opened, Error> {
        let agent = variable("AGENTAZALL_AGENT")
            .map_err(|why| host_error("reading the environment", &io::Error::other(why)))?;
        self.drive(session::open(config_file.clone(), agent), roots(self.place.folder(), self.place.folder())?)
            .map_err(|error| session::open_error(error, &self.place.path.display().to_string()))
    }

    fn start(&self, command: Command) -> Result<Outcome, Error> {
        let config_file = self.config_file()?;
        let opened = self.open(&config_file)?;
        let mailboxes = working_folder::absolute(self.place.folder().join(opened.config.mailbox_dir()))
            .map_err(|error| host_error("finding the mailboxes folder", &error))?;
        let mailboxes = lexically_plain(&mailboxes);
        let roots = roots(self.place.folder(), &mailboxes)?;
        let config_shown = self.place.path.display().to_string();
        let context = Context { opened, config_file, config_shown, mailboxes_shown: mailboxes.display().to_string() };
        self.drive(command::start(command, context), roots)
    }

    fn drive<T>(&self, mut op: Op<T, Error>, roots: Roots) -> Result<T, Error> {
        self.machine.drive(&mut op, roots, |event| tell(&event, self.place.manner))
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

fn roots(config: &Path, mailboxes: &Path) -> Result<Roots, Error> {
    Roots::of_mailboxes(config, mailboxes).map_err(|error| host_error("opening the mailbox", &io::Error::other(error)))
}

fn host_error(action: &'static str, error: &io::Error) -> Error {
    use azall_core::engine::effect::{IoError, IoErrorKind};
    azall_core::engine::error::Error::Host { action, source: IoError::new(IoErrorKind::Other, words(error)) }.into()
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
        return leave(&manner.failed(&format!("cannot write {path}: {}", words(&error))));
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
