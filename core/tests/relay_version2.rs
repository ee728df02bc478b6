//! Relays of version 2: accounts with keys, batches, acknowledgements, blobs, waiting.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::string_slice,
    missing_docs
)]

mod memory;

use azall_core::engine::effect::{HttpAnswer, IoErrorKind};
use azall_core::protocol::layout::Root;
use azall_core::protocol::relay::version2::BlobName;
use memory::machine::Machine;
use memory::relay::{Relay, URL, as_json, broken, connect, incoming, payload, raw};
use serde_json::{Value, json};

const SERVER: [&str; 4] = ["--server", "127.0.0.1", "--port", "8484"];
const HOME: &str = "alice.agenttalk";

fn hand_out(relay: &Relay, id: &str, subject: &str) {
    relay
        .hand_out("alice", incoming(id, "otto.agenttalk", "alice.agenttalk", &payload("otto.agenttalk", subject, "y")));
}

/// A message with a blob, as otto sends it.
fn with_blob(relay: &Relay, id: &str, bytes: &[u8], size: usize) {
    let blob = json!({"name": "big.bin", "blob": BlobName::of(bytes).to_string(), "size": size});
    let payload = json!({"subject": id, "body": "see the file", "from": "otto.agenttalk", "attachments": [blob]});
    relay.hand_out("alice", incoming(id, "otto.agenttalk", "alice.agenttalk", &payload.to_string()));
}

/// A machine without a config, beside a relay.
fn newcomer(relay: &Relay) -> Machine {
    let mut shell = Machine::of("nobody@localhost");
    shell.host.files.clear();
    connect(&mut shell.host, &[(URL, relay)]);
    shell
}

/// The same with randomness, and so a key, of its own.
fn stranger(relay: &Relay) -> Machine {
    let mut shell = Machine::of("nobody@localhost");
    shell.run(&["crypto-identity"]).ok();
    shell.host.files.clear();
    connect(&mut shell.host, &[(URL, relay)]);
    shell
}

fn register(shell: &mut Machine, words: &[&str]) -> memory::machine::Ran {
    shell.run(&[&["register"], &SERVER[..], words].concat())
}

#[test]
fn a_registration_makes_an_account_that_the_key_owns() {
    let relay = Relay::of_version2();
    let mut shell = newcomer(&relay);
    let ran = register(&mut shell, &["--agent", "Alice"]).ok();
    let fingerprint = ran.json["fingerprint"].as_str().unwrap().to_owned();
    assert_eq!(ran.json["certified_address"], format!("alice.{fingerprint}.agenttalk"));
    assert!(ran.out.contains(&fingerprint) && !format!("{ran:?}").contains("token-of-alice"), "{ran:#?}");
    assert_eq!(shell.settings()["agent_name"], "alice.agenttalk");
    assert_eq!(shell.settings()["agenttalk"], json!({"server": URL, "token": "token-of-alice"}));
    assert_eq!(shell.run(&["crypto-identity"]).ok().json["fingerprint"], fingerprint);
    assert!(relay.version2(|known| known.keys.contains_key("alice")));
}

#[test]
fn who_has_the_key_gets_the_account_back() {
    let relay = Relay::of_version2();
    let mut shell = newcomer(&relay);
    register(&mut shell, &["--agent", "alice"]).ok();
    // As after a crash between the relay's answer and the config's write.
    shell.host.files.retain(|(root, path), _| *root != Root::Config && path.ends_with(".identity_key"));
    register(&mut shell, &["--agent", "alice"]).ok();
    assert_eq!(shell.settings()["agenttalk"]["token"], "token-of-alice-again");
    register(&mut shell, &["--agent", "alice", "-y"]).ok();
    assert_eq!(shell.settings()["relays"], json!([]), "the same account, not one more");
    register(&mut stranger(&relay), &["--agent", "alice"]).fails(1, "another name");
}

