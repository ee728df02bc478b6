//! The sans-IO core of azall, the mailbox for AI agents.
//!
//! Everything that is *decided* (parsing, signing, verifying, deduping, filtering, trust, every mailbox command, every step of a
//! sync) is decided here; everything that *touches the world* is a host. An arrow only ever points down:
//!
//! | module | what it is | knows |
//! |---|---|---|
//! | [`cli`] (feature `cli`) | arguments to a command, an outcome to text or JSON, without I/O | `command` |
//! | [`command`] | one `async fn` per mailbox command | `sync`, `engine`, `protocol` |
//! | [`sync`] | one delivery cycle over any number of transports | `engine`, `protocol` |
//! | [`engine`] | operations, effects, the lock, transcripts | `protocol` (paths, time) |
//! | [`protocol`] | pure functions and values | nobody |
//!
//! # The drive loop
//!
//! A host drives an operation by hand. This is all of it; a real host starts effects side by side and reads a clock:
//!
//! ```
//! use azall_core::engine::effect::{Answer, Effect, IoError, IoErrorKind, Random};
//! use azall_core::engine::error::Error;
//! use azall_core::engine::op::{Op, Output};
//! use azall_core::protocol::time::Now;
//!
//! // An operation is an async fn that asks its `Cx` for effects.
//! let mut op: Op<usize, Error> = Op::start(|cx| async move { Ok(cx.random::<4>().await?.len()) });
//!
//! let result = loop {
//!     match op.poll(Now::utc(1_773_239_400_000)) {
//!         // Start it. When it is done, resume the operation; several may be in flight, answers come in any order.
//!         Output::Effect(id, effect) => {
//!             let answer = match &effect {
//!                 Effect::Random(Random { count }) => Answer::Random(Ok(vec![7; *count])),
//!                 other => other.failed(IoError::new(IoErrorKind::Unsupported, "not on this host")),
//!             };
//!             op.resume(id, answer)?;
//!         }
//!         // Show it or drop it.
//!         Output::Event(event) => eprintln!("{}", event.text),
//!         // Nothing to do until an answer, or until the deadline.
//!         Output::Wait(_deadline) => {}
//!         Output::Done(result) => break result,
//!     }
//! };
//! assert_eq!(result, Ok(4));
//! # Ok::<(), azall_core::engine::error::ResumeError>(())
//! ```
#![forbid(unsafe_code)]

// #[cfg(feature = "cli")]
// pub mod cli;
// pub mod command;
pub mod engine;
pub mod protocol;
// pub mod sync;
