//! Whole envelopes: sealed, carried, changed, opened.

use proptest::prelude::*;

use super::*;
use crate::protocol::id::MessageId;
use crate::protocol::identity::Identity;
use crate::protocol::message::Message;

fn alice() -> Identity {
    Identity::from_seed([1; 32])
}

fn nobody(_: &Fingerprint) -> Option<[u8; 32]> {
    None
}

fn knows_alice(fingerprint: &Fingerprint) -> Option<[u8; 32]> {
    (*fingerprint == alice().fingerprint()).then(|| alice().public_key())
}

fn signed_headers() -> SignedHeaders {
    SignedHeaders {
        from: Address::parse("alice@x").unwrap(),
        to: Address::parse_list("bob@x, carol@x").unwrap(),
        cc: Vec::new(),
        subject: "Grüße".into(),
        date: "2026-03-11 14:23:55".into(),
        message_id: Some(MessageId::parse("abc123").unwrap()),
        in_reply_to: None,
        attachments: vec![SignedAttachment { sha256: [9; 32], size: 3, name: "a b.txt".into() }],
    }
}

fn documented_headers() -> DocumentedHeaders {
    let SignedHeaders { from, to, subject, .. } = signed_headers();
    DocumentedHeaders { from, to, date: "2026-03-11T14:30:00Z".into(), subject }
}

/// The body in each form that this crate writes, and what that proves.
fn sealed(body: &str) -> [(String, Proof); 3] {
    [
        (seal_version1(&alice(), body), Proof::BodyOnly),
        (seal_version2(&alice(), &signed_headers(), body).unwrap(), Proof::Valid),
        (seal_documented(&alice(), &documented_headers(), body).unwrap(), Proof::Valid),
    ]
}

fn check(body: &str) -> Proof {
    Opened::read(&Headers::default(), body).check(knows_alice)
}

/// Bodies made of what breaks envelopes.
fn bodies() -> impl Strategy<Value = String> {
    let part = prop::sample::select(vec![
        "\n",
        "\r\n",
        "\r",
        " ",
        "\t",
        "\\",
        "-",
        "---",
        marker::SHORT_BEGIN,
        marker::SHORT_END,
        marker::SHORT_SIGNATURE,
        marker::SHORT_SIGNATURE_END,
        marker::LONG_BEGIN,
        marker::LONG_SIGNATURE,
        marker::LONG_END,
        "---\\BEGIN AGENTAZALL",
        "Fingerprint: 0000000000000000",
        "Public-Key: AA==",
        "Envelope: 2",
        "From: x",
        "日本",
        "\u{2028}",
        "\u{a0}",
        "\u{0}",
        "x",
    ]);
    prop_oneof![prop::collection::vec(part, 0..12).prop_map(|parts| parts.concat()), any::<String>()]
}

/// A body as a reader of version 2 sees it.
fn signable_text(body: &str) -> String {
    text::strip_end(&text::normalize_newlines(body)).to_owned()
}

#[test]
fn version2_is_what_the_protocol_shows() {
    let envelope = seal_version2(&alice(), &signed_headers(), "---BEGIN AGENTAZALL x  \n").unwrap();
    let (head, rest) = envelope.split_once("\nHeader-Signature: ").unwrap();
    let expected = [
        "---BEGIN AGENTAZALL SIGNED MESSAGE---",
        &format!("Fingerprint: {}", alice().fingerprint()),
        &format!("Public-Key: {}", alice().public_key_b64()),
        "Envelope: 2",
        "From: alice@x",
        "To: bob@x, carol@x",
        "Subject: Grüße",
        "Date: 2026-03-11 14:23:55",
        "Message-ID: abc123",
        "Attachment: 0909090909090909090909090909090909090909090909090909090909090909 3 a b.txt",
    ];
    assert_eq!(head, expected.join("\n"));
    assert_eq!(rest.lines().nth(2), Some("---\\BEGIN AGENTAZALL x"));

    let lines = expected[1..].join("\n");
    let signed = [b"\xffagentazall envelope 2\n", lines.as_bytes(), b"\n\n---\\BEGIN AGENTAZALL x"].concat();
    let signature: [u8; 64] = STANDARD.decode(rest.lines().next().unwrap()).unwrap().try_into().unwrap();
    assert_eq!(alice().sign(&signed), signature);

    let headers = Headers::default();
    let opened = Opened::read(&headers, &envelope);
    assert_eq!((opened.kind(), opened.text()), (Kind::Version2, "---BEGIN AGENTAZALL x"));
    assert_eq!(opened.signed_headers(), Some(&signed_headers()));
    assert_eq!(opened.check(nobody), Proof::Valid);
}

