//! Worlds that once went wrong.

use azall_sim::explore::run;
use azall_sim::plan::Plan;

fn goes_well(seed: u64) {
    let result = run(&Plan::of_seed(seed), false);
    assert!(result.wrong.is_empty(), "seed {seed}:\n{}", result.wrong.join("\n"));
}

/// The disk was full when the seen ids were written, the clock was set back, and a relay brought the message again before
/// the inbox was looked over.
#[test]
fn what_lies_in_the_inbox_is_entered_before_it_can_come_again() {
    goes_well(4886);
}

/// A process was stopped between claiming a message and reading its files, and the next one moved them away.
#[test]
fn no_message_is_sent_without_an_attachment_that_it_names() {
    goes_well(4919);
}

/// A process was killed between naming a message in the inbox and making the name durable. The next one entered it among the
/// seen ids, acknowledged it to the relay, and the power went.
#[test]
fn what_is_acknowledged_has_a_name_that_lasts() {
    goes_well(3434);
}

/// A message was held back by a process that died before it entered it among the seen ids, and dropped a second time by a sender
/// that had been stopped.
#[test]
fn what_is_held_back_does_not_come_into_the_inbox_as_well() {
    goes_well(11_738);
}

/// Two processes, one of which put an address on the blacklist while the other took it off: the later write counts, and what is
/// turned away after it is rightly so. (The model took it for lost.)
#[test]
fn what_is_blocked_while_it_is_unblocked_stays_blocked() {
    goes_well(19_010);
}

/// A process was killed between writing a message that it held back and entering its sender's key, and the relay that still had
/// the message lost it.
#[test]
fn the_key_of_what_is_held_back_is_learned() {
    goes_well(19_955);
}

/// A process was killed between storing a message that a relay had brought and entering its id; its sender, whose clock was set
/// back, had dropped it on the day before.
#[test]
fn what_was_stored_is_entered_before_what_was_dropped_is_judged() {
    goes_well(8524);
}

/// A process was killed between naming the notice of a message that it gave up and making the name durable. The next one moved the
/// message to `failed/`, and the power went.
#[test]
fn the_notice_of_what_is_given_up_has_a_name_that_lasts() {
    goes_well(16_512);
}

/// A process was stopped in the middle of an attempt. Another one gave the message up, moved its attachments to `failed/`, and had no
/// room to move the message; the first woke up and had it wait again, for attachments that were not there.
#[test]
fn what_was_given_up_does_not_wait_again() {
    goes_well(28_114);
}
