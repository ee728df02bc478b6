//! Load on a relay. A generator that drives keep-alive connections in an open loop (at a rate, latency from the moment at
//! which a request was due) or a closed one (as much as goes), the servers it drives, and the mixes of requests.
//!
//! It shares the machine with the server that it measures, so it is cheap: one thread, no URL or header is built twice.

pub mod account;
pub mod bench;
pub mod connection;
pub mod drive;
pub mod error;
pub mod measured;
pub mod mix;
pub mod server;
