//! The wire of the AgentTalk relay (PROTOCOL section 6) as values: complete requests out, answers in. Nothing is sent
//! here. A relay is a stranger: every answer may be hostile, half, or from something that is no relay at all.

mod account;
mod answer;
mod error;
mod messages;
mod payload;
mod request;
mod server;
#[cfg(test)]
mod testing;
pub mod version2;

pub use account::{AgentName, AgentNameError, Token};
pub use answer::{
    Health, Registered, Reply, parse_agents, parse_health, parse_messages, parse_registered, parse_sent, parse_status,
};
pub use error::{RelayError, SendOutcome};
pub use messages::{BadMessage, MessageList, RelayMessage};
pub use payload::{Attachment, Content, Payload, PayloadProblem, UNTITLED};
pub use request::{Call, Request, agents, health, messages, register, send, send_to_nobody, status};
pub use server::{ServerUrl, UrlError};

/// The most bytes of an answer to `GET /messages` that are worth accepting: the whole inbox of a generous relay. One
/// that sends more has still deleted it all, so this is far above any known limit.
pub const MESSAGES_LIMIT: u64 = 64 << 20;

/// The most bytes of any other answer.
pub const ANSWER_LIMIT: u64 = 4 << 20;
