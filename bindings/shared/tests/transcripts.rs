//! Whole commands, recorded step by step into `tests/transcripts`: what was asked, answered and told. Every language's build is to do
//! exactly the same when it is answered the same.
//!
//! `AZALL_RECORD=1 cargo test -p azall-bindings --test transcripts commands` records them anew.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing, missing_docs)]
#![allow(clippy::disallowed_methods, reason = "a test reads and writes its transcripts")]

#[path = "transcripts/documents.rs"]
mod documents;
#[path = "transcripts/host.rs"]
mod host;

use std::path::PathBuf;

use azall_bindings::operation::data_of_effect;
use azall_bindings::{Operation, Step, Value};
use azall_core::protocol::time::Now;
use serde_json::{Value as Json, json};

use documents::{from_json, to_json};
use host::Host;

/// The commands, in order, over the mailboxes of one host: a name, the agent, and the command.
fn script() -> Vec<(&'static str, &'static str, Json)> {
    let run = |command: &str, arguments: Json| json!({ "command": command, "arguments": arguments });
    vec![
        ("01-quickstart", "ada@localhost", run("quickstart", json!({ "identity": "Ada, who plans" }))),
        ("02-quickstart-neighbour", "bob@localhost", run("quickstart", json!({}))),
        (
            "03-remember",
            "ada@localhost",
            run("remember", json!({ "store": { "text": "The API uses OAuth2", "title": "api" } })),
        ),
        ("04-recall", "ada@localhost", run("recall", json!({ "query": "oauth" }))),
        (
            "05-send",
            "ada@localhost",
            run(
                "send",
                json!({ "to": ["bob@localhost"], "subject": "Review \u{2014} \u{1f680}", "body": "Please review PR 42.\n",
                        "attachments": [{ "name": "notes.txt", "bytes": { "$bytes": "AAECA/8=" } }] }),
            ),
        ),
        ("06-inbox", "bob@localhost", run("inbox", json!({ "offline": true }))),
        ("07-inbox-all", "bob@localhost", run("inbox", json!({ "all": true }))),
        ("08-read", "bob@localhost", run("read", json!({ "id": "$first" }))),
        ("09-reply", "bob@localhost", run("reply", json!({ "id": "$first", "body": "On it." }))),
        ("10-search", "ada@localhost", run("search", json!({ "query": "review" }))),
        ("11-note", "ada@localhost", run("note", json!({ "name": "plan", "edit": { "set": "one\ntwo" } }))),
        ("12-doing", "ada@localhost", run("doing", json!({ "edit": { "append": "Writing" } }))),
        (
            "13-relay-add",
            "ada@localhost",
            run(
                "relay",
                json!({ "add": { "server": "https://relay.example", "token": "f00d", "address": "ada.agenttalk" } }),
            ),
        ),
        ("14-inbox-over-a-relay", "ada@localhost", run("inbox", json!({}))),
        ("15-keyring", "bob@localhost", run("keyring", json!("list"))),
        ("16-export", "ada@localhost", run("export", json!({ "output": "ada.zip" }))),
        ("17-read-what-is-not-there", "ada@localhost", run("read", json!({ "id": "ffffff" }))),
        ("18-doctor", "ada@localhost", run("doctor", json!({}))),
        ("19-trust-token", "bob@localhost", run("trust-gen", json!({}))),
    ]
}

fn folder() -> PathBuf {
    PathBuf::from("../../tests/transcripts")
}

/// Where the commands of an agent run.
fn opening(agent: &str) -> Json {
    json!({ "file_name": "config.json", "config_shown": format!("/home/{agent}/config.json"), "agent": agent })
}

fn open(opening: &Json) -> Operation {
    let text = |name: &str| opening[name].as_str().unwrap();
    Operation::open(text("file_name"), text("config_shown"), Some(text("agent").to_owned())).unwrap()
}

