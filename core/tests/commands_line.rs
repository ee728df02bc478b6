//! The command line itself: global flags, help, usage errors, completions, and what `--json` promises of every command.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::string_slice,
    missing_docs
)]

mod memory;

use memory::play::play;
use memory::shell::{Ran, Shell};

/// Every command, and every one below it, as help lists them.
fn commands(shell: &mut Shell) -> Vec<String> {
    let mut all = below(shell, "");
    for command in all.clone() {
        all.extend(below(shell, &command).into_iter().map(|name| format!("{command} {name}")));
    }
    all
}

/// The commands that the help of this one lists.
fn below(shell: &mut Shell, command: &str) -> Vec<String> {
    let help = help(shell, command).stdout;
    let Some(section) = help.split("Commands:\n").nth(1) else { return Vec::new() };
    let section = section.split("\n\n").next().unwrap();
    let names = section.lines().filter_map(|line| line.strip_prefix("  ")?.split(' ').next());
    names.filter(|name| !name.is_empty() && *name != "help").map(str::to_owned).collect()
}

fn help(shell: &mut Shell, command: &str) -> Ran {
    let words: Vec<&str> = command.split_whitespace().chain(["--help"]).collect();
    shell.run(&words, None)
}

#[test]
fn every_command_has_help_with_an_example() {
    let mut shell = Shell::new();
    let commands = commands(&mut shell);
    assert!(commands.len() > 45 && commands.iter().any(|command| command == "held drop"), "{commands:?}");
    for command in commands {
        let ran = help(&mut shell, &command);
        assert_eq!((ran.code, ran.stderr.as_str()), (0, ""), "{command}");
        assert!(ran.stdout.contains("Example"), "{command} has no example:\n{}", ran.stdout);
        assert!(ran.stdout.contains(&format!("azall {command}")), "{command}: {}", ran.stdout);
        for flag in ["--json", "--config", "--verbose", "--no-color", "--help"] {
            assert!(ran.stdout.contains(flag), "{command} does not show {flag}");
        }
    }
    assert!(shell.host.files.is_empty(), "help touches nothing");
}

#[test]
fn every_example_is_understood() {
    let mut shell = Shell::new();
    for command in commands(&mut shell) {
        let help = help(&mut shell, &command).stdout;
        let examples = help.split("Example").nth(1).unwrap();
        for line in examples.lines().filter(|line| line.contains("  azall ") || line.contains("| azall ")) {
            let line = &line[line.find("azall ").unwrap()..];
            // What is behind the gap explains, what is behind a shell's sign is the shell's.
            let line = line.split("  ").next().unwrap();
            let line = [" | ", " > ", " >> ", " < "].iter().fold(line, |line, sign| line.split(sign).next().unwrap());
            let line = line.replace("\"$(azall address -q)\"", "ada@localhost");
            let words = memory::play::split(&line);
            let words = words.iter().map(std::ffi::OsString::from);
            if let Err(exit) = azall_core::cli::parse(words) {
                assert_eq!(exit.code, 0, "`{line}` of {command}: {}", exit.text);
            }
        }
    }
}

#[test]
fn usage_errors() {
    play(
        &mut Shell::new(),
        r#"
        $ nonsense
        ! error: unrecognized subcommand 'nonsense'
        ? 2
        $ remembr
        ! 'remember'
        ? 2
        $ whoam
        ! 'whoami'
        ? 2
        $ directry
        ! 'directory'
        ? 2
        $ whoami --sett x
        ! a similar argument exists: '--set'
        ? 2
        $ whoami --set
        ! a value is required for '--set <TEXT>'
        ? 2
        $ whoami extra
        ! 'extra'
        ? 2
        $ "\e[31mred"
        ! 'red'
        ? 2
        $ completions tcsh
        ! tcsh
        ? 2
        $
        ! Usage: azall
        ? 2
        "#,
    );
}

