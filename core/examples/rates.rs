//! Prints how long signature checks take, a name and microseconds a line: a bare strict check, a whole message from text to
//! verdict, and the same in batches of 64, by as many senders and by one. Run by `cargo xtask bench`.
#![allow(
    clippy::unwrap_used,
    clippy::disallowed_methods,
    clippy::indexing_slicing,
    reason = "a measurement, not the core"
)]

use std::hint::black_box;
use std::time::Instant;

use azall_core::protocol::address::Address;
use azall_core::protocol::envelope::{Opened, Proof, SignedHeaders, check_batch, headers_agree, seal_version2};
use azall_core::protocol::id::MessageId;
use azall_core::protocol::identity::Identity;
use azall_core::protocol::message::{Headers, Message};
use ed25519_dalek::{Signature, VerifyingKey};

const ROUNDS: usize = 41;
const MESSAGES: usize = 64;

fn main() {
    let messages: Vec<String> = (0..MESSAGES).map(|number| message(number, number)).collect();
    let of_one_sender: Vec<String> = (0..MESSAGES).map(|number| message(number, 0)).collect();
    let identity = Identity::from_seed([9; 32]);
    let bytes = vec![b'x'; 1024];
    let signature = Signature::from_bytes(&identity.sign(&bytes));
    let key = VerifyingKey::from_bytes(&identity.public_key()).unwrap();

    let (mut bare, mut whole, mut batch, mut one_sender) = (Vec::new(), Vec::new(), Vec::new(), Vec::new());
    for _ in 0..ROUNDS {
        bare.push(time(|| {
            for _ in 0..MESSAGES {
                black_box(&key).verify_strict(black_box(&bytes), &signature).unwrap();
            }
        }));
        whole.push(time(|| messages.iter().for_each(|text| verdict(black_box(text)))));
        batch.push(time(|| verdicts(black_box(&messages))));
        one_sender.push(time(|| verdicts(black_box(&of_one_sender))));
    }
    for (name, times) in [("bare", bare), ("message", whole), ("batch", batch), ("one_sender", one_sender)] {
        println!("{name} {:.2}", median(times));
    }
}

/// A message file with a body of 1 KB.
fn message(number: usize, sender: usize) -> String {
    let identity = Identity::from_seed([u8::try_from(sender).unwrap(); 32]);
    let signed = SignedHeaders {
        from: Address::parse("alice.agenttalk").unwrap(),
        to: vec![Address::parse("bob.agenttalk").unwrap()],
        cc: Vec::new(),
        subject: format!("Message {number}"),
        date: "2026-03-11 14:30:00".to_owned(),
        message_id: Some(MessageId::parse(&format!("id{number}")).unwrap()),
        in_reply_to: None,
        attachments: Vec::new(),
    };
    let mut headers = Headers::default();
    signed.apply(&mut headers);
    let body = seal_version2(&identity, &signed, &"x".repeat(1024)).unwrap();
    Message { headers, body }.to_text()
}

fn verdict(text: &str) {
    let message = Message::from_text(text);
    let opened = Opened::read(&message.headers, &message.body);
    assert_eq!(opened.check(|_| None), Proof::Valid);
    headers_agree(&message.headers, opened.signed_headers().unwrap()).unwrap();
}

fn verdicts(texts: &[String]) {
    let messages: Vec<Message> = texts.iter().map(|text| Message::from_text(text)).collect();
    let opened: Vec<Opened<'_>> = messages.iter().map(|m| Opened::read(&m.headers, &m.body)).collect();
    for ((message, opened), proof) in messages.iter().zip(&opened).zip(check_batch(&opened, |_| None)) {
        assert_eq!(proof, Proof::Valid);
        headers_agree(&message.headers, opened.signed_headers().unwrap()).unwrap();
    }
}

/// Microseconds for each of the messages.
fn time(work: impl FnOnce()) -> f64 {
    let start = Instant::now();
    work();
    start.elapsed().as_secs_f64() * 1e6 / MESSAGES as f64
}

fn median(mut times: Vec<f64>) -> f64 {
    times.sort_by(f64::total_cmp);
    times[times.len() / 2]
}
