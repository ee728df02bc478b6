//! Text as the reference reads it: UTF-8 with replacement, universal newlines, Python's idea of white space; and
//! the one place that makes text from outside harmless for a terminal.

use std::borrow::Cow;
use std::fmt::{Display, Write as _};

/// Whether Python's `str.strip` removes this character: Unicode white space, and the separators U+001C to U+001F.
#[must_use]
pub fn is_space(c: char) -> bool {
    c.is_whitespace() || ('\u{1c}'..='\u{1f}').contains(&c)
}

/// A number with what it counts: `1 message`, `2 messages`.
#[must_use]
pub fn count<N: Display + PartialEq + From<u8>>(number: N, one: &str, several: &str) -> String {
    let what = if number == N::from(1) { one } else { several };
    format!("{number} {what}")
}

/// Trims both ends as Python's `str.strip` does.
#[must_use]
pub fn strip(text: &str) -> &str {
    let text = text.trim_ascii();
    if ends_bare(text.as_bytes().first()) && ends_bare(text.as_bytes().last()) {
        return text;
    }
    text.trim_matches(is_space)
}

/// Trims the end as Python's `str.rstrip` does.
#[must_use]
pub fn strip_end(text: &str) -> &str {
    let text = text.trim_ascii_end();
    if ends_bare(text.as_bytes().last()) { text } else { text.trim_end_matches(is_space) }
}

/// Whether a text that begins or ends with this byte has no white space there. Most do, and no character has to be decoded.
fn ends_bare(byte: Option<&u8>) -> bool {
    byte.is_none_or(u8::is_ascii_graphic)
}

/// Bytes as the text that the reference's text mode would read: invalid UTF-8 becomes U+FFFD; CRLF and a lone CR
/// become LF (PROTOCOL section 1). Borrows when nothing has to change.
#[must_use]
pub fn decode(bytes: &[u8]) -> Cow<'_, str> {
    match String::from_utf8_lossy(bytes) {
        Cow::Borrowed(text) => normalize_newlines(text),
        Cow::Owned(text) if memchr::memchr(b'\r', text.as_bytes()).is_none() => Cow::Owned(text),
        Cow::Owned(text) => Cow::Owned(normalize_newlines(&text).into_owned()),
    }
}

/// CRLF and lone CR as LF. Borrows when there is no CR.
#[must_use]
pub fn normalize_newlines(text: &str) -> Cow<'_, str> {
    if memchr::memchr(b'\r', text.as_bytes()).is_none() {
        return Cow::Borrowed(text);
    }
    let mut out = String::with_capacity(text.len());
    let mut chars = text.chars().peekable();
    while let Some(c) = chars.next() {
        if c == '\r' {
            if chars.peek() == Some(&'\n') {
                chars.next();
            }
            out.push('\n');
        } else {
            out.push(c);
        }
    }
    Cow::Owned(out)
}

/// Whether a header value may be written: no line break and no control character (PROTOCOL section 9), which a tab
/// is not counted as, since old messages carry tabs in subjects.
#[must_use]
pub fn is_header_safe(value: &str) -> bool {
    // Most are plain ASCII: then no character has to be decoded.
    let is_plain = |byte: u8| matches!(byte, b' '..=b'~' | b'\t');
    value.bytes().all(is_plain)
        || !value.chars().any(|c| (c.is_control() && c != '\t') || c == '\u{2028}' || c == '\u{2029}')
}

/// Text from outside, made harmless for a terminal: every control character but LF and tab (so also ESC, CSI, BEL,
/// CR and backspace) and every bidirectional override is replaced by U+FFFD. Borrows when nothing has to change.
#[must_use]
pub fn for_terminal(text: &str) -> Cow<'_, str> {
    if !text.chars().any(is_terminal_hostile) {
        return Cow::Borrowed(text);
    }
    Cow::Owned(text.chars().map(|c| if is_terminal_hostile(c) { '\u{fffd}' } else { c }).collect())
}

/// As [`for_terminal`], for a value that must stay on one line: LF and tab become a space as well.
#[must_use]
pub fn for_terminal_line(text: &str) -> Cow<'_, str> {
    if !text.chars().any(|c| is_terminal_hostile(c) || c == '\n' || c == '\t') {
        return Cow::Borrowed(text);
    }
    Cow::Owned(
        text.chars()
            .map(|c| match c {
                '\n' | '\t' => ' ',
                c if is_terminal_hostile(c) => '\u{fffd}',
                c => c,
            })
            .collect(),
    )
}

/// JSON text with what is hostile to a terminal as `\\uXXXX`: such characters can only stand inside its strings, where
/// the escape means the same. Line feeds and tabs between its tokens stay. Borrows when nothing has to change.
#[must_use]
pub fn escaped_for_terminal(json: &str) -> Cow<'_, str> {
    if !json.chars().any(is_terminal_hostile) {
        return Cow::Borrowed(json);
    }
    let mut escaped = String::with_capacity(json.len() + 16);
    for c in json.chars() {
        if is_terminal_hostile(c) {
            // All of them are in the first plane, and writing to a String does not fail.
            let _ = write!(escaped, "\\u{:04x}", u32::from(c));
        } else {
            escaped.push(c);
        }
    }
    Cow::Owned(escaped)
}

fn is_terminal_hostile(c: char) -> bool {
    (c.is_control() && c != '\n' && c != '\t')
        || matches!(c, '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}' | '\u{2028}' | '\u{2029}')
}

/// The first `limit` characters, for previews and index lines.
#[must_use]
pub fn prefix(text: &str, limit: usize) -> &str {
    text.char_indices().nth(limit).and_then(|(at, _)| text.get(..at)).unwrap_or(text)
}

