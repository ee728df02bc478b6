//! Typed reading of one object of the config: each key is asked for once, so that what was never asked for is unknown.

use std::fmt::Display;

use serde_json::{Map, Value};

use super::document::kind;
use super::{ConfigError, ConfigWarning, Secret};
use crate::protocol::text;

/// The most warnings about one config; more would hide the first.
const MOST_WARNINGS: usize = 20;
/// The most unknown keys of a config that are compared with the known ones: each costs microseconds.
const MOST_COMPARED: usize = 1000;

/// What is odd about a config so far.
#[derive(Default)]
pub(super) struct Warnings {
    pub(super) found: Vec<ConfigWarning>,
    /// Unknown keys that were compared with the known ones.
    compared: usize,
}

/// A value that is one of a few words.
pub(super) trait Choice: Copy + Default + 'static {
    /// All of them, the first being the default.
    const CHOICES: &'static [(&'static str, Self)];
}

/// One object of the config and where it stands. A key that is missing or null has its default.
pub(super) struct Section<'a> {
    /// The dotted path with a final dot, or nothing for the file itself.
    prefix: String,
    /// `None` when the whole object is missing.
    map: Option<&'a Map<String, Value>>,
    known: Vec<&'static str>,
}

impl<'a> Section<'a> {
    pub(super) const fn root(map: &'a Map<String, Value>) -> Self {
        Self { prefix: String::new(), map: Some(map), known: Vec::new() }
    }

    pub(super) fn text(&mut self, key: &'static str, default: &str) -> Result<String, ConfigError> {
        let parse = |text: &str| match text.contains(char::is_control) {
            true => Err("it holds a control character"),
            false => Ok(text.to_owned()),
        };
        Ok(self.parsed(key, "a text on one line", parse)?.unwrap_or_else(|| default.to_owned()))
    }

    /// A text that `parse` accepts. `allowed` says what that is, for a value that is no text at all.
    pub(super) fn parsed<T, E: Display>(
        &mut self,
        key: &'static str,
        allowed: &str,
        parse: impl FnOnce(&str) -> Result<T, E>,
    ) -> Result<Option<T>, ConfigError> {
        match self.value(key) {
            None => Ok(None),
            Some(Value::String(text)) => parse(text).map(Some).map_err(|why| ConfigError::WrongValue {
                key: self.path(key),
                found: format!("not usable ({why})"),
                allowed: allowed.to_owned(),
            }),
            Some(other) => Err(self.wrong(key, other, allowed)),
        }
    }

    /// A text that is never shown, also not when it is wrong; an empty one is none.
    pub(super) fn secret<T>(
        &mut self,
        key: &'static str,
        allowed: &str,
        parse: impl FnOnce(&str) -> Option<T>,
    ) -> Result<Option<T>, ConfigError> {
        let found = match self.value(key) {
            None => return Ok(None),
            Some(Value::String(text)) if text.is_empty() => return Ok(None),
            Some(Value::String(text)) => match parse(text) {
                Some(parsed) => return Ok(Some(parsed)),
                None => "something else (not shown)",
            },
            Some(other) => kind(other),
        };
        Err(ConfigError::WrongValue { key: self.path(key), found: found.to_owned(), allowed: allowed.to_owned() })
    }

    pub(super) fn password(&mut self, key: &'static str) -> Result<Option<Secret>, ConfigError> {
        self.secret(key, "a text", |text| Some(Secret::new(text.to_owned())))
    }

    pub(super) fn flag(&mut self, key: &'static str, default: bool) -> Result<bool, ConfigError> {
        match self.value(key) {
            None => Ok(default),
            Some(Value::Bool(flag)) => Ok(*flag),
            Some(other) => Err(self.wrong(key, other, "true or false, without quotes")),
        }
    }

    pub(super) fn port(&mut self, key: &'static str, default: u16) -> Result<u16, ConfigError> {
        match self.value(key) {
            None => Ok(default),
            Some(value) => as_port(value).ok_or_else(|| self.wrong(key, value, "a port, a number from 1 to 65535")),
        }
    }

