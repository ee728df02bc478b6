//! The AgentTalk relay: it takes messages over HTTP, answers when they are on disk, and hands them out. It never looks
//! into a payload.
//!
//! [`server`] listens and stops, `http` answers, [`store`] is what the relay keeps, [`engine`] the ordered key-value store
//! that it lies in.

pub mod control;
pub mod engine;
mod http;
pub mod info;
pub mod log;
pub mod options;
pub mod server;
pub mod store;

pub use http::tls;