#[test]
fn no_key_of_another_agent_is_used() {
    let relay = Relay::of_version2();
    let mut shell = newcomer(&relay);
    register(&mut shell, &["--agent", "alice"]).ok();
    shell.host.files.remove(&(Root::Config, "config.json".to_owned()));
    register(&mut shell, &["--agent", "alice"]).fails(3, "belongs to another agent");
    assert_eq!(relay.calls("POST /v2/register"), 1);
}

#[test]
fn no_challenge_of_another_relay_is_signed() {
    let relay = Relay::of_version2();
    let mut shell = newcomer(&relay);
    relay.next("POST /v2/challenge", as_json(200, &json!({"challenge": "abc@bank.example"})));
    register(&mut shell, &["--agent", "alice"]).fails(1, "bank.example");
    assert_eq!(relay.calls("POST /v2/register"), 0);
}

#[test]
fn the_account_is_the_named_agents_whoever_the_environment_names() {
    let relay = Relay::of_version2();
    let mut shell = newcomer(&relay);
    shell.agent = Some("zed@localhost".into());
    let fingerprint = register(&mut shell, &["--agent", "alice"]).ok().json["fingerprint"].clone();
    shell.agent = None;
    let own = shell.run(&["crypto-identity"]).ok().json;
    assert_eq!((&own["agent"], &own["fingerprint"]), (&json!("alice.agenttalk"), &fingerprint));
    assert!(shell.below("zed@localhost").is_empty());
}

#[test]
fn a_name_that_is_taken_leaves_no_mailbox_that_would_swallow_its_owners_mail() {
    let relay = Relay::of_version2();
    register(&mut newcomer(&relay), &["--agent", "bob"]).ok();
    let mut shell = stranger(&relay);
    register(&mut shell, &["--agent", "bob"]).fails(1, "another name");
    register(&mut shell, &["--agent", "alice"]).ok();
    shell.run(&["send", "--to", "bob.agenttalk", "-s", "x", "-b", "y"]).ok();
    assert_eq!(relay.calls("POST /v2/messages"), 1, "{:?}", shell.host.files.keys());
    // A mailbox that was there is nobody's to remove.
    let mut shell = stranger(&relay);
    shell.put("bob.agenttalk/2026-01-01/notes/plan.txt", "mine");
    register(&mut shell, &["--agent", "bob"]).fails(1, "another name");
    assert_eq!(shell.mailbox_file("bob.agenttalk/2026-01-01/notes/plan.txt").as_deref(), Some("mine"));
}

#[test]
fn a_name_that_nobody_gets_leaves_no_mailbox() {
    let relay = Relay::of_version2();
    let mut shell = stranger(&relay);
    let reserved = json!({"error": "this name is reserved; choose another", "code": "bad_name"});
    relay.next("POST /v2/register", as_json(400, &reserved));
    let before = shell.host.files.clone();
    register(&mut shell, &["--agent", "admin"]).fails(1, "under another name");
    assert_eq!(shell.host.files, before);
}

#[test]
fn the_doctor_notices_a_token_that_the_relay_does_not_accept() {
    for relay in [Relay::new(), Relay::of_version2()] {
        let mut shell = Machine::on(&relay, "alice");
        hand_out(&relay, "1_o", "first");
        shell.run(&["doctor"]).ok();
        shell.reconfigure(|config| config["relays"][0]["token"] = json!("an-old-one"));
        let ran = shell.run(&["doctor"]).fails(1, "");
        assert!(ran.out.contains(&format!("FAULT relay {URL}: {URL} does not accept the token")), "{}", ran.out);
        assert_eq!(shell.run(&["status"]).ok().json["transports"][1]["reachable"], false);
        assert_eq!(relay.waiting("alice").len(), 1, "what waits stays");
    }
}

