//! `inbox`: what came in; syncs first.

use std::sync::{Mutex, PoisonError};

use serde::{Deserialize, Serialize};

use crate::engine::event::Level;
use crate::protocol::config::RelayAccount;
use crate::protocol::layout::Folder;
use crate::protocol::message::Message;
use crate::protocol::time::Day;
use crate::sync::listen::{Listeners, Told};
use crate::sync::receive::{self, Received, Stored};
use crate::sync::{self, Report};

use super::daemon::Pause;
use super::error::Error;
use super::index;
use super::mail::{self, Damaged, Row};
use super::session::Session;

/// How many messages that nobody has verified yet a listing verifies on the way. A mailbox that another client filled may hold thousands.
const VERIFIED_ON_THE_WAY: usize = 100;

/// What to list.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Inbox {
    /// This day instead of today.
    pub date: Option<Day>,
    /// Every day.
    #[serde(default)]
    pub all: bool,
    /// Without a sync.
    #[serde(default)]
    pub offline: bool,
    /// Only what was not read yet.
    #[serde(default)]
    pub unread: bool,
    /// Go on, and tell of each message as it arrives.
    #[serde(default)]
    pub watch: bool,
}

/// What is in the inbox.
#[derive(Debug, Serialize)]
pub struct InboxListing {
    /// The agent's address.
    pub agent: String,
    /// The day, unless every day was asked for.
    pub date: Option<Day>,
    /// The messages, by day and id.
    pub messages: Vec<Row>,
    /// Files in the inbox that are no messages.
    pub damaged: Vec<Damaged>,
    /// How many messages were not read yet.
    pub unread: usize,
    /// How many were not verified yet, because another client put them there and they are many: `read` verifies each.
    pub unchecked: usize,
    /// What the sync did, unless it was left out.
    pub sync: Option<Report>,
    /// Whether each message was told of already.
    #[serde(skip)]
    pub watched: bool,
}

/// Lists the inbox.
///
/// # Errors
/// When the mailbox cannot be read. A relay that fails is in the report of the sync.
pub async fn inbox(session: &mut Session, inbox: Inbox) -> Result<InboxListing, Error> {
    session.enter().await?;
    let sync = if inbox.offline { None } else { Some(sync_and_index(session, &[]).await?) };
    if inbox.watch {
        return watch(session, &inbox, sync).await;
    }
    let mut listing = list(session, &inbox).await?;
    listing.sync = sync;
    Ok(listing)
}

/// One delivery cycle, but for the relays that somebody listens to, with the indexes that it changes brought up to date.
///
/// # Errors
/// When the mailbox cannot be read or written.
pub async fn sync_and_index(session: &Session, listening: &[RelayAccount]) -> Result<Report, Error> {
    let report = sync::cycle(&session.mailbox(), listening).await?;
    for problem in report.problems() {
        session.cx.emit(Level::Warning, problem);
    }
    if !report.received.is_empty() || !report.delivered.is_empty() {
        index::refresh_day_index(session, session.today()).await?;
    }
    Ok(report)
}

/// Lists without a sync.
async fn list(session: &Session, inbox: &Inbox) -> Result<InboxListing, Error> {
    let date = (!inbox.all).then(|| inbox.date.unwrap_or_else(|| session.today()));
    let days = match date {
        Some(day) => vec![day],
        None => session.days().await?,
    };
    let mail::Listing { mut messages, damaged } = mail::list(session, &days, &[Folder::Inbox]).await?;
    if inbox.unread {
        messages.retain(|row| row.unread);
    }
    verify_some(session, &mut messages).await?;
    let unread = messages.iter().filter(|row| row.unread).count();
    let unchecked = messages.iter().filter(|row| row.verdict.is_none()).count();
    let agent = session.address().to_string();
    Ok(InboxListing { agent, date, messages, damaged, unread, unchecked, sync: None, watched: false })
}

