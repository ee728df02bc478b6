//! `index`: the text indexes of a day and of all memories, word for word as the reference writes them.

use std::borrow::Cow;

use serde::{Deserialize, Serialize};

use crate::engine::cx::{Cx, EFFECTS_IN_FLIGHT, WRITES_IN_FLIGHT};
use crate::engine::effect::{Entry, EntryKind, FileHead};
use crate::engine::event::Level;
use crate::engine::lock;
use crate::protocol::address::Address;
use crate::protocol::index::{
    DayIndex, MEMORY_HEAD_BYTES, Memory, MemoryRow, MessageRow, NoteRow, ScriptRow, render_memories, script_description,
};
use crate::protocol::layout::{AgentHome, Folder, Place, ScriptKind};
use crate::protocol::message::Head;
use crate::protocol::text;
use crate::protocol::time::Day;
use crate::sync::Mailbox;

use super::error::Error;
use super::session::Session;

/// How much of a message file an index reads: its headers.
const HEAD_BYTES: u64 = 1024;

/// How much it reads of a file whose headers go on beyond that.
const LONG_HEAD_BYTES: u64 = 64 * 1024;

/// How many days are read side by side.
const DAYS_AT_ONCE: usize = 8;

/// Which index to show or rebuild.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Index {
    /// This day instead of today.
    pub date: Option<Day>,
    /// Rebuild every day's index and the index of memories.
    #[serde(default)]
    pub rebuild: bool,
}

/// An index, or how many were rebuilt.
#[derive(Debug, Serialize)]
pub struct IndexOutcome {
    /// The day whose index is shown.
    pub date: Option<Day>,
    /// Its text.
    pub text: Option<String>,
    /// How many day indexes were written.
    pub rebuilt: usize,
}

/// Shows the index of a day, or rebuilds all.
///
/// # Errors
/// When a folder cannot be read or an index cannot be written.
pub async fn index(session: &mut Session, index: Index) -> Result<IndexOutcome, Error> {
    session.enter().await?;
    let session = &*session;
    if index.rebuild {
        let days = match index.date {
            Some(day) => vec![day],
            None => session.days().await?,
        };
        rebuild(session, &days).await?;
        return Ok(IndexOutcome { date: None, text: None, rebuilt: days.len() });
    }
    let day = index.date.unwrap_or_else(|| session.today());
    let text = day_index(session, &Scripts::read(session).await?, day).await?;
    // A day that the mailbox does not have is not made by looking at it.
    if session.days().await?.contains(&day) {
        write_day_index(session, day, text.as_str()).await;
    }
    Ok(IndexOutcome { date: Some(day), text: Some(text), rebuilt: 0 })
}

/// Brings the index of one day up to date. A failure to write it is told and stops nothing: it can be rebuilt.
///
/// # Errors
/// When the day's folders cannot be read.
pub async fn refresh_day_index(session: &Session, day: Day) -> Result<(), Error> {
    let scripts = Scripts::read(session).await?;
    let text = day_index(session, &scripts, day).await?;
    write_day_index(session, day, text).await;
    // The reference makes both indexes together; this one only changes when a memory does.
    let memories = session.home.remember_index();
    if !has_file(session, &memories).await? {
        // Made anew, never over one that a `remember` has made meanwhile.
        session.cx.create(&memories, memory_index(&session.mailbox(), session.address()).await?, false).await?;
    }
    Ok(())
}

async fn write_day_index(session: &Session, day: Day, text: impl Into<Vec<u8>>) {
    if let Err(error) = session.cx.write(&session.home.day_index(day), text).await {
        session.cx.emit(Level::Warning, format!("the index of {day} is not up to date: {error}"));
    }
}

