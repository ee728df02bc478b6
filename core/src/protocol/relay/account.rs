//! Names and tokens of accounts on a relay.

use std::fmt;

use crate::protocol::config::Secret;
use crate::protocol::text;

/// Why a text is no name of a relay account.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{name:?} is no name for a relay account: {why}")]
pub struct AgentNameError {
    /// The text as it was given.
    pub name: String,
    /// What is wrong with it.
    pub why: &'static str,
}

/// The name of an account on a relay: 3 to 30 of `a-z`, `0-9`, `-` and `_`, the first a letter (PROTOCOL section 6).
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct AgentName(String);

impl AgentName {
    /// Checks `text`, trimmed and in lower case.
    ///
    /// # Errors
    /// [`AgentNameError`] tells what is wrong.
    pub fn parse(text: &str) -> Result<Self, AgentNameError> {
        Self::of_length(text, 3, "it must have 3 to 30 characters")
    }

    /// As [`parse`](Self::parse), for a small server, which takes two characters as well.
    ///
    /// # Errors
    /// [`AgentNameError`] tells what is wrong.
    pub fn parse_for_small_server(text: &str) -> Result<Self, AgentNameError> {
        Self::of_length(text, 2, "it must have 2 to 30 characters")
    }

    /// Whether a text is a name just as it stands.
    #[must_use]
    pub fn is_name(text: &str) -> bool {
        fault(text, 3, "").is_none()
    }

    fn of_length(text: &str, shortest: usize, wrong_length: &'static str) -> Result<Self, AgentNameError> {
        let name = text::strip(text).to_lowercase();
        match fault(&name, shortest, wrong_length) {
            None => Ok(Self(name)),
            Some(why) => Err(AgentNameError { name: text::prefix(text, 60).to_owned(), why }),
        }
    }

    /// The name.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

/// What keeps a text from being a name.
fn fault(name: &str, shortest: usize, wrong_length: &'static str) -> Option<&'static str> {
    let is_allowed = |b: u8| b.is_ascii_lowercase() || b.is_ascii_digit() || matches!(b, b'-' | b'_');
    if !name.bytes().all(is_allowed) {
        Some("it may only hold the letters a-z, digits, - and _")
    } else if !(shortest..=30).contains(&name.len()) {
        Some(wrong_length)
    } else if !name.starts_with(|c: char| c.is_ascii_lowercase()) {
        Some("it must begin with a letter")
    } else {
        None
    }
}

impl fmt::Display for AgentName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// The token of an account on a relay, safe in a header: 1 to 1024 visible ASCII characters.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Token(Secret);

impl Token {
    /// Checks `text`, trimmed. `None` when it is no token; why is not told, since that would show it.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        let text = text::strip(text);
        let good = (1..=1024).contains(&text.len()) && text.bytes().all(|b| b.is_ascii_graphic());
        good.then(|| Self(Secret::new(text.to_owned())))
    }

    /// The token itself, for the one place that writes or sends it.
    #[must_use]
    pub fn expose(&self) -> &str {
        self.0.expose()
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn names_are_lower_case_and_short() {
        for (text, name) in [("Alice", "alice"), (" bob-2_x ", "bob-2_x"), (&"a".repeat(30), &"a".repeat(30))] {
            assert_eq!(AgentName::parse(text).unwrap().as_str(), name);
        }
        for text in ["", "ab", "1ab", "-ab", "a.b", "a@b", "a b", "b\u{f6}b", "../x", "a\nb", &"a".repeat(31)] {
            assert!(AgentName::parse(text).is_err(), "{text:?}");
        }
        assert!(AgentName::parse_for_small_server("ab").is_ok());
        assert!(AgentName::parse_for_small_server("a").is_err());
    }

    #[test]
    fn tokens_cannot_break_a_header() {
        assert_eq!(Token::parse(" AuWt-_=\n").unwrap().expose(), "AuWt-_=");
        for text in ["", "a b", "a\r\nX: y", "\u{e4}", &"a".repeat(1025)] {
            assert!(Token::parse(text).is_none(), "{text:?}");
        }
        assert!(!format!("{:?}", Token::parse("hunter2")).contains("hunter2"));
    }

    proptest! {
        #[test]
        fn any_text_is_safe_and_a_good_one_is_stable(text in ".{0,40}|[ A-Za-z0-9_-]{0,33}") {
            for name in [AgentName::parse(&text), AgentName::parse_for_small_server(&text)].into_iter().flatten() {
                prop_assert_eq!(AgentName::parse_for_small_server(name.as_str()), Ok(name));
            }
            if let Some(token) = Token::parse(&text) {
                prop_assert_eq!(Token::parse(token.expose()), Some(token));
            }
        }
    }
}
