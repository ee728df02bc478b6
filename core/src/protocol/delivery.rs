//! What became of a message on its way out, recipient by recipient: the file `<id>.delivery.json` beside it.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use super::address::Address;
use super::time::{Day, Now};

/// The form that is written.
const VERSION: u32 = 1;

/// The pause after the first failure, in milliseconds; it doubles with each further one.
const FIRST_PAUSE_MS: i64 = 5_000;

/// The longest pause.
const LONGEST_PAUSE_MS: i64 = 3_600_000;

/// How long delivery is tried before a recipient is given up (as RFC 5321 section 4.5.4.1 recommends for mail).
pub const PATIENCE_MS: i64 = 5 * 24 * 3_600_000;

/// How long a process may take for one attempt at one message before another may try.
pub const CLAIM_MS: i64 = 120_000;

/// Why a file is no delivery state.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum DeliveryError {
    /// Not JSON of the right form.
    #[error("it is no delivery state: {0}")]
    Form(String),
    /// Written by a newer azall.
    #[error("it has version {0}, this azall reads version 1; use the newer azall for this mailbox")]
    Version(u32),
}

/// A message's way out.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct DeliveryState {
    version: u32,
    /// When the message was queued, unix milliseconds.
    pub queued_ms: i64,
    /// Until when (unix milliseconds) the process that wrote this is at it; 0 when none is.
    #[serde(default)]
    pub claimed_until_ms: i64,
    /// The day of the neighbours' inboxes into which the message is dropped: that of the attempt, unless an earlier one
    /// never told how it ended. Whoever is at it, now or still, then uses the same name, which only one can make.
    #[serde(default)]
    drop_day: String,
    /// Whether an attempt never told how it ended.
    #[serde(default)]
    drop_day_stays: bool,
    /// The recipients, by the lower-case form of their address.
    pub recipients: BTreeMap<String, Recipient>,
    /// What a newer version wrote.
    #[serde(flatten)]
    unknown: Map<String, Value>,
}

/// One recipient.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Recipient {
    /// The address as the message has it.
    pub address: String,
    /// Where things stand.
    pub state: State,
    /// Transports that accepted the message, with their ids for it.
    #[serde(default)]
    pub accepted_by: Vec<Acceptance>,
    /// Attempts so far.
    #[serde(default)]
    pub attempts: u32,
    /// When to try again, unix milliseconds.
    #[serde(default)]
    pub next_attempt_ms: i64,
    /// What the latest attempt said, if it failed.
    #[serde(default)]
    pub last_error: Option<String>,
    /// What a newer version wrote.
    #[serde(flatten)]
    unknown: Map<String, Value>,
}

/// Where a recipient stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum State {
    /// Not accepted yet; tried again.
    Waiting,
    /// A transport took it.
    Accepted,
    /// Given up.
    Failed,
}

/// A transport that took a message.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Acceptance {
    /// The transport, as people know it.
    pub transport: String,
    /// Its id for the message, if it gave one.
    pub id: Option<String>,
    /// When, unix milliseconds.
    pub at_ms: i64,
}

/// What one attempt at one recipient gave.
#[derive(Clone, Debug, PartialEq)]
pub enum Attempt {
    /// These transports took it.
    Accepted(Vec<Acceptance>),
    /// None did; a later attempt may work. `not_before_ms` is what a transport asked for.
    Retry {
        /// Why.
        reason: String,
        /// Milliseconds to wait at least, from now.
        wait_ms: Option<i64>,
    },
    /// No attempt can work.
    Permanent {
        /// Why.
        reason: String,
    },
}

impl DeliveryState {
    /// A message that is queued now and claimed by the process that queues it.
    #[must_use]
    pub fn queued(recipients: &[Address], now: Now) -> Self {
        let waits = |address: &Address| Recipient::new(address.as_str(), State::Waiting);
        let recipients = recipients.iter().map(|address| (address.key(), waits(address))).collect();
        Self {
            version: VERSION,
            queued_ms: now.unix_ms,
            claimed_until_ms: now.unix_ms + CLAIM_MS,
            drop_day: now.day().to_string(),
            drop_day_stays: false,
            recipients,
            unknown: Map::new(),
        }
    }

