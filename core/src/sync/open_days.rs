//! The days on which messages were stored that a relay of version 2 may hand out again (`.open_days.json`): a crash may have kept
//! them from being entered among the seen ids, or from being acknowledged, and the day may have changed since.

use std::collections::BTreeSet;

use serde::{Deserialize, Serialize};

use super::{Error, Mailbox};
use crate::engine::lock;
use crate::protocol::time::Day;

/// The most days that are kept: longer no relay keeps a message, however clocks jump.
const MOST_DAYS: usize = 16;

#[derive(Debug, Default, Serialize, Deserialize)]
struct OpenDays {
    #[serde(default)]
    days: BTreeSet<String>,
    /// What a newer version wrote.
    #[serde(flatten)]
    unknown: serde_json::Map<String, serde_json::Value>,
}

/// The days that are open.
pub(super) async fn read(mailbox: &Mailbox<'_>) -> Result<BTreeSet<Day>, Error> {
    Ok(load(mailbox).await?.days.iter().filter_map(|day| Day::parse(day)).collect())
}

/// A file that is damaged is as good as none: what it says matters after a crash alone, and is written anew each day.
async fn load(mailbox: &Mailbox<'_>) -> Result<OpenDays, Error> {
    let bytes = mailbox.cx.read(&mailbox.home.open_days()).await?.unwrap_or_default();
    Ok(serde_json::from_slice(&bytes).unwrap_or_default())
}

/// Opens a day, durably, before a message is stored in it. Under the mailbox lock.
pub(super) async fn open(mailbox: &Mailbox<'_>, day: Day) -> Result<(), Error> {
    let mut open = load(mailbox).await?;
    if !open.days.insert(day.to_string()) {
        return Ok(());
    }
    while open.days.len() > MOST_DAYS {
        // A clock may have been wrong in either direction: what is furthest from today goes.
        let (first, last) = (open.days.first().cloned(), open.days.last().cloned());
        let furthest = if last.as_deref() == Some(&day.to_string()) { first } else { last };
        if let Some(day) = furthest {
            open.days.remove(&day);
        }
    }
    mailbox.memo.set_closed_for(None);
    write(mailbox, &open).await
}

/// Closes the days that are over, once nothing waits unacknowledged at any relay. `day` is the one on which the look at the relays
/// was begun: what another process stored since then came after it.
pub(super) async fn close_others(mailbox: &Mailbox<'_>, day: Day) -> Result<(), Error> {
    let today = mailbox.cx.now().day();
    if day != today || mailbox.memo.closed_for() == Some(day) {
        return Ok(());
    }
    let is_other = |open: &String| *open != day.to_string();
    if load(mailbox).await?.days.iter().any(is_other) {
        lock::locked(mailbox.cx, &mailbox.home.lock(), async {
            let mut open = load(mailbox).await?;
            open.days.retain(|open| !is_other(open));
            write(mailbox, &open).await
        })
        .await?;
    }
    mailbox.memo.set_closed_for(Some(day));
    Ok(())
}

async fn write(mailbox: &Mailbox<'_>, open: &OpenDays) -> Result<(), Error> {
    let json = serde_json::to_vec_pretty(open).unwrap_or_default();
    Ok(mailbox.cx.write(&mailbox.home.open_days(), json).await?)
}
