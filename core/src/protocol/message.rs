//! The message file (PROTOCOL section 1): headers, an empty line, a line `---`, the body.

use std::borrow::Cow;
use std::fmt;

use super::text;

/// The line that ends the headers, once trimmed.
const SEPARATOR: &str = "---";

/// Headers that belong to this mailbox and are never signed; from outside they are dropped (PROTOCOL section 9).
pub const LOCAL_HEADERS: [&str; 2] = ["Via", "Verdict"];

/// The order in which headers are written (PROTOCOL section 1); others come after these.
const ORDER: [&str; 9] = ["From", "To", "Cc", "Subject", "Date", "Message-ID", "In-Reply-To", "Status", "Attachments"];

/// Up to this many headers a repeated name is found faster by looking at all of them than by sorting.
const FEW: usize = 16;

/// The headers of a message in the order of the file. A repeated header keeps its first place and its last value.
/// Names are compared as they are written. Neither names nor values hold a line break, so they can always be written.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Headers(Vec<(String, String)>);

impl Headers {
    /// The value of a header.
    #[must_use]
    pub fn value(&self, name: &str) -> Option<&str> {
        self.0.iter().find(|(key, _)| key == name).map(|(_, value)| value.as_str())
    }

    /// Gives a header a value: in its place if it is there, else at the end. Both sides are trimmed, and a line break
    /// in them becomes a space, so that no value can add a header. Takes time in the number of headers.
    pub fn set(&mut self, name: &str, value: &str) {
        let name = one_line(name).replace(':', " ");
        let (name, value) = (text::strip(&name), one_line(value).into_owned());
        match self.0.iter_mut().find(|(key, _)| key == name) {
            Some(entry) => entry.1 = value,
            None => self.0.push((name.to_owned(), value)),
        }
    }

    /// Takes a header out and returns its value.
    pub fn remove(&mut self, name: &str) -> Option<String> {
        let at = self.0.iter().position(|(key, _)| key == name)?;
        Some(self.0.remove(at).1)
    }

    /// Puts the headers into the order of a new message.
    pub fn arrange(&mut self) {
        self.0.sort_by_key(|(name, _)| ORDER.iter().position(|known| known == name).unwrap_or(ORDER.len()));
    }

    /// Drops the headers that only this mailbox may write ([`LOCAL_HEADERS`]).
    pub fn remove_local(&mut self) {
        self.0.retain(|(name, _)| !LOCAL_HEADERS.contains(&name.as_str()));
    }

    /// Names and values, in order.
    pub fn iter(&self) -> impl ExactSizeIterator<Item = (&str, &str)> {
        self.0.iter().map(|(name, value)| (name.as_str(), value.as_str()))
    }

    /// How many headers there are.
    #[must_use]
    pub fn len(&self) -> usize {
        self.0.len()
    }

    /// Whether there is none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}

/// The text trimmed, with line breaks as spaces.
fn one_line(value: &str) -> Cow<'_, str> {
    let value = text::strip(value);
    if value.contains(['\n', '\r']) { Cow::Owned(value.replace(['\n', '\r'], " ")) } else { Cow::Borrowed(value) }
}

impl<'a> FromIterator<(&'a str, &'a str)> for Headers {
    /// The headers of these lines, in time near their size, however many names there are and however often one of them is
    /// repeated.
    fn from_iter<I: IntoIterator<Item = (&'a str, &'a str)>>(lines: I) -> Self {
        let mut entries: Vec<(&str, &str)> = Vec::new();
        let mut lines = lines.into_iter();
        while entries.len() < FEW {
            let Some((name, value)) = lines.next() else { break };
            match entries.iter_mut().find(|(key, _)| *key == name) {
                Some(entry) => entry.1 = value,
                None => entries.push((name, value)),
            }
        }
        entries.extend(lines);
        if entries.len() > FEW {
            merge_repeats(&mut entries);
        }
        Self(entries.into_iter().map(|(name, value)| (name.to_owned(), value.to_owned())).collect())
    }
}