    /// Adds a recipient that no attempt can reach, by what stands in its place.
    pub fn give_up_on(&mut self, named: &str, reason: &str) {
        let recipient = Recipient { last_error: Some(reason.to_owned()), ..Recipient::new(named, State::Failed) };
        self.recipients.insert(named.to_lowercase(), recipient);
    }

    /// Reads the file.
    ///
    /// # Errors
    /// [`DeliveryError`] when it is none, or a newer one.
    pub fn parse(bytes: &[u8]) -> Result<Self, DeliveryError> {
        let state: Self = serde_json::from_slice(bytes).map_err(|error| DeliveryError::Form(error.to_string()))?;
        if state.version == VERSION { Ok(state) } else { Err(DeliveryError::Version(state.version)) }
    }

    /// The file.
    #[must_use]
    pub fn to_json(&self) -> Vec<u8> {
        serde_json::to_vec_pretty(self).unwrap_or_default()
    }

    /// Whether another process is at it. A claim that reaches further than any can was made by a clock set back since.
    #[must_use]
    pub fn is_claimed(&self, now: Now) -> bool {
        self.claimed_until_ms > now.unix_ms && self.claimed_until_ms <= now.unix_ms + CLAIM_MS
    }

    /// Takes the claim for one attempt.
    pub fn claim(&mut self, now: Now) {
        self.drop_day_stays |= self.claimed_until_ms != 0;
        if !self.drop_day_stays {
            self.drop_day = now.day().to_string();
        }
        self.claimed_until_ms = now.unix_ms + CLAIM_MS;
    }

    /// The day of the neighbours' inboxes into which the message is dropped.
    #[must_use]
    pub fn drop_day(&self, now: Now) -> Day {
        Day::parse(&self.drop_day).unwrap_or(now.day())
    }

    /// The keys of the recipients that an attempt is due for.
    #[must_use]
    pub fn due(&self, now: Now) -> Vec<String> {
        let due = |recipient: &Recipient| {
            recipient.state == State::Waiting
                && (recipient.next_attempt_ms <= now.unix_ms
                    || recipient.next_attempt_ms > now.unix_ms + LONGEST_PAUSE_MS)
        };
        self.recipients.iter().filter(|(_, recipient)| due(recipient)).map(|(key, _)| key.clone()).collect()
    }

    /// Enters what an attempt at one recipient gave.
    pub fn record(&mut self, key: &str, attempt: Attempt, now: Now) {
        let queued_ms = self.queued_ms;
        let Some(recipient) = self.recipients.get_mut(key) else { return };
        recipient.attempts = recipient.attempts.saturating_add(1);
        match attempt {
            Attempt::Accepted(by) => {
                recipient.state = State::Accepted;
                recipient.accepted_by.extend(by);
                recipient.last_error = None;
            }
            Attempt::Retry { reason, .. } if now.unix_ms.saturating_sub(queued_ms) > PATIENCE_MS => {
                recipient.state = State::Failed;
                recipient.last_error = Some(format!("{reason} (given up after 5 days)"));
            }
            Attempt::Retry { reason, wait_ms } => {
                let pause = backoff_ms(recipient.attempts).max(wait_ms.unwrap_or(0).min(LONGEST_PAUSE_MS));
                recipient.next_attempt_ms = now.unix_ms + pause;
                recipient.last_error = Some(reason);
            }
            Attempt::Permanent { reason } => {
                recipient.state = State::Failed;
                recipient.last_error = Some(reason);
            }
        }
    }

