//! `protocol::message`: the message file.

use azall_core::protocol::envelope::Opened;
use azall_core::protocol::message::{Draft, Head, Headers, Message, MessageError, set_status_in_place};
use azall_core::protocol::text::{decode, is_header_safe, normalize_newlines};

use super::text;

/// What is read is written and read the same; a listing sees what reading sees; a status changes alone; no value makes a
/// header of its own.
pub fn message(data: &[u8]) {
    let message = Message::parse(data);
    let written = message.to_text();
    assert_eq!(Message::parse(written.as_bytes()), message);
    assert_eq!(Message::from_text(&written), message);
    // Three bytes for each that was no UTF-8; a colon, a space and a separator for what had none.
    assert!(written.len() <= data.len() * 4 + 8, "{} of {}", written.len(), data.len());
    let _ = Opened::read(&message.headers, &message.body);

    listing_agrees(data, &message);
    status_changes_alone(data, &message);
    values_stay_values(&text(data));
}

fn listing_agrees(data: &[u8], message: &Message) {
    let head = Head::parse(data);
    for (name, value) in [
        ("From", &head.from),
        ("To", &head.to),
        ("Cc", &head.cc),
        ("Subject", &head.subject),
        ("Date", &head.date),
        ("Message-ID", &head.message_id),
        ("In-Reply-To", &head.in_reply_to),
        ("Status", &head.status),
        ("Attachments", &head.attachments),
        ("Via", &head.via),
        ("Verdict", &head.verdict),
    ] {
        assert_eq!(value.as_deref(), message.headers.value(name), "{name}");
    }
    assert_eq!(decode(head.body()), message.body);
    assert_eq!(head.has_body(), !message.body.is_empty());
    for truncated in [false, true] {
        let _ = head.damage(truncated);
    }
}

fn status_changes_alone(data: &[u8], before: &Message) {
    let file = set_status_in_place(data, "read");
    assert_eq!(set_status_in_place(&file, "read"), file);
    let mut after = Message::parse(&file);
    assert_eq!(after.headers.value("Status"), Some("read"));
    assert_eq!(after.body, before.body);
    match before.headers.value("Status") {
        Some(status) => after.headers.set("Status", status),
        None => drop(after.headers.remove("Status")),
    }
    assert_eq!(&after, before);
}

fn values_stay_values(text: &str) {
    let mut headers = Headers::default();
    headers.set("Subject", text);
    headers.set(text, "x");
    let message = Message { headers, body: normalize_newlines(text).into_owned() };
    assert_eq!(Message::from_text(&message.to_text()), message);
    let draft = Draft { from: "a@x", to: "b@x", message_id: "1", subject: text, body: text, ..Draft::default() };
    match Message::compose(&draft) {
        Ok(composed) => assert_eq!(Message::from_text(&composed.to_text()), composed),
        Err(error) => assert!(!is_header_safe(text) && matches!(error, MessageError::Unsafe { .. })),
    }
}
