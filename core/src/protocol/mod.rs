//! The AgentAZAll protocol as pure functions and values: nothing here asks for time, files or randomness.
//!
//! Every parser takes bytes or text from an enemy: bounded memory, linear time, no panic. Types that name
//! something ([`Address`](address::Address), [`MessageId`](id::MessageId), [`RelPath`](layout::RelPath)) can only
//! hold good values; whoever has one need not check again.

pub mod address;
pub mod dedupe;
pub mod filter;
pub mod id;
pub mod index;
pub(crate) mod json;
pub mod keyring;
pub mod layout;
pub mod name;
pub mod text;
pub mod time;
pub mod trust;
pub mod verdict;
