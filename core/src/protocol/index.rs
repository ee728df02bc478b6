//! The text indexes of a mailbox: one for each day (`<day>/index.txt`), and one of all memories (`remember_index.txt`),
//! word for word as the reference writes them. Neither ends in a line end unless its last section is a list of messages,
//! notes or memories.
//!
//! The inputs borrow from the files they were read from, so that an index over thousands of messages costs one text.

use serde_json::Value;

use super::text;
use super::time::{Day, Now};

/// How much of a memory's file its preview needs, in bytes.
pub const MEMORY_HEAD_BYTES: u64 = 4096;

/// Characters of a memory's first line in the index of its day.
const DAY_PREVIEW: usize = 100;

/// Characters of a memory's first line in the index of all memories.
const ALL_PREVIEW: usize = 120;

/// Characters of a script's description.
const DESCRIPTION: usize = 60;

/// What stands where a message has no such header.
const ABSENT: &str = "?";

/// What stands where a date shows no time of day.
const NO_TIME: &str = "??:??";

/// What the index of a day shows of a message.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct MessageRow<'a> {
    file: &'a str,
    from: &'a str,
    to: &'a str,
    subject: &'a str,
    status: &'a str,
    time: &'a str,
    has_attachments: bool,
}

impl<'a> MessageRow<'a> {
    /// The row of the message in `file` (`<id>.txt`), from its headers as PROTOCOL section 1 reads them: trimmed, and of a
    /// repeated one the last counts. Names are told apart by case. `None` when there is no header at all: such a file is
    /// no message.
    pub fn from_headers(file: &'a str, headers: impl IntoIterator<Item = (&'a str, &'a str)>) -> Option<Self> {
        let mut row = Self {
            file,
            from: ABSENT,
            to: ABSENT,
            subject: ABSENT,
            status: ABSENT,
            time: NO_TIME,
            has_attachments: false,
        };
        let mut is_message = false;
        for (name, value) in headers {
            is_message = true;
            match name {
                "From" => row.from = value,
                "To" => row.to = value,
                "Subject" => row.subject = value,
                "Status" => row.status = value,
                "Date" => row.time = time_of(value),
                "Attachments" => row.has_attachments = true,
                _ => {}
            }
        }
        is_message.then_some(row)
    }
}

/// The time of day in a `Date`: what follows its last white space, if there is a space. So an ISO date shows none, and one
/// of RFC 5322 its zone.
fn time_of(date: &str) -> &str {
    if !date.contains(' ') {
        return NO_TIME;
    }
    date.rsplit(text::is_space).find(|part| !part.is_empty()).unwrap_or(NO_TIME)
}

/// A note.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct NoteRow<'a> {
    /// Its file (`<name>.txt`).
    pub file: &'a str,
    /// The file's size in bytes.
    pub size: u64,
}

/// A memory in the index of its day.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct MemoryRow<'a> {
    /// Its file (`<title>.txt`).
    pub file: &'a str,
    /// Its text, or as much of it as [`MEMORY_HEAD_BYTES`] hold.
    pub text: &'a str,
}

/// A skill or tool.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ScriptRow<'a> {
    /// Its file (`<name>.py`).
    pub file: &'a str,
    /// What [`script_description`] found.
    pub description: &'a str,
}

/// The first line of a memory that is not blank, trimmed; empty when there is none.
#[must_use]
pub fn memory_preview(text: &str) -> &str {
    text.split('\n').map(text::strip).find(|line| !line.is_empty()).unwrap_or_default()
}

/// The `description` in a script's `<name>.meta.json`; empty when there is none that can be read.
#[must_use]
pub fn script_description(meta: &[u8]) -> String {
    match serde_json::from_slice::<Value>(meta) {
        Ok(Value::Object(mut fields)) => match fields.swap_remove("description") {
            Some(Value::String(description)) => description,
            _ => String::new(),
        },
        _ => String::new(),
    }
}

