//! `protocol::filter`: the glob against a slow matcher that shares nothing with it: a table of which beginnings of the
//! pattern match which beginnings of the text, and sets read from left to right.

use azall_core::protocol::filter::{Filter, FilterMode, Pattern};
use azall_core::protocol::text::strip;

use super::text;

/// The most characters of a pattern and a text that the table is made for.
const MOST: usize = 300;

/// The first line is a pattern, the second a sender, the rest are patterns of the whitelist.
pub fn filter(data: &[u8]) {
    let text = text(data);
    let mut lines = text.split('\n');
    let (glob, sender) = (lines.next().unwrap_or_default(), lines.next().unwrap_or_default());
    let Ok(pattern) = Pattern::new(glob) else {
        assert!(glob.len() > 1024);
        return;
    };
    assert_eq!(pattern.as_str(), glob);
    let matches = pattern.matches(sender);
    let (folded_glob, folded) = (strip(glob).to_lowercase(), strip(sender).to_lowercase());
    if let Some(expected) = slowly(&folded_glob, &folded) {
        assert_eq!(matches, expected && sender.len() <= 1024, "{glob:?} on {sender:?}");
    }

    let whitelist: Vec<Pattern> = lines.take(20).filter_map(|glob| Pattern::new(glob).ok()).collect();
    let listed = whitelist.iter().any(|pattern| pattern.matches(sender));
    let empty_list = whitelist.is_empty();
    let filter = Filter { mode: FilterMode::Blacklist, blacklist: vec![pattern], whitelist, log_blocked: false };
    let is_local = folded.is_empty();
    let short = sender.len() <= 1024;
    assert_eq!(filter.accepts(sender), short && (is_local || !matches));
    assert!(Filter { mode: FilterMode::Off, ..filter.clone() }.accepts(sender));
    let strict = Filter { mode: FilterMode::Whitelist, ..filter };
    assert_eq!(strict.accepts(sender), short && (is_local || !matches && (empty_list || listed)));
}

/// What one character of the text is held against.
enum Piece {
    One(char),
    Any,
    Star,
    Set { negated: bool, ranges: Vec<(char, char)> },
}

fn slowly(glob: &str, text: &str) -> Option<bool> {
    let (glob, text): (Vec<char>, Vec<char>) = (glob.chars().collect(), text.chars().collect());
    if glob.len() > MOST || text.len() > MOST {
        return None;
    }
    // Whether the pattern so far matches the first n characters.
    let mut row: Vec<bool> = (0..=text.len()).map(|n| n == 0).collect();
    for piece in pieces(&glob) {
        let mut next = vec![false; row.len()];
        for n in 0..row.len() {
            next[n] = match &piece {
                Piece::Star => row[n] || (n > 0 && next[n - 1]),
                _ if n == 0 || !row[n - 1] => false,
                Piece::Any => true,
                Piece::One(own) => *own == text[n - 1],
                Piece::Set { negated, ranges } => {
                    ranges.iter().any(|(low, high)| *low <= text[n - 1] && text[n - 1] <= *high) != *negated
                }
            };
        }
        row = next;
    }
    row.last().copied()
}

fn pieces(glob: &[char]) -> Vec<Piece> {
    let mut pieces = Vec::new();
    let mut at = 0;
    while at < glob.len() {
        let start = at + 1;
        // The first character of a set, or that after its `!`, does not close it.
        let inside = start + usize::from(glob.get(start) == Some(&'!'));
        let close = (inside + 1..glob.len()).find(|end| glob[*end] == ']');
        at = start;
        pieces.push(match (glob[start - 1], close) {
            ('*', _) => Piece::Star,
            ('?', _) => Piece::Any,
            ('[', Some(end)) if inside < glob.len() => {
                at = end + 1;
                set(&glob[start..end])
            }
            (c, _) => Piece::One(c),
        });
    }
    pieces
}

/// A set from left to right: `a-c` is a range, and vanishes if it runs backwards; what is left and begins with `!` is
/// negated. A `!` in the first place never begins a range.
fn set(content: &[char]) -> Piece {
    let mut ranges: Vec<(char, char)> = Vec::new();
    let mut at = 0;
    if content[0] == '!' {
        ranges.push(('!', '!'));
        at = 1;
    }
    while at < content.len() {
        if at + 2 < content.len() && content[at + 1] == '-' {
            if content[at] <= content[at + 2] {
                ranges.push((content[at], content[at + 2]));
            }
            at += 3;
        } else {
            ranges.push((content[at], content[at]));
            at += 1;
        }
    }
    let negated = ranges.first().is_some_and(|(low, _)| *low == '!');
    if negated {
        // A range from `!` on leaves its hyphen and its end.
        let (_, high) = ranges.remove(0);
        if high != '!' {
            ranges.extend([('-', '-'), (high, high)]);
        }
    }
    Piece::Set { negated, ranges }
}
