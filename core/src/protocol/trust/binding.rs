//! The file `.trust`: who owns the agent (PROTOCOL section 5).

use serde_json::{Map, Value};

use super::Expected;
use super::machine::MachineFingerprint;
use super::owner::OwnerSecret;
use super::token::{Nonce, Token};
use crate::protocol::address::Address;
use crate::protocol::python_json;
use crate::protocol::text;

/// The longest owner, in bytes: as an address.
const LONGEST_OWNER: usize = 320;

/// Why a `.trust` file cannot be believed. It is never taken for an agent without an owner: whoever could damage the
/// file could else take the agent over.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum BindingError {
    /// Not a JSON object.
    #[error("the trust file is damaged at line {line}, column {column}; run 'trust-revoke' to be free of it")]
    NotJson {
        /// The line, from 1.
        line: usize,
        /// The column.
        column: usize,
    },
    /// A field is missing or holds something else than it should.
    #[error("the trust file is damaged: {field} must be {expected}; run 'trust-revoke' to be free of it")]
    BadField {
        /// The field.
        field: &'static str,
        /// What it should hold.
        expected: &'static str,
    },
    /// The owner that was given has no name, or one that would not stay on its line.
    #[error("the owner must be an address or a name of 1 to 320 bytes without line breaks or control characters")]
    BadOwner,
}

/// Whether a binding holds.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Status {
    /// The agent has an owner.
    Active,
    /// Any other word in the file: the reference takes such an agent for unbound, and so do we.
    Inactive(String),
}

/// What a bound agent allows.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Permissions {
    /// A further token may bind the agent anew, without revoking first.
    pub accept_new_bindings: bool,
    /// The owner may let others act for it.
    pub owner_can_delegate: bool,
    /// Fields of other versions, kept as they are.
    rest: Map<String, Value>,
}

impl Default for Permissions {
    fn default() -> Self {
        Self { accept_new_bindings: false, owner_can_delegate: true, rest: Map::new() }
    }
}

/// A binding of an agent to its owner. An agent without one has no `.trust` file; revoking removes the file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Binding {
    owner: String,
    bound_since: String,
    machine: MachineFingerprint,
    nonce: Nonce,
    status: Status,
    owner_secret: OwnerSecret,
    permissions: Permissions,
    rest: Map<String, Value>,
}

impl Binding {
    /// The binding that a good token makes.
    ///
    /// # Errors
    /// [`BindingError::BadOwner`] when the owner is empty, too long or would not stay on its line.
    pub fn new(owner: &str, token: &Token, expected: &Expected<'_>) -> Result<Self, BindingError> {
        let owner = text::strip(owner);
        if !is_owner(owner) {
            return Err(BindingError::BadOwner);
        }
        Ok(Self {
            owner: owner.to_owned(),
            bound_since: expected.now.utc_iso(),
            machine: *expected.machine,
            nonce: *token.nonce(),
            status: Status::Active,
            owner_secret: token.owner_secret(expected.agent_key),
            permissions: Permissions::default(),
            rest: Map::new(),
        })
    }

    /// Reads the bytes of a `.trust` file.
    ///
    /// # Errors
    /// [`BindingError`] says where it is damaged, without showing what it holds.
    pub fn parse(bytes: &[u8]) -> Result<Self, BindingError> {
        let mut fields: Map<String, Value> =
            serde_json::from_slice(bytes).map_err(|e| BindingError::NotJson { line: e.line(), column: e.column() })?;
        let secret = take_text(&mut fields, "owner_auth_key")?;
        let owner_secret = OwnerSecret::parse(secret)
            .ok_or(BindingError::BadField { field: "owner_auth_key", expected: "64 lower-case hex digits" })?;
        let owner = take_text(&mut fields, "owner")?;
        if !is_owner(&owner) {
            return Err(BindingError::BadField { field: "owner", expected: "a name on one line" });
        }
        let machine = MachineFingerprint::parse(&take_text(&mut fields, "machine_fingerprint")?)
            .ok_or(BindingError::BadField { field: "machine_fingerprint", expected: "128 hex digits" })?;
        let nonce = Nonce::parse(&take_text(&mut fields, "binding_nonce")?)
            .ok_or(BindingError::BadField { field: "binding_nonce", expected: "64 hex digits" })?;
        let bound_since = take_text(&mut fields, "bound_since")?;
        let status = match take_text(&mut fields, "status")? {
            word if word == "active" => Status::Active,
            word => Status::Inactive(word),
        };
        let permissions = Permissions::take(&mut fields)?;
        Ok(Self { owner, bound_since, machine, nonce, status, owner_secret, permissions, rest: fields })
    }