/// Leaves one entry for each name: in its first place, with its last value.
fn merge_repeats(entries: &mut Vec<(&str, &str)>) {
    // Sorting beats a map here, and the first bytes of a name as a number decide nearly every comparison.
    let mut order: Vec<(u64, usize)> = entries.iter().zip(0..).map(|((name, _), at)| (first_bytes(name), at)).collect();
    order.sort_unstable();
    let mut is_repeat = vec![false; entries.len()];
    for alike in order.chunk_by_mut(|a, b| a.0 == b.0) {
        let entry_name = |at: &(u64, usize)| entries.get(at.1).map(|(name, _)| *name);
        let first = alike.first().and_then(entry_name);
        if alike.iter().any(|at| entry_name(at) != first) {
            alike.sort_unstable_by_key(|at| (entry_name(at), at.1));
        }
        for pair in alike.windows(2) {
            if let [before, after] = pair
                && entry_name(before) == entry_name(after)
                && let Some(repeat) = is_repeat.get_mut(after.1)
            {
                *repeat = true;
            }
        }
        // From the last to the first, each repeat hands its value on to the one before it.
        let mut value = None;
        for at in alike.iter().rev() {
            let Some(entry) = entries.get_mut(at.1) else { continue };
            entry.1 = value.take().unwrap_or(entry.1);
            value = is_repeat.get(at.1).copied().unwrap_or_default().then_some(entry.1);
        }
    }
    let mut repeats = is_repeat.into_iter();
    entries.retain(|_| !repeats.next().unwrap_or_default());
}

/// The first eight bytes as a number.
fn first_bytes(name: &str) -> u64 {
    name.bytes().chain(std::iter::repeat(0)).take(8).fold(0, |number, byte| number << 8 | u64::from(byte))
}

/// A message as its file holds it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Message {
    /// What stands before the line `---`.
    pub headers: Headers,
    /// What stands after it, to the end of the file.
    pub body: String,
}

impl Message {
    /// Reads a file as the reference does. There is no file that it refuses: see [`Head::damage`] for what is no message.
    #[must_use]
    pub fn parse(bytes: &[u8]) -> Self {
        Self::from_lines(&text::decode(bytes))
    }

    /// Reads a message from text; CRLF and a lone CR count as LF.
    #[must_use]
    pub fn from_text(text: &str) -> Self {
        Self::from_lines(&text::normalize_newlines(text))
    }

    fn from_lines(text: &str) -> Self {
        let (mut rest, mut body) = (Some(text), None);
        let lines = std::iter::from_fn(|| {
            let text = rest?;
            let (line, after) = match text.split_once('\n') {
                Some((line, after)) => (line, Some(after)),
                None => (text, None),
            };
            rest = after;
            if is_separator(line) {
                (rest, body) = (None, after);
                return None;
            }
            Some(line)
        });
        let headers = lines
            .filter_map(|line| line.split_once(':'))
            .map(|(name, value)| (text::strip(name), text::strip(value)))
            .collect();
        Self { headers, body: body.unwrap_or_default().to_owned() }
    }

    /// A new message of a draft, with `Status: new`.
    ///
    /// # Errors
    /// [`MessageError`] when a header would be empty that must not be, or would break out of its line.
    pub fn compose(draft: &Draft<'_>) -> Result<Self, MessageError> {
        for (header, value) in [("From", draft.from), ("To", draft.to), ("Message-ID", draft.message_id)] {
            if text::strip(value).is_empty() {
                return Err(MessageError::Empty { header });
            }
        }
        let mut headers = Headers::default();
        for (header, value) in draft.headers() {
            if let Some(character) = text_unsafe_in_header(&value) {
                return Err(MessageError::Unsafe { header, character });
            }
            headers.set(header, &value);
        }
        Ok(Self { headers, body: text::normalize_newlines(draft.body).into_owned() })
    }

    /// The message as its file holds it. Reading it gives the same message again.
    #[must_use]
    pub fn to_text(&self) -> String {
        write_message(self.headers.iter(), &self.body)
    }
}

impl fmt::Display for Message {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.to_text())
    }
}

/// Why a draft is no message.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum MessageError {
    /// A header that every message has is empty.
    #[error("the header {header} is empty; a message needs one")]
    Empty {
        /// The header's name.
        header: &'static str,
    },
    /// A line break would start a header of its own; a control character would reach a terminal.
    #[error("the header {header} holds {character:?}; line breaks and control characters are not allowed in headers")]
    Unsafe {
        /// The header's name.
        header: &'static str,
        /// The first character that is not allowed.
        character: char,
    },
}

