//! From the relays into the spool. A relay deletes what it hands out, so its answer is made durable as it came before a
//! single message of it is looked at; whatever crashes then, the next cycle goes on from the spool.

use serde::Serialize;
use sha2::{Digest, Sha256};

use super::receive::{self, Arrival, Stored};
use super::{Error, Mailbox, relay_call};
use crate::engine::cx::EFFECTS_IN_FLIGHT;
use crate::engine::effect::IoErrorKind;
use crate::engine::event::Level;
use crate::protocol::config::RelayAccount;
use crate::protocol::id::MessageId;
use crate::protocol::layout::Place;
use crate::protocol::relay::{self, ServerUrl};
use crate::protocol::spool;
use crate::protocol::text;
use crate::protocol::time::Day;

/// What a relay said.
#[derive(Clone, Debug, Serialize)]
pub struct RelayReport {
    /// The relay.
    pub server: String,
    /// How many messages it handed out.
    pub messages: usize,
    /// What went wrong, and what to do.
    pub problem: Option<String>,
}

/// What one relay handed out, durable in a file.
struct Fetched {
    file: Place,
    server: String,
    day: Day,
    body: Vec<u8>,
}

/// How much room is made sure of before a relay is asked: what it hands out it has deleted.
const ROOM_BYTES: usize = 64 * 1024;

/// How often an answer that the disk has no room for is tried to be kept, and the pause between two tries: ten minutes in all. They
/// are counted, since a clock that jumps must not end them.
const FULL_TRIES: u32 = 120;
const FULL_PAUSE_MS: i64 = 5_000;

/// Fetches from all relays side by side, each answer durable at once, and stores the messages: those of one relay do not wait for
/// another that is slow.
///
/// # Errors
/// When the mailbox cannot be written. A relay that fails is in its report, and the others are served.
pub async fn fetch(mailbox: &Mailbox<'_>) -> Result<(Vec<RelayReport>, Stored), Error> {
    let relays = mailbox.config.relays();
    if relays.is_empty() {
        return Ok((Vec::new(), Stored::default()));
    }
    // A mailbox that cannot be written asks for nothing.
    let room = mailbox.home.room();
    mailbox.cx.write(&room, vec![0; ROOM_BYTES]).await?;
    let fetched = fetch_all(mailbox, relays).await;
    mailbox.cx.remove(&room).await?;
    fetched
}

async fn fetch_all(mailbox: &Mailbox<'_>, relays: &[RelayAccount]) -> Result<(Vec<RelayReport>, Stored), Error> {
    let fetches = relays.iter().map(|account| fetch_from(mailbox, account));
    let mut reports = Vec::new();
    let mut stored = Stored::default();
    for outcome in mailbox.cx.all(EFFECTS_IN_FLIGHT, fetches).await {
        let (report, part) = outcome?;
        stored.add(part);
        reports.push(report);
    }
    Ok((reports, stored))
}

async fn fetch_from(mailbox: &Mailbox<'_>, account: &RelayAccount) -> Result<(RelayReport, Stored), Error> {
    let mut report = RelayReport { server: account.server.to_string(), messages: 0, problem: None };
    let body = match relay_call::messages(mailbox.cx, account).await {
        Ok(body) => body,
        Err(error) => {
            report.problem = Some(error.to_string());
            return Ok((report, Stored::default()));
        }
    };
    let stored = match keep(mailbox, &report.server, body).await? {
        Some(fetched) => store(mailbox, fetched, &mut report).await?,
        None => Stored::default(),
    };
    Ok((report, stored))
}

/// Makes a relay's answer durable, unless there is nothing in it.
async fn keep(mailbox: &Mailbox<'_>, server: &str, body: Vec<u8>) -> Result<Option<Fetched>, Error> {
    if is_empty_list(&body) {
        return Ok(None);
    }
    let (cx, now) = (mailbox.cx, mailbox.cx.now());
    let name = format!("{}-{}", now.unix_ms, text::hex(&cx.random::<4>().await?));
    let file = mailbox.home.spool().join(&name)?;
    // Without it the answer may still fit; nothing may keep it from being tried.
    let _ = cx.remove(&mailbox.home.room()).await;
    let mut tries = 0;
    while let Err(error) = cx.write_private(&file, spool::encode(server, now, &body)).await {
        tries += 1;
        if error.io_kind() != Some(IoErrorKind::StorageFull) || tries > FULL_TRIES {
            return Err(error.into());
        }
        let size = body.len();
        cx.emit(
            Level::Warning,
            format!(
                "the disk is full, and {server} has deleted the {size} bytes that it handed out: free some space now, it is tried again"
            ),
        );
        if !cx.sleep_ms(FULL_PAUSE_MS).await {
            return Err(error.into());
        }
    }
    Ok(Some(Fetched { file, server: server.to_owned(), day: now.day(), body }))
}

