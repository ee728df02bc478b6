//! The trust commands: tokens, bindings, and what they refuse.
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
use serde_json::{Value, json};

const OWNER: &str = "greg@localhost";
const TRUST: &str = "alice@localhost/.trust";

fn alice() -> Machine {
    Machine::of("alice@localhost")
}

/// A raw token of the agent.
fn token(shell: &mut Machine) -> String {
    shell.run(&["trust-gen", "-q"]).ok().out.trim().to_owned()
}

fn bound(shell: &mut Machine) -> Value {
    shell.run(&["trust-status"]).ok().json["owner"].clone()
}

#[test]
fn quiet_prints_the_base64_alone() {
    let mut shell = alice();
    let ran = shell.run(&["trust-gen", "--quiet"]).ok();
    let [line] = ran.out.lines().collect::<Vec<_>>().try_into().unwrap();
    assert!(line.len() > 5_000 && line.bytes().all(|b| b.is_ascii_alphanumeric() || b"+/=".contains(&b)));
    assert_eq!(ran.json["token"], line);
    let pending = shell.host.file(Root::Mailboxes, "alice@localhost/.trust_token_pending").unwrap();
    assert!(serde_json::from_slice::<Value>(pending).is_ok());
}

#[test]
fn a_token_is_good_armored_or_raw_from_an_argument_a_file_or_a_pipe() {
    let mut shell = alice();
    let armor = shell.run(&["trust-gen"]).ok().out;
    let raw = token(&mut shell);
    shell.files.insert("token.txt".into(), armor.clone().into_bytes());
    let quoted: String = armor.lines().map(|line| format!("> {line}\n")).collect();
    for ran in [
        shell.run(&["trust-verify", "--file", "token.txt"]),
        shell.run(&["trust-verify", "--token", &raw]),
        shell.pipe(&raw, &["trust-verify"]),
        shell.pipe(&armor, &["trust-verify"]),
        shell.pipe(&quoted, &["trust-verify"]),
    ] {
        let ran = ran.ok();
        assert!(ran.out.starts_with("VALID: token verified for alice@localhost"), "{}", ran.out);
        assert_eq!((&ran.json["valid"], &ran.json["used"]), (&json!(true), &json!(false)));
    }
    shell.run(&["trust-verify", "--file", "nosuch.txt"]).fails(1, "nosuch.txt");
    shell.run(&["trust-verify"]).fails(2, "the token is missing");
    shell.run(&["trust-verify", "--token", "x", "--file", "token.txt"]).fails(2, "--file");
}

#[test]
fn a_token_that_is_not_good_binds_nobody() {
    let mut shell = alice();
    let good = token(&mut shell);
    let mut other = Machine::of("otto@localhost");
    let foreign = token(&mut other);
    let middle = good.len() / 2;
    let flipped = if good.as_bytes()[middle] == b'A' { "B" } else { "A" };
    let changed = format!("{}{flipped}{}", &good[..middle], &good[middle + 1..]);
    for bad in ["garbage", "", &good[..1_000], &changed, &foreign, &"A".repeat(6_000)] {
        shell.pipe(bad, &["trust-verify"]).fails(1, "INVALID: ");
        shell.pipe(bad, &["trust-bind", "--owner", OWNER]).fails(3, "REJECTED: ");
        assert_eq!(bound(&mut shell), Value::Null);
    }
}

#[test]
fn a_token_holds_for_ten_minutes_and_for_this_machine() {
    let mut shell = alice();
    let good = token(&mut shell);
    shell.host.now.unix_ms += 599_000;
    shell.pipe(&good, &["trust-verify"]).ok();
    shell.host.now.unix_ms += 2_000;
    shell.pipe(&good, &["trust-verify"]).fails(1, "expired");
    shell.pipe(&good, &["trust-bind", "--owner", OWNER]).fails(3, "expired");
    shell.host.now.unix_ms -= 800_000;
    shell.pipe(&good, &["trust-verify"]).fails(1, "INVALID: ");
}

#[test]
fn a_token_binds_once() {
    let mut shell = alice();
    let first = token(&mut shell);
    let ran = shell.pipe(&first, &["trust-bind", "--owner", OWNER]).ok();
    assert!(ran.out.contains(OWNER), "{}", ran.out);
    assert_eq!(bound(&mut shell), OWNER);
    assert!(shell.host.file(Root::Mailboxes, "alice@localhost/.trust_token_pending").is_none());
    shell.pipe(&first, &["trust-bind", "--owner", "eve@localhost"]).fails(3, "already bound to greg@localhost");
    shell.run(&["trust-gen"]).fails(3, "already bound");
    let forced = shell.run(&["trust-gen", "--force", "-q"]).ok().out;
    shell.pipe(&forced, &["trust-bind", "--owner", "eve@localhost"]).fails(3, "already bound");
    shell.run(&["trust-revoke", "--yes"]).ok();
    shell.pipe(&first, &["trust-bind", "--owner", "eve@localhost"]).fails(3, "already been used");
    assert_eq!(shell.pipe(&first, &["trust-verify"]).ok().json["used"], true);
    assert_eq!(bound(&mut shell), Value::Null);
}

#[test]
fn binding_here_needs_no_token_and_force_to_change_owners() {
    let mut shell = alice();
    shell.run(&["trust-bind-local", "--owner", OWNER]).ok();
    shell.run(&["trust-bind-local", "--owner", "eve@localhost"]).fails(3, "already bound");
    assert_eq!(bound(&mut shell), OWNER);
    shell.run(&["trust-bind-local", "--owner", "eve@localhost", "--force"]).ok();
    assert_eq!(bound(&mut shell), "eve@localhost");
    for command in ["trust-bind", "trust-bind-local", "trust-bind-all"] {
        shell.run(&[command]).fails(2, "--owner");
    }
}

