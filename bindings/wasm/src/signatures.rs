//! Signatures: verified, made.

use azall_bindings::Failure;
use azall_bindings::protocol::signatures;
use wasm_bindgen::JsValue;
use wasm_bindgen::prelude::wasm_bindgen;

use crate::arguments::{bytes, made, pairs, text};
#[cfg(feature = "whole")]
use crate::arguments::{data, instance};
use crate::data::to_js;
use crate::failure::{Thrown, thrown};
#[cfg(feature = "whole")]
use crate::identity::Identity;

fn keys(keys: &JsValue) -> Result<signatures::Keys, Failure> {
    made("knownKeys", keys, signatures::read_keys)
}

/// Verifies a message file, with keys that a signature may name without bringing them.
///
/// # Errors
/// `argument` for what is no file, and for a key that is none.
#[wasm_bindgen]
pub fn verify(file: &JsValue, known_keys: &JsValue) -> Thrown<JsValue> {
    let verdict = || to_js(&signatures::verify(&bytes("file", file)?, &keys(known_keys)?));
    thrown(verdict())
}

/// Verifies a body with the headers beside it, or any text with an envelope in it.
///
/// # Errors
/// `argument` for headers that are no list of pairs, and for a key that is none.
#[wasm_bindgen(js_name = verifyBody)]
pub fn verify_body(headers: &JsValue, body: &JsValue, known_keys: &JsValue) -> Thrown<JsValue> {
    let verdict = || {
        let headers = pairs("headers", headers)?;
        to_js(&signatures::verify_body(&headers, &text("body", body)?, &keys(known_keys)?))
    };
    thrown(verdict())
}

/// Signs a body alone (envelope 1).
///
/// # Errors
/// `argument` for what is no identity or no text.
#[cfg(feature = "whole")]
#[wasm_bindgen(js_name = signBody)]
pub fn sign_body(identity: &JsValue, body: &JsValue) -> Thrown<String> {
    let signed = || {
        let identity: Identity = instance("identity", identity)?;
        Ok(signatures::sign_body(identity.key(), &text("body", body)?))
    };
    thrown(signed())
}

/// Signs a body with its headers and attachments (envelope 2).
///
/// # Errors
/// `argument`, `message`.
#[cfg(feature = "whole")]
#[wasm_bindgen(js_name = signMessage)]
pub fn sign_message(identity: &JsValue, headers: &JsValue, body: &JsValue) -> Thrown<String> {
    let signed = || {
        let identity: Identity = instance("identity", identity)?;
        signatures::sign_message(identity.key(), &data("headers", headers)?, &text("body", body)?)
    };
    thrown(signed())
}

/// Signs a body with four headers in the documented form.
///
/// # Errors
/// `argument`, `message`.
#[cfg(feature = "whole")]
#[wasm_bindgen(js_name = signDocumented)]
pub fn sign_documented(identity: &JsValue, headers: &JsValue, body: &JsValue) -> Thrown<String> {
    let signed = || {
        let identity: Identity = instance("identity", identity)?;
        signatures::sign_documented(identity.key(), &data("headers", headers)?, &text("body", body)?)
    };
    thrown(signed())
}
