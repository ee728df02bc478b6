//! Marker lines inside a signed body. Old readers look for markers anywhere in a text, so in a body that is signed each of
//! them gets a backslash between its dashes and its words, and readers of version 2 take one away.

use std::borrow::Cow;

const WORDS: [&str; 3] = ["BEGIN AGENTAZALL", "END AGENTAZALL", "BEGIN SIGNATURE"];

/// One more backslash for every `---`, any number of backslashes, marker words. Borrows when there is none.
#[must_use]
pub fn escape(body: &str) -> Cow<'_, str> {
    rewrite(body, 0, |slashes| slashes + 1)
}

/// One backslash fewer, where there is one: undoes [`escape`].
#[must_use]
pub fn unescape(body: &str) -> Cow<'_, str> {
    rewrite(body, 1, |slashes| slashes - 1)
}

/// Changes the number of backslashes of each marker that has at least `least`.
fn rewrite(body: &str, least: usize, change: impl Fn(usize) -> usize) -> Cow<'_, str> {
    let mut out: Option<String> = None;
    let mut copied = 0;
    let mut from = 0;
    while let Some(at) = body.get(from..).and_then(|rest| rest.find("---")).map(|at| from + at) {
        let rest = body.get(at..).unwrap_or_default();
        let dashes = rest.len() - rest.trim_start_matches('-').len();
        let after = rest.get(dashes..).unwrap_or_default();
        let slashes = after.len() - after.trim_start_matches('\\').len();
        let words = after.get(slashes..).unwrap_or_default();
        from = at + dashes + slashes;
        if slashes >= least && WORDS.iter().any(|marker| words.starts_with(marker)) {
            let out = out.get_or_insert_with(|| String::with_capacity(body.len() + 16));
            out.push_str(body.get(copied..at + dashes).unwrap_or_default());
            out.extend(std::iter::repeat_n('\\', change(slashes)));
            copied = from;
        }
    }
    match out {
        None => Cow::Borrowed(body),
        Some(mut out) => {
            out.push_str(body.get(copied..).unwrap_or_default());
            Cow::Owned(out)
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn markers_lose_their_shape() {
        assert_eq!(escape("x ---BEGIN AGENTAZALL SIGNATURE---"), "x ---\\BEGIN AGENTAZALL SIGNATURE---");
        assert_eq!(escape("-----END AGENTAZALL"), "-----\\END AGENTAZALL");
        assert_eq!(escape("---\\\\BEGIN SIGNATURE"), "---\\\\\\BEGIN SIGNATURE");
        assert!(matches!(escape("--- BEGIN AGENTAZALL, --BEGIN AGENTAZALL"), Cow::Borrowed(_)));
        assert_eq!(unescape("---BEGIN AGENTAZALL ---\\BEGIN AGENTAZALL"), "---BEGIN AGENTAZALL ---BEGIN AGENTAZALL");
    }

    proptest! {
        #[test]
        fn unescape_undoes_escape(parts in proptest::collection::vec(
            prop_oneof![Just("---"), Just("-"), Just("\\"), Just("BEGIN AGENTAZALL"), Just("END AGENTAZALL"),
                Just("BEGIN SIGNATURE"), Just("é\n"), Just(" ")], 0..30)) {
            let body = parts.concat();
            let escaped = escape(&body);
            prop_assert_eq!(unescape(&escaped), body.as_str());
            for marker in WORDS {
                let marker = format!("---{marker}");
                prop_assert!(!escaped.contains(&marker));
            }
        }
    }
}
