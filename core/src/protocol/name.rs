//! Names that become file names: those a user gives to notes and memories, and those that attachments bring from outside.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;

use sha2::{Digest, Sha256};
use unicode_properties::{GeneralCategoryGroup, UnicodeGeneralCategory};

use super::text;

/// The longest name made here, in bytes: with `.txt`, a number or a temporary suffix it still fits the 255 of a file name.
const LONGEST: usize = 200;

/// What an attachment is called whose name leaves nothing to keep.
const NAMELESS: &str = "attachment";

/// The name of a note or memory as it is kept on disk (PROTOCOL section 3): every character that is not a letter, digit or
/// `_` (as Python's `\w`), `-` or `.` becomes `_`. The caller adds `.txt`, which makes even `..` and the empty name one
/// good file name.
///
/// A name longer than 200 bytes is cut and ends in 8 hex digits of its hash, so that two long names stay two.
#[must_use]
pub fn sanitize(name: &str) -> String {
    let clean: String = name.chars().map(|c| if is_word(c) || matches!(c, '-' | '.') { c } else { '_' }).collect();
    if clean.len() <= LONGEST {
        return clean;
    }
    let mut hash = text::hex(&Sha256::digest(name.as_bytes()));
    hash.truncate(8);
    format!("{}-{hash}", prefix_bytes(&clean, LONGEST - 9))
}

/// Python's `\w`: the general categories of letters (L) and numbers (N), and `_`. Rust's `is_alphanumeric` would also take
/// combining marks.
fn is_word(c: char) -> bool {
    if c.is_ascii() {
        return c.is_ascii_alphanumeric() || c == '_';
    }
    matches!(c.general_category_group(), GeneralCategoryGroup::Letter | GeneralCategoryGroup::Number)
}

/// The name of an attachment as one safe file name on every system, and safe in the comma-separated `Attachments` header:
/// at most 200 bytes, no separator, control character or quote, no dot in front, not a device of Windows.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct AttachmentName(String);

impl AttachmentName {
    /// Makes the nearest safe name: the last part of a path of either kind of slash, with `_` for what is not safe, cut to
    /// 200 bytes with its extension kept. Never fails, for an attachment must not be lost for its odd name.
    #[must_use]
    pub fn from_untrusted(outside: &str) -> Self {
        let last = outside.rsplit(['/', '\\']).find(|part| !part.is_empty()).unwrap_or_default();
        let clean: String = last.chars().map(|c| if is_unsafe(c) { '_' } else { c }).collect();
        let trimmed = text::strip(trim_end(&clean));
        let name = match trimmed.strip_prefix('.') {
            Some(rest) => format!("_{rest}"),
            None if trimmed.is_empty() => NAMELESS.to_owned(),
            None if is_device(trimmed) => format!("_{trimmed}"),
            None => trimmed.to_owned(),
        };
        let (stem, extension) = split_extension(&name);
        let cut = join(stem, "", extension);
        // What was inside the name may be at its end now.
        Self(trim_end(&cut).to_owned())
    }

    /// The name as text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// The form by which names are told apart, since not every file system minds case.
    fn key(&self) -> String {
        self.0.to_lowercase()
    }
}

impl fmt::Display for AttachmentName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl fmt::Debug for AttachmentName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:?}", self.0)
    }
}

/// Gives the attachments of one message names of their own: `a.txt`, `a-2.txt`, ... Each costs the logarithm of how many
/// there are.
#[derive(Clone, Debug, Default)]
pub struct UniqueNames {
    taken: BTreeSet<String>,
    /// The last number given for a stem and extension, so that no search begins anew.
    numbers: BTreeMap<String, u32>,
}

