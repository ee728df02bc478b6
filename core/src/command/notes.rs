//! `note`, `notes`: named notes of a day.

use serde::{Deserialize, Serialize};

use crate::engine::effect::EntryKind;
use crate::protocol::name;
use crate::protocol::time::Day;

use super::error::Error;
use super::identity::Done;
use super::mail::Damaged;
use super::session::Session;
use super::texts::{self, Edit};

/// The ending of a note's file.
const ENDING: &str = ".txt";

/// Shows or changes a note.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Note {
    /// The note's name, not empty.
    pub name: String,
    /// The change.
    pub edit: Option<Edit>,
}

/// A note.
#[derive(Debug, Serialize)]
pub struct NoteOutcome {
    /// The name, as it is kept.
    pub name: String,
    /// `shown`, `set` or `appended`.
    pub done: Done,
    /// The day of the note.
    pub date: Day,
    /// The text, where it is shown.
    pub text: Option<String>,
    /// The file.
    pub path: String,
}

/// No day has a note of this name.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("Note '{name}' not found; `azall notes` lists today's, `azall note {name} --set TEXT` makes it")]
pub struct NoSuchNote {
    /// The name, as it would be kept.
    pub name: String,
}

/// Shows the newest note of a name, or changes today's.
///
/// # Errors
/// [`NoSuchNote`] when there is none to show; when the mailbox cannot be read or written.
pub async fn note(session: &mut Session, note: Note) -> Result<NoteOutcome, Error> {
    session.enter().await?;
    let session = &*session;
    let name = name::sanitize(&note.name);
    let file = format!("{name}{ENDING}");
    let place = |day| Ok::<_, Error>(session.home.notes(day).join(&file)?);
    let (done, date, text) = match note.edit {
        Some(edit) => {
            let done = Done::of(&edit);
            (done, texts::edit_today(session, place, edit).await?.day, None)
        }
        None => {
            let days = session.days().await?;
            let read = |day| async move { texts::read(&session.cx, &place(day)?).await };
            let newest = texts::newest(&session.cx, &days, read).await?;
            let newest = newest.ok_or_else(|| NoSuchNote { name: name.clone() })?;
            (Done::Shown, newest.day, Some(newest.text))
        }
    };
    let path = session.shown(&place(date)?);
    Ok(NoteOutcome { name, done, date, text, path })
}

/// Lists the notes of a day.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Notes {
    /// This day instead of today.
    pub date: Option<Day>,
}

/// The notes of a day.
#[derive(Debug, Serialize)]
pub struct NoteList {
    /// The day.
    pub date: Day,
    /// The notes, by name.
    pub notes: Vec<NoteEntry>,
    /// Entries among them that are no files.
    pub damaged: Vec<Damaged>,
}

/// A note of a list.
#[derive(Debug, Serialize)]
pub struct NoteEntry {
    /// The name.
    pub name: String,
    /// Bytes.
    pub size: u64,
    /// The file.
    pub path: String,
}

/// Lists the notes of a day.
///
/// # Errors
/// When the mailbox cannot be read.
pub async fn notes(session: &mut Session, notes: Notes) -> Result<NoteList, Error> {
    session.enter().await?;
    let date = notes.date.unwrap_or_else(|| session.today());
    let folder = session.home.notes(date);
    let entries = session.cx.list_with_meta(&folder).await?;
    let folder = session.shown(&folder);
    let (mut notes, mut damaged) = (Vec::new(), Vec::new());
    for entry in entries {
        let Some(name) = entry.name.strip_suffix(ENDING) else { continue };
        let path = format!("{folder}/{}", entry.name);
        match entry.kind {
            EntryKind::File => notes.push(NoteEntry { name: name.to_owned(), size: entry.size, path }),
            _ => damaged.push(Damaged::irregular(path)),
        }
    }
    Ok(NoteList { date, notes, damaged })
}