    /// Two ports, the first not above the second.
    pub(super) fn port_range(&mut self, key: &'static str, default: (u16, u16)) -> Result<(u16, u16), ConfigError> {
        let Some(value) = self.value(key) else { return Ok(default) };
        let pair = match value.as_array().map(Vec::as_slice) {
            Some([low, high]) => as_port(low).zip(as_port(high)),
            _ => None,
        };
        pair.filter(|(low, high)| low <= high)
            .ok_or_else(|| self.wrong(key, value, "a list of two ports, the lower first, as [2121, 2199]"))
    }

    /// A number of seconds, as milliseconds.
    pub(super) fn seconds_as_ms(&mut self, key: &'static str, default_ms: u64) -> Result<u64, ConfigError> {
        const WEEK: f64 = 604_800.0;
        let Some(value) = self.value(key) else { return Ok(default_ms) };
        match value.as_f64() {
            #[expect(
                clippy::cast_possible_truncation,
                clippy::cast_sign_loss,
                reason = "between 1 and a week of milliseconds"
            )]
            Some(seconds) if (0.001..=WEEK).contains(&seconds) => Ok((seconds * 1000.0).round() as u64),
            _ => Err(self.wrong(key, value, "a number of seconds above 0 and up to 604800, a week")),
        }
    }

    pub(super) fn choice<T: Choice>(&mut self, key: &'static str) -> Result<T, ConfigError> {
        let Some(value) = self.value(key) else { return Ok(T::default()) };
        let names = || T::CHOICES.iter().map(|(name, _)| *name);
        let found = value.as_str().map(text::strip).unwrap_or_default();
        if let Some((_, choice)) = T::CHOICES.iter().find(|(name, _)| *name == found) {
            return Ok(*choice);
        }
        let mut allowed = format!("one of {}", names().collect::<Vec<_>>().join(", "));
        if let Some(nearest) = nearest(found, names()) {
            allowed.push_str(&format!("; did you mean {nearest}?"));
        }
        Err(self.wrong(key, value, &allowed))
    }

    pub(super) fn texts(&mut self, key: &'static str) -> Result<Vec<String>, ConfigError> {
        const ALLOWED: &str = "a list of texts";
        let Some(value) = self.value(key) else { return Ok(Vec::new()) };
        let items = value.as_array().ok_or_else(|| self.wrong(key, value, ALLOWED))?;
        items
            .iter()
            .map(|item| item.as_str().map(str::to_owned).ok_or_else(|| self.wrong(key, item, ALLOWED)))
            .collect()
    }

    pub(super) fn section(&mut self, key: &'static str) -> Result<Section<'a>, ConfigError> {
        let map = match self.value(key) {
            None => None,
            Some(Value::Object(map)) => Some(map),
            Some(other) => return Err(self.wrong(key, other, "an object {...}")),
        };
        Ok(Section { prefix: format!("{}.", self.path(key)), map, known: Vec::new() })
    }

    pub(super) fn sections(&mut self, key: &'static str) -> Result<Vec<Section<'a>>, ConfigError> {
        const ALLOWED: &str = "a list of up to 1000 objects [{...}, ...]";
        let Some(value) = self.value(key) else { return Ok(Vec::new()) };
        let items =
            value.as_array().filter(|items| items.len() <= 1000).ok_or_else(|| self.wrong(key, value, ALLOWED))?;
        let section = |(index, item): (usize, &'a Value)| match item {
            Value::Object(map) => {
                let prefix = format!("{}[{index}].", self.path(key));
                Ok(Section { prefix, map: Some(map), known: Vec::new() })
            }
            other => Err(self.wrong(key, other, ALLOWED)),
        };
        items.iter().enumerate().map(section).collect()
    }

    /// Warns of the keys that nobody asked for and that look like one that somebody did.
    pub(super) fn finish(self, warnings: &mut Warnings) {
        let unknown = self.map.into_iter().flat_map(Map::keys).filter(|key| !self.known.contains(&key.as_str()));
        for key in unknown {
            if warnings.found.len() >= MOST_WARNINGS || warnings.compared >= MOST_COMPARED {
                return;
            }
            warnings.compared += 1;
            if let Some(nearest) = nearest(key, self.known.iter().copied()) {
                let key = format!("{}{}", self.prefix, text::for_terminal_line(key));
                warnings.found.push(ConfigWarning::Typo { key, nearest });
            }
        }
    }

    fn value(&mut self, key: &'static str) -> Option<&'a Value> {
        self.known.push(key);
        self.map?.get(key).filter(|value| !value.is_null())
    }

    fn path(&self, key: &str) -> String {
        format!("{}{key}", self.prefix)
    }

    fn wrong(&self, key: &str, value: &Value, allowed: &str) -> ConfigError {
        ConfigError::WrongValue { key: self.path(key), found: describe(value), allowed: allowed.to_owned() }
    }
}

fn as_port(value: &Value) -> Option<u16> {
    value.as_u64().and_then(|port| u16::try_from(port).ok()).filter(|port| *port > 0)
}

/// What was found, short and safe for a terminal.
fn describe(value: &Value) -> String {
    match value {
        Value::String(found) => format!("the text {:?}", text::prefix(&text::for_terminal_line(found), 40)),
        Value::Number(_) | Value::Bool(_) => value.to_string(),
        other => kind(other).to_owned(),
    }
}

/// The candidate that `found` is probably a misspelling of.
fn nearest(found: &str, candidates: impl Iterator<Item = &'static str>) -> Option<&'static str> {
    if found.len() > 40 {
        return None;
    }
    let fold = |text: &str| text.to_ascii_lowercase().replace(['-', ' '], "_").into_bytes();
    let found = fold(found);
    candidates
        .map(|candidate| (edit_distance(&found, &fold(candidate), found.len().min(candidate.len()) / 3), candidate))
        .filter_map(|(distance, candidate)| distance.map(|distance| (distance, candidate)))
        .min_by_key(|(distance, _)| *distance)
        .map(|(_, candidate)| candidate)
}

/// The edits (insert, delete, replace, swap neighbours) from one word to the other; `None` when there are more than
/// `most`, or more than two.
fn edit_distance(a: &[u8], b: &[u8], most: usize) -> Option<usize> {
    let most = most.min(2);
    if a.len().abs_diff(b.len()) > most {
        return None;
    }
    let at = |row: &[usize], index: usize| row.get(index).copied().unwrap_or(usize::MAX / 2);
    let mut before: Vec<usize> = Vec::new();
    let mut last: Vec<usize> = (0..=b.len()).collect();
    for (i, &x) in a.iter().enumerate() {
        let mut row = vec![i + 1];
        for (j, &y) in b.iter().enumerate() {
            let mut cost = (at(&last, j) + usize::from(x != y)).min(at(&last, j + 1) + 1).min(at(&row, j) + 1);
            let swapped = i > 0 && j > 0 && a.get(i - 1) == Some(&y) && b.get(j - 1) == Some(&x);
            if swapped {
                cost = cost.min(at(&before, j - 1) + 1);
            }
            row.push(cost);
        }
        before = std::mem::replace(&mut last, row);
    }
    last.last().copied().filter(|distance| *distance <= most)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn near_words_are_found() {
        let known = ["agent_name", "agent_key", "relays", "transport", "ftp"];
        for (typo, meant) in [
            ("agent-name", Some("agent_name")),
            ("Transport", Some("transport")),
            ("transprot", Some("transport")),
            ("relay", Some("relays")),
            ("agentkey", Some("agent_key")),
            ("my_own_key", None),
            ("fto", Some("ftp")),
            ("x", None),
            ("", None),
        ] {
            assert_eq!(nearest(typo, known.into_iter()), meant, "{typo}");
        }
    }
}
