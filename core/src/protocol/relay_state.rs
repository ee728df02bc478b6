//! What is remembered of relays from one run to the next (`.relays.json`): which API each speaks, so that nobody has to
//! ask again.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use super::relay::ServerUrl;
use super::relay::version2::{Api, Limits};
use super::time::Now;

/// The form that is written.
const VERSION: u32 = 1;

/// How long a relay of version 1 is not asked again whether it has learned version 2: a day.
const ASK_AGAIN_MS: i64 = 24 * 3_600_000;

/// The most relays that are remembered.
const MOST_RELAYS: usize = 1000;

/// Why a file is not used.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum RelayStateError {
    /// Not JSON of the right form.
    #[error("it is no state of relays: {0}")]
    Form(String),
    /// Written by a newer azall.
    #[error("it has version {0}, this azall reads version 1")]
    Version(u32),
}

/// What is remembered.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct RelayState {
    version: u32,
    #[serde(default)]
    relays: BTreeMap<String, Known>,
    /// What a newer version wrote.
    #[serde(flatten)]
    unknown: Map<String, Value>,
}

/// One relay.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
struct Known {
    /// The API's version.
    api: u32,
    /// When it was asked, unix milliseconds.
    asked_ms: i64,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    limits: Option<Limits>,
    /// What a newer version wrote.
    #[serde(flatten)]
    unknown: Map<String, Value>,
}

impl Default for RelayState {
    fn default() -> Self {
        Self { version: VERSION, relays: BTreeMap::new(), unknown: Map::new() }
    }
}

impl RelayState {
    /// Reads the file.
    ///
    /// # Errors
    /// [`RelayStateError`] when it is none, or a newer one.
    pub fn parse(bytes: &[u8]) -> Result<Self, RelayStateError> {
        let state: Self = serde_json::from_slice(bytes).map_err(|error| RelayStateError::Form(error.to_string()))?;
        if state.version == VERSION { Ok(state) } else { Err(RelayStateError::Version(state.version)) }
    }

    /// The file.
    #[must_use]
    pub fn to_json(&self) -> Vec<u8> {
        serde_json::to_vec_pretty(self).unwrap_or_default()
    }

    /// What a relay speaks, and whether it is time to ask it again.
    #[must_use]
    pub fn api(&self, server: &ServerUrl, now: Now) -> Option<(Api, bool)> {
        let known = self.relays.get(server.as_str())?;
        let age_ms = now.unix_ms.saturating_sub(known.asked_ms);
        match known.api {
            1 => Some((Api::Version1, !(0..ASK_AGAIN_MS).contains(&age_ms))),
            2 => Some((Api::Version2(known.limits.unwrap_or_default().sensible()), false)),
            _ => None,
        }
    }

    /// Enters what a relay said.
    pub fn learn(&mut self, server: &ServerUrl, api: Api, now: Now) {
        if self.relays.len() >= MOST_RELAYS && !self.relays.contains_key(server.as_str()) {
            self.relays.clear();
        }
        let unknown = self.relays.remove(server.as_str()).map(|known| known.unknown).unwrap_or_default();
        let (api, limits) = match api {
            Api::Version1 => (1, None),
            Api::Version2(limits) => (2, Some(limits)),
        };
        let known = Known { api, asked_ms: now.unix_ms, limits, unknown };
        self.relays.insert(server.as_str().to_owned(), known);
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const NOW: Now = Now::utc(1_773_239_400_000);

    fn server() -> ServerUrl {
        ServerUrl::parse("https://relay.example").unwrap()
    }

    #[test]
    fn version_1_is_asked_again_after_a_day_and_version_2_is_not() {
        let mut state = RelayState::default();
        assert_eq!(state.api(&server(), NOW), None);
        state.learn(&server(), Api::Version1, NOW);
        assert_eq!(state.api(&server(), NOW), Some((Api::Version1, false)));
        assert_eq!(state.api(&server(), NOW.plus_ms(ASK_AGAIN_MS)), Some((Api::Version1, true)));
        assert_eq!(state.api(&server(), NOW.plus_ms(-1)), Some((Api::Version1, true)), "a clock that was set back");
        let limits = Limits { blob_bytes: 7, ..Limits::default() };
        state.learn(&server(), Api::Version2(limits), NOW);
        assert_eq!(state.api(&server(), NOW.plus_ms(100 * ASK_AGAIN_MS)), Some((Api::Version2(limits), false)));
        assert_eq!(RelayState::parse(&state.to_json()), Ok(state));
    }

    #[test]
    fn what_a_newer_version_wrote_is_kept() {
        let file = r#"{"version": 1, "colour": "red", "relays": {"https://relay.example": {"api": 3, "asked_ms": 5, "x": 1}}}"#;
        let mut state = RelayState::parse(file.as_bytes()).unwrap();
        assert_eq!(state.api(&server(), NOW), None, "an API that is not known yet");
        state.learn(&server(), Api::Version1, NOW);
        let again: Value = serde_json::from_slice(&state.to_json()).unwrap();
        assert_eq!((&again["colour"], &again["relays"]["https://relay.example"]["x"]), (&"red".into(), &1.into()));
        assert_eq!(RelayState::parse(br#"{"version": 2}"#), Err(RelayStateError::Version(2)));
        assert!(RelayState::parse(b"[]").is_err());
    }

    proptest! {
        #[test]
        fn any_bytes_are_safe(bytes: Vec<u8>) {
            let _ = RelayState::parse(&bytes);
        }

        #[test]
        fn a_changed_file_is_read_and_written_the_same(at in any::<prop::sample::Index>(), to: u8) {
            let mut state = RelayState::default();
            state.learn(&server(), Api::Version2(Limits::default()), NOW);
            let mut file = state.to_json();
            *at.get_mut(&mut file) = to;
            if let Ok(state) = RelayState::parse(&file) {
                let _ = state.api(&server(), NOW);
                prop_assert_eq!(RelayState::parse(&state.to_json()), Ok(state));
            }
        }
    }
}
