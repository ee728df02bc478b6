//! Identities, the keyring, and the ids of what was received.

use azall_bindings::protocol::keys;
use wasm_bindgen::JsValue;
use wasm_bindgen::prelude::wasm_bindgen;

use crate::arguments::data;
use crate::failure::{Thrown, thrown};

/// The fingerprint of a public key.
///
/// # Errors
/// `argument` when it is no public key.
#[wasm_bindgen(js_name = fingerprintOf, skip_typescript)]
pub fn fingerprint_of(public_key: &JsValue) -> Thrown<String> {
    thrown(data("publicKey", public_key).and_then(|key| keys::fingerprint_of(&key)))
}

#[cfg(feature = "whole")]
pub use kept::{Identity, Keyring, SeenIds};

#[cfg(feature = "whole")]
mod kept {
    use std::cell::RefCell;
    use std::rc::Rc;

    use azall_bindings::Failure;
    use azall_bindings::protocol::keys;
    use azall_core::protocol::{dedupe, identity, keyring};
    use wasm_bindgen::JsValue;
    use wasm_bindgen::prelude::wasm_bindgen;

    use crate::arguments::{bytes, count, data, flag, now, optional_text, text};
    use crate::data::to_js;
    use crate::failure::{Thrown, thrown};

    /// A key pair.
    #[wasm_bindgen(skip_typescript)]
    pub struct Identity(Rc<identity::Identity>);

    impl Identity {
        /// The key pair itself.
        #[must_use]
        pub fn key(&self) -> &identity::Identity {
            &self.0
        }
    }

    #[wasm_bindgen]
    impl Identity {
        /// From a private key: 32 bytes from the system's generator.
        ///
        /// # Errors
        /// `argument` when they are not 32.
        #[wasm_bindgen(js_name = fromSeed)]
        pub fn from_seed(seed: &JsValue) -> Thrown<Self> {
            let made = bytes("seed", seed).and_then(|seed| keys::identity_from_seed(&seed));
            thrown(made.map(|identity| Self(Rc::new(identity))))
        }

        /// From its file.
        ///
        /// # Errors
        /// `identity`, naming the field that is wrong.
        pub fn parse(file: &JsValue) -> Thrown<Self> {
            let read = bytes("file", file).and_then(|file| keys::identity_from_file(&file));
            thrown(read.map(|identity| Self(Rc::new(identity))))
        }

        /// Its file, with the private key in it.
        ///
        /// # Errors
        /// `argument` when the date is no text.
        #[wasm_bindgen(js_name = toJson)]
        pub fn to_json(&self, created: &JsValue) -> Thrown<String> {
            thrown(text("created", created).map(|created| self.0.to_json(&created).as_str().to_owned()))
        }

        /// The fingerprint of its public key.
        #[wasm_bindgen(getter)]
        #[must_use]
        pub fn fingerprint(&self) -> String {
            self.0.fingerprint().to_string()
        }

        /// Its public key, 32 bytes.
        #[wasm_bindgen(getter, js_name = publicKey)]
        #[must_use]
        pub fn public_key(&self) -> Vec<u8> {
            self.0.public_key().to_vec()
        }

        /// The signature of some bytes, 64 bytes.
        ///
        /// # Errors
        /// `argument` for what are no bytes.
        pub fn sign(&self, message: &JsValue) -> Thrown<Vec<u8>> {
            thrown(bytes("message", message).map(|message| self.0.sign(&message).to_vec()))
        }

        /// Another one of the same key pair.
        #[must_use]
        #[allow(clippy::should_implement_trait, reason = "it is JavaScript's")]
        pub fn clone(&self) -> Self {
            Self(Rc::clone(&self.0))
        }
    }

    /// The keys of peers. Arguments are read before it is borrowed: reading may run code of theirs.
    #[wasm_bindgen(skip_typescript)]
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

    /// The most ids that are remembered.
    const MOST_IDS: u32 = 1 << 20;

    /// Which messages were received already.
    #[wasm_bindgen(skip_typescript)]
    pub struct SeenIds(RefCell<dedupe::SeenIds>);

    /// How many ids to remember, where it is told.
    fn capacity(given: &JsValue) -> Result<usize, Failure> {
        if given.is_undefined() { Ok(dedupe::CAPACITY) } else { Ok(count("capacity", given, MOST_IDS)? as usize) }
    }

    fn key(kind: &JsValue, id: &JsValue, of: &JsValue) -> Result<dedupe::MessageKey, Failure> {
        let (kind, id, of) = (text("kind", kind)?, text("id", id)?, optional_text("of", of)?);
        keys::message_key(&kind, &id, &of.unwrap_or_default())
    }

    #[wasm_bindgen]
    impl SeenIds {
        /// Without an id.
        ///
        /// # Errors
        /// `argument` when the capacity is none.
        #[wasm_bindgen(constructor)]
        pub fn new(most: &JsValue) -> Thrown<Self> {
            thrown(capacity(most).map(|most| Self(RefCell::new(dedupe::SeenIds::new(most)))))
        }

        /// From its file.
        ///
        /// # Errors
        /// `argument` when the capacity is none.
        pub fn parse(file: &JsValue, most: &JsValue) -> Thrown<Self> {
            let read = || Ok(dedupe::SeenIds::parse(&bytes("file", file)?, capacity(most)?));
            thrown(read().map(|ids| Self(RefCell::new(ids))))
        }

        /// Whether a message was received.
        ///
        /// # Errors
        /// `argument` when the id or the fingerprint is none.
        pub fn has(&self, kind: &JsValue, id: &JsValue, of: &JsValue) -> Thrown<bool> {
            thrown(key(kind, id, of).map(|key| self.0.borrow().contains(&key)))
        }

        /// Remembers a message; false when it was remembered already.
        ///
        /// # Errors
        /// As [`Self::has`].
        pub fn add(&self, kind: &JsValue, id: &JsValue, of: &JsValue) -> Thrown<bool> {
            thrown(key(kind, id, of).map(|key| self.0.borrow_mut().insert(&key)))
        }

        /// How many are remembered.
        #[wasm_bindgen(getter)]
        #[must_use]
        pub fn size(&self) -> usize {
            self.0.borrow().len()
        }

        /// Its file.
        #[wasm_bindgen(js_name = toText)]
        #[must_use]
        pub fn to_text(&self) -> String {
            self.0.borrow().to_text()
        }
    }
}