/// What an operation does at a moment: a step, or what it throws.
fn advance(operation: &mut Operation, now: Now) -> (Step, Json) {
    let step = operation.poll(now);
    let shown = match step.to_data() {
        Ok(data) => json!({ "now": now, "step": to_json(&data) }),
        Err(failure) => json!({ "now": now, "thrown": {
            "code": failure.code, "exit_code": failure.exit_code, "message": failure.message,
        } }),
    };
    (step, shown)
}

/// Drives an operation to its end over the host, and writes down all of it.
fn record(host: &mut Host, operation: &mut Operation) -> (Step, Vec<Json>) {
    let mut steps = Vec::new();
    loop {
        let (step, shown) = advance(operation, host.now());
        steps.push(shown);
        match step {
            Step::Effect(id, effect) => {
                let answer = host.answer(&data_of_effect(&effect).unwrap());
                steps.push(json!({ "id": id, "answer": to_json(&answer) }));
                operation.resume(id, answer).unwrap();
            }
            Step::Wait(until) => host.wait(until.unwrap()),
            Step::Event(_) => {}
            last => return (last, steps),
        }
    }
}

/// One command over the host, as a document.
fn record_command(host: &mut Host, agent: &str, command: &Json) -> Json {
    host.be(agent);
    let opening_of = opening(agent);
    let (opened, opening) = record(host, &mut open(&opening_of));
    let Step::Opened(mut config) = opened else { panic!("{opened:?}") };
    let shown = format!("/home/{agent}/mailboxes");
    config.set_mailboxes_shown(&shown);
    let first = host.first_message(agent).unwrap_or_default();
    let command: Json = serde_json::from_str(&command.to_string().replace("$first", &first)).unwrap();
    let (_, running) = record(host, &mut Operation::command(&from_json(&command), &config).unwrap());
    json!({ "open": opening_of, "opening": opening, "mailboxes_shown": shown, "command": command, "running": running })
}

#[test]
fn commands_do_what_was_recorded() {
    let mut host = Host::default();
    let is_recording = std::env::var_os("AZALL_RECORD").is_some();
    for (name, agent, command) in script() {
        let path = folder().join(format!("{name}.json"));
        let recorded = record_command(&mut host, agent, &command);
        if is_recording {
            std::fs::write(&path, serde_json::to_string_pretty(&recorded).unwrap() + "\n").unwrap();
        }
        let kept: Json = serde_json::from_slice(&std::fs::read(&path).unwrap()).unwrap();
        assert_eq!(kept, recorded, "{name}");
    }
}

/// Drives an operation with the recorded moments and answers.
fn replay(name: &str, operation: &mut Operation, steps: &Json) -> Option<Step> {
    let mut last = None;
    for (at, recorded) in steps.as_array().unwrap().iter().enumerate() {
        if let Some(id) = recorded["id"].as_u64() {
            let answer: Value = from_json(&recorded["answer"]);
            operation.resume(u32::try_from(id).unwrap(), answer).unwrap();
            continue;
        }
        let (step, shown) = advance(operation, serde_json::from_value(recorded["now"].clone()).unwrap());
        assert_eq!(&shown, recorded, "{name}, entry {at}");
        last = Some(step);
    }
    last
}

#[test]
fn transcripts_are_replayed() {
    for (name, _, _) in script() {
        let bytes = std::fs::read(folder().join(format!("{name}.json"))).unwrap();
        let transcript: Json = serde_json::from_slice(&bytes).unwrap();
        let opened = replay(name, &mut open(&transcript["open"]), &transcript["opening"]);
        let Some(Step::Opened(mut config)) = opened else { panic!("{name}: {opened:?}") };
        config.set_mailboxes_shown(transcript["mailboxes_shown"].as_str().unwrap());
        let mut command = Operation::command(&from_json(&transcript["command"]), &config).unwrap();
        let last = replay(name, &mut command, &transcript["running"]);
        assert!(matches!(last, Some(Step::Done(_) | Step::Failed(_))), "{name}: {last:?}");
    }
}
