//! azall's core for JavaScript, compiled to WebAssembly: [`azall_bindings`] with JavaScript's own values. The types are told by
//! the declarations in `types/`, which the packages ship; this crate takes any value and refuses what is not of its type.
//!
//! | module | what it is |
//! |---|---|
//! | [`operation`] (feature `whole`) | a running command, and a config that was opened |
//! | [`command_line`] (feature `cli`) | arguments to a command, its outcome to text |
//! | [`messages`], [`signatures`], [`keys`], [`rules`], [`indexes`], [`trust`] | the protocol's functions |
//! | [`identity`], [`keyring`], [`seen_ids`] | the protocol's values that live on |
//! | [`data`], [`arguments`], [`failure`] | JavaScript's values to data and back; errors |
//!
//! The module imports nothing but its own glue: time, randomness, files and network are its host's.

pub mod arguments;
#[cfg(feature = "cli")]
pub mod command_line;
pub mod data;
pub mod failure;
#[cfg(feature = "whole")]
pub mod identity;
#[cfg(feature = "whole")]
pub mod indexes;
#[cfg(feature = "whole")]
pub mod keyring;
pub mod keys;
pub mod messages;
#[cfg(feature = "whole")]
pub mod operation;
#[cfg(feature = "whole")]
pub mod rules;
#[cfg(feature = "whole")]
pub mod seen_ids;
pub mod signatures;
#[cfg(feature = "whole")]
pub mod trust;

use wasm_bindgen::prelude::wasm_bindgen;

/// The version of azall.
#[wasm_bindgen]
#[must_use]
pub fn version() -> String {
    env!("CARGO_PKG_VERSION").to_owned()
}
