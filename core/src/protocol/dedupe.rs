//! Which messages have been received already: `.seen_ids`, one id per line, the newest last (PROTOCOL sections 3 and 9).

use std::collections::{BTreeSet, VecDeque};
use std::sync::Arc;

use sha2::{Digest, Sha256};

use super::id::{Fingerprint, MessageId};
use super::text;

/// How many ids a mailbox remembers.
pub const CAPACITY: usize = 10_000;

/// The longest line that is read, in bytes.
const LONGEST_LINE: usize = 512;

/// What a message is known by when it comes again: one line of `.seen_ids`.
///
/// The three kinds never meet: no transport's id is taken as it is that looks like a key of the others.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub struct MessageKey(String);

const SIGNED: &str = "sig:";
const UNSIGNED: &str = "from:";
const HASHED: &str = "id:";

impl MessageKey {
    /// A message whose signature proves its id: the same over every transport, and nobody else can use it up.
    #[must_use]
    pub fn signed(key: &Fingerprint, id: &MessageId) -> Self {
        Self(format!("{SIGNED}{key}:{id}"))
    }

    /// A message that proves nothing. The sender counts, trimmed and lower-cased, so that one sender cannot use up the
    /// ids of another; it is hashed, for it may be any text.
    #[must_use]
    pub fn unsigned(sender: &str, id: &MessageId) -> Self {
        Self(format!("{UNSIGNED}{}:{id}", short_hash(&text::strip(sender).to_lowercase())))
    }

    /// The id that a transport itself gave (`1741703432123_alice_9f0c2b1a`), on a line of its own as the reference writes
    /// it, which then does not fetch the message again. Only for ids that the sender cannot choose. One that would not
    /// stay one line, or that looks like another kind of key, is hashed.
    #[must_use]
    pub fn transport(id: &str) -> Self {
        let id = text::strip(id);
        let plain = !id.is_empty()
            && id.len() <= LONGEST_LINE
            && !id.chars().any(|c| c.is_control() || text::is_space(c))
            && ![SIGNED, UNSIGNED, HASHED].iter().any(|kind| id.starts_with(kind));
        Self(if plain { id.to_owned() } else { format!("{HASHED}{}", short_hash(id)) })
    }

    /// The key as a line, without its end.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

/// 128 bits of SHA-256 in hex: enough that nobody finds two texts with the same.
fn short_hash(text: &str) -> String {
    let mut hex = text::hex(&Sha256::digest(text.as_bytes()));
    hex.truncate(32);
    hex
}

/// The ids seen, the newest `capacity` of them. Every operation costs at most the logarithm of their number.
#[derive(Clone, Debug)]
pub struct SeenIds {
    capacity: usize,
    oldest_first: VecDeque<Arc<str>>,
    all: BTreeSet<Arc<str>>,
    file: FileState,
}

/// What is known of the file, to tell whether appending will do.
#[derive(Clone, Debug, Default)]
struct FileState {
    /// Lines that it has.
    lines: usize,
    /// The reference ends its file without a line end.
    ends_within_a_line: bool,
    /// Keys since inserted, oldest first.
    unsaved: Vec<Arc<str>>,
}

/// How to bring the file up to date.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Save {
    /// Nothing has changed.
    Nothing,
    /// Append this text.
    Append(String),
    /// The file has grown beyond twice the capacity: write it anew with this text.
    Rewrite(String),
}

impl SeenIds {
    /// No ids; keeps the newest `capacity` (at least one).
    #[must_use]
    pub fn new(capacity: usize) -> Self {
        Self {
            capacity: capacity.max(1),
            oldest_first: VecDeque::new(),
            all: BTreeSet::new(),
            file: FileState::default(),
        }
    }

