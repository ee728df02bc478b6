//! The text indexes: of a day, and of all memories.

use azall_bindings::protocol::indexes;
use wasm_bindgen::JsValue;
use wasm_bindgen::prelude::wasm_bindgen;

use crate::arguments::{bytes, made};
use crate::failure::{Thrown, thrown};

/// The index of a day.
///
/// # Errors
/// `argument` when a field is missing or of the wrong kind.
#[wasm_bindgen(js_name = dayIndex)]
pub fn day_index(day: &JsValue) -> Thrown<String> {
    thrown(made("day", day, indexes::day))
}

/// The index of all memories.
///
/// # Errors
/// As [`day_index`].
#[wasm_bindgen(js_name = memoryIndex)]
pub fn memory_index(memories: &JsValue) -> Thrown<String> {
    thrown(made("memories", memories, indexes::memories))
}

/// The description in a script's `.meta.json`; empty when there is none.
///
/// # Errors
/// `argument` for what is no file.
#[wasm_bindgen(js_name = scriptDescription)]
pub fn script_description(meta: &JsValue) -> Thrown<String> {
    thrown(bytes("meta", meta).map(|meta| indexes::description(&meta)))
}
