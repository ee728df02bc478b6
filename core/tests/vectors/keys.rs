//! Key pairs and message ids.

use azall_core::protocol::id::{Fingerprint, MessageId};
use azall_core::protocol::identity::Identity;

use super::area::{cases, load, text};

#[test]
fn keys_are_made_from_their_seed() {
    for case in cases(&load("small"), "keys") {
        let identity = super::signing::identity(&case);
        assert_eq!(identity.public_key_b64(), text(&case, "public_key_b64"));
        assert_eq!(identity.fingerprint().as_str(), text(&case, "fingerprint"));
        assert_eq!(Fingerprint::of_key(&identity.public_key()), identity.fingerprint());
        // A file with exactly these fields, as the vector has them.
        assert_eq!(Identity::parse(case.to_string().as_bytes()).unwrap().public_key(), identity.public_key());
    }
}

#[test]
fn message_ids_are_the_references() {
    for case in cases(&load("small"), "message_ids") {
        let field = |name| text(&case, name);
        let id =
            MessageId::generate(field("from_"), field("to"), field("subject"), field("iso_now"), field("random_hex"));
        assert_eq!(id.as_str(), field("id"), "{case}");
    }
}
