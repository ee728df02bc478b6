//! Known peers: `.keyring.json` (PROTOCOL sections 3 and 9). Trust on first use: the first key that an address is seen
//! with is accepted for it; another one is recorded, but accepted only once somebody says so.
//!
//! To the reference's fields an entry adds `accepted_addresses` (absent: all its addresses are), `envelope2` (the key has
//! used envelope 2), `downgraded` (and lately did without) and `trusted` (somebody said so); the reference keeps what it
//! does not know.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde_json::{Map, Value};

use super::address::Address;
use super::id::Fingerprint;
use super::text;
use super::time::Now;
use super::verdict::Peer;

/// The most addresses kept for a key: whoever signs may write any sender.
const MOST_ADDRESSES: usize = 1000;

/// Why a keyring cannot be read at all.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum KeyringError {
    /// Not JSON.
    #[error("the keyring is not JSON (line {line}, column {column}): mend it, or move it away to begin a new one")]
    NotJson {
        /// The line, from 1.
        line: usize,
        /// The column, from 1.
        column: usize,
    },
    /// JSON, but not an object.
    #[error("the keyring is no JSON object: mend it, or move it away to begin a new one")]
    NotAnObject,
}

/// An entry that cannot be used. It stays in the file as it is.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("keyring entry {entry}: {field} {why}")]
pub struct DamagedEntry {
    /// The entry's name.
    pub entry: Fingerprint,
    /// The field that is wrong.
    pub field: &'static str,
    /// What is wrong with it.
    pub why: &'static str,
}

/// What the keyring says of a message's sender and key.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Standing {
    /// The key is accepted for the address.
    Known,
    /// No key is accepted for the address yet.
    FirstSeen,
    /// Other keys are accepted for the address, and this one is not.
    KeyChanged {
        /// Those keys.
        known: Vec<Fingerprint>,
    },
    /// The key has used envelope 2 before, and does not now: somebody may have cut the proof off.
    Downgraded,
}

impl Standing {
    /// The word for it in a verdict.
    #[must_use]
    pub const fn peer(&self) -> Peer {
        match self {
            Self::Known => Peer::Known,
            Self::FirstSeen => Peer::FirstSeen,
            Self::KeyChanged { .. } => Peer::KeyChanged,
            Self::Downgraded => Peer::Downgraded,
        }
    }
}

/// A known key.
#[derive(Clone, PartialEq, Eq)]
pub struct Entry {
    public_key: [u8; 32],
    first_seen: String,
    last_seen: String,
    addresses: Vec<String>,
    marks: Marks,
    unknown: Map<String, Value>,
}

/// The fields that azall adds.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
struct Marks {
    /// Whether `accepted_addresses` says which addresses the key is accepted for; without it, all.
    restricted: bool,
    envelope2: bool,
    downgraded: bool,
    trusted: bool,
}

impl Entry {
    /// The raw public key.
    #[must_use]
    pub const fn public_key(&self) -> &[u8; 32] {
        &self.public_key
    }

    /// When the key was first seen: local time as ISO 8601, or empty.
    #[must_use]
    pub fn first_seen(&self) -> &str {
        &self.first_seen
    }

    /// When the key was last seen: local time as ISO 8601, or empty.
    #[must_use]
    pub fn last_seen(&self) -> &str {
        &self.last_seen
    }

    /// Every address that the key was seen with, as it was written: text from outside.
    #[must_use]
    pub fn addresses(&self) -> &[String] {
        &self.addresses
    }

    /// Whether the key has used envelope 2.
    #[must_use]
    pub const fn used_envelope2(&self) -> bool {
        self.marks.envelope2
    }

    /// Whether the key has used envelope 2, and lately did without.
    #[must_use]
    pub const fn is_downgraded(&self) -> bool {
        self.marks.downgraded
    }

    /// Whether somebody has said that the key is good.
    #[must_use]
    pub const fn is_trusted(&self) -> bool {
        self.marks.trusted
    }
}

impl fmt::Debug for Entry {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Entry").field("addresses", &self.addresses).field("marks", &self.marks).finish_non_exhaustive()
    }
}

