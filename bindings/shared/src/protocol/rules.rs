//! The address filter.

use azall_core::protocol::filter::{Filter, FilterMode, Pattern};
use ciborium::Value;
use serde::Deserialize;

use crate::data::from_data;
use crate::failure::Failure;

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct FilterData {
    #[serde(default)]
    mode: FilterMode,
    #[serde(default)]
    blacklist: Vec<String>,
    #[serde(default)]
    whitelist: Vec<String>,
    #[serde(default)]
    log_blocked: bool,
}

/// A filter: `mode` (`blacklist`, `whitelist`, `off`), `blacklist`, `whitelist`, `log_blocked`, as in the config.
///
/// # Errors
/// `argument` when a field is of the wrong kind; `filter` when a pattern is too long.
pub fn filter(data: &Value) -> Result<Filter, Failure> {
    let FilterData { mode, blacklist, whitelist, log_blocked } = from_data(data)?;
    let patterns = |globs: Vec<String>| {
        let read = globs.iter().map(|glob| Pattern::new(glob));
        read.collect::<Result<_, _>>().map_err(|error| Failure::new("filter", error))
    };
    Ok(Filter { mode, blacklist: patterns(blacklist)?, whitelist: patterns(whitelist)?, log_blocked })
}

/// Whether a filter lets a sender through.
///
/// # Errors
/// As [`filter`].
pub fn accepts(data: &Value, sender: &str) -> Result<bool, Failure> {
    Ok(filter(data)?.accepts(sender))
}
