//! Changes to a config: each changes one thing of the file and keeps everything else, or fails and changes nothing.

use serde_json::{Map, Value, json};

use super::document::Document;
use super::section::Warnings;
use super::{Config, ConfigError, RelayAccount, Secret, Settings, Transport};
use crate::protocol::address::Address;
use crate::protocol::filter::FilterMode;
use crate::protocol::relay::{ServerUrl, Token};
use crate::protocol::text;

/// A list of the address filter.
#[derive(Clone, Copy, Debug, PartialEq, Eq, serde::Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum FilterList {
    /// Senders to refuse.
    Blacklist,
    /// Senders to accept.
    Whitelist,
}

impl FilterList {
    /// The list's key in the config.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Blacklist => "blacklist",
            Self::Whitelist => "whitelist",
        }
    }
}

/// Every method fails with a [`ConfigError`] only where the file as changed could not be read again, and then leaves
/// the config as it was.
impl Config {
    /// Sets `agent_name`. The agent that is named so is the one from then on, whoever stood in for the earlier one.
    ///
    /// # Errors
    /// See above.
    pub fn set_agent(&mut self, agent: &Address) -> Result<(), ConfigError> {
        self.set("agent_name", json!(agent.as_str()))?;
        self.agent_override = None;
        Ok(())
    }

    /// Sets `mailbox_dir`.
    ///
    /// # Errors
    /// See above.
    pub fn set_mailbox_dir(&mut self, dir: &str) -> Result<(), ConfigError> {
        self.set("mailbox_dir", json!(dir))
    }

    /// Sets `agent_key`.
    ///
    /// # Errors
    /// See above.
    pub fn set_agent_key(&mut self, key: &Secret) -> Result<(), ConfigError> {
        self.set("agent_key", json!(key.expose()))
    }

    /// Sets `transport`.
    ///
    /// # Errors
    /// See above.
    pub fn set_transport(&mut self, transport: Transport) -> Result<(), ConfigError> {
        self.set("transport", json!(transport.name()))
    }

    /// Sets `allow_memory_sharing`.
    ///
    /// # Errors
    /// See above.
    pub fn set_sharing(&mut self, allowed: bool) -> Result<(), ConfigError> {
        self.set("allow_memory_sharing", json!(allowed))
    }

    /// Sets `address_filter.mode`.
    ///
    /// # Errors
    /// See above.
    pub fn set_filter_mode(&mut self, mode: FilterMode) -> Result<(), ConfigError> {
        self.change(|map| {
            in_object(map, "address_filter", |filter| filter.insert("mode".to_owned(), json!(mode.name())));
        })
    }

    /// Adds a pattern to a list of the filter; `false` when it is there already, in any case of letters.
    ///
    /// # Errors
    /// See above.
    pub fn add_to_filter(&mut self, list: FilterList, pattern: &str) -> Result<bool, ConfigError> {
        let pattern = text::strip(pattern);
        self.change_patterns(list, |patterns| {
            let known = patterns.iter().any(|known| is_pattern(known, pattern));
            if !known {
                patterns.push(json!(pattern));
            }
            !known
        })
    }

    /// Takes a pattern off a list of the filter; `false` when it is not there.
    ///
    /// # Errors
    /// See above.
    pub fn remove_from_filter(&mut self, list: FilterList, pattern: &str) -> Result<bool, ConfigError> {
        let pattern = text::strip(pattern);
        self.change_patterns(list, |patterns| remove_where(patterns, |known| is_pattern(known, pattern)) > 0)
    }

    /// Adds an account to `relays`; `false` when the same account (server and token) is there already, whose address is
    /// then brought up to date. An entry of that server without a token takes this one's.
    ///
    /// # Errors
    /// See above.
    pub fn add_relay(&mut self, account: &RelayAccount) -> Result<bool, ConfigError> {
        let token = account.token.as_ref().map(Token::expose).unwrap_or_default();
        let is_account = |entry: &&mut Map<String, Value>| {
            let entry_token = entry.get("token").and_then(Value::as_str).unwrap_or_default();
            is_server(entry, &account.server) && (entry_token == token || entry_token.is_empty())
        };
        self.change_list("relays", |relays| {
            if let Some(known) = relays.iter_mut().filter_map(Value::as_object_mut).find(is_account) {
                fill(known, account);
                return false;
            }
            let mut entry = Map::new();
            fill(&mut entry, account);
            relays.push(Value::Object(entry));
            true
        })
    }

    /// Enters the token of an account: into the entry of `relays` or `agenttalk` that has it already, by server and address, else as a
    /// new one.
    ///
    /// # Errors
    /// See above.
    pub fn set_account(&mut self, server: &ServerUrl, address: &Address, token: &Token) -> Result<(), ConfigError> {
        let account =
            RelayAccount { server: server.clone(), token: Some(token.clone()), address: Some(address.clone()) };
        // `agenttalk` tells no address: it is the agent's own.
        let is_own = self.agent().same_as(address);
        self.change(|map| {
            let single =
                map.get_mut("agenttalk").and_then(Value::as_object_mut).filter(|it| is_own && is_server(it, server));
            if let Some(single) = single {
                single.insert("token".to_owned(), json!(token.expose()));
                return;
            }
            in_list(map, "relays", |relays| {
                let is_it = |entry: &&mut Map<String, Value>| is_server(entry, server) && is_address(entry, address);
                if let Some(known) = relays.iter_mut().filter_map(Value::as_object_mut).find(is_it) {
                    fill(known, &account);
                    return;
                }
                let mut entry = Map::new();
                fill(&mut entry, &account);
                relays.push(Value::Object(entry));
            });
        })
    }

