//! A host in memory: a disk, a clock and a generator, the same in every run. Each agent has a config of its own; the mailboxes are
//! shared.

use std::collections::BTreeMap;

use azall_bindings::Value;
use azall_core::protocol::time::Now;
use serde_json::{Value as Json, json};

use super::documents::{from_json, to_json};

#[derive(Default)]
pub(crate) struct Host {
    files: BTreeMap<String, Vec<u8>>,
    agent: String,
    moments: i64,
    random: u8,
}

fn ok(value: Value) -> Value {
    Value::Map(vec![("Ok".into(), value)])
}

fn failed(kind: &str) -> Value {
    from_json(&json!({ "Err": { "kind": kind, "message": kind.replace('_', " ") } }))
}

fn bytes(field: &Json) -> Vec<u8> {
    from_json(field).into_bytes().unwrap()
}

impl Host {
    /// Goes on as another agent.
    pub(crate) fn be(&mut self, agent: &str) {
        agent.clone_into(&mut self.agent);
    }

    /// Every look at the clock takes its time.
    pub(crate) fn now(&mut self) -> Now {
        self.moments += 7;
        Now { unix_ms: 1_773_239_400_000 + self.moments, offset_seconds: 3600 }
    }

    pub(crate) fn wait(&mut self, until: i64) {
        self.moments = self.moments.max(until - 1_773_239_400_000);
    }

    /// The id of an agent's first message.
    pub(crate) fn first_message(&self, agent: &str) -> Option<String> {
        let of = format!("mailboxes/{agent}/");
        let mut inbox = self.files.keys().filter(|path| path.starts_with(&of) && path.contains("/inbox/"));
        inbox.find_map(|path| Some(path.rsplit('/').next()?.strip_suffix(".txt")?.to_owned()))
    }

    fn path(&self, place: &Json) -> String {
        let root = place["root"].as_str().unwrap();
        let path = place["path"].as_str().unwrap();
        let whole = if root == "config" { format!("config/{}/{path}", self.agent) } else { format!("{root}/{path}") };
        whole.trim_end_matches('/').to_owned()
    }

    /// What is at a path: a file, or a folder by what lies in it.
    fn has(&self, path: &str) -> bool {
        self.files.contains_key(path) || self.files.keys().any(|file| file.starts_with(&format!("{path}/")))
    }

    pub(crate) fn answer(&mut self, effect: &Value) -> Value {
        let effect = to_json(effect);
        match effect["kind"].as_str().unwrap() {
            "ReadFile" => self.read(&self.path(&effect["place"])),
            "ReadMany" => self.read_many(&effect),
            "List" => self.list(&self.path(&effect["folder"])),
            "WriteAtomic" => {
                let path = self.path(&effect["place"]);
                if effect["exclusive"] == true && self.has(&path) {
                    return failed("already_exists");
                }
                self.files.insert(path, bytes(&effect["bytes"]));
                ok(Value::Null)
            }
            "Append" => {
                let path = self.path(&effect["place"]);
                self.files.entry(path).or_default().extend(bytes(&effect["bytes"]));
                ok(Value::Null)
            }
            "Rename" => {
                self.rename(&self.path(&effect["from"]), &self.path(&effect["to"]), effect["exclusive"] == true)
            }
            "Remove" => {
                let path = self.path(&effect["place"]);
                self.files.retain(|file, _| *file != path && !file.starts_with(&format!("{path}/")));
                ok(Value::Null)
            }
            "Random" => {
                let count = usize::try_from(effect["count"].as_u64().unwrap()).unwrap();
                let next = |_| {
                    self.random = self.random.wrapping_mul(77).wrapping_add(41);
                    self.random
                };
                ok(Value::Bytes((0..count).map(next).collect()))
            }
            "HostFacts" => from_json(&json!({ "Ok": {
                "machine_name": "m", "system": "Linux", "fingerprint_parts": ["m", "1"], "process": "1@m",
            } })),
            "Http" => failed("unreachable"),
            _ => failed("unsupported"),
        }
    }

    fn read(&self, path: &str) -> Value {
        self.files.get(path).map_or_else(|| failed("not_found"), |bytes| ok(Value::Bytes(bytes.clone())))
    }

    fn read_many(&self, effect: &Json) -> Value {
        let folder = self.path(&effect["folder"]);
        let limit = usize::try_from(effect["limit"].as_u64().unwrap()).unwrap();
        let read = |name: &Json| match self.files.get(&format!("{folder}/{}", name.as_str().unwrap())) {
            Some(bytes) => {
                let head = Value::Bytes(bytes.iter().copied().take(limit).collect());
                ok(Value::Map(vec![("bytes".into(), head), ("truncated".into(), (bytes.len() > limit).into())]))
            }
            None => failed("not_found"),
        };
        ok(Value::Array(effect["names"].as_array().unwrap().iter().map(read).collect()))
    }

    fn list(&self, folder: &str) -> Value {
        let below = format!("{folder}/");
        let mut entries: BTreeMap<&str, Json> = BTreeMap::new();
        for (path, bytes) in &self.files {
            let Some(rest) = path.strip_prefix(&below) else { continue };
            let (name, kind, size) = match rest.split_once('/') {
                Some((name, _)) => (name, "folder", 0),
                None => (rest, "file", bytes.len()),
            };
            entries.insert(
                name,
                json!({ "name": name, "kind": kind, "size": size, "modified_ms": 1_773_239_400_000_i64 }),
            );
        }
        if entries.is_empty() { failed("not_found") } else { ok(from_json(&entries.into_values().collect())) }
    }

    fn rename(&mut self, from: &str, to: &str, exclusive: bool) -> Value {
        if !self.has(from) {
            return failed("not_found");
        }
        if exclusive && self.has(to) {
            return failed("already_exists");
        }
        let moved = |path: &str| {
            Some(format!("{to}{}", path.strip_prefix(from).filter(|rest| rest.is_empty() || rest.starts_with('/'))?))
        };
        let renamed: Vec<_> = self.files.keys().filter_map(|path| Some((path.clone(), moved(path)?))).collect();
        for (old, new) in renamed {
            if let Some(bytes) = self.files.remove(&old) {
                self.files.insert(new, bytes);
            }
        }
        ok(Value::Null)
    }
}
