//! The sans-IO core of azall.
#![forbid(unsafe_code)]

pub mod engine;
pub mod protocol;
