//! The AgentTalk relay: it takes messages over HTTP, answers when they are on disk, and hands them out. It never looks
//! into a payload.
//!
//! [`store`] is what the relay keeps, [`engine`] the ordered key-value store that it lies in.

pub mod engine;
pub mod options;
pub mod store;
