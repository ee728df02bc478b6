//! `send`: who gets it, what is queued, and what is said of it.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::string_slice,
    missing_docs
)]

mod memory;

use azall_core::engine::effect::{Effect, HttpAnswer, IoErrorKind};
use azall_core::protocol::layout::Place;
use memory::machine::{Machine, Ran};
use memory::relay::{self, Relay, as_json, broken, raw};
use serde_json::{Value, json};

const MINUTE: i64 = 60_000;

/// Two agents on one machine.
fn neighbours() -> Machine {
    let mut shell = Machine::of("alice@localhost");
    shell.add_agent("bob.json", "bob@localhost");
    shell.run(&["--config", "bob.json", "crypto-identity"]).ok();
    shell
}

fn states(ran: &Ran) -> Vec<(String, String)> {
    let recipients = ran.json["recipients"].as_array().unwrap();
    let text = |value: &Value| value.as_str().unwrap().to_owned();
    recipients.iter().map(|recipient| (text(&recipient["address"]), text(&recipient["state"]))).collect()
}

/// A message as another client leaves it in the outbox, without a state beside it.
fn left_by_another_client(shell: &mut Machine, id: &str, headers: &str) {
    let text = format!("From: alice@localhost\n{headers}Subject: {id}\nMessage-ID: {id}\nStatus: new\n\n---\nHi");
    shell.put(&format!("alice@localhost/2026-03-11/outbox/{id}.txt"), text);
}

fn reason(ran: &Ran) -> &str {
    ran.json["recipients"][0]["reason"].as_str().unwrap()
}

#[test]
fn another_clients_message_to_what_is_no_address_is_not_called_sent() {
    for (headers, said, copies) in [
        ("To: nobody at all\n", "nobody at all: failed: ", 0),
        ("To: bob@localhost\nCc: a b\n", "a b: failed: ", 1),
        ("To: ,\n", "(nobody): failed: the message names no recipient", 0),
        ("", "(nobody): failed: ", 0),
    ] {
        let mut shell = neighbours();
        left_by_another_client(&mut shell, "m1", headers);
        shell.run(&["daemon", "--once"]).ok();
        assert_eq!(shell.messages("alice@localhost", "sent").len(), 0, "{headers}");
        assert_eq!(shell.messages("alice@localhost", "failed").len(), 1, "{headers}");
        assert_eq!(shell.messages("bob@localhost", "inbox").len(), copies, "{headers}");
        let notice = shell.run(&["read", "undelivered-m1"]).ok();
        assert!(notice.out.contains(said), "{}", notice.out);
    }
}

#[test]
fn a_neighbour_gets_it_at_once() {
    let mut shell = neighbours();
    let ran = shell.run(&["send", "--to", "bob@localhost", "-s", "Hello", "-b", "Hi Bob"]).ok();
    assert!(ran.out.contains("accepted by folder of bob@localhost"), "{}", ran.out);
    assert_eq!(states(&ran), [("bob@localhost".to_owned(), "accepted".to_owned())]);
    let id = ran.json["id"].as_str().unwrap();
    let [inbox, sent] = ["bob@localhost", "alice@localhost"]
        .map(|agent| shell.messages(agent, if agent.starts_with('b') { "inbox" } else { "sent" }));
    assert_eq!(inbox.len(), 1);
    assert_eq!(inbox.values().next(), sent.values().next());
    assert!(sent.keys().next().unwrap().ends_with(&format!("/sent/{id}.txt")));
    assert!(shell.below("alice@localhost/2026-03-11/outbox").is_empty());
}

