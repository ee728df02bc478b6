//! Envelopes of version 1 as the reference writes them.

use azall_core::protocol::envelope::{Kind, Opened, Proof, seal_version1};
use azall_core::protocol::identity::Identity;
use azall_core::protocol::message::Headers;
use azall_core::protocol::text::{strip_end, unhex};

use super::area::{cases, load, text};

/// The key pair of a case.
pub(crate) fn identity(case: &serde_json::Value) -> Identity {
    Identity::from_seed(unhex(text(case, "private_key_hex")).unwrap().try_into().unwrap())
}

#[test]
fn envelopes_of_the_reference_are_verified() {
    for case in cases(&load("signing"), "cases") {
        let headers = Headers::default();
        let opened = Opened::read(&headers, text(&case, "signed_body"));
        assert_eq!(opened.kind(), Kind::Version1, "{case}");
        assert_eq!(opened.fingerprint().unwrap().as_str(), text(&case, "fingerprint"));
        // Difference: the reference trims the body before it checks it and so rejects its own signatures of a body that
        // ends in white space. Every one of them is good.
        assert_eq!(opened.check(|_| None), Proof::BodyOnly, "{case}");
        assert_eq!(opened.text(), text(&case, "body"), "{case}");
        assert_eq!((opened.before(), opened.after()), ("", ""), "{case}");
    }
}

#[test]
fn envelopes_are_written_as_the_reference_writes_them() {
    for case in cases(&load("signing"), "cases") {
        let (identity, body) = (identity(&case), text(&case, "body"));
        let sealed = seal_version1(&identity, body);
        if body == strip_end(body) {
            assert_eq!(sealed, text(&case, "signed_body"), "{case}");
        } else {
            // Difference: white space at the end is not signed, since no old reader would verify it.
            assert_eq!(sealed, seal_version1(&identity, strip_end(body)), "{case}");
        }
        assert_eq!(Opened::read(&Headers::default(), &sealed).check(|_| None), Proof::BodyOnly, "{case}");
    }
}