    /// Takes over what another process has found out meanwhile: an acceptance is final, and known to either is known; whom it gave up
    /// on is given up on, since the owner may have been told, unless the message was accepted all the same.
    pub fn learn(&mut self, other: &Self) {
        self.drop_day.clone_from(&other.drop_day);
        self.drop_day_stays |= other.drop_day_stays;
        for (key, theirs) in &other.recipients {
            match self.recipients.get_mut(key) {
                Some(ours) => match (ours.state, theirs.state) {
                    (State::Waiting, State::Accepted | State::Failed) | (State::Failed, State::Accepted) => {
                        *ours = theirs.clone();
                    }
                    _ => {}
                },
                None => drop(self.recipients.insert(key.clone(), theirs.clone())),
            }
        }
    }

    /// Whether nobody waits any more.
    #[must_use]
    pub fn is_settled(&self) -> bool {
        self.recipients.values().all(|recipient| recipient.state != State::Waiting)
    }

    /// Whether every recipient's transport took it. What has no recipient was taken by nobody.
    #[must_use]
    pub fn is_accepted(&self) -> bool {
        !self.recipients.is_empty() && self.recipients.values().all(|recipient| recipient.state == State::Accepted)
    }
}

impl Recipient {
    fn new(address: &str, state: State) -> Self {
        Self {
            address: address.to_owned(),
            state,
            accepted_by: Vec::new(),
            attempts: 0,
            next_attempt_ms: 0,
            last_error: None,
            unknown: Map::new(),
        }
    }
}

