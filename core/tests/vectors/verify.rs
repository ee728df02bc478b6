//! Verdicts of the reference, and where azall knows better.

use azall_core::protocol::envelope::{InvalidReason, Opened, Proof};
use azall_core::protocol::id::Fingerprint;
use azall_core::protocol::message::Headers;

use super::area::{cases, load, text};

#[test]
fn verdicts_are_the_references_but_where_it_is_wrong() {
    for case in cases(&load("verify"), "cases") {
        let mut headers = Headers::default();
        for (name, value) in case["headers"].as_object().unwrap() {
            headers.set(name, value.as_str().unwrap());
        }
        let opened = Opened::read(&headers, text(&case, "body"));
        let proof = opened.check(|_| None);
        assert_eq!(opened.text(), text(&case, "reference_unwrapped"), "{case}");

        // Difference: the reference does not hold the key against the fingerprint beside it.
        let key = opened.public_key().map(|key| Fingerprint::of_key(&key));
        if let (Some(stated), true) = (opened.fingerprint(), key != opened.fingerprint() && key.is_some()) {
            assert_eq!(proof, Proof::Invalid(InvalidReason::KeyMismatch { stated }), "{case}");
            continue;
        }
        match case["reference_verdict"].as_bool() {
            Some(true) => assert_eq!(proof, Proof::BodyOnly, "{case}"),
            Some(false) => assert!(matches!(proof, Proof::Invalid(_)), "{proof:?}: {case}"),
            None => assert_eq!(proof, Proof::Unsigned, "{case}"),
        }
    }
}

#[test]
fn every_wrong_answer_of_the_reference_is_named() {
    let wrong =
        cases(&load("verify"), "cases").into_iter().filter(|case| text(case, "why").contains("must be rejected"));
    let mut count = 0;
    for case in wrong {
        let headers = Headers::default();
        let proof = Opened::read(&headers, text(&case, "body")).check(|_| None);
        assert!(matches!(proof, Proof::Invalid(_)), "{case}");
        count += 1;
    }
    assert!(count > 0);
}
