//! `read` and `held`: one message, whole; and those that policy keeps back.

use serde::{Deserialize, Serialize};

use crate::engine::effect::EntryKind;
use crate::engine::lock;
use crate::protocol::envelope::{InvalidReason, Opened};
use crate::protocol::layout::{Folder, Place};
use crate::protocol::message::{Message, set_status_in_place};
use crate::protocol::time::Day;
use crate::protocol::verdict::{Origin, Verdict};
use crate::sync::receive;

use super::error::Error;
use super::index;
use super::mail::{self, Location, Row};
use super::session::Session;

/// Which message to show.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Read {
    /// Its id, or the beginning of it.
    pub id: String,
    /// Only on this day.
    pub date: Option<Day>,
    /// The file as it is.
    #[serde(default)]
    pub raw: bool,
}

/// A message.
#[derive(Debug, Serialize)]
pub struct ReadMessage {
    /// Where it lies.
    #[serde(flatten)]
    pub location: Location,
    /// The file's path.
    pub path: String,
    /// `From`.
    pub from: String,
    /// `To`.
    pub to: String,
    /// `Subject`.
    pub subject: String,
    /// `Date`, as it is written.
    pub date: String,
    /// The headers, in order.
    pub headers: Vec<(String, String)>,
    /// The text: what was signed, where it is signed.
    pub text: String,
    /// Text around the signed part, which nobody vouches for.
    pub unsigned_text: Option<String>,
    /// What is known of its origin.
    #[serde(flatten)]
    pub verdict: Verdict,
    /// Why a signature is not valid.
    pub reason: Option<String>,
    /// Attachments.
    pub attachments: Vec<Attached>,
    /// The file's text, where it was asked for.
    pub raw: Option<String>,
}

/// An attachment on disk.
#[derive(Debug, Serialize)]
pub struct Attached {
    /// Its name.
    pub name: String,
    /// Its path; absent when the file is not there, since its name then proves nothing: it may lead anywhere.
    pub path: Option<String>,
    /// Its size in bytes; absent when the file is not there.
    pub size: Option<u64>,
}

/// A message with what its envelope says.
pub(super) struct Loaded {
    pub(super) location: Location,
    pub(super) bytes: Vec<u8>,
    pub(super) message: Message,
}

/// Finds and reads a message.
pub(super) async fn load(session: &Session, id: &str, date: Option<Day>, folders: &[Folder]) -> Result<Loaded, Error> {
    let days = match date {
        Some(day) => vec![day],
        None => session.days().await?,
    };
    let location = mail::find(session, id, &days, folders).await?;
    let place = location.place(&session.home);
    let gone = || mail::no_such_message(location.id.as_str(), folders);
    let bytes = session.cx.read(&place).await?.ok_or_else(gone)?;
    let message = Message::parse(&bytes);
    Ok(Loaded { location, bytes, message })
}

/// Shows a message and marks it read.
///
/// # Errors
/// When there is no such message, or several that begin with this id.
pub async fn read(session: &mut Session, read: Read) -> Result<ReadMessage, Error> {
    session.enter().await?;
    let session = &*session;
    let Loaded { location, bytes, message } = load(session, &read.id, read.date, &Folder::ALL).await?;
    let mailbox = session.mailbox();
    let keyring = mailbox.keyring().await?;
    let opened = Opened::read(&message.headers, &message.body);
    let (mut verdict, mut reason) = receive::examine_at_rest(&mailbox, &opened, &keyring, &message.headers);
    let attached = session.home.attachments(location.day, location.folder, &location.id);
    if verdict.origin == Origin::Valid && !receive::attachments_match(&mailbox, &attached, &opened).await? {
        verdict.origin = Origin::Invalid;
        reason = Some(InvalidReason::Attachments.to_string());
    }
    if location.folder == Folder::Inbox && message.headers.value("Status") == Some("new") {
        mark_read(session, &location).await?;
    }
    let value = |name| message.headers.value(name).unwrap_or_default().to_owned();
    let around = [opened.before(), opened.after()].join("\n");
    let around = crate::protocol::text::strip(&around);
    Ok(ReadMessage {
        path: session.shown(&location.place(&session.home)),
        from: value("From"),
        to: value("To"),
        subject: value("Subject"),
        date: value("Date"),
        headers: message.headers.iter().map(|(name, value)| (name.to_owned(), value.to_owned())).collect(),
        text: opened.text().to_owned(),
        unsigned_text: (!around.is_empty() && verdict.is_proven()).then(|| around.to_owned()),
        verdict,
        reason,
        attachments: attachments(session, &location, &message).await?,
        raw: read.raw.then(|| crate::protocol::text::decode(&bytes).into_owned()),
        location,
    })
}

