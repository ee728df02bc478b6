//! The lock and the transcript, on a host in memory.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::string_slice,
    missing_docs
)]
#![allow(dead_code, reason = "the host in memory serves several test files")]

mod memory;

use azall_core::engine::cx::Cx;
use azall_core::engine::error::Error;
use azall_core::engine::lock;
use azall_core::engine::op::{Op, Output};
use azall_core::engine::transcript::{Compare, Recorder, Step, Transcript};
use azall_core::protocol::layout::{Place, RelPath, Root};
use memory::MemoryHost;

fn place(path: &str) -> Place {
    Place::new(Root::Mailboxes, RelPath::parse(path).unwrap())
}

async fn add_one(cx: Cx) -> Result<u32, Error> {
    let counter = place("a/counter");
    lock::locked(&cx.clone(), &place("a/.lock"), async move {
        let old: u32 = cx.read(&counter).await?.map_or(0, |bytes| String::from_utf8(bytes).unwrap().parse().unwrap());
        cx.write(&counter, (old + 1).to_string()).await?;
        Ok(old + 1)
    })
    .await
}

#[test]
fn the_lock_is_let_go() {
    let mut host = MemoryHost::new();
    assert_eq!(host.run(Op::start(add_one)), Ok(1));
    assert_eq!(host.file(Root::Mailboxes, "a/.lock"), None);
}

#[test]
fn the_lock_is_let_go_when_the_work_fails() {
    let mut host = MemoryHost::new();
    let op: Op<(), Error> =
        Op::start(|cx| async move { lock::locked(&cx, &place("a/.lock"), async { Err(Error::Cancelled) }).await });
    assert_eq!(host.run(op), Err(Error::Cancelled));
    assert_eq!(host.file(Root::Mailboxes, "a/.lock"), None);
}

#[test]
fn two_commands_at_once_lose_nothing() {
    // Every way of taking turns with up to three steps at a time.
    for turns in 0..4_u32.pow(6) {
        let mut host = MemoryHost::new();
        let mut ops: Vec<Option<Op<u32, Error>>> = vec![Some(Op::start(add_one)), Some(Op::start(add_one))];
        let mut pattern = turns;
        let mut who = 0;
        while ops.iter().any(Option::is_some) {
            let steps = pattern % 4;
            pattern = if pattern == 0 { 1 } else { pattern / 4 };
            who = 1 - who;
            for _ in 0..=steps {
                let Some(op) = ops[who].as_mut() else { break };
                match op.poll(host.now) {
                    Output::Effect(id, effect) => {
                        let answer = host.answer(&effect);
                        op.resume(id, answer).unwrap();
                    }
                    Output::Wait(Some(deadline)) => {
                        host.now.unix_ms = host.now.unix_ms.max(deadline.min(host.now.unix_ms + 5))
                    }
                    Output::Done(result) => {
                        result.unwrap();
                        ops[who] = None;
                    }
                    other => panic!("{other:?}"),
                }
            }
        }
        assert_eq!(host.file(Root::Mailboxes, "a/counter"), Some(&b"2"[..]), "turns {turns}");
    }
}

#[test]
fn a_crashed_owner_is_outlived() {
    let mut host = MemoryHost::new();
    let mut crashed: Op<u32, Error> = Op::start(add_one);
    while host.file(Root::Mailboxes, "a/.lock").is_none() {
        if let Output::Effect(id, effect) = crashed.poll(host.now) {
            let answer = host.answer(&effect);
            crashed.resume(id, answer).unwrap();
        }
    }
    drop(crashed);
    let before = host.now.unix_ms;
    assert_eq!(host.run(Op::start(add_one)), Ok(1));
    assert!(host.now.unix_ms - before >= lock::LEASE_MS - 1000);
    assert_eq!(host.file(Root::Mailboxes, "a/.lock"), None);
    assert_eq!(host.file(Root::Mailboxes, "a/.lock.takeover"), None);
}

#[test]
fn a_clock_that_was_set_back_does_not_lock_for_ever() {
    let mut host = MemoryHost::new();
    let claim = br#"{"owner":"x","expires_ms":9999999999999}"#;
    host.files.insert((Root::Mailboxes, "a/.lock".into()), claim.to_vec());
    assert_eq!(host.run(Op::start(add_one)), Ok(1));
}