/// What the index of a day is made of. Rows may come in any order: they are listed by file name. Only files that end in
/// `.txt` (scripts: `.py`) are listed. Held and failed messages are not.
#[derive(Clone, Debug)]
pub struct DayIndex<'a> {
    /// The agent's address.
    pub agent: &'a str,
    /// The day.
    pub day: Day,
    /// Messages received.
    pub inbox: Vec<MessageRow<'a>>,
    /// Messages delivered.
    pub sent: Vec<MessageRow<'a>>,
    /// Messages that wait.
    pub outbox: Vec<MessageRow<'a>>,
    /// Notes of the day.
    pub notes: Vec<NoteRow<'a>>,
    /// Memories of the day.
    pub memories: Vec<MemoryRow<'a>>,
    /// Whether the day has an identity file.
    pub has_identity: bool,
    /// Whether the day has a task list.
    pub has_tasks: bool,
    /// The agent's own skills, of no day.
    pub skills: Vec<ScriptRow<'a>>,
    /// The agent's own tools, of no day.
    pub tools: Vec<ScriptRow<'a>>,
}

impl<'a> DayIndex<'a> {
    /// A day on which nothing has happened yet.
    #[must_use]
    pub const fn new(agent: &'a str, day: Day) -> Self {
        Self {
            agent,
            day,
            inbox: Vec::new(),
            sent: Vec::new(),
            outbox: Vec::new(),
            notes: Vec::new(),
            memories: Vec::new(),
            has_identity: false,
            has_tasks: false,
            skills: Vec::new(),
            tools: Vec::new(),
        }
    }

    /// The text of the index.
    #[must_use]
    pub fn render(&self, now: Now) -> String {
        let mut out = Text::default();
        out.line(["# AgentAZAll Index: ", self.agent]);
        out.line(["# Date: ", &self.day.to_string()]);
        out.line(["# Updated: ", &now.local_text()]);
        out.line([""]);
        self.render_messages(&mut out);
        out.section("NOTES", &listed(&self.notes, |note| note.file, ".txt"), |out, (name, note)| {
            out.line(["  ", name, " (", &note.size.to_string(), "B) | notes/", note.file]);
        });
        out.section("REMEMBER", &listed(&self.memories, |memory| memory.file, ".txt"), |out, (name, memory)| {
            let preview = text::prefix(memory_preview(memory.text), DAY_PREVIEW);
            out.line(["  ", name, ": ", preview, " | remember/", memory.file]);
        });
        if self.has_identity {
            out.line(["IDENTITY: who_am_i/identity.txt"]);
        }
        if self.has_tasks {
            out.line(["TASKS: what_am_i_doing/tasks.txt"]);
        }
        out.scripts("SKILLS", &self.skills);
        out.scripts("TOOLS", &self.tools);
        out.finish()
    }

    fn render_messages(&self, out: &mut Text) {
        let file = |row: &MessageRow<'a>| row.file;
        out.section_or_empty("INBOX", &listed(&self.inbox, file, ".txt"), |out, (_, row)| {
            let status = row.status.to_uppercase();
            let attached = if row.has_attachments { " [ATT]" } else { "" };
            let (from, subject) = (row.from, row.subject);
            out.line([
                "  [",
                &status,
                "]",
                attached,
                " ",
                row.time,
                " | From: ",
                from,
                " | Subject: ",
                subject,
                " | inbox/",
                row.file,
            ]);
        });
        out.section_or_empty("SENT", &listed(&self.sent, file, ".txt"), |out, (_, row)| {
            out.line(["  ", row.time, " | To: ", row.to, " | Subject: ", row.subject, " | sent/", row.file]);
        });
        out.section("OUTBOX", &listed(&self.outbox, file, ".txt"), |out, (_, row)| {
            out.line(["  [PENDING] To: ", row.to, " | Subject: ", row.subject, " | outbox/", row.file]);
        });
    }
}

/// A memory in the index of all.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Memory<'a> {
    /// The day it was stored.
    pub day: Day,
    /// Its file and text.
    pub row: MemoryRow<'a>,
}

/// The text of the index of all memories: the newest day first, within a day the last name first.
#[must_use]
pub fn render_memories(agent: &str, memories: &[Memory<'_>], now: Now) -> String {
    let mut newest_first = listed(memories, |memory| memory.row.file, ".txt");
    newest_first.sort_by_key(|(_, memory)| std::cmp::Reverse((memory.day, memory.row.file)));
    let mut out = Text::default();
    out.line(["# Agent Memory Index: ", agent]);
    out.line(["# Updated: ", &now.local_text()]);
    out.line(["# Total memories: ", &newest_first.len().to_string()]);
    out.line([""]);
    if newest_first.is_empty() {
        out.line(["(no memories stored yet)"]);
    }
    for (title, memory) in newest_first {
        let day = memory.day.to_string();
        let preview = text::prefix(memory_preview(memory.row.text), ALL_PREVIEW);
        out.line(["- [", &day, "] ", title, ": ", preview, "  | ", &day, "/remember/", memory.row.file]);
    }
    out.finish()
}

/// The rows whose file has this ending, each with its name without it, by file name.
fn listed<'r, 'a, T>(rows: &'r [T], file: impl Fn(&'r T) -> &'a str, ending: &str) -> Vec<(&'a str, &'r T)> {
    let mut rows: Vec<(&str, &T)> = rows
        .iter()
        .filter_map(|row| Some((file(row).strip_suffix(ending).filter(|name| !name.is_empty())?, row)))
        .collect();
    rows.sort_by_key(|(_, row)| file(row));
    rows
}

