//! The native host of azall: handlers for the core's effects over this machine's network and processes, besides the shared
//! ones for files, and the loop that drives operations with them. It decides nothing; every decision is the core's. It runs on Unix.
#![forbid(unsafe_code)]

pub mod cli;
pub mod drive;
pub mod facts;
pub mod host;
pub mod http;
pub mod interrupt;
mod sandbox;
mod server;
mod up;
