//! The command line without I/O: arguments to a [`Command`], an [`Outcome`] to text or JSON. Every host's `azall` is this one.
//!
//! One file per family of commands, beside the one in [`command`](crate::command): its arguments (clap), what it reads
//! (`Arguments`), and how its outcome is shown ([`Show`]).

mod identity;
pub mod input;
mod keys;
mod mail;
mod memory;
mod network;
mod notes;
mod overview;
pub mod page;
mod sandbox;
mod scripts;
pub mod server;
mod start;
mod trust;
pub mod up;
mod words;

use std::ffi::OsString;

use clap::{CommandFactory, Parser, Subcommand};
use serde::Serialize;

use crate::command::{Command, Error, Outcome};
use crate::engine::event::{Event, Level};
use crate::protocol::text;
use input::{Inputs, Source};
use page::{Page, Show, Style};
use server::ServerTask;
use up::Up;

/// The mailbox for AI agents that runs anywhere.
#[derive(Debug, Parser)]
#[command(name = "azall", version, propagate_version = true, max_term_width = 100)]
#[command(infer_long_args = true)]
#[command(after_help = "Start with `azall quickstart`. Every command has --help with examples.

Exit codes: 0 done, 1 failed, 2 usage, 3 refused by policy.
With --json every command prints one JSON document on standard output; one that fails prints {\"error\": TEXT, \"exit_code\": N}.")]
struct Cli {
    /// Config file (default: $AGENTAZALL_CONFIG, $AGENTAZALL_ROOT/config.json or ./config.json)
    #[arg(long, short, global = true, value_name = "PATH")]
    config: Option<String>,
    /// Say more on standard error
    #[arg(long, short, global = true)]
    verbose: bool,
    /// Print one JSON document instead of text
    #[arg(long, global = true)]
    json: bool,
    /// No colour, even on a terminal
    #[arg(long, global = true)]
    no_color: bool,
    #[command(subcommand)]
    command: Subcommands,
}

/// What one subcommand's arguments can do.
pub(crate) trait Arguments {
    /// The inputs that the host has to read first.
    fn sources(&self) -> Vec<Source> {
        Vec::new()
    }

    /// The command, with its inputs in the order of [`Arguments::sources`].
    fn command(self, inputs: &mut Inputs) -> Result<Command, UsageError>;
}

/// Arguments that are well-formed one by one but make no sense.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum UsageError {
    /// An argument's value is not what it must be.
    #[error("{argument}: {why}")]
    Value {
        /// The argument, as it is typed.
        argument: &'static str,
        /// What is wrong with its value, and what is allowed.
        why: String,
    },
    /// Neither of the arguments that could give something was given.
    #[error("{what} is missing: give {give}")]
    Missing {
        /// What is missing.
        what: &'static str,
        /// How to give it.
        give: &'static str,
    },
    /// A server was asked for where none can run.
    #[error("this azall cannot serve; the native one can")]
    CannotServe,
    /// A sandbox was asked for where there is none.
    #[error("this azall has no sandbox; the native one has")]
    NoSandbox,
}

impl UsageError {
    /// A bad value of an argument.
    #[must_use]
    pub fn value(argument: &'static str, why: impl ToString) -> Self {
        Self::Value { argument, why: why.to_string() }
    }
}

