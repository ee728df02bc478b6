//! The address filter: `filter.json`.

use azall_core::protocol::filter::{Filter, FilterMode, Pattern};
use serde_json::Value;

use super::area::{cases, load, text};

fn patterns(list: &Value) -> Vec<Pattern> {
    let globs = list.as_array().expect("a list of patterns");
    globs.iter().map(|glob| Pattern::new(glob.as_str().expect("a pattern")).expect("a short pattern")).collect()
}

#[test]
fn senders_are_accepted_as_by_the_reference() {
    for case in cases(&load("filter"), "cases") {
        let filter = Filter {
            mode: FilterMode::parse(text(&case["filter"], "mode")).expect("a known mode"),
            blacklist: patterns(&case["filter"]["blacklist"]),
            whitelist: patterns(&case["filter"]["whitelist"]),
            log_blocked: case["filter"]["log_blocked"].as_bool().expect("log_blocked"),
        };
        assert_eq!(Some(filter.accepts(text(&case, "sender"))), case["accept"].as_bool(), "{case}");
    }
}
