//! What the bindings of azall's core to other languages have in common. A binding converts [`Value`]s to and from its language's own
//! and wraps the types here; it decides nothing.
//!
//! | module | what it is |
//! |---|---|
//! | [`operation`] | a running command: polled, resumed, its effects and its outcome as data |
//! | [`config`] | a config that was opened, for the commands that run over it |
//! | [`command_line`] (feature `cli`) | arguments to a command, its outcome to text |
//! | [`protocol`] | the pure functions: messages, signatures, filter, trust tokens, indexes |
//! | [`failure`] | what every one of them fails with: a code and a message |
//!
//! Data is what the formats have it: maps with the names of the command line's `--json`, lists, text, numbers, bytes.
#![forbid(unsafe_code)]

#[cfg(feature = "cli")]
pub mod command_line;
pub mod config;
pub mod data;
pub mod failure;
pub mod operation;
pub mod protocol;

pub use ciborium::Value;
#[cfg(feature = "cli")]
pub use command_line::{CommandLine, Ending};
pub use config::Config;
pub use failure::Failure;
pub use operation::{Operation, Step};
