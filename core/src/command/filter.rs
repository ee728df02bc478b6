//! `filter`: who may write to this agent.

use serde::{Deserialize, Serialize};

use crate::protocol::config::{Config, ConfigError, FilterList};
use crate::protocol::filter::{FilterMode, Pattern, PatternTooLong};
use crate::protocol::text;

use super::error::Error;
use super::session::Session;

/// One change of the filter.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "kebab-case", rename_all_fields = "snake_case", deny_unknown_fields)]
pub enum FilterChange {
    /// How the lists are used.
    Mode(FilterMode),
    /// A pattern onto a list.
    Add(FilterList, String),
    /// A pattern off a list.
    Remove(FilterList, String),
}

/// Changes of the filter, in order; without any it is shown.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct FilterCommand {
    /// The changes.
    #[serde(default)]
    pub changes: Vec<FilterChange>,
}

/// The filter as it is now.
#[derive(Debug, Serialize)]
pub struct FilterState {
    /// `blacklist`, `whitelist` or `off`.
    pub mode: &'static str,
    /// Patterns that are turned away.
    pub blacklist: Vec<String>,
    /// Patterns that are let in.
    pub whitelist: Vec<String>,
    /// Whether it is told when a message is turned away.
    pub log_blocked: bool,
    /// What was changed, a line each.
    pub changed: Vec<String>,
}

/// A pattern that no filter takes.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum FilterError {
    /// It is too long.
    #[error("{pattern:?}: {source}")]
    TooLong {
        /// The pattern.
        pattern: String,
        /// What is wrong with it.
        source: PatternTooLong,
    },
    /// It is empty, as a variable of a script that was not set. On a whitelist of its own it would turn everybody away.
    #[error("the pattern for the {list} is empty; write an address, or a part of one with `*`")]
    Empty {
        /// The list that it was meant for.
        list: &'static str,
    },
}

/// Shows or changes the filter.
///
/// # Errors
/// A pattern that is empty or too long; a config that cannot be written.
pub async fn filter(session: &mut Session, command: FilterCommand) -> Result<FilterState, Error> {
    session.enter().await?;
    let changed = if command.changes.is_empty() {
        Vec::new()
    } else {
        for change in &command.changes {
            check(change)?;
        }
        let path = session.config_shown.clone();
        session
            .change_config(
                |config| command.changes.iter().map(|change| apply(config, change)).collect(),
                |source| Error::Config { path, source },
            )
            .await?
    };
    let settings = session.config.filter();
    Ok(FilterState {
        mode: settings.mode.name(),
        blacklist: settings.blacklist.clone(),
        whitelist: settings.whitelist.clone(),
        log_blocked: settings.log_blocked,
        changed,
    })
}

/// Whether a filter takes the pattern.
fn check(change: &FilterChange) -> Result<(), FilterError> {
    let FilterChange::Add(list, pattern) = change else { return Ok(()) };
    if text::strip(pattern).is_empty() {
        return Err(FilterError::Empty { list: list.name() });
    }
    let too_long = |source| FilterError::TooLong { pattern: pattern.clone(), source };
    Pattern::new(pattern).map(|_| ()).map_err(too_long)
}

fn apply(config: &mut Config, change: &FilterChange) -> Result<String, ConfigError> {
    Ok(match change {
        FilterChange::Mode(mode) => {
            config.set_filter_mode(*mode)?;
            format!("mode is {} now", mode.name())
        }
        FilterChange::Add(list, pattern) => {
            let added = config.add_to_filter(*list, pattern)?;
            format!("{pattern} {} the {}", if added { "added to" } else { "is already on" }, list.name())
        }
        FilterChange::Remove(list, pattern) => {
            let removed = config.remove_from_filter(*list, pattern)?;
            format!("{pattern} {} the {}", if removed { "removed from" } else { "is not on" }, list.name())
        }
    })
}