    /// The bytes of the `.trust` file (secret: it is written private). Known fields come in the reference's order,
    /// those of other versions after them.
    #[must_use]
    pub fn to_json(&self) -> Vec<u8> {
        let status = match &self.status {
            Status::Active => "active",
            Status::Inactive(word) => word,
        };
        let mut fields = Map::new();
        for (name, value) in [
            ("owner", self.owner.as_str()),
            ("bound_since", &self.bound_since),
            ("machine_fingerprint", &self.machine.to_string()),
            ("binding_nonce", &self.nonce.to_string()),
            ("status", status),
            ("owner_auth_key", self.owner_secret.expose()),
        ] {
            fields.insert(name.to_owned(), value.into());
        }
        fields.insert("permissions".to_owned(), self.permissions.to_value());
        fields.extend(self.rest.clone());
        python_json::pretty(&Value::Object(fields)).into_bytes()
    }

    /// The owner, as given when it was bound: an address, or a person's name. Holds no control character.
    #[must_use]
    pub fn owner(&self) -> &str {
        &self.owner
    }

    /// Whether this address is the owner of the agent: the binding is active and the address the owner's.
    #[must_use]
    pub fn is_owned_by(&self, address: &Address) -> bool {
        self.is_active() && Address::parse(&self.owner).is_ok_and(|owner| owner.same_as(address))
    }

    /// When the agent was bound: UTC as `YYYY-MM-DDTHH:MM:SSZ`, where a client wrote it.
    #[must_use]
    pub fn bound_since(&self) -> &str {
        &self.bound_since
    }

    /// The machine that the agent was bound on; another one now deserves a warning.
    #[must_use]
    pub const fn machine(&self) -> &MachineFingerprint {
        &self.machine
    }

    /// The nonce of the token that bound the agent.
    #[must_use]
    pub const fn nonce(&self) -> &Nonce {
        &self.nonce
    }

    /// Whether the binding holds.
    #[must_use]
    pub const fn status(&self) -> &Status {
        &self.status
    }

    /// Whether the agent has an owner by this binding.
    #[must_use]
    pub fn is_active(&self) -> bool {
        self.status == Status::Active
    }

    /// Whether every further token is refused until the binding is revoked.
    #[must_use]
    pub fn is_locked(&self) -> bool {
        self.is_active() && !self.permissions.accept_new_bindings
    }

    /// What proves the owner's privileged messages.
    #[must_use]
    pub const fn owner_secret(&self) -> &OwnerSecret {
        &self.owner_secret
    }

    /// What the agent allows.
    #[must_use]
    pub const fn permissions(&self) -> &Permissions {
        &self.permissions
    }
}

impl Permissions {
    /// Takes the permissions out of a binding's fields. A missing one is the stricter of its two values.
    fn take(fields: &mut Map<String, Value>) -> Result<Self, BindingError> {
        let mut rest = match fields.shift_remove("permissions") {
            None => Map::new(),
            Some(Value::Object(rest)) => rest,
            Some(_) => return Err(BindingError::BadField { field: "permissions", expected: "an object" }),
        };
        let mut flag = |field: &'static str| match rest.shift_remove(field) {
            None => Ok(false),
            Some(Value::Bool(flag)) => Ok(flag),
            Some(_) => Err(BindingError::BadField { field, expected: "true or false" }),
        };
        let accept_new_bindings = flag("accept_new_bindings")?;
        let owner_can_delegate = flag("owner_can_delegate")?;
        Ok(Self { accept_new_bindings, owner_can_delegate, rest })
    }

    fn to_value(&self) -> Value {
        let mut fields = Map::new();
        fields.insert("accept_new_bindings".to_owned(), self.accept_new_bindings.into());
        fields.insert("owner_can_delegate".to_owned(), self.owner_can_delegate.into());
        fields.extend(self.rest.clone());
        Value::Object(fields)
    }
}

fn is_owner(owner: &str) -> bool {
    !text::strip(owner).is_empty() && owner.len() <= LONGEST_OWNER && text::for_terminal_line(owner) == owner
}