#[test]
fn a_relay_is_asked_once_what_it_speaks() {
    let relay = Relay::of_version2();
    let mut shell = Machine::on(&relay, "alice");
    for _ in 0..3 {
        shell.run(&["inbox"]).ok();
    }
    assert_eq!(
        (relay.calls("GET /status"), relay.calls("GET /v2/messages")),
        (1, 3),
        "a warm mailbox costs one request"
    );
    assert_eq!((relay.calls("GET /messages"), relay.calls("POST /v2/ack")), (0, 0));
    assert_eq!(shell.mailbox_file(&format!("{HOME}/.spool")), None);
    let before = relay.requests().len();
    relay.account("bob");
    shell.run(&["send", "--to", "bob", "-s", "x", "-b", "y"]).ok();
    assert_eq!(relay.requests().len() - before, 1, "one message is one request");
}

#[test]
fn a_relay_may_learn_version_2_and_forget_it() {
    let relay = Relay::new();
    relay.account("bob");
    let mut shell = Machine::on(&relay, "alice");
    shell.run(&["inbox"]).ok();
    relay.speak_version2(true);
    hand_out(&relay, "1_o", "first");
    shell.run(&["inbox"]).ok();
    assert_eq!((relay.calls("GET /messages"), relay.calls("GET /v2/messages")), (2, 0), "not asked again within a day");
    shell.sleep_days(1);
    hand_out(&relay, "2_o", "second");
    shell.run(&["inbox"]).ok();
    assert_eq!((relay.calls("GET /messages"), relay.calls("GET /v2/messages")), (2, 1));
    relay.speak_version2(false);
    hand_out(&relay, "3_o", "third");
    shell.run(&["send", "--to", "bob", "-s", "x", "-b", "y"]).ok();
    let ran = shell.run(&["inbox"]).ok();
    assert_eq!(ran.json["sync"]["relays"][0]["problem"], Value::Null, "{ran:#?}");
    assert_eq!((relay.calls("POST /send"), relay.waiting("bob").len()), (1, 1), "in the same cycle");
    assert_eq!(shell.listed().len(), 3);
}

#[test]
fn what_cannot_say_what_it_speaks_is_not_fetched_from() {
    let relay = Relay::of_version2();
    let mut shell = Machine::on(&relay, "alice");
    for answer in [raw(200, b"<html>"), raw(503, b"{}"), broken(IoErrorKind::Unreachable)] {
        relay.next("GET /status", answer);
        hand_out(&relay, "1_o", "x");
        let ran = shell.run(&["inbox"]).ok();
        assert!(ran.json["sync"]["relays"][0]["problem"].is_string(), "{ran:#?}");
        assert_eq!(relay.calls("GET /messages") + relay.calls("GET /v2/messages"), 0);
    }
    // A proxy in between that answers 404 makes no relay one of version 1.
    shell.run(&["inbox"]).ok();
    relay.next("GET /v2/messages", raw(404, b"<html>"));
    shell.run(&["inbox"]).ok();
    assert_eq!(relay.calls("GET /messages"), 0);
}

#[test]
fn many_messages_go_in_few_requests() {
    let relay = Relay::of_version2();
    let mut shell = Machine::on(&relay, "alice");
    shell.run(&["inbox"]).ok();
    relay.always("POST /v2/messages", Some(broken(IoErrorKind::Unreachable)));
    relay.account("bob");
    relay.account("carl");
    for at in 0..30 {
        shell.run(&["send", "--to", "bob,carl,nobody.agenttalk", "-s", &at.to_string(), "-b", "y"]).ok();
    }
    relay.always("POST /v2/messages", None);
    shell.host.now.unix_ms += 60_000;
    let before = relay.calls("POST /v2/messages");
    shell.run(&["daemon", "--once"]).ok();
    assert_eq!(relay.calls("POST /v2/messages") - before, 1);
    assert_eq!((relay.waiting("bob").len(), relay.waiting("carl").len()), (30, 30));
    assert_eq!(shell.messages(HOME, "failed").len(), 30, "each recipient has its own fate");
}

