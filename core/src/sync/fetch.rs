//! From the relays into the spool. A relay deletes what it hands out, so its answer is made durable as it came before a
//! single message of it is looked at; whatever crashes then, the next cycle goes on from the spool.

use serde::Serialize;

use super::receive::{self, Arrival, Stored};
use super::{Error, Mailbox, relay_call};
use crate::engine::cx::EFFECTS_IN_FLIGHT;
use crate::engine::event::Level;
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
    file: Option<Place>,
    server: String,
    day: Day,
    body: Vec<u8>,
}

/// Fetches from all relays side by side, each answer durable at once, and stores the messages.
///
/// # Errors
/// When the mailbox cannot be written. A relay that fails is in its report, and the others are served.
pub async fn fetch(mailbox: &Mailbox<'_>) -> Result<(Vec<RelayReport>, Stored), Error> {
    let relays = mailbox.config.relays();
    let fetches = relays.iter().map(|account| async move {
        let server = account.server.to_string();
        let body = match relay_call::messages(mailbox.cx, account).await {
            Ok(body) => body,
            Err(error) => return Ok((RelayReport { server, messages: 0, problem: Some(error.to_string()) }, None)),
        };
        keep(mailbox, server, body).await
    });
    let mut reports = Vec::new();
    let mut stored = Stored::default();
    for outcome in mailbox.cx.all(EFFECTS_IN_FLIGHT, fetches).await {
        let (mut report, fetched) = outcome?;
        if let Some(fetched) = fetched {
            let part = store(mailbox, fetched, &mut report).await?;
            stored.add(part);
        }
        reports.push(report);
    }
    Ok((reports, stored))
}

/// Makes a relay's answer durable, unless there is nothing in it.
async fn keep(mailbox: &Mailbox<'_>, server: String, body: Vec<u8>) -> Result<(RelayReport, Option<Fetched>), Error> {
    let report = RelayReport { server: server.clone(), messages: 0, problem: None };
    if is_empty_list(&body) {
        return Ok((report, None));
    }
    let (cx, now) = (mailbox.cx, mailbox.cx.now());
    let name = format!("{}-{}", now.unix_ms, text::hex(&cx.random::<4>().await?));
    let file = mailbox.home.spool().join(&name)?;
    cx.write_private(&file, spool::encode(&server, now, &body)).await?;
    Ok((report, Some(Fetched { file: Some(file), server, day: now.day(), body })))
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
                let fetched =
                    Fetched { file: Some(file), server: whole.server, day: whole.day, body: whole.body.to_vec() };
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
            return set_aside(mailbox, file).await;
        }
    };
    let mut problems: Vec<String> = list.damage.into_iter().collect();
    let mut arrivals = Vec::with_capacity(list.messages.len());
    for entry in list.messages {
        match entry {
            Ok(message) => {
                problems.extend(
                    message.payload.problems.iter().map(|problem| format!("message {}: {problem}", message.id)),
                );
                arrivals.push(arrival(&server, message));
            }
            Err(bad) => problems.push(bad.to_string()),
        }
    }
    report.messages = arrivals.len();
    let stored = receive::store(mailbox, arrivals, day).await?;
    if let Some(first) = problems.first() {
        let more =
            if problems.len() > 1 { format!(" (and {} more like it)", problems.len() - 1) } else { String::new() };
        report.problem = Some(format!("{server}: {first}{more}; the answer is kept in .spool"));
        set_aside(mailbox, file).await?;
        return Ok(stored);
    }
    if let Some(file) = file {
        mailbox.cx.remove(&file).await?;
    }
    Ok(stored)
}

/// Keeps an answer that could not be understood, out of the way of the next cycle.
async fn set_aside(mailbox: &Mailbox<'_>, file: Option<Place>) -> Result<Stored, Error> {
    if let Some(file) = file {
        let aside = mailbox.home.spool().join(&format!("{}.damaged", file.path.file_name()))?;
        mailbox.cx.rename(&file, &aside).await?;
    }
    Ok(Stored::default())
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
