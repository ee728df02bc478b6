//! Message files: taken apart, written, named.

use azall_bindings::protocol::messages;
use wasm_bindgen::JsValue;
use wasm_bindgen::prelude::wasm_bindgen;

use crate::arguments::bytes;
#[cfg(feature = "whole")]
use crate::arguments::{made, text};
use crate::data::to_js;
use crate::failure::{Thrown, thrown};

/// Takes a message file apart.
///
/// # Errors
/// `argument` for what is no file.
#[wasm_bindgen(js_name = parseMessage)]
pub fn parse_message(file: &JsValue) -> Thrown<JsValue> {
    thrown(bytes("file", file).and_then(|file| to_js(&messages::parse(&file))))
}

/// Writes a message file.
///
/// # Errors
/// `argument`, `message`.
#[cfg(feature = "whole")]
#[wasm_bindgen(js_name = formatMessage)]
pub fn format_message(message: &JsValue) -> Thrown<String> {
    thrown(made("message", message, messages::format))
}

/// The id of a message that is new.
///
/// # Errors
/// `argument` for what is no text.
#[cfg(feature = "whole")]
#[wasm_bindgen(js_name = newMessageId)]
pub fn new_message_id(
    from: &JsValue,
    to: &JsValue,
    subject: &JsValue,
    iso_now: &JsValue,
    random_hex: &JsValue,
) -> Thrown<String> {
    let id = || {
        let (from, to, subject) = (text("from", from)?, text("to", to)?, text("subject", subject)?);
        let (iso_now, random_hex) = (text("isoNow", iso_now)?, text("randomHex", random_hex)?);
        Ok(messages::new_id(&from, &to, &subject, &iso_now, &random_hex))
    };
    thrown(id())
}

/// A name as a file name.
///
/// # Errors
/// `argument` for what is no text.
#[cfg(feature = "whole")]
#[wasm_bindgen(js_name = sanitizeName)]
pub fn sanitize_name(name: &JsValue) -> Thrown<String> {
    thrown(text("name", name).map(|name| messages::sanitize(&name)))
}