/// The first character of a value that keeps it from being a header ([`text::is_header_safe`]).
pub(crate) fn text_unsafe_in_header(value: &str) -> Option<char> {
    if text::is_header_safe(value) {
        return None;
    }
    value.chars().find(|c| !text::is_header_safe(c.encode_utf8(&mut [0; 4])))
}

/// What a new message is made of.
#[derive(Clone, Debug, Default)]
pub struct Draft<'a> {
    /// The sender's address.
    pub from: &'a str,
    /// The recipients, separated by commas.
    pub to: &'a str,
    /// More recipients, separated by commas.
    pub cc: Option<&'a str>,
    /// The subject; may be empty.
    pub subject: &'a str,
    /// Local time, `YYYY-MM-DD HH:MM:SS`.
    pub date: &'a str,
    /// The message's id.
    pub message_id: &'a str,
    /// The id of the message that this one answers.
    pub in_reply_to: Option<&'a str>,
    /// Paths of the attachments, or their names: only the last part is written.
    pub attachments: Vec<&'a str>,
    /// The body, signed or not.
    pub body: &'a str,
}

impl<'a> Draft<'a> {
    /// The file that the reference writes for these values: they are taken as they are, whatever they hold. Anything
    /// that comes from outside goes through [`Message::compose`].
    #[must_use]
    pub fn to_text(&self) -> String {
        let headers = self.headers();
        write_message(headers.iter().map(|(name, value)| (*name, value.as_ref())), self.body)
    }

    fn headers(&self) -> Vec<(&'static str, Cow<'a, str>)> {
        let mut headers = Vec::with_capacity(9);
        let mut add = |name, value: Option<&'a str>| headers.extend(value.map(|value| (name, Cow::Borrowed(value))));
        add("From", Some(self.from));
        add("To", Some(self.to));
        add("Cc", self.cc.filter(|cc| !cc.is_empty()));
        add("Subject", Some(self.subject));
        add("Date", Some(self.date));
        add("Message-ID", Some(self.message_id));
        add("In-Reply-To", self.in_reply_to);
        add("Status", Some("new"));
        if !self.attachments.is_empty() {
            let names: Vec<&str> = self.attachments.iter().map(|path| file_name(path)).collect();
            headers.push(("Attachments", Cow::Owned(names.join(", "))));
        }
        headers
    }
}

/// The last part of a path, as Python's `Path.name` gives it.
fn file_name(path: &str) -> &str {
    let path = path.trim_end_matches('/');
    path.rsplit_once('/').map_or(path, |(_, name)| name)
}

fn write_message<'a>(headers: impl Iterator<Item = (&'a str, &'a str)>, body: &str) -> String {
    let mut out = String::with_capacity(body.len() + 256);
    for (name, value) in headers {
        out.push_str(name);
        out.push_str(": ");
        out.push_str(value);
        out.push('\n');
    }
    out.push('\n');
    out.push_str(SEPARATOR);
    out.push('\n');
    out.push_str(body);
    out
}

fn is_separator(line: &str) -> bool {
    may_separate(line.as_bytes()) && text::strip(line) == SEPARATOR
}

/// Rules out nearly every line at once: the first dash of a separator is followed by two more.
fn may_separate(line: &[u8]) -> bool {
    let first_dash = memchr::memchr(b'-', line).and_then(|at| line.get(at..));
    first_dash.is_some_and(|rest| rest.starts_with(SEPARATOR.as_bytes()))
}

/// Why a file is no message: the reason beside its path in a listing.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum Damage {
    /// Nothing in it, or white space alone.
    #[error("the file is empty")]
    Empty,
    /// Not UTF-8, or control characters, and no header in sight.
    #[error("the file is not text")]
    NotText,
    /// Text without the headers that make a message.
    #[error("the file has neither a From nor a Message-ID header")]
    NoHeaders,
    /// The headers are there, but the file ends before its line `---`.
    #[error("the file ends before the line --- that starts the body")]
    CutOff,
}