#[test]
fn a_lock_that_is_held_names_itself() {
    let mut host = MemoryHost::new();
    let stubborn = |host: &mut MemoryHost| {
        let claim = format!(r#"{{"owner":"x","expires_ms":{}}}"#, host.now.unix_ms + lock::LEASE_MS);
        host.files.insert((Root::Mailboxes, "a/.lock".into()), claim.into_bytes());
    };
    let mut op: Op<u32, Error> = Op::start(add_one);
    let error = loop {
        stubborn(&mut host);
        match op.poll(host.now) {
            Output::Effect(id, effect) => {
                let answer = host.answer(&effect);
                op.resume(id, answer).unwrap();
            }
            Output::Wait(Some(deadline)) => host.now.unix_ms = deadline,
            Output::Done(result) => break result.unwrap_err(),
            other => panic!("{other:?}"),
        }
    };
    assert!(matches!(&error, Error::Locked { .. }), "{error}");
    assert!(error.to_string().contains("a/.lock"), "{error}");
}

fn record(host: &mut MemoryHost, op: Op<u32, Error>) -> Recorder<u32, Error> {
    let mut recorder = Recorder::new(op);
    loop {
        match recorder.poll(host.now) {
            Output::Effect(id, effect) => {
                let answer = host.answer(&effect);
                recorder.resume(id, answer).unwrap();
            }
            Output::Wait(Some(deadline)) => host.now.unix_ms = deadline,
            Output::Done(_) => return recorder,
            other => panic!("{other:?}"),
        }
    }
}

#[test]
fn a_recorded_run_replays() {
    let transcript = record(&mut MemoryHost::new(), Op::start(add_one)).into_unmasked();
    let read_back = Transcript::parse(&transcript.to_text()).unwrap();
    assert_eq!(read_back, transcript);
    read_back.replay(Op::<u32, Error>::start(add_one), Compare::Exact).unwrap();
    let other: Op<u32, Error> = Op::start(|cx| async move { add_one(cx.clone()).await.and(Err(Error::Cancelled)) });
    assert!(read_back.replay(other, Compare::Exact).is_err());
}

#[test]
fn a_transcript_holds_no_secret() {
    let mut host = MemoryHost::new();
    let seed = "a1b2c3d4".repeat(8);
    let file = format!(r#"{{"private_key_hex": "{seed}", "agenttalk": {{"token": "s3cr3t-token"}}}}"#);
    host.files.insert((Root::Mailboxes, "a/secrets".into()), file.into_bytes());
    let op: Op<u32, Error> = Op::start(|cx| async move {
        let bytes = cx.read(&place("a/secrets")).await?.unwrap_or_default();
        cx.write_private(&place("a/copy"), bytes).await?;
        cx.http(azall_core::engine::effect::Http {
            method: "GET".into(),
            url: "http://127.0.0.1/messages".into(),
            headers: vec![("Authorization".into(), "Bearer other-token".into())],
            body: Vec::new(),
            limit: 1,
            timeout_ms: 1,
        })
        .await
        .ok();
        Ok(0)
    });
    let transcript = record(&mut host, op).into_transcript();
    assert!(transcript.steps.iter().any(|step| matches!(step, Step::Answer(..))));
    let raw: Vec<String> = transcript.steps.iter().map(plain).collect();
    for secret in [seed.as_str(), "s3cr3t-token", "other-token"] {
        assert!(!raw.iter().any(|text| text.contains(secret)), "{secret} is in the transcript");
    }
}

/// A step with its contents as text, not base64.
fn plain(step: &Step) -> String {
    use azall_core::engine::effect::{Answer, Effect};
    match step {
        Step::Effect(_, Effect::WriteAtomic(write)) => String::from_utf8_lossy(&write.bytes).into_owned(),
        Step::Effect(_, Effect::Http(http)) => format!("{:?} {}", http.headers, String::from_utf8_lossy(&http.body)),
        Step::Answer(_, Answer::ReadFile(Ok(bytes))) => String::from_utf8_lossy(bytes).into_owned(),
        other => serde_json::to_string(other).unwrap(),
    }
}