    /// Removes every account with this URL or address, from `relays` and from `agenttalk`. Answers how many there were.
    ///
    /// # Errors
    /// See above.
    pub fn remove_relay(&mut self, url_or_address: &str) -> Result<usize, ConfigError> {
        let server = ServerUrl::parse(url_or_address).ok();
        let address = Address::parse(url_or_address).ok();
        let is_named = |entry: &Map<String, Value>| {
            server.as_ref().is_some_and(|server| is_server(entry, server))
                || address.as_ref().is_some_and(|address| is_address(entry, address))
        };
        self.change(|map| {
            let of_list =
                in_list(map, "relays", |relays| remove_where(relays, |entry| entry.as_object().is_some_and(is_named)));
            let single = map.get_mut("agenttalk").and_then(Value::as_object_mut).filter(|single| is_named(single));
            let of_single = usize::from(single.is_some());
            if let Some(single) = single {
                single.insert("server".to_owned(), json!(""));
                single.insert("token".to_owned(), json!(""));
            }
            of_list + of_single
        })
    }

    /// Sets `agenttalk`, the single relay account.
    ///
    /// # Errors
    /// See above.
    pub fn set_agenttalk(&mut self, server: &ServerUrl, token: &Token) -> Result<(), ConfigError> {
        self.change(|map| {
            in_object(map, "agenttalk", |single| {
                single.insert("server".to_owned(), json!(server.as_str()));
                single.insert("token".to_owned(), json!(token.expose()));
            });
        })
    }

    fn set(&mut self, key: &str, value: Value) -> Result<(), ConfigError> {
        self.change(|map| {
            map.insert(key.to_owned(), value);
        })
    }

    fn change_patterns<T>(
        &mut self,
        list: FilterList,
        change: impl FnOnce(&mut Vec<Value>) -> T,
    ) -> Result<T, ConfigError> {
        self.change(|map| {
            in_object(map, "address_filter", |filter| {
                complete_filter(filter);
                in_list(filter, list.name(), change)
            })
        })
    }

    fn change_list<T>(&mut self, key: &str, change: impl FnOnce(&mut Vec<Value>) -> T) -> Result<T, ConfigError> {
        self.change(|map| in_list(map, key, change))
    }

    /// Changes a copy, reads it, and only then takes it over.
    fn change<T>(&mut self, change: impl FnOnce(&mut Map<String, Value>) -> T) -> Result<T, ConfigError> {
        let mut document: Document = self.document.clone();
        let result = change(document.map_mut());
        let mut warnings = Warnings::default();
        self.settings = Settings::read(document.map(), &mut warnings)?;
        self.warnings = warnings.found;
        self.document = document;
        Ok(result)
    }
}

/// Changes the object under `key`, made where there is none. Only a null can stand there instead: anything else was
/// refused on reading.
fn in_object<T>(map: &mut Map<String, Value>, key: &str, change: impl FnOnce(&mut Map<String, Value>) -> T) -> T {
    let slot = map.entry(key).or_insert(Value::Null);
    let mut object = match slot.take() {
        Value::Object(object) => object,
        _ => Map::new(),
    };
    let result = change(&mut object);
    *slot = Value::Object(object);
    result
}

/// Gives a filter every key that the reference writes, so that a file changed here is the one that it would write.
fn complete_filter(filter: &mut Map<String, Value>) {
    let defaults = [
        ("mode", json!("blacklist")),
        ("blacklist", json!([])),
        ("whitelist", json!([])),
        ("log_blocked", json!(true)),
    ];
    for (key, value) in defaults {
        filter.entry(key).or_insert(value);
    }
}

/// Changes the list under `key`, made where there is none.
fn in_list<T>(map: &mut Map<String, Value>, key: &str, change: impl FnOnce(&mut Vec<Value>) -> T) -> T {
    let slot = map.entry(key).or_insert(Value::Null);
    let mut list = match slot.take() {
        Value::Array(list) => list,
        _ => Vec::new(),
    };
    let result = change(&mut list);
    *slot = Value::Array(list);
    result
}

/// Removes what `unwanted` names and counts it.
fn remove_where(list: &mut Vec<Value>, unwanted: impl Fn(&Value) -> bool) -> usize {
    let before = list.len();
    list.retain(|item| !unwanted(item));
    before - list.len()
}

/// Patterns are compared as the filter compares them: trimmed, in lower case.
fn is_pattern(known: &Value, pattern: &str) -> bool {
    known.as_str().is_some_and(|known| text::strip(known).to_lowercase() == pattern.to_lowercase())
}