#[test]
fn recipients_come_with_commas_by_repeating_and_as_copies() {
    for (words, expected) in [
        (vec!["--to", "bob@localhost, carl@x.org"], vec!["bob@localhost", "carl@x.org"]),
        (vec!["--to", "bob@localhost", "--to", "carl@x.org"], vec!["bob@localhost", "carl@x.org"]),
        (
            vec!["--to", "bob@localhost", "--cc", "carl@x.org,dora@x.org"],
            vec!["bob@localhost", "carl@x.org", "dora@x.org"],
        ),
        (vec!["--to", "bob@localhost,BOB@localhost"], vec!["bob@localhost"]),
        (vec!["--to", "bob@localhost,"], vec!["bob@localhost"]),
    ] {
        let mut shell = neighbours();
        let ran = shell.run(&[&["send", "-s", "x", "-b", "y"], words.as_slice()].concat()).ok();
        let addresses: Vec<String> = states(&ran).into_iter().map(|(address, _)| address).collect();
        assert_eq!(addresses, expected, "{words:?}");
    }
}

#[test]
fn what_makes_no_sense_is_a_usage_error_and_queues_nothing() {
    for (words, said) in [
        (vec!["-s", "x", "-b", "y"], "--to"),
        (vec!["--to", "", "-s", "x", "-b", "y"], "a recipient is missing"),
        (vec!["--to", "not an address", "-s", "x", "-b", "y"], "--to"),
        (vec!["--to", "../../etc", "-s", "x", "-b", "y"], "--to"),
        (vec!["--to", "bob@localhost", "--cc", "a b", "-b", "y"], "--cc"),
        (vec!["--to", "bob@localhost", "-s", "x\nBcc: evil", "-b", "y"], "--subject"),
        (vec!["--to", "bob@localhost", "-s", "x\u{1b}[2J", "-b", "y"], "--subject"),
        (vec!["--to", "bob@localhost", "-s", "x"], "the text is missing"),
        (vec!["--to", "bob@localhost", "-b", "x", "--body-file", "y"], "--body-file"),
        (vec!["--to", "bob@localhost", "-b", "x", "--nonsense"], "--nonsense"),
    ] {
        let mut shell = neighbours();
        shell.run(&[&["send"], words.as_slice()].concat()).fails(2, said);
        assert!(shell.messages("alice@localhost", "outbox").is_empty());
        assert!(shell.messages("bob@localhost", "inbox").is_empty());
    }
}

#[test]
fn the_text_comes_from_an_argument_a_file_or_a_pipe() {
    let mut shell = neighbours();
    shell.files.insert("report.md".into(), b"from a file".to_vec());
    let to = ["send", "--to", "bob@localhost", "-s"];
    shell.run(&[&to[..], &["1", "-b", "from an argument"]].concat()).ok();
    shell.run(&[&to[..], &["2", "--body-file", "report.md"]].concat()).ok();
    shell.pipe("from a pipe", &[&to[..], &["3", "--body-file", "-"]].concat()).ok();
    shell.pipe("from a pipe", &[&to[..], &["4"]].concat()).ok();
    shell.pipe("not read", &[&to[..], &["5", "-b", ""]].concat()).ok();
    shell.config = "bob.json".into();
    for (subject, text) in
        [("1", "from an argument"), ("2", "from a file"), ("3", "from a pipe"), ("4", "from a pipe"), ("5", "")]
    {
        let id = shell.the_one(subject)["id"].as_str().unwrap().to_owned();
        assert_eq!(shell.run(&["read", &id]).ok().json["text"], text);
    }
    shell.run(&[&to[..], &["6", "--body-file", "nosuch.md"]].concat()).fails(1, "nosuch.md");
}

