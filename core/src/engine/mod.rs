//! The engine: operations that ask for effects and are driven by hand.
//!
//! An [`Op`](op::Op) owns one running `async fn`. There is no executor, no channel and no thread: the host polls, starts the
//! effects it is handed, and resumes the operation with their answers, in any order. So an operation is a pure
//! function of its answers: it can be recorded, replayed, and run by any host with the same result.

pub mod cx;
pub mod effect;
pub mod error;
pub mod event;
pub mod lock;
pub mod op;
pub mod transcript;
