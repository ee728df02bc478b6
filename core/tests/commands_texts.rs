//! `address`, `whoami`, `doing`, `note`, `notes`: an agent's own texts.
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
use azall_core::protocol::layout::Root;
use memory::play::play;
use memory::shell::Shell;

const TODAY: &str = "ada@localhost/2026-03-11";

#[test]
fn address_is_shown_for_people_and_for_programs() {
    let mut shell = Shell::of("ada");
    play(
        &mut shell,
        r#"
        $ address -q
        = ada@localhost
        $ address --quiet
        = ada@localhost
        $ address
        | My address: ada@localhost
        | azall send --to ada@localhost
        $ address --json
        {"address": "ada@localhost", "relay_addresses": []}
        "#,
    );
    shell.reconfigure(|config| {
        config["relays"] =
            serde_json::json!([{"server": "https://r.example", "token": "t", "address": "ada.agenttalk"}]);
    });
    play(
        &mut shell,
        r#"
        $ address
        | My address: ada@localhost
        | On a relay: ada.agenttalk
        | azall send --to ada.agenttalk
        $ address --json
        {"address": "ada@localhost", "relay_addresses": ["ada.agenttalk"]}
        "#,
    );
}

#[test]
fn the_first_command_ever_makes_a_config_and_keeps_standard_output_clean() {
    let mut shell = Shell::new();
    let ran = shell.run(&["address", "-q"], None);
    assert_eq!(ran.code, 0);
    assert!(ran.stdout.starts_with("agent-") && ran.stdout.ends_with("@localhost\n"), "{ran:?}");
    assert!(ran.stderr.contains("Welcome! Configured as agent-"), "{ran:?}");
    let again = shell.run(&["address", "-q"], None);
    assert_eq!((again.stdout, again.stderr), (ran.stdout, String::new()));
}

#[test]
fn identity() {
    play(
        &mut Shell::of("ada"),
        r#"
        $ whoami
        = No identity set. Use: azall whoami --set 'I am...'
        $ whoami --json
        {"agent": "ada@localhost", "kind": "identity", "done": "shown", "date": null, "text": null, "path": null}
        $ whoami --set 'I am Ada.'
        = Identity updated: /home/data/mailboxes/ada@localhost/2026-03-11/who_am_i/identity.txt
        @ ada@localhost/2026-03-11/who_am_i/identity.txt = I am Ada.
        # An empty variable in a script erases nothing.
        $ whoami --set ''
        = I am Ada.
        $ whoami --json
        {"done": "shown", "date": "2026-03-11", "text": "I am Ada."}
        $ whoami --set '- a list\n' --json
        {"done": "set", "text": "- a list\\n"}
        "#,
    );
}

#[test]
fn tasks_are_set_and_added_to() {
    play(
        &mut Shell::of("ada"),
        r#"
        $ doing
        = No tasks set. Use: azall doing --set 'Working on...'
        $ doing --append 'first'
        = Task appended: /home/data/mailboxes/ada@localhost/2026-03-11/what_am_i_doing/tasks.txt
        $ doing --append '- second, with a dash'
        | Task appended
        @ ada@localhost/2026-03-11/what_am_i_doing/tasks.txt = first\n- second, with a dash
        $ doing
        = first
        = - second, with a dash
        $ doing --append third --json
        {"kind": "tasks", "done": "appended", "text": "first\n- second, with a dash\nthird"}
        $ doing --set A --append B
        | Tasks updated
        $ doing
        = A
        = B
        "#,
    );
}

#[test]
fn the_newest_day_counts_and_a_line_is_added_to_today() {
    let mut shell = Shell::of("ada");
    play(&mut shell, "$ doing --set old\n| updated\n$ whoami --set me\n| updated\n$ note plan --set one\n| saved");
    shell.sleep_days(40);
    play(
        &mut shell,
        r#"
        $ doing --json
        {"date": "2026-03-11", "text": "old"}
        $ whoami
        = me
        $ note plan
        = one
        $ doing --append new
        @ ada@localhost/2026-04-20/what_am_i_doing/tasks.txt = new
        @ ada@localhost/2026-03-11/what_am_i_doing/tasks.txt = old
        $ doing
        = new
        # A blank text of today hides nothing.
        $ whoami --set ' '
        | updated
        $ whoami
        = me
        "#,
    );
}

