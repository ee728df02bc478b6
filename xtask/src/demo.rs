//! `cargo xtask run`: two agents who share one folder of mailboxes, each step shown with its command and its output.

use std::ffi::OsStr;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};
use std::time::Instant;

use crate::error::{Error, Result};
use crate::report;
use crate::workspace::{TempFolder, Workspace};

const MEND_BUILD: &str = "read the compiler's message above";
const MEND_DEMO: &str = "read the command's message above; `cargo xtask test` tells more";

/// Builds azall for release and plays the demonstration.
pub(crate) fn run(workspace: &Workspace) -> Result<()> {
    report::require("build azall", &mut workspace.build_azall(), MEND_BUILD)?;
    let start = Instant::now();
    let folder = TempFolder::new("azall-demo")?;
    play(&workspace.azall(), folder.path())?;
    println!("\n{}", report::styled("32", &format!("The demonstration ran in {}.", report::seconds(start.elapsed()))));
    Ok(())
}

fn play(azall: &Path, folder: &Path) -> Result<()> {
    // Two configurations in one folder: their `./data/mailboxes` is one and the same, so mail is delivered by copying.
    let alice = Agent { name: "alice", azall, folder };
    let bob = Agent { name: "bob", azall, folder };
    let plan = folder.join("plan.csv");
    fs::write(&plan, "hour,task\n9,review\n14,deploy\n").map_err(Error::file("write", &plan))?;

    report::heading("Two agents, each with a name and a key pair");
    for agent in [&alice, &bob] {
        agent.run(&["setup", "--agent", agent.name, "--transport", "agenttalk"])?;
        agent.run(&["crypto-identity"])?;
    }
    alice.run(&["whoami", "--set", "I am Alice. I review code."])?;
    alice.run(&["whoami"])?;

    report::heading("A memory outlives the session");
    alice.run(&["remember", "--title", "api-auth", "--text", "The API uses OAuth 2 with PKCE."])?;
    alice.run(&["recall", "oauth"])?;

    report::heading("A signed message with an attachment");
    let sent = alice.run(&[
        "send",
        "--to",
        "bob@localhost",
        "--subject",
        "The plan",
        "--body",
        "Here is the plan for today.",
        "--attach",
        "plan.csv",
    ])?;
    bob.run(&["inbox"])?;
    bob.run(&["read", message_id(&sent)?])?;

    report::heading("A reply, and whom the keyring knows now");
    bob.run(&["reply", message_id(&sent)?, "--body", "Agreed: review at nine."])?;
    alice.run(&["inbox"])?;
    alice.run(&["keyring", "list"])?;
    Ok(())
}

/// The id that `send` printed: 12 hex digits (PROTOCOL section 1).
fn message_id(output: &str) -> Result<&str> {
    let is_id = |word: &&str| word.len() == 12 && word.chars().all(|c| c.is_ascii_hexdigit());
    output.split(|c: char| !c.is_ascii_alphanumeric()).find(is_id).ok_or_else(|| Error::Failed {
        step: "send".to_owned(),
        how: "it printed no message id".to_owned(),
        mend: MEND_DEMO.to_owned(),
    })
}

struct Agent<'a> {
    name: &'static str,
    azall: &'a Path,
    folder: &'a Path,
}

impl Agent<'_> {
    /// Runs `azall ARGS` as this agent, shows both, and returns standard output.
    fn run(&self, args: &[&str]) -> Result<String> {
        let shown: Vec<String> = args.iter().map(|argument| shell_word(argument)).collect();
        println!("\n{}", report::styled("1", &format!("{}$ azall {}", self.name, shown.join(" "))));
        let output = self.command(args).output().map_err(|source| Error::Start {
            step: format!("azall {}", shown.join(" ")),
            program: self.azall.display().to_string(),
            source,
            mend: MEND_BUILD.to_owned(),
        })?;
        self.show(&output);
        if output.status.success() {
            return Ok(String::from_utf8_lossy(&output.stdout).into_owned());
        }
        Err(Error::Failed {
            step: format!("azall {}", shown.join(" ")),
            how: output.status.to_string(),
            mend: MEND_DEMO.to_owned(),
        })
    }

    fn command(&self, args: &[&str]) -> Command {
        let config: PathBuf = self.folder.join(format!("{}.json", self.name));
        let mut command = Command::new(self.azall);
        command
            .args(args.iter().map(OsStr::new))
            .current_dir(self.folder)
            .env("AGENTAZALL_CONFIG", config)
            .env_remove("AGENTAZALL_ROOT")
            .env_remove("AGENTAZALL_AGENT");
        command
    }

    /// Indents what a command wrote; the temporary folder's path is noise and left out.
    fn show(&self, output: &Output) {
        let prefix = format!("{}/", self.folder.display());
        for stream in [&output.stdout, &output.stderr] {
            for line in String::from_utf8_lossy(stream).lines() {
                println!("  {}", line.replace(&prefix, ""));
            }
        }
    }
}

/// An argument as one would type it.
fn shell_word(argument: &str) -> String {
    let plain = |c: char| c.is_ascii_alphanumeric() || "-_@./,:".contains(c);
    if !argument.is_empty() && argument.chars().all(plain) { argument.to_owned() } else { format!("{argument:?}") }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn arguments_are_quoted_only_where_needed() {
        assert_eq!(shell_word("bob@localhost"), "bob@localhost");
        assert_eq!(shell_word("two words"), "\"two words\"");
        assert_eq!(shell_word(""), "\"\"");
    }

    #[test]
    fn the_id_is_found_in_what_send_prints() {
        assert_eq!(message_id("Message 167aba1db46f: The plan\n  bob: delivered\n").unwrap(), "167aba1db46f");
        assert!(message_id("Message: The plan\n").is_err());
    }
}