#[test]
fn the_documented_key_comes_from_the_keyring() {
    let envelope = seal_documented(&alice(), &documented_headers(), "Hi").unwrap();
    let headers = Headers::default();
    let opened = Opened::read(&headers, &envelope);
    assert_eq!(opened.check(nobody), Proof::UnknownKey(alice().fingerprint()));
    assert_eq!(opened.check(knows_alice), Proof::Valid);
    let wrong = Identity::from_seed([2; 32]).public_key();
    let mismatch = InvalidReason::KeyMismatch { stated: alice().fingerprint() };
    assert_eq!(opened.check(|_| Some(wrong)), Proof::Invalid(mismatch));
}

#[test]
fn no_line_stands_where_the_signature_does_not_cover_it() {
    let envelope = seal_version2(&alice(), &signed_headers(), "body").unwrap();
    let added = |before: &str, line: &str| {
        let changed = envelope.replacen(before, &format!("{line}\n{before}"), 1);
        assert_ne!(changed, envelope);
        check(&changed)
    };
    for before in ["Public-Key:", "Envelope:", "From:", "Header-Signature:", "\nbody"] {
        for line in ["From: eve@x", "X: y", "Attachment: 00 1 x"] {
            assert!(matches!(added(before, line), Proof::Invalid(_)), "{line} before {before}");
        }
    }
    // Cutting the proof off does not keep the headers proven: the version 1 signature speaks for the body alone.
    let cut: String =
        envelope.lines().filter(|line| !line.starts_with("Envelope:")).map(|l| format!("{l}\n")).collect();
    assert_eq!(check(&cut), Proof::BodyOnly);
    // The block for old readers is not what is checked.
    let block = envelope.split_once(marker::SHORT_SIGNATURE).unwrap().0;
    assert_eq!(check(block), Proof::Valid);
}

#[test]
fn an_address_that_certifies_itself_takes_no_other_key() {
    let mine = Address::parse(&format!("alice.{}.agenttalk", alice().fingerprint())).unwrap();
    let other = Address::parse("alice.3430f3e127705937.agenttalk").unwrap();
    for (address, good) in [(mine, true), (other, false)] {
        let mut headers = Headers::default();
        headers.set("From", address.as_str());
        let signed = SignedHeaders { from: address.clone(), ..signed_headers() };
        let documented = DocumentedHeaders { from: address, ..documented_headers() };
        let plain = Headers::default();
        for (headers, body) in [
            (&headers, seal_version1(&alice(), "x")),
            (&plain, seal_version2(&alice(), &signed, "x").unwrap()),
            (&plain, seal_documented(&alice(), &documented, "x").unwrap()),
        ] {
            let proof = Opened::read(headers, &body).check(knows_alice);
            let foreign = matches!(proof, Proof::Invalid(InvalidReason::AddressOfAnotherKey { .. }));
            assert_eq!(foreign, !good, "{proof:?}");
        }
    }
}

#[test]
fn headers_of_a_file_at_rest_must_be_the_signed_ones() {
    let envelope = seal_version2(&alice(), &signed_headers(), "x").unwrap();
    let mut headers = Headers::default();
    signed_headers().apply(&mut headers);
    headers.set("Status", "read");
    headers.set("Via", "relay account eve");
    let opened = Opened::read(&headers, &envelope);
    assert_eq!(opened.at_rest(opened.check(nobody), &headers), Proof::Valid);
    let mut changed = headers.clone();
    changed.set("To", "eve@x");
    let Proof::Invalid(InvalidReason::HeadersDiffer(difference)) = opened.at_rest(Proof::Valid, &changed) else {
        panic!("not noticed");
    };
    assert_eq!(difference.to_string(), "To is \"eve@x\" in the file, but \"bob@x, carol@x\" was signed");
}

