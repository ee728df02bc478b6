//! Marker lines: where an envelope starts and ends, and how a body is kept from looking like one.

use std::borrow::Cow;

use crate::protocol::text;

/// The lines around a version 1 or 2 envelope.
pub(super) const SHORT_BEGIN: &str = "---BEGIN AGENTAZALL SIGNED MESSAGE---";
pub(super) const SHORT_END: &str = "---END AGENTAZALL SIGNED MESSAGE---";
pub(super) const SHORT_SIGNATURE: &str = "---BEGIN AGENTAZALL SIGNATURE---";
pub(super) const SHORT_SIGNATURE_END: &str = "---END AGENTAZALL SIGNATURE---";

/// The lines around the documented form. They contain those of version 1, which is why whole lines are compared.
pub(super) const LONG_BEGIN: &str = "-----BEGIN AGENTAZALL SIGNED MESSAGE-----";
pub(super) const LONG_SIGNATURE: &str = "-----BEGIN SIGNATURE-----";
pub(super) const LONG_END: &str = "-----END AGENTAZALL SIGNED MESSAGE-----";

/// A signature in base64 is 88 characters; a transport may have wrapped it, into no more lines than this.
const SIGNATURE_LINES: usize = 8;

/// Which markers an envelope is written with.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Form {
    /// Three dashes: versions 1 and 2.
    Short,
    /// Five dashes: the documented form.
    Long,
}

/// An envelope found in a text, still unread. All parts borrow from the text.
#[derive(Debug)]
pub(super) struct Found<'a> {
    pub(super) form: Form,
    /// What stands before it.
    pub(super) before: &'a str,
    /// From the first line after the begin marker to the last one before the end of what is signed, without the line
    /// break there.
    pub(super) inner: &'a str,
    /// The lines of the signature block; `None` when it is missing.
    pub(super) signature: Option<&'a str>,
    /// What stands after it.
    pub(super) after: &'a str,
    /// Whether a transport turned its line ends into CRLF.
    pub(super) crlf: bool,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Marker {
    Begin(Form),
    Signature(Form),
    End(Form),
}

/// The marker that a line is, white space at its end aside.
fn marker(line: &str) -> Option<Marker> {
    if !line.starts_with("---") {
        return None;
    }
    Some(match text::strip_end(line) {
        SHORT_BEGIN => Marker::Begin(Form::Short),
        SHORT_END => Marker::End(Form::Short),
        SHORT_SIGNATURE => Marker::Signature(Form::Short),
        LONG_BEGIN => Marker::Begin(Form::Long),
        LONG_SIGNATURE => Marker::Signature(Form::Long),
        LONG_END => Marker::End(Form::Long),
        _ => return None,
    })
}

/// A line and where it lies in the text.
#[derive(Clone, Copy)]
struct Line<'a> {
    start: usize,
    content: &'a str,
    /// Where the next line starts.
    next: usize,
}

/// The lines of a text from a place on.
fn lines(text: &str, from: usize) -> impl Iterator<Item = Line<'_>> {
    let mut at = from;
    std::iter::from_fn(move || {
        let rest = text.get(at..).filter(|rest| !rest.is_empty())?;
        let start = at;
        let length = memchr::memchr(b'\n', rest.as_bytes()).unwrap_or(rest.len());
        at = start + (length + 1).min(rest.len());
        Some(Line { start, content: rest.get(..length)?, next: at })
    })
}

/// An envelope that has begun and not ended yet.
struct Open {
    begin: usize,
    inner: usize,
    /// Long form: the last start of a signature block at this level.
    signature: Option<(usize, usize)>,
    /// The first end that no signature block belongs to: the envelope's end, unless a better one follows.
    bare_end: Option<Span>,
}

/// Where the parts of an ended envelope lie.
#[derive(Clone, Copy)]
struct Span {
    form: Form,
    begin: usize,
    inner: usize,
    inner_end: usize,
    /// Long form: where the lines of the signature block start and end.
    signature: Option<(usize, usize)>,
    /// The first byte after the end marker's line.
    end: usize,
}

