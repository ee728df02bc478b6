//! A disk that is full or cannot be written: what is asked of a relay then, and what is said.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::string_slice,
    missing_docs
)]

mod memory;

use azall_core::engine::effect::{Effect, IoErrorKind};
use memory::machine::Machine;
use memory::relay::{Relay, incoming, payload};

/// Alice, for whom a message waits at her relay.
fn alice() -> (Relay, Machine) {
    let relay = Relay::new();
    let shell = Machine::on(&relay, "alice");
    relay.hand_out("alice", incoming("1_o", "otto", "alice", &payload("otto.agenttalk", "kept", "Hello.")));
    (relay, shell)
}

fn is_write(effect: &Effect) -> bool {
    matches!(effect, Effect::WriteAtomic(_) | Effect::Append(_))
}

fn writes_spool(effect: &Effect) -> bool {
    matches!(effect, Effect::WriteAtomic(write) if write.place.path.as_str().contains("/.spool/"))
}

#[test]
fn a_relay_is_asked_for_nothing_that_cannot_be_kept() {
    for (kind, said) in [
        (IoErrorKind::StorageFull, "free some space"),
        (IoErrorKind::PermissionDenied, "the file system is not read-only"),
    ] {
        let (relay, mut shell) = alice();
        shell.refuses = Box::new(move |effect| is_write(effect).then_some(kind));
        let ran = shell.run(&["inbox"]).fails(1, said);
        assert!(ran.err.contains("/home/data/mailboxes/alice.agenttalk/"), "{ran:#?}");
        assert_eq!(relay.calls("GET /messages"), 0);
        assert_eq!(relay.waiting("alice").len(), 1);
        shell.refuses = Box::new(|_| None);
        shell.run(&["inbox"]).ok();
        assert_eq!(shell.listed().len(), 1);
    }
}

#[test]
fn what_a_relay_has_deleted_waits_for_room() {
    let (relay, mut shell) = alice();
    let mut left = 3;
    shell.refuses = Box::new(move |effect| {
        left -= u32::from(left > 0 && writes_spool(effect));
        (left > 0 && writes_spool(effect)).then_some(IoErrorKind::StorageFull)
    });
    let ran = shell.run(&["inbox"]).ok();
    assert_eq!(ran.err.matches("the disk is full").count(), 2, "{ran:#?}");
    assert!(relay.waiting("alice").is_empty());
    assert_eq!(shell.listed().len(), 1);
    assert!(!shell.below("alice.agenttalk").iter().any(|path| path.ends_with("/.room")));
}

#[test]
fn a_disk_that_stays_full_is_an_error_in_the_end() {
    let (_, mut shell) = alice();
    shell.refuses = Box::new(|effect| writes_spool(effect).then_some(IoErrorKind::StorageFull));
    let began = shell.host.now.unix_ms;
    shell.run(&["inbox"]).fails(1, "free some space");
    assert_eq!(shell.host.now.unix_ms - began, 600_000);
}

#[test]
fn a_message_that_cannot_be_queued_is_not_sent() {
    for kind in [IoErrorKind::StorageFull, IoErrorKind::PermissionDenied] {
        let (relay, mut shell) = alice();
        relay.account("bob");
        shell.run(&["crypto-identity"]).ok();
        shell.refuses = Box::new(move |effect| is_write(effect).then_some(kind));
        shell.run(&["send", "--to", "bob", "-s", "x", "-b", "y"]).fails(1, "/2026-03-11/outbox/");
        assert_eq!(relay.calls("POST /send"), 0);
        assert!(shell.messages("alice.agenttalk", "outbox").is_empty());
    }
}

#[test]
fn the_doctor_finds_a_mailbox_that_cannot_be_written() {
    let (_, mut shell) = alice();
    shell.run(&["crypto-identity"]).ok();
    shell.refuses = Box::new(|effect| is_write(effect).then_some(IoErrorKind::PermissionDenied));
    let ran = shell.run(&["doctor"]).fails(1, "");
    assert!(ran.out.contains("FAULT cannot write /home/data/mailboxes/alice.agenttalk/.lock"), "{}", ran.out);
    let offline = shell.run(&["inbox", "--offline"]).ok();
    assert!(offline.out.contains("(empty)"), "what only reads still works");
}
