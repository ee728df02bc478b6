//! `skill`, `tool`, `export`, `import`: what they take and how they show what they did.

use clap::Args;

use super::input::{Inputs, Source};
use super::page::{Page, Show, Style};
use super::{Arguments, UsageError};
use crate::command::Command;
use crate::command::export::{Export, Exported, Import, Imported};
use crate::command::scripts::{Code, ScriptAction, ScriptCommand, ScriptMeta, ScriptOutcome, word};
use crate::protocol::layout::ScriptKind;
use crate::protocol::text;

/// What skills and tools have in common.
#[derive(Debug, Args)]
struct ScriptArgs {
    /// The name; without one they are listed
    name: Option<String>,
    /// Add it from a file
    #[arg(long, value_name = "FILE", requires = "name", conflicts_with = "code")]
    add: Option<String>,
    /// Add it from code given here
    #[arg(long, value_name = "TEXT", requires = "name")]
    code: Option<String>,
    /// What it does
    #[arg(long, default_value = "")]
    description: String,
    // `--version` is the program's everywhere else: here it is the script's.
    /// Its version
    #[arg(long = "version", value_name = "VERSION", default_value = "1.0")]
    script_version: String,
    /// Share it with all agents of this mailboxes folder
    #[arg(long, requires = "name")]
    promote: bool,
    /// Show its code
    #[arg(long, requires = "name")]
    read: bool,
    /// Remove it (an own one)
    #[arg(long, requires = "name")]
    delete: bool,
    /// List only shared ones; with --add or --code, add it as a shared one
    #[arg(long)]
    shared: bool,
}

impl ScriptArgs {
    fn sources(&self) -> Vec<Source> {
        self.add.iter().cloned().map(Source::File).collect()
    }

    fn action(self, inputs: &mut Inputs) -> ScriptAction {
        let Self { name: Some(name), code, description, script_version: version, shared, .. } = self else {
            return ScriptAction::List { shared_only: self.shared };
        };
        match code.map(Code::Text).or_else(|| inputs.take().map(|input| Code::Bytes(input.into_bytes()))) {
            Some(code) => ScriptAction::Add { name, code, description, version, shared },
            None if self.promote => ScriptAction::Promote { name },
            None if self.delete => ScriptAction::Delete { name },
            None => ScriptAction::Read { name },
        }
    }
}

#[derive(Debug, Args)]
#[command(disable_version_flag = true)]
#[command(after_help = "Examples:
  azall skill                                  list them
  azall skill lint --add lint.py --description \"how we lint\"
  azall skill lint --read
  azall skill lint --promote")]
pub(crate) struct SkillArgs {
    #[command(flatten)]
    script: ScriptArgs,
}

impl Arguments for SkillArgs {
    fn sources(&self) -> Vec<Source> {
        self.script.sources()
    }

    fn command(self, inputs: &mut Inputs) -> Result<Command, UsageError> {
        Ok(ScriptCommand { kind: ScriptKind::Skill, action: self.script.action(inputs) }.into())
    }
}

#[derive(Debug, Args)]
#[command(disable_version_flag = true)]
#[command(
    after_help = "A tool runs for at most 120 seconds; its exit code becomes azall's. A Python script runs with python3 in the mailbox's
folder, and may do what you may. A WebAssembly program (WASI preview 1) runs in the sandbox: it sees this agent's own folder and
nothing else of this machine.

Examples:
  azall tool count --code 'print(6 * 7)' --description \"counts\"
  azall tool count --run
  azall tool count --run --run-args one two
  azall tool resize --add resize.wasm"
)]
pub(crate) struct ToolArgs {
    #[command(flatten)]
    script: ScriptArgs,
    /// Run it
    #[arg(long, requires = "name")]
    run: bool,
    /// Its arguments
    #[arg(long, num_args = 0.., allow_hyphen_values = true, requires = "run")]
    run_args: Vec<String>,
}

impl Arguments for ToolArgs {
    fn sources(&self) -> Vec<Source> {
        self.script.sources()
    }

