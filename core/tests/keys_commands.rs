//! `crypto-identity`, `keyring`, `sign`, `verify` and `filter`.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::string_slice,
    missing_docs
)]

mod memory;
use azall_core::protocol::layout::Root;
use memory::machine::Machine;
use memory::relay::{self, Relay, incoming};
use serde_json::{Value, json};

const KEY_FILE: &str = "alice@localhost/.identity_key";

#[test]
fn the_key_pair_is_made_once_and_its_secret_never_shown() {
    let mut shell = Machine::of("alice@localhost");
    let first = shell.run(&["crypto-identity"]).ok();
    let second = shell.run(&["crypto-identity"]).ok();
    assert_eq!(first.json, second.json);
    let file: Value = serde_json::from_slice(shell.host.file(Root::Mailboxes, KEY_FILE).unwrap()).unwrap();
    assert_eq!(first.json["fingerprint"], file["fingerprint"]);
    assert_eq!(first.json["public_key"], file["public_key_b64"]);
    assert!(first.out.contains(&format!("/home/data/mailboxes/{KEY_FILE}")), "{}", first.out);
    let secret = file["private_key_hex"].as_str().unwrap();
    assert!(!format!("{first:?}").contains(secret));
    let doctor = shell.run(&["doctor"]).ok();
    assert!(!format!("{doctor:?}").contains(secret));
}

#[test]
fn a_damaged_key_file_is_named_and_never_replaced() {
    for content in ["", "{", "[]", "{\"private_key_hex\": \"zz\"}", "\u{0}\u{0}"] {
        let mut shell = Machine::of("alice@localhost");
        shell.put(KEY_FILE, content.as_bytes());
        for words in [vec!["crypto-identity"], vec!["send", "--to", "bob", "-b", "x"], vec!["sign"]] {
            let ran = shell.pipe("x", &words).fails(1, &format!("/home/data/mailboxes/{KEY_FILE}"));
            assert_eq!(ran.err.matches("restore").count(), 1, "what to do is said once: {}", ran.err);
            assert_eq!(shell.host.file(Root::Mailboxes, KEY_FILE), Some(content.as_bytes()));
        }
        assert!(shell.messages("alice@localhost", "outbox").is_empty());
        assert!(shell.run(&["doctor"]).fails(1, "").out.contains(KEY_FILE));
    }
}

#[test]
fn another_agents_mailbox_is_refused() {
    let mut shell = Machine::of("alice@localhost");
    shell.run(&["crypto-identity"]).ok();
    shell.configure("agent_key", json!("ffffffffffffffffffffffffffffffff"));
    for words in [vec!["inbox"], vec!["send", "--to", "bob", "-b", "x"], vec!["crypto-identity"], vec!["daemon"]] {
        shell.run(&words).fails(3, "/home/data/mailboxes/alice@localhost/.agent_key");
    }
}

/// Alice with a keyring that holds one key of Otto's.
fn with_otto() -> (Machine, String) {
    let mut otto = Machine::of("otto@localhost");
    let signed = otto.pipe("I am Otto.", &["sign"]).ok();
    let mut shell = Machine::of("alice@localhost");
    let text = format!("From: otto@localhost\nSubject: x\nMessage-ID: a1\nStatus: new\n\n---\n{}", signed.out);
    shell.put("alice@localhost/2026-03-11/inbox/a1.txt", text.as_bytes());
    shell.host.now.unix_ms += 10_000;
    shell.run(&["inbox"]).ok();
    (shell, signed.json["fingerprint"].as_str().unwrap().to_owned())
}

