//! `remember`, `recall`: what an agent keeps for its later sessions.

use serde::{Deserialize, Serialize};

use crate::engine::cx::{EFFECTS_IN_FLIGHT, FILE_LIMIT};
use crate::engine::effect::{EntryKind, IoErrorKind, ReadFile};
use crate::engine::event::Level;
use crate::engine::lock;
use crate::protocol::address::Address;
use crate::protocol::config::AgentKey;
use crate::protocol::index::{MEMORY_HEAD_BYTES, Memory, MemoryRow, memory_preview};
use crate::protocol::layout::{AgentHome, Place};
use crate::protocol::memory_index;
use crate::protocol::name;
use crate::protocol::text;
use crate::protocol::time::Day;
use crate::sync::Mailbox;

use super::error::Error;
use super::index;
use super::mail::Damaged;
use super::session::Session;
use super::texts::Edit;

/// The ending of a memory's file.
const ENDING: &str = ".txt";

/// How much of a memory a search reads at first; a longer one is then read whole.
const SEARCH_BYTES: u64 = 1024 * 1024;

/// Characters of a memory's first line in a list.
const PREVIEW: usize = 100;

/// Stores a memory, or lists today's.
#[derive(Clone, Debug, Deserialize)]
#[serde(rename_all = "kebab-case", rename_all_fields = "snake_case", deny_unknown_fields)]
pub enum Remember {
    /// Stores a memory.
    Store {
        /// The text.
        text: String,
        /// The title; without one it is the time of day.
        title: Option<String>,
    },
    /// Lists today's memories.
    List,
}

/// What `remember` did or found.
#[derive(Debug, Serialize)]
#[serde(untagged)]
pub enum RememberOutcome {
    /// A memory was stored.
    Stored(Stored),
    /// Memories of a day.
    Listed(MemoryList),
}

/// A memory that was stored.
#[derive(Debug, Serialize)]
pub struct Stored {
    /// The title, as it is kept.
    pub title: String,
    /// The day.
    pub date: Day,
    /// The file.
    pub path: String,
    /// Whether the text was added to a memory of this title.
    pub appended: bool,
}

/// The memories of a day.
#[derive(Debug, Serialize)]
pub struct MemoryList {
    /// The day.
    pub date: Day,
    /// The memories, by title.
    pub memories: Vec<MemoryEntry>,
    /// Files among them that cannot be read.
    pub damaged: Vec<Damaged>,
}

/// A memory of a list.
#[derive(Debug, Serialize)]
pub struct MemoryEntry {
    /// The title.
    pub title: String,
    /// The beginning of its first line that is not blank.
    pub preview: String,
}

/// A memory is not to be had.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum MemoryError {
    /// Another agent does not share its memories, or there is no such agent.
    #[error(
        "Access denied: {agent} has not enabled memory sharing; its owner can, with `azall setup --agent {agent} --share-memories`"
    )]
    NotShared {
        /// The agent.
        agent: Address,
    },
}

/// Stores a memory, or lists today's.
///
/// # Errors
/// When the mailbox cannot be read or written.
pub async fn remember(session: &mut Session, remember: Remember) -> Result<RememberOutcome, Error> {
    session.enter().await?;
    match remember {
        Remember::Store { text, title } => store(session, text, title).await.map(RememberOutcome::Stored),
        Remember::List => list(session).await.map(RememberOutcome::Listed),
    }
}

/// Stores a memory under the mailbox lock, so that of two at once neither text nor line of the index is lost.
async fn store(session: &Session, text: String, title: Option<String>) -> Result<Stored, Error> {
    lock::locked(&session.cx, &session.home.lock(), async {
        let day = session.today();
        let folder = session.home.memories(day);
        let title = match title {
            Some(title) => name::sanitize(&title),
            None => free_title(session, &folder).await?,
        };
        let place = folder.join(&format!("{title}{ENDING}"))?;
        let old = super::texts::read(&session.cx, &place).await?;
        let appended = old.is_some();
        let text = Edit::Append(text).apply(&place, old)?;
        session.cx.write(&place, text.as_str()).await?;
        // As much of it as making the index anew would read.
        let head_bytes = usize::try_from(MEMORY_HEAD_BYTES).unwrap_or(usize::MAX);
        let head = text.get(..text.floor_char_boundary(head_bytes)).unwrap_or(&text);
        let memory = Memory { day, row: MemoryRow { file: place.path.file_name(), text: head } };
        update_index(session, &memory, appended).await?;
        index::refresh_day_index(session, day).await?;
        Ok(Stored { title, date: day, path: session.shown(&place), appended })
    })
    .await
}

