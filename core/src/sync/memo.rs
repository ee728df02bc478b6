//! What a run has found out: which API each relay speaks, which accounts own a key, this agent's own key, and which messages have
//! a verdict that is not theirs.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Mutex, MutexGuard, PoisonError};

use super::{Mailbox, relay_call, version2_call};
use crate::engine::cx::EFFECTS_IN_FLIGHT;
use crate::engine::event::Level;
use crate::engine::lock;
use crate::protocol::address::Address;
use crate::protocol::id::{Fingerprint, MessageId};
use crate::protocol::identity::Identity;
use crate::protocol::relay::version2::Api;
use crate::protocol::relay::{RelayError, ServerUrl};
use crate::protocol::relay_state::RelayState;
use crate::protocol::time::Day;

/// What a run knows. It is as long-lived as its command.
#[derive(Debug, Default)]
pub struct Memo(Mutex<State>);

#[derive(Debug, Default)]
struct State {
    relays: RelayState,
    /// Whether the file was read.
    is_loaded: bool,
    /// By relay and account: whether the account owns a key.
    has_key: BTreeMap<(ServerUrl, String), bool>,
    own_key: Option<Fingerprint>,
    /// The day for which the days before it were closed.
    closed_for: Option<Day>,
    /// Messages in the inbox whose written verdict is not on their body.
    doubtful: BTreeSet<(Day, MessageId)>,
}

impl Memo {
    /// Never held across an await.
    fn state(&self) -> MutexGuard<'_, State> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// This agent's own key, once it was asked for.
    #[must_use]
    pub fn own_key(&self) -> Option<Fingerprint> {
        self.state().own_key
    }

    /// Whether the verdict that is written in this message of the inbox was found to be another's.
    #[must_use]
    pub fn is_doubtful(&self, day: Day, id: &MessageId) -> bool {
        let state = self.state();
        !state.doubtful.is_empty() && state.doubtful.contains(&(day, id.clone()))
    }

    pub(super) fn doubt(&self, day: Day, id: &MessageId) {
        self.state().doubtful.insert((day, id.clone()));
    }

    pub(super) fn closed_for(&self) -> Option<Day> {
        self.state().closed_for
    }

    pub(super) fn set_closed_for(&self, day: Option<Day>) {
        self.state().closed_for = day;
    }
}

/// What each of the relays speaks: as is remembered, else asked now, side by side.
pub async fn apis(mailbox: &Mailbox<'_>, servers: &[ServerUrl]) -> BTreeMap<ServerUrl, Result<Api, RelayError>> {
    load(mailbox).await;
    let now = mailbox.cx.now();
    let mut found = BTreeMap::new();
    let mut to_ask = Vec::new();
    for server in servers {
        let known = mailbox.memo.state().relays.api(server, now);
        match known {
            Some((api, false)) => drop(found.insert(server.clone(), Ok(api))),
            Some((api, true)) => to_ask.push((server, Some(api))),
            None => to_ask.push((server, None)),
        }
    }
    to_ask.sort_by_key(|(server, _)| *server);
    to_ask.dedup_by_key(|(server, _)| *server);
    let asked = to_ask.iter().map(|(server, _)| relay_call::api(mailbox.cx, server));
    let mut learned = Vec::new();
    for ((server, known), api) in to_ask.iter().zip(mailbox.cx.all(EFFECTS_IN_FLIGHT, asked).await) {
        if let Ok(api) = &api {
            learned.push(((*server).clone(), *api));
        }
        // A relay that does not tell now still speaks what it spoke.
        let api = known.map_or(api.clone(), |known| Ok(api.unwrap_or(known)));
        found.insert((*server).clone(), api);
    }
    learn(mailbox, &learned).await;
    found
}

/// What a relay speaks, as [`apis`].
///
/// # Errors
/// When it is not known and the relay does not tell.
pub async fn api(mailbox: &Mailbox<'_>, server: &ServerUrl) -> Result<Api, RelayError> {
    let found = apis(mailbox, std::slice::from_ref(server)).await.remove(server);
    found.unwrap_or_else(|| Err(RelayError::NotVersion2 { server: server.clone() }))
}

/// Asks a relay again that did not know a call of version 2.
///
/// # Errors
/// What it says, or that it cannot be reached.
pub async fn api_again(mailbox: &Mailbox<'_>, server: &ServerUrl) -> Result<Api, RelayError> {
    let api = relay_call::api(mailbox.cx, server).await?;
    learn(mailbox, &[(server.clone(), api)]).await;
    Ok(api)
}

async fn load(mailbox: &Mailbox<'_>) {
    if mailbox.memo.state().is_loaded {
        return;
    }
    let relays = read(mailbox).await.unwrap_or_default();
    let mut state = mailbox.memo.state();
    state.relays = relays;
    state.is_loaded = true;
}

/// The file as it is; `None` when it is not to be replaced.
async fn read(mailbox: &Mailbox<'_>) -> Option<RelayState> {
    let place = mailbox.home.relay_state();
    let bytes = match mailbox.cx.read(&place).await {
        Ok(Some(bytes)) => bytes,
        Ok(None) => return Some(RelayState::default()),
        Err(_) => return None,
    };
    match RelayState::parse(&bytes) {
        Ok(state) => Some(state),
        Err(crate::protocol::relay_state::RelayStateError::Form(_)) => Some(RelayState::default()),
        Err(error) => {
            mailbox.cx.emit(Level::Detail, format!("{place}: {error}; the relays are asked each time"));
            None
        }
    }
}

/// Enters what relays said, for this run and the next ones. What cannot be written down is asked again next time.
async fn learn(mailbox: &Mailbox<'_>, learned: &[(ServerUrl, Api)]) {
    if learned.is_empty() {
        return;
    }
    let now = mailbox.cx.now();
    for (server, api) in learned {
        mailbox.memo.state().relays.learn(server, *api, now);
    }
    let lock = mailbox.home.lock();
    let written = lock::locked(mailbox.cx, &lock, async {
        if let Some(mut state) = read(mailbox).await {
            for (server, api) in learned {
                state.learn(server, *api, now);
            }
            mailbox.cx.write_private(&mailbox.home.relay_state(), state.to_json()).await?;
        }
        Ok::<_, crate::engine::error::Error>(())
    });
    if let Err(error) = written.await {
        mailbox.cx.emit(Level::Detail, format!("what relays speak is not written down: {error}"));
    }
}

/// Whether an account on a relay owns a key, so that its client knows version 2. Asked once in a run; where the relay does not
/// tell, it counts as none.
pub(super) async fn has_key(mailbox: &Mailbox<'_>, server: &ServerUrl, account: &Address) -> bool {
    let key = (server.clone(), account.key());
    let known = mailbox.memo.state().has_key.get(&key).copied();
    if let Some(known) = known {
        return known;
    }
    let Ok(card) = version2_call::agent(mailbox.cx, server, account).await else { return false };
    let has_key = card.is_some_and(|card| card.key.is_some());
    mailbox.memo.state().has_key.insert(key, has_key);
    has_key
}

/// Finds out this agent's own key, so that addresses which certify it count as its own. A key file that cannot be read leaves
/// it unknown: whoever needs the key says so.
pub async fn learn_own_key(mailbox: &Mailbox<'_>) {
    if mailbox.memo.own_key().is_some() {
        return;
    }
    if let Ok(Some(bytes)) = mailbox.cx.read(&mailbox.home.identity_key()).await
        && let Ok(identity) = Identity::parse(&bytes)
    {
        mailbox.memo.state().own_key = Some(identity.fingerprint());
    }
}