async fn mark_read(session: &Session, location: &Location) -> Result<(), Error> {
    let place = location.place(&session.home);
    lock::locked(&session.cx, &session.home.lock(), async {
        // Read again under the lock: it may have been changed or moved since.
        if let Some(bytes) = session.cx.read(&place).await? {
            session.cx.write(&place, set_status_in_place(&bytes, "read")).await?;
        }
        Ok::<_, Error>(())
    })
    .await?;
    index::refresh_day_index(session, location.day).await
}

/// The attachments that the message names, with what is there of them.
async fn attachments(session: &Session, location: &Location, message: &Message) -> Result<Vec<Attached>, Error> {
    let names = mail::attachment_names(message.headers.value("Attachments").unwrap_or_default());
    if names.is_empty() {
        return Ok(Vec::new());
    }
    let folder = session.home.attachments(location.day, location.folder, &location.id);
    let entries = session.cx.list_with_meta(&folder).await?;
    let attached = |name: String| {
        let file = entries.iter().find(|entry| entry.name == name && entry.kind == EntryKind::File);
        Attached {
            path: file.map(|file| format!("{}/{}", session.shown(&folder), file.name)),
            size: file.map(|file| file.size),
            name,
        }
    };
    Ok(names.into_iter().map(attached).collect())
}

/// What to do with the messages that policy keeps back.
#[derive(Clone, Debug, Deserialize)]
#[serde(rename_all = "kebab-case", rename_all_fields = "snake_case", deny_unknown_fields)]
pub enum Held {
    /// List them.
    List,
    /// Into the inbox with this one.
    Release(String),
    /// Away with this one.
    Drop(String),
}

/// What is held back, or what was done.
#[derive(Debug, Serialize)]
pub struct HeldOutcome {
    /// `listed`, `released` or `dropped`.
    pub done: &'static str,
    /// The messages concerned.
    pub messages: Vec<Row>,
}

/// Lists, releases or drops messages that are held back.
///
/// # Errors
/// When there is no such message among those held.
pub async fn held(session: &mut Session, held: Held) -> Result<HeldOutcome, Error> {
    session.enter().await?;
    let session = &*session;
    let days = session.days().await?;
    let rows = mail::list(session, &days, &[Folder::Held]).await?.messages;
    let (id, done) = match &held {
        Held::List => return Ok(HeldOutcome { done: "listed", messages: rows }),
        Held::Release(id) => (id, "released"),
        Held::Drop(id) => (id, "dropped"),
    };
    let location = mail::find(session, id, &days, &[Folder::Held]).await?;
    lock::locked(&session.cx, &session.home.lock(), async {
        match held {
            Held::Release(_) => release(session, &location).await,
            _ => discard(session, &location).await,
        }
    })
    .await?;
    index::refresh_day_index(session, location.day).await?;
    Ok(HeldOutcome { done, messages: rows.into_iter().filter(|row| row.location == location).collect() })
}

/// Moves a message into the inbox, unless another of its name is there.
async fn release(session: &Session, held: &Location) -> Result<(), Error> {
    let home = &session.home;
    let inbox = Location { folder: Folder::Inbox, ..held.clone() };
    if session.cx.read(&inbox.place(home)).await?.is_some() {
        return Err(Error::AlreadyInInbox { id: held.id.to_string() });
    }
    Ok(session.mailbox().refile(held.day, &held.id, Folder::Held, Folder::Inbox).await?)
}

async fn discard(session: &Session, held: &Location) -> Result<(), Error> {
    session.cx.remove(&held.place(&session.home)).await?;
    let attachments: Place = session.home.attachments(held.day, Folder::Held, &held.id);
    Ok(session.cx.remove(&attachments).await?)
}
