//! Finding and listing messages: what the commands about mail share.

use std::borrow::Cow;

use serde::Serialize;

use crate::engine::cx::EFFECTS_IN_FLIGHT;
use crate::engine::effect::{EntryKind, FileHead, IoError, IoErrorKind};
use crate::protocol::id::MessageId;
use crate::protocol::layout::{AgentHome, Folder, Place};
use crate::protocol::message::Head;
use crate::protocol::text;
use crate::protocol::time::Day;
use crate::protocol::verdict::{Subjects, Verdict, VerdictSeal};

use super::error::Error;
use super::session::Session;

/// How much of a message file a listing reads: the headers and a little more.
const HEAD_BYTES: u64 = 1024;

/// How much it reads of a file whose headers go on beyond that.
const LONG_HEAD_BYTES: u64 = 256 * 1024;

/// How many files are asked for at once.
const FILES_PER_READ: usize = 512;

/// How many such reads of a folder are under way: a host does one while the core looks at what the other gave.
const READS_AT_ONCE: usize = 2;

/// Where a message lies.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Location {
    /// The day.
    pub day: Day,
    /// The folder.
    pub folder: Folder,
    /// The id: the file's name.
    pub id: MessageId,
}

impl Location {
    /// The message's file.
    #[must_use]
    pub fn place(&self, home: &AgentHome) -> Place {
        home.message(self.day, self.folder, &self.id)
    }
}

/// One message of a listing.
#[derive(Clone, Debug, Serialize)]
pub struct Row {
    /// Where it lies.
    #[serde(flatten)]
    pub location: Location,
    /// `From`.
    pub from: String,
    /// `To`.
    pub to: String,
    /// `Subject`.
    pub subject: String,
    /// `Date`, as it is written.
    pub date: String,
    /// Whether it was not read yet.
    pub unread: bool,
    /// Names of attachments.
    pub attachments: Vec<String>,
    /// What is known of its origin; absent when nobody has verified it yet.
    #[serde(flatten)]
    pub verdict: Option<Verdict>,
}

impl Row {
    /// The message on one line, for whoever watches the inbox.
    #[must_use]
    pub fn line(&self) -> String {
        let subject = if self.subject.is_empty() { "(no subject)" } else { &self.subject };
        let verdict = self.verdict.as_ref().map_or_else(|| "unchecked".to_owned(), ToString::to_string);
        format!("{}  {}  {}: {subject}  ({verdict})", self.date, self.location.id, self.from)
    }
}

/// A file among messages that is none.
#[derive(Clone, Debug, Serialize)]
pub struct Damaged {
    /// The file's path.
    pub path: String,
    /// What is wrong with it.
    pub reason: String,
}

impl Damaged {
    /// A link, folder or device in the place of a file.
    pub(super) fn irregular(path: String) -> Self {
        Self { path, reason: "it is no regular file".to_owned() }
    }
}

/// What a listing found.
#[derive(Debug, Default, Serialize)]
pub struct Listing {
    /// Messages, by day and id.
    pub messages: Vec<Row>,
    /// Files that are no messages.
    pub damaged: Vec<Damaged>,
}

/// The names of the message files of a folder, and the entries that should not be there.
pub(super) struct Names {
    pub(super) ids: Vec<MessageId>,
    pub(super) damaged: Vec<Damaged>,
}

/// The messages of a folder by name. Folders (attachments), delivery states and hidden files are passed over.
pub(super) async fn names(session: &Session, day: Day, folder: Folder) -> Result<Names, Error> {
    let place = session.home.folder(day, folder);
    let mut names = Names { ids: Vec::new(), damaged: Vec::new() };
    for entry in session.cx.list(&place).await? {
        let Some(stem) = entry.name.strip_suffix(".txt").filter(|_| !entry.kind.is_folder()) else { continue };
        let path = || format!("{}/{}", session.shown(&place), entry.name);
        match (entry.kind, MessageId::parse(stem)) {
            (EntryKind::File, Ok(id)) => names.ids.push(id),
            (EntryKind::File, Err(error)) => names.damaged.push(Damaged { path: path(), reason: error.to_string() }),
            _ => names.damaged.push(Damaged::irregular(path())),
        }
    }
    Ok(names)
}

/// Lists the messages of some folders of some days, heads only.
pub(super) async fn list(session: &Session, days: &[Day], folders: &[Folder]) -> Result<Listing, Error> {
    let seal = session.mailbox().seal();
    let places = days.iter().flat_map(|day| folders.iter().map(move |folder| (*day, *folder)));
    let parts =
        session.cx.all(EFFECTS_IN_FLIGHT, places.map(|(day, folder)| list_folder(session, &seal, day, folder))).await;
    let mut folders = Vec::with_capacity(parts.len());
    for folder in parts {
        folders.push(folder?);
    }
    // Room for all at once: rows are large.
    let count = folders.iter().flatten().map(|part| part.messages.len()).sum();
    let mut listing = Listing { messages: Vec::with_capacity(count), ..Listing::default() };
    for part in folders.into_iter().flatten() {
        listing.messages.extend(part.messages);
        listing.damaged.extend(part.damaged);
    }
    Ok(listing)
}

/// Lists a folder, in parts.
async fn list_folder(session: &Session, seal: &VerdictSeal, day: Day, folder: Folder) -> Result<Vec<Listing>, Error> {
    let Names { ids, damaged } = names(session, day, folder).await?;
    let reads = ids.chunks(FILES_PER_READ).map(|ids| list_files(session, seal, day, folder, ids));
    let mut parts = vec![Listing { damaged, ..Listing::default() }];
    for part in session.cx.all(READS_AT_ONCE, reads).await {
        parts.push(part?);
    }
    Ok(parts)
}