/// Verifies the newest of the messages that nobody has verified yet; nothing is written.
async fn verify_some(session: &Session, messages: &mut [Row]) -> Result<(), Error> {
    if messages.iter().all(|row| row.verdict.is_some()) {
        return Ok(());
    }
    let mailbox = session.mailbox();
    let keyring = match mailbox.keyring().await {
        Ok(keyring) => keyring,
        Err(error) => {
            session.cx.emit(Level::Warning, format!("nothing is verified: {error}"));
            return Ok(());
        }
    };
    let unchecked = messages.iter_mut().rev().filter(|row| row.verdict.is_none()).take(VERIFIED_ON_THE_WAY);
    let read = unchecked.map(|row| async {
        let bytes = session.cx.read(&row.location.place(&session.home)).await;
        (row, bytes)
    });
    let (mut rows, mut messages) = (Vec::new(), Vec::new());
    for (row, bytes) in session.cx.all(crate::engine::cx::EFFECTS_IN_FLIGHT, read).await {
        if let Some(bytes) = bytes? {
            rows.push(row);
            messages.push(Message::parse(&bytes));
        }
    }
    for (row, verdict) in rows.into_iter().zip(receive::examine_all_at_rest(&mailbox, &messages, &keyring)) {
        row.verdict = Some(verdict);
    }
    Ok(())
}

/// Tells of each message: those that are there, then each as it arrives, until the host stops it. Then it gives the list of all that
/// it told of. Relays at which one can wait are listened to; everything else has its turn at each interval. A cycle that fails is
/// told and tried again later.
async fn watch(session: &mut Session, inbox: &Inbox, synced: Option<Report>) -> Result<InboxListing, Error> {
    let mut listing = list(session, inbox).await?;
    for row in &listing.messages {
        session.cx.emit(Level::Result, row.line());
    }
    let told = Mutex::new(Vec::new());
    let mut listeners = Listeners::default();
    if let Some(report) = &synced {
        listeners.attend(&session.mailbox(), report);
    }
    let mut pause = Pause::default();
    loop {
        let (mailbox, pause_ms) = (session.mailbox(), pause.before_next_ms(session.config.sync_interval_ms()));
        let tell = |stored: Stored| -> Told<'_, Error> { Box::pin(tell(session, stored.received, &told)) };
        let (is_next, heard) = listeners.during(&mailbox, session.cx.sleep_ms(pause_ms), &tell).await;
        if !is_next {
            break;
        }
        let (synced, heard_too) = {
            let listening = listeners.accounts();
            let cycle = sync_and_index(session, &listening);
            listeners.during(&mailbox, cycle, &tell).await
        };
        if session.cx.is_cancelled() {
            break;
        }
        match synced.and_then(|report| heard.and(heard_too).map(|()| report)) {
            Ok(report) => {
                pause.succeeded();
                tell_rows(session, &report.received, &told).await?;
                listeners.attend(&session.mailbox(), &report);
            }
            Err(error) => {
                pause.failed();
                session.cx.emit(Level::Warning, format!("sync failed: {}", session.located(error)));
            }
        }
        session.reload_or_tell().await;
    }
    listing.messages.extend(told.into_inner().unwrap_or_else(PoisonError::into_inner));
    listing.unread = listing.messages.iter().filter(|row| row.unread).count();
    listing.watched = true;
    Ok(listing)
}

/// Tells of what a relay has just brought.
async fn tell(session: &Session, received: Vec<Received>, told: &Mutex<Vec<Row>>) -> Result<(), Error> {
    tell_rows(session, &received, told).await?;
    index::refresh_day_index(session, session.today()).await
}

async fn tell_rows(session: &Session, received: &[Received], told: &Mutex<Vec<Row>>) -> Result<(), Error> {
    for row in rows(session, received).await? {
        session.cx.emit(Level::Result, row.line());
        told.lock().unwrap_or_else(PoisonError::into_inner).push(row);
    }
    Ok(())
}

/// The rows of messages that have just come into the inbox.
async fn rows(session: &Session, received: &[Received]) -> Result<Vec<Row>, Error> {
    let mut days: Vec<Day> = received.iter().map(|message| message.day).collect();
    days.sort_unstable();
    days.dedup();
    let is_new = |row: &Row| received.iter().any(|new| new.day == row.location.day && new.id == row.location.id);
    Ok(mail::list(session, &days, &[Folder::Inbox]).await?.messages.into_iter().filter(is_new).collect())
}
