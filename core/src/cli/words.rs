//! The words of a command line, before clap looks at them.
//!
//! Scripts for the reference rely on its rule for dashes: a word that begins with one and holds a space, or is a negative
//! number, is a value (`--text "- first point"`), while clap takes every word with a dash for a flag.

use std::ffi::OsString;

/// Joins each value that begins with a dash to the option before it (`--text=- first point`), which clap reads as meant.
pub(super) fn join_values(words: impl IntoIterator<Item = OsString>) -> Vec<OsString> {
    let mut joined: Vec<OsString> = Vec::new();
    let mut words = words.into_iter();
    for word in words.by_ref() {
        if ends_options(&word) {
            joined.push(word);
            break;
        }
        match joined.last_mut().filter(|option| is_dashed_value(&word) && takes_value_apart(option)) {
            Some(option) => {
                option.push("=");
                option.push(word);
            }
            None => joined.push(word),
        }
    }
    joined.extend(words);
    joined
}

/// Whether a word that begins with a dash is a value all the same.
fn is_dashed_value(word: &OsString) -> bool {
    let Some(rest) = word.to_str().and_then(|word| word.strip_prefix('-')) else { return false };
    rest.contains(char::is_whitespace)
        || (rest.starts_with(|c: char| c.is_ascii_digit()) && rest.parse::<f64>().is_ok())
}

/// Whether all words that follow are values: those of `--run-args`, which may be shortened, are a tool's own.
fn ends_options(word: &OsString) -> bool {
    word.to_str().is_some_and(|word| word == "--" || word.starts_with("--run-a"))
}

/// Whether a word may be an option whose value is the next word.
fn takes_value_apart(word: &OsString) -> bool {
    let Some(word) = word.to_str() else { return false };
    match word.strip_prefix("--") {
        Some(name) => !name.is_empty() && !name.contains(['=', ' ']),
        None => word.len() == 2 && word.starts_with('-'),
    }
}

/// Whether `--json` is among the words, for a command line that cannot be understood as a whole.
pub(super) fn asks_for_json(words: &[OsString]) -> bool {
    words.iter().skip(1).take_while(|word| !ends_options(word)).any(|word| word == "--json")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_value_may_begin_with_a_dash() {
        for (typed, expected) in [
            (vec!["a", "--text", "- one"], vec!["a", "--text=- one"]),
            (vec!["a", "-b", "- one"], vec!["a", "-b=- one"]),
            (vec!["a", "--limit", "-5"], vec!["a", "--limit=-5"]),
            (vec!["a", "--text", "-x"], vec!["a", "--text", "-x"]),
            (vec!["a", "--text", "--title", "- t"], vec!["a", "--text", "--title=- t"]),
            (vec!["a", "--text=- one", "- two"], vec!["a", "--text=- one", "- two"]),
            (vec!["a", "--run-args", "--x", "- one", "-2"], vec!["a", "--run-args", "--x", "- one", "-2"]),
            (vec!["a", "--", "--text", "- one"], vec!["a", "--", "--text", "- one"]),
            (vec!["a", "--text", "-"], vec!["a", "--text", "-"]),
        ] {
            let words = |words: Vec<&str>| words.into_iter().map(OsString::from).collect::<Vec<_>>();
            assert_eq!(join_values(words(typed.clone())), words(expected), "{typed:?}");
        }
    }
}