/// The keys that an address was seen with.
#[derive(Clone, Debug, Default)]
struct Holders {
    accepted: BTreeSet<Fingerprint>,
    recorded: BTreeSet<Fingerprint>,
}

/// The keys of all peers. Every operation costs the logarithm of their number, and for [`Keyring::trust`] and
/// [`Keyring::forget`] the number of the key's addresses.
#[derive(Clone, Debug, Default)]
pub struct Keyring {
    entries: BTreeMap<Fingerprint, Entry>,
    /// By [`address_key`].
    by_address: BTreeMap<String, Holders>,
    /// What else is in the file, damaged entries included.
    others: Map<String, Value>,
    damaged: Vec<DamagedEntry>,
    dirty: bool,
}

impl Keyring {
    /// Reads the file. An entry that cannot be used is kept as it is and told by [`Keyring::damaged`]; other top-level
    /// names are kept.
    ///
    /// # Errors
    /// [`KeyringError`] when the file as a whole is not what it should be.
    pub fn parse(bytes: &[u8]) -> Result<Self, KeyringError> {
        let value: Value = serde_json::from_slice(bytes.strip_prefix(b"\xef\xbb\xbf").unwrap_or(bytes))
            .map_err(|e| KeyringError::NotJson { line: e.line(), column: e.column() })?;
        let Value::Object(mut others) = value else { return Err(KeyringError::NotAnObject) };
        let mut keyring = Self::default();
        others.retain(|name, member| {
            let Ok(fingerprint) = Fingerprint::parse(name) else { return true };
            match read_entry(fingerprint, member) {
                Ok((entry, accepted)) if fingerprint.as_str() == name => {
                    keyring.adopt(fingerprint, entry, &accepted);
                    return false;
                }
                Ok(_) => {}
                Err(Fault { field, why }) => keyring.damaged.push(DamagedEntry { entry: fingerprint, field, why }),
            }
            true
        });
        keyring.others = others;
        Ok(keyring)
    }

    /// The file's content, laid out as the reference does it: two spaces of indentation, ASCII only.
    #[must_use]
    pub fn to_json(&self) -> String {
        let known =
            self.entries.iter().map(|(fingerprint, entry)| (fingerprint.to_string(), self.write(*fingerprint, entry)));
        let others = self.others.iter().map(|(name, value)| (name.clone(), value.clone()));
        super::python_json::pretty(&Value::Object(known.chain(others).collect()))
    }

    /// The public key with this fingerprint.
    #[must_use]
    pub fn lookup(&self, fingerprint: &Fingerprint) -> Option<[u8; 32]> {
        self.entries.get(fingerprint).map(|entry| entry.public_key)
    }

    /// The entry of a key.
    #[must_use]
    pub fn entry(&self, fingerprint: &Fingerprint) -> Option<&Entry> {
        self.entries.get(fingerprint)
    }

    /// All keys, by fingerprint.
    pub fn entries(&self) -> impl Iterator<Item = (&Fingerprint, &Entry)> {
        self.entries.iter()
    }

    /// The entries of the file that cannot be used.
    #[must_use]
    pub fn damaged(&self) -> &[DamagedEntry] {
        &self.damaged
    }

    /// Whether a key is accepted for an address.
    #[must_use]
    pub fn is_accepted(&self, address: &Address, fingerprint: &Fingerprint) -> bool {
        self.holders(address).is_some_and(|holders| holders.accepted.contains(fingerprint))
    }

    /// What to think of a message from this address, proven to be by this key (PROTOCOL section 9). A changed key is the
    /// graver news and hides a downgrade.
    #[must_use]
    pub fn standing(&self, from: &Address, key: &Fingerprint, used_envelope2: bool) -> Standing {
        let accepted = self.holders(from).map(|holders| &holders.accepted).filter(|keys| !keys.is_empty());
        match accepted {
            Some(keys) if !keys.contains(key) => Standing::KeyChanged { known: keys.iter().copied().collect() },
            _ if !used_envelope2 && self.entry(key).is_some_and(Entry::used_envelope2) => Standing::Downgraded,
            Some(_) => Standing::Known,
            None => Standing::FirstSeen,
        }
    }

