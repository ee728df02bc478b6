//! The file `.trust_token_pending`: a fresh token, where the owner's page on the same machine finds it.

use serde_json::{Map, Value};
use zeroize::Zeroizing;

use super::armor;
use super::owner::OwnerSecret;
use super::token::Token;
use crate::protocol::python_json;
use crate::protocol::time::Now;

/// Why a `.trust_token_pending` file cannot be read. It holds nothing that a new token would not replace.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum PendingError {
    /// Not a JSON object.
    #[error("the pending trust token is damaged; make a new one with 'trust-gen'")]
    NotJson,
    /// A field is missing or holds something else than it should.
    #[error("the pending trust token is damaged at {0:?}; make a new one with 'trust-gen'")]
    BadField(&'static str),
}

/// A token that waits for an owner. The whole of it is secret.
#[derive(Clone, PartialEq)]
pub struct PendingToken {
    armor: Zeroizing<String>,
    owner_secret: OwnerSecret,
    expires: i64,
    created: i64,
    rest: Map<String, Value>,
}

impl PendingToken {
    /// The pending form of a token made with `agent_key`, its armor naming the machine.
    #[must_use]
    pub fn new(token: &Token, agent_key: &str, machine_name: &str) -> Self {
        let seconds = |moment: u64| i64::try_from(moment).unwrap_or(i64::MAX);
        Self {
            armor: Zeroizing::new(armor::format(token, machine_name)),
            owner_secret: token.owner_secret(agent_key),
            expires: seconds(token.expires()),
            created: seconds(token.created()),
            rest: Map::new(),
        }
    }

    /// Reads the bytes of a `.trust_token_pending` file.
    ///
    /// # Errors
    /// [`PendingError`] names the field that is damaged.
    pub fn parse(bytes: &[u8]) -> Result<Self, PendingError> {
        let mut fields: Map<String, Value> = serde_json::from_slice(bytes).map_err(|_| PendingError::NotJson)?;
        let mut text = |field: &'static str| match fields.shift_remove(field) {
            Some(Value::String(text)) => Ok(text),
            _ => Err(PendingError::BadField(field)),
        };
        let armor = Zeroizing::new(text("token")?);
        let owner_secret =
            OwnerSecret::parse(text("owner_auth_secret")?).ok_or(PendingError::BadField("owner_auth_secret"))?;
        let mut moment = |field: &'static str| {
            fields.shift_remove(field).and_then(|value| value.as_i64()).ok_or(PendingError::BadField(field))
        };
        let expires = moment("expires_at")?;
        let created = moment("created_at")?;
        Ok(Self { armor, owner_secret, expires, created, rest: fields })
    }

    /// The bytes of the file (secret: it is written private), its fields in the reference's order.
    #[must_use]
    pub fn to_json(&self) -> Vec<u8> {
        let mut fields = Map::new();
        fields.insert("token".to_owned(), self.armor.as_str().into());
        fields.insert("owner_auth_secret".to_owned(), self.owner_secret.expose().into());
        fields.insert("expires_at".to_owned(), self.expires.into());
        fields.insert("created_at".to_owned(), self.created.into());
        fields.extend(self.rest.clone());
        python_json::pretty(&Value::Object(fields)).into_bytes()
    }

    /// The token's armor.
    #[must_use]
    pub fn armor(&self) -> &str {
        &self.armor
    }

    /// The secret that the owner keeps once the agent is bound.
    #[must_use]
    pub const fn owner_secret(&self) -> &OwnerSecret {
        &self.owner_secret
    }

    /// Whether it is too late to use the token.
    #[must_use]
    pub fn is_expired(&self, now: Now) -> bool {
        now.unix_seconds() > self.expires
    }
}

impl std::fmt::Debug for PendingToken {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("PendingToken")
            .field("expires", &self.expires)
            .field("created", &self.created)
            .finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::protocol::address::Address;
    use crate::protocol::trust::{Expected, MachineFingerprint, Nonce, check_text};

    #[test]
    fn round_trip_with_unknown_fields() {
        let agent = Address::parse("bob@localhost").unwrap();
        let machine = MachineFingerprint::of_facts(&[]);
        let now = Now::utc(1_795_392_111_000);
        let expected = Expected { agent: &agent, agent_key: "key", machine: &machine, now };
        let token = Token::build(&expected, Nonce::new([1; 32]));
        let pending = PendingToken::new(&token, "key", "vm-linux");
        let json = String::from_utf8(pending.to_json()).unwrap();
        assert!(json.is_ascii() && json.starts_with("{\n  \"token\": \"\\u2554"));
        assert!(json.ends_with(",\n  \"expires_at\": 1795392711,\n  \"created_at\": 1795392111\n}"), "{json}");
        let odd = json.replace("\n}", ",\n  \"new\": 1\n}");
        let read = PendingToken::parse(odd.as_bytes()).unwrap();
        assert_eq!(String::from_utf8(read.to_json()).unwrap(), odd);
        assert_eq!(check_text(read.armor(), &expected).unwrap(), token);
        assert!(!read.is_expired(now) && read.is_expired(now.plus_ms(601_000)));
        assert!(!format!("{read:?}").contains(read.owner_secret().expose()));
    }

    #[test]
    fn damage_is_named() {
        assert_eq!(PendingToken::parse(b"[]"), Err(PendingError::NotJson));
        assert_eq!(PendingToken::parse(b"{}"), Err(PendingError::BadField("token")));
        assert_eq!(
            PendingToken::parse(br#"{"token": "x", "owner_auth_secret": "1"}"#),
            Err(PendingError::BadField("owner_auth_secret"))
        );
    }

    proptest! {
        #[test]
        fn any_bytes_are_safe(bytes: Vec<u8>) {
            let _ = PendingToken::parse(&bytes);
        }

        #[test]
        fn a_changed_file_is_read_and_written_the_same(token in ".{0,20}", at in any::<prop::sample::Index>(), to: u8) {
            let file = serde_json::json!({
                "token": token, "owner_auth_secret": "ab".repeat(32), "expires_at": 1_795_392_711, "created_at": 1_795_392_111, "new": [1.5],
            });
            let mut file = file.to_string().into_bytes();
            *at.get_mut(&mut file) = to;
            if let Ok(pending) = PendingToken::parse(&file) {
                prop_assert_eq!(PendingToken::parse(&pending.to_json()), Ok(pending));
            }
        }
    }
}
