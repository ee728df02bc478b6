//! `protocol::envelope`: what an envelope proves, and what no text can make it prove.

use std::sync::LazyLock;

use azall_core::protocol::address::Address;
use azall_core::protocol::envelope::{
    DocumentedHeaders, Kind, Opened, Proof, SignedAttachment, SignedHeaders, check_batch, seal_documented,
    seal_version1, seal_version2,
};
use azall_core::protocol::id::{Fingerprint, MessageId};
use azall_core::protocol::identity::Identity;
use azall_core::protocol::message::{Headers, Message};
use azall_core::protocol::text::{is_header_safe, normalize_newlines, strip, strip_end};

use super::{choices, text, version1_reader};

/// The signer of everything here, and of the envelopes in the corpus.
static ALICE: LazyLock<Identity> = LazyLock::new(|| Identity::from_seed([1; 32]));

/// An envelope to stand beside others in a batch.
static GOOD: LazyLock<String> = LazyLock::new(|| seal_version1(&ALICE, "a good one beside it"));

fn knows_alice(fingerprint: &Fingerprint) -> Option<[u8; 32]> {
    (*fingerprint == ALICE.fingerprint()).then(|| ALICE.public_key())
}

/// The input as a message file, and as a body alone: parts never add up to more than the whole, batches say what single
/// checks say, and whatever is proven to be alice's, she did sign: Ed25519 is deterministic, so she can be asked again.
pub fn envelope(data: &[u8]) {
    let (message, body, none) = (Message::parse(data), text(data), Headers::default());
    let found = [Opened::read(&message.headers, &message.body), Opened::read(&none, &body)];
    let single: Vec<Proof> = found.iter().map(|opened| opened.check(knows_alice)).collect();
    let good = Opened::read(&none, &GOOD);
    let batch = check_batch(&[found[0].clone(), good, found[1].clone()], knows_alice);
    assert_eq!(batch, [single[0].clone(), Proof::BodyOnly, single[1].clone()]);

    for (opened, proof) in found.iter().zip(&single) {
        let parts = opened.before().len() + opened.text().len() + opened.after().len();
        assert!(parts <= data.len() * 3);
        if matches!(proof, Proof::Valid | Proof::BodyOnly) && opened.fingerprint() == Some(ALICE.fingerprint()) {
            alice_signed(opened, proof);
        }
    }
    // What is quoted in a reply is signed again.
    let quoted = found[1].text();
    if quoted.contains("---") {
        let resealed = seal_version1(&ALICE, quoted);
        assert_eq!(Opened::read(&none, &resealed).check(knows_alice), Proof::BodyOnly);
    }
}

/// That alice, asked to sign the same again, makes the same signature; and what was read can be sealed again.
fn alice_signed(opened: &Opened<'_>, proof: &Proof) {
    let claim = opened.claim(knows_alice).expect("a signature, since it was checked");
    assert!(claim.candidates().iter().any(|signed| ALICE.sign(signed) == claim.signature));
    assert_eq!(*proof == Proof::Valid, matches!(opened.kind(), Kind::Version2 | Kind::Documented));
    if let (Proof::Valid, Some(signed)) = (proof, opened.signed_headers()) {
        let text = normalize_newlines(opened.text());
        let none = Headers::default();
        let again = match opened.kind() {
            Kind::Version2 => seal_version2(&ALICE, signed, &text),
            _ => seal_documented(&ALICE, &documented(signed), &text),
        };
        let again = again.expect("headers that were signed can be signed");
        let reopened = Opened::read(&none, &again);
        assert_eq!((reopened.text(), reopened.signed_headers()), (strip_end(&text), Some(signed)));
        assert_eq!(reopened.check(knows_alice), Proof::Valid);
    }
}

fn documented(signed: &SignedHeaders) -> DocumentedHeaders {
    let SignedHeaders { from, to, subject, date, .. } = signed.clone();
    DocumentedHeaders { from, to, date, subject }
}

