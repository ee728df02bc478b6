//! Where an envelope begins and ends in a text.

/// The markers of one form of envelope: whole lines, white space at their end aside.
pub(super) struct Markers {
    pub(super) begin: &'static str,
    pub(super) end: &'static str,
    pub(super) signature: &'static str,
    pub(super) signature_end: Option<&'static str>,
}

/// Versions 1 and 2: the signature follows the end of the message.
pub(super) const INLINE: Markers = Markers {
    begin: "---BEGIN AGENTAZALL SIGNED MESSAGE---",
    end: "---END AGENTAZALL SIGNED MESSAGE---",
    signature: "---BEGIN AGENTAZALL SIGNATURE---",
    signature_end: Some("---END AGENTAZALL SIGNATURE---"),
};

/// The documented form: the signature stands before the end of the message.
pub(super) const DOCUMENTED: Markers = Markers {
    begin: "-----BEGIN AGENTAZALL SIGNED MESSAGE-----",
    end: "-----END AGENTAZALL SIGNED MESSAGE-----",
    signature: "-----BEGIN SIGNATURE-----",
    signature_end: None,
};

/// The parts of a text with an envelope in it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Frame<'a> {
    pub(super) before: &'a str,
    /// What was signed, with its headers, without the line break at its end.
    pub(super) content: &'a str,
    /// The lines of the signature block.
    pub(super) signature: &'a str,
    pub(super) after: &'a str,
}

/// A line: where it begins, its text without white space at its end, where the next begins.
#[derive(Clone, Copy)]
struct Line<'a> {
    start: usize,
    text: &'a str,
    next: usize,
}

fn lines(text: &str, from: usize) -> impl Iterator<Item = Line<'_>> {
    let mut start = from;
    text.get(from..).unwrap_or_default().split_inclusive('\n').map(move |line| {
        let this = start;
        start += line.len();
        Line { start: this, text: line.trim_end(), next: start }
    })
}

/// Which form of envelope a text begins with, and where.
pub(super) fn first(text: &str) -> Option<(&'static Markers, usize)> {
    // Most texts have none: the words are looked for before the lines are.
    memchr::memmem::find(text.as_bytes(), b"BEGIN AGENTAZALL SIGNED MESSAGE")?;
    lines(text, 0).find_map(|line| {
        let markers = [&INLINE, &DOCUMENTED].into_iter().find(|markers| line.text == markers.begin)?;
        Some((markers, line.start))
    })
}

/// The ways to read the envelope whose first line is at `start`, the likelier first: with the envelopes inside it closed
/// before it is, and, since a body of version 1 may hold any lines, up to the last end in the text.
pub(super) fn candidates<'a>(text: &'a str, markers: &Markers, start: usize) -> Vec<Frame<'a>> {
    let content_at = lines(text, start).next().map_or(text.len(), |line| line.next);
    let (mut nested, mut last) = (None, None);
    let mut depth = 1_usize;
    let mut signature = None;
    let mut signature_at_one = None;
    for line in lines(text, content_at) {
        if line.text == markers.begin {
            depth += 1;
        } else if line.text == markers.signature && markers.signature_end.is_none() {
            signature = Some(line);
            if depth == 1 {
                signature_at_one = Some(line);
            }
        } else if line.text == markers.end {
            depth = depth.saturating_sub(1);
            let found = frame(text, markers, start, content_at, line, if depth == 0 { signature_at_one } else { signature });
            if depth == 0 && nested.is_none() {
                nested = found;
            }
            last = found.or(last);
        }
    }
    let last = last.filter(|last| Some(*last) != nested);
    nested.into_iter().chain(last).collect()
}

/// The frame that ends with the line `end`, if a signature is where it belongs.
fn frame<'a>(
    text: &'a str,
    markers: &Markers,
    start: usize,
    content_at: usize,
    end: Line<'a>,
    signature_inside: Option<Line<'a>>,
) -> Option<Frame<'a>> {
    let before = text.get(..start)?;
    let Some(signature_end) = markers.signature_end else {
        let signature = signature_inside?;
        return Some(Frame {
            before,
            content: without_last_break(text.get(content_at..signature.start)?),
            signature: text.get(signature.next..end.start)?,
            after: text.get(end.next..)?,
        });
    };
    let mut following = lines(text, end.next).skip_while(|line| line.text.is_empty());
    let head = following.next().filter(|line| line.text == markers.signature)?;
    // The last marker may be cut off in transit; a signature is one line, or a few short ones.
    let tail = following.take(8).find(|line| line.text == signature_end);
    let (signature_until, after_from) = match tail {
        Some(tail) => (tail.start, tail.next),
        None => {
            let line = lines(text, head.next).next().map_or(text.len(), |line| line.next);
            (line, line)
        }
    };
    Some(Frame {
        before,
        content: without_last_break(text.get(content_at..end.start)?),
        signature: text.get(head.next..signature_until)?,
        after: text.get(after_from..)?,
    })
}

fn without_last_break(text: &str) -> &str {
    let text = text.strip_suffix('\n').unwrap_or(text);
    text.strip_suffix('\r').unwrap_or(text)
}
