//! The pure functions of the protocol, over plain data. None of them asks for time, files or randomness: what they need of those is
//! an argument.

pub mod indexes;
pub mod keys;
pub mod messages;
pub mod rules;
pub mod signatures;
pub mod trust;
