//! The address filter (PROTOCOL section 4): which senders may reach the mailbox.
//!
//! The glob is part of the protocol, so it is spelled out here: exactly what Python's `fnmatch` does with lower-cased,
//! trimmed text, its odd corners included.

use std::str::Chars;

use super::text;

/// The longest pattern and the longest sender that are compared, in bytes. Matching costs at most their product.
const LONGEST: usize = 1024;

/// Why a text is no pattern.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the filter pattern {start:?}... is {bytes} bytes long; at most 1024 are allowed")]
pub struct PatternTooLong {
    /// How it begins.
    pub start: String,
    /// Its length.
    pub bytes: usize,
}

/// A compiled shell glob over a whole address: `*` (any text, also across `.` and `@`), `?` (one character), `[seq]`,
/// `[!seq]` with ranges. An unclosed `[` stands for itself.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Pattern {
    source: String,
    tokens: Vec<Token>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
enum Token {
    Char(char),
    AnyChar,
    AnyText,
    Set(CharSet),
}

impl Pattern {
    /// Compiles a glob. White space around it does not count, nor does case.
    ///
    /// # Errors
    /// [`PatternTooLong`] above 1024 bytes.
    pub fn new(glob: &str) -> Result<Self, PatternTooLong> {
        if glob.len() > LONGEST {
            return Err(PatternTooLong { start: text::prefix(glob, 40).to_owned(), bytes: glob.len() });
        }
        Ok(Self { source: glob.to_owned(), tokens: compile(&fold(glob)) })
    }

    /// The glob as it was given.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.source
    }

    /// Whether the whole of `address`, trimmed and lower-cased, is what the pattern describes. Nothing longer than 1024
    /// bytes is.
    #[must_use]
    pub fn matches(&self, address: &str) -> bool {
        address.len() <= LONGEST && self.matches_folded(&fold(address))
    }

    /// Remembers only the last `*`: when what follows it fails, that `*` takes one character more. An earlier one never
    /// has to, so the cost is at most pattern times text.
    fn matches_folded(&self, text: &str) -> bool {
        let mut tokens = self.tokens.as_slice();
        let mut rest = text.chars();
        let mut retry: Option<(&[Token], Chars<'_>)> = None;
        loop {
            match tokens.split_first() {
                Some((Token::AnyText, after)) => {
                    tokens = after;
                    retry = Some((after, rest.clone()));
                    continue;
                }
                Some((token, after)) => {
                    let mut ahead = rest.clone();
                    if ahead.next().is_some_and(|c| token.accepts(c)) {
                        tokens = after;
                        rest = ahead;
                        continue;
                    }
                }
                None if rest.as_str().is_empty() => return true,
                None => {}
            }
            let Some((after, mut from)) = retry else { return false };
            if from.next().is_none() {
                return false;
            }
            tokens = after;
            rest = from.clone();
            retry = Some((after, from));
        }
    }
}

impl Token {
    fn accepts(&self, c: char) -> bool {
        match self {
            Self::Char(own) => *own == c,
            Self::AnyChar | Self::AnyText => true,
            Self::Set(set) => set.accepts(c),
        }
    }
}

/// How addresses and patterns are compared.
fn fold(text: &str) -> String {
    text::strip(text).to_lowercase()
}

fn compile(glob: &str) -> Vec<Token> {
    let chars: Vec<char> = glob.chars().collect();
    let mut tokens = Vec::with_capacity(chars.len());
    let mut rest = chars.as_slice();
    while let Some((first, after)) = rest.split_first() {
        rest = after;
        match first {
            '*' if tokens.last() == Some(&Token::AnyText) => {}
            '*' => tokens.push(Token::AnyText),
            '?' => tokens.push(Token::AnyChar),
            '[' => match split_set(after) {
                Some((content, after_set)) => {
                    tokens.push(Token::Set(CharSet::parse(content)));
                    rest = after_set;
                }
                None => tokens.push(Token::Char('[')),
            },
            c => tokens.push(Token::Char(*c)),
        }
    }
    tokens
}

/// What stands between a `[` and its `]`, and what follows; a `]` in the first place (after a `!`) belongs to the set.
fn split_set(after_bracket: &[char]) -> Option<(&[char], &[char])> {
    let bang = usize::from(after_bracket.first() == Some(&'!'));
    let skip = bang + usize::from(after_bracket.get(bang) == Some(&']'));
    let end = after_bracket.iter().skip(skip).position(|c| *c == ']')? + skip;
    let (content, closing) = after_bracket.split_at_checked(end)?;
    Some((content, closing.get(1..)?))
}

/// The inside of `[...]`: single characters are ranges of one.
#[derive(Clone, Debug, PartialEq, Eq)]
struct CharSet {
    negated: bool,
    ranges: Vec<(char, char)>,
}