#[test]
fn attachments_go_along_under_names_that_are_safe_and_different() {
    let mut shell = neighbours();
    for path in ["a/data.csv", "b/data.csv", "/etc/.hidden", "dir/evil\u{1b}[2J.txt"] {
        shell.files.insert(path.into(), path.as_bytes().to_vec());
    }
    let mut words = vec!["send", "--to", "bob@localhost", "-s", "files", "-b", "see"];
    let paths: Vec<String> = shell.files.keys().cloned().collect();
    words.extend(paths.iter().flat_map(|path| ["-a", path.as_str()]));
    shell.run(&words).ok();
    shell.config = "bob.json".into();
    let row = shell.the_one("files");
    assert_eq!(row["verdict"], "valid");
    let read = shell.run(&["read", row["id"].as_str().unwrap()]).ok();
    assert_eq!(read.json["verdict"], "valid", "the files are those that were signed");
    let attached = read.json["attachments"].as_array().unwrap();
    let mut names: Vec<&str> = attached.iter().map(|file| file["name"].as_str().unwrap()).collect();
    assert_eq!(names.len(), 4);
    names.sort_unstable();
    names.dedup();
    assert_eq!(names.len(), 4, "{names:?}");
    assert!(names.iter().all(|name| !name.contains(['/', '\u{1b}']) && !name.starts_with('.')), "{names:?}");
    assert!(attached.iter().all(|file| file["size"].is_u64()), "all of them are there: {attached:?}");
}

#[test]
fn a_message_that_nobody_can_read_whole_is_not_sent() {
    let mut shell = neighbours();
    shell.files.insert("big".into(), vec![0; 65 << 20]);
    let ran = shell.run(&["send", "--to", "bob@localhost", "-s", "x", "-b", "y", "-a", "big"]);
    ran.fails(1, "at most");
    assert!(shell.below("alice@localhost/2026-03-11").is_empty());
}

#[test]
fn without_a_way_it_waits_and_says_what_is_missing() {
    for (to, said) in [("bob.agenttalk", "azall register"), ("bob@example.org", "no agent bob@example.org")] {
        let mut shell = Machine::of("alice@localhost");
        let ran = shell.run(&["send", "--to", to, "-s", "x", "-b", "y"]).ok();
        assert_eq!(states(&ran), [(to.to_owned(), "queued".to_owned())]);
        assert!(reason(&ran).contains(said), "{ran:#?}");
        assert_eq!(shell.messages("alice@localhost", "outbox").len(), 1);
        assert!(shell.messages("alice@localhost", "sent").is_empty());
    }
}

#[test]
fn a_relay_is_given_the_whole_message_and_the_name_may_be_short() {
    for to in ["bob", "bob.agenttalk"] {
        let relay = Relay::new();
        relay.account("bob");
        let mut shell = Machine::on(&relay, "alice");
        shell.files.insert("a.txt".into(), b"data".to_vec());
        let ran = shell.run(&["send", "--to", to, "-s", "Hello", "-b", "Hi Bob", "-a", "a.txt"]).ok();
        assert!(ran.out.contains(&format!("accepted by {}", relay::URL)), "{}", ran.out);
        let [message] = relay.waiting("bob").try_into().unwrap();
        let payload: Value = serde_json::from_str(message["payload"].as_str().unwrap()).unwrap();
        assert_eq!(payload["subject"], "Hello");
        assert_eq!(payload["from"], "alice.agenttalk");
        assert!(payload["body"].as_str().unwrap().contains("\nHi Bob\n"));
        assert_eq!(payload["attachments"], json!([{"name": "a.txt", "data": "ZGF0YQ=="}]));
        assert_eq!(shell.messages("alice.agenttalk", "sent").len(), 1);
    }
}

