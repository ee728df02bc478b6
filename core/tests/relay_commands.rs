//! `register`, `relay`, `status`, `doctor` and `daemon`.
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
use memory::machine::Machine;
use memory::relay::{self, Relay, URL, as_json, broken, connect, incoming, payload, raw};
use serde_json::json;

const SERVER: [&str; 4] = ["--server", "127.0.0.1", "--port", "8484"];

/// A machine without a config, beside a relay.
fn newcomer(relay: &Relay) -> Machine {
    let mut shell = Machine::of("nobody@localhost");
    shell.host.files.clear();
    connect(&mut shell.host, &[(URL, relay)]);
    shell
}

fn register(shell: &mut Machine, words: &[&str]) -> memory::machine::Ran {
    shell.run(&[&["register"], &SERVER[..], words].concat())
}

#[test]
fn registering_writes_a_config_that_works_and_shows_no_token() {
    let relay = Relay::new();
    let mut shell = newcomer(&relay);
    let ran = register(&mut shell, &["--agent", "Alice"]).ok();
    assert_eq!(ran.json["address"], "alice.agenttalk");
    assert!(!format!("{ran:?}").contains("token-of-alice"), "{ran:#?}");
    let settings = shell.settings();
    assert_eq!(settings["agent_name"], "alice.agenttalk");
    assert_eq!(settings["transport"], "agenttalk");
    assert_eq!(settings["agenttalk"], json!({"server": URL, "token": "token-of-alice"}));
    assert!(shell.host.file(Root::Mailboxes, "alice.agenttalk/.identity_key").is_some());
    relay.account("bob");
    shell.run(&["send", "--to", "bob", "-s", "x", "-b", "y"]).ok();
    assert_eq!(relay.waiting("bob").len(), 1);
    shell.run(&["inbox"]).ok();
}

#[test]
fn a_name_that_no_relay_takes_is_a_usage_error() {
    for name in ["", "a", "1abc", "with space", "semi;colon", "x/../y", "\u{e4}bc", &"a".repeat(31), "-abc"] {
        let relay = Relay::new();
        let mut shell = newcomer(&relay);
        let name = format!("--agent={name}");
        register(&mut shell, &[&name]).fails(2, "--agent");
        assert!(shell.host.files.is_empty(), "{name}");
    }
    newcomer(&Relay::new()).run(&["register"]).fails(2, "--agent");
}

#[test]
fn an_account_that_was_not_made_leaves_no_config() {
    for (answer, said) in [
        (as_json(409, &json!({"error": "Agent 'alice' already exists"})), "another name"),
        (as_json(400, &json!({"error": "bad name"})), "bad name"),
        (as_json(500, &json!({"error": "out of order"})), "out of order"),
        (as_json(201, &json!({"status": "ok"})), "no AgentTalk"),
        (as_json(201, &json!({"agent_address": "../x", "api_token": "t"})), URL),
        (as_json(201, &json!({"agent_address": "alice.agenttalk", "api_token": "a\nb"})), URL),
        (raw(200, b"<html>Sign in</html>"), "no AgentTalk"),
        (broken(IoErrorKind::Unreachable), "cannot be reached"),
        (broken(IoErrorKind::TimedOut), "in time"),
    ] {
        let relay = Relay::new();
        let mut shell = newcomer(&relay);
        relay.next("POST /register", answer.clone());
        register(&mut shell, &["--agent", "alice"]).fails(1, said);
        assert!(shell.host.files.is_empty(), "{answer:?}");
    }
}

#[test]
fn a_config_that_is_there_is_changed_only_when_told() {
    let relay = Relay::new();
    let mut shell = Machine::of("alice@localhost");
    connect(&mut shell.host, &[(URL, &relay)]);
    shell.run(&["remember", "--text", "x"]).ok();
    let before = shell.settings();
    register(&mut shell, &["--agent", "alice"]).fails(2, "--yes");
    assert_eq!(shell.settings(), before);
    assert!(relay.requests().is_empty());
    let ran = register(&mut shell, &["--agent", "alice", "-y"]).ok();
    assert_eq!(shell.settings()["agent_name"], "alice.agenttalk");
    assert!(
        ran.err.contains("/home/data/mailboxes/alice@localhost"),
        "what becomes of the old mailbox is told: {ran:#?}"
    );
    register(&mut shell, &["--agent", "second", "-y"]).ok();
    assert_eq!(shell.settings()["agent_name"], "alice.agenttalk", "the first account names the agent");
    assert_eq!(shell.run(&["relay", "list"]).ok().json["relays"].as_array().unwrap().len(), 2);
}