/// Rebuilds the indexes of these days and the index of all memories.
///
/// # Errors
/// When a folder cannot be read or an index cannot be written.
pub async fn rebuild(session: &Session, days: &[Day]) -> Result<(), Error> {
    let scripts = Scripts::read(session).await?;
    let texts = session.cx.all(DAYS_AT_ONCE, days.iter().map(|day| day_index(session, &scripts, *day))).await;
    let mut writes = Vec::new();
    for (day, text) in days.iter().zip(texts) {
        writes.push((session.home.day_index(*day), text?));
    }
    let writes = writes.into_iter().map(|(place, text)| async move { session.cx.write(&place, text).await });
    for written in session.cx.all(WRITES_IN_FLIGHT, writes).await {
        written?;
    }
    // Under the lock, as a `remember` changes it: what it adds meanwhile is not written over.
    lock::locked(&session.cx, &session.home.lock(), rebuild_memory_index(session)).await
}

/// Writes the index of all memories anew. Only under the mailbox lock.
pub(super) async fn rebuild_memory_index(session: &Session) -> Result<(), Error> {
    let text = memory_index(&session.mailbox(), session.address()).await?;
    Ok(session.cx.write(&session.home.remember_index(), text).await?)
}

/// The text of the index of all memories of a mailbox, made anew.
///
/// # Errors
/// When a folder cannot be read.
pub async fn memory_index(mailbox: &Mailbox<'_>, agent: &Address) -> Result<String, Error> {
    let days = mailbox.days().await?;
    let read = days.iter().map(|day| read_heads(mailbox.cx, mailbox.home.memories(*day), MEMORY_HEAD_BYTES));
    let mut all = Vec::new();
    for (day, files) in days.iter().zip(mailbox.cx.all(EFFECTS_IN_FLIGHT, read).await) {
        all.extend(files?.into_iter().map(|(name, bytes)| (*day, name, text::decode(&bytes).into_owned())));
    }
    let memories: Vec<Memory<'_>> =
        all.iter().map(|(day, file, text)| Memory { day: *day, row: MemoryRow { file, text } }).collect();
    Ok(render_memories(agent.as_str(), &memories, mailbox.cx.now()))
}

/// The agent's own scripts, which stand in the index of every day.
struct Scripts {
    skills: Vec<(String, String)>,
    tools: Vec<(String, String)>,
}

impl Scripts {
    async fn read(session: &Session) -> Result<Self, Error> {
        Ok(Self {
            skills: scripts(session, &session.home.scripts(ScriptKind::Skill)).await?,
            tools: scripts(session, &session.home.scripts(ScriptKind::Tool)).await?,
        })
    }
}

/// Scripts with their descriptions.
async fn scripts(session: &Session, folder: &Place) -> Result<Vec<(String, String)>, Error> {
    let entries = session.cx.list(folder).await?;
    let names: Vec<&str> = files_of(&entries).filter(|name| name.ends_with(".py")).collect();
    let metas = names.iter().map(|name| format!("{}.meta.json", name.trim_end_matches(".py"))).collect();
    let metas = session.cx.read_many(folder, metas, LONG_HEAD_BYTES).await?;
    Ok(names
        .into_iter()
        .zip(metas)
        .map(|(name, meta)| {
            (name.to_owned(), meta.map_or_else(|_| String::new(), |meta| script_description(&meta.bytes)))
        })
        .collect())
}

fn files_of(entries: &[Entry]) -> impl Iterator<Item = &str> {
    entries.iter().filter(|entry| entry.kind == EntryKind::File).map(|entry| entry.name.as_str())
}

/// The first bytes of the `.txt` files of a folder, by name. Files that cannot be read are left out: listings tell of them.
async fn read_heads(cx: &Cx, folder: Place, limit: u64) -> Result<Vec<(String, Vec<u8>)>, Error> {
    let entries = cx.list(&folder).await?;
    let names: Vec<String> = files_of(&entries).filter(|name| name.ends_with(".txt")).map(str::to_owned).collect();
    let heads = cx.read_many(&folder, names.clone(), limit).await?;
    Ok(names.into_iter().zip(heads).filter_map(|(name, head)| Some((name, head.ok()?.bytes))).collect())
}