impl UniqueNames {
    /// A set without names.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Makes `outside` safe and different, by more than case, from all before it.
    #[must_use]
    pub fn add(&mut self, outside: &str) -> AttachmentName {
        let name = AttachmentName::from_untrusted(outside);
        if self.taken.insert(name.key()) {
            return name;
        }
        let (stem, extension) = split_extension(name.as_str());
        // All numbered names of a stem are cut to the same length, whatever the number, and so count together.
        let stem = prefix_bytes(stem, LONGEST - extension.len() - NUMBER_ROOM);
        let last = self.numbers.entry(format!("{stem}{extension}").to_lowercase()).or_insert(1);
        loop {
            *last = last.saturating_add(1);
            let numbered = AttachmentName(join(stem, &format!("-{last}"), extension));
            if self.taken.insert(numbered.key()) {
                return numbered;
            }
        }
    }
}

/// Bytes kept free for `-` and a number.
const NUMBER_ROOM: usize = 11;

/// The longest extension that is kept when a name is cut, in bytes with its dot.
const LONGEST_EXTENSION: usize = 20;

/// `a.tar` and `.gz` of `a.tar.gz`; the extension is empty where there is none or it is too long to be one.
fn split_extension(name: &str) -> (&str, &str) {
    name.rfind('.')
        .filter(|at| *at > 0 && name.len() - at <= LONGEST_EXTENSION)
        .and_then(|at| name.split_at_checked(at))
        .unwrap_or((name, ""))
}

/// A name of at most 200 bytes, of which the stem gives what is too many.
fn join(stem: &str, number: &str, extension: &str) -> String {
    let room = LONGEST.saturating_sub(number.len() + extension.len());
    format!("{}{number}{extension}", prefix_bytes(stem, room))
}

/// The longest beginning of at most `limit` bytes that ends between characters.
fn prefix_bytes(text: &str, limit: usize) -> &str {
    text.get(..text.floor_char_boundary(limit)).unwrap_or(text)
}

/// The name without what vanishes at its end: white space and dots on Windows, white space in a header.
fn trim_end(name: &str) -> &str {
    name.trim_end_matches(|c| c == '.' || text::is_space(c))
}

/// What Windows refuses, what would break the header, and what would make a name look like another.
fn is_unsafe(c: char) -> bool {
    c.is_control()
        || matches!(c, ':' | ',' | ';' | '"' | '\'' | '`' | '<' | '>' | '|' | '*' | '?')
        || matches!(c, '\u{2028}' | '\u{2029}' | '\u{fffd}')
        || !c.is_ascii() && matches!(c.general_category_group(), GeneralCategoryGroup::Other)
}

/// Whether Windows takes this name for a device, whatever its extension.
fn is_device(name: &str) -> bool {
    let stem = name.split('.').next().unwrap_or_default();
    let stem = text::strip_end(stem).to_ascii_lowercase();
    match stem.as_str() {
        "con" | "prn" | "aux" | "nul" | "conin$" | "conout$" | "clock$" => true,
        _ => stem
            .strip_prefix("com")
            .or_else(|| stem.strip_prefix("lpt"))
            .is_some_and(|port| matches!(port, "\u{b9}" | "\u{b2}" | "\u{b3}") || is_one_digit(port)),
    }
}