#[test]
fn the_keyring_lists_shows_trusts_and_forgets() {
    let mut empty = Machine::of("alice@localhost");
    assert!(empty.run(&["keyring"]).ok().out.contains("empty"));
    let (mut shell, fingerprint) = with_otto();
    for words in [vec!["keyring"], vec!["keyring", "list"], vec!["keyring", "show", &fingerprint]] {
        let ran = shell.run(&words).ok();
        assert!(ran.out.contains(&fingerprint) && ran.out.contains("otto@localhost"), "{}", ran.out);
        assert_eq!(ran.json["keys"][0]["trusted"], false);
    }
    let upper = fingerprint.to_uppercase();
    let trusted = shell.run(&["keyring", "trust", &upper]).ok();
    assert_eq!((&trusted.json["done"], &trusted.json["keys"][0]["trusted"]), (&json!("trusted"), &json!(true)));
    shell.run(&["keyring", "forget", &fingerprint]).ok();
    assert_eq!(shell.run(&["keyring", "list"]).ok().json["keys"], json!([]));
}

#[test]
fn a_key_that_is_not_there_or_none_is_told() {
    let (mut shell, _) = with_otto();
    for action in ["show", "trust", "forget"] {
        shell.run(&["keyring", action, "0000000000000000"]).fails(1, "0000000000000000");
        for bad in ["", "xyz", "0123", "00000000000000000", "../../../../x"] {
            shell.run(&["keyring", action, bad]).fails(2, "FINGERPRINT");
        }
        shell.run(&["keyring", action]).fails(2, "FINGERPRINT");
    }
    shell.run(&["keyring", "nonsense"]).fails(2, "nonsense");
    shell.put("alice@localhost/.keyring.json", b"{ damaged");
    shell.run(&["keyring"]).fails(1, "/home/data/mailboxes/alice@localhost/.keyring.json");
}

#[test]
fn trusting_a_key_settles_a_change() {
    let relay = Relay::new();
    let mut shell = Machine::on(&relay, "alice");
    let receive = |shell: &mut Machine, number: u8, subject: &str| {
        let mut otto = Machine::on(&relay, "otto");
        let identity = azall_core::protocol::identity::Identity::from_seed([number; 32]);
        otto.put("otto.agenttalk/.identity_key", identity.to_json("2026-03-11T12:00:00").as_bytes());
        otto.host.now.unix_ms += i64::from(number) * 1_000;
        otto.run(&["send", "--to", "alice", "-s", subject, "-b", "x"]).ok();
        shell.run(&["inbox"]).ok();
    };
    receive(&mut shell, 1, "old key");
    receive(&mut shell, 2, "new key");
    assert_eq!(shell.listed().len(), 1, "the new key is held back");
    shell.run(&["keyring", "trust", &identity(2)]).ok();
    receive(&mut shell, 2, "settled");
    assert_eq!(shell.the_one("settled")["peer"], "known");
    shell.run(&["keyring", "forget", &identity(1)]).ok();
    receive(&mut shell, 1, "the old one again");
    let held = shell.run(&["held"]).ok();
    assert_eq!(held.json["messages"].as_array().unwrap().len(), 2, "a forgotten key is a stranger's: {held:#?}");
}

fn identity(number: u8) -> String {
    azall_core::protocol::identity::Identity::from_seed([number; 32]).fingerprint().to_string()
}

#[test]
fn what_is_signed_verifies_in_either_form() {
    let mut shell = Machine::of("alice@localhost");
    for text in
        ["I agree.", "", "two\nlines\n\n", "---BEGIN AGENTAZALL SIGNED MESSAGE---", "\u{1f600} caf\u{e9}", "a\r\nb"]
    {
        for (form, verdict) in [("envelope", "body-only"), ("documented", "valid")] {
            let signed = shell.pipe(text, &["sign", "--format", form]).ok().out;
            let ran = shell.pipe(&signed, &["verify"]).ok();
            assert_eq!(ran.json["verdict"], verdict, "{form} {text:?}: {signed}");
            assert!(ran.out.starts_with(&verdict.to_uppercase()), "{}", ran.out);
        }
    }
    shell.files.insert("statement.txt".into(), b"I agree.".to_vec());
    let signed = shell.run(&["sign", "statement.txt"]).ok().out;
    shell.files.insert("signed.txt".into(), format!("Look:\n\n{signed}\n\nThat was it.").into_bytes());
    shell.run(&["verify", "signed.txt"]).ok();
    shell.run(&["verify", "nosuch.txt"]).fails(1, "nosuch.txt");
    shell.run(&["sign", "nosuch.txt"]).fails(1, "nosuch.txt");
    shell.pipe("x", &["sign", "--format", "pgp"]).fails(2, "documented");
}