#[test]
fn what_the_relay_answers_is_what_is_said() {
    let refusals = [
        (as_json(404, &json!({"error": "Recipient 'bob' not found"})), "failed", "not found"),
        (as_json(413, &json!({"error": "too large"})), "failed", "large"),
        (as_json(400, &json!({"error": "bad payload"})), "failed", "bad payload"),
        (as_json(507, &json!({"error": "inbox full"})), "queued", "full"),
        (as_json(500, &json!({"error": "out of order"})), "queued", "out of order"),
        (as_json(429, &json!({"error": "slow down"})), "queued", "slow down"),
        (as_json(401, &json!({"error": "Invalid token"})), "queued", "token"),
        (as_json(302, &json!({})), "queued", "redirects"),
        (raw(200, b"<html>Sign in</html>"), "queued", "no AgentTalk"),
        (raw(200, b"[]"), "queued", "no AgentTalk"),
        (raw(200, b""), "queued", "no AgentTalk"),
        (broken(IoErrorKind::Unreachable), "queued", "cannot be reached"),
        (broken(IoErrorKind::TimedOut), "queued", "in time"),
        (broken(IoErrorKind::Tls), "queued", "certificate"),
        (broken(IoErrorKind::TooLarge), "queued", "larger"),
    ];
    for (answer, state, said) in refusals {
        let relay = Relay::new();
        let mut shell = Machine::on(&relay, "alice");
        relay.next("POST /send", answer.clone());
        let ran = shell.run(&["send", "--to", "bob.agenttalk", "-s", "x", "-b", "y"]);
        assert_eq!(states(&ran), [("bob.agenttalk".to_owned(), state.to_owned())], "{answer:?}: {ran:#?}");
        assert!(reason(&ran).contains(said), "{said:?}: {ran:#?}");
        assert_eq!(ran.code, u8::from(state == "failed"), "{ran:#?}");
        let folder = if state == "failed" { "failed" } else { "outbox" };
        assert_eq!(shell.messages("alice.agenttalk", folder).len(), 1, "{answer:?}");
        assert!(shell.messages("alice.agenttalk", "sent").is_empty());
    }
}

#[test]
fn a_message_that_is_given_up_leaves_a_notice() {
    let relay = Relay::new();
    let mut shell = Machine::on(&relay, "alice");
    let ran = shell.run(&["send", "--to", "nosuch.agenttalk", "-s", "Lost", "-b", "y"]).fails(1, "");
    let id = ran.json["id"].as_str().unwrap().to_owned();
    let notice = shell.the_one("Not delivered: Lost");
    let read = shell.run(&["read", notice["id"].as_str().unwrap()]).ok();
    assert!(read.json["text"].as_str().unwrap().contains("nosuch.agenttalk: failed: "), "{read:#?}");
    assert!(read.json["text"].as_str().unwrap().contains(&format!("failed/{id}.txt")));
    assert!(!shell.below("alice.agenttalk/2026-03-11/failed").is_empty());
    shell.run(&["inbox"]).ok();
    assert_eq!(relay.calls("POST /send"), 1, "it is not tried again");
    assert_eq!(shell.listed().len(), 1, "and there is one notice");
}

#[test]
fn a_relay_that_is_away_is_tried_again_later_and_later() {
    let relay = Relay::new();
    relay.account("bob");
    let mut shell = Machine::on(&relay, "alice");
    relay.always("POST /send", Some(broken(IoErrorKind::Unreachable)));
    shell.run(&["send", "--to", "bob", "-s", "x", "-b", "y"]).ok();
    let mut tried_at = vec![shell.host.now.unix_ms];
    while tried_at.len() < 6 {
        shell.host.now.unix_ms += 1_000;
        let before = relay.calls("POST /send");
        shell.run(&["daemon", "--once"]);
        if relay.calls("POST /send") > before {
            tried_at.push(shell.host.now.unix_ms);
        }
    }
    let pauses: Vec<i64> = tried_at.windows(2).map(|pair| (pair[1] - pair[0]) / 1_000).collect();
    assert_eq!(pauses, [5, 10, 20, 40, 80]);
    relay.always("POST /send", None);
    shell.host.now.unix_ms += 10 * MINUTE;
    shell.run(&["daemon", "--once"]).ok();
    assert_eq!(relay.waiting("bob").len(), 1);
    assert_eq!(shell.messages("alice.agenttalk", "sent").len(), 1);
}