impl CharSet {
    /// As `fnmatch` does it: split at the hyphens that make ranges, take out the ranges that run backwards (both ends
    /// go), and only then see whether what is left begins with `!`. So `[z-a]` matches nothing, `[!z-a]` anything.
    fn parse(content: &[char]) -> Self {
        let mut chunks = without_reversed_ranges(split_at_ranges(content));
        let mut negated = false;
        if let Some(first) = chunks.first_mut().filter(|chunk| chunk.first() == Some(&'!')) {
            first.remove(0);
            negated = true;
        }
        let mut ranges: Vec<(char, char)> = chunks.iter().flatten().map(|c| (*c, *c)).collect();
        for pair in chunks.windows(2) {
            if let [before, after] = pair {
                // A `!` may have been all there was before the hyphen, which then stands for itself.
                ranges.push(before.last().zip(after.first()).map_or(('-', '-'), |(low, high)| (*low, *high)));
            }
        }
        Self { negated, ranges }
    }

    fn accepts(&self, c: char) -> bool {
        self.ranges.iter().any(|(low, high)| (*low..=*high).contains(&c)) != self.negated
    }
}

/// The pieces between the hyphens that make ranges. A hyphen makes none in the first place, right after another range,
/// or in the last place.
fn split_at_ranges(content: &[char]) -> Vec<Vec<char>> {
    let mut chunks: Vec<Vec<char>> = Vec::new();
    let mut rest = content;
    let mut earliest = 1 + usize::from(content.first() == Some(&'!'));
    while let Some(hyphen) = rest.iter().skip(earliest).position(|c| *c == '-').map(|at| at + earliest) {
        chunks.push(rest.iter().take(hyphen).copied().collect());
        rest = rest.get(hyphen + 1..).unwrap_or_default();
        earliest = 2;
    }
    match chunks.last_mut() {
        Some(last) if rest.is_empty() => last.push('-'),
        _ => chunks.push(rest.to_vec()),
    }
    chunks
}

/// Joins two pieces, without the characters that met, where their range runs backwards; from the last to the first.
fn without_reversed_ranges(mut chunks: Vec<Vec<char>>) -> Vec<Vec<char>> {
    let Some(mut current) = chunks.pop() else { return chunks };
    let mut kept = Vec::with_capacity(chunks.len() + 1);
    while let Some(mut before) = chunks.pop() {
        if before.last() > current.first() {
            before.pop();
            before.extend(current.iter().skip(1));
        } else {
            kept.push(current);
        }
        current = before;
    }
    kept.push(current);
    kept.reverse();
    kept
}

/// Which list decides.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum FilterMode {
    /// Everyone but the blacklist.
    #[default]
    Blacklist,
    /// Only the whitelist, which accepts everyone while it is empty.
    Whitelist,
    /// Everyone.
    Off,
}

impl FilterMode {
    /// Reads `blacklist`, `whitelist` or `off`, in any case.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        let text = fold(text);
        [Self::Blacklist, Self::Whitelist, Self::Off].into_iter().find(|mode| mode.name() == text)
    }

    /// The mode as it is written in the config.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Blacklist => "blacklist",
            Self::Whitelist => "whitelist",
            Self::Off => "off",
        }
    }
}

/// The filter of a mailbox: `address_filter` in the config.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Filter {
    /// Which list decides.
    pub mode: FilterMode,
    /// Senders that are refused, whatever the whitelist says.
    pub blacklist: Vec<Pattern>,
    /// Senders that are accepted in mode [`FilterMode::Whitelist`].
    pub whitelist: Vec<Pattern>,
    /// Whether a refused sender is named in the log.
    pub log_blocked: bool,
}

