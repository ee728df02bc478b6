//! `cargo xtask run`: two agents and a relay, each step shown with its command and its output.

use std::ffi::OsStr;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::{Duration, Instant};

use crate::background::Background;
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
    // A folder each: agents that share their mailboxes need no relay.
    let (alice_home, bob_home) = (folder.join("alice"), folder.join("bob"));
    for home in [&alice_home, &bob_home] {
        fs::create_dir(home).map_err(Error::file("make", home))?;
    }
    let alice = Agent { name: "alice", azall, folder: &alice_home };
    let bob = Agent { name: "bob", azall, folder: &bob_home };
    let plan = alice_home.join("plan.csv");
    fs::write(&plan, "hour,task\n9,review\n14,deploy\n").map_err(Error::file("write", &plan))?;

    report::heading("A relay, an agent with a key and an account, and its daemon, in one process");
    let up = alice.start(&["up", "--agent", "alice", "--port", "0"])?;
    let (said, _) = up.wait_for("Runs until")?;
    alice.show(said.iter().map(String::as_str));
    let relay = relay_url(&said)?;
    alice.run(&["whoami", "--set", "I am Alice. I review code."])?;

    report::heading("A second agent, with an account on that relay");
    bob.run(&["register", "--agent", "bob", "--server", relay])?;
    bob.run(&["crypto-identity"])?;

    report::heading("A memory outlives the session");
    alice.run(&["remember", "--title", "api-auth", "--text", "The API uses OAuth 2 with PKCE."])?;
    alice.run(&["recall", "oauth"])?;

    report::heading("A signed message with an attachment, to an agent that waits for it");
    alice.run(&["send", "--to", "bob.agenttalk", "--subject", "Welcome", "--body", "Wait for the plan."])?;
    let watch = bob.start(&["inbox", "--watch"])?;
    let (seen, _) = watch.wait_for("Welcome")?;
    bob.show(seen.iter().map(String::as_str));
    let send = ["send", "--to", "bob.agenttalk", "--subject", "The plan", "--body", "Here is the plan for today."];
    let sent = alice.run(&[&send[..], &["--attach", "plan.csv"]].concat())?;
    let accepted = Instant::now();
    let (seen, when) = watch.wait_for("The plan")?;
    bob.show(seen.iter().map(String::as_str));
    println!("  {}", report::styled("32", &format!("there {}", after(when, accepted))));
    watch.stop()?;
    bob.run(&["read", message_id(&sent)?])?;

    report::heading("A reply, which Alice's daemon receives, and whom the keyring knows now");
    bob.run(&["reply", message_id(&sent)?, "--body", "Agreed: review at nine."])?;
    let accepted = Instant::now();
    let (_, when) = up.wait_for("Re: The plan")?;
    println!("  {}", report::styled("32", &format!("there {}", after(when, accepted))));
    alice.run(&["inbox"])?;
    alice.run(&["keyring", "list"])?;

    report::heading("Stopped, all of it, with everything that it accepted on disk");
    up.stop()
}

/// How long after the command that sent it had ended something was seen.
fn after(seen: Instant, sent: Instant) -> String {
    match seen.checked_duration_since(sent) {
        None | Some(Duration::ZERO) => "before the command that sent it had ended".to_owned(),
        Some(time) => format!("{:.1} ms after the command that sent it had ended", time.as_secs_f64() * 1e3),
    }
}

/// The relay's URL in what `up` said.
fn relay_url(said: &[String]) -> Result<&str> {
    let words = said.iter().flat_map(|line| line.split_whitespace());
    words.map(|word| word.trim_end_matches(',')).find(|word| word.starts_with("http://")).ok_or_else(|| Error::Failed {
        step: "up".to_owned(),
        how: "it printed no URL".to_owned(),
        mend: MEND_DEMO.to_owned(),
    })
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
        let step = self.announce(args);
        let output = self.command(args).output().map_err(|source| Error::Start {
            step: step.clone(),
            program: self.azall.display().to_string(),
            source,
            mend: MEND_BUILD.to_owned(),
        })?;
        for stream in [&output.stdout, &output.stderr] {
            self.show(String::from_utf8_lossy(stream).lines());
        }
        if output.status.success() {
            return Ok(String::from_utf8_lossy(&output.stdout).into_owned());
        }
        Err(Error::Failed { step, how: output.status.to_string(), mend: MEND_DEMO.to_owned() })
    }

    /// Starts `azall ARGS` as this agent, to run beside what follows.
    fn start(&self, args: &[&str]) -> Result<Background> {
        let step = self.announce(args);
        Background::start(&step, &mut self.command(args), MEND_DEMO)
    }

    fn announce(&self, args: &[&str]) -> String {
        let shown: Vec<String> = args.iter().map(|argument| shell_word(argument)).collect();
        println!("\n{}", report::styled("1", &format!("{}$ azall {}", self.name, shown.join(" "))));
        format!("azall {}", shown.join(" "))
    }

    fn command(&self, args: &[&str]) -> Command {
        let config: PathBuf = self.folder.join("config.json");
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
    fn show<'s>(&self, lines: impl IntoIterator<Item = &'s str>) {
        let prefix = format!("{}/", self.folder.display());
        for line in lines {
            println!("  {}", line.replace(&prefix, ""));
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
    fn the_url_is_found_in_what_up_prints() {
        let said = ["Relay   http://127.0.0.1:8484, data in data/relay".to_owned()];
        assert_eq!(relay_url(&said).unwrap(), "http://127.0.0.1:8484");
        assert!(relay_url(&[]).is_err());
    }

    #[test]
    fn the_id_is_found_in_what_send_prints() {
        assert_eq!(message_id("Message 167aba1db46f: The plan\n  bob: delivered\n").unwrap(), "167aba1db46f");
        assert!(message_id("Message: The plan\n").is_err());
    }
}