#[test]
fn after_five_days_it_is_given_up() {
    let relay = Relay::new();
    let mut shell = Machine::on(&relay, "alice");
    relay.always("POST /send", Some(broken(IoErrorKind::Unreachable)));
    shell.run(&["send", "--to", "bob", "-s", "Old", "-b", "y"]).ok();
    shell.host.now.unix_ms += 4 * 24 * 60 * MINUTE;
    shell.run(&["daemon", "--once"]);
    assert_eq!(shell.messages("alice.agenttalk", "outbox").len(), 1);
    shell.host.now.unix_ms += 25 * 60 * MINUTE;
    shell.run(&["daemon", "--once"]);
    assert_eq!(shell.messages("alice.agenttalk", "failed").len(), 1);
    let notice = shell.the_one("Not delivered: Old");
    let read = shell.run(&["read", notice["id"].as_str().unwrap()]).ok();
    assert!(read.json["text"].as_str().unwrap().contains("given up after 5 days"), "{read:#?}");
}

#[test]
fn what_is_accepted_after_it_was_given_up_has_its_attachments() {
    let relay = Relay::new();
    let mut shell = Machine::on(&relay, "alice");
    relay.always("POST /send", Some(broken(IoErrorKind::Unreachable)));
    shell.files.insert("a.bin".into(), b"attached".to_vec());
    shell.run(&["send", "--to", "bob", "-s", "Old", "-b", "y", "-a", "a.bin"]).ok();
    shell.host.now.unix_ms += 6 * 24 * 60 * MINUTE;
    // It is given up, and there is no room to move the message after its attachments.
    shell.refuses = Box::new(|effect| match effect {
        Effect::Rename(rename) if rename.from.path.as_str().contains("/outbox/") => {
            rename.from.path.file_name().ends_with(".txt").then_some(IoErrorKind::StorageFull)
        }
        _ => None,
    });
    shell.run(&["daemon", "--once"]);
    assert!(shell.messages("alice.agenttalk", "failed").is_empty());
    // Somebody who had been stopped in the middle of an attempt wakes up, and it was accepted.
    for ((_, path), bytes) in &mut shell.host.files {
        if path.contains("/outbox/") && path.ends_with(".delivery.json") {
            *bytes = String::from_utf8_lossy(bytes).replace("\"failed\"", "\"accepted\"").into_bytes();
        }
    }
    shell.refuses = Box::new(|_| None);
    shell.run(&["daemon", "--once"]).ok();
    assert_eq!(shell.messages("alice.agenttalk", "sent").len(), 1);
    let files = shell.host.files.iter().filter(|((_, path), _)| path.ends_with("/a.bin"));
    let files: Vec<_> = files.map(|((_, path), bytes)| (path.contains("/sent/"), bytes.as_slice())).collect();
    assert_eq!(files, [(true, &b"attached"[..])]);
    assert!(!shell.host.files.keys().any(|(_, path)| path.contains("/failed/")));
}

#[test]
fn a_notice_that_is_there_is_durable_before_the_message_goes() {
    let relay = Relay::new();
    let mut shell = Machine::on(&relay, "alice");
    relay.always("POST /send", Some(broken(IoErrorKind::Unreachable)));
    shell.run(&["send", "--to", "bob", "-s", "Old", "-b", "y"]).ok();
    shell.host.now.unix_ms += 6 * 24 * 60 * MINUTE;
    // It dies once the notice is made.
    let to_failed = |place: &Place| place.path.as_str().contains("/failed/");
    shell.refuses = Box::new(move |effect| match effect {
        Effect::WriteAtomic(write) => to_failed(&write.place).then_some(IoErrorKind::Other),
        _ => None,
    });
    shell.run(&["daemon", "--once"]);
    shell.the_one("Not delivered: Old");
    let mut is_durable = false;
    shell.refuses = Box::new(move |effect| match effect {
        Effect::Rename(rename) if rename.from == rename.to => {
            is_durable |= rename.to.path.file_name().starts_with("undelivered-");
            None
        }
        Effect::Rename(rename) if to_failed(&rename.to) && !is_durable => Some(IoErrorKind::Other),
        _ => None,
    });
    shell.host.now.unix_ms += 60 * MINUTE;
    shell.run(&["daemon", "--once"]);
    assert_eq!(shell.messages("alice.agenttalk", "failed").len(), 1);
    shell.the_one("Not delivered: Old");
}

