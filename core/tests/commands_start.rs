//! `startup`, `prompt`, `quickstart`, `setup`, `onboard`, and the config that they work on.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::string_slice,
    missing_docs
)]

mod memory;

use azall_core::engine::effect::{EntryKind, IoErrorKind};
use azall_core::engine::op::{Op, Output};
use azall_core::protocol::layout::Root;
use memory::play::play;
use memory::shell::Shell;

#[test]
fn setup_makes_and_changes_a_config() {
    play(
        &mut Shell::new(),
        r#"
        $ setup
        ! --agent <NAME>
        ? 2
        $ setup --agent ada
        | Setup complete.
        | Agent:     ada@localhost
        | Mailbox:   /home/data/mailboxes/ada@localhost
        @ ada@localhost/.agent_key
        $ setup --agent ada --json
        {"agent": "ada@localhost", "config": "/home/config.json", "mailbox": "/home/data/mailboxes/ada@localhost", "shares_memories": false}
        $ setup --agent ada --transport agenttalk --share-memories --json
        {"agent": "ada@localhost", "transport": "agenttalk", "shares_memories": true}
        $ setup --agent ada --transport email --json
        {"transport": "email", "shares_memories": true}
        $ setup --agent ada --transport ftp --json
        {"transport": "ftp"}
        $ setup --agent ada --transport both --json
        {"transport": "both"}
        $ setup --agent ada --transport pigeon
        ! pigeon
        ? 2
        # Another name: another mailbox and another key.
        $ setup --agent bob@example.org
        | Agent:     bob@example.org
        ! /home/config.json was ada@localhost's, whose mailbox and key file stay.
        $ address -q
        = bob@example.org
        $ setup --agent carol.agenttalk --json
        {"agent": "carol.agenttalk"}
        ! /home/config.json was bob@example.org's
        "#,
    );
}

#[test]
fn bad_names_are_usage_errors_and_make_nothing() {
    let mut shell = Shell::new();
    for name in ["", " ", "../evil", "a/b", "a b", "a,b", ".hidden", "a\nb", "\u{1b}[31m", &"x".repeat(400)] {
        for command in ["setup", "quickstart"] {
            let ran = shell.run(&[command, "--agent", name], None);
            assert_eq!(ran.code, 2, "{command} {name:?}: {ran:?}");
            assert!(ran.stderr.contains("--agent"), "{ran:?}");
        }
    }
    assert!(shell.host.files.is_empty(), "{:?}", shell.host.files.keys());
}

#[test]
fn a_taken_name_is_refused() {
    let mut shell = Shell::of("ada");
    play(&mut shell, "$ whoami --set 'I am Ada.'\n| updated");
    let ada = shell.host.files.remove(&(Root::Config, "config.json".to_owned())).unwrap();
    play(
        &mut shell,
        r#"
        $ setup --agent ada
        ! error: ada@localhost is taken: /home/data/mailboxes/ada@localhost/.agent_key holds another agent's key
        ? 3
        $ quickstart --agent ada --json
        {"exit_code": 3}
        ? 3
        $ setup --agent bob
        | Setup complete.
        $ setup --agent ada
        ! is taken
        ? 3
        $ address -q
        = bob@localhost
        "#,
    );
    shell.configure(&String::from_utf8(ada).unwrap());
    play(&mut shell, "$ whoami\n= I am Ada.");
}

#[test]
fn a_name_given_up_is_not_taken_back_without_its_config() {
    play(
        &mut Shell::of("ada"),
        r#"
        $ setup --agent ada@example.org
        | Setup complete.
        ! was ada@localhost's
        $ setup --agent ada
        ! is taken
        ? 3
        "#,
    );
}

#[test]
fn quickstart_makes_what_is_missing_and_nothing_twice() {
    let mut shell = Shell::new();
    play(
        &mut shell,
        r#"
        $ quickstart --agent ada --identity 'I am Ada, a reviewer.' --json
        {"agent": "ada@localhost", "identity": "I am Ada, a reviewer.", "config": "/home/config.json", "made": ["config", "key pair", "identity", "first memory"]}
        @ ada@localhost/.identity_key
        @ ada@localhost/2026-03-11/who_am_i/identity.txt = I am Ada, a reviewer.
        @ ada@localhost/2026-03-11/remember/first-memory.txt
        @ ada@localhost/remember_index.txt
        "#,
    );
    let before = shell.host.files.clone();
    play(
        &mut shell,
        r#"
        $ quickstart --agent ada --identity 'I am Ada, a reviewer.' --json
        {"made": []}
        $ quickstart
        | Everything is there already.
        | ada@localhost
        "#,
    );
    assert_eq!(shell.host.files, before);
    play(
        &mut shell,
        r#"
        $ quickstart --identity 'I am Ada, a poet.' --json
        {"identity": "I am Ada, a poet.", "made": ["identity"]}
        # The agent of a config is not changed in passing, and that is told.
        $ quickstart --agent bob --identity 'I am Bob.' --json
        {"agent": "ada@localhost", "identity": "I am Ada, a poet.", "made": []}
        ! warning: /home/config.json is ada@localhost's, so nothing is done for bob@localhost
        "#,
    );
}