/// A title for a memory that has none: the time of day, with a number when it is taken, since many may come in one second.
async fn free_title(session: &Session, folder: &Place) -> Result<String, Error> {
    let time = session.cx.now().local_hhmmss();
    let entries = session.cx.list(folder).await?;
    let is_taken =
        |title: &str| entries.binary_search_by(|entry| entry.name.as_str().cmp(&format!("{title}{ENDING}"))).is_ok();
    let numbered = (2..).map(|number: u32| format!("{time}-{number}"));
    Ok(std::iter::once(time.clone()).chain(numbered).find(|title| !is_taken(title)).unwrap_or(time))
}

/// Puts one memory into the index of all memories; an index that is missing or does not fit is made anew.
async fn update_index(session: &Session, memory: &Memory<'_>, is_listed: bool) -> Result<(), Error> {
    let place = session.home.remember_index();
    let agent = session.address().as_str();
    // An index that cannot be read is made anew like one that is missing; if it cannot be written either, that is told.
    let old = session.cx.read(&place).await.unwrap_or_default();
    let old = old.as_deref().and_then(|bytes| std::str::from_utf8(bytes).ok());
    let new = match old.and_then(|old| memory_index::put(old, agent, memory, is_listed, session.cx.now())) {
        Some(new) => new,
        None => index::memory_index(&session.mailbox(), session.address()).await?,
    };
    session.cx.write(&place, new).await?;
    Ok(())
}

async fn list(session: &Session) -> Result<MemoryList, Error> {
    let date = session.today();
    let MemoryDay { files, damaged } = read_day(session, &session.mailbox(), date, MEMORY_HEAD_BYTES).await?;
    let entry = |file: &MemoryFile| MemoryEntry {
        title: file.title.clone(),
        preview: text::prefix(memory_preview(&file.text), PREVIEW).to_owned(),
    };
    Ok(MemoryList { date, memories: files.iter().map(entry).collect(), damaged })
}

/// A memory as it lies on disk.
struct MemoryFile {
    title: String,
    text: String,
    /// Whether the file goes on.
    truncated: bool,
}

/// The memories of a day.
#[derive(Default)]
struct MemoryDay {
    /// By title.
    files: Vec<MemoryFile>,
    /// What cannot be read.
    damaged: Vec<Damaged>,
}

/// The memories of a day, each up to `limit` bytes.
async fn read_day(session: &Session, mailbox: &Mailbox<'_>, day: Day, limit: u64) -> Result<MemoryDay, Error> {
    let folder = mailbox.home.memories(day);
    let path = |name: &str| format!("{}/{name}", session.shown(&folder));
    let mut found = MemoryDay::default();
    let mut names = Vec::new();
    for entry in mailbox.cx.list(&folder).await?.into_iter().filter(|entry| entry.name.ends_with(ENDING)) {
        match entry.kind {
            EntryKind::File => names.push(entry.name),
            _ => found.damaged.push(Damaged::irregular(path(&entry.name))),
        }
    }
    let heads = mailbox.cx.read_many(&folder, names.clone(), limit).await?;
    for (name, head) in names.iter().zip(heads) {
        match head {
            Ok(head) => found.files.push(MemoryFile {
                title: name.strip_suffix(ENDING).unwrap_or(name).to_owned(),
                text: text::decode(&head.bytes).into_owned(),
                truncated: head.truncated,
            }),
            // Removed since the folder was listed.
            Err(error) if error.kind == IoErrorKind::NotFound => {}
            Err(error) => found.damaged.push(Damaged { path: path(name), reason: error.to_string() }),
        }
    }
    Ok(found)
}

/// Looks for memories.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Recall {
    /// Words that a memory must hold, in any case and order; without them the index is shown.
    pub query: Option<String>,
    /// Another agent, if it shares its memories.
    pub agent: Option<Address>,
    /// At most this many.
    pub limit: Option<usize>,
}

/// What `recall` found.
#[derive(Debug, Serialize)]
pub struct Recalled {
    /// Whose memories.
    pub agent: String,
    /// The query.
    pub query: Option<String>,
    /// The index of all memories; absent when something was looked for.
    pub index: Option<String>,
    /// The memories that match, the newest first.
    pub memories: Vec<Recollection>,
    /// How many more `--limit` left out.
    pub left_out: usize,
    /// Files among the memories that cannot be read, where something was looked for.
    pub damaged: Vec<Damaged>,
}