    /// Reads the file's content. Never fails: a line is an id whatever it holds; empty lines and those longer than
    /// 512 bytes are skipped, and of repeated ones the last counts.
    #[must_use]
    pub fn parse(bytes: &[u8], capacity: usize) -> Self {
        let mut seen = Self::new(capacity);
        let content = text::decode(bytes);
        let newest_first = content.rsplit('\n').map(text::strip);
        for line in newest_first.filter(|line| !line.is_empty() && line.len() <= LONGEST_LINE) {
            if seen.len() == seen.capacity {
                break;
            }
            if !seen.all.contains(line) {
                let line: Arc<str> = line.into();
                seen.all.insert(Arc::clone(&line));
                seen.oldest_first.push_front(line);
            }
        }
        seen.file.lines = memchr::memchr_iter(b'\n', content.as_bytes()).count();
        seen.file.ends_within_a_line = !content.is_empty() && !content.ends_with('\n');
        seen
    }

    /// Whether the message was seen.
    #[must_use]
    pub fn contains(&self, key: &MessageKey) -> bool {
        self.all.contains(key.as_str())
    }

    /// Remembers a message, forgetting the oldest when there are too many. False if it was there already; its age does
    /// not change then.
    pub fn insert(&mut self, key: &MessageKey) -> bool {
        let added = self.remember(key.as_str());
        self.file.unsaved.extend(added.clone());
        added.is_some()
    }

    /// How many ids there are.
    #[must_use]
    pub fn len(&self) -> usize {
        self.oldest_first.len()
    }

    /// Whether there are none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.oldest_first.is_empty()
    }

    /// The whole file, the newest last.
    #[must_use]
    pub fn to_text(&self) -> String {
        lines(&self.oldest_first)
    }

    /// What has to be written since the file was read or [`SeenIds::mark_saved`] was called.
    #[must_use]
    pub fn unsaved(&self) -> Save {
        if self.file.unsaved.is_empty() {
            Save::Nothing
        } else if self.file.lines + self.file.unsaved.len() > 2 * self.capacity {
            Save::Rewrite(self.to_text())
        } else {
            let start = if self.file.ends_within_a_line { "\n" } else { "" };
            Save::Append(format!("{start}{}", lines(&self.file.unsaved)))
        }
    }

    /// To be called once what [`SeenIds::unsaved`] asked for is durable.
    pub fn mark_saved(&mut self) {
        self.file = match self.unsaved() {
            Save::Nothing => return,
            Save::Append(_) => FileState { lines: self.file.lines + self.file.unsaved.len(), ..FileState::default() },
            Save::Rewrite(_) => FileState { lines: self.len(), ..FileState::default() },
        };
    }

    /// The line as it is now kept, unless it was there before.
    fn remember(&mut self, line: &str) -> Option<Arc<str>> {
        if self.all.contains(line) {
            return None;
        }
        let line: Arc<str> = line.into();
        self.all.insert(Arc::clone(&line));
        self.oldest_first.push_back(Arc::clone(&line));
        if self.oldest_first.len() > self.capacity
            && let Some(oldest) = self.oldest_first.pop_front()
        {
            self.all.remove(&oldest);
        }
        Some(line)
    }
}

impl Default for SeenIds {
    fn default() -> Self {
        Self::new(CAPACITY)
    }
}

