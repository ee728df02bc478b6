//! The keys of peers.

use std::cell::RefCell;

use azall_bindings::protocol::keys;
use azall_core::protocol::keyring;
use wasm_bindgen::JsValue;
use wasm_bindgen::prelude::wasm_bindgen;

use crate::arguments::{bytes, data, flag, now, text};
use crate::data::to_js;
use crate::failure::{Thrown, thrown};

/// The keys of peers. Arguments are read before it is borrowed: reading may run code of theirs.
#[wasm_bindgen]
pub struct Keyring(RefCell<keyring::Keyring>);

#[wasm_bindgen]
impl Keyring {
    /// Without a key.
    #[wasm_bindgen(constructor)]
    #[must_use]
    pub fn new() -> Self {
        Self(RefCell::default())
    }

    /// From its file.
    ///
    /// # Errors
    /// `keyring`.
    pub fn parse(file: &JsValue) -> Thrown<Self> {
        let read = bytes("file", file).and_then(|file| keys::keyring(&file));
        thrown(read.map(|keyring| Self(RefCell::new(keyring))))
    }

    /// Its file.
    #[wasm_bindgen(js_name = toJson)]
    #[must_use]
    pub fn to_json(&self) -> String {
        self.0.borrow().to_json()
    }

    /// The public key of a fingerprint.
    ///
    /// # Errors
    /// `argument` when it is no fingerprint.
    pub fn lookup(&self, fingerprint: &JsValue) -> Thrown<JsValue> {
        let found = || {
            let fingerprint = keys::fingerprint(&text("fingerprint", fingerprint)?)?;
            let key = self.0.borrow().lookup(&fingerprint);
            Ok(key.map_or(JsValue::NULL, |key| js_sys::Uint8Array::from(key.as_slice()).into()))
        };
        thrown(found())
    }

    /// What it says of a key that an address uses, which it remembers.
    ///
    /// # Errors
    /// `argument` when the address, the key or the moment is none.
    pub fn observe(
        &self,
        from: &JsValue,
        public_key: &JsValue,
        used_envelope2: &JsValue,
        moment: &JsValue,
    ) -> Thrown<String> {
        let observed = || {
            let (from, key) = (text("from", from)?, data("publicKey", public_key)?);
            let (used, moment) = (flag("usedEnvelope2", used_envelope2)?, now(moment)?);
            keys::observe(&mut self.0.borrow_mut(), &from, &key, used, moment).map(str::to_owned)
        };
        thrown(observed())
    }

    /// Accepts a key for the addresses that it was seen with; false when there is none.
    ///
    /// # Errors
    /// `argument` when it is no fingerprint.
    pub fn trust(&self, fingerprint: &JsValue) -> Thrown<bool> {
        let fingerprint = text("fingerprint", fingerprint).and_then(|text| keys::fingerprint(&text));
        thrown(fingerprint.map(|fingerprint| self.0.borrow_mut().trust(&fingerprint)))
    }

    /// Forgets a key; false when there is none.
    ///
    /// # Errors
    /// `argument` when it is no fingerprint.
    pub fn forget(&self, fingerprint: &JsValue) -> Thrown<bool> {
        let fingerprint = text("fingerprint", fingerprint).and_then(|text| keys::fingerprint(&text));
        thrown(fingerprint.map(|fingerprint| self.0.borrow_mut().forget(&fingerprint)))
    }

    /// All keys.
    ///
    /// # Errors
    /// `data`.
    pub fn entries(&self) -> Thrown<JsValue> {
        let entries = keys::keyring_entries(&self.0.borrow());
        thrown(to_js(&entries))
    }
}

impl Default for Keyring {
    fn default() -> Self {
        Self::new()
    }
}
