//! Public keys.

use azall_bindings::protocol::keys;
use wasm_bindgen::JsValue;
use wasm_bindgen::prelude::wasm_bindgen;

use crate::arguments::data;
use crate::failure::{Thrown, thrown};

/// The fingerprint of a public key.
///
/// # Errors
/// `argument` when it is no public key.
#[wasm_bindgen(js_name = fingerprintOf)]
pub fn fingerprint_of(public_key: &JsValue) -> Thrown<String> {
    thrown(data("publicKey", public_key).and_then(|key| keys::fingerprint_of(&key)))
}