#[test]
fn a_relay_says_how_long_to_wait() {
    let relay = Relay::new();
    relay.account("bob");
    let mut shell = Machine::on(&relay, "alice");
    let headers = vec![("retry-after".to_owned(), "600".to_owned())];
    relay.next("POST /send", Ok(HttpAnswer::whole(429, headers, b"{\"error\": \"busy\"}".to_vec())));
    shell.run(&["send", "--to", "bob", "-s", "x", "-b", "y"]).ok();
    for (minutes, calls) in [(1, 1), (8, 1), (2, 2)] {
        shell.host.now.unix_ms += minutes * MINUTE;
        shell.run(&["daemon", "--once"]).ok();
        assert_eq!(relay.calls("POST /send"), calls, "{minutes} minutes later");
    }
}

#[test]
fn who_has_it_does_not_get_it_again_while_another_waits() {
    let relay = Relay::new();
    relay.account("bob");
    let mut shell = Machine::on(&relay, "alice");
    let ran = shell.run(&["send", "--to", "bob,carl@example.org", "-s", "half", "-b", "y"]).ok();
    assert_eq!(states(&ran).into_iter().map(|(_, state)| state).collect::<Vec<_>>(), ["accepted", "queued"]);
    for _ in 0..3 {
        shell.host.now.unix_ms += 60 * MINUTE;
        shell.run(&["daemon", "--once"]).ok();
    }
    assert_eq!(relay.calls("POST /send"), 1);
    assert_eq!(shell.messages("alice.agenttalk", "outbox").len(), 1);
}

#[test]
fn one_relay_of_two_is_enough() {
    let (up, down) = (Relay::new(), Relay::new());
    up.account("bob");
    up.account("alice");
    down.always("POST /send", Some(broken(IoErrorKind::TimedOut)));
    let mut shell = Machine::of("alice.agenttalk");
    relay::connect(&mut shell.host, &[("http://127.0.0.1:1", &down), ("http://127.0.0.1:2", &up)]);
    for url in ["http://127.0.0.1:1", "http://127.0.0.1:2"] {
        shell.run(&["relay", "add", "--url", url, "--token", "token-of-alice"]).ok();
    }
    let ran = shell.run(&["send", "--to", "bob", "-s", "x", "-b", "y"]).ok();
    assert_eq!(ran.json["recipients"][0]["by"], json!(["http://127.0.0.1:2"]));
    assert_eq!(up.waiting("bob").len(), 1);
}

#[test]
fn a_hundred_recipients_get_one_each() {
    let relay = Relay::new();
    let names: Vec<String> = (0..100).map(|number| format!("agent{number}")).collect();
    for name in &names {
        relay.account(name);
    }
    let mut shell = Machine::on(&relay, "alice");
    let ran = shell.run(&["send", "--to", &names.join(","), "-s", "All", "-b", "y"]).ok();
    assert_eq!(states(&ran).len(), 100);
    assert!(names.iter().all(|name| relay.waiting(name).len() == 1));
}

#[test]
fn the_outbox_of_another_client_is_served_too() {
    let relay = Relay::new();
    relay.account("bob");
    let mut shell = Machine::on(&relay, "alice");
    let text = b"From: alice.agenttalk\nTo: bob.agenttalk\nSubject: Old\nDate: 2026-03-11 12:00:00\nMessage-ID: abc123abc123\nStatus: new\n\n---\nHello.";
    shell.put("alice.agenttalk/2026-03-11/outbox/abc123abc123.txt", text);
    shell.run(&["daemon", "--once"]).ok();
    assert_eq!(relay.waiting("bob").len(), 1);
    assert_eq!(shell.messages("alice.agenttalk", "sent").len(), 1);
}
