//! azall's core as a Node addon: values converted, nothing decided. What each function does is told where it is done, in
//! `azall-bindings`; the package in `hosts/node` is what people use.
//!
//! | module | what it is |
//! |---|---|
//! | [`convert`] | JavaScript values to data and back |
//! | [`failure`] | what is thrown |
//! | [`operation`] | running commands, and configs |
//! | [`command_line`] | arguments to a command, its outcome to text |
//! | [`protocol`] | the pure functions |
//! | [`keys`] | identities, keyrings, ids that were seen |
//!
//! A panic does not cross: every function catches it, and Node sees an error.

pub mod command_line;
pub mod convert;
pub mod failure;
pub mod keys;
pub mod operation;
pub mod protocol;