#[test]
fn a_batch_stays_within_the_relays_limits() {
    let relay = Relay::of_version2();
    relay.version2(|known| known.limits["batch_messages"] = json!(7));
    relay.account("bob");
    let mut shell = Machine::on(&relay, "alice");
    relay.always("POST /v2/messages", Some(broken(IoErrorKind::Unreachable)));
    for at in 0..20 {
        shell.run(&["send", "--to", "bob", "-s", &at.to_string(), "-b", "y"]).ok();
    }
    relay.always("POST /v2/messages", None);
    shell.host.now.unix_ms += 60_000;
    let before = relay.calls("POST /v2/messages");
    shell.run(&["daemon", "--once"]).ok();
    assert_eq!((relay.calls("POST /v2/messages") - before, relay.waiting("bob").len()), (3, 20));
}

#[test]
fn a_lost_answer_sends_nothing_twice() {
    let relay = Relay::of_version2();
    relay.account("bob");
    let mut shell = Machine::on(&relay, "alice");
    shell.run(&["inbox"]).ok();
    // The relay takes it, and the answer is lost: the state is put back to what it was before.
    shell.run(&["send", "--to", "bob", "-s", "x", "-b", "y"]).ok();
    let sent = shell.messages(HOME, "sent");
    let (path, text) = sent.first_key_value().unwrap();
    shell.put(&path.replace("/sent/", "/outbox/"), text.as_bytes());
    shell.host.files.remove(&(Root::Mailboxes, path.clone()));
    let ran = shell.run(&["daemon", "--once"]).ok();
    assert_eq!((&ran.json["delivered"], relay.waiting("bob").len()), (&json!(1), 1));
}

#[test]
fn one_message_at_fault_costs_no_other() {
    let relay = Relay::of_version2();
    relay.account("bob");
    let mut shell = Machine::on(&relay, "alice");
    shell.run(&["inbox"]).ok();
    relay.always("POST /v2/messages", Some(broken(IoErrorKind::Unreachable)));
    for at in 0..3 {
        shell.run(&["send", "--to", "bob", "-s", &at.to_string(), "-b", "y"]).ok();
    }
    relay.always("POST /v2/messages", None);
    shell.host.now.unix_ms += 60_000;
    let bad = as_json(400, &json!({"error": "bad", "code": "bad_request"}));
    relay.next("POST /v2/messages", bad.clone());
    relay.next("POST /v2/messages", bad);
    shell.run(&["daemon", "--once"]).ok();
    assert_eq!((relay.waiting("bob").len(), shell.messages(HOME, "failed").len()), (2, 1));
}

#[test]
fn a_message_is_acknowledged_when_it_is_stored() {
    let relay = Relay::of_version2();
    let mut shell = Machine::on(&relay, "alice");
    hand_out(&relay, "1_o", "first");
    hand_out(&relay, "2_o", "second");
    shell.refuses = Box::new(|effect| {
        let is_message = format!("{effect:?}").contains("/inbox/") && effect.name() == "WriteAtomic";
        is_message.then_some(IoErrorKind::StorageFull)
    });
    shell.run(&["inbox"]).fails(1, "free some space");
    assert_eq!((relay.calls("POST /v2/ack"), relay.waiting("alice").len()), (0, 2), "it waits at the relay");
    shell.refuses = Box::new(|_| None);
    relay.next("POST /v2/ack", broken(IoErrorKind::Unreachable));
    shell.run(&["inbox"]).ok();
    assert_eq!((shell.listed().len(), relay.waiting("alice").len()), (2, 2));
    // On the next day they come again, are known, and are acknowledged.
    shell.sleep_days(1);
    let ran = shell.run(&["inbox"]).ok();
    assert_eq!((&ran.json["sync"]["repeated"], shell.listed().len(), relay.waiting("alice").len()), (&json!(2), 2, 0));
}

