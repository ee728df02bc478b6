//! Operations over plain data, as a binding drives them.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing, missing_docs)]

use std::collections::BTreeMap;

use azall_bindings::operation::data_of_effect;
use azall_bindings::{Config, Failure, Operation, Step, Value};
use azall_core::engine::effect::EffectKind;
use azall_core::protocol::time::Now;

/// Data, as it is written in a test.
fn data(json: &str) -> Value {
    Value::serialized(&serde_json::from_str::<serde_json::Value>(json).unwrap()).unwrap()
}

fn at<'a>(value: &'a Value, path: &str) -> &'a Value {
    path.split('.').fold(value, |value, name| {
        let found = value.as_map().unwrap().iter().find(|(key, _)| key.as_text() == Some(name));
        &found.unwrap_or_else(|| panic!("no {name} in {value:?}")).1
    })
}

fn text(value: &Value, path: &str) -> String {
    at(value, path).as_text().unwrap_or_else(|| panic!("{path} of {value:?}")).to_owned()
}

/// A host of files in memory that knows data alone.
#[derive(Default)]
struct Files {
    files: BTreeMap<String, Vec<u8>>,
    asked: Vec<String>,
}

impl Files {
    fn answer(&mut self, effect: &Value) -> Value {
        let kind = text(effect, "kind");
        self.asked.push(kind.clone());
        let path = |field: &str| {
            format!("{}/{}", text(effect, &format!("{field}.root")), text(effect, &format!("{field}.path")))
        };
        let ok = |value| Value::Map(vec![("Ok".into(), value)]);
        let failed = |kind: &str| data(&format!(r#"{{"Err": {{"kind": "{kind}", "message": "no"}}}}"#));
        match kind.as_str() {
            "ReadFile" => {
                self.files.get(&path("place")).map_or(failed("not_found"), |bytes| ok(Value::Bytes(bytes.clone())))
            }
            "WriteAtomic" => {
                let is_exclusive = at(effect, "exclusive").as_bool().unwrap();
                if is_exclusive && self.files.contains_key(&path("place")) {
                    return failed("already_exists");
                }
                self.files.insert(path("place"), at(effect, "bytes").as_bytes().unwrap().clone());
                ok(Value::Null)
            }
            "Random" => {
                let count = u64::try_from(at(effect, "count").as_integer().unwrap()).unwrap();
                ok(Value::Bytes(vec![7; usize::try_from(count).unwrap()]))
            }
            "List" => {
                let folder = path("folder") + "/";
                let names =
                    self.files.keys().filter_map(|file| file.strip_prefix(&folder)).filter(|name| !name.contains('/'));
                let entries: Vec<_> = names
                    .map(|name| data(&format!(r#"{{"name": "{name}", "kind": "file", "size": 0, "modified_ms": 0}}"#)))
                    .collect();
                if entries.is_empty() { failed("not_found") } else { ok(Value::Array(entries)) }
            }
            "ReadMany" => {
                let names = at(effect, "names").as_array().unwrap().iter().map(|name| name.as_text().unwrap());
                let heads = names.map(|name| {
                    let bytes = Value::Bytes(self.files[&format!("{}/{name}", path("folder"))].clone());
                    ok(Value::Map(vec![("bytes".into(), bytes), ("truncated".into(), false.into())]))
                });
                ok(Value::Array(heads.collect()))
            }
            "Append" => {
                self.files.entry(path("place")).or_default().extend(at(effect, "bytes").as_bytes().unwrap());
                ok(Value::Null)
            }
            "Rename" => match self.files.remove(&path("from")) {
                Some(bytes) => {
                    self.files.insert(path("to"), bytes);
                    ok(Value::Null)
                }
                None => failed("not_found"),
            },
            "Remove" => {
                self.files.remove(&path("place"));
                ok(Value::Null)
            }
            "HostFacts" => {
                ok(data(r#"{"machine_name": "m", "system": "Linux", "fingerprint_parts": [], "process": "1"}"#))
            }
            _ => failed("unsupported"),
        }
    }

    fn drive(&mut self, operation: &mut Operation) -> Step {
        loop {
            match operation.poll(Now::utc(1_773_239_400_000)) {
                Step::Effect(id, effect) => {
                    let answer = self.answer(&data_of_effect(&effect).unwrap());
                    operation.resume(id, answer).unwrap();
                }
                Step::Event(_) | Step::Wait(_) => {}
                last => return last,
            }
        }
    }

    fn open(&mut self) -> Config {
        let mut opening = Operation::open("config.json", "/a/config.json", Some("ada@localhost".to_owned())).unwrap();
        match self.drive(&mut opening) {
            Step::Opened(config) => *config,
            other => panic!("{other:?}"),
        }
    }

    fn run(&mut self, command: &str) -> Result<Value, Failure> {
        let config = self.open();
        let mut operation = Operation::command(&data(command), &config)?;
        self.drive(&mut operation).to_data()
    }
}

#[test]
fn a_memory_is_kept_and_found() {
    let mut host = Files::default();
    let done =
        host.run(r#"{"command": "remember", "arguments": {"store": {"text": "OAuth2", "title": "api"}}}"#).unwrap();
    assert_eq!((text(&done, "step"), text(&done, "outcome.title")), ("done".to_owned(), "api".to_owned()));
    assert!(host.files.contains_key("mailboxes/ada@localhost/2026-03-11/remember/api.txt"), "{:?}", host.files.keys());
    let known: Vec<_> = EffectKind::ALL.iter().map(|kind| kind.name().to_owned()).collect();
    assert!(host.asked.iter().all(|asked| known.contains(asked)));
}

#[test]
fn arguments_are_checked_and_named() {
    let mut host = Files::default();
    let refused = |host: &mut Files, command: &str| host.run(command).unwrap_err();
    for (command, word) in [
        (r#"{"command": "rememebr"}"#, "rememebr"),
        (r#"{"command": "search", "arguments": {}}"#, "query"),
        (r#"{"command": "search", "arguments": {"query": "a", "form": "b"}}"#, "form"),
        (r#"{"command": "send", "arguments": {"to": ["../x"], "cc": [], "subject": "", "body": ""}}"#, "../x"),
        (r#"{"command": "inbox", "arguments": {"date": "tomorrow"}}"#, "tomorrow"),
        (r"{}", "command"),
        (r#"{"command": "dates", "argument": {}}"#, "nothing else"),
    ] {
        let failure = refused(&mut host, command);
        assert_eq!((failure.code, failure.exit_code), ("argument", 2), "{command}: {failure}");
        assert!(failure.message.contains(word), "{command}: {failure}");
    }
    let secret = refused(
        &mut host,
        r#"{"command": "relay", "arguments": {"add": {"server": "https://r", "token": "se cret"}}}"#,
    );
    assert!(!secret.message.contains("se cret"), "{secret}");
    let unknown = refused(&mut host, r#"{"command": "read", "arguments": {"id": "abcdef"}}"#);
    assert_eq!((unknown.code, unknown.exit_code), ("not-found", 1), "{unknown}");
}

#[test]
fn wrong_answers_are_refused_and_the_effect_still_waits() {
    let mut opening = Operation::open("config.json", "config.json", None).unwrap();
    let Step::Effect(id, effect) = opening.poll(Now::utc(0)) else { panic!("no effect") };
    let effect = data_of_effect(&effect).unwrap();
    assert_eq!(text(&effect, "kind"), "ReadFile");
    assert_eq!(text(&effect, "place.path"), "config.json");
    for answer in [r#"{"Ok": {"size": 3}}"#, r#"{"Err": {"kind": "bored", "message": ""}}"#, "null", "7"] {
        assert_eq!(opening.resume(id, data(answer)).unwrap_err().code, "resume", "{answer}");
    }
    assert_eq!(opening.resume(id + 1, data("null")).unwrap_err().code, "resume");
    opening.resume(id, Value::Map(vec![("Ok".into(), Value::Bytes(b"no config".to_vec()))])).unwrap();
    assert_eq!(opening.resume(id, data("null")).unwrap_err().code, "resume");
    let Step::Failed(failure) = opening.poll(Now::utc(0)) else { panic!("no failure") };
    assert_eq!(failure.code, "config");
}