#[test]
fn a_token_goes_in_the_clear_to_this_machine_alone() {
    for (words, code, said) in [
        (vec!["--server", "http://relay.example.org"], 2, "--insecure"),
        (vec!["--server", "http://relay.example.org", "--insecure"], 1, "http://relay.example.org"),
        (vec!["--server", "relay.example.org", "--port", "8443"], 1, "https://relay.example.org:8443"),
        (vec!["--server", "localhost", "--port", "1"], 1, "http://localhost:1"),
        (vec!["--server", "not a host"], 2, "--server"),
        (vec!["--server", "ftp://x"], 2, "--server"),
        (vec!["--server", "127.0.0.1", "--port", "99999"], 2, "--port"),
        (vec![], 1, "https://relay.agentazall.ai:8443"),
    ] {
        let mut shell = newcomer(&Relay::new());
        shell.run(&[&["register", "--agent", "alice"], words.as_slice()].concat()).fails(code, said);
    }
}

#[test]
fn relays_are_listed_added_and_removed() {
    let mut shell = Machine::of("alice.agenttalk");
    assert!(shell.run(&["relay"]).ok().out.contains("No relay"));
    let add = ["relay", "add", "--url", "https://relay.example.org", "--address", "alice.agenttalk"];
    let ran = shell.run(&[&add[..], &["--token", "secret-token"]].concat()).ok();
    assert!(!format!("{ran:?}").contains("secret-token"));
    for words in [vec!["relay"], vec!["relay", "list"]] {
        let ran = shell.run(&words).ok();
        assert!(ran.out.contains("https://relay.example.org as alice.agenttalk"), "{}", ran.out);
        assert!(!format!("{ran:?}").contains("secret-token"));
        assert_eq!(ran.json["relays"][0]["has_token"], true);
    }
    shell.files.insert("token".into(), b"other-token\n".to_vec());
    shell.run(&["relay", "add", "--url", "https://two.example.org", "--token-file", "token"]).ok();
    shell.pipe("third-token", &["relay", "add", "--url", "https://three.example.org", "--token-file", "-"]).ok();
    let settings = shell.settings().to_string();
    assert!(["secret-token", "other-token", "third-token"].iter().all(|token| settings.contains(token)), "{settings}");
    shell.run(&["relay", "remove", "--url", "https://two.example.org"]).ok();
    shell.run(&["relay", "remove", "--address", "alice.agenttalk"]).ok();
    assert_eq!(shell.run(&["relay"]).ok().json["relays"].as_array().unwrap().len(), 1);
}

#[test]
fn a_relay_that_makes_no_sense_is_refused() {
    for (words, code, said) in [
        (vec!["add"], 2, "--url"),
        (vec!["add", "--url", "http://relay.example.org", "--token", "t"], 2, "--insecure"),
        (vec!["add", "--url", "x y", "--token", "t"], 2, "--url"),
        (vec!["add", "--url", "https://x.org", "--token", "a b"], 2, "--token"),
        (vec!["add", "--url", "https://x.org", "--token", ""], 2, "--token"),
        (vec!["add", "--url", "https://x.org", "--token", "t", "--address", "../x"], 2, "--address"),
        (vec!["add", "--url", "https://x.org", "--token", "t", "--token-file", "f"], 2, "--token-file"),
        (vec!["add", "--url", "https://x.org", "--token-file", "nosuch"], 1, "nosuch"),
        (vec!["remove"], 2, "--url"),
        (vec!["remove", "--url", "https://nosuch.org"], 1, "https://nosuch.org"),
    ] {
        let mut shell = Machine::of("alice.agenttalk");
        let before = shell.settings();
        shell.run(&[&["relay"], words.as_slice()].concat()).fails(code, said);
        assert_eq!(shell.settings(), before, "{words:?}");
    }
}

#[test]
fn the_status_tells_how_each_transport_is() {
    let relay = Relay::new();
    let mut shell = Machine::on(&relay, "alice");
    let good = shell.run(&["status"]).ok();
    assert!(good.out.contains("relay in memory"), "{}", good.out);
    assert_eq!(good.json["transports"][1]["reachable"], true);
    shell.run(&["send", "--to", "nosuch.agenttalk", "-s", "x", "-b", "y"]);
    shell.run(&["send", "--to", "carl@example.org", "-s", "x", "-b", "y"]).ok();
    relay.always("GET /status", Some(broken(IoErrorKind::TimedOut)));
    let bad = shell.run(&["status"]).ok();
    assert_eq!(bad.json["transports"][1]["reachable"], false);
    assert_eq!((&bad.json["waiting"], &bad.json["failed"]), (&json!(1), &json!(1)));
    assert!(bad.out.contains("in time"), "{}", bad.out);
}

