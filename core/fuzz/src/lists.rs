//! Text files of lines: seen ids and indexes.

use azall_core::protocol::dedupe::{CAPACITY, MessageKey, Save, SeenIds};
use azall_core::protocol::id::{Fingerprint, MessageId};
use azall_core::protocol::index::{DayIndex, Memory, MemoryRow, MessageRow, NoteRow, memory_preview, render_memories};
use azall_core::protocol::memory_index;
use azall_core::protocol::message::Message;
use azall_core::protocol::time::{Day, Now};

use super::{choices, text};

const NOW: Now = Now::utc(1_773_241_200_000);

/// `protocol::dedupe`: the file as it is; and its lines as ids that come in one by one, saved after each.
pub fn seen_ids(data: &[u8]) {
    let ([capacity], data) = choices::<1>(data);
    let capacity = usize::from(capacity).max(1);
    for capacity in [capacity, CAPACITY] {
        let seen = SeenIds::parse(data, capacity);
        let again = SeenIds::parse(seen.to_text().as_bytes(), capacity);
        assert_eq!(again.to_text(), seen.to_text());
        assert_eq!((again.len(), seen.unsaved()), (seen.len(), Save::Nothing));
        assert!(seen.len() <= capacity && seen.to_text().len() <= data.len() * 3 + 1);
    }

    let fingerprint = Fingerprint::of_key(&[1; 32]);
    let (mut seen, mut file) = (SeenIds::parse(data, capacity), text(data).into_owned());
    for line in text(data).lines().take(2000) {
        let id = MessageId::from_untrusted(line);
        let keys =
            [MessageKey::signed(&fingerprint, &id), MessageKey::unsigned(line, &id), MessageKey::transport(line)];
        for key in &keys {
            let before = seen.contains(key);
            assert_eq!(seen.insert(key), !before);
            assert!(seen.contains(key) && seen.len() <= capacity);
        }
        match seen.unsaved() {
            Save::Nothing => {}
            Save::Append(lines) => file.push_str(&lines),
            Save::Rewrite(whole) => file = whole,
        }
        seen.mark_saved();
        assert_eq!(seen.unsaved(), Save::Nothing);
    }
    assert_eq!(SeenIds::parse(file.as_bytes(), capacity).to_text(), seen.to_text());
}

/// `protocol::{index, memory_index}`: an index of whatever memories is kept up to date as if it were made anew; a foreign
/// one is taken only if it is one; a day's index stays within bounds.
pub fn indexes(data: &[u8]) {
    let text = text(data);
    let day = Day::parse("2026-03-11").expect("a day");
    let memory = Memory { day, row: MemoryRow { file: "a.txt", text: &text } };
    assert!(!memory_preview(&text).contains('\n'));
    for is_listed in [false, true] {
        if let Some(index) = memory_index::put(&text, "me@x", &memory, is_listed, NOW) {
            let listed = memory_index::put(&index, "me@x", &memory, true, NOW);
            assert_eq!(listed.as_deref(), Some(&*index), "put again it is the same");
        }
    }
    let rows = text.lines().filter(|line| line.starts_with("- [")).count();
    for limit in [0, 1, rows] {
        let (short, left_out) = memory_index::cut(text.clone().into_owned(), limit);
        assert!(short.len() <= text.len() && left_out <= rows);
    }

    let fresh = render_memories("me@x", &[], NOW);
    let index = memory_index::put(&fresh, "me@x", &memory, false, NOW).expect("an index of no memories is one");
    assert_eq!(index, render_memories("me@x", &[memory], NOW));

    let message = Message::parse(data);
    let row = MessageRow::from_headers("1.txt", message.headers.iter());
    assert_eq!(row.is_some(), !message.headers.is_empty());
    let mut index = DayIndex::new("me@x", day);
    index.inbox.extend(row);
    index.sent.extend(row);
    index.outbox.extend(row);
    index.notes.push(NoteRow { file: "n.txt", size: data.len() as u64 });
    index.memories.push(memory.row);
    assert!(index.render(NOW).len() <= text.len() * 12 + 2000);
}
