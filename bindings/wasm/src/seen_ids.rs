//! Which messages were received already.

use std::cell::RefCell;

use azall_bindings::Failure;
use azall_bindings::protocol::keys;
use azall_core::protocol::dedupe;
use wasm_bindgen::JsValue;
use wasm_bindgen::prelude::wasm_bindgen;

use crate::arguments::{bytes, count, optional_text, text};
use crate::failure::{Thrown, thrown};

/// The most ids that are remembered.
const MOST_IDS: u32 = 1 << 20;

/// Which messages were received already.
#[wasm_bindgen]
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