#[test]
fn the_doctor_names_each_fault_and_its_mend() {
    let home = "alice.agenttalk";
    for (path, content, said) in [
        (".identity_key", &b"{"[..], "restore it from a backup"),
        (".keyring.json", b"[]", "restore it from a backup"),
        (".trust", b"{}", "azall trust-revoke"),
        (".used_nonces", b"[]", "remove it once"),
        ("2026-03-11/inbox/x.txt", b"no message", "move it away"),
    ] {
        let mut shell = Machine::on(&Relay::new(), "alice");
        assert_eq!(shell.run(&["doctor"]).ok().json["findings"][0]["state"], "good");
        shell.put(&format!("{home}/{path}"), content);
        let before = shell.host.files.clone();
        let ran = shell.run(&["doctor"]).fails(1, "");
        assert!(ran.out.contains(&format!("FAULT /home/data/mailboxes/{home}/{path}")), "{path}: {}", ran.out);
        assert!(ran.out.contains(said), "{path}: {}", ran.out);
        assert_eq!(shell.host.files, before, "nothing is changed");
    }
    let relay = Relay::new();
    let mut shell = Machine::on(&relay, "alice");
    relay.always("GET /status", Some(raw(200, b"<html>")));
    let ran = shell.run(&["doctor"]).fails(1, "");
    assert!(ran.out.contains(&format!("FAULT relay {URL}")), "{}", ran.out);
    shell.host.files.clear();
    assert!(shell.run(&["doctor"]).ok().out.contains("azall quickstart"));
    assert!(shell.host.files.is_empty());
}

#[test]
fn a_config_with_a_mistake_says_which_file_and_where() {
    for (config, said) in [
        ("{\n  \"agent_name\": \"alice@localhost\",\n  oops\n}", "line 3"),
        ("", "line 1"),
        ("[]", "object"),
        ("{\"agent_name\": 7}", "agent_name"),
        ("{\"agent_name\": \"../x\"}", "agent_name"),
        ("{\"agent_name\": \"a@b\", \"sync_interval\": \"soon\"}", "sync_interval"),
        ("{\"agent_name\": \"a@b\", \"signature_policy\": \"maybe\"}", "signature_policy"),
        ("{\"agent_name\": \"a@b\", \"on_key_change\": \"maybe\"}", "on_key_change"),
        ("{\"agent_name\": \"a@b\", \"relays\": [{\"server\": 7}]}", "relays"),
        ("{\"agent_name\": \"a@b\", \"address_filter\": {\"mode\": \"maybe\"}}", "mode"),
    ] {
        let mut shell = Machine::of("alice@localhost");
        shell.host.files.insert((Root::Config, "config.json".into()), config.as_bytes().to_vec());
        for words in [vec!["inbox"], vec!["status"], vec!["daemon", "--once"]] {
            let ran = shell.run(&words).fails(1, said);
            assert!(ran.err.contains("/home/config.json"), "{ran:#?}");
        }
        assert_eq!(shell.host.files.len(), 1, "nothing is written");
    }
}

#[test]
fn a_config_that_is_no_file_says_what_it_is() {
    for (kind, said) in [
        (EntryKind::Folder, "is a folder; name the config file in it"),
        (EntryKind::LinkedFolder, "is a folder"),
        (EntryKind::Other, "a symbolic link"),
    ] {
        let mut shell = Machine::of("alice@localhost");
        let config = (Root::Config, "config.json".to_owned());
        shell.host.odd.insert(config, (kind, IoErrorKind::PermissionDenied));
        let ran = shell.run(&["inbox"]).fails(1, said);
        assert!(ran.err.contains("/home/config.json: it is") && !ran.err.contains("mode"), "{ran:#?}");
    }
    // A file that may not be read is a matter of rights.
    let mut shell = Machine::of("alice@localhost");
    shell.host.odd.insert((Root::Config, "config.json".into()), (EntryKind::File, IoErrorKind::PermissionDenied));
    shell.run(&["inbox"]).fails(1, "check the owner and the mode");
}