/// Lower-case hex.
#[must_use]
pub fn hex(bytes: &[u8]) -> String {
    const DIGITS: [char; 16] = ['0', '1', '2', '3', '4', '5', '6', '7', '8', '9', 'a', 'b', 'c', 'd', 'e', 'f'];
    let digit = |nibble: u8| DIGITS.get(usize::from(nibble)).copied().unwrap_or('0');
    bytes.iter().flat_map(|byte| [digit(byte >> 4), digit(byte & 15)]).collect()
}

/// Bytes from hex of either case; `None` for an odd length or anything that is not a hex digit.
#[must_use]
pub fn unhex(text: &str) -> Option<Vec<u8>> {
    if !text.len().is_multiple_of(2) {
        return None;
    }
    let digit = |byte: u8| char::from(byte).to_digit(16).and_then(|d| u8::try_from(d).ok());
    text.as_bytes()
        .chunks_exact(2)
        .map(|pair| match pair {
            [high, low] => Some(digit(*high)? << 4 | digit(*low)?),
            _ => None,
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn one_of_them_is_not_several() {
        let counted: Vec<String> = (0_usize..3).map(|number| count(number, "day", "days")).collect();
        assert_eq!(counted, ["0 days", "1 day", "2 days"]);
    }

    #[test]
    fn newlines_become_lf() {
        assert_eq!(decode(b"a\r\nb\rc\n"), "a\nb\nc\n");
        assert_eq!(decode(b"\xff\r\n"), "\u{fffd}\n");
        assert!(matches!(decode(b"plain\n"), Cow::Borrowed(_)));
    }

    #[test]
    fn strip_is_pythons() {
        assert_eq!(strip("\u{1c}\u{a0} x \u{3000}\u{1f}"), "x");
        assert_eq!(strip("\u{200b}x"), "\u{200b}x");
    }

    proptest! {
        #[test]
        fn plain_ascii_is_judged_as_every_text(text in "[ -~\t\r\n\x0b\x0c\x1c-\x1f\x7f\u{85}\u{a0}\u{2028}\u{3000}\u{e9}]{0,6}") {
            prop_assert_eq!(strip(&text), text.trim_matches(is_space));
            prop_assert_eq!(strip_end(&text), text.trim_end_matches(is_space));
            let hostile = |c: char| (c.is_control() && c != '\t') || c == '\u{2028}' || c == '\u{2029}';
            prop_assert_eq!(is_header_safe(&text), !text.contains(hostile));
        }
    }

    #[test]
    fn terminal_text_keeps_no_escape() {
        assert_eq!(for_terminal("a\x1b[31m\u{9b}2J\u{202e}b\n"), "a\u{fffd}[31m\u{fffd}2J\u{fffd}b\n");
        assert_eq!(for_terminal_line("a\nb\tc"), "a b c");
    }

    #[test]
    fn json_keeps_its_meaning_and_shows_no_escape() {
        let hostile = "a\u{7f}\u{9b}31m\u{202e}\u{1b}[2J\n\u{e9}";
        let json = serde_json::to_string_pretty(&[hostile]).unwrap();
        let escaped = escaped_for_terminal(&json);
        assert!(
            escaped.contains(r"\u007f\u009b31m\u202e\u001b[2J\n\u{e9}".replace(r"\u{e9}", "\u{e9}").as_str()),
            "{escaped}"
        );
        assert!(!escaped.chars().any(is_terminal_hostile));
        assert_eq!(serde_json::from_str::<Vec<String>>(&escaped).unwrap(), [hostile]);
        assert!(matches!(escaped_for_terminal("{}\n"), Cow::Borrowed(_)));
    }

    #[test]
    fn hex_round_trip() {
        assert_eq!(hex(&[0, 0xab, 0xff]), "00abff");
        assert_eq!(unhex("00ABff"), Some(vec![0, 0xab, 0xff]));
        assert_eq!(unhex("0"), None);
        assert_eq!(unhex("zz"), None);
    }

    #[test]
    fn prefix_counts_characters() {
        assert_eq!(prefix("日本語", 2), "日本");
        assert_eq!(prefix("ab", 5), "ab");
    }

    proptest! {
        #[test]
        fn any_bytes_are_decoded_once(bytes: Vec<u8>) {
            let text = decode(&bytes).into_owned();
            prop_assert_eq!(decode(text.as_bytes()), text.as_str());
            prop_assert!(!text.contains('\r'));
        }

        #[test]
        fn what_is_harmless_stays_as_it_is(text in ".{0,40}|[\\x00-\\x20\u{80}-\u{a0}\u{2028}\u{202e}a]{0,20}") {
            for harmless in [for_terminal(&text), for_terminal_line(&text)] {
                prop_assert_eq!(for_terminal(&harmless), &*harmless);
            }
            prop_assert!(is_header_safe(&for_terminal_line(&text)));
            prop_assert_eq!(strip(strip(&text)), strip(&text));
            prop_assert_eq!(strip(&text), text.trim_matches(is_space));
            prop_assert!(strip_end(&text).ends_with(strip(&text)));
        }

        #[test]
        fn hex_is_read_as_it_is_written(bytes: Vec<u8>, text in ".{0,10}|[0-9a-fA-F]{0,10}") {
            prop_assert_eq!(unhex(&hex(&bytes)), Some(bytes));
            if let Some(bytes) = unhex(&text) {
                prop_assert_eq!(hex(&bytes), text.to_ascii_lowercase());
            }
        }
    }
}