/// What a listing shows of a message, read from the first bytes of its file and borrowed from them where possible.
/// The values are those that [`Message::parse`] gives.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Head<'a> {
    /// `From`
    pub from: Option<Cow<'a, str>>,
    /// `To`
    pub to: Option<Cow<'a, str>>,
    /// `Cc`
    pub cc: Option<Cow<'a, str>>,
    /// `Subject`
    pub subject: Option<Cow<'a, str>>,
    /// `Date`
    pub date: Option<Cow<'a, str>>,
    /// `Message-ID`
    pub message_id: Option<Cow<'a, str>>,
    /// `In-Reply-To`
    pub in_reply_to: Option<Cow<'a, str>>,
    /// `Status`
    pub status: Option<Cow<'a, str>>,
    /// `Attachments`
    pub attachments: Option<Cow<'a, str>>,
    /// `Via`, a local header.
    pub via: Option<Cow<'a, str>>,
    /// `Verdict`, a local header.
    pub verdict: Option<Cow<'a, str>>,
    /// Where the body starts, in bytes; `None` when these bytes hold no separator.
    pub body_at: Option<usize>,
    bytes: &'a [u8],
}

impl<'a> Head<'a> {
    /// Reads the headers at the start of `bytes`, which may be the whole file or the first part of it.
    #[must_use]
    pub fn parse(bytes: &'a [u8]) -> Self {
        let mut head = Self { bytes, ..Self::default() };
        for line in ByteLines::new(bytes) {
            if line.is_separator() {
                head.body_at = Some(line.next);
                break;
            }
            let Some((name, value)) = line.header() else { continue };
            if let Some(slot) = head.slot(&name) {
                *slot = Some(value);
            }
        }
        head
    }

    fn slot(&mut self, name: &str) -> Option<&mut Option<Cow<'a, str>>> {
        Some(match name {
            "From" => &mut self.from,
            "To" => &mut self.to,
            "Cc" => &mut self.cc,
            "Subject" => &mut self.subject,
            "Date" => &mut self.date,
            "Message-ID" => &mut self.message_id,
            "In-Reply-To" => &mut self.in_reply_to,
            "Status" => &mut self.status,
            "Attachments" => &mut self.attachments,
            "Via" => &mut self.via,
            "Verdict" => &mut self.verdict,
            _ => return None,
        })
    }

    /// Whether a body follows, as far as these bytes go.
    #[must_use]
    pub fn has_body(&self) -> bool {
        self.body_at.is_some_and(|at| at < self.bytes.len())
    }

    /// The start of the body, as far as these bytes go.
    #[must_use]
    pub fn body(&self) -> &'a [u8] {
        self.body_at.and_then(|at| self.bytes.get(at..)).unwrap_or_default()
    }

    /// Whether the message waits to be read.
    #[must_use]
    pub fn is_new(&self) -> bool {
        self.status.as_deref() == Some("new")
    }

    /// Why this is no message, if it is none. `truncated` tells that the file goes on after these bytes.
    #[must_use]
    pub fn damage(&self, truncated: bool) -> Option<Damage> {
        if self.from.is_some() || self.message_id.is_some() {
            return (self.body_at.is_none() && !truncated).then_some(Damage::CutOff);
        }
        if self.bytes.iter().all(u8::is_ascii_whitespace) {
            return Some(Damage::Empty);
        }
        let control = |byte: &u8| byte.is_ascii_control() && !byte.is_ascii_whitespace();
        let is_text = match std::str::from_utf8(self.bytes) {
            Ok(_) => true,
            // A character that the end of a truncated read cuts in two.
            Err(error) => truncated && error.error_len().is_none(),
        };
        Some(if is_text && !self.bytes.iter().any(control) { Damage::NoHeaders } else { Damage::NotText })
    }
}

/// A message file with its status changed (`new` -> `read`) and every other byte as it was. Where `Status` is
/// repeated the last one counts; where there is none, it is added after the last header.
#[must_use]
pub fn set_status_in_place(file: &[u8], status: &str) -> Vec<u8> {
    let (mut found, mut last_header) = (None, None);
    for line in ByteLines::new(file).take_while(|line| !line.is_separator()) {
        if let Some((name, _)) = line.header() {
            found = if name == "Status" { Some(line) } else { found };
            last_header = Some(line);
        }
    }
    let status = one_line(status);
    let (keep, line, rest) = match (found, last_header) {
        (Some(line), _) => {
            // The name and its colon stay as they are written.
            let colon = memchr::memchr(b':', line.content).map_or(line.content.len(), |at| at + 1);
            (line.start + colon, format!(" {status}"), line.start + line.content.len())
        }
        (None, Some(line)) if line.next == line.start + line.content.len() => {
            (line.next, format!("\nStatus: {status}"), line.next)
        }
        (None, Some(line)) => (line.next, format!("Status: {status}\n"), line.next),
        (None, None) => (0, format!("Status: {status}\n"), 0),
    };
    let part = |part: Option<&[u8]>| part.unwrap_or_default().to_vec();
    [part(file.get(..keep)), line.into_bytes(), part(file.get(rest..))].concat()
}

