//! What an attacker would send by the megabyte: each pattern is there because some parser could be slow on it.

use std::fmt::Write as _;
use std::io::Write as _;

use flate2::write::DeflateEncoder;
use flate2::{Compression, Crc};

/// Short units, repeated over and over.
const UNITS: &[&[u8]] = &[
    b"\0",
    b"\xff",
    b"\n",
    b"\r\n",
    b" ",
    b"\xc2\xa0",
    b"a",
    b"-",
    b"---\n",
    b"---\\",
    b"\\",
    b": ",
    b":\n",
    b"a: b\n",
    b"Status: new\n",
    b"a,",
    b"a@x, ",
    b"*[",
    b"*a",
    b"[",
    b"[]",
    b"{",
    b"{\"",
    b"{\"a\":",
    b"\"",
    b"\\u",
    b"\"\\",
    b"\"a\":1,",
    b"PK\x05\x06",
    b"PK\x01\x02",
    b"=\r",
    b"../",
    b"- [2026-03-11] a: b  | 2026-03-11/remember/a.txt\n",
    b"---BEGIN ",
    b"---BEGIN AGENTAZALL SIGNED MESSAGE---\nFingerprint: 0\n",
    b"---BEGIN AGENTAZALL SIGNED MESSAGE---\nFingerprint: 0\n---END AGENTAZALL SIGNED MESSAGE---\n",
    b"---END AGENTAZALL SIGNED MESSAGE---\n",
    b"---BEGIN AGENTAZALL SIGNATURE---\n",
    b"-----BEGIN AGENTAZALL SIGNED MESSAGE-----\nA: b\n",
    b"-----BEGIN AGENTAZALL SIGNED MESSAGE-----\nA: b\n-----BEGIN SIGNATURE-----\nSig:\n",
    b"-----BEGIN SIGNATURE-----\n",
];

/// A start, units in the middle, and an end.
const FRAMED: &[(&str, &str, &str)] = &[
    // Relay answers: many entries, few bytes each; nesting; one long string.
    ("{\"messages\":[", "1,", "1]}"),
    ("{\"messages\":[", "{},", "{}]}"),
    ("{\"messages\":[", "{\"from\":\"a\",\"payload\":\"\"},", "{}]}"),
    ("{\"messages\":[", "{\"from\":\"a\",\"payload\":\"\\ud800\"},", "{}]}"),
    ("{\"messages\":[", "[", ""),
    ("{\"messages\":[{\"from\":\"a\",\"payload\":\"", "\\ud800", "\"}]}"),
    ("{\"messages\":[{\"from\":\"a\",\"payload\":{\"attachments\":[", "0,", "0]}}]}"),
    ("{\"messages\":[{\"from\":\"a\",\"payload\":{\"attachments\":[", "{\"data\":\"\"},", "0]}}]}"),
    ("{\"messages\":[{\"from\":\"a\",\"payload\":{\"attachments\":[{\"data\":\"", "=", "\"}]}}]}"),
    ("{\"attachments\":[", "{\"name\":\"a\",\"data\":\"aGk=\"},", "0]}"),
    ("{\"agents\":[", "\"a.agenttalk\",", "0]}"),
    ("  {\"error\":\"", "\u{1b}[2J", "\"}"),
    // Objects with one key over and over, and lists deep inside.
    ("{", "\"a\":0,", "\"a\":0}"),
    ("{\"a\":[", "0,", "0]}"),
    ("{\"recipients\":{},\"version\":1,\"queued_ms\":0,\"a\":[", "0,", "0]}"),
    ("{\"address_filter\":{\"blacklist\":[", "\"*a*a*a*b\",", "\"\"]}}"),
    ("{\"relays\":[", "{},", "{}]}"),
    ("{\"email\":{\"password\":\"", "x", "\"}}"),
    // Files of headers.
    ("From: a\n", "X", "\n\n---\n"),
    ("From: a\nSubject: ", "---", "\n\n---\n"),
    ("From: a\nTo: ", "b@x, ", "\n\n---\n"),
    ("From: a\n\n---\n", "\u{a0}", "x"),
    ("From: a\nPublic-Key: AA==\nSignature: AA==\n", "a: b\n", "\n---\n"),
    // Envelopes: nested ends, blank lines between the parts, a head that never ends.
    ("---BEGIN AGENTAZALL SIGNED MESSAGE---\nFingerprint: 0\n", "\n\n---END AGENTAZALL SIGNED MESSAGE---\n", ""),
    ("---BEGIN AGENTAZALL SIGNED MESSAGE---\nFingerprint: 0\n", "Envelope: 3\n", "\n"),
    ("---BEGIN AGENTAZALL SIGNED MESSAGE---\nFingerprint: 0\n---END AGENTAZALL SIGNED MESSAGE---\n", "\n", "x"),
];

/// Every pattern, of about this size in bytes, with a name for it.
#[must_use]
pub fn patterns(size: usize) -> Vec<(String, Vec<u8>)> {
    let mut all: Vec<(String, Vec<u8>)> = Vec::new();
    for unit in UNITS {
        all.push((format!("{:?}", String::from_utf8_lossy(unit)), unit.repeat(size / unit.len())));
    }
    for (start, unit, end) in FRAMED {
        let middle = unit.repeat((size - start.len() - end.len()) / unit.len());
        all.push((format!("{start:?} {unit:?} {end:?}"), format!("{start}{middle}{end}").into_bytes()));
    }
    all.extend(different_names(size));
    let zeros = vec![0; 1 << 20];
    all.push(("zip of empty files".to_owned(), zip(b"", size / 90)));
    all.push(("zip of a megabyte of zeros, many times".to_owned(), zip(&zeros, size / 1150)));
    all
}

