//! Writing message files.

use azall_core::protocol::message::{Draft, Message, MessageError};
use azall_core::protocol::text::is_header_safe;

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
        // A composed message says the same, but for white space that no reader keeps. What could break out of a header is
        // refused.
        match Message::compose(&draft) {
            Ok(message) => assert_eq!(message, Message::from_text(text(&case, "text")), "{case}"),
            Err(MessageError::Unsafe { character, .. }) => {
                assert!(!is_header_safe(&character.to_string()) && text(&case, "text").contains(character), "{case}");
            }
            Err(error @ MessageError::Empty { .. }) => panic!("{error}: {case}"),
        }
    }
}