#[test]
fn what_was_stored_before_a_crash_is_known_on_another_day() {
    let relay = Relay::of_version2();
    let mut shell = Machine::on(&relay, "alice");
    hand_out(&relay, "1_o", "first");
    shell.refuses = Box::new(|effect| {
        (effect.name() == "Append" && format!("{effect:?}").contains(".seen_ids")).then_some(IoErrorKind::Other)
    });
    shell.run(&["inbox"]).fails(1, "");
    assert_eq!(shell.listed().len(), 1);
    shell.refuses = Box::new(|_| None);
    shell.sleep_days(1);
    shell.run(&["inbox"]).ok();
    assert_eq!((shell.listed().len(), relay.waiting("alice").len()), (1, 0));
}

#[test]
fn what_cannot_be_read_is_kept_before_it_is_acknowledged() {
    let relay = Relay::of_version2();
    let mut shell = Machine::on(&relay, "alice");
    relay.hand_out("alice", json!({"id": "1", "payload": "no sender"}));
    hand_out(&relay, "2_o", "good");
    let ran = shell.run(&["inbox"]).ok();
    assert!(ran.err.contains("kept in .spool"), "{ran:#?}");
    let kept = shell.below(&format!("{HOME}/.spool/"));
    assert!(kept.len() == 1 && shell.mailbox_file(&kept[0]).unwrap().contains("no sender"), "{kept:?}");
    assert_eq!((shell.listed().len(), relay.waiting("alice").len()), (1, 0));
}

#[test]
fn a_large_attachment_goes_as_a_blob_to_who_has_a_key() {
    let relay = Relay::of_version2();
    let mut shell = Machine::on(&relay, "alice");
    relay.account("bob");
    relay.version2(|known| known.keys.insert("bob".to_owned(), [7; 32]));
    let big: Vec<u8> = (0..150_000_u32).map(|at| (at % 251) as u8).collect();
    shell.files.insert("big.bin".into(), big.clone());
    shell.files.insert("small.txt".into(), b"small".to_vec());
    shell.run(&["send", "--to", "bob", "-s", "x", "-b", "y", "-a", "big.bin", "-a", "small.txt"]).ok();
    let sent = relay.waiting("bob")[0]["payload"].as_str().unwrap().to_owned();
    let sent: Value = serde_json::from_str(&sent).unwrap();
    let hash = BlobName::of(&big).to_string();
    assert_eq!(sent["attachments"][0], json!({"name": "big.bin", "blob": hash, "size": 150_000}));
    assert_eq!(sent["attachments"][1]["data"], "c21hbGw=");
    assert_eq!(relay.version2(|known| known.blobs[&hash].clone()), big);
    // A second time the bytes are not sent again.
    let before = relay.calls("PUT /v2/blobs");
    shell.run(&["send", "--to", "bob", "-s", "again", "-b", "y", "-a", "big.bin"]).ok();
    let puts: Vec<usize> =
        relay.requests().iter().filter(|http| http.method == "PUT").map(|http| http.body.len()).collect();
    assert_eq!(puts[before..], [1], "one byte, so that its time begins anew");
    // Who has no key gets it in the message.
    relay.account("carl");
    shell.run(&["send", "--to", "carl,bob", "-s", "both", "-b", "y", "-a", "big.bin"]).ok();
    assert!(relay.waiting("carl")[0]["payload"].as_str().unwrap().contains("\"data\""));
    assert_eq!(relay.waiting("bob").len(), 3);
}