/// The pause before the next attempt: 5 s, doubling to an hour.
#[must_use]
pub fn backoff_ms(attempts: u32) -> i64 {
    let doublings = attempts.saturating_sub(1).min(20);
    FIRST_PAUSE_MS.saturating_mul(1_i64 << doublings).min(LONGEST_PAUSE_MS)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const NOW: Now = Now::utc(1_000_000);

    fn state() -> DeliveryState {
        DeliveryState::queued(&Address::parse_list("a@x, B@y").unwrap(), NOW)
    }

    #[test]
    fn backoff_doubles_to_an_hour() {
        assert_eq!([1, 2, 3, 30].map(backoff_ms), [5_000, 10_000, 20_000, LONGEST_PAUSE_MS]);
        assert_eq!(backoff_ms(0), 5_000);
    }

    #[test]
    fn each_recipient_has_its_own_fate() {
        let mut state = state();
        assert_eq!(state.due(NOW), ["a@x", "b@y"]);
        state.record("a@x", Attempt::Accepted(vec![]), NOW);
        state.record("b@y", Attempt::Retry { reason: "busy".into(), wait_ms: Some(30_000) }, NOW);
        assert!(state.due(NOW).is_empty());
        assert_eq!(state.due(NOW.plus_ms(30_000)), ["b@y"]);
        assert!(!state.is_settled());
        state.record("b@y", Attempt::Permanent { reason: "no such recipient".into() }, NOW);
        assert!(state.is_settled() && !state.is_accepted());
    }

    #[test]
    fn what_nobody_is_to_get_nobody_has_accepted() {
        let mut state = DeliveryState::queued(&[], NOW);
        assert!(state.is_settled() && !state.is_accepted());
        state.give_up_on("No Address!", "it is no address");
        assert!(state.is_settled() && !state.is_accepted() && state.due(NOW).is_empty());
        assert_eq!(state.recipients["no address!"].address, "No Address!");
    }

    #[test]
    fn what_another_process_found_out_counts() {
        let (mut ours, mut theirs) = (state(), state());
        ours.record("b@y", Attempt::Permanent { reason: "no such recipient".into() }, NOW);
        theirs.record("b@y", Attempt::Accepted(vec![]), NOW);
        ours.record("a@x", Attempt::Accepted(vec![]), NOW);
        ours.learn(&theirs);
        assert!(ours.is_accepted());
    }

    #[test]
    fn whom_another_process_gave_up_on_does_not_wait_again() {
        let (mut ours, mut theirs) = (state(), state());
        ours.record("a@x", Attempt::Retry { reason: "no answer".into(), wait_ms: None }, NOW);
        ours.record("b@y", Attempt::Accepted(vec![]), NOW);
        for key in ["a@x", "b@y"] {
            theirs.record(key, Attempt::Permanent { reason: "too old".into() }, NOW);
        }
        ours.learn(&theirs);
        assert_eq!((ours.recipients["a@x"].state, ours.recipients["b@y"].state), (State::Failed, State::Accepted));
    }

    #[test]
    fn the_day_stays_when_an_attempt_did_not_tell_how_it_ended() {
        let tomorrow = NOW.plus_ms(24 * 3_600_000);
        let mut state = state();
        state.claimed_until_ms = 0;
        state.claim(tomorrow);
        assert_eq!(state.drop_day(NOW), tomorrow.day());
        state.claim(NOW);
        state.claimed_until_ms = 0;
        state.claim(NOW);
        assert_eq!(state.drop_day(NOW), tomorrow.day());
    }

    #[test]
    fn a_recipient_is_given_up_after_five_days() {
        let mut state = state();
        let late = NOW.plus_ms(PATIENCE_MS + 1);
        state.record("a@x", Attempt::Retry { reason: "unreachable".into(), wait_ms: None }, late);
        assert_eq!(state.recipients["a@x"].state, State::Failed);
    }

    #[test]
    fn unknown_fields_survive() {
        let mut json: Value = serde_json::from_slice(&state().to_json()).unwrap();
        json["later"] = Value::from(1);
        json["recipients"]["a@x"]["colour"] = Value::from("red");
        let read = DeliveryState::parse(json.to_string().as_bytes()).unwrap();
        let again: Value = serde_json::from_slice(&read.to_json()).unwrap();
        assert_eq!(again["later"], 1);
        assert_eq!(again["recipients"]["a@x"]["colour"], "red");
        assert_eq!(DeliveryState::parse(&read.to_json()).unwrap(), read);
    }

    #[test]
    fn a_claim_does_not_last_for_ever() {
        let state = state();
        assert!(state.is_claimed(NOW));
        assert!(!state.is_claimed(NOW.plus_ms(CLAIM_MS)));
        assert!(!state.is_claimed(NOW.plus_ms(-10 * CLAIM_MS)), "a clock that was set back");
    }

    #[test]
    fn newer_versions_are_refused() {
        let json = String::from_utf8(state().to_json()).unwrap().replace("\"version\": 1", "\"version\": 2");
        assert_eq!(DeliveryState::parse(json.as_bytes()), Err(DeliveryError::Version(2)));
        assert!(matches!(DeliveryState::parse(b"[]"), Err(DeliveryError::Form(_))));
    }

    proptest! {
        #[test]
        fn any_bytes_are_safe(bytes: Vec<u8>) {
            let _ = DeliveryState::parse(&bytes);
        }

        #[test]
        fn a_changed_file_is_read_and_written_the_same(at in any::<prop::sample::Index>(), to: u8) {
            let mut file = state().to_json();
            *at.get_mut(&mut file) = to;
            if let Ok(state) = DeliveryState::parse(&file) {
                prop_assert_eq!(DeliveryState::parse(&state.to_json()), Ok(state));
            }
        }

        #[test]
        fn attempts_at_any_time_are_kept(
            times in prop::collection::vec(any::<i32>(), 0..8),
            reason in ".{0,20}",
            wait_ms: Option<i64>,
        ) {
            let mut state = state();
            for (number, seconds) in times.into_iter().enumerate() {
                let now = NOW.plus_ms(i64::from(seconds) * 1000);
                let attempt = match number % 3 {
                    0 => Attempt::Retry { reason: reason.clone(), wait_ms },
                    1 => Attempt::Accepted(vec![Acceptance { transport: reason.clone(), id: None, at_ms: now.unix_ms }]),
                    _ => Attempt::Permanent { reason: reason.clone() },
                };
                state.record(["a@x", "b@y"][number / 3 % 2], attempt, now);
                state.claim(now);
                prop_assert_eq!(DeliveryState::parse(&state.to_json()), Ok(state.clone()));
            }
        }
    }
}
