//! The text indexes: of a day, and of all memories.

use azall_core::protocol::index::{
    DayIndex, Memory, MemoryRow, MessageRow, NoteRow, ScriptRow, render_memories, script_description,
};
use azall_core::protocol::time::{Day, Now};
use ciborium::Value;
use serde::Deserialize;

use crate::data::from_data;
use crate::failure::Failure;

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct DayData {
    agent: String,
    day: Day,
    now: Now,
    #[serde(default)]
    inbox: Vec<MessageData>,
    #[serde(default)]
    sent: Vec<MessageData>,
    #[serde(default)]
    outbox: Vec<MessageData>,
    #[serde(default)]
    notes: Vec<NoteData>,
    #[serde(default)]
    memories: Vec<MemoryData>,
    #[serde(default)]
    has_identity: bool,
    #[serde(default)]
    has_tasks: bool,
    #[serde(default)]
    skills: Vec<ScriptData>,
    #[serde(default)]
    tools: Vec<ScriptData>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct MessageData {
    file: String,
    headers: Vec<(String, String)>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct NoteData {
    file: String,
    size: u64,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct MemoryData {
    #[serde(default)]
    day: Option<Day>,
    file: String,
    text: String,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct ScriptData {
    file: String,
    description: String,
}

fn messages(data: &[MessageData]) -> Vec<MessageRow<'_>> {
    data.iter().filter_map(message_row).collect()
}

fn message_row(message: &MessageData) -> Option<MessageRow<'_>> {
    let headers = message.headers.iter().map(|(name, value)| (name.as_str(), value.as_str()));
    MessageRow::from_headers(&message.file, headers)
}

fn scripts(data: &[ScriptData]) -> Vec<ScriptRow<'_>> {
    data.iter().map(|script| ScriptRow { file: &script.file, description: &script.description }).collect()
}

fn row(memory: &MemoryData) -> MemoryRow<'_> {
    MemoryRow { file: &memory.file, text: &memory.text }
}

/// The index of a day: `{agent, day, now, inbox, sent, outbox (file, headers), notes (file, size), memories (file, text),
/// has_identity, has_tasks, skills, tools (file, description)}`.
///
/// # Errors
/// `argument` when a field is missing or of the wrong kind.
pub fn day(data: &Value) -> Result<String, Failure> {
    let data: DayData = from_data(data)?;
    let mut index = DayIndex::new(&data.agent, data.day);
    index.inbox = messages(&data.inbox);
    index.sent = messages(&data.sent);
    index.outbox = messages(&data.outbox);
    index.notes = data.notes.iter().map(|note| NoteRow { file: &note.file, size: note.size }).collect();
    index.memories = data.memories.iter().map(row).collect();
    index.has_identity = data.has_identity;
    index.has_tasks = data.has_tasks;
    index.skills = scripts(&data.skills);
    index.tools = scripts(&data.tools);
    Ok(index.render(data.now))
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct MemoriesData {
    agent: String,
    now: Now,
    memories: Vec<MemoryData>,
}

fn dated(memory: &MemoryData) -> Result<Memory<'_>, Failure> {
    match memory.day {
        Some(day) => Ok(Memory { day, row: row(memory) }),
        None => Err(Failure::argument(format!("the memory {:?} has no `day`", memory.file))),
    }
}

/// The index of all memories: `{agent, now, memories (day, file, text)}`.
///
/// # Errors
/// As [`day`].
pub fn memories(data: &Value) -> Result<String, Failure> {
    let data: MemoriesData = from_data(data)?;
    let all = data.memories.iter().map(dated).collect::<Result<Vec<_>, _>>()?;
    Ok(render_memories(&data.agent, &all, data.now))
}

/// The description in a script's `.meta.json`; empty when there is none.
#[must_use]
pub fn description(meta: &[u8]) -> String {
    script_description(meta)
}