#[test]
fn an_owner_has_a_name_on_one_line() {
    for owner in ["", "  ", "a\nb", "a\u{1b}[2J", &"x".repeat(400)] {
        let mut shell = alice();
        shell.run(&["trust-bind-local", "--owner", owner]).fails(3, "owner");
        assert_eq!(bound(&mut shell), Value::Null);
    }
}

#[test]
fn all_agents_of_the_folder_are_bound_and_twice_is_no_failure() {
    let mut shell = alice();
    shell.run(&["crypto-identity"]).ok();
    shell.add_agent("bob.json", "bob@localhost");
    shell.run(&["--config", "bob.json", "crypto-identity"]).ok();
    shell.put("carl@localhost/2026-03-11/inbox/x.txt", b"a folder without a key is no agent's");
    let first = shell.run(&["trust-bind-all", "--owner", OWNER]).ok();
    assert_eq!(first.json["bound"], json!(["alice@localhost", "bob@localhost"]));
    let second = shell.run(&["trust-bind-all", "--owner", OWNER]).ok();
    assert_eq!((&second.json["bound"], &second.json["refused"]), (&json!([]), &json!([])));
    let other = shell.run(&["trust-bind-all", "--owner", "eve@localhost"]).fails(3, "");
    assert!(other.out.contains("NOT BOUND alice@localhost: agent alice@localhost is already bound"), "{}", other.out);
    shell.run(&["trust-bind-all", "--owner", "eve@localhost", "--force"]).ok();
    assert_eq!(bound(&mut shell), "eve@localhost");
}

#[test]
fn a_token_for_a_neighbour_binds_the_neighbour() {
    let mut shell = alice();
    shell.add_agent("bob.json", "bob@localhost");
    shell.run(&["--config", "bob.json", "crypto-identity"]).ok();
    let ran = shell.run(&["trust-gen", "--agent", "bob@localhost", "-q"]).ok();
    shell.pipe(&ran.out, &["trust-bind", "--owner", OWNER]).fails(3, "REJECTED");
    shell.pipe(&ran.out, &["--config", "bob.json", "trust-bind", "--owner", OWNER]).ok();
    shell.run(&["trust-gen", "--agent", "nosuch@localhost"]).fails(1, "nosuch@localhost");
    shell.run(&["trust-gen", "--agent", "../bob@localhost"]).fails(1, "address");
}

#[test]
fn revoking_has_to_be_meant() {
    let mut shell = alice();
    assert!(shell.run(&["trust-revoke"]).ok().out.contains("no owner"));
    assert!(shell.run(&["trust-revoke", "-y"]).ok().out.contains("no owner"));
    shell.run(&["trust-bind-local", "--owner", OWNER]).ok();
    shell.run(&["trust-revoke"]).fails(2, "--yes");
    for answer in ["", "no\n", "revoke\n", "yes\n"] {
        shell.pipe(answer, &["trust-revoke"]).fails(2, OWNER);
    }
    assert_eq!(bound(&mut shell), OWNER);
    assert!(shell.pipe("REVOKE\n", &["trust-revoke"]).ok().out.contains("free"));
    assert_eq!(bound(&mut shell), Value::Null);
}

#[test]
fn the_status_says_where_it_stands() {
    let mut shell = alice();
    let unbound = shell.run(&["trust-status"]).ok();
    assert!(unbound.out.contains("UNBOUND"), "{}", unbound.out);
    assert_eq!((&unbound.json["status"], &unbound.json["accepts_new_bindings"]), (&json!("unbound"), &json!(true)));
    shell.run(&["trust-bind-local", "--owner", OWNER]).ok();
    let bound = shell.run(&["trust-status"]).ok();
    assert!(bound.out.contains("ACTIVE") && bound.out.contains(OWNER), "{}", bound.out);
    assert_eq!((&bound.json["machine_matches"], &bound.json["accepts_new_bindings"]), (&json!(true), &json!(false)));
    let secret: Value = serde_json::from_slice(shell.host.file(Root::Mailboxes, TRUST).unwrap()).unwrap();
    assert!(!format!("{bound:?}").contains(secret["owner_auth_key"].as_str().unwrap()));
}

#[test]
fn a_damaged_binding_is_a_binding_until_it_is_revoked() {
    for content in ["", "{", "{}", "[]", "{\"owner\": 7}"] {
        let mut shell = alice();
        let raw = token(&mut shell);
        shell.put(TRUST, content.as_bytes());
        let path = format!("/home/data/mailboxes/{TRUST}");
        shell.run(&["trust-status"]).fails(1, &path);
        shell.run(&["trust-gen"]).fails(1, &path);
        shell.pipe(&raw, &["trust-bind", "--owner", "eve@localhost"]).fails(1, &path);
        shell.run(&["trust-bind-local", "--owner", "eve@localhost"]).fails(1, &path);
        shell.run(&["trust-revoke", "--yes"]).ok();
        shell.run(&["trust-bind-local", "--owner", OWNER]).ok();
    }
}

#[test]
fn used_nonces_that_cannot_be_read_are_not_taken_for_none() {
    let mut shell = alice();
    let raw = token(&mut shell);
    shell.put("alice@localhost/.used_nonces", b"{ damaged");
    let path = "/home/data/mailboxes/alice@localhost/.used_nonces";
    shell.pipe(&raw, &["trust-bind", "--owner", OWNER]).fails(1, path);
    shell.run(&["trust-bind-local", "--owner", OWNER]).fails(1, path);
    assert_eq!(bound(&mut shell), Value::Null);
}