#[test]
fn what_a_relay_brings_is_written_in_the_order_of_the_protocol() {
    let relay = Relay::of_version2();
    let mut shell = Machine::on(&relay, "alice");
    let mut bob = Machine::on(&relay, "bob");
    bob.files.insert("plan.txt".into(), b"plan".to_vec());
    bob.run(&["send", "--to", "alice", "--cc", "bob", "-s", "Plan", "-b", "y", "-a", "plan.txt"]).ok();
    shell.run(&["inbox"]).ok();
    let id = shell.the_one("Plan")["id"].as_str().unwrap().to_owned();
    let headers = shell.run(&["read", &id]).ok().json["headers"].as_array().unwrap().clone();
    let names: Vec<&str> = headers.iter().map(|header| header[0].as_str().unwrap()).collect();
    let order = ["From", "To", "Cc", "Subject", "Date", "Message-ID", "Status", "Attachments", "Verdict"];
    assert_eq!(names, order);
}

#[test]
fn what_does_not_fit_goes_as_a_blob_and_to_nobody_who_may_not_know_blobs() {
    let relay = Relay::of_version2();
    let mut shell = Machine::on(&relay, "alice");
    relay.account("bob");
    relay.version2(|known| known.keys.insert("bob".to_owned(), [7; 32]));
    let big: Vec<u8> = (0..9_500_000_u32).map(|at| (at % 249) as u8).collect();
    shell.files.insert("big.bin".into(), big.clone());
    // The connection breaks in the middle, the relay has another opinion of where it has got to, and it goes on.
    relay.next("HEAD /v2/blobs", broken(IoErrorKind::TimedOut));
    relay.next(
        "HEAD /v2/blobs",
        Ok(HttpAnswer::whole(404, vec![("upload-offset".to_owned(), "77".to_owned())], Vec::new())),
    );
    shell.run(&["send", "--to", "bob", "-s", "x", "-b", "y", "-a", "big.bin"]).ok();
    assert_eq!(relay.version2(|known| known.blobs[&BlobName::of(&big).to_string()].clone()), big);
    assert_eq!(relay.waiting("bob").len(), 1);
    // The existing client, which has no key there, would lose what it cannot read.
    relay.account("rolf");
    let refused = shell.run(&["send", "--to", "rolf", "-s", "x", "-b", "y", "-a", "big.bin"]);
    assert!(refused.code == 1 && refused.out.contains("no key"), "{refused:#?}");
    assert_eq!(relay.waiting("rolf").len(), 0);
    let mut bob = Machine::on(&relay, "bob");
    let before = relay.calls("GET /v2/blobs");
    bob.run(&["inbox"]).ok();
    assert_eq!(relay.calls("GET /v2/blobs") - before, 3, "in parts of a few MiB");
    let path = bob.below("bob.agenttalk/").into_iter().find(|path| path.ends_with("/big.bin")).unwrap();
    assert!(bob.host.file(Root::Mailboxes, &path).unwrap() == big.as_slice());
    assert_eq!(bob.the_one("x")["verdict"], "valid", "{:#?}", bob.the_one("x"));
    assert_eq!(relay.waiting("bob").len(), 0);
}

#[test]
fn a_blob_that_is_gone_or_wrong_leaves_a_notice() {
    for (held, size, said) in [
        (None, 5, "does not have it"),
        (Some(&b"other"[..]), 5, "not what was sent"),
        (Some(b"hello"), 4, "not what was sent"),
        (Some(b"hello"), 99, "does not have it"),
        (Some(b"hello"), usize::MAX >> 1, "larger than azall takes"),
    ] {
        let relay = Relay::of_version2();
        let mut shell = Machine::on(&relay, "alice");
        with_blob(&relay, "1_o", b"hello", size);
        if let Some(bytes) = held {
            relay.version2(|known| known.blobs.insert(BlobName::of(b"hello").to_string(), bytes.to_vec()));
        }
        let ran = shell.run(&["inbox"]).ok();
        assert!(ran.err.contains(said), "{ran:#?}");
        let path =
            shell.below(&format!("{HOME}/")).into_iter().find(|path| path.ends_with("big.bin.missing.txt")).unwrap();
        assert!(shell.mailbox_file(&path).unwrap().contains(said), "{said}");
        assert_eq!((shell.listed().len(), relay.waiting("alice").len()), (1, 0));
    }
}