/// A memory that matches.
#[derive(Debug, Serialize)]
pub struct Recollection {
    /// The day.
    pub date: Day,
    /// The title.
    pub title: String,
    /// The whole text.
    pub text: String,
    /// The file.
    pub path: String,
}

/// Shows the index of memories, or the memories that hold the words of a query.
///
/// # Errors
/// [`MemoryError::NotShared`]; when the mailbox cannot be read.
pub async fn recall(session: &mut Session, recall: Recall) -> Result<Recalled, Error> {
    session.enter().await?;
    let agent = recall.agent.unwrap_or_else(|| session.address().clone());
    let home = AgentHome::new(&agent);
    if agent != *session.address() {
        check_sharing(session, &agent, &home).await?;
    }
    let mailbox = Mailbox { home: &home, ..session.mailbox() };
    let limit = recall.limit.unwrap_or(usize::MAX);
    match recall.query {
        Some(query) => search(session, &mailbox, &agent, query, limit).await,
        None => {
            let index = full_index(&mailbox, &agent).await?;
            let (index, left_out) = memory_index::cut(index, limit);
            Ok(Recalled {
                agent: agent.to_string(),
                query: None,
                index: Some(index),
                memories: Vec::new(),
                left_out,
                damaged: Vec::new(),
            })
        }
    }
}

/// Whether an agent lets others read its memories is in its key file.
async fn check_sharing(session: &Session, agent: &Address, home: &AgentHome) -> Result<(), Error> {
    let key = session.cx.read(&home.agent_key()).await?;
    match key.as_deref().map(AgentKey::parse) {
        Some(Ok(key)) if key.allow_memory_sharing => Ok(()),
        _ => Err(MemoryError::NotShared { agent: agent.clone() }.into()),
    }
}

/// The index of all memories as it is on disk, or as it would be: nothing is written, for the mailbox may be another's.
pub(super) async fn full_index(mailbox: &Mailbox<'_>, agent: &Address) -> Result<String, Error> {
    match mailbox.cx.read(&mailbox.home.remember_index()).await {
        Ok(Some(bytes)) => return Ok(text::decode(&bytes).into_owned()),
        Ok(None) => {}
        Err(error) => mailbox.cx.emit(Level::Warning, format!("{error}; the index of memories is made anew")),
    }
    index::memory_index(mailbox, agent).await
}

async fn search(
    session: &Session,
    mailbox: &Mailbox<'_>,
    agent: &Address,
    query: String,
    limit: usize,
) -> Result<Recalled, Error> {
    let words: Vec<String> = query.to_lowercase().split_whitespace().map(str::to_owned).collect();
    let mut days = mailbox.days().await?;
    days.reverse();
    let matching = days.iter().map(|day| search_day(session, mailbox, *day, &words));
    let (mut memories, mut damaged) = (Vec::new(), Vec::new());
    for found in mailbox.cx.all(EFFECTS_IN_FLIGHT, matching).await {
        let (matches, unreadable) = found?;
        memories.extend(matches);
        damaged.extend(unreadable);
    }
    let left_out = memories.len().saturating_sub(limit);
    memories.truncate(limit);
    Ok(Recalled { agent: agent.to_string(), query: Some(query), index: None, memories, left_out, damaged })
}

/// The memories of a day that hold all words, the last title first, as the index has them; and what cannot be read.
async fn search_day(
    session: &Session,
    mailbox: &Mailbox<'_>,
    day: Day,
    words: &[String],
) -> Result<(Vec<Recollection>, Vec<Damaged>), Error> {
    let folder = mailbox.home.memories(day);
    let mut found = Vec::new();
    let MemoryDay { files, mut damaged } = read_day(session, mailbox, day, SEARCH_BYTES).await?;
    for mut file in files.into_iter().rev() {
        let place = folder.join(&format!("{}{ENDING}", file.title))?;
        if file.truncated {
            match mailbox.cx.ask(ReadFile { place: place.clone(), limit: FILE_LIMIT }).await {
                Ok(bytes) => file.text = text::decode(&bytes).into_owned(),
                Err(error) => damaged.push(Damaged { path: session.shown(&place), reason: error.to_string() }),
            }
        }
        if holds_all(&file, words) {
            found.push(Recollection { date: day, title: file.title, text: file.text, path: session.shown(&place) });
        }
    }
    Ok((found, damaged))
}

/// Whether title and text together hold every word, in any case.
fn holds_all(file: &MemoryFile, words: &[String]) -> bool {
    let (title, text) = (file.title.to_lowercase(), file.text.to_lowercase());
    words.iter().all(|word| title.contains(word) || text.contains(word))
}