#[test]
fn the_documented_form_takes_its_headers_from_the_text() {
    let mut shell = Machine::of("alice@localhost");
    for (text, to, subject, body) in [
        ("To: bob@localhost\nSubject: Offer\n\n100 euro", "bob@localhost", "Offer", "100 euro"),
        ("From: alice@localhost\r\nTo: a@b, c@d\r\n\r\n100 euro", "a@b, c@d", "", "100 euro"),
        ("100 euro", "alice@localhost", "", "100 euro"),
        ("\n100 euro", "alice@localhost", "", "\n100 euro"),
        ("Note: this\n\n100 euro", "alice@localhost", "", "Note: this\n\n100 euro"),
        (
            "From: boss@localhost\nTo: a@b\n\n100 euro",
            "alice@localhost",
            "",
            "From: boss@localhost\nTo: a@b\n\n100 euro",
        ),
    ] {
        let signed = shell.pipe(text, &["sign", "--format", "documented"]).ok().out;
        let ran = shell.pipe(&signed, &["verify"]).ok();
        let header = |name: &str| {
            let headers = ran.json["headers"].as_array().unwrap();
            headers.iter().find(|header| header[0] == name).map_or("", |header| header[1].as_str().unwrap()).to_owned()
        };
        assert_eq!((header("From").as_str(), header("To").as_str()), ("alice@localhost", to), "{text:?}");
        assert_eq!((header("Subject").as_str(), &ran.json["text"]), (subject, &json!(body)), "{text:?}");
    }
}

#[test]
fn what_does_not_hold_is_not_valid() {
    let mut shell = Machine::of("alice@localhost");
    let envelope = shell.pipe("I agree.", &["sign"]).ok().out;
    let documented = shell.pipe("I agree.", &["sign", "--format", "documented"]).ok().out;
    let mut stranger = Machine::of("otto@localhost");
    stranger.put(
        "otto@localhost/.identity_key",
        azall_core::protocol::identity::Identity::from_seed([9; 32]).to_json("2026-03-11T12:00:00").as_bytes(),
    );
    let unknown = stranger.pipe("I agree.", &["sign", "--format", "documented"]).ok().out;
    for (text, verdict) in [
        (envelope.replace("I agree.", "I disagree."), "invalid"),
        (envelope.replace("Fingerprint: ", "Fingerprint: 00"), "invalid"),
        (documented.replace("I agree.", "I disagree."), "invalid"),
        (documented.replace("From: alice", "From: boss"), "invalid"),
        (unknown, "unknown-key"),
        ("Just a text.".to_owned(), "unsigned"),
        (String::new(), "unsigned"),
        (envelope.lines().take(5).collect::<Vec<_>>().join("\n"), "unsigned"),
    ] {
        let ran = shell.pipe(&text, &["verify"]);
        assert_eq!((ran.code, &ran.json["verdict"]), (1, &json!(verdict)), "{text}");
        assert_eq!(ran.json["text"], Value::Null, "nothing is shown as proven");
        assert!(ran.out.contains("Why"), "{}", ran.out);
    }
}