fn lines<'a>(keys: impl IntoIterator<Item = &'a Arc<str>>) -> String {
    keys.into_iter().flat_map(|key| [&**key, "\n"]).collect()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn id(text: &str) -> MessageId {
        MessageId::parse(text).unwrap()
    }

    #[test]
    fn keys_of_different_kinds_never_meet() {
        let fingerprint = Fingerprint::parse("3430f3e127705937").unwrap();
        let signed = MessageKey::signed(&fingerprint, &id("abc"));
        assert_eq!(signed.as_str(), "sig:3430f3e127705937:abc");
        let unsigned = MessageKey::unsigned("Bob@x", &id("abc"));
        assert_eq!(unsigned, MessageKey::unsigned(" bob@X\n", &id("abc")));
        assert_ne!(unsigned, MessageKey::unsigned("eve@x", &id("abc")));
        for known in [signed, unsigned, MessageKey::transport("id:abc")] {
            assert_ne!(MessageKey::transport(known.as_str()), known);
        }
    }

    #[test]
    fn ids_of_a_transport_stay_as_the_reference_writes_them() {
        for plain in ["1741703432123_alice_9f0c2b1a", "<x@y>", "42"] {
            assert_eq!(MessageKey::transport(plain).as_str(), plain);
        }
        for odd in ["", "a\nb", "a b", "\u{1b}[2J", &"x".repeat(513)] {
            let line = MessageKey::transport(odd);
            assert!(line.as_str().starts_with("id:") && line.as_str().len() == 35, "{line:?}");
        }
    }

    #[test]
    fn the_references_file_is_read_and_continued() {
        let mut seen = SeenIds::parse("1741703432123_alice_9f0c2b1a\r\n\n  b \nb".as_bytes(), CAPACITY);
        assert_eq!(seen.len(), 2);
        assert!(seen.contains(&MessageKey::transport("1741703432123_alice_9f0c2b1a")));
        assert!(!seen.insert(&MessageKey::transport("b")));
        assert_eq!(seen.unsaved(), Save::Nothing);
        assert!(seen.insert(&MessageKey::transport("c")));
        assert_eq!(seen.unsaved(), Save::Append("\nc\n".to_owned()));
        seen.mark_saved();
        assert!(seen.insert(&MessageKey::transport("d")));
        assert_eq!(seen.unsaved(), Save::Append("d\n".to_owned()));
    }

    #[test]
    fn the_newest_are_kept_and_the_file_is_compacted() {
        let mut seen = SeenIds::new(3);
        let mut file = String::new();
        let mut rewrites = 0;
        for number in 0..20 {
            seen.insert(&MessageKey::transport(&number.to_string()));
            match seen.unsaved() {
                Save::Nothing => panic!("an insertion was lost"),
                Save::Append(text) => file.push_str(&text),
                Save::Rewrite(text) => {
                    file = text;
                    rewrites += 1;
                }
            }
            seen.mark_saved();
            assert!(file.lines().count() <= 6);
            assert_eq!(SeenIds::parse(file.as_bytes(), 3).to_text(), seen.to_text());
        }
        assert_eq!(seen.to_text(), "17\n18\n19\n");
        assert_eq!(rewrites, 4);
    }

    proptest! {
        #[test]
        fn behaves_as_a_list(steps in prop::collection::vec("[a-e]{1,2}", 0..60), capacity in 1..8_usize) {
            let mut seen = SeenIds::new(capacity);
            let mut model: Vec<String> = Vec::new();
            for step in steps {
                let key = MessageKey::transport(&step);
                prop_assert_eq!(seen.contains(&key), model.contains(&step));
                let new = !model.contains(&step);
                prop_assert_eq!(seen.insert(&key), new);
                if new {
                    model.push(step);
                    if model.len() > capacity {
                        model.remove(0);
                    }
                }
                prop_assert_eq!(seen.len(), model.len());
            }
            let expected: String = model.iter().flat_map(|line| [line, "\n"]).collect();
            prop_assert_eq!(seen.to_text(), expected);
            prop_assert_eq!(SeenIds::parse(seen.to_text().as_bytes(), capacity).to_text(), seen.to_text());
        }

        #[test]
        fn any_bytes_are_read(bytes in prop::collection::vec(any::<u8>(), 0..200)) {
            let seen = SeenIds::parse(&bytes, 10);
            prop_assert_eq!(SeenIds::parse(seen.to_text().as_bytes(), 10).to_text(), seen.to_text());
        }

        #[test]
        fn any_transport_id_is_one_line(id in "\\PC{0,20}|[\\x00-\\x20\u{85}\u{2028}a]{0,5}") {
            let key = MessageKey::transport(&id);
            let seen = SeenIds::parse(format!("{}\n", key.as_str()).as_bytes(), 10);
            prop_assert!(seen.contains(&key) && seen.len() == 1);
        }
    }
}
