//! What the commands about an agent's own texts share: identity, tasks, notes and memories are files of a day.

use serde::Deserialize;

use std::future::Future;

use crate::engine;
use crate::engine::cx::{Cx, EFFECTS_IN_FLIGHT, FILE_LIMIT};
use crate::engine::event::Level;
use crate::engine::lock;
use crate::protocol::layout::Place;
use crate::protocol::text;
use crate::protocol::time::Day;

use super::error::Error;
use super::index;
use super::session::Session;

/// How a text is changed.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "kebab-case", rename_all_fields = "snake_case", deny_unknown_fields)]
pub enum Edit {
    /// It becomes this.
    Set(String),
    /// A line is added; where there is no text yet, it becomes this line.
    Append(String),
}

/// A text that has become too long.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{place} would grow beyond {limit} bytes, the most that are read; begin another one")]
pub struct TextTooLong {
    /// The file.
    pub place: Place,
    /// The most bytes that a text may have.
    pub limit: u64,
}

impl Edit {
    /// What becomes of the text `old` of the file at `place`.
    ///
    /// # Errors
    /// [`TextTooLong`].
    pub(super) fn apply(self, place: &Place, old: Option<String>) -> Result<String, TextTooLong> {
        let new = match (self, old) {
            (Self::Set(new) | Self::Append(new), None) | (Self::Set(new), Some(_)) => new,
            (Self::Append(line), Some(mut old)) => {
                old.push('\n');
                old.push_str(&line);
                old
            }
        };
        if new.len() as u64 > FILE_LIMIT {
            return Err(TextTooLong { place: place.clone(), limit: FILE_LIMIT });
        }
        Ok(new)
    }
}

/// A text of a day.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Dated {
    /// The day.
    pub(super) day: Day,
    /// The text.
    pub(super) text: String,
}

/// The text in a file; `None` when there is no file.
pub(super) async fn read(cx: &Cx, place: &Place) -> Result<Option<String>, Error> {
    Ok(cx.read(place).await?.map(|bytes| text::decode(&bytes).into_owned()))
}

/// The text of the newest of `days` (oldest first) that has one that is not blank. The last day is asked alone: it is
/// almost always the one. A text that cannot be read is told and passed over: it must not keep the earlier ones hidden.
pub(super) async fn newest<F>(cx: &Cx, days: &[Day], read: impl Fn(Day) -> F) -> Result<Option<Dated>, Error>
where
    F: Future<Output = Result<Option<String>, Error>>,
{
    let Some((last, earlier)) = days.split_last() else { return Ok(None) };
    for days in std::iter::once(std::slice::from_ref(last)).chain(earlier.rchunks(EFFECTS_IN_FLIGHT)) {
        let newest_first = || days.iter().rev().copied();
        let texts = cx.all(EFFECTS_IN_FLIGHT, newest_first().map(&read)).await;
        for (day, text) in newest_first().zip(texts) {
            match text {
                Ok(Some(text)) if !text::strip(&text).is_empty() => return Ok(Some(Dated { day, text })),
                Ok(_) => {}
                Err(Error::Engine(error @ engine::error::Error::File { .. })) => {
                    cx.emit(Level::Warning, format!("passed over: {error}"));
                }
                Err(error) => return Err(error),
            }
        }
    }
    Ok(None)
}

/// Changes one of today's files under the mailbox lock, and brings the index of the day up to date. Gives the text as changed.
pub(super) async fn edit_today(
    session: &Session,
    place: impl FnOnce(Day) -> Result<Place, Error>,
    edit: Edit,
) -> Result<Dated, Error> {
    lock::locked(&session.cx, &session.home.lock(), async {
        // The wait for the lock may have lasted past midnight.
        let day = session.today();
        let place = place(day)?;
        let old = match edit {
            Edit::Set(_) => None,
            Edit::Append(_) => read(&session.cx, &place).await?,
        };
        let text = edit.apply(&place, old)?;
        session.cx.write(&place, text.as_str()).await?;
        index::refresh_day_index(session, day).await?;
        Ok(Dated { day, text })
    })
    .await
}
