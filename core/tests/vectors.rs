//! The vectors: inputs and the reference client's answers, one JSON file per area, in `tests/vectors` or the folder that
//! `AZALL_VECTORS` names (other cases of the same form must pass too). Every case of every file is checked.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing, missing_docs)]
#![allow(clippy::disallowed_methods, reason = "a test reads its vectors from disk")]

mod area {
    use std::path::PathBuf;

    /// The folder of the vectors. Tests run in their package's folder; a path fixed at build time would be another clone's where
    /// two share a target folder.
    pub(crate) fn folder() -> PathBuf {
        std::env::var_os("AZALL_VECTORS").map_or_else(|| PathBuf::from("../tests/vectors"), PathBuf::from)
    }

    /// The vectors of one area.
    pub(crate) fn load(name: &str) -> serde_json::Value {
        let path = folder().join(format!("{name}.json"));
        let bytes = std::fs::read(&path).unwrap_or_else(|e| panic!("cannot read {}: {e}", path.display()));
        serde_json::from_slice(&bytes).unwrap_or_else(|e| panic!("{} is not JSON: {e}", path.display()))
    }

    /// The array under `key` of an area's vectors; an empty one would test nothing.
    pub(crate) fn cases(vectors: &serde_json::Value, key: &str) -> Vec<serde_json::Value> {
        let cases = vectors[key].as_array().unwrap_or_else(|| panic!("no array {key:?}")).clone();
        assert!(!cases.is_empty(), "no cases under {key:?}");
        cases
    }

    /// A string field of a case.
    pub(crate) fn text<'a>(case: &'a serde_json::Value, key: &str) -> &'a str {
        case[key].as_str().unwrap_or_else(|| panic!("no text {key:?} in {case}"))
    }
}

#[path = "vectors/trust.rs"]
mod trust;

#[path = "vectors/filter.rs"]
mod filter;
#[path = "vectors/index.rs"]
mod index;
#[path = "vectors/sanitize.rs"]
mod sanitize;

#[path = "vectors/format.rs"]
mod format;
#[path = "vectors/keys.rs"]
mod keys;
#[path = "vectors/parse.rs"]
mod parse;
#[path = "vectors/signing.rs"]
mod signing;
#[path = "vectors/verify.rs"]
mod verify;

/// The lists of each area; the tests beside this one read every case of each.
const LISTS: [(&str, &[&str]); 8] = [
    ("filter", &["cases"]),
    ("format", &["cases"]),
    ("index", &["cases"]),
    ("parse", &["cases"]),
    ("signing", &["cases"]),
    ("small", &["sanitize", "message_ids", "keys"]),
    ("trust", &["cases", "owner_messages"]),
    ("verify", &["cases"]),
];

#[test]
fn no_file_and_no_list_is_left_out() {
    for entry in std::fs::read_dir(area::folder()).unwrap() {
        let path = entry.unwrap().path();
        let Some(name) = path.file_name().unwrap().to_str().unwrap().strip_suffix(".json") else { continue };
        let known = LISTS.iter().find(|(area, _)| *area == name).unwrap_or_else(|| panic!("nobody reads {name}.json"));
        let vectors = area::load(name);
        let lists: Vec<&String> = vectors.as_object().unwrap().keys().filter(|key| vectors[*key].is_array()).collect();
        assert_eq!(lists, known.1, "{name}.json");
    }
}
