//! The AgentAZAll protocol as pure functions and values: nothing here asks for time, files or randomness.
//!
//! Every parser takes bytes or text from an enemy: bounded memory, linear time, no panic. Types that name
//! something ([`Address`](address::Address), [`MessageId`](id::MessageId), [`RelPath`](layout::RelPath)) can only
//! hold good values; whoever has one need not check again.

pub mod address;
pub mod archive;
pub mod config;
pub mod dedupe;
pub mod delivery;
pub mod envelope;
pub mod filter;
mod from_text;
pub mod id;
pub mod identity;
pub mod index;
pub mod keyring;
pub mod layout;
pub mod memory_index;
pub mod message;
pub mod name;
pub mod python_json;
pub mod relay;
pub mod relay_state;
pub mod spool;
pub mod text;
pub mod time;
pub mod trust;
pub mod verdict;
