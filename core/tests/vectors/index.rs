//! The daily index and the index of memories: `index.json`.

use std::collections::BTreeMap;

use azall_core::protocol::index::{
    DayIndex, Memory, MemoryRow, MessageRow, NoteRow, ScriptRow, render_memories, script_description,
};
use azall_core::protocol::text::strip;
use azall_core::protocol::time::{Day, Now, parse_date};
use serde_json::Value;

use super::area::{cases, load, text};

/// The files below one folder, by the rest of their path.
type Files<'a> = BTreeMap<&'a str, &'a str>;

fn below<'a>(files: &Files<'a>, folder: &str) -> Files<'a> {
    files.iter().filter_map(|(path, content)| Some((path.strip_prefix(folder)?.strip_prefix('/')?, *content))).collect()
}

/// Headers enough for the vectors: `Key: value` up to the line of three hyphens.
fn headers(content: &str) -> impl Iterator<Item = (&str, &str)> {
    let lines = content.split('\n').take_while(|line| strip(line) != "---");
    lines.filter_map(|line| line.split_once(':')).map(|(name, value)| (strip(name), strip(value)))
}

fn messages<'a>(day: &Files<'a>, folder: &str) -> Vec<MessageRow<'a>> {
    let rows =
        below(day, folder).into_iter().filter_map(|(file, content)| MessageRow::from_headers(file, headers(content)));
    rows.collect()
}

fn memories<'a>(day: &Files<'a>) -> Vec<MemoryRow<'a>> {
    below(day, "remember").into_iter().map(|(file, text)| MemoryRow { file, text }).collect()
}

fn descriptions(agent: &Files<'_>, folder: &str) -> BTreeMap<String, String> {
    let scripts = below(agent, folder);
    let of = |file: &str| scripts.get(file.replace(".py", ".meta.json").as_str()).map_or("", |meta| meta);
    let names = scripts.keys().filter(|file| file.ends_with(".py"));
    names.map(|file| ((*file).to_owned(), script_description(of(file).as_bytes()))).collect()
}

fn rows(descriptions: &BTreeMap<String, String>) -> Vec<ScriptRow<'_>> {
    descriptions.iter().map(|(file, description)| ScriptRow { file, description }).collect()
}

fn day_index(agent: &str, day: Day, files: &Files<'_>, now: Now) -> String {
    let own = below(files, agent);
    let of_day = below(&own, &day.to_string());
    let (skills, tools) = (descriptions(&own, "skills"), descriptions(&own, "tools"));
    let mut index = DayIndex::new(agent, day);
    index.inbox = messages(&of_day, "inbox");
    index.sent = messages(&of_day, "sent");
    index.outbox = messages(&of_day, "outbox");
    let notes = below(&of_day, "notes").into_iter();
    index.notes = notes.map(|(file, content)| NoteRow { file, size: content.len() as u64 }).collect();
    index.memories = memories(&of_day);
    index.has_identity = of_day.contains_key("who_am_i/identity.txt");
    index.has_tasks = of_day.contains_key("what_am_i_doing/tasks.txt");
    index.skills = rows(&skills);
    index.tools = rows(&tools);
    index.render(now)
}

struct Case {
    case: Value,
    now: Now,
}

impl Case {
    fn all() -> Vec<Self> {
        let cases = cases(&load("index"), "cases").into_iter();
        let now = |case: &Value| Now::utc(parse_date(text(case, "now"), 0).expect("a time"));
        cases.map(|case| Self { now: now(&case), case }).collect()
    }

    fn agent(&self) -> &str {
        text(&self.case, "agent")
    }

    fn files(&self) -> Files<'_> {
        let files = self.case["files"].as_object().expect("files");
        files.iter().map(|(path, content)| (path.as_str(), content.as_str().expect("a text"))).collect()
    }

    fn days(&self) -> Vec<(Day, &str)> {
        let days = self.case["daily_index"].as_object().expect("daily_index");
        let days = days.iter().map(|(day, text)| (Day::parse(day).expect("a day"), text.as_str().expect("a text")));
        days.collect()
    }
}

#[test]
fn daily_indexes_are_the_references() {
    for case in Case::all() {
        for (day, expected) in case.days() {
            assert_eq!(day_index(case.agent(), day, &case.files(), case.now), expected);
        }
    }
}

#[test]
fn memory_indexes_are_the_references() {
    for case in Case::all() {
        let own = below(&case.files(), case.agent());
        let of_day =
            |(day, _)| memories(&below(&own, &format!("{day}"))).into_iter().map(move |row| Memory { day, row });
        let all: Vec<Memory<'_>> = case.days().into_iter().flat_map(of_day).collect();
        assert_eq!(render_memories(case.agent(), &all, case.now), text(&case.case, "remember_index"));
    }
}
