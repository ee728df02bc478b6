//! Identities, keyrings, ids that were seen.

use azall_bindings::Failure;
use azall_bindings::data::from_data;
use azall_bindings::protocol::keys;
use azall_core::protocol::dedupe;
use azall_core::protocol::time::Now;
use napi::Env;
use napi::bindgen_prelude::{Uint8Array, Unknown};
use napi_derive::napi;

use crate::convert;
use crate::failure::thrown;

/// A key pair. The private key stays inside, but for the text of its file.
#[napi]
pub struct Identity {
    pub(crate) inner: azall_core::protocol::identity::Identity,
}

#[napi]
impl Identity {
    /// From its private key: 32 bytes from the system's generator.
    #[napi(factory, catch_unwind)]
    pub fn from_seed(env: &Env, seed: Unknown<'_>) -> napi::Result<Self> {
        let made = convert::bytes(seed, "seed").and_then(|seed| keys::identity_from_seed(&seed));
        made.map(|inner| Self { inner }).map_err(|failure| thrown(env, failure))
    }

    /// From its file.
    #[napi(factory, catch_unwind)]
    pub fn parse(env: &Env, file: Unknown<'_>) -> napi::Result<Self> {
        let read = convert::bytes(file, "file").and_then(|file| keys::identity_from_file(&file));
        read.map(|inner| Self { inner }).map_err(|failure| thrown(env, failure))
    }

    /// The fingerprint of the public key.
    #[napi(getter, catch_unwind)]
    pub fn fingerprint(&self) -> String {
        self.inner.fingerprint().to_string()
    }

    /// The public key.
    #[napi(getter, catch_unwind)]
    pub fn public_key(&self) -> Uint8Array {
        Uint8Array::new(self.inner.public_key().to_vec())
    }

    /// The text of its file, with the private key in it.
    #[napi(catch_unwind)]
    pub fn to_json(&self, env: &Env, created: Unknown<'_>) -> napi::Result<String> {
        let created = convert::text(created, "created").map_err(|failure| thrown(env, failure))?;
        Ok(self.inner.to_json(&created).to_string())
    }

    /// The signature of these bytes.
    #[napi(catch_unwind)]
    pub fn sign(&self, env: &Env, message: Unknown<'_>) -> napi::Result<Uint8Array> {
        let message = convert::bytes(message, "message").map_err(|failure| thrown(env, failure))?;
        Ok(Uint8Array::new(self.inner.sign(&message).to_vec()))
    }
}

/// The keys that addresses were seen with.
#[napi]
#[derive(Default)]
pub struct Keyring {
    inner: azall_core::protocol::keyring::Keyring,
}

#[napi]
impl Keyring {
    /// An empty one.
    #[napi(constructor, catch_unwind)]
    pub fn new() -> Self {
        Self::default()
    }

    /// From its file.
    #[napi(factory, catch_unwind)]
    pub fn parse(env: &Env, file: Unknown<'_>) -> napi::Result<Self> {
        let read = convert::bytes(file, "file").and_then(|file| keys::keyring(&file));
        read.map(|inner| Self { inner }).map_err(|failure| thrown(env, failure))
    }

    /// The text of its file.
    #[napi(catch_unwind)]
    pub fn to_json(&self) -> String {
        self.inner.to_json()
    }

    /// All of its keys.
    #[napi(catch_unwind)]
    pub fn entries<'env>(&self, env: &'env Env) -> napi::Result<Unknown<'env>> {
        convert::value(env, &keys::keyring_entries(&self.inner))
    }

    /// The public key of a fingerprint, if it is here.
    #[napi(catch_unwind)]
    pub fn lookup(&self, env: &Env, fingerprint: Unknown<'_>) -> napi::Result<Option<Uint8Array>> {
        let fingerprint = fingerprint_of(env, fingerprint)?;
        Ok(self.inner.lookup(&fingerprint).map(|key| Uint8Array::new(key.to_vec())))
    }

    /// What it says of a key that an address uses, which it remembers.
    #[napi(catch_unwind)]
    pub fn observe(
        &mut self,
        env: &Env,
        from: Unknown<'_>,
        public_key: Unknown<'_>,
        used_envelope2: Unknown<'_>,
        now: Unknown<'_>,
    ) -> napi::Result<String> {
        let mut observe = || {
            let (from, public_key) = (convert::text(from, "from")?, convert::data(public_key)?);
            let now: Now = from_data(&convert::data(now)?)?;
            let used = convert::flag(used_envelope2, "usedEnvelope2")?;
            keys::observe(&mut self.inner, &from, &public_key, used, now)
        };
        observe().map(str::to_owned).map_err(|failure| thrown(env, failure))
    }

    /// Accepts a key for the addresses it was seen with; whether it is here.
    #[napi(catch_unwind)]
    pub fn trust(&mut self, env: &Env, fingerprint: Unknown<'_>) -> napi::Result<bool> {
        let fingerprint = fingerprint_of(env, fingerprint)?;
        Ok(self.inner.trust(&fingerprint))
    }

    /// Forgets a key; whether it was here.
    #[napi(catch_unwind)]
    pub fn forget(&mut self, env: &Env, fingerprint: Unknown<'_>) -> napi::Result<bool> {
        let fingerprint = fingerprint_of(env, fingerprint)?;
        Ok(self.inner.forget(&fingerprint))
    }
}