    /// Records a message from this address, proven to be by this key, and says what was thought of it before. Whatever
    /// policy does with the message: a key that is not accepted for the address does not become so.
    pub fn observe(&mut self, from: &Address, public_key: &[u8; 32], used_envelope2: bool, now: Now) -> Standing {
        let fingerprint = Fingerprint::of_key(public_key);
        let standing = self.standing(from, &fingerprint, used_envelope2);
        self.others.swap_remove(fingerprint.as_str());
        let seen = now.local_iso();
        let entry = self.entries.entry(fingerprint).or_insert_with(|| Entry::new(*public_key, seen.clone()));
        entry.last_seen = seen;
        entry.marks.restricted = true;
        entry.marks.downgraded = !used_envelope2 && entry.marks.envelope2;
        entry.marks.envelope2 |= used_envelope2;
        self.dirty = true;

        let holders = self.by_address.get(&from.key());
        let is_new = !holders.is_some_and(|holders| holders.recorded.contains(&fingerprint));
        if is_new && entry.addresses.len() >= MOST_ADDRESSES {
            return standing;
        }
        if is_new {
            entry.addresses.push(from.as_str().to_owned());
        }
        let holders = self.by_address.entry(from.key()).or_default();
        holders.recorded.insert(fingerprint);
        if holders.accepted.is_empty() {
            holders.accepted.insert(fingerprint);
        }
        standing
    }

    /// Accepts a key for every address it was seen with, beside the keys accepted so far; if it was downgraded, it may do
    /// without envelope 2 from now on. False when the key is not known.
    pub fn trust(&mut self, fingerprint: &Fingerprint) -> bool {
        let Some(entry) = self.entries.get_mut(fingerprint) else { return false };
        let envelope2 = entry.marks.envelope2 && !entry.marks.downgraded;
        entry.marks = Marks { restricted: true, envelope2, downgraded: false, trusted: true };
        for address in &entry.addresses {
            self.by_address.entry(address_key(address)).or_default().accepted.insert(*fingerprint);
        }
        self.dirty = true;
        true
    }

    /// Removes a key, as if it had never been seen. False when it is not known.
    pub fn forget(&mut self, fingerprint: &Fingerprint) -> bool {
        let Some(entry) = self.entries.remove(fingerprint) else { return false };
        for key in entry.addresses.iter().map(|address| address_key(address)) {
            if let Some(holders) = self.by_address.get_mut(&key) {
                holders.accepted.remove(fingerprint);
                holders.recorded.remove(fingerprint);
                if holders.recorded.is_empty() {
                    self.by_address.remove(&key);
                }
            }
        }
        self.dirty = true;
        true
    }

    /// Whether the file has to be written.
    #[must_use]
    pub const fn is_dirty(&self) -> bool {
        self.dirty
    }

    /// To be called once [`Keyring::to_json`] is durable.
    pub const fn mark_saved(&mut self) {
        self.dirty = false;
    }

    fn holders(&self, address: &Address) -> Option<&Holders> {
        self.by_address.get(&address.key())
    }

    /// Takes in an entry of the file.
    fn adopt(&mut self, fingerprint: Fingerprint, mut entry: Entry, accepted: &[String]) {
        let mut known = BTreeSet::new();
        entry.addresses.retain(|address| known.insert(address.clone()));
        entry.addresses.extend(accepted.iter().filter(|address| known.insert((*address).clone())).cloned());
        for address in &entry.addresses {
            self.by_address.entry(address_key(address)).or_default().recorded.insert(fingerprint);
        }
        let accepted = if entry.marks.restricted { accepted } else { &entry.addresses };
        for address in accepted {
            self.by_address.entry(address_key(address)).or_default().accepted.insert(fingerprint);
        }
        self.entries.insert(fingerprint, entry);
    }

