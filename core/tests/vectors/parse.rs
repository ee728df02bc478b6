//! Reading message files, whatever is in them.

use azall_core::protocol::message::{Head, Message};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;

use super::area::{cases, load, text};

#[test]
fn files_are_read_as_the_reference_reads_them() {
    for case in cases(&load("parse"), "cases") {
        let raw = STANDARD.decode(text(&case, "raw_b64")).unwrap();
        let message = Message::parse(&raw);
        assert_eq!(message.body, text(&case, "body"), "{case}");
        let names: Vec<&str> = message.headers.iter().map(|(name, _)| name).collect();
        let expected: Vec<&str> =
            case["header_order"].as_array().unwrap().iter().map(|n| n.as_str().unwrap()).collect();
        assert_eq!(names, expected, "{case}");
        for name in names {
            assert_eq!(message.headers.value(name), case["headers"][name].as_str(), "{case}");
        }
        // Written and read again it is the same message.
        assert_eq!(Message::parse(message.to_text().as_bytes()), message, "{case}");
    }
}

#[test]
fn a_listing_sees_what_reading_sees() {
    for case in cases(&load("parse"), "cases") {
        let raw = STANDARD.decode(text(&case, "raw_b64")).unwrap();
        let head = Head::parse(&raw);
        for (name, value) in [
            ("From", &head.from),
            ("To", &head.to),
            ("Subject", &head.subject),
            ("Date", &head.date),
            ("Message-ID", &head.message_id),
            ("Status", &head.status),
            ("Attachments", &head.attachments),
        ] {
            assert_eq!(value.as_deref(), case["headers"][name].as_str(), "{name} of {case}");
        }
        assert_eq!(head.has_body(), !text(&case, "body").is_empty(), "{case}");
    }
}
