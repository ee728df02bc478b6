//! What is thrown.

use azall_bindings::Failure;
use napi::bindgen_prelude::{JsValue, Object};
use napi::{Env, Error, Status};

/// An `Error` of the name `AzallError`, with the failure's `code` and `exitCode`.
pub(crate) fn thrown(env: &Env, failure: Failure) -> Error {
    error_object(env, &failure).map_or_else(|error| error, |object| Error::from(object.to_unknown()))
}

fn error_object<'env>(env: &'env Env, failure: &Failure) -> napi::Result<Object<'env>> {
    let mut object = env.create_error(Error::new(Status::GenericFailure, failure.message.clone()))?;
    object.set("name", "AzallError")?;
    object.set("code", failure.code)?;
    object.set("exitCode", u32::from(failure.exit_code))?;
    Ok(object)
}
