//! What is thrown: an `Error` named `AzallError`, with `code` and `exitCode`.

use azall_bindings::Failure;
use js_sys::{Error, Reflect};
use wasm_bindgen::JsValue;

/// What an exported function gives, or throws.
pub type Thrown<T> = Result<T, JsValue>;

/// A failure as the error that JavaScript catches.
#[must_use]
pub fn error(failure: &Failure) -> JsValue {
    let error = Error::new(&failure.message);
    error.set_name("AzallError");
    // On an object that was just made, setting cannot fail.
    let _ = Reflect::set(&error, &"code".into(), &failure.code.into());
    let _ = Reflect::set(&error, &"exitCode".into(), &failure.exit_code.into());
    error.into()
}

/// A result as JavaScript has it.
///
/// # Errors
/// The failure, to be thrown.
pub fn thrown<T>(result: Result<T, Failure>) -> Thrown<T> {
    result.map_err(|failure| error(&failure))
}