    fn write(&self, fingerprint: Fingerprint, entry: &Entry) -> Value {
        let mut fields = Map::new();
        let mut put = |name: &str, value: Value| fields.insert(name.to_owned(), value);
        put("public_key_b64", STANDARD.encode(entry.public_key).into());
        put("fingerprint", fingerprint.as_str().into());
        put("first_seen", entry.first_seen.as_str().into());
        put("last_seen", entry.last_seen.as_str().into());
        put("addresses", entry.addresses.clone().into());
        if entry.marks.restricted {
            let is_accepted = |address: &&String| {
                self.by_address
                    .get(&address_key(address))
                    .is_some_and(|holders| holders.accepted.contains(&fingerprint))
            };
            put("accepted_addresses", entry.addresses.iter().filter(is_accepted).cloned().collect::<Vec<_>>().into());
        }
        for (name, set) in entry.marks.flags() {
            if set {
                put(name, true.into());
            }
        }
        fields.extend(entry.unknown.clone());
        Value::Object(fields)
    }
}

impl Entry {
    fn new(public_key: [u8; 32], first_seen: String) -> Self {
        Self {
            public_key,
            last_seen: first_seen.clone(),
            first_seen,
            addresses: Vec::new(),
            marks: Marks::default(),
            unknown: Map::new(),
        }
    }
}

impl Marks {
    /// The fields that are `true` or absent.
    const fn flags(self) -> [(&'static str, bool); 3] {
        [("envelope2", self.envelope2), ("downgraded", self.downgraded), ("trusted", self.trusted)]
    }
}

/// What is wrong with an entry.
struct Fault {
    field: &'static str,
    why: &'static str,
}

/// An entry of the file, and the addresses it is accepted for if it says so.
fn read_entry(fingerprint: Fingerprint, value: &Value) -> Result<(Entry, Vec<String>), Fault> {
    let Value::Object(fields) = value else { return Err(Fault { field: "it", why: "is no JSON object" }) };
    let mut fields = Fields(fields.clone());
    let key = fields.text("public_key_b64")?;
    let public_key: [u8; 32] = STANDARD
        .decode(text::strip(&key))
        .ok()
        .and_then(|bytes| bytes.try_into().ok())
        .ok_or(Fault { field: "public_key_b64", why: "is not 32 bytes in base64" })?;
    if Fingerprint::of_key(&public_key) != fingerprint {
        return Err(Fault { field: "public_key_b64", why: "has another fingerprint" });
    }
    // It repeats the entry's name; what it says does not matter.
    fields.0.shift_remove("fingerprint");
    let accepted = fields.list("accepted_addresses")?;
    let entry = Entry {
        public_key,
        first_seen: fields.text("first_seen")?,
        last_seen: fields.text("last_seen")?,
        addresses: fields.list("addresses")?.unwrap_or_default(),
        marks: Marks {
            restricted: accepted.is_some(),
            envelope2: fields.flag("envelope2")?,
            downgraded: fields.flag("downgraded")?,
            trusted: fields.flag("trusted")?,
        },
        unknown: fields.0,
    };
    Ok((entry, accepted.unwrap_or_default()))
}

/// The fields of an entry that have not been read yet; an absent one is empty.
struct Fields(Map<String, Value>);

impl Fields {
    fn text(&mut self, field: &'static str) -> Result<String, Fault> {
        match self.0.shift_remove(field) {
            None | Some(Value::Null) => Ok(String::new()),
            Some(Value::String(text)) => Ok(text),
            Some(_) => Err(Fault { field, why: "is no text" }),
        }
    }

    fn flag(&mut self, field: &'static str) -> Result<bool, Fault> {
        match self.0.shift_remove(field) {
            None | Some(Value::Null) => Ok(false),
            Some(Value::Bool(flag)) => Ok(flag),
            Some(_) => Err(Fault { field, why: "is neither true nor false" }),
        }
    }

