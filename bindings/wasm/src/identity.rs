//! A key pair.

use std::rc::Rc;

use azall_bindings::protocol::keys;
use azall_core::protocol::identity;
use wasm_bindgen::JsValue;
use wasm_bindgen::prelude::wasm_bindgen;

use crate::arguments::{bytes, text};
use crate::failure::{Thrown, thrown};

/// A key pair.
#[wasm_bindgen]
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
