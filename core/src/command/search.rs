//! `search`: full text over all days.

use memchr::memmem::Finder;
use serde::{Deserialize, Serialize};

use crate::engine::cx::FILE_LIMIT;
use crate::engine::effect::{FileHead, IoError, IoErrorKind, ReadFile};
use crate::protocol::envelope::Opened;
use crate::protocol::layout::{Folder, Place};
use crate::protocol::message::Message;
use crate::protocol::text;
use crate::protocol::time::Day;

use super::error::Error;
use super::mail::{self, Damaged, Location};
use super::session::Session;

/// How many files are asked for at once.
const FILES_PER_READ: usize = 256;

/// How much of each is read at once; a larger file is read alone.
const READ_LIMIT: u64 = 64 * 1024;

/// How many folders are searched side by side: what is in memory is this times the two above.
const FOLDERS_AT_ONCE: usize = 4;

/// Characters shown on each side of what was found.
const EXCERPT: usize = 60;

/// What to look for.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Search {
    /// Text, in any case.
    pub query: String,
    /// Only messages whose sender contains this.
    pub from: Option<String>,
    /// Only messages one of whose recipients contains this.
    pub to: Option<String>,
    /// Only days from this one on.
    pub since: Option<Day>,
    /// At most this many, the newest.
    pub limit: Option<usize>,
}

/// What was found.
#[derive(Debug, Serialize)]
pub struct Found {
    /// What was looked for.
    pub query: String,
    /// Messages, the newest day first.
    pub matches: Vec<Match>,
    /// How many more the limit left out.
    pub left_out: usize,
    /// Files that could not be searched.
    pub damaged: Vec<Damaged>,
}

/// A message that matches.
#[derive(Debug, Serialize)]
pub struct Match {
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
    /// The text around the first match.
    pub excerpt: String,
}

/// Searches.
///
/// # Errors
/// When a folder cannot be listed or read.
pub async fn search(session: &mut Session, search: Search) -> Result<Found, Error> {
    session.enter().await?;
    let session = &*session;
    let needle = Needle::new(&search);
    let days: Vec<Day> =
        session.days().await?.into_iter().rev().filter(|day| search.since.is_none_or(|since| *day >= since)).collect();
    let folders = days.iter().flat_map(|day| Folder::ALL.iter().map(move |folder| (*day, *folder)));
    let parts = session
        .cx
        .all(FOLDERS_AT_ONCE, folders.map(|(day, folder)| search_folder(session, &needle, day, folder)))
        .await;
    let (mut matches, mut damaged) = (Vec::new(), Vec::new());
    for part in parts {
        let (found, unreadable) = part?;
        matches.extend(found);
        damaged.extend(unreadable);
    }
    let keep = search.limit.unwrap_or(usize::MAX).min(matches.len());
    let left_out = matches.len() - keep;
    matches.truncate(keep);
    Ok(Found { query: search.query, matches, left_out, damaged })
}

/// The query, prepared.
struct Needle {
    query: String,
    finder: Finder<'static>,
    from: Option<String>,
    to: Option<String>,
}

impl Needle {
    fn new(search: &Search) -> Self {
        let lower = |text: &Option<String>| text.as_ref().map(|text| text.to_lowercase());
        let query = search.query.to_lowercase();
        Self { finder: Finder::new(&query).into_owned(), query, from: lower(&search.from), to: lower(&search.to) }
    }

    /// Whether a file may match, seen from its bytes alone: most do not, and need no parsing. `scratch` is reused.
    fn may_be_in(&self, bytes: &[u8], scratch: &mut Vec<u8>) -> bool {
        if !self.query.is_ascii() || bytes.contains(&b'\\') {
            // Case folding beyond ASCII, or text that reads differently once unescaped.
            return true;
        }
        scratch.clear();
        scratch.extend(bytes.iter().map(u8::to_ascii_lowercase));
        self.finder.find(scratch).is_some()
    }

    /// The match in one message.
    fn find(&self, location: Location, bytes: &[u8]) -> Option<Match> {
        let message = Message::parse(bytes);
        let value = |name| message.headers.value(name).unwrap_or_default();
        let holds = |wanted: &Option<String>, text: &str| {
            wanted.as_ref().is_none_or(|wanted| text.to_lowercase().contains(wanted.as_str()))
        };
        if !holds(&self.from, value("From"))
            || !(holds(&self.to, value("To")) || self.to.is_some() && holds(&self.to, value("Cc")))
        {
            return None;
        }
        let opened = Opened::read(&message.headers, &message.body);
        let text = opened.text();
        let excerpt = [text, value("Subject"), value("From"), value("To")]
            .into_iter()
            .find_map(|text| excerpt(text, &self.query))?;
        Some(Match {
            from: value("From").to_owned(),
            to: value("To").to_owned(),
            subject: value("Subject").to_owned(),
            date: value("Date").to_owned(),
            excerpt,
            location,
        })
    }
}

/// The line around the first match, cut to a readable length.
fn excerpt(text: &str, query: &str) -> Option<String> {
    let lower = text.to_lowercase();
    let at = lower.find(query)?;
    // Lower-casing may change lengths: count characters, not bytes.
    let before = lower.get(..at)?.chars().count();
    let from = before.saturating_sub(EXCERPT);
    let length = EXCERPT * 2 + query.chars().count();
    let cut: String = text.chars().skip(from).take(length).collect();
    Some(text::strip(&cut).replace('\n', " "))
}

/// The matches of a folder, and its files that cannot be read.
async fn search_folder(
    session: &Session,
    needle: &Needle,
    day: Day,
    folder: Folder,
) -> Result<(Vec<Match>, Vec<Damaged>), Error> {
    let place = session.home.folder(day, folder);
    let mail::Names { ids, mut damaged } = mail::names(session, day, folder).await?;
    let mut matches = Vec::new();
    let mut scratch = Vec::new();
    for chunk in ids.chunks(FILES_PER_READ) {
        let names = chunk.iter().map(|id| id.file_name()).collect();
        let files = session.cx.read_many(&place, names, READ_LIMIT).await?;
        for (id, file) in chunk.iter().zip(files) {
            let location = Location { day, folder, id: id.clone() };
            let file_place = location.place(&session.home);
            match whole(session, &file_place, file).await {
                Ok(bytes) if needle.may_be_in(&bytes, &mut scratch) => matches.extend(needle.find(location, &bytes)),
                Ok(_) => {}
                // Moved or removed since the folder was listed.
                Err(error) if error.kind == IoErrorKind::NotFound => {}
                Err(error) => damaged.push(Damaged { path: session.shown(&file_place), reason: error.to_string() }),
            }
        }
    }
    Ok((matches, damaged))
}

/// A file that is longer than one read, read whole.
async fn whole(session: &Session, place: &Place, file: Result<FileHead, IoError>) -> Result<Vec<u8>, IoError> {
    let file = file?;
    if !file.truncated {
        return Ok(file.bytes);
    }
    session.cx.ask(ReadFile { place: place.clone(), limit: FILE_LIMIT }).await
}