#[test]
fn a_reply_that_quotes_envelopes_is_read_as_one() {
    // The reference quotes the whole envelope and does not escape it.
    let quoted = sealed("original").map(|(envelope, _)| envelope);
    let body = format!("> thanks\n\n--- Original ---\n{}", quoted.join("\n"));
    let head = format!("Fingerprint: {}\nPublic-Key: {}\n", alice().fingerprint(), alice().public_key_b64());
    let reply = write_short(&alice(), &head, &body);
    let headers = Headers::default();
    let text = format!("note\n{reply}\nfooter");
    let opened = Opened::read(&headers, &text);
    assert_eq!((opened.before(), opened.text(), opened.after()), ("note\n", body.as_str(), "footer"));
    assert_eq!(opened.check(nobody), Proof::BodyOnly);
}

#[test]
fn a_legacy_message_stays_proven_when_it_is_read() {
    let mut headers = Headers::default();
    headers.set("From", "alice@x");
    headers.set("Status", "new");
    headers.set("Public-Key", &alice().public_key_b64());
    let signed = legacy::candidates(&headers, "text").remove(0);
    headers.set("Signature", &STANDARD.encode(alice().sign(&signed)));
    assert_eq!(Opened::read(&headers, "text").check(nobody), Proof::BodyOnly);
    headers.set("Status", "read");
    headers.set("Verdict", "body-only");
    assert_eq!(Opened::read(&headers, "text").check(nobody), Proof::BodyOnly);
    headers.set("Subject", "added");
    assert!(matches!(Opened::read(&headers, "text").check(nobody), Proof::Invalid(_)));
}

#[test]
fn batch_says_what_single_says() {
    let headers = Headers::default();
    let foreign = Identity::from_seed([2; 32]);
    let mut bodies: Vec<String> = (0..150)
        .map(|n| {
            let signed = SignedHeaders { subject: format!("{n}"), ..signed_headers() };
            let identity = if n % 3 == 0 { alice() } else { Identity::from_seed([n as u8; 32]) };
            seal_version2(&identity, &signed, &format!("body {n}")).unwrap()
        })
        .collect();
    bodies.extend(sealed("x").map(|(body, _)| body));
    bodies.push("plain".into());
    bodies.push(seal_documented(&foreign, &documented_headers(), "x").unwrap());
    bodies.push(bodies[3].replace('\n', "\r\n"));
    for changed in [None, Some(0), Some(70), Some(149)] {
        if let Some(at) = changed {
            bodies[at] = bodies[at].replacen("body", "bodY", 1);
        }
        let opened: Vec<Opened<'_>> = bodies.iter().map(|body| Opened::read(&headers, body)).collect();
        let batch = check_batch(&opened, knows_alice);
        let single: Vec<Proof> = opened.iter().map(|opened| opened.check(knows_alice)).collect();
        assert_eq!(batch, single);
        if let Some(at) = changed {
            assert_eq!(batch[at], Proof::Invalid(InvalidReason::BadSignature));
        }
    }
}

#[test]
fn batch_says_what_single_says_of_crafted_signatures() {
    let headers = Headers::default();
    let points = curve25519_dalek::constants::EIGHT_TORSION;
    let envelope = |key: [u8; 32], signature: [u8; 64]| {
        let (fingerprint, key) = (Fingerprint::of_key(&key), STANDARD.encode(key));
        format!(
            "{}\nFingerprint: {fingerprint}\nPublic-Key: {key}\n\ntext\n{}\n{}\n{}\n",
            marker::SHORT_BEGIN,
            marker::SHORT_END,
            marker::SHORT_SIGNATURE,
            STANDARD.encode(signature)
        )
    };
    let mut bodies: Vec<String> = (0..9).map(|n| seal_version1(&Identity::from_seed([n; 32]), "text")).collect();
    for (n, key_torsion) in (0..).zip(points) {
        for (m, r_torsion) in (0..).zip(points) {
            let (key, signature) = proof::tests::crafted(key_torsion, r_torsion, b"text", n * 8 + m);
            bodies.push(envelope(key, signature));
        }
        bodies.push(envelope(key_torsion.compress().0, alice().sign(b"text")));
    }
    let opened: Vec<Opened<'_>> = bodies.iter().map(|body| Opened::read(&headers, body)).collect();
    let single: Vec<Proof> = opened.iter().map(|opened| opened.check(nobody)).collect();
    let count = |proof: &Proof| single.iter().filter(|found| *found == proof).count();
    assert_eq!((count(&Proof::BodyOnly), count(&Proof::Invalid(InvalidReason::BadKey))), (73, 8));
    for size in 1..=opened.len() {
        let batches: Vec<Proof> = opened.chunks(size).flat_map(|chunk| check_batch(chunk, nobody)).collect();
        assert_eq!(batches, single, "in batches of {size}");
    }
}

