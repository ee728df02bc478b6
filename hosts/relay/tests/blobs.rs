//! Blobs: whole and in parts, verified, bounded.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing, missing_docs)]

mod support;

use azall_relay::options::Options;
use sha2::{Digest, Sha256};
use support::{Answer, Live};

fn relay() -> Live {
    let mut options = Options::in_memory();
    options.limits.store.blob_bytes = 1 << 20;
    options.limits.store.blob_account_bytes = 3 << 19;
    Live::with(options)
}

fn name(bytes: &[u8]) -> String {
    Sha256::digest(bytes).iter().map(|byte| format!("{byte:02x}")).collect()
}

fn put(relay: &Live, token: &str, name: &str, bytes: &[u8]) -> Answer {
    relay.connect().call_with("PUT", &format!("/v2/blobs/{name}"), token, &[], bytes)
}

fn put_part(relay: &Live, token: &str, whole: &[u8], from: usize, to: usize) -> Answer {
    let range = format!("bytes {from}-{}/{}", to - 1, whole.len());
    let path = format!("/v2/blobs/{}", name(whole));
    relay.connect().call_with("PUT", &path, token, &[("Content-Range", &range)], &whole[from..to])
}

fn some_bytes(length: usize) -> Vec<u8> {
    (0..length).map(|at| (at * at % 251) as u8).collect()
}

#[test]
fn a_blob_comes_back_as_it_was() {
    let relay = relay();
    let (anna, bob) = (relay.register("anna"), relay.register("bob"));
    for bytes in [some_bytes(0), some_bytes(1), some_bytes(700_001)] {
        let name = name(&bytes);
        let made = put(&relay, &anna, &name, &bytes);
        assert_eq!(made.status, 201, "{made:?}");
        assert_eq!((made.field("sha256"), made.json()["size"].as_u64()), (name.clone(), Some(bytes.len() as u64)));
        assert_eq!(put(&relay, &anna, &name, &bytes).status, 200);
        let path = format!("/v2/blobs/{name}");
        let got = relay.call("GET", &path, &bob, "");
        assert_eq!((got.status, got.body == bytes), (200, true));
        assert_eq!(got.header("content-disposition"), Some("attachment"));
        let head = relay.call("HEAD", &path, &bob, "");
        assert_eq!((head.status, head.header("content-length")), (200, Some(bytes.len().to_string().as_str())));
        assert_eq!(relay.call("GET", &path, "", "").status, 401);
    }
    let path = format!("/v2/blobs/{}", name(b"not there"));
    assert_eq!(relay.call("GET", &path, &bob, "").code(), (404, "no_such_blob".to_owned()));
    assert_eq!(relay.call("HEAD", &path, &bob, "").status, 404);
}

#[test]
fn parts_of_a_blob_can_be_read() {
    let relay = relay();
    let anna = relay.register("anna");
    let bytes = some_bytes(300_000);
    let path = format!("/v2/blobs/{}", name(&bytes));
    assert_eq!(put(&relay, &anna, &name(&bytes), &bytes).status, 201);
    for (range, from, to) in [("bytes=0-9", 0, 10), ("bytes=150000-", 150_000, 300_000), ("bytes=-7", 299_993, 300_000)]
    {
        let got = relay.connect().call_with("GET", &path, &anna, &[("Range", range)], b"");
        assert_eq!((got.status, got.body == bytes[from..to]), (206, true), "{range}");
        assert_eq!(got.header("content-range"), Some(format!("bytes {from}-{}/300000", to - 1).as_str()));
    }
    let beyond = relay.connect().call_with("GET", &path, &anna, &[("Range", "bytes=300000-")], b"");
    assert_eq!((beyond.status, beyond.header("content-range")), (416, Some("bytes */300000")));
    let several = relay.connect().call_with("GET", &path, &anna, &[("Range", "bytes=0-1,5-6")], b"");
    assert_eq!((several.status, several.body.len()), (200, 300_000));
}