#[test]
fn one_cycle_tells_by_its_exit_code() {
    let relay = Relay::new();
    let mut shell = Machine::on(&relay, "alice");
    relay.hand_out("alice", incoming("1_o", "otto", "alice", &payload("otto.agenttalk", "x", "y")));
    let ran = shell.run(&["daemon", "--once"]).ok();
    assert_eq!((&ran.json["cycles"], &ran.json["received"]), (&json!(1), &json!(1)));
    assert!(ran.err.contains("received ") && ran.out.contains("1 message received"), "{ran:#?}");
    relay.next("GET /messages", broken(IoErrorKind::Unreachable));
    let ran = shell.run(&["daemon", "--once"]).fails(1, "cannot be reached");
    assert!(ran.out.contains("cannot be reached"), "{ran:#?}");
    shell.put("alice.agenttalk/.keyring.json", b"{");
    relay.hand_out("alice", incoming("2_o", "otto", "alice", &payload("otto.agenttalk", "x", "y")));
    shell.run(&["daemon", "--once"]).fails(1, "/home/data/mailboxes/alice.agenttalk/.keyring.json");
    for bad in ["0", "-1", "soon", ""] {
        shell.run(&["daemon", &format!("--interval={bad}")]).fails(2, "--interval");
    }
}

#[test]
fn the_daemon_goes_on_after_errors_and_stops_when_told() {
    let relay = Relay::new();
    let mut shell = Machine::on(&relay, "alice");
    relay.next("GET /messages", broken(IoErrorKind::Unreachable));
    relay.next("GET /messages", raw(200, b"<html>"));
    relay.hand_out("alice", incoming("1_o", "otto", "alice", &payload("otto.agenttalk", "x", "y")));
    let ran = shell.run_for(61_000, &["daemon"]).ok();
    assert_eq!(ran.json["received"], 1);
    assert_eq!(relay.calls("GET /messages"), 7, "every ten seconds, as the config says by itself");
    let before = relay.calls("GET /messages");
    shell.run_for(21_000, &["daemon", "--interval", "2"]).ok();
    assert_eq!(relay.calls("GET /messages") - before, 11);
}

#[test]
fn the_pause_grows_while_the_mailbox_cannot_be_used() {
    let relay = Relay::new();
    let mut shell = Machine::on(&relay, "alice");
    relay.hand_out("alice", incoming("1_o", "otto", "alice", &payload("otto.agenttalk", "x", "y")));
    shell.put("alice.agenttalk/.keyring.json", b"{");
    let ran = shell.run_for(155_000, &["daemon"]).fails(1, "sync failed: /home/data/mailboxes/");
    assert_eq!((&ran.json["cycles"], &ran.json["failed"]), (&json!(4), &json!(4)), "at 0, 20, 60 and 140 seconds");
}

#[test]
fn two_daemons_take_turns_and_send_once() {
    // The state beside the message says that somebody is at it; whoever comes second leaves it alone.
    let relay = Relay::new();
    relay.account("bob");
    let mut shell = Machine::on(&relay, "alice");
    relay.next("POST /send", broken(IoErrorKind::Unreachable));
    shell.run(&["send", "--to", "bob", "-s", "x", "-b", "y"]).ok();
    let path = shell.below("alice.agenttalk").into_iter().find(|path| path.ends_with(".delivery.json")).unwrap();
    let file = shell.host.file(Root::Mailboxes, &path).unwrap();
    let mut state: serde_json::Value = serde_json::from_slice(file).unwrap();
    shell.host.now.unix_ms += 60_000;
    state["claimed_until_ms"] = json!(shell.host.now.unix_ms + 60_000);
    shell.put(&path, state.to_string().as_bytes());
    shell.run(&["daemon", "--once"]).ok();
    assert_eq!(relay.calls("POST /send"), 1);
    shell.host.now.unix_ms += 61_000;
    shell.run(&["daemon", "--once"]).ok();
    assert_eq!((relay.calls("POST /send"), relay.waiting("bob").len()), (2, 1));
}

#[test]
fn a_relay_without_a_token_says_so() {
    let relay = Relay::new();
    let mut shell = Machine::of("alice.agenttalk");
    connect(&mut shell.host, &[(URL, &relay)]);
    shell.run(&["relay", "add", "--url", relay::URL]).ok();
    assert!(shell.run(&["relay"]).ok().out.contains("no token"));
    shell.run(&["daemon", "--once"]).fails(1, "has no token");
    assert!(shell.run(&["status"]).ok().out.contains("no token"));
}