fn fingerprint_of(env: &Env, text: Unknown<'_>) -> napi::Result<azall_core::protocol::id::Fingerprint> {
    let read = convert::text(text, "fingerprint").and_then(|text| keys::fingerprint(&text));
    read.map_err(|failure| thrown(env, failure))
}

/// The most ids that are remembered.
const MOST_IDS: u32 = 1 << 20;

/// How many ids to remember, where it is told.
fn most(capacity: Option<Unknown<'_>>) -> Result<usize, Failure> {
    let capacity = capacity.map(|capacity| convert::count(capacity, "capacity", MOST_IDS)).transpose()?;
    Ok(capacity.map_or(dedupe::CAPACITY, |capacity| usize::try_from(capacity).unwrap_or(usize::MAX)))
}

/// Ids of messages that were received, up to a number: the oldest are forgotten.
#[napi]
pub struct SeenIds {
    inner: dedupe::SeenIds,
}

#[napi]
impl SeenIds {
    /// An empty one.
    #[napi(constructor, catch_unwind)]
    pub fn new(env: &Env, capacity: Option<Unknown<'_>>) -> napi::Result<Self> {
        let made = most(capacity).map(|most| Self { inner: dedupe::SeenIds::new(most) });
        made.map_err(|failure| thrown(env, failure))
    }

    /// From its file.
    #[napi(factory, catch_unwind)]
    pub fn parse(env: &Env, file: Unknown<'_>, capacity: Option<Unknown<'_>>) -> napi::Result<Self> {
        let read = || Ok(dedupe::SeenIds::parse(&convert::bytes(file, "file")?, most(capacity)?));
        read().map(|inner| Self { inner }).map_err(|failure| thrown(env, failure))
    }

    /// Whether it has this id: `signed` (id, fingerprint), `unsigned` (id, sender) or `transport` (id).
    #[napi(catch_unwind)]
    pub fn has(&self, env: &Env, kind: Unknown<'_>, id: Unknown<'_>, of: Option<Unknown<'_>>) -> napi::Result<bool> {
        let key = key_of(kind, id, of).map_err(|failure| thrown(env, failure))?;
        Ok(self.inner.contains(&key))
    }

    /// Adds an id; whether it is new.
    #[napi(catch_unwind)]
    pub fn add(
        &mut self,
        env: &Env,
        kind: Unknown<'_>,
        id: Unknown<'_>,
        of: Option<Unknown<'_>>,
    ) -> napi::Result<bool> {
        let key = key_of(kind, id, of).map_err(|failure| thrown(env, failure))?;
        Ok(self.inner.insert(&key))
    }

    /// How many there are.
    #[napi(getter, catch_unwind)]
    pub fn size(&self) -> u32 {
        u32::try_from(self.inner.len()).unwrap_or(u32::MAX)
    }

    /// The text of its file.
    #[napi(catch_unwind)]
    pub fn to_text(&self) -> String {
        self.inner.to_text()
    }
}

fn key_of(kind: Unknown<'_>, id: Unknown<'_>, of: Option<Unknown<'_>>) -> Result<dedupe::MessageKey, Failure> {
    let of = convert::optional_text(of, "of")?.unwrap_or_default();
    keys::message_key(&convert::text(kind, "kind")?, &convert::text(id, "id")?, &of)
}
