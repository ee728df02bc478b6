//! Writing message files.

use azall_core::protocol::message::{Draft, Message};

use super::area::{cases, load, text};

#[test]
fn files_are_written_as_the_reference_writes_them() {
    for case in cases(&load("format"), "cases") {
        let attachments = case["attachments"]
            .as_array()
            .map_or(Vec::new(), |paths| paths.iter().map(|path| path.as_str().unwrap()).collect());
        let draft = Draft {
            from: text(&case, "from_"),
            to: text(&case, "to"),
            subject: text(&case, "subject"),
            date: text(&case, "date"),
            message_id: text(&case, "message_id"),
            attachments,
            body: text(&case, "body"),
            ..Draft::default()
        };
        assert_eq!(draft.to_text(), text(&case, "text"), "{case}");
        // A composed message says the same, but for white space that no reader keeps. A line separator is refused.
        match Message::compose(&draft) {
            Ok(message) => assert_eq!(message, Message::from_text(text(&case, "text")), "{case}"),
            Err(error) => assert!(text(&case, "subject").contains('\u{2028}'), "{error}: {case}"),
        }
    }
}
