//! What relays have. One of version 2 keeps a message until it is acknowledged, which is when it is stored (`collect`). One
//! of version 1 deletes what it hands out, so its answer is made durable as it came before a single message of it is looked
//! at; whatever crashes then, the next cycle goes on from the spool.

use serde::Serialize;
use sha2::{Digest, Sha256};

use super::receive::{self, Arrival, KeptBy, Stored};
use super::{Error, Mailbox, blobs, collect, memo, open_days, relay_call};
use crate::engine::cx::{EFFECTS_IN_FLIGHT, join};
use crate::engine::effect::IoErrorKind;
use crate::engine::event::Level;
use crate::protocol::config::RelayAccount;
use crate::protocol::id::MessageId;
use crate::protocol::layout::Place;
use crate::protocol::relay::version2::{Api, Cursor, Limits};
use crate::protocol::relay::{self, RelayError, ServerUrl};
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
    /// Where to go on, at a relay at which one can wait for more.
    #[serde(skip)]
    pub(super) goes_on: Option<GoesOn>,
}

impl RelayReport {
    /// A relay of which nothing is known yet.
    #[must_use]
    pub fn new(server: &ServerUrl) -> Self {
        Self { server: server.to_string(), messages: 0, problem: None, goes_on: None }
    }

    /// Notes what went wrong; the first of it is told.
    pub(super) fn blame(&mut self, problem: impl ToString) {
        self.problem.get_or_insert_with(|| problem.to_string());
    }
}

/// Where to go on at a relay of version 2.
#[derive(Clone, Debug)]
pub(super) struct GoesOn {
    pub(super) account: RelayAccount,
    pub(super) limits: Limits,
    pub(super) after: Option<Cursor>,
    /// Whether everything so far is stored and acknowledged.
    pub(super) all_done: bool,
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

/// Fetches from all relays side by side, but for those that somebody listens to, and stores the messages: those of one relay do not
/// wait for another that is slow.
///
/// # Errors
/// When the mailbox cannot be written. A relay that fails is in its report, and the others are served.
pub async fn fetch(mailbox: &Mailbox<'_>, listening: &[RelayAccount]) -> Result<(Vec<RelayReport>, Stored), Error> {
    let begun = mailbox.cx.now().day();
    let accounts: Vec<&RelayAccount> =
        mailbox.config.relays().iter().filter(|account| !listening.contains(account)).collect();
    let servers: Vec<ServerUrl> = accounts.iter().map(|account| account.server.clone()).collect();
    let apis = memo::apis(mailbox, &servers).await;
    let (mut reports, mut stored, mut by_version1) = (Vec::new(), Stored::default(), Vec::new());
    let mut by_version2 = Vec::new();
    for account in &accounts {
        match apis.get(&account.server) {
            Some(Ok(Api::Version1)) => by_version1.push(*account),
            Some(Ok(Api::Version2(limits))) => by_version2.push((*account, *limits)),
            Some(Err(error)) => reports.push(failed(account, error)),
            None => {}
        }
    }
    let (of_version1, of_version2) = join(
        fetch_version1(mailbox, &by_version1),
        mailbox.cx.all(
            EFFECTS_IN_FLIGHT,
            by_version2.iter().map(|(account, limits)| collect::all(mailbox, account, *limits)),
        ),
    )
    .await;
    let mut unlearned = Vec::new();
    for ((account, _), outcome) in by_version2.iter().zip(of_version2) {
        let (outcome, part) = outcome?;
        stored.add(part);
        match outcome {
            Err(RelayError::NotVersion2 { .. }) => unlearned.push(*account),
            Err(error) => reports.push(failed(account, &error)),
            Ok(report) => reports.push(report),
        }
    }
    let mut add = |(of_relays, part): (Vec<RelayReport>, Stored)| {
        reports.extend(of_relays);
        stored.add(part);
    };
    add(of_version1?);
    add(fetch_unlearned(mailbox, &unlearned).await?);
    let is_done = |report: &RelayReport| report.goes_on.as_ref().is_none_or(|goes_on| goes_on.all_done);
    if reports.iter().all(|report| report.problem.is_none() && is_done(report)) {
        open_days::close_others(mailbox, begun).await?;
    }
    Ok((reports, stored))
}

fn failed(account: &RelayAccount, error: &RelayError) -> RelayReport {
    RelayReport { problem: Some(error.to_string()), ..RelayReport::new(&account.server) }
}

/// Relays that knew version 2 and do not any more: they are asked, and served by version 1.
async fn fetch_unlearned(
    mailbox: &Mailbox<'_>,
    accounts: &[&RelayAccount],
) -> Result<(Vec<RelayReport>, Stored), Error> {
    let (mut reports, mut by_version1) = (Vec::new(), Vec::new());
    for account in accounts {
        match memo::api_again(mailbox, &account.server).await {
            Ok(Api::Version1) => by_version1.push(*account),
            // It says that it does: something in between does not let it through.
            Ok(Api::Version2(_)) => {
                reports.push(failed(account, &RelayError::NotVersion2 { server: account.server.clone() }))
            }
            Err(error) => reports.push(failed(account, &error)),
        }
    }
    let (of_version1, stored) = fetch_version1(mailbox, &by_version1).await?;
    reports.extend(of_version1);
    Ok((reports, stored))
}

async fn fetch_version1(
    mailbox: &Mailbox<'_>,
    accounts: &[&RelayAccount],
) -> Result<(Vec<RelayReport>, Stored), Error> {
    if accounts.is_empty() {
        return Ok((Vec::new(), Stored::default()));
    }
    // A mailbox that cannot be written asks for nothing.
    let room = mailbox.home.room();
    mailbox.cx.write(&room, vec![0; ROOM_BYTES]).await?;
    let fetches = accounts.iter().map(|account| fetch_from(mailbox, account));
    let fetched = mailbox.cx.all(EFFECTS_IN_FLIGHT, fetches).await;
    mailbox.cx.remove(&room).await?;
    let (mut reports, mut stored) = (Vec::new(), Stored::default());
    for outcome in fetched {
        let (report, part) = outcome?;
        stored.add(part);
        reports.push(report);
    }
    Ok((reports, stored))
}

async fn fetch_from(mailbox: &Mailbox<'_>, account: &RelayAccount) -> Result<(RelayReport, Stored), Error> {
    let mut report = RelayReport::new(&account.server);
    let handed_out = match relay_call::messages(mailbox.cx, account).await {
        Ok(handed_out) => handed_out,
        Err(error) => {
            report.blame(error);
            return Ok((report, Stored::default()));
        }
    };
    if let Some(broken) = handed_out.broken {
        report.blame(broken);
    }
    let stored = match keep(mailbox, &report.server, handed_out.body).await? {
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
                let mut report =
                    RelayReport { server: whole.server.clone(), messages: 0, problem: None, goes_on: None };
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
            report.blame(error);
            set_aside(mailbox, &file, &body).await?;
            return Ok(Stored::default());
        }
    };
    let (first, more) = problems(&list);
    let account = mailbox.config.relays().iter().find(|account| account.server.as_str() == server);
    let (mut arrivals, mut is_whole) = (Vec::new(), true);
    // A blob that cannot be fetched now may be later, but not for ever.
    let until_ms = spool_patience_ends_ms(mailbox, day);
    for message in list.messages {
        match arrival(mailbox, account, &server, message, until_ms).await {
            Ok(arrived) => {
                arrived.missing.into_iter().for_each(|missing| report.blame(format!("{server}: {missing}")));
                arrivals.push(arrived.arrival);
            }
            Err(error) => {
                is_whole = false;
                report.blame(error);
            }
        }
    }
    report.messages = arrivals.len();
    let stored = receive::store(mailbox, arrivals, day, KeptBy::Spool).await?;
    if !is_whole {
        return Ok(stored);
    }
    if let Some(first) = first {
        let more = if more > 0 { format!(" (and {more} more like it)") } else { String::new() };
        report.problem = Some(format!("{server}: {first}{more}; the answer is kept in .spool"));
        set_aside(mailbox, &file, &body).await?;
        return Ok(stored);
    }
    mailbox.cx.remove(&file).await?;
    Ok(stored)
}