/// The lines of an index.
#[derive(Default)]
struct Text(String);

impl Text {
    fn line<const N: usize>(&mut self, parts: [&str; N]) {
        self.0.extend(parts);
        self.0.push('\n');
    }

    fn heading(&mut self, title: &str, count: usize) {
        self.line([title, " (", &count.to_string(), "):"]);
    }

    /// A section that is left out when it has no rows.
    fn section<R: Copy>(&mut self, title: &str, rows: &[R], write: impl Fn(&mut Self, R)) {
        if !rows.is_empty() {
            self.section_or_empty(title, rows, write);
        }
    }

    /// A section that is always there, and an empty line behind it.
    fn section_or_empty<R: Copy>(&mut self, title: &str, rows: &[R], write: impl Fn(&mut Self, R)) {
        self.heading(title, rows.len());
        if rows.is_empty() {
            self.line(["  (empty)"]);
        }
        for row in rows {
            write(self, *row);
        }
        self.line([""]);
    }

    /// The section of scripts of a kind, with an empty line before it; left out when there are none.
    fn scripts(&mut self, title: &str, rows: &[ScriptRow<'_>]) {
        let rows = listed(rows, |row| row.file, ".py");
        if rows.is_empty() {
            return;
        }
        self.line([""]);
        self.heading(title, rows.len());
        for (name, row) in rows {
            let dash = if row.description.is_empty() { "" } else { "- " };
            self.line(["  ", name, " ", dash, text::prefix(row.description, DESCRIPTION)]);
        }
    }

    /// The lines, joined: without the end of the last one.
    fn finish(mut self) -> String {
        self.0.pop();
        self.0
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const NOW: Now = Now::utc(1_773_241_200_000); // 2026-03-11T15:00:00Z

    fn day(text: &str) -> Day {
        Day::parse(text).unwrap()
    }

    fn row<'a>(file: &'a str, headers: &[(&'a str, &'a str)]) -> MessageRow<'a> {
        MessageRow::from_headers(file, headers.iter().copied()).unwrap()
    }

    /// Every expectation in these tests was seen in the reference's output.
    #[test]
    fn times_are_what_follows_the_last_space() {
        for (date, time) in [
            ("2026-03-08 10:03:00", "10:03:00"),
            ("2026-03-08  10:03:00", "10:03:00"),
            ("2026-03-08\t10:03:00", NO_TIME),
            ("2026-03-11T14:30:00Z", NO_TIME),
            ("Wed, 11 Mar 2026 14:30:00 +0000", "+0000"),
            ("x y\tz", "z"),
            ("x\u{2003}y z", "z"),
            ("a b\u{2003}c", "c"),
            ("", NO_TIME),
        ] {
            assert_eq!(time_of(date), time, "{date:?}");
        }
    }

    #[test]
    fn rows_show_what_is_missing_and_odd() {
        let mut index = DayIndex::new("a@x", day("2026-03-08"));
        assert_eq!(MessageRow::from_headers("x.txt", []), None);
        index.inbox = vec![
            row("k_b.txt", &[("Status", "ß ŉ")]),
            row("k.txt", &[("From", "f"), ("Status", ""), ("Attachments", "")]),
            row("k-b.txt", &[("from", "f"), ("Status", "foo"), ("Status", "read")]),
            row("u.delivery.json", &[("From", "f")]),
        ];
        index.sent = vec![row("a.txt", &[("Subject", ""), ("Attachments", "x")])];
        index.outbox = vec![row("a.txt", &[("To", "a, b@x"), ("Cc", "c@x")])];
        let expected = "# AgentAZAll Index: a@x\n# Date: 2026-03-08\n# Updated: 2026-03-11 15:00:00\n\nINBOX (3):\n  \
            [READ] ??:?? | From: ? | Subject: ? | inbox/k-b.txt\n  [] [ATT] ??:?? | From: f | Subject: ? | inbox/k.txt\n  \
            [SS ʼN] ??:?? | From: ? | Subject: ? | inbox/k_b.txt\n\nSENT (1):\n  ??:?? | To: ? | Subject:  | sent/a.txt\n\n\
            OUTBOX (1):\n  [PENDING] To: a, b@x | Subject: ? | outbox/a.txt\n";
        assert_eq!(index.render(NOW), expected);
    }

