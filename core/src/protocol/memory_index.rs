//! The index of all memories, changed without reading the memories again.

use super::index::{Memory, render_memories};
use super::time::{Day, Now};

/// Lines before the first memory.
const HEADING_LINES: usize = 4;

/// What stands where there are no memories.
const NONE: &str = "(no memories stored yet)";

/// The index with one memory put into its place, as [`render_memories`] would make it of all. `is_listed` tells whether
/// the memory was there before, with another text.
///
/// `None` when `index` is no index of this agent whose lines are all well-formed, in order and as many as it says, or
/// when it does not agree with `is_listed`: then it must be made anew.
#[must_use]
pub fn put(index: &str, agent: &str, memory: &Memory<'_>, is_listed: bool, now: Now) -> Option<String> {
    let mut lines = index.split('\n');
    let heading: [&str; HEADING_LINES] = [lines.next()?, lines.next()?, lines.next()?, lines.next()?];
    if heading[0].strip_prefix("# Agent Memory Index: ")? != agent || !heading[3].is_empty() {
        return None;
    }
    let mut rows: Vec<&str> = lines.filter(|line| *line != NONE).collect();
    if heading[2].strip_prefix("# Total memories: ")? != rows.len().to_string() {
        return None;
    }
    let keys = rows.iter().map(|row| key(row)).collect::<Option<Vec<_>>>()?;
    if !keys.is_sorted_by(|before, after| before > after) {
        return None;
    }
    let single = render_memories(agent, std::slice::from_ref(memory), now);
    let row = single.split('\n').nth(HEADING_LINES)?;
    let own_key = key(row)?;
    match (keys.binary_search_by(|other| own_key.cmp(other)), is_listed) {
        (Ok(at), true) => *rows.get_mut(at)? = row,
        (Err(at), false) => rows.insert(at, row),
        _ => return None,
    }
    let mut new = String::with_capacity(index.len() + row.len() + 8);
    for line in single.split('\n').take(2) {
        new.extend([line, "\n"]);
    }
    new.extend(["# Total memories: ", &rows.len().to_string(), "\n"]);
    for row in rows {
        new.extend(["\n", row]);
    }
    Some(new)
}

/// The index cut to its first `limit` memories, and how many were left out.
#[must_use]
pub fn cut(index: String, limit: usize) -> (String, usize) {
    let rows = index.split('\n').skip(HEADING_LINES).filter(|line| line.starts_with("- [")).count();
    if rows <= limit {
        return (index, 0);
    }
    let kept: Vec<&str> = index.split('\n').take(HEADING_LINES.saturating_add(limit)).collect();
    (kept.join("\n"), rows - limit)
}

/// What a line is sorted by: the day and the file. `None` when it is not made as [`render_memories`] makes it.
fn key(row: &str) -> Option<(Day, &str)> {
    let (day, rest) = row.strip_prefix("- [")?.split_once("] ")?;
    // No file name holds a slash, so the last one ends the path's folder.
    let (shown, file) = rest.rsplit_once('/')?;
    let shown = shown.strip_suffix("/remember")?.strip_suffix(day)?.strip_suffix("  | ")?;
    shown.strip_prefix(file.strip_suffix(".txt")?)?.strip_prefix(": ")?;
    Some((Day::parse(day)?, file))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::super::index::MemoryRow;
    use super::*;

    const NOW: Now = Now::utc(1_773_241_200_000);
    const LATER: Now = Now::utc(1_773_241_260_000);

    fn memory<'a>(day: u8, file: &'a str, text: &'a str) -> Memory<'a> {
        Memory { day: Day::parse(&format!("2026-03-{day:02}")).unwrap(), row: MemoryRow { file, text } }
    }

    #[test]
    fn an_index_that_does_not_fit_is_refused() {
        let (a, b) = (memory(1, "a.txt", "x"), memory(2, "b.txt", "y"));
        let good = render_memories("me@x", &[a, b], NOW);
        let new = memory(2, "c.txt", "z");
        assert!(put(&good, "me@x", &new, false, NOW).is_some());
        assert!(put(&good, "me@x", &new, true, NOW).is_none(), "it is on disk, and not listed");
        assert!(put(&good, "me@x", &a, false, NOW).is_none(), "it is listed, and was not on disk");
        assert!(put(&good, "you@x", &new, false, NOW).is_none());
        let mut lines: Vec<&str> = good.split('\n').collect();
        lines.swap(4, 5);
        let swapped = lines.join("\n");
        for bad in [
            "",
            "# Agent Memory Index: me@x",
            &swapped,
            &good.replace("memories: 2", "memories: 3"),
            &format!("{good}\n"),
        ] {
            assert!(put(bad, "me@x", &new, false, NOW).is_none(), "{bad}");
        }
        for damage in ["] a: ", "  | ", "/remember/", ".txt"] {
            assert!(put(&good.replacen(damage, "", 1), "me@x", &new, false, NOW).is_none(), "{damage}");
        }
    }

    #[test]
    fn an_index_is_cut_by_memories() {
        let index = render_memories("me@x", &[memory(1, "a.txt", "x"), memory(2, "b.txt", "y")], NOW);
        let (short, left_out) = cut(index.clone(), 1);
        assert!(short.ends_with("- [2026-03-02] b: y  | 2026-03-02/remember/b.txt"), "{short}");
        assert_eq!(left_out, 1);
        assert_eq!(cut(index.clone(), 2), (index, 0));
        let none = render_memories("me@x", &[], NOW);
        assert_eq!(cut(none.clone(), 0), (none, 0));
    }

    proptest! {
        /// Putting memories in one by one, in any order and again, gives what making the index of all gives.
        #[test]
        fn putting_is_making_anew(steps in proptest::collection::vec((1..4_u8, "[a-c_.-]{0,3}", ".{0,20}|a  \\| b/remember/c.txt"), 1..12)) {
            let mut all: std::collections::BTreeMap<(u8, String), String> = std::collections::BTreeMap::new();
            let mut index = render_memories("me@x", &[], NOW);
            for (day, title, text) in steps {
                let title = format!("t{title}");
                let file = format!("{title}.txt");
                let is_listed = all.insert((day, file.clone()), text.clone()).is_some();
                index = put(&index, "me@x", &memory(day, &file, &text), is_listed, LATER).unwrap();
                let whole: Vec<Memory<'_>> = all.iter().map(|((day, file), text)| memory(*day, file, text)).collect();
                prop_assert_eq!(&index, &render_memories("me@x", &whole, LATER));
            }
        }

        #[test]
        fn any_text_is_safe(index: String, limit in 0..5_usize) {
            let _ = put(&index, "me@x", &memory(1, "a.txt", "x"), false, NOW);
            prop_assert!(cut(index.clone(), limit).0.len() <= index.len());
        }
    }
}