/// Finds the outermost envelope: by whole lines, with nesting, so that a message that quotes whole envelopes is
/// read as one, and text around it is kept apart. Of several in a row the first is taken. One pass over the text.
///
/// A begin marker counts only before a line that an envelope starts with, and an end marker outermost only before a
/// signature block (as long as there is such a one): the reference does not escape bodies, so they may hold either.
pub(super) fn find_outermost(text: &str) -> Option<Found<'_>> {
    // Most bodies hold no envelope. The long begin marker contains the short one.
    let first = memchr::memmem::find(text.as_bytes(), SHORT_BEGIN.as_bytes())?;
    let first = text.get(..first)?.rfind('\n').map_or(0, |newline| newline + 1);

    let (mut short, mut long) = (Nesting::new(Form::Short), Nesting::new(Form::Long));
    for line in lines(text, first) {
        let Some(marker) = marker(line.content) else { continue };
        let rest = text.get(line.next..).unwrap_or_default();
        short.see(marker, line, rest);
        long.see(marker, line, rest);
        let done = |one: &Nesting, other: &Nesting| one.is_done() && one.start() <= other.start();
        if done(&short, &long) || done(&long, &short) {
            break;
        }
    }
    let span = [short.outermost(), long.outermost()].into_iter().flatten().min_by_key(|span| span.begin)?;
    cut(text, span)
}

/// The open envelopes of one form, each inside the one before it.
struct Nesting {
    form: Form,
    open: Vec<Open>,
    /// The ended envelope that began first.
    ended: Option<Span>,
}

impl Nesting {
    fn new(form: Form) -> Self {
        Self { form, open: Vec::new(), ended: None }
    }

    fn see(&mut self, marker: Marker, line: Line<'_>, rest: &str) {
        match marker {
            Marker::Begin(form) if form == self.form && begins_envelope(form, rest) => {
                self.open.push(Open { begin: line.start, inner: line.next, signature: None, bare_end: None });
            }
            Marker::Signature(Form::Long) if self.form == Form::Long => {
                if let Some(open) = self.open.last_mut() {
                    open.signature = Some((line.start, line.next));
                }
            }
            Marker::End(form) if form == self.form => self.end(line, rest),
            _ => {}
        }
    }

    fn end(&mut self, line: Line<'_>, rest: &str) {
        let outermost = self.open.len() == 1;
        let Some(open) = self.open.last_mut() else { return };
        let span = Span {
            form: self.form,
            begin: open.begin,
            inner: open.inner,
            inner_end: open.signature.map_or(line.start, |(start, _)| start),
            signature: open.signature.map(|(_, start)| (start, line.start)),
            end: line.next,
        };
        let is_signed = match self.form {
            Form::Short => rest.trim_start().starts_with(SHORT_SIGNATURE),
            Form::Long => span.signature.is_some(),
        };
        if outermost && !is_signed {
            open.bare_end.get_or_insert(span);
            return;
        }
        self.open.pop();
        self.ended = Some(self.ended.filter(|ended| ended.begin < span.begin).unwrap_or(span));
    }

    /// Where the first of them begins, ended or not; the end of everything if there is none.
    fn start(&self) -> usize {
        let open = self.open.first().map(|open| open.begin);
        self.ended.map(|span| span.begin).into_iter().chain(open).min().unwrap_or(usize::MAX)
    }

    /// Whether the first that began has ended.
    fn is_done(&self) -> bool {
        self.ended.is_some_and(|span| span.begin == self.start())
    }

    fn outermost(self) -> Option<Span> {
        let bare = self.open.into_iter().find_map(|open| open.bare_end);
        self.ended.into_iter().chain(bare).min_by_key(|span| span.begin)
    }
}

/// Whether the text after a begin marker is that of an envelope, and not of a body that mentions the marker.
fn begins_envelope(form: Form, rest: &str) -> bool {
    match form {
        Form::Short => rest.starts_with("Fingerprint:"),
        Form::Long => {
            let line = lines(rest, 0).next().map_or("", |line| line.content);
            line.split_once(':').is_some_and(|(name, _)| !name.is_empty() && !name.contains(text::is_space))
        }
    }
}