#[test]
fn quickstart_without_anything_makes_up_a_name() {
    let mut shell = Shell::new();
    let ready = shell.run(&["quickstart", "--json"], None).json();
    let agent = ready["agent"].as_str().unwrap();
    assert!(agent.starts_with("agent-") && agent.ends_with("@localhost"), "{agent}");
    assert!(ready["identity"].as_str().unwrap().contains(agent));
}

#[test]
fn startup_restores_a_session() {
    let mut shell = Shell::of("ada");
    play(
        &mut shell,
        r#"
        $ startup
        | === Session of ada@localhost | 2026-03-11 ===
        | --- IDENTITY ---
        | (none yet: azall whoami --set "...")
        | --- CURRENT TASK ---
        | (none yet: azall doing --set "...")
        | --- MEMORIES ---
        | # Total memories: 0
        | --- INBOX ---
        | (empty)
        | You are ada@localhost. Your context is restored.
        $ whoami --set 'I am Ada.'
        | updated
        $ doing --set 'Tests.'
        | updated
        $ remember --text 'Tea at four.' --title tea
        | stored
        "#,
    );
    shell.put(
        "ada@localhost/2026-03-11/inbox/abc123.txt",
        "From: bob@x\nTo: ada@localhost\nSubject: Hi\nStatus: new\n\n---\nHello",
    );
    shell.sleep_days(1);
    shell.put(
        "ada@localhost/2026-03-12/inbox/def456.txt",
        "From: eve@x\nTo: ada@localhost\nSubject: Ho\nStatus: new\n\n---\nHello",
    );
    play(
        &mut shell,
        r#"
        $ startup
        | === Session of ada@localhost | 2026-03-12 ===
        | I am Ada.
        | Tests.
        | [2026-03-11] tea: Tea at four.
        | def456
        | 1 unread of earlier days: `azall inbox --all --unread`
        $ startup --json
        {"agent": "ada@localhost", "date": "2026-03-12", "identity": "I am Ada.", "doing": "Tests.", "inbox": {"messages": [{"id": "def456"}]}, "unread_earlier": 1}
        "#,
    );
}

