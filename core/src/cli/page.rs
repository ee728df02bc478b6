//! Text for people. Everything that is shown passes through a [`Page`], which neutralises it: no text from outside
//! reaches a terminal with a control character or an escape sequence in it.

use std::fmt::Write as _;

use crate::protocol::text;

/// How a stretch of text stands out, where the terminal can show it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Style {
    /// Not at all.
    Plain,
    /// A heading, a name.
    Strong,
    /// Of less interest.
    Faint,
    /// As it should be.
    Good,
    /// Worth a look.
    Caution,
    /// Wrong.
    Bad,
}

impl Style {
    /// The parameter of the SGR escape sequence (ECMA-48 section 8.3.117).
    const fn sgr(self) -> Option<&'static str> {
        match self {
            Self::Plain => None,
            Self::Strong => Some("1"),
            Self::Faint => Some("2"),
            Self::Good => Some("32"),
            Self::Caution => Some("33"),
            Self::Bad => Some("31"),
        }
    }
}

/// Text on its way to a person.
#[derive(Debug, Default)]
pub struct Page {
    text: String,
    color: bool,
}

impl Page {
    /// An empty page, with or without colour.
    #[must_use]
    pub fn new(color: bool) -> Self {
        Self { text: String::new(), color }
    }

    /// Text as it is but for what a terminal would obey. Line breaks stay.
    pub fn text(&mut self, text: &str) -> &mut Self {
        self.text.push_str(&text::for_terminal(text));
        self
    }

    /// Text in a style, on one line: a line break in it becomes a space.
    pub fn styled(&mut self, style: Style, text: &str) -> &mut Self {
        let text = text::for_terminal_line(text);
        match style.sgr().filter(|_| self.color && !text.is_empty()) {
            Some(sgr) => {
                // Writing to a String does not fail.
                let _ = write!(self.text, "\u{1b}[{sgr}m{text}\u{1b}[0m");
            }
            None => self.text.push_str(&text),
        }
        self
    }

    /// One whole line: line breaks in `text` become spaces.
    pub fn line(&mut self, text: &str) -> &mut Self {
        self.styled(Style::Plain, text).end()
    }

    /// One whole line in a style.
    pub fn styled_line(&mut self, style: Style, text: &str) -> &mut Self {
        self.styled(style, text).end()
    }

    /// `  label: value`, the label padded to `width` characters.
    pub fn field(&mut self, label: &str, width: usize, value: &str) -> &mut Self {
        let padding = " ".repeat(width.saturating_sub(label.chars().count()));
        self.text.push_str("  ");
        self.styled(Style::Faint, &format!("{label}:")).text(&padding).text(" ").line(value)
    }

    /// Several lines, each indented by two spaces.
    pub fn indented(&mut self, text: &str) -> &mut Self {
        for line in text.lines() {
            self.text.push_str("  ");
            self.line(line);
        }
        self
    }

    /// Ends the line.
    pub fn end(&mut self) -> &mut Self {
        self.text.push('\n');
        self
    }

    /// Ends the line if one was begun.
    pub fn end_line(&mut self) -> &mut Self {
        if !self.text.is_empty() && !self.text.ends_with('\n') {
            self.text.push('\n');
        }
        self
    }

    /// What was written.
    #[must_use]
    pub fn into_text(self) -> String {
        self.text
    }
}

/// What can be shown to a person.
pub trait Show {
    /// Writes itself on the page.
    fn show(&self, page: &mut Page);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_from_outside_is_obeyed() {
        let mut page = Page::new(true);
        page.styled_line(Style::Bad, "a\x1b[2Jb\nc").text("x\x07y\n").field("From", 8, "e\u{9b}vil\r");
        let shown = page.into_text();
        assert_eq!(shown.matches('\u{1b}').count(), 4, "only our own styles: {shown:?}");
        assert!(!shown.contains(['\u{7}', '\u{9b}', '\r']));
        assert!(shown.starts_with("\u{1b}[31ma\u{fffd}[2Jb c\u{1b}[0m\n"));
    }

    #[test]
    fn without_colour_there_is_no_escape() {
        let mut page = Page::new(false);
        page.styled(Style::Good, "ok");
        assert_eq!(page.into_text(), "ok");
    }
}