/// The first bytes of the messages of a folder: all of their headers.
async fn message_heads(session: &Session, day: Day, folder: Folder) -> Result<Vec<(String, Vec<u8>)>, Error> {
    let place = session.home.folder(day, folder);
    let entries = session.cx.list(&place).await?;
    let names: Vec<String> = files_of(&entries).filter(|name| name.ends_with(".txt")).map(str::to_owned).collect();
    let mut heads = session.cx.read_many(&place, names.clone(), HEAD_BYTES).await?;
    let long: Vec<usize> =
        (0..heads.len()).filter(|at| matches!(heads.get(*at), Some(Ok(head)) if goes_on(head))).collect();
    let again = long.iter().filter_map(|at| names.get(*at).cloned()).collect();
    for (at, longer) in long.iter().zip(session.cx.read_many(&place, again, LONG_HEAD_BYTES).await?) {
        if let Some(slot) = heads.get_mut(*at) {
            *slot = longer;
        }
    }
    Ok(names.into_iter().zip(heads).filter_map(|(name, head)| Some((name, head.ok()?.bytes))).collect())
}

/// Whether the headers of a message reach beyond what was read.
fn goes_on(head: &FileHead) -> bool {
    head.truncated && Head::parse(&head.bytes).body_at.is_none()
}

async fn day_index(session: &Session, scripts: &Scripts, day: Day) -> Result<String, Error> {
    let home: &AgentHome = &session.home;
    let [inbox, sent, outbox] = [
        message_heads(session, day, Folder::Inbox).await?,
        message_heads(session, day, Folder::Sent).await?,
        message_heads(session, day, Folder::Outbox).await?,
    ];
    let notes = session.cx.list_with_meta(&home.notes(day)).await?;
    let memories: Vec<(String, String)> = read_heads(&session.cx, home.memories(day), MEMORY_HEAD_BYTES)
        .await?
        .into_iter()
        .map(|(name, bytes)| (name, text::decode(&bytes).into_owned()))
        .collect();
    let parsed = [parse(&inbox), parse(&sent), parse(&outbox)];
    let [inbox, sent, outbox] = parsed.each_ref().map(|heads| heads.iter().filter_map(row).collect());
    let mut index = DayIndex::new(session.address().as_str(), day);
    index.inbox = inbox;
    index.sent = sent;
    index.outbox = outbox;
    index.notes = notes
        .iter()
        .filter(|entry| entry.kind == EntryKind::File)
        .map(|entry| NoteRow { file: &entry.name, size: entry.size })
        .collect();
    index.memories = memories.iter().map(|(file, text)| MemoryRow { file, text }).collect();
    index.has_identity = has_file(session, &home.identity(day)).await?;
    index.has_tasks = has_file(session, &home.tasks(day)).await?;
    index.skills = script_rows(&scripts.skills);
    index.tools = script_rows(&scripts.tools);
    Ok(index.render(session.cx.now()))
}

fn script_rows(scripts: &[(String, String)]) -> Vec<ScriptRow<'_>> {
    scripts.iter().map(|(file, description)| ScriptRow { file, description }).collect()
}

async fn has_file(session: &Session, place: &Place) -> Result<bool, Error> {
    let folder = Place::new(place.root, place.path.parent());
    Ok(session.cx.list(&folder).await?.iter().any(|entry| entry.name == place.path.file_name()))
}

/// Messages by file name, with their heads.
fn parse(heads: &[(String, Vec<u8>)]) -> Vec<(&str, Head<'_>)> {
    heads.iter().map(|(name, bytes)| (name.as_str(), Head::parse(bytes))).collect()
}

fn row<'a>((file, head): &'a (&str, Head<'_>)) -> Option<MessageRow<'a>> {
    fn value<'a>(name: &'static str, value: &'a Option<Cow<'_, str>>) -> Option<(&'static str, &'a str)> {
        value.as_deref().map(|value| (name, value))
    }
    let headers = [
        value("From", &head.from),
        value("To", &head.to),
        value("Subject", &head.subject),
        value("Date", &head.date),
        value("Status", &head.status),
        value("Message-ID", &head.message_id),
        value("Attachments", &head.attachments),
    ];
    MessageRow::from_headers(file, headers.into_iter().flatten())
}
