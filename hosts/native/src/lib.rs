//! The native host of azall: handlers for the core's effects over this machine's files, network and processes, and the
//! loop that drives operations with them. It decides nothing; every decision is the core's. It runs on Unix.
#![forbid(unsafe_code)]

mod archive;
pub mod cli;
pub mod clock;
pub mod commit;
pub mod drive;
pub mod facts;
pub mod files;
mod folders;
pub mod host;
pub mod http;
pub mod interrupt;
pub mod roots;
pub mod script;
mod server;
mod system;
mod up;