/// One line of a file: LF, CRLF or a lone CR ends it.
#[derive(Clone, Copy)]
struct ByteLine<'a> {
    start: usize,
    content: &'a [u8],
    next: usize,
}

impl<'a> ByteLine<'a> {
    fn is_separator(&self) -> bool {
        may_separate(self.content) && is_separator(&String::from_utf8_lossy(self.content))
    }

    /// The name and the value, trimmed, if the line has a colon.
    fn header(&self) -> Option<(Cow<'a, str>, Cow<'a, str>)> {
        let (name, value) = self.content.split_at_checked(memchr::memchr(b':', self.content)?)?;
        Some((stripped(name), stripped(value.strip_prefix(b":")?)))
    }
}

fn stripped(bytes: &[u8]) -> Cow<'_, str> {
    match std::str::from_utf8(bytes) {
        Ok(text) => Cow::Borrowed(text::strip(text)),
        Err(_) => Cow::Owned(text::strip(&String::from_utf8_lossy(bytes)).to_owned()),
    }
}

struct ByteLines<'a> {
    bytes: &'a [u8],
    at: usize,
}

impl<'a> ByteLines<'a> {
    fn new(bytes: &'a [u8]) -> Self {
        Self { bytes, at: 0 }
    }
}

impl<'a> Iterator for ByteLines<'a> {
    type Item = ByteLine<'a>;

    fn next(&mut self) -> Option<ByteLine<'a>> {
        let start = self.at;
        let rest = self.bytes.get(start..).filter(|rest| !rest.is_empty())?;
        let length = memchr::memchr2(b'\n', b'\r', rest).unwrap_or(rest.len());
        let (content, end) = rest.split_at_checked(length)?;
        let newline = match end {
            [b'\r', b'\n', ..] => 2,
            [_, ..] => 1,
            [] => 0,
        };
        self.at = start + length + newline;
        Some(ByteLine { start, content, next: self.at })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    /// Text that is made of what a message file is made of, so that shapes meet.
    pub(crate) fn file_text() -> impl Strategy<Value = String> {
        let part = prop::sample::select(vec![
            "From",
            "To",
            "Status",
            "Message-ID",
            ":",
            ": ",
            "new",
            "---",
            " --- ",
            "\n",
            "\r\n",
            "\r",
            "\u{1c}",
            "\u{a0}",
            "\u{2028}",
            "é",
            "x",
            "-",
            "\t",
            "a@x",
        ]);
        prop::collection::vec(part, 0..40).prop_map(|parts| parts.concat())
    }

    #[test]
    fn values_cannot_add_headers() {
        let mut headers = Headers::default();
        headers.set("Subject", " a\r\nBcc: evil\n");
        headers.set("X:Y\nZ", "1");
        let message = Message { headers, body: String::new() };
        assert_eq!(Message::from_text(&message.to_text()), message);
        assert_eq!(message.headers.len(), 2);
    }

    #[test]
    fn compose_refuses_what_would_break_out() {
        let good = Draft { from: "a@x", to: "b@x", message_id: "abc", date: "d", subject: "s", ..Draft::default() };
        let message = Message::compose(&good).unwrap();
        assert_eq!(message.to_text(), good.to_text());
        for subject in ["a\nBcc: x", "a\rb", "a\u{2028}b", "\x1b[2J", "\0"] {
            let error = Message::compose(&Draft { subject, ..good.clone() }).unwrap_err();
            assert!(matches!(error, MessageError::Unsafe { header: "Subject", .. }), "{subject:?}");
        }
        let attachments = vec!["x/a\nb"];
        assert!(Message::compose(&Draft { attachments, ..good.clone() }).is_err());
        assert_eq!(Message::compose(&Draft { to: " ", ..good }).unwrap_err(), MessageError::Empty { header: "To" });
    }