async fn list_files(
    session: &Session,
    seal: &VerdictSeal,
    day: Day,
    folder: Folder,
    ids: &[MessageId],
) -> Result<Listing, Error> {
    let place = session.home.folder(day, folder);
    let mut listing = Listing { messages: Vec::with_capacity(ids.len()), damaged: Vec::new() };
    let files = ids.iter().map(MessageId::file_name).collect();
    let heads = session.cx.read_many(&place, files, HEAD_BYTES).await?;
    for (id, head) in ids.iter().zip(heads) {
        let location = Location { day, folder, id: id.clone() };
        match whole_head(session, &location, head).await.and_then(|head| row(session, seal, location, head)) {
            Ok(row) => listing.messages.push(row),
            // Moved or removed since the folder was listed.
            Err(NoRow::Gone) => {}
            Err(NoRow::Damaged(reason)) => {
                let path = session.shown(&session.home.message(day, folder, id));
                listing.damaged.push(Damaged { path, reason });
            }
        }
    }
    Ok(listing)
}

/// Why a file gives no row.
enum NoRow {
    /// It is there no more.
    Gone,
    /// It is no message.
    Damaged(String),
}

/// The first bytes of a file, as far as its headers go.
async fn whole_head(
    session: &Session,
    location: &Location,
    head: Result<FileHead, IoError>,
) -> Result<FileHead, NoRow> {
    let head = head.map_err(|error| match error.kind {
        IoErrorKind::NotFound => NoRow::Gone,
        _ => NoRow::Damaged(error.to_string()),
    })?;
    if !head.truncated || Head::parse(&head.bytes).body_at.is_some() {
        return Ok(head);
    }
    let folder = session.home.folder(location.day, location.folder);
    let again = session.cx.read_many(&folder, vec![location.id.file_name()], LONG_HEAD_BYTES).await;
    let longer = again.map_err(|error| NoRow::Damaged(error.to_string()))?.pop();
    Ok(longer.and_then(Result::ok).unwrap_or(head))
}

/// A row from the first bytes of a file.
fn row(session: &Session, seal: &VerdictSeal, location: Location, head: FileHead) -> Result<Row, NoRow> {
    let FileHead { bytes, truncated } = head;
    let head = Head::parse(&bytes);
    if let Some(damage) = head.damage(truncated) {
        return Err(NoRow::Damaged(damage.to_string()));
    }
    let sealed = head.verdict.as_deref().and_then(|header| seal.read(header, &subjects(&head)));
    let is_doubtful =
        || location.folder == Folder::Inbox && session.mailbox().memo.is_doubtful(location.day, &location.id);
    let verdict = sealed.filter(|_| !is_doubtful()).map(|sealed| sealed.verdict);
    let unread = head.is_new();
    let attachments = head.attachments.as_deref().map(attachment_names).unwrap_or_default();
    let own = |value: Option<Cow<'_, str>>| value.map(Cow::into_owned).unwrap_or_default();
    Ok(Row {
        location,
        from: own(head.from),
        to: own(head.to),
        subject: own(head.subject),
        date: own(head.date),
        unread,
        attachments,
        verdict,
    })
}

/// The names in an `Attachments` header.
pub(super) fn attachment_names(header: &str) -> Vec<String> {
    header.split(',').map(text::strip).filter(|name| !name.is_empty()).map(str::to_owned).collect()
}

fn subjects<'a>(head: &'a Head<'_>) -> Subjects<'a> {
    Subjects {
        message_id: head.message_id.as_deref().unwrap_or_default(),
        from: head.from.as_deref().unwrap_or_default(),
        to: head.to.as_deref().unwrap_or_default(),
        subject: head.subject.as_deref().unwrap_or_default(),
        date: head.date.as_deref().unwrap_or_default(),
    }
}

/// That no message in these folders has this id, with the command that lists those that are there.
pub(super) fn no_such_message(id: &str, folders: &[Folder]) -> Error {
    let listed_by = if folders == [Folder::Held] { "azall held" } else { "azall inbox --all" };
    Error::NoSuchMessage { id: id.to_owned(), listed_by }
}

/// The one message whose id is or begins with `id`, the newest day first, in the folders given.
///
/// # Errors
/// [`Error::NoSuchMessage`], [`Error::AmbiguousId`].
pub(super) async fn find(session: &Session, id: &str, days: &[Day], folders: &[Folder]) -> Result<Location, Error> {
    if id.is_empty() {
        return Err(no_such_message(id, folders));
    }
    let places = days.iter().rev().flat_map(|day| folders.iter().map(move |folder| (*day, *folder)));
    let listed = session
        .cx
        .all(
            EFFECTS_IN_FLIGHT,
            places.map(|(day, folder)| async move { (day, folder, names(session, day, folder).await) }),
        )
        .await;
    let mut matches: Vec<Location> = Vec::new();
    for (day, folder, names) in listed {
        for found in names?.ids {
            if found.as_str() == id {
                return Ok(Location { day, folder, id: found });
            }
            if found.as_str().starts_with(id) && !matches.iter().any(|other| other.id == found) {
                matches.push(Location { day, folder, id: found });
            }
        }
    }
    match matches.as_slice() {
        [only] => Ok(only.clone()),
        [] => Err(no_such_message(id, folders)),
        many => Err(Error::AmbiguousId {
            id: id.to_owned(),
            matches: many.iter().take(5).map(|location| location.id.to_string()).collect::<Vec<_>>().join(", "),
        }),
    }
}