/// Any body, and any subject that may be a header, is signed in one of the forms, put into a message file, read back and
/// proven, also to a reader of version 1; and what is changed on the way never proves anything else. The first bytes
/// choose the form and the change.
pub fn envelope_sealed(data: &[u8]) {
    let (change, rest) = choices::<4>(data);
    let text = text(rest);
    let (subject, body) = text.split_once('\0').unwrap_or(("Grüße", &text));
    let mut signed = signed_headers(if is_header_safe(subject) { subject } else { "" });
    let lf = normalize_newlines(body);
    let (envelope, good) = match change[0] % 3 {
        0 => (seal_version2(&ALICE, &signed, body).expect("safe headers"), Proof::Valid),
        1 => (seal_version1(&ALICE, &lf), Proof::BodyOnly),
        _ => {
            // The documented form binds no attachment, so its file must not have one.
            signed.attachments.clear();
            (seal_documented(&ALICE, &documented(&signed), body).expect("safe headers"), Proof::Valid)
        }
    };
    assert!(envelope.len() <= rest.len() * 6 + 2000);

    let message = in_file(&envelope, &signed);
    let opened = Opened::read(&message.headers, &message.body);
    let proof = opened.check(knows_alice);
    assert_eq!(proof, good);
    assert_eq!(opened.at_rest(proof, &message.headers), good);
    let plain = strip_end(&lf);
    // Version 1 escapes what would break it, and nobody takes that away again.
    assert!(opened.text() == plain || opened.kind() == Kind::Version1 && opened.text().len() > plain.len());
    // Old readers look for markers in the head too, where nothing is escaped.
    if opened.kind() != Kind::Documented && !signed.subject.contains("---") {
        let seen = version1_reader::read(&message.body).expect("an old reader takes it too");
        assert!(seen == opened.text() || seen.contains("---\\"), "{seen:?}");
    }
    let crlf = envelope.replace('\n', "\r\n");
    assert_eq!(Opened::read(&Headers::default(), &crlf).check(knows_alice), good);
    changed_proves_nothing_else(&message.to_text(), &opened, &good, change);
}

/// The envelope in a message file, written and read.
fn in_file(envelope: &str, signed: &SignedHeaders) -> Message {
    let mut headers = Headers::default();
    signed.apply(&mut headers);
    headers.set("Status", "new");
    let message = Message { headers, body: envelope.to_owned() };
    let read = Message::parse(message.to_text().as_bytes());
    assert_eq!(read, message);
    read
}

fn changed_proves_nothing_else(file: &str, was: &Opened<'_>, good: &Proof, [kind, low, high, byte]: [u8; 4]) {
    let mut bytes = file.as_bytes().to_vec();
    let at = (usize::from(high) << 8 | usize::from(low)) % bytes.len();
    match kind / 3 % 5 {
        0 => bytes[at] = byte,
        1 => drop(bytes.remove(at)),
        2 => bytes.insert(at, byte),
        3 => bytes.truncate(at),
        // A line written twice.
        _ => {
            let line: Vec<u8> = bytes[at..].iter().copied().take_while(|byte| *byte != b'\n').chain([b'\n']).collect();
            bytes.splice(at..at, line);
        }
    }
    let message = Message::parse(&bytes);
    let is = Opened::read(&message.headers, &message.body);
    let single = is.check(knows_alice);
    assert_eq!(check_batch(&[is.clone(), was.clone()], knows_alice), [single.clone(), good.clone()]);
    let proof = is.at_rest(single, &message.headers);
    if proof == Proof::Valid {
        assert_eq!((is.text(), is.signed_headers()), (was.text(), was.signed_headers()));
    }
    if matches!(proof, Proof::Valid | Proof::BodyOnly) {
        assert_eq!(is.fingerprint(), was.fingerprint());
        // With its head spoilt, version 2 is version 1, whose readers take no escape away.
        assert_eq!(is.text().replace('\\', ""), was.text().replace('\\', ""));
    }
}

fn signed_headers(subject: &str) -> SignedHeaders {
    SignedHeaders {
        from: Address::parse("alice@x").expect("an address"),
        to: Address::parse_list("bob@x, carol@x").expect("addresses"),
        cc: Vec::new(),
        subject: strip(subject).to_owned(),
        date: "2026-03-11 14:23:55".to_owned(),
        message_id: Some(MessageId::parse("abc123").expect("an id")),
        in_reply_to: None,
        attachments: vec![SignedAttachment { sha256: [9; 32], size: 3, name: "a b.txt".to_owned() }],
    }
}