impl Filter {
    /// Whether a message of this sender may be stored. An empty sender is local and always may; one too long to be
    /// compared (more than 1024 bytes) never may, unless the filter is off.
    #[must_use]
    pub fn accepts(&self, sender: &str) -> bool {
        if self.mode == FilterMode::Off {
            return true;
        }
        if sender.len() > LONGEST {
            return false;
        }
        let sender = fold(sender);
        let listed = |list: &[Pattern]| list.iter().any(|pattern| pattern.matches_folded(&sender));
        sender.is_empty()
            || !listed(&self.blacklist)
                && (self.mode == FilterMode::Blacklist || self.whitelist.is_empty() || listed(&self.whitelist))
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn matches(glob: &str, text: &str) -> bool {
        Pattern::new(glob).unwrap().matches(text)
    }

    /// Every answer here is `fnmatch.fnmatchcase`'s.
    #[test]
    fn sets_are_pythons() {
        for (glob, yes, no) in [
            ("[abc]", "abc", "d[]"),
            ("[!abc]", "d!^", "abc"),
            ("[]a]", "]a", "[b"),
            ("[!]a]", "[b!", "]a"),
            ("[^a]", "^a", "b"),
            ("[[]", "[", "]"),
            ("[a-c]", "abc", "d-"),
            ("[-a]", "-a", "b"),
            ("[a-]", "a-", "b"),
            ("[!-a]", "b!", "-a"),
            ("[--/]", "-./", ",0"),
            ("[a-c-e]", "abc-e", "d"),
            ("[z-a]", "", "az-m"),
            ("[!z-a]", "az-m!", ""),
            ("[z-ax]", "x", "az-"),
            ("[z-a!b]", "za!-c", "b"),
            ("[z-a!-c]", "ab!", "-c"),
            ("[a\\]", "a\\", "b"),
            ("[]-a]", "]^_`a", "[b-"),
            ("[a&&b|~]", "a&b|~", "c"),
        ] {
            for c in yes.chars() {
                assert!(matches(glob, &c.to_string()), "{glob} should match {c}");
            }
            for c in no.chars() {
                assert!(!matches(glob, &c.to_string()), "{glob} should not match {c}");
            }
        }
    }

    #[test]
    fn unclosed_brackets_are_literal() {
        for text in ["[", "[!", "[]", "[!]", "[a-", "x[y"] {
            assert!(matches(text, text), "{text}");
            assert!(!matches(text, "a"), "{text}");
        }
        assert!(matches("[a*", "[a@b"));
    }

    #[test]
    fn folding_is_on_both_sides() {
        assert!(matches("  *@X.Org ", "Alice@x.ORG\n"));
        assert!(matches("ZÜRICH", "zürich"));
        assert!(matches("a?c", "a\nc"));
    }

    #[test]
    fn many_stars_stay_cheap() {
        let glob = "*a".repeat(500);
        assert!(!matches(&glob, &"a".repeat(499)));
        assert!(!matches(&format!("{glob}b"), &"a".repeat(1024)));
        assert!(matches(&glob, &"a".repeat(1024)));
    }

    #[test]
    fn lengths_are_bounded() {
        assert!(Pattern::new(&"*".repeat(1025)).is_err());
        assert!(!matches("*", &"a".repeat(1025)));
        let mut filter = Filter::default();
        assert!(!filter.accepts(&"a".repeat(1025)));
        filter.mode = FilterMode::Off;
        assert!(filter.accepts(&"a".repeat(1025)));
    }

    #[test]
    fn modes_are_read_in_any_case() {
        assert_eq!(FilterMode::parse(" WhiteList "), Some(FilterMode::Whitelist));
        assert_eq!(FilterMode::parse("greylist"), None);
    }

    /// One piece of a pattern as a structure, so that the matcher below needs no parser.
    #[derive(Clone, Debug)]
    enum Piece {
        One(char),
        Any,
        Star,
        Set(bool, Vec<(char, char)>),
    }

    fn piece() -> impl Strategy<Value = Piece> {
        let letter = prop::sample::select(vec!['a', 'b', 'c', 'd', '.', '@']);
        let range = (letter.clone(), letter.clone()).prop_map(|(a, b)| (a.min(b), a.max(b)));
        prop_oneof![
            4 => letter.prop_map(Piece::One),
            1 => Just(Piece::Any),
            2 => Just(Piece::Star),
            2 => (any::<bool>(), prop::collection::vec(range, 1..4)).prop_map(|(negated, ranges)| Piece::Set(negated, ranges)),
        ]
    }

    fn written(pieces: &[Piece]) -> String {
        pieces
            .iter()
            .map(|piece| match piece {
                Piece::One(c) => c.to_string(),
                Piece::Any => "?".to_owned(),
                Piece::Star => "*".to_owned(),
                Piece::Set(negated, ranges) => {
                    let inside: String = ranges.iter().map(|(low, high)| format!("{low}-{high}")).collect();
                    format!("[{}{inside}]", if *negated { "!" } else { "" })
                }
            })
            .collect()
    }

    fn slowly(pieces: &[Piece], text: &[char]) -> bool {
        let Some((first, rest)) = pieces.split_first() else { return text.is_empty() };
        let one = |good: &dyn Fn(char) -> bool| !text.is_empty() && good(text[0]) && slowly(rest, &text[1..]);
        match first {
            Piece::Star => (0..=text.len()).any(|taken| slowly(rest, &text[taken..])),
            Piece::Any => one(&|_| true),
            Piece::One(own) => one(&|c| c == *own),
            Piece::Set(negated, ranges) => {
                one(&|c| ranges.iter().any(|(low, high)| *low <= c && c <= *high) != *negated)
            }
        }
    }

    proptest! {
        #[test]
        fn agrees_with_a_slow_matcher(pieces in prop::collection::vec(piece(), 0..8), text in "[abcd.@-]{0,10}") {
            let chars: Vec<char> = text.chars().collect();
            prop_assert_eq!(matches(&written(&pieces), &text), slowly(&pieces, &chars));
        }

        #[test]
        fn any_pattern_and_text_are_safe(glob in "[*?a-z\\[\\]!^\\\\-]{0,40}|.{0,40}", text in ".{0,40}") {
            let _ = matches(&glob, &text);
            let as_long = "?".repeat(fold(&text).chars().count());
            prop_assert!(matches(&as_long, &text));
        }
    }
}