/// Makes the list of subcommands.
macro_rules! subcommands {
    ($($(#[$attribute:meta])* $name:ident($arguments:ty);)*) => {
        #[derive(Debug, Subcommand)]
        enum Subcommands {
            $($(#[$attribute])* $name($arguments),)*
            /// Run a server: the AgentTalk relay
            Server(Box<server::ServerArgs>),
            /// Run everything for one machine: a relay, an agent and its daemon
            Up(up::UpArgs),
            /// Run azall, or a tool, where it sees one folder and nothing else of this machine
            Sandbox(sandbox::SandboxArgs),
            /// Print the completions of a shell
            #[command(after_help = "Example:\n  azall completions bash > ~/.local/share/bash-completion/completions/azall")]
            Completions {
                /// bash, zsh or fish
                shell: clap_complete::Shell,
            },
        }

        impl Subcommands {
            fn sources(&self) -> Vec<Source> {
                match self {
                    $(Self::$name(arguments) => arguments.sources(),)*
                    Self::Server(_) | Self::Up(_) | Self::Sandbox(_) | Self::Completions { .. } => Vec::new(),
                }
            }

            fn command(self, inputs: &mut Inputs) -> Result<Command, UsageError> {
                match self {
                    $(Self::$name(arguments) => arguments.command(inputs),)*
                    Self::Server(_) | Self::Up(_) => Err(UsageError::CannotServe),
                    Self::Sandbox(_) => Err(UsageError::NoSandbox),
                    Self::Completions { .. } => Err(UsageError::Missing { what: "a command", give: "one" }),
                }
            }
        }
    };
}

subcommands! {
    /// Restore a session: identity, task, memories, inbox
    Startup(start::StartupArgs);
    /// Print a snippet for an agent's system prompt
    Prompt(start::PromptArgs);
    /// Set up everything in one step
    Quickstart(start::QuickstartArgs);
    /// Configure this agent
    Setup(start::SetupArgs);
    /// A guide for a new agent
    Onboard(start::OnboardArgs);
    /// Show your address
    Address(identity::AddressArgs);
    /// Show or set who you are
    Whoami(identity::WhoamiArgs);
    /// Show or set what you are working on
    Doing(identity::DoingArgs);
    /// Store a memory
    Remember(memory::RememberArgs);
    /// Show the index of your memories, or look for some
    Recall(memory::RecallArgs);
    /// Show or change a named note
    Note(notes::NoteArgs);
    /// List the notes of a day
    Notes(notes::NotesArgs);
    /// Sync, then list the inbox
    Inbox(mail::InboxArgs);
    /// Show a message and mark it read
    Read(mail::ReadArgs);
    /// Sign, queue and deliver a message
    Send(mail::SendArgs);
    /// Answer a message
    Reply(mail::ReplyArgs);
    /// Search all messages
    Search(mail::SearchArgs);
    /// Messages that policy holds back
    Held(mail::HeldArgs);
    /// Skills: scripts that say how something is done
    Skill(scripts::SkillArgs);
    /// Tools: scripts to run
    Tool(scripts::ToolArgs);
    /// Pack the whole state into a ZIP file
    Export(scripts::ExportArgs);
    /// Unpack a state that was exported
    Import(scripts::ImportArgs);
    /// List the days, with counts
    Dates(overview::DatesArgs);
    /// Show the folders and files of a day
    Tree(overview::TreeArgs);
    /// List the agents that are known here and those on the relays
    Directory(overview::DirectoryArgs);
    /// Show or rebuild the text indexes
    Index(mail::IndexArgs);
    /// Make an account on a relay
    Register(network::RegisterArgs);
    /// Relays in the config
    Relay(network::RelayArgs);
    /// Show the state of the mailbox and of every transport
    Status(network::StatusArgs);
    /// Look for faults, and explain how to mend them
    Doctor(network::DoctorArgs);
    /// Sync again and again
    Daemon(network::DaemonArgs);
    /// Show or change who may write to this agent
    Filter(keys::FilterArgs);
    /// Show this agent's public key
    CryptoIdentity(keys::CryptoIdentityArgs);
    /// Keys of known peers
    Keyring(keys::KeyringArgs);
    /// Sign any text
    Sign(keys::SignArgs);
    /// Verify any text
    Verify(keys::VerifyArgs);
    /// Make a trust token
    TrustGen(trust::TrustGenArgs);
    /// Check a trust token
    TrustVerify(trust::TrustVerifyArgs);
    /// Bind this agent to an owner by a token
    TrustBind(trust::TrustBindArgs);
    /// Bind this agent to an owner on this machine
    TrustBindLocal(trust::TrustBindLocalArgs);
    /// Bind all agents of this mailboxes folder to an owner
    TrustBindAll(trust::TrustBindAllArgs);
    /// Show whether this agent has an owner
    TrustStatus(trust::TrustStatusArgs);
    /// Free this agent from its owner
    TrustRevoke(trust::TrustRevokeArgs);
}

/// Makes [`Show`] for the outcomes.
macro_rules! shown {
    ($($name:ident)*) => {
        impl Show for Outcome {
            fn show(&self, page: &mut Page) {
                match self {
                    $(Self::$name(outcome) => outcome.show(page),)*
                }
            }
        }
    };
}

shown! {
    Exported Imported Scripts
    GuideText Ready Setup Startup
    Agents Dates Tree
    Address SelfText Recalled Remembered Note Notes
    Daemon Held Inbox Index Read Search Sent
    Diagnosis Registered Relays Status
    CryptoIdentity Filter Keyring Signed Verified
    TrustToken TrustVerified Bound BoundAll TrustState Revoked
}

/// A command line that was understood.
#[derive(Debug)]
pub struct Invocation {
    /// `--config`.
    pub config: Option<String>,
    /// `--verbose`.
    pub verbose: bool,
    /// `--json`.
    pub json: bool,
    /// `--no-color`.
    pub no_color: bool,
    command: Subcommands,
}

/// What to print, where, and the exit code, when there is nothing to run or no outcome to show.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Exit {
    /// 0 done, 1 failed, 2 usage, 3 refused by policy.
    pub code: u8,
    /// What to print.
    pub text: String,
    /// Whether it goes to standard error.
    pub to_stderr: bool,
}

impl Exit {
    /// A failure: on standard error as text, with `--json` on standard output as `{"error": ..., "exit_code": ...}`.
    #[must_use]
    pub fn failure(code: u8, why: &str, json: bool, color: bool) -> Self {
        if json {
            let text = json_text(&serde_json::json!({ "error": why, "exit_code": code }));
            return Self { code, text, to_stderr: false };
        }
        let mut page = Page::new(color);
        page.styled(Style::Bad, "error:").text(" ").text(why).end_line();
        Self { code, text: page.into_text(), to_stderr: true }
    }

    /// A command that failed.
    #[must_use]
    pub fn of(error: &Error, json: bool, color: bool) -> Self {
        Self::failure(error.exit_code(), &error.to_string(), json, color)
    }

    /// A text that was asked for: help, the version, completions.
    fn answer(text: String, json: bool) -> Self {
        let text = if json { json_text(&serde_json::json!({ "text": text })) } else { text };
        Self { code: 0, text, to_stderr: false }
    }
}

/// Understands the arguments, the program's name first.
///
/// # Errors
/// [`Exit`] for `--help`, `--version`, `completions`, and for arguments that are not understood.
pub fn parse(arguments: impl IntoIterator<Item = OsString>) -> Result<Invocation, Exit> {
    let words = words::join_values(arguments);
    let cli = Cli::try_parse_from(&words).map_err(|error| {
        // Where the arguments are not understood, nobody else has looked for the flag.
        let json = words::asks_for_json(&words);
        let text = error.render().to_string();
        match (error.use_stderr(), json) {
            (false, _) => Exit::answer(text, json),
            (true, false) => Exit { code: 2, text: text::for_terminal(&text).into_owned(), to_stderr: true },
            (true, true) => Exit::failure(2, text::strip(text.trim_start_matches("error: ")), json, false),
        }
    })?;
    if let Subcommands::Completions { shell } = cli.command {
        let mut script = Vec::new();
        clap_complete::generate(shell, &mut Cli::command(), "azall", &mut script);
        return Err(Exit::answer(String::from_utf8_lossy(&script).into_owned(), cli.json));
    }
    Ok(Invocation {
        config: cli.config,
        verbose: cli.verbose,
        json: cli.json,
        no_color: cli.no_color,
        command: cli.command,
    })
}

impl Invocation {
    /// The inputs that the host has to read, in order.
    #[must_use]
    pub fn sources(&self) -> Vec<Source> {
        self.command.sources()
    }

    /// What `azall server` asks of a host that can serve; `None` for every other command.
    ///
    /// # Errors
    /// [`Exit`] with code 2 for arguments that make no sense.
    pub fn server_task(&self) -> Result<Option<ServerTask>, Exit> {
        let Subcommands::Server(arguments) = &self.command else { return Ok(None) };
        arguments.task().map(Some).map_err(|error| bad_usage(&error, self.json))
    }

    /// What `azall up` asks of a host that can serve; `None` for every other command.
    ///
    /// # Errors
    /// [`Exit`] with code 2 for arguments that make no sense.
    pub fn up(&self) -> Result<Option<Up>, Exit> {
        let Subcommands::Up(arguments) = &self.command else { return Ok(None) };
        arguments.up().map(Some).map_err(|error| bad_usage(&error, self.json))
    }

    /// The words after `azall sandbox`, for a host that has one; `None` for every other command.
    #[must_use]
    pub fn sandbox(&self) -> Option<&[String]> {
        if let Subcommands::Sandbox(arguments) = &self.command { Some(&arguments.words) } else { None }
    }

    /// The command, once its inputs are read.
    ///
    /// # Errors
    /// [`Exit`] with code 2 for arguments that make no sense, and for `azall server` and `azall up`, which are no mailbox commands.
    pub fn into_command(self, mut inputs: Inputs) -> Result<Command, Exit> {
        self.command.command(&mut inputs).map_err(|error| bad_usage(&error, self.json))
    }
}

/// Arguments that make no sense.
fn bad_usage(error: &UsageError, json: bool) -> Exit {
    match json {
        true => Exit::failure(2, &error.to_string(), json, false),
        false => Exit::failure(2, &format!("{error}\n\nFor more information, try '--help'."), json, false),
    }
}

/// A JSON document, laid out for people too. Its texts may come from anybody, and it may be shown on a terminal: what is
/// hostile there is escaped, which changes nothing for a reader of JSON.
fn json_text(document: &impl Serialize) -> String {
    let plain = serde_json::to_string_pretty(document).unwrap_or_default();
    let mut text = text::escaped_for_terminal(&plain).into_owned();
    text.push('\n');
    text
}

/// What a finished command prints on standard output.
#[must_use]
pub fn show(outcome: &Outcome, json: bool, color: bool) -> String {
    if json {
        return json_text(outcome);
    }
    let mut page = Page::new(color);
    outcome.show(&mut page);
    page.end_line();
    page.into_text()
}

/// An event as a line for standard error; a [`Level::Result`] goes to standard output, and nowhere with `--json`.
#[must_use]
pub fn show_event(event: &Event, color: bool) -> String {
    let mut page = Page::new(color);
    match event.level {
        Level::Detail => page.styled_line(Style::Faint, &event.text),
        Level::Info | Level::Result => page.line(&event.text),
        Level::Warning => page.styled(Style::Caution, "warning:").text(" ").line(&event.text),
    };
    page.into_text()
}