#[test]
fn a_blob_that_cannot_be_had_now_is_asked_for_again_and_not_for_ever() {
    let relay = Relay::of_version2();
    let mut shell = Machine::on(&relay, "alice");
    with_blob(&relay, "1_o", b"hello", 5);
    hand_out(&relay, "2_o", "plain");
    relay.version2(|known| known.blobs.insert(BlobName::of(b"hello").to_string(), b"hello".to_vec()));
    relay.always("GET /v2/blobs", Some(raw(500, b"out of order")));
    shell.run(&["inbox"]).ok();
    assert_eq!((shell.listed().len(), relay.waiting("alice").len()), (1, 1), "the other one is not held up");
    let mut later = Machine::on(&relay, "alice");
    relay.always("GET /v2/blobs", None);
    shell.run(&["inbox"]).ok();
    assert_eq!((shell.listed().len(), relay.waiting("alice").len()), (2, 0));
    with_blob(&relay, "3_o", b"hello", 5);
    relay.always("GET /v2/blobs", Some(raw(500, b"out of order")));
    // The message is of 2026-03-11T14:30:00Z, and the relay keeps it for two days.
    later.sleep_days(1);
    later.run(&["inbox"]).ok();
    assert_eq!((later.listed().len(), relay.waiting("alice").len()), (1, 0));
}

#[test]
fn an_address_that_certifies_a_key_is_taken() {
    let relay = Relay::of_version2();
    let mut alice = newcomer(&relay);
    let own = register(&mut alice, &["--agent", "alice"]).ok().json["certified_address"].as_str().unwrap().to_owned();
    let mut bob = stranger(&relay);
    register(&mut bob, &["--agent", "bob"]).ok();
    bob.run(&["send", "--to", &own, "-s", "certified", "-b", "y"]).ok();
    alice.run(&["inbox"]).ok();
    assert_eq!(alice.the_one("certified")["misaddressed"], Value::Bool(false), "{:#?}", alice.the_one("certified"));
    let other = "alice.0123456789abcdef.agenttalk";
    bob.run(&["send", "--to", other, "-s", "x", "-b", "y"]).fails(1, "");
    relay.speak_version2(false);
    bob.run(&["send", "--to", &own, "-s", "by name", "-b", "y"]).ok();
    alice.run(&["inbox"]).ok();
    alice.the_one("by name");
}

#[test]
fn the_directory_shows_keys() {
    let relay = Relay::of_version2();
    let mut shell = newcomer(&relay);
    let ran = register(&mut shell, &["--agent", "alice"]).ok();
    relay.account("bob");
    relay.version2(|known| known.keys.insert("carl".to_owned(), [7; 32]));
    relay.account("carl");
    let listed = shell.run(&["directory"]).ok();
    assert!(listed.out.contains("bob.agenttalk") && listed.out.contains(", key "), "{}", listed.out);
    assert!(ran.json["fingerprint"].is_string());
}

#[test]
fn the_daemon_listens_between_its_cycles() {
    let relay = Relay::of_version2();
    let mut shell = Machine::on(&relay, "alice");
    hand_out(&relay, "1_o", "first");
    shell.run_for(25_000, &["daemon"]).ok();
    let waits = relay.requests().iter().filter(|http| http.url.contains("wait=10")).count();
    assert!(waits >= 20, "{waits}: a relay that does not hold back its answers is asked once a second");
    assert_eq!(relay.calls("GET /messages"), 0);
    // A relay that fails is left to the next cycle, which listens again.
    relay.next("GET /v2/messages", raw(200, b"{\"messages\": [], \"next\": \"1\"}"));
    relay.next("GET /v2/messages", raw(503, b"{}"));
    hand_out(&relay, "2_o", "second");
    let ran = shell.run_for(25_000, &["daemon"]).ok();
    assert_eq!((&ran.json["received"], shell.listed().len()), (&json!(1), 2), "{ran:#?}");
}