#[test]
fn notes() {
    play(
        &mut Shell::of("ada"),
        r#"
        $ notes
        = No notes for 2026-03-11.
        $ note plan
        ! error: Note 'plan' not found
        ? 1
        $ note plan --json
        {"exit_code": 1}
        ? 1
        $ note plan --set one
        = Note 'plan' saved: /home/data/mailboxes/ada@localhost/2026-03-11/notes/plan.txt
        $ note plan --append two
        | Note 'plan' appended
        $ note plan
        = one
        = two
        $ note plan --json
        {"name": "plan", "done": "shown", "date": "2026-03-11", "text": "one\ntwo"}
        $ notes
        = === Notes | 2026-03-11 ===
        =   plan (7B) | /home/data/mailboxes/ada@localhost/2026-03-11/notes/plan.txt
        $ notes -d 2020-01-01 --json
        {"date": "2020-01-01", "notes": [], "damaged": []}
        $ notes --date yesterday
        ! yesterday
        ? 2
        $ notes -d 2026-02-30
        ! 2026-02-30
        ? 2
        $ note ''
        ! NAME: it is empty
        ? 2
        $ note
        ! <NAME>
        ? 2
        "#,
    );
}

#[test]
fn a_name_becomes_one_file_name_whatever_it_is() {
    let mut shell = Shell::of("ada");
    for (name, file) in [
        ("../../evil", ".._.._evil.txt"),
        ("/etc/passwd", "_etc_passwd.txt"),
        ("..", "...txt"),
        ("a b\tc\nd", "a_b_c_d.txt"),
        ("日本 語", "日本_語.txt"),
        ("\u{1b}[31mred", "__31mred.txt"),
        ("C:\\x", "C__x.txt"),
        ("\u{202e}gpj", "_gpj.txt"),
    ] {
        let ran = shell.run(&["note", name, "--set", "text"], None);
        assert_eq!(ran.code, 0, "{name:?}: {ran:?}");
        assert_eq!(shell.mailbox_file(&format!("{TODAY}/notes/{file}")).as_deref(), Some("text"), "{name:?}");
        assert_eq!(shell.run(&["note", name], None).stdout, "text\n", "{name:?}");
    }
    let long = "x".repeat(5000);
    assert_eq!(shell.run(&["note", &long, "--set", "long"], None).code, 0);
    assert_eq!(shell.run(&["note", &format!("{long}y"), "--set", "longer"], None).code, 0);
    assert_eq!(shell.run(&["note", &long], None).stdout, "long\n");
    let outside = shell.host.files.keys().filter(|(_, path)| !path.starts_with("ada@localhost/"));
    assert_eq!(outside.map(|(_, path)| path.as_str()).collect::<Vec<_>>(), ["config.json"]);
}

