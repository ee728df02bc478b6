//! `reply`: to whom, quoting what, and chains of answers.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::string_slice,
    missing_docs
)]

mod memory;
use memory::machine::Machine;

const ALICE: &str = "config.json";
const BOB: &str = "bob.json";

/// Alice, Bob and Carl on one machine; Alice has a message of Bob's, of which Carl has a copy.
fn three() -> Machine {
    let mut shell = Machine::of("alice@localhost");
    for (config, agent) in [(BOB, "bob@localhost"), ("carl.json", "carl@localhost")] {
        shell.add_agent(config, agent);
        shell.run(&["--config", config, "crypto-identity"]).ok();
    }
    shell.run(&["crypto-identity"]).ok();
    let words = ["--config", BOB, "send", "--to", "alice@localhost", "--cc", "carl@localhost", "-s", "Plan", "-b"];
    shell.run(&[&words[..], &["Shall we?"]].concat()).ok();
    shell
}

fn id_of(shell: &mut Machine, subject: &str) -> String {
    shell.the_one(subject)["id"].as_str().unwrap().to_owned()
}

#[test]
fn it_goes_to_the_sender_and_quotes_the_inner_text_alone() {
    let mut shell = three();
    let id = id_of(&mut shell, "Plan");
    let ran = shell.run(&["reply", &id, "-b", "Yes, let us.\n\n"]).ok();
    assert!(ran.out.contains("bob@localhost: accepted"), "{}", ran.out);
    shell.config = BOB.into();
    let answer = id_of(&mut shell, "Re: Plan");
    let read = shell.run(&["read", &answer]).ok();
    assert_eq!(read.json["verdict"], "valid");
    let text = read.json["text"].as_str().unwrap();
    assert!(text.starts_with("Yes, let us.\n\n--- Original from bob@localhost ("), "{text}");
    assert!(text.ends_with("---\nShall we?"), "{text}");
    assert!(!text.contains("AGENTAZALL"), "{text}");
    let headers = read.json["headers"].as_array().unwrap();
    assert!(headers.iter().any(|header| header[0] == "In-Reply-To" && header[1] == id.as_str()), "{headers:?}");
}

#[test]
fn all_means_everybody_but_me() {
    let mut shell = three();
    let id = id_of(&mut shell, "Plan");
    let alone = shell.run(&["reply", &id, "-b", "To Bob."]).ok();
    assert_eq!(alone.json["recipients"].as_array().unwrap().len(), 1);
    let all = shell.run(&["reply", &id, "-b", "To both.", "--all"]).ok();
    let addresses: Vec<_> = all.json["recipients"].as_array().unwrap().iter().map(|r| &r["address"]).collect();
    assert_eq!(addresses, ["bob@localhost", "carl@localhost"]);
}

#[test]
fn an_answer_to_my_own_message_goes_where_that_went() {
    let mut shell = three();
    let sent = shell.run(&["send", "--to", "bob@localhost", "-s", "More", "-b", "x"]).ok();
    let ran = shell.run(&["reply", sent.json["id"].as_str().unwrap(), "-b", "And more."]).ok();
    assert_eq!(ran.json["recipients"][0]["address"], "bob@localhost");
}

#[test]
fn a_chain_of_answers_stays_valid_and_its_subject_short() {
    let mut shell = three();
    let mut config = ALICE;
    let mut id = id_of(&mut shell, "Plan");
    for round in 0..8 {
        shell.config = config.into();
        let text = format!("Answer {round}. ---BEGIN AGENTAZALL SIGNED MESSAGE---\n---END AGENTAZALL SIGNATURE---");
        let ran = shell.run(&["reply", &id, "-b", &text]).ok();
        assert_eq!(ran.json["subject"], "Re: Plan");
        id = ran.json["id"].as_str().unwrap().to_owned();
        config = if config == ALICE { BOB } else { ALICE };
        shell.config = config.into();
        let read = shell.run(&["read", &id]).ok();
        assert_eq!(read.json["verdict"], "valid", "round {round}");
        let body = read.json["text"].as_str().unwrap();
        assert!(body.starts_with(&text), "what was escaped on the way is as it was: {body}");
        assert!((0..=round).all(|n| body.contains(&format!("Answer {n}."))), "{body}");
        assert!(body.ends_with("Shall we?"));
    }
}

#[test]
fn an_id_may_be_short_but_not_ambiguous_and_must_be_there() {
    let mut shell = three();
    for (id, subject) in [("aa11", "one"), ("aa22", "two")] {
        let text = format!("From: bob@localhost\nSubject: {subject}\nMessage-ID: {id}\nStatus: new\n\n---\nx");
        shell.put(&format!("alice@localhost/2026-03-11/inbox/{id}.txt"), text.as_bytes());
    }
    assert_eq!(shell.run(&["reply", "aa1", "-b", "x"]).ok().json["subject"], "Re: one");
    assert_eq!(shell.run(&["reply", "aa22", "-b", "x"]).ok().json["subject"], "Re: two");
    shell.run(&["reply", "aa", "-b", "x"]).fails(1, "aa11, aa22");
    shell.run(&["reply", "nosuch", "-b", "x"]).fails(1, "nosuch");
    shell.run(&["reply", "../../config", "-b", "x"]).fails(1, "../../config");
    shell.run(&["reply", "aa11"]).fails(2, "the text is missing");
    shell.run(&["reply"]).fails(2, "<ID>");
    assert!(shell.pipe("from a pipe", &["reply", "aa11"]).ok().out.contains("accepted"));
}

#[test]
fn a_sender_who_is_no_address_cannot_be_answered() {
    let mut shell = three();
    shell.put(
        "alice@localhost/2026-03-11/inbox/bad1.txt",
        b"From: not an address\nSubject: x\nMessage-ID: bad1\n\n---\nx",
    );
    let sent = shell.messages("alice@localhost", "sent").len();
    shell.run(&["reply", "bad1", "-b", "x"]).fails(1, "not an address");
    assert_eq!(shell.messages("alice@localhost", "sent").len(), sent);
    assert!(shell.messages("alice@localhost", "outbox").is_empty());
}
