//! Prints how long signatures take through this layer, a name and microseconds a line: a message of 1 KB from its bytes to its verdict
//! as data, the same signed, and 1 KB signed. `tests/web/bench.mjs` measures the same through WebAssembly. Run by
//! `cargo xtask bench wasm`.
#![allow(
    clippy::unwrap_used,
    clippy::disallowed_methods,
    clippy::indexing_slicing,
    reason = "a measurement, not the layer"
)]

use std::hint::black_box;
use std::time::Instant;

use azall_bindings::Value;
use azall_bindings::protocol::{keys, messages, signatures};
use serde_json::json;

const ROUNDS: usize = 41;
const CALLS: u32 = 32;

fn data(json: &serde_json::Value) -> Value {
    Value::serialized(json).unwrap()
}

fn main() {
    let identity = keys::identity_from_seed(&[9; 32]).unwrap();
    let bytes = vec![b'x'; 1024];
    let text = "x".repeat(1024);
    let headers = json!({
        "from": "ada@localhost", "to": ["bob@localhost"], "subject": "Hi", "date": "2026-03-11 14:30:00", "message_id": "abcdef012345",
    });
    let headers = data(&headers);
    let body = signatures::sign_message(&identity, &headers, &text).unwrap();
    let file = messages::format(&data(&json!({
        "from": "ada@localhost", "to": "bob@localhost", "subject": "Hi", "date": "2026-03-11 14:30:00", "message_id": "abcdef012345",
        "body": body,
    })));
    let file = file.unwrap().into_bytes();
    let known = signatures::Keys::new();

    let (mut verify, mut seal, mut sign) = (Vec::new(), Vec::new(), Vec::new());
    for _ in 0..ROUNDS {
        verify.push(time(|| drop(black_box(signatures::verify(black_box(&file), &known)))));
        seal.push(time(|| drop(black_box(signatures::sign_message(&identity, &headers, black_box(&text)).unwrap()))));
        sign.push(time(|| drop(black_box(identity.sign(black_box(&bytes)).to_vec()))));
    }
    for (name, times) in [("verify", verify), ("seal", seal), ("sign", sign)] {
        println!("{name} {:.2}", median(times));
    }
}

/// Microseconds a call.
fn time(call: impl Fn()) -> f64 {
    let start = Instant::now();
    (0..CALLS).for_each(|_| call());
    start.elapsed().as_secs_f64() * 1e6 / f64::from(CALLS)
}

fn median(mut times: Vec<f64>) -> f64 {
    times.sort_by(f64::total_cmp);
    times[times.len() / 2]
}