    fn list(&mut self, field: &'static str) -> Result<Option<Vec<String>>, Fault> {
        let wrong = Fault { field, why: "is no list of texts" };
        match self.0.shift_remove(field) {
            None | Some(Value::Null) => Ok(None),
            Some(Value::Array(items)) => {
                let texts =
                    items.into_iter().map(|item| if let Value::String(text) = item { Some(text) } else { None });
                texts.collect::<Option<Vec<_>>>().map(Some).ok_or(wrong)
            }
            Some(_) => Err(wrong),
        }
    }
}

/// How an address of the file, which may be any text, is compared: as [`Address::key`] where it is one.
fn address_key(text: &str) -> String {
    Address::parse(text).map_or_else(|_| text::strip(text).to_lowercase(), |address| address.key())
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const NOW: Now = Now::utc(1_773_239_400_123);
    const LATER: Now = Now::utc(1_773_239_500_123);

    fn address(text: &str) -> Address {
        Address::parse(text).unwrap()
    }

    fn key(number: u8) -> ([u8; 32], Fingerprint) {
        let key = [number; 32];
        (key, Fingerprint::of_key(&key))
    }

    fn reread(keyring: &Keyring) -> Keyring {
        Keyring::parse(keyring.to_json().as_bytes()).unwrap()
    }

    #[test]
    fn first_use_is_the_references_entry_and_ours() {
        let mut keyring = Keyring::default();
        let (one, fingerprint) = key(1);
        assert_eq!(keyring.observe(&address("zürich.agenttalk"), &one, false, NOW), Standing::FirstSeen);
        assert_eq!(
            keyring.to_json(),
            r#"{
  "72cd6e8422c407fb": {
    "public_key_b64": "AQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQE=",
    "fingerprint": "72cd6e8422c407fb",
    "first_seen": "2026-03-11T14:30:00.123000",
    "last_seen": "2026-03-11T14:30:00.123000",
    "addresses": [
      "z\u00fcrich.agenttalk"
    ],
    "accepted_addresses": [
      "z\u00fcrich.agenttalk"
    ]
  }
}"#
        );
        assert_eq!(keyring.lookup(&fingerprint), Some(one));
        assert_eq!(keyring.observe(&address("Zürich.agenttalk"), &one, false, LATER), Standing::Known);
        let entry = keyring.entry(&fingerprint).unwrap();
        assert_eq!((entry.addresses().len(), entry.last_seen()), (1, "2026-03-11T14:31:40.123000"));
    }

    #[test]
    fn a_changed_key_is_not_accepted_until_trusted() {
        let mut keyring = Keyring::default();
        let (alice, ((one, first), (two, second))) = (address("alice@x"), (key(1), key(2)));
        keyring.observe(&alice, &one, false, NOW);
        for _ in 0..2 {
            let standing = keyring.observe(&alice, &two, false, NOW);
            assert_eq!(standing, Standing::KeyChanged { known: vec![first] });
            keyring = reread(&keyring);
        }
        assert!(keyring.is_accepted(&alice, &first) && !keyring.is_accepted(&alice, &second));
        // Under an address of its own the second key is as good as any.
        assert_eq!(keyring.observe(&address("bob@x"), &two, false, NOW), Standing::FirstSeen);
        assert!(matches!(keyring.standing(&alice, &second, false), Standing::KeyChanged { .. }));

        assert!(keyring.trust(&second));
        keyring = reread(&keyring);
        assert!(keyring.entry(&second).unwrap().is_trusted());
        assert_eq!(keyring.standing(&alice, &second, false), Standing::Known);
        assert_eq!(keyring.standing(&alice, &first, false), Standing::Known);

        assert!(keyring.forget(&first));
        assert_eq!(keyring.standing(&alice, &first, false), Standing::KeyChanged { known: vec![second] });
        assert!(keyring.forget(&second) && !keyring.forget(&second) && !keyring.trust(&second));
        assert_eq!(keyring.standing(&alice, &first, false), Standing::FirstSeen);
        assert!(keyring.by_address.is_empty());
    }