/// No body makes the search for an envelope do more than one pass: what a pass keeps is bounded by the text.
#[test]
fn hostile_megabytes_are_read() {
    let opener = format!("{}\nFingerprint: x\n", marker::SHORT_BEGIN);
    let unsigned = format!("{opener}{}\n", marker::SHORT_END);
    let whole = seal_version1(&alice(), "x") + "\n";
    let long = format!("{}\nA: b\n{}\n{}\n", marker::LONG_BEGIN, marker::LONG_SIGNATURE, marker::LONG_END);
    for unit in [
        "\n",
        "\r\n",
        "-",
        "---",
        "---\\",
        "\\",
        "---BEGIN AGENTAZALL",
        "---END AGENTAZALL SIGNED MESSAGE---\n",
        "\u{a0}",
        ":",
        &opener,
        &unsigned,
        &whole,
        &long,
        &format!("{opener}\n\n\n\n\n\n"),
    ] {
        let text = format!("{opener}{}", unit.repeat((1 << 20) / unit.len()));
        let message = Message::from_text(&text);
        let headers = Headers::default();
        for body in [text.as_str(), message.body.as_str()] {
            let opened = Opened::read(&headers, body);
            assert!(opened.text().len() + opened.before().len() + opened.after().len() <= body.len());
            let _ = opened.check(nobody);
        }
        assert!(marker::escape(&text).len() <= text.len() * 2);
    }
}

