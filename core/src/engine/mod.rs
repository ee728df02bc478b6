//! The engine: operations that ask for effects and are driven by hand.

pub mod effect;
pub mod transcript;