fn is_one_digit(text: &str) -> bool {
    text.len() == 1 && text.bytes().all(|b| b.is_ascii_digit())
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::protocol::layout::RelPath;

    fn safe(outside: &str) -> String {
        AttachmentName::from_untrusted(outside).0
    }

    #[test]
    fn words_are_pythons() {
        // Marks and enclosed letters are alphabetic to Rust, but no word characters to Python; all kinds of numbers are.
        assert_eq!(sanitize("e\u{301} \u{24d0} \u{93e}"), "e_____");
        assert_eq!(sanitize("½ Ⅷ ٣ ² ⁵ ªß ǅ ʰ 一"), "½_Ⅷ_٣_²_⁵_ªß_ǅ_ʰ_一");
    }

    #[test]
    fn long_names_stay_apart() {
        let (a, b) = (sanitize(&format!("{}a", "日".repeat(99))), sanitize(&format!("{}b", "日".repeat(99))));
        assert!(a.len() <= LONGEST && b.len() <= LONGEST && a != b, "{a} {b}");
        assert_eq!(sanitize(&"x".repeat(200)), "x".repeat(200));
    }

    #[test]
    fn hostile_attachment_names_become_file_names() {
        for (outside, inside) in [
            ("report.pdf", "report.pdf"),
            ("日本 naïve.txt", "日本 naïve.txt"),
            ("../../etc/passwd", "passwd"),
            ("C:\\Windows\\system.ini", "system.ini"),
            ("a/", "a"),
            ("..", NAMELESS),
            ("", NAMELESS),
            (" . ", NAMELESS),
            ("/", NAMELESS),
            (".bashrc", "_bashrc"),
            ("a, b;c:d\"e'f", "a_ b_c_d_e_f"),
            ("x\r\nBcc: y", "x__Bcc_ y"),
            ("photo\u{202e}gpj.exe", "photo_gpj.exe"),
            ("con", "_con"),
            ("NUL.tar.gz", "_NUL.tar.gz"),
            ("com1 .txt", "_com1 .txt"),
            ("COM\u{b9}", "_COM\u{b9}"),
            ("command.txt", "command.txt"),
            ("a.txt. . ", "a.txt"),
        ] {
            assert_eq!(safe(outside), inside, "{outside:?}");
        }
    }

    #[test]
    fn cutting_keeps_the_extension() {
        let name = safe(&format!("{}.tar.gz", "ü".repeat(300)));
        assert!(name.ends_with("ü.gz") && name.len() <= LONGEST, "{name}");
        assert_eq!(safe(&format!("a.{}", "x".repeat(300))).len(), LONGEST);
        let spaced = format!("{} . {}", "x".repeat(LONGEST - 3), "y".repeat(30));
        assert_eq!(safe(&spaced), "x".repeat(LONGEST - 3));
    }

    #[test]
    fn repeated_names_are_numbered() {
        let mut names = UniqueNames::new();
        let given: Vec<String> =
            ["a.txt", "A.TXT", "x/a.txt", "a-3.txt", "a", "a", "a-3.txt"].map(|name| names.add(name).0).into();
        assert_eq!(given, ["a.txt", "A-2.TXT", "a-3.txt", "a-3-2.txt", "a", "a-2", "a-3-3.txt"]);
    }

    #[test]
    fn thousands_of_like_names_are_quick() {
        let mut names = UniqueNames::new();
        let long = "x".repeat(199);
        for number in 0..5000 {
            let _ = names.add(&format!("{long}{}", number % 10));
            let _ = names.add("same.txt");
            let _ = names.add(&format!("same-{number}.txt"));
        }
        assert_eq!(names.taken.len(), 15_000);
    }

    proptest! {
        #[test]
        fn every_name_is_one_part_of_a_path(outside in "(\\PC|[./\\\\:, \n\u{85}\u{202e}]|con|nul|ü){0,120}") {
            let root = RelPath::default();
            let note = sanitize(&outside) + ".txt";
            prop_assert!(root.join(&note).is_ok());
            let name = AttachmentName::from_untrusted(&outside);
            prop_assert!(root.join(name.as_str()).is_ok());
            prop_assert!(name.as_str().len() <= LONGEST && !name.as_str().starts_with('.'));
            prop_assert!(!name.as_str().contains([',', '"', ';']) && text::strip(name.as_str()) == name.as_str());
            prop_assert_eq!(&AttachmentName::from_untrusted(name.as_str()), &name);
        }

        #[test]
        fn unique_names_are_unique(outside in prop::collection::vec("[aA]{0,2}(-[23])?(\\.t)?", 0..40)) {
            let mut names = UniqueNames::new();
            let given: BTreeSet<String> = outside.iter().map(|name| names.add(name).key()).collect();
            prop_assert_eq!(given.len(), outside.len());
        }
    }
}