proptest! {
    #[test]
    fn what_is_sealed_is_proven_and_read_back(body in bodies(), around in bodies()) {
        let around = marker::escape(&around).into_owned();
        let normalized = text::normalize_newlines(&body);
        let plain = text::strip_end(&normalized);
        for (envelope, proof) in sealed(&body) {
            let whole = format!("{around}\n{envelope}\n{around}");
            let headers = Headers::default();
            let opened = Opened::read(&headers, &whole);
            prop_assert_eq!(opened.check(knows_alice), proof, "{:?}", whole);
            prop_assert_eq!(opened.before().strip_suffix('\n'), Some(around.as_str()));
            prop_assert_eq!(opened.after(), around.as_str());
            if opened.kind() == Kind::Version1 {
                let body = text::strip_end(&body);
                prop_assert_eq!(opened.text(), marker::escape_for_version1(body));
            } else {
                prop_assert_eq!(opened.text(), plain);
            }
        }
    }

    #[test]
    fn what_is_sealed_is_proven_from_its_file(body in bodies(), subject in "\\PC{0,20}") {
        let signed = SignedHeaders { subject: text::strip(&subject).to_owned(), ..signed_headers() };
        prop_assume!(text::is_header_safe(&subject));
        let mut headers = Headers::default();
        signed.apply(&mut headers);
        headers.set("Status", "new");
        let body = text::normalize_newlines(&body).into_owned();
        for (sealed, proof) in [
            (seal_version1(&alice(), &body), Proof::BodyOnly),
            (seal_version2(&alice(), &signed, &body).unwrap(), Proof::Valid),
        ] {
            let file = Message { headers: headers.clone(), body: sealed }.to_text();
            let message = Message::parse(file.as_bytes());
            let opened = Opened::read(&message.headers, &message.body);
            prop_assert_eq!(&opened.at_rest(opened.check(nobody), &message.headers), &proof, "{}", file);
            if proof == Proof::Valid {
                prop_assert_eq!((opened.text(), opened.signed_headers()), (text::strip_end(&body), Some(&signed)));
            }
        }
    }

    /// To a reader of version 1, which looks for the first of each marker anywhere, the body of version 2 is signed too.
    #[test]
    fn an_old_reader_finds_the_body_and_its_signature(body in bodies()) {
        let sealed = seal_version2(&alice(), &signed_headers(), &body).unwrap();
        let (_, rest) = sealed.split_once(marker::SHORT_BEGIN).unwrap();
        let (signed, rest) = rest.split_once(marker::SHORT_END).unwrap();
        let (_, rest) = rest.split_once(marker::SHORT_SIGNATURE).unwrap();
        let (signature, _) = rest.split_once(marker::SHORT_SIGNATURE_END).unwrap();
        let (_, seen) = text::strip(signed).split_once("\n\n").unwrap_or_default();
        prop_assert_eq!(text::strip(signature), STANDARD.encode(alice().sign(seen.as_bytes())));
        prop_assert_eq!(marker::unescape(seen), signable_text(&body));
    }

    #[test]
    fn a_legacy_message_of_any_body_is_proven_and_a_changed_one_is_not(body in bodies(), change in "[a-z]{1,3}") {
        let body = text::normalize_newlines(&body).into_owned();
        let mut headers = Headers::default();
        headers.set("From", "alice@x");
        headers.set("Public-Key", &alice().public_key_b64());
        let signed = legacy::candidates(&headers, &body).remove(0);
        headers.set("Signature", &STANDARD.encode(alice().sign(&signed)));
        let message = Message::from_text(&Message { headers, body: body.clone() }.to_text());
        let opened = Opened::read(&message.headers, &message.body);
        prop_assert_eq!((opened.check(nobody), opened.text()), (Proof::BodyOnly, body.as_str()));
        let changed = format!("{body}{change}");
        let opened = Opened::read(&message.headers, &changed);
        prop_assert_eq!(opened.check(nobody), Proof::Invalid(InvalidReason::BadSignature));
    }

    #[test]
    fn line_ends_changed_in_transit_change_nothing(body in bodies()) {
        let body = text::normalize_newlines(&body);
        for (envelope, proof) in sealed(&body) {
            prop_assert_eq!(check(&envelope.replace('\n', "\r\n")), proof);
        }
    }

    /// Any change of one byte is noticed, or changes nothing that is proven: the block for old readers, the name of a line
    /// that old readers need, white space at the end of a line.
    #[test]
    fn a_changed_envelope_never_proves_another_text(
        body in "[ -~]{1,40}\n[!-~]{1,40}",
        at in any::<prop::sample::Index>(),
        to in 0x20_u8..0x7f,
    ) {
        for (envelope, _) in sealed(&body) {
            let mut bytes = envelope.clone().into_bytes();
            *at.get_mut(&mut bytes) = to;
            let Ok(changed) = String::from_utf8(bytes) else { continue };
            let headers = Headers::default();
            let (was, is) = (Opened::read(&headers, &envelope), Opened::read(&headers, &changed));
            let proof = is.check(knows_alice);
            if matches!(proof, Proof::Valid | Proof::BodyOnly) {
                prop_assert_eq!(is.text(), was.text(), "{}", changed);
                prop_assert_eq!(is.fingerprint(), was.fingerprint());
            }
            if proof == Proof::Valid {
                prop_assert_eq!(is.signed_headers(), was.signed_headers());
            }
        }
    }

    /// A changed byte of the body, or of the header signature, always makes version 2 and the documented form invalid.
    #[test]
    fn a_changed_body_is_invalid(body in "[a-z]{1,40}", at in any::<prop::sample::Index>(), to in "[A-Z]") {
        let at = at.index(body.len());
        let changed: String = body.char_indices().map(|(i, c)| if i == at { to.clone() } else { c.into() }).collect();
        for (envelope, _) in sealed(&format!("<{body}>")) {
            let envelope = envelope.replacen(&format!("<{body}>"), &format!("<{changed}>"), 1);
            prop_assert_eq!(check(&envelope), Proof::Invalid(InvalidReason::BadSignature));
        }
    }

    #[test]
    fn nothing_panics(body in bodies(), bytes in prop::collection::vec(any::<u8>(), 0..300)) {
        let message = Message::parse(&bytes);
        for body in [body.as_str(), &message.body, &String::from_utf8_lossy(&bytes)] {
            let opened = Opened::read(&message.headers, body);
            prop_assert!(!matches!(opened.check(knows_alice), Proof::Valid | Proof::BodyOnly));
        }
    }
}
