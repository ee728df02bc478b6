//! Message files: taken apart, written, named.

use azall_core::protocol::id::MessageId;
use azall_core::protocol::message::{Draft, Message};
use azall_core::protocol::name;
use ciborium::Value;
use serde::Deserialize;

use crate::data::{from_data, map};
use crate::failure::Failure;

/// Takes a message file apart: `{headers: [[name, value], ...], body}`.
#[must_use]
pub fn parse(file: &[u8]) -> Value {
    let message = Message::parse(file);
    let header = |(name, value): (&str, &str)| Value::Array(vec![name.into(), value.into()]);
    let headers = message.headers.iter().map(header).collect();
    map([("headers", Value::Array(headers)), ("body", message.body.into())])
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct NewMessage {
    from: String,
    to: String,
    #[serde(default)]
    cc: Option<String>,
    #[serde(default)]
    subject: String,
    date: String,
    message_id: String,
    #[serde(default)]
    in_reply_to: Option<String>,
    #[serde(default)]
    attachments: Vec<String>,
    #[serde(default)]
    body: String,
}

/// Writes a message file: `from`, `to`, `cc`, `subject`, `date`, `message_id`, `in_reply_to`, `attachments` (names), `body`.
///
/// # Errors
/// `argument` when a field is missing or of the wrong kind; `message` when a value would break out of its header.
pub fn format(message: &Value) -> Result<String, Failure> {
    let new: NewMessage = from_data(message)?;
    let draft = Draft {
        from: &new.from,
        to: &new.to,
        cc: new.cc.as_deref(),
        subject: &new.subject,
        date: &new.date,
        message_id: &new.message_id,
        in_reply_to: new.in_reply_to.as_deref(),
        attachments: new.attachments.iter().map(String::as_str).collect(),
        body: &new.body,
    };
    Message::compose(&draft).map_err(|error| Failure::new("message", error))?;
    Ok(draft.to_text())
}

/// The id of a message that is new: of its headers, the moment and 16 random hex digits.
#[must_use]
pub fn new_id(from: &str, to: &str, subject: &str, iso_now: &str, random_hex: &str) -> String {
    MessageId::generate(from, to, subject, iso_now, random_hex).to_string()
}

/// A name as a file name.
#[must_use]
pub fn sanitize(name: &str) -> String {
    name::sanitize(name)
}