/// Takes a text out of a binding's fields.
fn take_text(fields: &mut Map<String, Value>, field: &'static str) -> Result<String, BindingError> {
    match fields.shift_remove(field) {
        Some(Value::String(text)) => Ok(text),
        _ => Err(BindingError::BadField { field, expected: "text" }),
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::protocol::time::Now;

    /// What the reference wrote when it was asked to bind an agent.
    const REFERENCE: &str = r#"{
  "owner": "z\u00f6@localhost",
  "bound_since": "2026-11-23T00:07:03Z",
  "machine_fingerprint": "28f733e60ff1a7cd7cb07c31f6acf3ece4aa1c9d6dddc3696e12b252904f3943192e7d29fb1675512f89e8d1851abfac063844439ea34544a6d703f4d48474d3",
  "binding_nonce": "4e84af15067acb1b080d3838143325e8deec3ea22ba2c2eaeb5b902c74905780",
  "status": "active",
  "owner_auth_key": "60a6ba06e6ce726508f6959e66603804e5ec665551852e0d19a52389efffdb49",
  "permissions": {
    "accept_new_bindings": false,
    "owner_can_delegate": true
  }
}"#;

    #[test]
    fn the_references_file_is_read_and_written_alike() {
        let binding = Binding::parse(REFERENCE.as_bytes()).unwrap();
        assert_eq!(String::from_utf8(binding.to_json()).unwrap(), REFERENCE);
        assert!(binding.is_locked());
        assert!(binding.is_owned_by(&Address::parse("ZÖ@localhost").unwrap()));
        assert!(!binding.is_owned_by(&Address::parse("bob@localhost").unwrap()));
    }

    #[test]
    fn unknown_fields_survive() {
        let odd = REFERENCE.replace("\n}", ",\n  \"epoch\": 3\n}").replace("true\n", "true,\n    \"new\": [1]\n");
        let binding = Binding::parse(odd.as_bytes()).unwrap();
        let again: Value = serde_json::from_slice(&binding.to_json()).unwrap();
        assert_eq!(again, serde_json::from_str::<Value>(&odd).unwrap());
        assert_eq!(Binding::parse(&binding.to_json()), Ok(binding));
    }

    #[test]
    fn damage_is_not_freedom() {
        for damaged in [
            "",
            "[]",
            "{",
            "{}",
            &REFERENCE.replace("60a6", "60A6"),
            &REFERENCE.replace("4e84", ""),
            &REFERENCE.replace("28f7", "zzzz"),
            &REFERENCE.replace("z\\u00f6@localhost", ""),
            &REFERENCE.replace("z\\u00f6@", "a\\nb"),
            &REFERENCE.replace("\"active\"", "1"),
            &REFERENCE.replace("false", "\"no\""),
        ] {
            let error = Binding::parse(damaged.as_bytes()).unwrap_err();
            assert!(!error.to_string().contains("60a6"), "{error}");
        }
        assert!(!format!("{:?}", Binding::parse(REFERENCE.as_bytes())).contains("60a6"));
    }

    #[test]
    fn another_status_is_no_binding() {
        let revoked = REFERENCE.replace("\"active\"", "\"revoked\"");
        let binding = Binding::parse(revoked.as_bytes()).unwrap();
        assert_eq!(binding.status(), &Status::Inactive("revoked".to_owned()));
        assert!(!binding.is_active() && !binding.is_locked());
        assert_eq!(String::from_utf8(binding.to_json()).unwrap(), revoked);
    }

    #[test]
    fn owners_stay_on_their_line() {
        let agent = Address::parse("bob@localhost").unwrap();
        let machine = MachineFingerprint::of_facts(&[]);
        let expected = Expected { agent: &agent, agent_key: "key", machine: &machine, now: Now::utc(0) };
        let token = Token::build(&expected, Nonce::new([1; 32]));
        for bad in ["", "  ", "a\nb", "a\u{1b}[2J", "a\u{202e}b", &"a".repeat(321)] {
            assert_eq!(Binding::new(bad, &token, &expected), Err(BindingError::BadOwner), "{bad:?}");
        }
        let binding = Binding::new(" John Doe ", &token, &expected).unwrap();
        assert_eq!(Binding::parse(&binding.to_json()), Ok(binding));
    }

    proptest! {
        #[test]
        fn any_bytes_are_safe(bytes: Vec<u8>) {
            let _ = Binding::parse(&bytes);
        }

        #[test]
        fn a_changed_file_is_read_and_written_the_same(at in any::<prop::sample::Index>(), to: u8) {
            let mut file = REFERENCE.as_bytes().to_vec();
            *at.get_mut(&mut file) = to;
            if let Ok(binding) = Binding::parse(&file) {
                prop_assert_eq!(Binding::parse(&binding.to_json()), Ok(binding));
            }
        }
    }
}