    #[test]
    fn a_downgrade_lasts_until_envelope_2_or_trust() {
        let mut keyring = Keyring::default();
        let (alice, (one, first)) = (address("alice@x"), key(1));
        keyring.observe(&alice, &one, true, NOW);
        assert_eq!(keyring.standing(&alice, &first, true), Standing::Known);
        assert_eq!(keyring.observe(&alice, &one, false, NOW), Standing::Downgraded);
        keyring = reread(&keyring);
        assert!(keyring.entry(&first).unwrap().is_downgraded());
        assert_eq!(keyring.observe(&alice, &one, false, NOW), Standing::Downgraded);
        // Under an address it was never seen with, too.
        assert_eq!(keyring.standing(&address("carol@x"), &first, false), Standing::Downgraded);

        let mut settled = keyring.clone();
        settled.trust(&first);
        assert_eq!(settled.observe(&alice, &one, false, NOW), Standing::Known);
        assert_eq!(keyring.observe(&alice, &one, true, NOW), Standing::Known);
        keyring.trust(&first);
        assert_eq!(keyring.standing(&alice, &first, false), Standing::Downgraded, "trust alone allows no downgrade");
    }

    /// An entry as the reference writes it.
    fn foreign(number: u8, addresses: &[&str]) -> (String, Value) {
        let (raw, fingerprint) = key(number);
        let entry = serde_json::json!({
            "public_key_b64": STANDARD.encode(raw), "fingerprint": fingerprint.as_str(),
            "first_seen": "2026-03-11T14:00:00.000001", "last_seen": "2026-03-11T14:00:00.000001", "addresses": addresses,
        });
        (fingerprint.to_string(), entry)
    }

    fn file(members: impl IntoIterator<Item = (String, Value)>) -> Value {
        Value::Object(members.into_iter().collect())
    }

    #[test]
    fn entries_of_the_reference_are_accepted_as_they_are() {
        let text = super::super::python_json::pretty(&file([foreign(1, &["Alice@x", "odd one"])]));
        let mut keyring = Keyring::parse(text.as_bytes()).unwrap();
        assert_eq!(keyring.to_json(), text);
        let (_, second) = key(2);
        assert_eq!(keyring.standing(&address("alice@X"), &key(1).1, false), Standing::Known);
        assert!(matches!(keyring.standing(&address("alice@x"), &second, false), Standing::KeyChanged { .. }));
        assert!(!keyring.is_dirty());
        keyring.observe(&address("alice@x"), &key(1).0, false, NOW);
        assert!(keyring.is_dirty());
        assert_eq!(reread(&keyring).standing(&address("alice@x"), &key(1).1, false), Standing::Known);
        // An address that the reference adds later to an entry of ours is recorded, not accepted.
        let mut value: Value = serde_json::from_str(&keyring.to_json()).unwrap();
        value[key(1).1.as_str()]["addresses"].as_array_mut().unwrap().push("bob@x".into());
        let keyring = Keyring::parse(value.to_string().as_bytes()).unwrap();
        assert!(!keyring.is_accepted(&address("bob@x"), &key(1).1));
    }

    #[test]
    fn what_is_unknown_or_damaged_survives() {
        let (name, mut good) = foreign(1, &["a@x"]);
        good["extra"] = serde_json::json!({"deep": [1, 2.5, null]});
        let mut members = vec![(name, good), ("_note".to_owned(), serde_json::json!(["keep"]))];
        let spoil = [
            ("public_key_b64", serde_json::json!("AAAA")),
            ("public_key_b64", serde_json::json!(STANDARD.encode([9; 32]))),
            ("first_seen", serde_json::json!(5)),
            ("addresses", serde_json::json!(["a", 1])),
            ("envelope2", serde_json::json!("yes")),
        ];
        for (number, (field, value)) in (10..).zip(spoil.clone()) {
            let (name, mut entry) = foreign(number, &["b@x"]);
            entry[field] = value;
            members.push((name, entry));
        }
        members.push((key(20).1.to_string(), Value::Null));
        let before = file(members);
        let mut keyring = Keyring::parse(before.to_string().as_bytes()).unwrap();
        assert_eq!(serde_json::from_str::<Value>(&keyring.to_json()).unwrap(), before);
        let fields: Vec<_> = keyring.damaged().iter().map(|damaged| damaged.field).collect();
        assert_eq!(fields, spoil.iter().map(|(field, _)| *field).chain(["it"]).collect::<Vec<_>>());
        assert_eq!(keyring.lookup(&key(10).1), None);
        // The key itself mends its entry.
        keyring.observe(&address("b@x"), &key(10).0, false, NOW);
        assert_eq!(reread(&keyring).damaged().len(), keyring.damaged().len() - 1);
    }

