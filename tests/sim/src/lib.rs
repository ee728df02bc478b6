//! A simulated host for azall: machines whose disks forget, clocks that jump, relays and networks that fail, processes that
//! die, all from one number; and beside it a model that says what must be true in the end.
//!
//! | module | what it is |
//! |---|---|
//! | [`random`] | the seed's numbers |
//! | [`disk`] | a disk that keeps what was synced, and of the rest what chance leaves |
//! | [`host`] | file effects as the native host does them, step by step |
//! | [`relay`] | AgentTalk relays |
//! | [`plan`] | who does what, and what goes wrong |
//! | [`world`] | machines, agents and processes, one step at a time |
//! | [`choose`] | who goes on next |
//! | [`model`] | what must be true of trees of files |
//! | [`version2`] | what a relay of version 2 does |
//! | [`explore`] | many worlds; cutting down what fails |
//! | [`crash`] | a crash after every step of a command |
//! | [`interleave`] | two processes in every order |
//! | [`mutation`] | hosts that break a promise, to test the simulator itself |
#![allow(
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic,
    clippy::string_slice,
    reason = "a test tool that meets an impossible state must stop there, loudly"
)]

pub mod choose;
pub mod crash;
pub mod disk;
pub mod explore;
pub mod host;
pub mod interleave;
pub mod model;
pub mod mutation;
mod network;
pub mod plan;
mod process;
pub mod random;
pub mod relay;
pub mod tasks;
pub mod version2;
pub mod world;