fn cut(text: &str, span: Span) -> Option<Found<'_>> {
    let inner = text.get(span.inner..span.inner_end)?;
    let rest = text.get(span.end..)?;
    let (signature, after) = match (span.form, span.signature) {
        (Form::Long, Some((start, end))) => (text.get(start..end), rest),
        (Form::Long, None) => (None, rest),
        (Form::Short, _) => short_signature(rest).map_or((None, rest), |(block, after)| (Some(block), after)),
    };
    Some(Found {
        form: span.form,
        before: text.get(..span.begin)?,
        inner: inner.strip_suffix('\n').unwrap_or(inner),
        signature,
        after,
        crlf: text.get(..span.inner)?.ends_with("\r\n"),
    })
}

/// The signature block after a short envelope, and what follows it. Without its end marker (cut off, as happens when
/// an envelope is copied), it is one line.
fn short_signature(rest: &str) -> Option<(&str, &str)> {
    let rest = rest.trim_start();
    let begin = lines(rest, 0).next().filter(|line| marker(line.content) == Some(Marker::Signature(Form::Short)))?;
    let mut one_line = None;
    for line in lines(rest, begin.next).take(SIGNATURE_LINES) {
        if text::strip_end(line.content) == SHORT_SIGNATURE_END {
            return Some((rest.get(begin.next..line.start)?, rest.get(line.next..)?));
        }
        if one_line.is_none() && !text::strip(line.content).is_empty() {
            one_line = Some(line.next);
        }
    }
    let end = one_line.unwrap_or(begin.next);
    Some((rest.get(begin.next..end)?, rest.get(end..)?))
}

/// The head of an envelope, up to the first empty line, and the body after it.
pub(super) fn split_head(inner: &str) -> (&str, &str) {
    lines(inner, 0)
        .find(|line| text::strip(line.content).is_empty())
        .and_then(|blank| Some((inner.get(..blank.start)?, inner.get(blank.next..)?)))
        .unwrap_or((inner, ""))
}

/// The marker words that no signed body may hold behind three or more dashes.
const WORDS: [&str; 3] = ["BEGIN AGENTAZALL", "END AGENTAZALL", "BEGIN SIGNATURE"];
/// Of those, the ones that no reader of version 1 gets over.
const WORDS_OF_VERSION1: [&str; 2] = ["BEGIN AGENTAZALL SIGNED MESSAGE", "END AGENTAZALL SIGNED MESSAGE"];

/// The body with one more `\` in everything that is a marker or an escaped one, anywhere in the text, since old readers
/// look for markers anywhere (PROTOCOL section 9).
pub(super) fn escape(body: &str) -> Cow<'_, str> {
    rewrite(body, &WORDS, |out, slashes| {
        out.push('\\');
        out.push_str(slashes);
    })
}

/// As [`escape`], but only what would break an envelope of version 1, whose readers take nothing away.
pub(super) fn escape_for_version1(body: &str) -> Cow<'_, str> {
    rewrite(body, &WORDS_OF_VERSION1, |out, slashes| {
        out.push('\\');
        out.push_str(slashes);
    })
}

/// Takes away what [`escape`] added.
pub(super) fn unescape(body: &str) -> Cow<'_, str> {
    rewrite(body, &WORDS, |out, slashes| out.push_str(slashes.strip_prefix('\\').unwrap_or(slashes)))
}

