//! Names of notes and memories as file names: `sanitize` in `small.json`.

use azall_core::protocol::name::sanitize;

use super::area::{cases, load, text};

#[test]
fn names_become_the_references_file_names() {
    for case in cases(&load("small"), "sanitize") {
        assert_eq!(sanitize(text(&case, "name")), text(&case, "out"), "{case}");
    }
}