#[test]
fn a_message_file_is_verified_with_its_headers() {
    let relay = Relay::new();
    relay.account("bob");
    let mut shell = Machine::on(&relay, "alice");
    shell.run(&["send", "--to", "bob", "-s", "Hello", "-b", "Hi Bob"]).ok();
    let file = shell.messages("alice.agenttalk", "sent").into_values().next().unwrap();
    let ran = shell.pipe(&file, &["verify"]).ok();
    assert_eq!(ran.json["verdict"], "valid");
    assert!(ran.out.contains("Hi Bob") && ran.out.contains("To:     bob"), "{}", ran.out);
    let forged = file.replacen("Subject: Hello", "Subject: Goodbye", 1);
    let ran = shell.pipe(&forged, &["verify"]);
    assert_eq!((ran.code, &ran.json["verdict"]), (1, &json!("invalid")));
}

#[test]
fn every_flag_of_the_filter_changes_its_list_and_stays() {
    for (words, mode, black, white) in [
        (vec!["--block", "a*"], "blacklist", vec!["a*"], vec![]),
        (vec!["--block", "a", "--block", "b"], "blacklist", vec!["a", "b"], vec![]),
        (vec!["--block", "a", "--unblock", "a"], "blacklist", vec![], vec![]),
        (vec!["--allow", "a"], "blacklist", vec![], vec!["a"]),
        (vec!["--allow", "a", "--disallow", "a"], "blacklist", vec![], vec![]),
        (vec!["--mode", "off"], "off", vec![], vec![]),
        (
            vec!["--mode", "whitelist", "--allow", "*.agenttalk", "--block", "x"],
            "whitelist",
            vec!["x"],
            vec!["*.agenttalk"],
        ),
        (vec!["--mode", "whitelist", "--add", "a"], "whitelist", vec![], vec!["a"]),
        (vec!["--mode", "blacklist", "--add", "a", "--remove", "b"], "blacklist", vec!["a"], vec![]),
        (vec!["--unblock", "nobody"], "blacklist", vec![], vec![]),
    ] {
        let mut shell = Machine::of("alice@localhost");
        let ran = shell.run(&[&["filter"], words.as_slice()].concat()).ok();
        assert!(!ran.json["changed"].as_array().unwrap().is_empty(), "{ran:#?}");
        let shown = shell.run(&["filter"]).ok();
        assert_eq!(shown.json["mode"], mode, "{words:?}");
        assert_eq!(shown.json["blacklist"], json!(black), "{words:?}");
        assert_eq!(shown.json["whitelist"], json!(white), "{words:?}");
        assert_eq!(shell.settings()["agent_name"], "alice@localhost", "the rest of the config stays");
    }
}

#[test]
fn a_filter_that_makes_no_sense_changes_nothing() {
    let long = "x".repeat(5_000);
    for (words, code, said) in [
        (vec!["--mode", "nonsense"], 2, "blacklist"),
        (vec!["--add", "a"], 2, "--mode"),
        (vec!["--mode", "off", "--add", "a"], 2, "--mode"),
        (vec!["--block", &long], 1, "xxx"),
        (vec!["--mode", "whitelist", "--allow", ""], 1, "the whitelist is empty"),
        (vec!["--block", " "], 1, "the blacklist is empty"),
    ] {
        let mut shell = Machine::of("alice@localhost");
        let before = shell.settings();
        shell.run(&[&["filter"], words.as_slice()].concat()).fails(code, said);
        assert_eq!(shell.settings(), before);
    }
}

#[test]
fn the_whitelist_lets_in_whom_it_names() {
    let relay = Relay::new();
    let mut shell = Machine::on(&relay, "alice");
    shell.run(&["filter", "--mode", "whitelist", "--allow", "Friend*"]).ok();
    for from in ["friend.agenttalk", "stranger.agenttalk"] {
        relay.hand_out("alice", incoming(&format!("1_{from}"), from, "alice", &relay::payload(from, from, "x")));
    }
    shell.run(&["inbox"]).ok();
    assert_eq!(shell.listed().len(), 1);
    assert_eq!(shell.the_one("friend.agenttalk")["from"], "friend.agenttalk");
}