/// Until when what a spool file of a day names is fetched again: the day after it. The spool tells the day alone.
fn spool_patience_ends_ms(mailbox: &Mailbox<'_>, day: Day) -> Option<i64> {
    let now = mailbox.cx.now();
    let is_recent = day == now.day() || day == now.day().previous();
    is_recent.then_some(now.unix_ms + 1)
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

/// A message with all that belongs to it.
pub(super) struct Arrived {
    pub(super) arrival: Arrival,
    /// An attachment that cannot be had, and why.
    pub(super) missing: Option<String>,
}

/// Completes a message by what lies in blobs.
///
/// # Errors
/// A blob that cannot be fetched now, and may be later.
pub(super) async fn arrival(
    mailbox: &Mailbox<'_>,
    account: Option<&RelayAccount>,
    server: &str,
    message: relay::RelayMessage,
    until_ms: Option<i64>,
) -> Result<Arrived, RelayError> {
    let payload = message.payload;
    // A message is not lost for want of an id: it is known by what it says.
    let id = match message.id {
        id if id.is_empty() => {
            MessageId::from_untrusted(&format!("{}\n{}\n{}", message.from, payload.subject, payload.body)).to_string()
        }
        id => id,
    };
    let is_welcome = mailbox.filter().accepts(&message.from);
    // For a sender that is turned away nothing is fetched.
    let attachments = if is_welcome { payload.attachments } else { Vec::new() };
    let contents = blobs::contents(mailbox, account, attachments, until_ms).await?;
    let arrival = Arrival {
        transport: server.to_owned(),
        from: message.from,
        to: message.to,
        date: message.timestamp,
        id,
        subject: payload.subject,
        body: payload.body,
        attachments: contents.files,
    };
    Ok(Arrived { arrival, missing: contents.missing })
}