    #[test]
    fn scripts_follow_after_an_empty_line() {
        let mut index = DayIndex::new("a@x", day("2026-03-08"));
        let long = "é".repeat(61);
        index.skills = vec![
            ScriptRow { file: "k.py", description: &long },
            ScriptRow { file: "k-b.py", description: "" },
            ScriptRow { file: "orphan.meta.json", description: "o" },
        ];
        index.tools = vec![ScriptRow { file: "t1.py", description: "tool one" }];
        let tail =
            format!("  (empty)\n\n\nSKILLS (2):\n  k-b \n  k - {}\n\nTOOLS (1):\n  t1 - tool one", "é".repeat(60));
        assert!(index.render(NOW).ends_with(&tail), "{}", index.render(NOW));
    }

    #[test]
    fn descriptions_are_read_with_care() {
        assert_eq!(script_description(br#"{"description": "a", "description": "b"}"#), "b");
        for bad in
            ["", "{bad", "[]", "5", r#"{"description": 5}"#, r#"{"description": null}"#, r#"{"description": "\ud800"}"#]
        {
            assert_eq!(script_description(bad.as_bytes()), "", "{bad}");
        }
        assert_eq!(script_description(&b"[".repeat(1_000_000)), "");
    }

    #[test]
    fn previews_are_the_first_line_with_text() {
        for (text, preview) in [
            ("", ""),
            ("  \n\n", ""),
            ("\n  lead\n", "lead"),
            ("\u{1c}\u{1d} \n a\u{b}\u{1c}\n foo", "a"),
            ("\u{2028}x\u{2028}y\u{b}z\u{85}e", "x\u{2028}y\u{b}z\u{85}e"),
            ("\u{200b}\nx", "\u{200b}"),
        ] {
            assert_eq!(memory_preview(text), preview, "{text:?}");
        }
    }

    #[test]
    fn memories_are_listed_newest_first() {
        let memory = |on: &str, file, text| Memory { day: day(on), row: MemoryRow { file, text } };
        let long = format!("{}  z", "y".repeat(118));
        let all = [
            memory("2026-03-08", "b.txt", "old"),
            memory("2026-03-09", "a.txt", ""),
            memory("2026-03-09", "a-b.txt", &long),
        ];
        let lines = format!(
            "- [2026-03-09] a:   | 2026-03-09/remember/a.txt\n- [2026-03-09] a-b: {}    | 2026-03-09/remember/a-b.txt\n\
             - [2026-03-08] b: old  | 2026-03-08/remember/b.txt",
            "y".repeat(118)
        );
        let head = "# Agent Memory Index: a@x\n# Updated: 2026-03-11 15:00:00\n# Total memories: 3\n\n";
        assert_eq!(render_memories("a@x", &all, NOW), format!("{head}{lines}"));
        // The index of the day cuts earlier, and keeps the space that it cuts behind.
        let mut index = DayIndex::new("a@x", day("2026-03-08"));
        let spaced = format!("{}  zz", "y".repeat(98));
        index.memories = vec![MemoryRow { file: "r.txt", text: &spaced }];
        assert!(index.render(NOW).ends_with(&format!("  r: {}   | remember/r.txt\n", "y".repeat(98))));
    }

    proptest! {
        #[test]
        fn any_file_has_a_row(text: String, meta: Vec<u8>, on in 1..28_u8) {
            let _ = script_description(&meta);
            prop_assert!(!memory_preview(&text).contains('\n'));
            let memory = Memory { day: day(&format!("2026-03-{on:02}")), row: MemoryRow { file: "a.txt", text: &text } };
            prop_assert_eq!(render_memories("a@x", &[memory], NOW).split('\n').count(), 5);
            let mut index = DayIndex::new("a@x", memory.day);
            index.inbox.extend(MessageRow::from_headers("1.txt", [("Date", text.as_str())]));
            index.memories.push(memory.row);
            prop_assert!(index.render(NOW).len() <= text.len() * 2 + 400);
        }
    }
}
