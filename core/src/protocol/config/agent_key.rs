//! The file `.agent_key`: the proof, beside the mailbox, that a config may write to it (PROTOCOL section 3).

use serde_json::{Map, Value, json};

use super::{ConfigError, Secret};
use crate::protocol::python_json;
use crate::protocol::time::Now;

/// What `.agent_key` holds. Write commands refuse to run where its key differs from the config's.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AgentKey {
    /// The agent's address, as it was when the file was made.
    pub agent: String,
    /// The key.
    pub key: Secret,
    /// Local time of its making, `YYYY-MM-DD HH:MM:SS`.
    pub created: String,
    /// Whether other agents may read this agent's memories.
    pub allow_memory_sharing: bool,
    /// Fields of other versions, kept on rewrite.
    extra: Map<String, Value>,
}

impl AgentKey {
    /// A new file's content.
    #[must_use]
    pub fn new(agent: &str, key: Secret, allow_memory_sharing: bool, now: Now) -> Self {
        Self { agent: agent.to_owned(), key, created: now.local_text(), allow_memory_sharing, extra: Map::new() }
    }

    /// Reads the file.
    ///
    /// # Errors
    /// [`ConfigError`] when it is no JSON object with a text `key`, or another field is of the wrong type.
    pub fn parse(bytes: &[u8]) -> Result<Self, ConfigError> {
        let mut map = super::document::parse_object(bytes)?;
        let mut take_text = |name: &'static str| match map.shift_remove(name) {
            None | Some(Value::Null) => Ok(None),
            Some(Value::String(text)) => Ok(Some(text)),
            // The found value is not told: it may be the key.
            Some(_) => Err(ConfigError::WrongValue {
                key: name.to_owned(),
                found: "something else".to_owned(),
                allowed: "a text".to_owned(),
            }),
        };
        let key = take_text("key")?.filter(|key| !key.is_empty()).map(Secret::new);
        let agent = take_text("agent")?.unwrap_or_default();
        let created = take_text("created")?.unwrap_or_default();
        let key = key.ok_or_else(|| ConfigError::WrongValue {
            key: "key".to_owned(),
            found: "nothing".to_owned(),
            allowed: "the agent's key, a text of hex digits".to_owned(),
        })?;
        let allow_memory_sharing =
            map.shift_remove("allow_memory_sharing").and_then(|value| value.as_bool()).unwrap_or_default();
        Ok(Self { agent, key, created, allow_memory_sharing, extra: map })
    }

    /// The file's content, byte-equal to what the reference writes. Secret.
    #[must_use]
    pub fn to_json(&self) -> String {
        let mut value = json!({
            "agent": self.agent,
            "key": self.key.expose(),
            "created": self.created,
            "allow_memory_sharing": self.allow_memory_sharing,
        });
        if let Some(map) = value.as_object_mut() {
            map.extend(self.extra.clone());
        }
        python_json::pretty(&value)
    }

    /// Whether `key` is this file's, in constant time for keys of one length.
    #[must_use]
    pub fn admits(&self, key: &Secret) -> bool {
        self.key == *key
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const REFERENCE: &str = "{\n  \"agent\": \"agent-ae739082@localhost\",\n  \"key\": \"36458312e127801c17c83911e0113673\",\n  \
                             \"created\": \"2026-11-23 00:01:31\",\n  \"allow_memory_sharing\": false\n}";

    #[test]
    fn the_references_file_survives() {
        let key = AgentKey::parse(REFERENCE.as_bytes()).unwrap();
        assert_eq!(key.to_json(), REFERENCE);
        assert!(key.admits(&Secret::new("36458312e127801c17c83911e0113673".to_owned())));
        assert!(!key.admits(&Secret::new("36458312e127801c17c83911e0113674".to_owned())));
        assert!(!key.admits(&Secret::default()));
        assert!(!format!("{key:?}").contains("36458312"));
    }

    #[test]
    fn a_new_file_is_as_the_references() {
        let now = Now::utc(1_795_392_091_000);
        let made = AgentKey::new(
            "agent-ae739082@localhost",
            Secret::new("36458312e127801c17c83911e0113673".to_owned()),
            false,
            now,
        );
        assert_eq!(made.to_json(), REFERENCE);
    }

    #[test]
    fn what_is_wrong_is_told_without_the_key() {
        for (text, key) in [("{\"key\": 12345}", "key"), ("{}", "key"), ("{\"key\": \"k\", \"agent\": []}", "agent")] {
            let error = AgentKey::parse(text.as_bytes()).unwrap_err().to_string();
            assert!(error.contains(key) && !error.contains("12345"), "{error}");
        }
        let kept = AgentKey::parse(b"{\"key\": \"k\", \"later\": [1]}").unwrap();
        assert!(kept.to_json().contains("\"later\""));
    }

    proptest! {
        #[test]
        fn any_bytes_are_safe(bytes in proptest::collection::vec(any::<u8>(), 0..200)) {
            if let Ok(key) = AgentKey::parse(&bytes) {
                prop_assert_eq!(AgentKey::parse(key.to_json().as_bytes()).unwrap(), key);
            }
        }

        #[test]
        fn any_text_round_trips(agent: String, key in ".{1,40}", created: String, sharing: bool) {
            let made = AgentKey { agent, key: Secret::new(key), created, allow_memory_sharing: sharing, extra: Map::new() };
            prop_assert_eq!(AgentKey::parse(made.to_json().as_bytes()).unwrap(), made);
        }
    }
}