/// Rewrites the backslashes between `---` and any of `words`. One pass: dashes and backslashes are each looked at once.
fn rewrite<'a>(body: &'a str, words: &[&str], write: impl Fn(&mut String, &str)) -> Cow<'a, str> {
    let mut out = String::new();
    let mut copied = 0;
    let mut at = 0;
    while let Some(found) = body.get(at..).and_then(|rest| memchr::memmem::find(rest.as_bytes(), b"---")) {
        let rest = body.get(at + found..).unwrap_or_default();
        let slashes_on = rest.trim_start_matches('-');
        let word_on = slashes_on.trim_start_matches('\\');
        let slashes_at = body.len() - slashes_on.len();
        let word_at = body.len() - word_on.len();
        if words.iter().any(|word| word_on.starts_with(word)) {
            out.push_str(body.get(copied..slashes_at).unwrap_or_default());
            write(&mut out, body.get(slashes_at..word_at).unwrap_or_default());
            copied = word_at;
        }
        at = word_at;
    }
    if copied == 0 {
        return Cow::Borrowed(body);
    }
    out.push_str(body.get(copied..).unwrap_or_default());
    Cow::Owned(out)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn short(body: &str) -> String {
        format!("{SHORT_BEGIN}\nFingerprint: f\n\n{body}\n{SHORT_END}\n{SHORT_SIGNATURE}\nAAAA\n{SHORT_SIGNATURE_END}")
    }

    fn long(body: &str) -> String {
        format!("{LONG_BEGIN}\nFrom: a\n\n{body}\n{LONG_SIGNATURE}\nSig: A\n{LONG_END}")
    }

    /// The body of the outermost envelope, what is around it, and whether it has a signature.
    fn outermost(text: &str) -> Option<(&str, &str, &str, bool)> {
        let found = find_outermost(text)?;
        Some((found.before, split_head(found.inner).1, found.after, found.signature.is_some()))
    }

    #[test]
    fn nesting_finds_the_outermost() {
        for wrap in [short, long] {
            for quoted in [short("in"), long("in"), format!("{}\n{}", short(&short("a")), long(&short("b")))] {
                let body = format!("> hello\n{quoted}\nbye");
                let text = format!("before\n{}\nafter", wrap(&body));
                assert_eq!(outermost(&text), Some(("before\n", body.as_str(), wrap_tail(wrap), true)), "{text}");
            }
        }
    }

    /// The short form's rest starts after its line break, the long one's too.
    fn wrap_tail(_: fn(&str) -> String) -> &'static str {
        "after"
    }

    #[test]
    fn the_first_of_several_is_taken() {
        let text = format!("{}\n{}", short("one"), short("two"));
        assert_eq!(outermost(&text), Some(("", "one", short("two").as_str(), true)));
    }

    #[test]
    fn markers_in_a_body_do_not_end_it() {
        for body in [
            SHORT_BEGIN.to_owned(),
            format!("a\n{SHORT_END}\nb"),
            format!("{SHORT_SIGNATURE}\nAAAA\n{SHORT_SIGNATURE_END}"),
            format!(" {SHORT_END}\n{SHORT_SIGNATURE}"),
        ] {
            assert_eq!(outermost(&short(&body)), Some(("", body.as_str(), "", true)), "{body}");
        }
    }

    #[test]
    fn incomplete_envelopes() {
        let whole = short("x");
        let unsigned = whole.split_once(SHORT_SIGNATURE).unwrap().0;
        assert_eq!(outermost(unsigned), Some(("", "x", "", false)));
        let unended = whole.split_once(SHORT_SIGNATURE_END).unwrap().0;
        assert_eq!(outermost(unended), Some(("", "x", "", true)));
        assert_eq!(outermost(&format!("{unended}footer")), Some(("", "x", "footer", true)));
        // One that never ends does not hide the one behind it.
        let unclosed = format!("{SHORT_BEGIN}\nFingerprint: f\n");
        assert_eq!(outermost(&format!("{unclosed}{whole}")), Some((unclosed.as_str(), "x", "", true)));
        assert_eq!(outermost(&unclosed), None);
        assert_eq!(outermost(&format!("see {SHORT_BEGIN}")), None);
    }

    #[test]
    fn escapes_are_those_of_the_protocol() {
        assert_eq!(escape("x---BEGIN AGENTAZALL SIGNED"), "x---\\BEGIN AGENTAZALL SIGNED");
        assert_eq!(escape("-----\\END AGENTAZALL"), "-----\\\\END AGENTAZALL");
        assert_eq!(escape("-----BEGIN SIGNATURE-----END AGENTAZALL"), "-----\\BEGIN SIGNATURE-----\\END AGENTAZALL");
        for plain in ["--BEGIN AGENTAZALL", "--- BEGIN AGENTAZALL", "---END SIGNATURE", "---", "---\\", ""] {
            assert!(matches!(escape(plain), Cow::Borrowed(_)), "{plain}");
        }
    }

    proptest! {
        #[test]
        fn unescape_undoes_escape(parts in prop::collection::vec(prop::sample::select(vec![
            "-", "---", "\\", "BEGIN AGENTAZALL", "END AGENTAZALL", "BEGIN SIGNATURE", "é", "\n",
        ]), 0..30)) {
            let body = parts.concat();
            let escaped = escape(&body);
            prop_assert_eq!(unescape(&escaped), body.as_str());
            for word in WORDS {
                let marker = format!("---{word}");
                prop_assert!(!escaped.contains(&marker));
            }
        }
    }
}