fn is_server(entry: &Map<String, Value>, server: &ServerUrl) -> bool {
    let url = entry.get("server").and_then(Value::as_str);
    url.and_then(|url| ServerUrl::parse(url).ok()).is_some_and(|url| url == *server)
}

fn is_address(entry: &Map<String, Value>, address: &Address) -> bool {
    let known = entry.get("address").and_then(Value::as_str);
    known.and_then(|known| Address::parse(known).ok()).is_some_and(|known| known.same_as(address))
}

/// Writes what is known of an account into its entry.
fn fill(entry: &mut Map<String, Value>, account: &RelayAccount) {
    entry.insert("server".to_owned(), json!(account.server.as_str()));
    if let Some(token) = &account.token {
        entry.insert("token".to_owned(), json!(token.expose()));
    }
    if let Some(address) = &account.address {
        entry.insert("address".to_owned(), json!(address.as_str()));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn fresh() -> Config {
        Config::fresh(&Address::parse("a@localhost").unwrap(), &Secret::new("k".to_owned()))
    }

    fn account(server: &str, token: &str, address: &str) -> RelayAccount {
        RelayAccount {
            server: ServerUrl::parse(server).unwrap(),
            token: Token::parse(token),
            address: Address::parse(address).ok(),
        }
    }

    /// The lines of the one text that are not in the other.
    fn changed_lines(before: &str, after: &str) -> Vec<String> {
        after
            .lines()
            .filter(|line| !before.lines().any(|old| old == *line))
            .map(|line| line.trim().to_owned())
            .collect()
    }

    #[test]
    fn an_edit_changes_its_lines_only() {
        let before = fresh().to_json();
        let mut config = fresh();
        config.set_transport(Transport::AgentTalk).unwrap();
        config.set_sharing(true).unwrap();
        config.set_agent(&Address::parse("z\u{fc}rich@localhost").unwrap()).unwrap();
        config.set_filter_mode(FilterMode::Whitelist).unwrap();
        assert_eq!(
            changed_lines(&before, &config.to_json()),
            [
                "\"agent_name\": \"z\\u00fcrich@localhost\",",
                "\"allow_memory_sharing\": true,",
                "\"transport\": \"agenttalk\",",
                "\"mode\": \"whitelist\",",
            ]
        );
        assert_eq!(config.transport(), Transport::AgentTalk);
        assert!(config.email_accounts().is_empty());
    }

    #[test]
    fn unknown_keys_and_their_order_survive() {
        let text = "{\n  \"zzz\": {\n    \"n\": 1.5\n  },\n  \"agent_name\": \"a@localhost\",\n  \"aaa\": null\n}";
        let mut config = Config::parse(text.as_bytes()).unwrap();
        assert_eq!(config.to_json(), text);
        config.set_agent(&Address::parse("b@localhost").unwrap()).unwrap();
        assert_eq!(config.to_json(), text.replace("a@localhost", "b@localhost"));
    }

    #[test]
    fn filter_patterns_are_kept_once() {
        let mut config = Config::parse(b"{\"agent_name\": \"a@x\", \"address_filter\": null}").unwrap();
        assert!(config.add_to_filter(FilterList::Blacklist, " Spam*@x ").unwrap());
        assert!(!config.add_to_filter(FilterList::Blacklist, "spam*@X").unwrap());
        assert_eq!(config.filter().blacklist, ["Spam*@x"]);
        assert!(config.remove_from_filter(FilterList::Blacklist, "SPAM*@x").unwrap());
        assert!(!config.remove_from_filter(FilterList::Whitelist, "x").unwrap());
        assert!(config.filter().blacklist.is_empty());
    }

    #[test]
    fn relays_are_added_once_and_removed_by_url_or_address() {
        let mut config = fresh();
        let first = account("https://r.example", "t1", "a.agenttalk");
        assert!(config.add_relay(&account("https://R.example/", "", "")).unwrap());
        assert!(!config.add_relay(&first).unwrap(), "an entry without a token takes this one's");
        assert!(config.add_relay(&account("https://r.example", "t2", "b.agenttalk")).unwrap());
        assert_eq!(config.relays(), [first, account("https://r.example", "t2", "b.agenttalk")]);
        assert_eq!(config.remove_relay("A.agenttalk").unwrap(), 1);
        assert_eq!(config.remove_relay("nobody").unwrap(), 0);
        assert_eq!(config.remove_relay("https://r.example/").unwrap(), 1);
        assert_eq!(config.to_json(), fresh().to_json());
    }

    #[test]
    fn the_single_relay_is_set_and_removed() {
        let mut config = fresh();
        config.set_transport(Transport::AgentTalk).unwrap();
        let (server, token) = (ServerUrl::parse("http://127.0.0.1:8484").unwrap(), Token::parse("t").unwrap());
        config.set_agenttalk(&server, &token).unwrap();
        assert_eq!(config.relays(), [account("http://127.0.0.1:8484", "t", "")]);
        assert_eq!(config.remove_relay("http://127.0.0.1:8484").unwrap(), 1);
        assert!(config.relays().is_empty());
    }
}
