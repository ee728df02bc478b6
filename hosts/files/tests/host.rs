//! Several effects at once, and which effects there are.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing, missing_docs)]

mod support;

use std::sync::Arc;

use azall_core::engine::effect::{
    Answer, Append, Effect, EffectKind, HostFacts, Http, IoError, IoErrorKind, List, Random, ReadFile, ReadMany,
    Remove, Rename, RunScript,
};
use azall_files::host::{self, KINDS};
use support::{World, exclusive, place, write};

fn read(below: &str) -> Effect {
    ReadFile { place: place(below), limit: 100 }.into()
}

/// An answer in short: the bytes of a file, or what went wrong.
fn told(answer: Answer) -> Result<Vec<u8>, IoErrorKind> {
    match answer {
        Answer::ReadFile(read) => read.map_err(|error| error.kind),
        Answer::WriteAtomic(written) => written.map(|()| Vec::new()).map_err(|error| error.kind),
        other => panic!("{other:?}"),
    }
}

#[test]
fn answers_are_in_the_order_of_their_effects() {
    let world = World::new();
    world.put("there", b"before");
    let effects: Vec<Arc<Effect>> = [
        read("there"),
        write("a/1", *b"one").into(),
        read("missing"),
        exclusive("there", *b"x").into(),
        write("there/below", *b"x").into(),
        write("b/2", *b"two").into(),
        read("there"),
    ]
    .into_iter()
    .map(Arc::new)
    .collect();
    let answers: Vec<_> = host::answer_all(&world.roots, &effects).into_iter().map(told).collect();
    let expected = [
        Ok(b"before".to_vec()),
        Ok(Vec::new()),
        Err(IoErrorKind::NotFound),
        Err(IoErrorKind::AlreadyExists),
        Err(IoErrorKind::Other),
        Ok(Vec::new()),
        Ok(b"before".to_vec()),
    ];
    assert_eq!(answers, expected);
    assert_eq!((world.names("a"), world.names("b")), (vec!["1".to_owned()], vec!["2".to_owned()]));
    assert!(host::answer_all(&world.roots, &[] as &[Effect]).is_empty());
    assert_eq!(host::answer_all(&world.roots, &[read("a/1")]).into_iter().map(told).next(), Some(Ok(b"one".to_vec())));
}

#[test]
fn the_kinds_that_are_said_to_be_known_are_those_that_are() {
    let world = World::new();
    let (script, folder) = (place("a.py"), place("a"));
    let effects: [Effect; 11] = [
        read("a"),
        ReadMany { folder: place("a"), names: Vec::new(), limit: 1 }.into(),
        List { folder: place("a"), with_meta: false }.into(),
        write("a/b", Vec::new()).into(),
        Append { place: place("a/c"), bytes: Vec::new(), private: true }.into(),
        Rename { from: place("a/b"), to: place("a/d"), exclusive: true }.into(),
        Remove { place: place("a/d") }.into(),
        Random { count: 1 }.into(),
        HostFacts.into(),
        Http {
            method: "GET".to_owned(),
            url: "http://x".to_owned(),
            headers: Vec::new(),
            body: Vec::new(),
            limit: 1,
            timeout_ms: 1,
        }
        .into(),
        RunScript { script, folder, args: Vec::new(), timeout_ms: 1, output_limit: 1 }.into(),
    ];
    assert!(EffectKind::ALL.iter().all(|kind| effects.iter().any(|effect| effect.kind() == *kind)));
    for effect in effects {
        let is_known = host::answer(&world.roots, &effect) != effect.failed(unknown());
        assert_eq!(is_known, KINDS.contains(&effect.kind()), "{}", effect.name());
    }
}

fn unknown() -> IoError {
    IoError::new(IoErrorKind::Unsupported, "this host does not know the effect")
}
