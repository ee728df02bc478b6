//! The vectors: inputs and the reference client's answers, one JSON file per area, in `tests/vectors` or the folder that
//! `AZALL_VECTORS` names (other cases of the same form must pass too). Every case of every file is checked.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing, missing_docs)]
#![allow(clippy::disallowed_methods, reason = "a test reads its vectors from disk")]

mod area {
    use std::path::PathBuf;

    /// The vectors of one area.
    pub fn load(name: &str) -> serde_json::Value {
        let folder = std::env::var_os("AZALL_VECTORS")
            .map_or_else(|| PathBuf::from(concat!(env!("CARGO_MANIFEST_DIR"), "/../tests/vectors")), PathBuf::from);
        let path = folder.join(format!("{name}.json"));
        let bytes = std::fs::read(&path).unwrap_or_else(|e| panic!("cannot read {}: {e}", path.display()));
        serde_json::from_slice(&bytes).unwrap_or_else(|e| panic!("{} is not JSON: {e}", path.display()))
    }

    /// The array under `key` of an area's vectors; an empty one would test nothing.
    pub fn cases(vectors: &serde_json::Value, key: &str) -> Vec<serde_json::Value> {
        let cases = vectors[key].as_array().unwrap_or_else(|| panic!("no array {key:?}")).clone();
        assert!(!cases.is_empty(), "no cases under {key:?}");
        cases
    }

    /// A string field of a case.
    pub fn text<'a>(case: &'a serde_json::Value, key: &str) -> &'a str {
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
