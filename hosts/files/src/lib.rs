//! What the hosts with a file system share: handlers for the effects on files, the running of scripts, and the `azall`
//! command around an operation. It decides nothing; every decision is the core's. It runs on Unix and under WASI preview 1.
#![forbid(unsafe_code)]

pub mod archive;
pub mod cli;
pub mod clock;
pub mod commit;
pub mod files;
mod folders;
pub mod host;
pub mod random;
pub mod roots;
#[cfg(unix)]
pub mod script;
pub mod system;
mod working_folder;