/// A ZIP file that holds the same content under many names.
fn zip(content: &[u8], count: usize) -> Vec<u8> {
    let mut packer = DeflateEncoder::new(Vec::new(), Compression::default());
    packer.write_all(content).expect("a vector takes everything");
    let packed = packer.finish().expect("a vector takes everything");
    let mut crc = Crc::new();
    crc.update(content);
    let u32_of = |number: usize| u32::try_from(number).expect("a small file").to_le_bytes();
    let (mut file, mut directory) = (Vec::new(), Vec::new());
    for number in 0..count {
        let name = format!("{number:05}");
        // Version, flags, method, time, date; then what both headers tell alike.
        let common = [
            &[20, 0, 0, 0, 8, 0, 0, 0, 0x21, 0][..],
            &crc.sum().to_le_bytes(),
            &u32_of(packed.len()),
            &u32_of(content.len()),
            &[5, 0, 0, 0],
        ]
        .concat();
        let entry: [&[u8]; 5] = [b"PK\x01\x02\x14\0", &common, &[0; 10], &u32_of(file.len()), name.as_bytes()];
        directory.extend(entry.concat());
        file.extend([b"PK\x03\x04", &common[..], name.as_bytes(), &packed].concat());
    }
    let at = u32_of(file.len());
    let count = u16::try_from(count).expect("few enough").to_le_bytes();
    let end: [&[u8]; 7] = [b"PK\x05\x06", &[0; 4], &count, &count, &u32_of(directory.len()), &at, &[0; 2]];
    [file, directory, end.concat()].concat()
}

/// What is never the same twice: nothing can be merged, and names that begin alike take long to tell apart.
fn different_names(size: usize) -> Vec<(String, Vec<u8>)> {
    let numbered = |start: &str, item: &dyn Fn(usize) -> String, end: &str| {
        let mut text = start.to_owned();
        for number in 0.. {
            if text.len() >= size {
                break;
            }
            text.push_str(&item(number));
        }
        text.push_str(end);
        text.into_bytes()
    };
    let key = "x".repeat(900);
    let keys = |count: usize| {
        (0..count).fold(String::new(), |mut keys, number| {
            let _ = write!(keys, "\"srver{number}\":0,");
            keys
        })
    };
    let near_misses = keys(70);
    vec![
        ("many headers".to_owned(), numbered("", &|n| format!("{n}:\n"), "")),
        ("many headers that begin alike".to_owned(), numbered("", &|n| format!("LongHeader{n}:\n"), "\n---\n")),
        ("many addresses".to_owned(), numbered("", &|n| format!("{n},"), "")),
        ("many addresses in a signed head".to_owned(), {
            let start = "---BEGIN AGENTAZALL SIGNED MESSAGE---\nFingerprint: 0123456789abcdef\n\
                         Public-Key: AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA=\nEnvelope: 2\nTo: ";
            let end = format!("\nHeader-Signature: {}==\n\nx\n---END AGENTAZALL SIGNED MESSAGE---\n", "A".repeat(86));
            numbered(start, &|n| format!("{n},"), &end)
        }),
        ("many seen ids".to_owned(), numbered("", &|n| format!("{n}\n"), "")),
        ("many keys".to_owned(), numbered("{", &|n| format!("\"{n}\":0,"), "\"\":0}")),
        ("many damaged keyring entries".to_owned(), numbered("{", &|n| format!("\"{n:016x}\":0,"), "\"\":0}")),
        ("many recipients".to_owned(), {
            let start = "{\"version\":1,\"queued_ms\":0,\"recipients\":{";
            numbered(
                start,
                &|n| format!("\"{n}\":{{\"address\":\"a\",\"state\":\"waiting\"}},"),
                "\"a\":{\"address\":\"a\",\"state\":\"waiting\"}}}",
            )
        }),
        ("many nonces".to_owned(), numbered("{", &|n| format!("\"{n:064x}\":1,"), "\"a\":1}")),
        ("many relays of one server".to_owned(), {
            let relay = |n| format!("{{\"server\":\"https://r\",\"token\":\"{key}{n:04}\"}},");
            numbered("{\"relays\":[", &relay, "{}]}")
        }),
        ("many misspelt keys in many relays".to_owned(), {
            numbered("{\"relays\":[", &|_| format!("{{{near_misses}\"a\":0}},"), "{}]}")
        }),
        ("many misspelt keys in many accounts".to_owned(), {
            numbered(
                "{\"email_accounts\":[",
                &|_| format!("{{{}\"a\":0}},", near_misses.replace("srver", "smtp_prt_")),
                "{}]}",
            )
        }),
        ("many facts".to_owned(), numbered("{", &|n| format!("\"{n}\":true,"), "\"a\":0}")),
        ("many memories".to_owned(), {
            let row =
                |n| format!("\n- [2026-03-11] {:06}: b  | 2026-03-11/remember/{:06}.txt", 999_999 - n, 999_999 - n);
            let count = size / 59;
            let mut index = format!("# Agent Memory Index: me@x\n# Updated: x\n# Total memories: {count}\n");
            index.extend((0..count).map(row));
            index.into_bytes()
        }),
    ]
}