#[test]
fn with_json_a_failure_is_one_document_whatever_failed() {
    let mut shell = Shell::of("ada");
    play(
        &mut shell,
        r#"
        $ nonsense --json
        {"exit_code": 2}
        ? 2
        $ --json whoami --sett x
        {"exit_code": 2}
        ? 2
        $ notes --json -d junk
        {"exit_code": 2}
        ? 2
        $ note --json ''
        {"error": "NAME: it is empty", "exit_code": 2}
        ? 2
        $ note --json nothing
        {"error": "Note 'nothing' not found; `azall notes` lists today's, `azall note nothing --set TEXT` makes it", "exit_code": 1}
        ? 1
        $ skill x --add missing.py --json
        {"exit_code": 1}
        ? 1
        $ recall --agent bob --json
        {"exit_code": 3}
        ? 3
        "#,
    );
    for words in [&["nonsense", "--json"][..], &["notes", "-d", "junk", "--json"], &["note", "x", "--json"]] {
        let ran = shell.run(words, None);
        let document = ran.json();
        let keys: Vec<&str> = document.as_object().unwrap().keys().map(String::as_str).collect();
        assert_eq!(keys, ["error", "exit_code"], "{document}");
        assert!(!document["error"].as_str().unwrap().starts_with("error"), "{document}");
        assert_eq!(ran.stderr, "", "{words:?}");
    }
}

#[test]
fn with_json_every_answer_is_one_document() {
    let mut shell = Shell::of("ada");
    shell.files.insert("x.py".into(), b"print(1)".to_vec());
    for line in [
        "--help",
        "--version",
        "whoami --help",
        "completions bash",
        "startup",
        "prompt",
        "quickstart",
        "setup --agent ada",
        "address",
        "address -q",
        "whoami",
        "whoami --set x",
        "doing",
        "doing --append x",
        "note a --set x",
        "note a",
        "notes",
        "remember --text x",
        "remember --list",
        "recall",
        "recall x",
        "search x",
        "dates",
        "tree",
        "index",
        "index --rebuild",
        "directory",
        "skill",
        "skill a --add x.py",
        "skill a --read",
        "skill a --promote",
        "tool",
        "tool a --code x",
        "export",
        "onboard",
    ] {
        let words: Vec<&str> = line.split(' ').collect();
        for words in [[&words[..], &["--json"]].concat(), [&["--json"], &words[..]].concat()] {
            let ran = shell.run(&words, None);
            assert_eq!((ran.code, ran.stderr.as_str()), (0, ""), "{words:?}: {ran:?}");
            assert!(ran.json().is_object() || line == "directory", "{words:?}");
        }
    }
}

#[test]
fn global_flags_stand_before_and_behind_the_command() {
    play(
        &mut Shell::of("ada"),
        r#"
        $ --version
        | azall 
        $ -V
        | azall 
        $ --no-color --verbose address -q
        = ada@localhost
        $ address -q -v --no-color
        = ada@localhost
        $ -v -c /elsewhere/config.json address --quiet
        = ada@localhost
        $ address --help
        | Usage: azall address
        $ help address
        | Usage: azall address
        $ whoami --version
        | azall
        "#,
    );
    let parse = |words: &[&str]| azall_core::cli::parse(words.iter().map(std::ffi::OsString::from)).unwrap();
    for words in [
        &["azall", "-c", "x.json", "dates"][..],
        &["azall", "dates", "--config", "x.json"],
        &["azall", "dates", "--config=x.json"],
    ] {
        assert_eq!(parse(words).config.as_deref(), Some("x.json"));
    }
}

#[test]
fn words_are_read_as_the_reference_reads_them() {
    play(
        &mut Shell::of("ada"),
        r#"
        # A long flag may be shortened.
        $ remember --tex 'short flag' --tit short
        | Title: short
        $ quickstart --ident 'I am Ada.' --json
        {"identity": "I am Ada."}
        # A value may begin with a dash if it holds a space, or is a number.
        $ doing --set '- one\n- two'
        | updated
        $ doing
        = - one\\n- two
        $ remember -t '-- quoted --' --title=dashes
        | Title: dashes
        $ note number --set -5
        | saved
        $ note number
        = -5
        $ whoami --set --json
        {"exit_code": 2}
        ? 2
        "#,
    );
}

#[test]
fn completions_are_scripts_that_know_the_commands() {
    let mut shell = Shell::new();
    for name in ["bash", "zsh", "fish"] {
        let ran = shell.run(&["completions", name], None);
        assert_eq!((ran.code, ran.stderr.as_str()), (0, ""));
        for command in ["startup", "remember", "trust-bind-local"] {
            assert!(ran.stdout.contains(command), "{name} does not know {command}");
        }
    }
    assert!(shell.host.files.is_empty());
}
