//! Which API a relay speaks, and what it takes at once.

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use super::super::answer;
use super::super::{Call, RelayError, Reply, ServerUrl};

/// The API of a relay.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Api {
    /// Version 1: messages are deleted as they are handed out.
    Version1,
    /// Version 2, within these limits.
    Version2(Limits),
}

/// What a relay of version 2 takes at once.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Limits {
    /// Bytes of a message's payload.
    pub message_bytes: u64,
    /// Messages of a batch.
    pub batch_messages: u64,
    /// Bytes of a batch.
    pub batch_bytes: u64,
    /// Messages of a page.
    pub page_messages: u64,
    /// The longest time, in seconds, that an answer waits for a message.
    pub longest_wait_s: u64,
    /// Bytes of a blob; 0 when the relay takes none.
    pub blob_bytes: u64,
    /// How long a message is kept, in seconds.
    pub message_ttl_s: u64,
}

impl Default for Limits {
    /// What a relay that does not tell is taken to allow: the public relay's.
    fn default() -> Self {
        Self {
            message_bytes: 256 << 10,
            batch_messages: 100,
            batch_bytes: 4 << 20,
            page_messages: 100,
            longest_wait_s: 55,
            blob_bytes: 0,
            message_ttl_s: 48 * 3600,
        }
    }
}

impl Limits {
    /// The same within what makes sense: a relay that says 0, or more than there is, is not taken at its word.
    #[must_use]
    pub fn sensible(self) -> Self {
        Self {
            message_bytes: self.message_bytes.clamp(4 << 10, 64 << 20),
            batch_messages: self.batch_messages.clamp(1, 1000),
            batch_bytes: self.batch_bytes.clamp(16 << 10, 16 << 20),
            page_messages: self.page_messages.clamp(1, 1000),
            longest_wait_s: self.longest_wait_s.clamp(1, 55),
            blob_bytes: self.blob_bytes,
            message_ttl_s: self.message_ttl_s.clamp(60, 3650 * 86_400),
        }
    }
}

/// The API by the answer to [`status`](crate::protocol::relay::status).
///
/// # Errors
/// [`RelayError`]. A relay that does not know this call is one of version 1.
pub fn parse_api(server: &ServerUrl, reply: Reply<'_>) -> Result<Api, RelayError> {
    if matches!(reply.status, 400 | 401 | 403 | 404 | 405 | 501) {
        return Ok(Api::Version1);
    }
    let status = answer::object(server, Call::Status, reply)?;
    let speaks_2 = status.get("api").and_then(|api| api.get("v2")).and_then(Value::as_bool).unwrap_or_default();
    if !speaks_2 {
        return Ok(Api::Version1);
    }
    let told = status.get("v2").and_then(Value::as_object).map(told).unwrap_or_default();
    Ok(Api::Version2(told.sensible()))
}

/// The limits that are told, and the usual ones for those that are not.
fn told(status: &Map<String, Value>) -> Limits {
    let usual = Limits::default();
    let of = |name: &str, usual: u64| status.get(name).and_then(Value::as_u64).unwrap_or(usual);
    Limits {
        message_bytes: of("message_bytes", usual.message_bytes),
        batch_messages: of("batch_messages", usual.batch_messages),
        batch_bytes: of("batch_bytes", usual.batch_bytes),
        page_messages: of("page_messages", usual.page_messages),
        longest_wait_s: of("longest_wait_s", usual.longest_wait_s),
        blob_bytes: of("blob_bytes", usual.blob_bytes),
        message_ttl_s: of("message_ttl_s", usual.message_ttl_s),
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::protocol::relay::testing::{reply, server};

    fn api(status: u16, body: &str) -> Result<Api, RelayError> {
        parse_api(&server(), reply(status, body))
    }

    #[test]
    fn a_relay_says_what_it_speaks() {
        for body in
            [r#"{"server": "x"}"#, r#"{"api": {"v1": true}}"#, r#"{"api": {"v2": false}}"#, r#"{"api": {"v2": "yes"}}"#]
        {
            assert_eq!(api(200, body), Ok(Api::Version1), "{body}");
        }
        assert_eq!(api(404, "<html>"), Ok(Api::Version1));
        assert_eq!(api(200, r#"{"api": {"v2": true}}"#), Ok(Api::Version2(Limits::default())));
        let told = r#"{"api": {"v2": true}, "v2": {"message_bytes": 1048576, "batch_messages": 0, "longest_wait_s": 1e9,
            "batch_bytes": 18446744073709551615, "blob_bytes": 1000, "message_ttl_s": -1}}"#;
        let Ok(Api::Version2(limits)) = api(200, told) else { panic!("not version 2") };
        assert_eq!((limits.message_bytes, limits.batch_messages, limits.batch_bytes), (1 << 20, 1, 16 << 20));
        assert_eq!((limits.longest_wait_s, limits.blob_bytes, limits.message_ttl_s), (55, 1000, 48 * 3600));
    }

    #[test]
    fn what_is_no_relay_is_not_taken_for_version_1() {
        for (status, body) in [(200, "<html>"), (302, ""), (500, "x"), (503, "{}"), (200, "[]")] {
            assert!(api(status, body).is_err(), "{status} {body}");
        }
    }

    proptest! {
        #[test]
        fn any_limits_are_made_sensible(a: u64, b: u64, c: u64, d: u64, e: u64, f: u64) {
            let told = Limits {
                message_bytes: a, batch_messages: b, batch_bytes: c, page_messages: b, longest_wait_s: d, blob_bytes: e, message_ttl_s: f,
            };
            let limits = told.sensible();
            prop_assert_eq!(limits.sensible(), limits);
            prop_assert!(limits.batch_messages >= 1 && limits.batch_bytes >= 16 << 10 && limits.longest_wait_s <= 55);
        }
    }
}