    #[test]
    fn errors_say_where() {
        assert_eq!(Keyring::parse(b"{\n  \"a\": }").unwrap_err(), KeyringError::NotJson { line: 2, column: 8 });
        assert_eq!(Keyring::parse(b"[]").unwrap_err(), KeyringError::NotAnObject);
        assert!(Keyring::parse(b"").is_err());
        assert!(Keyring::parse("[".repeat(1_000_000).as_bytes()).is_err());
    }

    #[test]
    fn one_key_cannot_fill_the_keyring_with_addresses() {
        let mut keyring = Keyring::default();
        for number in 0..10_000 {
            keyring.observe(&address(&format!("a{number}@x")), &key(1).0, true, NOW);
        }
        assert_eq!(keyring.entry(&key(1).1).unwrap().addresses().len(), MOST_ADDRESSES);
        assert_eq!(keyring.by_address.len(), MOST_ADDRESSES);
    }

    #[test]
    fn ten_thousand_keys_for_one_address_are_cheap() {
        let mut keyring = Keyring::default();
        for number in 0..10_000_u32 {
            let mut raw = [0; 32];
            raw[..4].copy_from_slice(&number.to_be_bytes());
            keyring.observe(&address("a@x"), &raw, false, NOW);
        }
        assert_eq!(keyring.entries().count(), 10_000);
        assert_eq!(keyring.holders(&address("a@x")).unwrap().accepted.len(), 1);
    }

    proptest! {
        #[test]
        fn what_is_written_is_read_again(steps in prop::collection::vec((0..4_u8, 0..4_u8, 0..4_u8), 0..40)) {
            let mut keyring = Keyring::default();
            for (what, number, who) in steps {
                let (raw, fingerprint) = key(number);
                match what {
                    0 | 1 => {
                        keyring.observe(&address(&format!("{who}@x")), &raw, what == 1, NOW);
                    }
                    2 => {
                        keyring.trust(&fingerprint);
                    }
                    _ => {
                        keyring.forget(&fingerprint);
                    }
                }
                let again = reread(&keyring);
                prop_assert_eq!(&again.entries, &keyring.entries);
                prop_assert_eq!(again.to_json(), keyring.to_json());
                for (number, who, envelope2) in (0..4).flat_map(|n| (0..4).flat_map(move |w| [(n, w, false), (n, w, true)])) {
                    let (from, by) = (address(&format!("{who}@x")), key(number).1);
                    prop_assert_eq!(again.standing(&from, &by, envelope2), keyring.standing(&from, &by, envelope2));
                }
            }
        }

        #[test]
        fn any_bytes_are_safe(bytes: Vec<u8>) {
            let _ = Keyring::parse(&bytes);
        }

        #[test]
        fn mutated_files_never_panic(at in any::<prop::sample::Index>(), byte in any::<u8>(), cut in any::<prop::sample::Index>()) {
            let (name, mut entry) = foreign(1, &["a@x", "b@x"]);
            entry["accepted_addresses"] = serde_json::json!(["a@x"]);
            entry["envelope2"] = true.into();
            let mut bytes = file([(name, entry), foreign(2, &[])]).to_string().into_bytes();
            let place = at.index(bytes.len());
            bytes[place] = byte;
            if cut.index(2) == 0 {
                bytes.truncate(cut.index(bytes.len()));
            }
            if let Ok(mut keyring) = Keyring::parse(&bytes) {
                keyring.observe(&address("a@x"), &key(1).0, false, NOW);
                prop_assert_eq!(reread(&keyring).to_json(), keyring.to_json());
            }
        }
    }
}
