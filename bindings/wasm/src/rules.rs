//! The address filter.

use azall_bindings::protocol::rules;
use wasm_bindgen::JsValue;
use wasm_bindgen::prelude::wasm_bindgen;

use crate::arguments::{made, text};
use crate::failure::{Thrown, thrown};

/// Whether a filter lets a sender through.
///
/// # Errors
/// `argument`, `filter`.
#[wasm_bindgen(js_name = filterAccepts)]
pub fn filter_accepts(filter: &JsValue, sender: &JsValue) -> Thrown<bool> {
    let accepts = || Ok(made("filter", filter, rules::filter)?.accepts(&text("sender", sender)?));
    thrown(accepts())
}