    fn command(self, inputs: &mut Inputs) -> Result<Command, UsageError> {
        let action = match self.script.name.clone().filter(|_| self.run) {
            Some(name) => ScriptAction::Run { name, args: self.run_args },
            None => self.script.action(inputs),
        };
        Ok(ScriptCommand { kind: ScriptKind::Tool, action }.into())
    }
}

impl Show for ScriptOutcome {
    fn show(&self, page: &mut Page) {
        if let Some(run) = &self.run {
            page.text(&run.stdout).end_line();
            if !run.stderr.is_empty() {
                page.styled_line(Style::Caution, "--- standard error").text(&run.stderr).end_line();
            }
            if run.truncated {
                page.styled_line(Style::Caution, "(output cut at 1 MiB)");
            }
            if run.timed_out {
                page.styled_line(Style::Bad, "ended: it ran for longer than 120 seconds");
            }
            return;
        }
        if let Some(code) = &self.code {
            page.text(code).end_line();
            return;
        }
        let kind = word(self.kind);
        match self.done {
            "listed" if self.scripts.is_empty() => {
                page.line(&format!("No {kind} yet: `azall {kind} NAME --add FILE`."));
            }
            "listed" => {
                for script in &self.scripts {
                    let shared = if script.shared { " [shared]" } else { "" };
                    page.styled(Style::Strong, &format!("  {}{shared}", script.name));
                    let ScriptMeta { version, author, description, .. } = &script.meta;
                    let dash = if description.is_empty() { "" } else { " - " };
                    page.line(&format!(" v{version} by {author}{dash}{description}"));
                }
            }
            "shown" => {
                let path = self.path.as_deref().unwrap_or_default();
                page.line(&format!("A WebAssembly program: {path}"));
            }
            done => {
                let path = self.path.as_deref().unwrap_or_default();
                page.styled_line(Style::Good, &format!("{kind} {done}: {path}"));
            }
        }
    }
}

#[derive(Debug, Args)]
#[command(
    after_help = "The file holds your key, your tokens and all your mail. Keep it as safe as the mailbox itself.\n\nExample:\n  azall export -o backup.zip"
)]
pub(crate) struct ExportArgs {
    /// The file to write; an earlier archive there is replaced, any other file is not
    #[arg(long, short, value_name = "FILE")]
    output: Option<String>,
}

impl Arguments for ExportArgs {
    fn command(self, _: &mut Inputs) -> Result<Command, UsageError> {
        Ok(Export { output: self.output }.into())
    }
}

#[derive(Debug, Args)]
#[command(after_help = "Nothing that exists is replaced.\n\nExample:\n  azall import backup.zip")]
pub(crate) struct ImportArgs {
    /// A file that `azall export` wrote
    file: String,
}

impl Arguments for ImportArgs {
    fn sources(&self) -> Vec<Source> {
        vec![Source::Archive(self.file.clone())]
    }

    fn command(self, inputs: &mut Inputs) -> Result<Command, UsageError> {
        let input = inputs.take().ok_or(UsageError::Missing { what: "the file", give: "FILE" })?;
        Ok(Import { archive: input.into_bytes() }.into())
    }
}

impl Show for Exported {
    fn show(&self, page: &mut Page) {
        page.styled_line(Style::Good, &format!("Exported to {}", self.path));
        page.field("Files", 6, &self.files.to_string()).field("Bytes", 6, &self.bytes.to_string());
        page.styled_line(
            Style::Caution,
            "  It holds your private key, tokens and all your mail; only you can read it. Keep it safe.",
        );
    }
}

impl Show for Imported {
    fn show(&self, page: &mut Page) {
        page.styled_line(
            Style::Good,
            &format!("Imported {} for {}", text::count(self.files, "file", "files"), self.agent),
        );
        if self.same > 0 {
            page.line(&format!("  {} were there already, the same.", self.same));
        }
        page.styled_line(
            Style::Caution,
            "  The archive holds private keys and tokens: remove it when you no longer need it.",
        );
    }
}