#[test]
fn an_upload_goes_on_where_it_has_got_to() {
    let relay = relay();
    let (anna, bob) = (relay.register("anna"), relay.register("bob"));
    let bytes = some_bytes(500_000);
    let path = format!("/v2/blobs/{}", name(&bytes));
    let first = put_part(&relay, &anna, &bytes, 0, 200_000);
    assert_eq!((first.status, first.header("upload-offset")), (202, Some("200000")));
    assert_eq!(relay.call("HEAD", &path, &anna, "").header("upload-offset"), Some("200000"));
    assert_eq!(relay.call("HEAD", &path, &bob, "").header("upload-offset"), None);
    for from in [0, 100_000, 300_000] {
        let wrong = put_part(&relay, &anna, &bytes, from, 400_000);
        assert_eq!(wrong.code(), (409, "wrong_offset".to_owned()));
        assert_eq!(wrong.header("upload-offset"), Some("200000"));
    }
    // A connection that breaks off in the middle of a part leaves what it brought.
    let mut broken = relay.connect();
    let head = format!(
        "PUT {path} HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer {anna}\r\n\
         Content-Range: bytes 200000-399999/500000\r\nContent-Length: 200000\r\n\r\n"
    );
    broken.send(&[head.as_bytes(), &bytes[200_000..300_000]].concat());
    broken.stream.get_ref().shutdown(std::net::Shutdown::Write).unwrap();
    assert!(broken.try_answer("PUT").is_none_or(|answer| answer.status == 400));
    let offset = loop {
        let offset = relay.call("HEAD", &path, &anna, "").header("upload-offset").unwrap().parse::<usize>().unwrap();
        let next = put_part(&relay, &anna, &bytes, offset, 400_000);
        match next.status {
            202 => break offset,
            // The relay may still be busy with what broke off.
            409 => {}
            _ => panic!("{next:?}"),
        }
    };
    assert!((200_000..=300_000).contains(&offset), "{offset}");
    assert_eq!(put_part(&relay, &anna, &bytes, 400_000, 500_000).status, 201);
    assert_eq!(relay.call("GET", &path, &bob, "").body, bytes);
}

#[test]
fn what_is_not_what_it_says_is_thrown_away() {
    let relay = relay();
    let anna = relay.register("anna");
    let (bytes, other) = (some_bytes(100_000), some_bytes(100_001));
    let wrong = put(&relay, &anna, &name(&other), &bytes);
    assert_eq!(wrong.code(), (422, "wrong_hash".to_owned()));
    let path = format!("/v2/blobs/{}", name(&other));
    let head = relay.call("HEAD", &path, &anna, "");
    assert_eq!((head.status, head.header("upload-offset")), (404, None));
    for bad in ["", "x", "..%2f..%2fetc%2fpasswd", &name(&bytes).to_uppercase(), &"a".repeat(65)] {
        let answer = put(&relay, &anna, bad, b"x");
        assert!(matches!(answer.status, 400 | 404), "{bad}: {answer:?}");
    }
    let path = format!("/v2/blobs/{}", name(&bytes));
    for range in ["bytes 0-9", "bytes 0-9/5", "bytes 5-3/10", "x", "bytes 0-99/100"] {
        let answer = relay.connect().call_with("PUT", &path, &anna, &[("Content-Range", range)], b"0123456789");
        assert_eq!(answer.code(), (400, "bad_range".to_owned()), "{range}");
    }
    let mut chunked = relay.connect();
    let head =
        format!("PUT {path} HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer {anna}\r\nTransfer-Encoding: chunked\r\n\r\n");
    chunked.send(format!("{head}1\r\nx\r\n0\r\n\r\n").as_bytes());
    assert_eq!(chunked.answer().code(), (411, "length_required".to_owned()));
}

#[test]
fn there_are_limits() {
    let relay = relay();
    let (anna, bob) = (relay.register("anna"), relay.register("bob"));
    let large = some_bytes((1 << 20) + 1);
    assert_eq!(put(&relay, &anna, &name(&large), &large).code(), (413, "too_large".to_owned()));
    let first = some_bytes(1 << 20);
    assert_eq!(put(&relay, &anna, &name(&first), &first).status, 201);
    let second = some_bytes((1 << 20) - 1);
    assert_eq!(put(&relay, &anna, &name(&second), &second).code(), (507, "quota".to_owned()));
    assert_eq!(put(&relay, &bob, &name(&second), &second).status, 201);
    assert_eq!(put(&relay, &"x".repeat(43), &name(&second), &second).status, 401);
}