#[test]
fn what_is_stored_cannot_speak_to_the_terminal() {
    let mut shell = Shell::of("ada");
    shell.put(&format!("{TODAY}/who_am_i/identity.txt"), "I \u{1b}[2J am \u{9b}31m \u{202e} \u{7}\r\nAda");
    play(
        &mut shell,
        r#"
        $ whoami
        = I \u{fffd}[2J am \u{fffd}31m \u{fffd} \u{fffd}
        = Ada
        # JSON keeps what is stored, escaped.
        $ whoami --json
        | \\u001b[2J am \\u009b31m \\u202e \\u0007\\nAda
        "#,
    );
}

#[test]
fn a_text_that_cannot_be_read_hides_no_earlier_one() {
    let mut shell = Shell::of("ada");
    play(&mut shell, "$ whoami --set 'I am Ada.'\n| updated\n$ note plan --set one\n| saved");
    shell.sleep_days(1);
    shell.host.spoil("ada@localhost/2026-03-12/who_am_i/identity.txt", EntryKind::Other, IoErrorKind::PermissionDenied);
    shell.host.spoil("ada@localhost/2026-03-12/notes/link.txt", EntryKind::Other, IoErrorKind::PermissionDenied);
    play(
        &mut shell,
        r#"
        $ whoami
        = I am Ada.
        ! warning: passed over: cannot read mailboxes/ada@localhost/2026-03-12/who_am_i/identity.txt: it cannot be read
        $ notes
        | No notes for 2026-03-12.
        |   damaged: /home/data/mailboxes/ada@localhost/2026-03-12/notes/link.txt: it is no regular file
        $ notes --json
        {"notes": [], "damaged": [{"path": "/home/data/mailboxes/ada@localhost/2026-03-12/notes/link.txt"}]}
        "#,
    );
}

#[test]
fn a_large_text_is_kept_whole() {
    let mut shell = Shell::of("ada");
    let text = "0123456789abcdef".repeat(5 * 65_536);
    assert_eq!(shell.run(&["note", "big", "--set", &text], None).code, 0);
    assert_eq!(shell.run(&["note", "big"], None).stdout.trim_end(), text);
}

#[test]
fn another_agents_key_is_refused() {
    let mut shell = Shell::of("ada");
    shell.reconfigure(|config| config["agent_key"] = "0123456789abcdef0123456789abcdef".into());
    play(
        &mut shell,
        r#"
        $ whoami --set x
        ! error: /home/data/mailboxes/ada@localhost/.agent_key holds another key than agent_key in /home/config.json
        ? 3
        @! ada@localhost/2026-03-11/who_am_i/identity.txt
        $ recall --json
        {"exit_code": 3}
        ? 3
        "#,
    );
}

#[test]
fn a_read_only_mailbox_can_be_read() {
    let mut shell = Shell::of("ada");
    play(&mut shell, "$ whoami --set 'I am Ada.'\n| updated\n$ remember --text Tea\n| stored");
    shell.host.read_only = true;
    play(
        &mut shell,
        r#"
        $ whoami
        = I am Ada.
        $ recall tea
        | Tea
        $ startup
        | I am Ada.
        | Tea
        | (empty)
        $ whoami --set 'I am Eve.'
        ! error: cannot write /home/data/mailboxes/ada@localhost/.lock: read-only file system; check the owner and the mode
        ? 1
        $ whoami --set 'I am Eve.' --json
        {"error": "cannot write /home/data/mailboxes/ada@localhost/.lock: read-only file system; check the owner and the mode of the file and its folder, and that the file system is not read-only", "exit_code": 1}
        ? 1
        "#,
    );
}

#[test]
fn the_environment_names_another_agent() {
    let mut shell = Shell::of("ada");
    shell.agent = Some("bob@localhost".to_owned());
    // Without a key in the config one is made, and the agent stays who it is.
    shell.reconfigure(|config| {
        config.as_object_mut().unwrap().remove("agent_key");
    });
    play(
        &mut shell,
        r#"
        $ address -q
        = bob@localhost
        $ whoami --set 'I am Bob.'
        | /bob@localhost/
        @ bob@localhost/.agent_key
        "#,
    );
    // Whom a command names, the config is.
    play(
        &mut shell,
        r#"
        $ setup --agent bob@localhost
        ! was ada@localhost's
        | bob@localhost
        $ setup --agent bob@localhost
        | bob@localhost
        $ setup --agent dora
        ! was bob@localhost's
        | dora@localhost
        "#,
    );
    shell.agent = None;
    play(&mut shell, "$ address -q\n= dora@localhost");
    // The first command makes its config, which says so when the variable is gone.
    let mut shell = Shell::new();
    shell.agent = Some("carol@localhost".to_owned());
    play(
        &mut shell,
        r#"
        $ remember --text 'My name lasts.' --title name
        ! Configured as carol@localhost
        @ carol@localhost/.agent_key
        "#,
    );
    shell.agent = None;
    play(&mut shell, "$ recall name\n| My name lasts.\n$ address -q\n= carol@localhost");
    // A mailbox that another config has made gets no second one.
    shell.host.files.remove(&(Root::Config, "config.json".to_owned()));
    shell.agent = Some("carol@localhost".to_owned());
    play(&mut shell, "$ recall name\n! carol@localhost is taken: /home/data/mailboxes/carol@localhost/.agent_key\n? 3");
    assert!(shell.host.file(Root::Config, "config.json").is_none());
    shell.agent = Some("../evil".to_owned());
    play(&mut shell, "$ address -q\n! $AGENTAZALL_AGENT\n? 1");
}