#[test]
fn nothing_damaged_keeps_a_session_from_starting() {
    let mut shell = Shell::of("ada");
    play(&mut shell, "$ whoami --set 'I am Ada.'\n| updated\n$ remember --text Tea. --title tea\n| stored");
    for path in ["remember_index.txt", "2026-03-11/what_am_i_doing/tasks.txt", "2026-03-11/inbox/dir.txt"] {
        shell.host.spoil(&format!("ada@localhost/{path}"), EntryKind::Other, IoErrorKind::PermissionDenied);
    }
    shell.put("ada@localhost/2026-03-11/inbox/abc123.txt", "\0\x01\x02");
    play(
        &mut shell,
        r#"
        $ startup
        | I am Ada.
        | (none yet: azall doing
        | tea: Tea.
        | damaged: /home/data/mailboxes/ada@localhost/2026-03-11/inbox/
        | damaged: /home/data/mailboxes/ada@localhost/2026-03-11/inbox/
        | Your context is restored.
        ! warning: passed over: cannot read mailboxes/ada@localhost/2026-03-11/what_am_i_doing/tasks.txt
        ! remember_index.txt: it cannot be read
        ! the index of memories is made anew
        "#,
    );
}

#[test]
fn a_damaged_keyring_does_not_keep_a_session_from_starting() {
    let mut shell = Shell::of("ada");
    play(&mut shell, "$ whoami --set 'I am Ada.'\n| updated");
    shell.put("ada@localhost/.keyring.json", "{ not json");
    shell.put(
        "ada@localhost/2026-03-11/inbox/abc123.txt",
        "From: bob@x\nTo: ada@localhost\nSubject: Hi\nStatus: new\n\n---\nHello",
    );
    play(
        &mut shell,
        r#"
        $ startup
        | I am Ada.
        | abc123
        ! .keyring.json
        "#,
    );
}

#[test]
fn guides_are_short_know_the_address_and_touch_nothing() {
    let mut shell = Shell::new();
    play(
        &mut shell,
        r#"
        $ prompt
        | Your address: not configured yet
        | azall startup
        $ onboard
        | You are: not configured yet
        | azall quickstart
        "#,
    );
    assert!(shell.host.files.is_empty());
    let mut shell = Shell::of("ada");
    play(
        &mut shell,
        r#"
        $ prompt
        | Your address: ada@localhost
        | azall remember
        | azall recall
        | azall send
        | azall reply
        - ## azall
        $ prompt --format text
        - ## azall
        $ prompt --format markdown
        | ## azall mailbox
        | ada@localhost
        $ prompt --format html
        ! html
        ? 2
        $ prompt --json
        {"agent": "ada@localhost"}
        $ onboard --json
        {"agent": "ada@localhost"}
        "#,
    );
    // About 700 tokens: four characters make one in English.
    for format in ["text", "markdown"] {
        let length = shell.run(&["prompt", "--format", format], None).stdout.chars().count();
        assert!(length < 2800, "{format}: {length} characters");
    }
}

#[test]
fn every_command_that_a_guide_shows_is_understood() {
    let mut shell = Shell::of("ada");
    for guide in ["prompt", "onboard"] {
        let text = shell.run(&[guide], None).stdout;
        let commands = text.match_indices("azall ").map(|(at, _)| &text[at + 6..]);
        let names = commands.map(|rest| rest.split([' ', '\n', '`', ',', '.']).next().unwrap_or_default());
        let names: Vec<&str> = names.filter(|name| name.starts_with(|c: char| c.is_ascii_lowercase())).collect();
        assert!(names.len() > 5, "{names:?}");
        for name in names {
            assert_eq!(shell.run(&[name, "--help"], None).code, 0, "{guide} shows `azall {name}`");
        }
    }
}

#[test]
fn a_config_that_is_wrong_is_named_with_what_and_where() {
    for (config, code, told) in [
        ("{\n  \"agent_name\": \"ada\",\n  oops\n}", 1, "error: /home/config.json: it is not JSON: line 3, column 3"),
        ("", 1, "/home/config.json: it is not JSON"),
        ("[]", 1, "/home/config.json: it holds a list"),
        (r#"{"agent_name": 7}"#, 1, "agent_name is"),
        (r#"{"agent_name": "a/b"}"#, 1, "agent_name"),
        (r#"{"agent_name": "ada@localhost", "mailbox_dir": 5}"#, 1, "mailbox_dir is"),
        (r#"{"agent_name": "ada@localhost", "transport": "pigeon"}"#, 1, "transport is"),
        (r#"{"agent_name": "ada@localhost", "relays": [{"server": 5}]}"#, 1, "relays[0].server"),
        (
            r#"{"agent_name": "ada@localhost", "agent_kez": "x"}"#,
            0,
            "warning: config.json: agent_kez is not known and has no effect; did you mean agent_key?",
        ),
    ] {
        let mut shell = Shell::new();
        shell.configure(config);
        let ran = shell.run(&["address", "-q"], None);
        assert_eq!(ran.code, code, "{config}: {ran:?}");
        assert!(ran.stderr.contains(told), "{config}: {ran:?}");
        if code != 0 {
            let document = shell.run(&["address", "--json"], None).json();
            assert!(document["error"].as_str().unwrap().starts_with("/home/config.json: "), "{document}");
        }
    }
}

#[test]
fn of_two_first_commands_at_once_both_are_done() {
    use azall_core::command::session::{self, Context};
    use azall_core::command::{self, Command, Outcome, identity::ShowAddress};
    use azall_core::protocol::layout::RelPath;
    // Every way of taking turns with up to three steps at a time.
    for turns in 0..4_u32.pow(5) {
        let mut host = memory::MemoryHost::new();
        let config_file = RelPath::parse("config.json").unwrap();
        let mut start = || {
            let opened = host.run(session::open(config_file.clone(), None)).unwrap();
            let context = Context {
                opened,
                config_file: config_file.clone(),
                config_shown: "config.json".into(),
                mailboxes_shown: "data".into(),
            };
            command::start(Command::Address(ShowAddress { quiet: true }), context)
        };
        let mut ops: Vec<Option<Op<Outcome, command::Error>>> = vec![Some(start()), Some(start())];
        let mut addresses = Vec::new();
        let (mut pattern, mut who) = (turns, 0);
        while ops.iter().any(Option::is_some) {
            for _ in 0..=pattern % 4 {
                let Some(op) = &mut ops[who] else { break };
                match op.poll(host.now) {
                    Output::Effect(id, effect) => {
                        let answer = host.answer(&effect);
                        op.resume(id, answer).unwrap();
                    }
                    Output::Event(_) => {}
                    Output::Wait(deadline) => {
                        host.now.unix_ms = host.now.unix_ms.max(deadline.unwrap_or_default());
                        break;
                    }
                    Output::Done(result) => {
                        match result.unwrap() {
                            Outcome::Address(outcome) => addresses.push(outcome.address),
                            other => panic!("{other:?}"),
                        }
                        ops[who] = None;
                    }
                }
            }
            (pattern, who) = (pattern / 4, 1 - who);
        }
        assert_eq!(addresses[0], addresses[1], "turns {turns}");
    }
}