    #[test]
    fn status_changes_alone() {
        for (file, read) in [
            (
                "From: a\r\nStatus:  new \r\nX: 1\r\n\r\n---\r\nStatus: new",
                "From: a\r\nStatus: read\r\nX: 1\r\n\r\n---\r\nStatus: new",
            ),
            ("Status: old\nStatus : new\n---\n", "Status: old\nStatus : read\n---\n"),
            ("From: a\n\n---\nb", "From: a\nStatus: read\n\n---\nb"),
            ("From: a", "From: a\nStatus: read"),
            ("---\nb", "Status: read\n---\nb"),
        ] {
            assert_eq!(String::from_utf8(set_status_in_place(file.as_bytes(), "read")).unwrap(), read);
        }
        assert_eq!(
            set_status_in_place(b"A: \xff\nStatus: new\n---\n\xfe", "read"),
            b"A: \xff\nStatus: read\n---\n\xfe"
        );
    }

    #[test]
    fn damaged_files_are_told_apart() {
        let damage = |bytes: &[u8], truncated| Head::parse(bytes).damage(truncated);
        assert_eq!(damage(b"", false), Some(Damage::Empty));
        assert_eq!(damage(b" \r\n", false), Some(Damage::Empty));
        assert_eq!(damage(b"\xff\xfe\0", false), Some(Damage::NotText));
        assert_eq!(damage(&[0; 64], false), Some(Damage::NotText));
        assert_eq!(damage(b"shopping: milk\n", false), Some(Damage::NoHeaders));
        assert_eq!(damage("é".as_bytes().split_at(1).0, true), Some(Damage::NoHeaders));
        assert_eq!(damage(b"From: a\nTo: b\nSubj", false), Some(Damage::CutOff));
        assert_eq!(damage(b"From: a\nTo: b\nSubj", true), None);
        assert_eq!(damage(b"From: \xff\n---\n", false), None);
    }

    #[test]
    fn names_that_start_alike_are_told_apart() {
        let names = ["LongHeader-A", "LongHeader-B", "a", "a\0", "a\0\0", "LongHead"];
        let file: String = (0..40).map(|n| format!("{}: {n}\n", names[n * 5 % 6])).collect();
        let message = Message::from_text(&file);
        let found: Vec<(&str, &str)> = message.headers.iter().collect();
        let expected = [
            ("LongHeader-A", "36"),
            ("LongHead", "37"),
            ("a\0\0", "38"),
            ("a\0", "39"),
            ("a", "34"),
            ("LongHeader-B", "35"),
        ];
        assert_eq!(found, expected);
    }

    #[test]
    fn many_headers_keep_place_and_value() {
        let count = 50_000;
        let mut file: String = (0..count).map(|n| format!("H{n}: first\n")).collect();
        file.extend((0..count).rev().map(|n| format!("H{n}: {n}\n")));
        let message = Message::from_text(&file);
        assert_eq!(message.headers.len(), count);
        for (n, (name, value)) in message.headers.iter().enumerate() {
            assert_eq!((name, value), (format!("H{n}").as_str(), n.to_string().as_str()));
        }
    }

    proptest! {
        #[test]
        fn parse_format_parse_is_equal(file in file_text()) {
            let message = Message::from_text(&file);
            prop_assert_eq!(Message::from_text(&message.to_text()), message);
        }

        #[test]
        fn head_agrees_with_the_whole(file in prop_oneof![
            file_text().prop_map(String::into_bytes),
            prop::collection::vec(any::<u8>(), 0..200),
        ]) {
            let (message, head) = (Message::parse(&file), Head::parse(&file));
            for (name, value) in [
                ("From", &head.from), ("To", &head.to), ("Status", &head.status), ("Message-ID", &head.message_id),
            ] {
                prop_assert_eq!(value.as_deref(), message.headers.value(name), "{}", name);
            }
            prop_assert_eq!(text::decode(head.body()), message.body);
            let _ = head.damage(true);
        }

        #[test]
        fn a_set_status_is_read_back(file in prop_oneof![
            file_text().prop_map(String::into_bytes),
            prop::collection::vec(any::<u8>(), 0..200),
        ]) {
            let before = Message::parse(&file);
            let mut after = Message::parse(&set_status_in_place(&file, "read"));
            prop_assert_eq!(after.headers.value("Status"), Some("read"));
            if let Some(status) = before.headers.value("Status") {
                after.headers.set("Status", status);
                prop_assert_eq!(after, before);
            } else {
                prop_assert_eq!(after.body, before.body);
            }
        }
    }
}