/// Stores what earlier cycles fetched and did not finish.
///
/// # Errors
/// When the mailbox cannot be read or written.
pub async fn resume(mailbox: &Mailbox<'_>) -> Result<Stored, Error> {
    let (cx, folder) = (mailbox.cx, mailbox.home.spool());
    let mut stored = Stored::default();
    for entry in cx.list(&folder).await? {
        let file = folder.join(&entry.name)?;
        if entry.name.ends_with(".damaged") {
            continue;
        }
        let Some(bytes) = cx.read(&file).await? else { continue };
        match spool::decode(&bytes) {
            Ok(whole) => {
                let mut report = RelayReport { server: whole.server.clone(), messages: 0, problem: None };
                let fetched = Fetched { file, server: whole.server, day: whole.day, body: whole.body.to_vec() };
                stored.add(store(mailbox, fetched, &mut report).await?);
                if let Some(problem) = report.problem {
                    cx.emit(Level::Warning, problem);
                }
            }
            Err(error) => {
                let aside = folder.join(&format!("{}.damaged", entry.name))?;
                cx.emit(Level::Warning, format!("{file}: {error}; it is kept as {aside}"));
                cx.rename(&file, &aside).await?;
            }
        }
    }
    Ok(stored)
}

/// Stores the messages of an answer and then lets go of its file. What in it is no message is kept beside it.
async fn store(mailbox: &Mailbox<'_>, fetched: Fetched, report: &mut RelayReport) -> Result<Stored, Error> {
    let Fetched { file, server, day, body } = fetched;
    let list = match parse(&server, &body) {
        Ok(list) => list,
        Err(error) => {
            report.problem = Some(error);
            set_aside(mailbox, &file, &body).await?;
            return Ok(Stored::default());
        }
    };
    let (first, more) = problems(&list);
    let arrivals: Vec<Arrival> = list.messages.into_iter().map(|message| arrival(&server, message)).collect();
    report.messages = arrivals.len();
    let stored = receive::store(mailbox, arrivals, day).await?;
    if let Some(first) = first {
        let more = if more > 0 { format!(" (and {more} more like it)") } else { String::new() };
        report.problem = Some(format!("{server}: {first}{more}; the answer is kept in .spool"));
        set_aside(mailbox, &file, &body).await?;
        return Ok(stored);
    }
    mailbox.cx.remove(&file).await?;
    Ok(stored)
}

/// The first thing that is wrong with an answer, and how many more there are.
fn problems(list: &relay::MessageList) -> (Option<String>, usize) {
    let of_payload = |message: &relay::RelayMessage| {
        message.payload.problems.first().map(|problem| format!("message {}: {problem}", message.id))
    };
    let first = list.damage.clone();
    let first = first.or_else(|| list.bad.first().map(ToString::to_string));
    let first = first.or_else(|| list.messages.iter().find_map(of_payload));
    let of_payloads: usize = list.messages.iter().map(|message| message.payload.problems.len()).sum();
    let count = usize::from(list.damage.is_some()) + list.bad_count + of_payloads;
    (first, count.saturating_sub(1))
}

/// Keeps an answer that could not be understood, out of the way of the next cycle. It is named by what is in it: a relay that says
/// the same in every cycle fills no disk.
async fn set_aside(mailbox: &Mailbox<'_>, file: &Place, body: &[u8]) -> Result<(), Error> {
    let name = text::hex(Sha256::digest(body).get(..8).unwrap_or_default());
    let aside = mailbox.home.spool().join(&format!("{name}.damaged"))?;
    Ok(mailbox.cx.rename(file, &aside).await?)
}

/// The messages in a relay's answer.
fn parse(server: &str, body: &[u8]) -> Result<relay::MessageList, String> {
    let url = ServerUrl::parse(server).map_err(|error| error.to_string())?;
    relay::parse_messages(&url, relay::Reply { status: 200, headers: &[], body }).map_err(|error| error.to_string())
}

/// Whether a relay's answer surely holds no message: then nothing was handed out that could be lost.
fn is_empty_list(body: &[u8]) -> bool {
    body.len() < 1024
        && serde_json::from_slice::<serde_json::Value>(body)
            .is_ok_and(|answer| answer.get("messages").and_then(serde_json::Value::as_array).is_some_and(Vec::is_empty))
}

fn arrival(server: &str, message: relay::RelayMessage) -> Arrival {
    let payload = message.payload;
    // A message is not lost for want of an id: it is known by what it says.
    let id = match message.id {
        id if id.is_empty() => {
            MessageId::from_untrusted(&format!("{}\n{}\n{}", message.from, payload.subject, payload.body)).to_string()
        }
        id => id,
    };
    Arrival {
        transport: server.to_owned(),
        from: message.from,
        to: message.to,
        date: message.timestamp,
        id,
        subject: payload.subject,
        body: payload.body,
        attachments: payload.attachments.into_iter().map(|file| (file.name, file.data)).collect(),
    }
}
