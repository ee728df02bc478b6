//! Reading a config: the reference's own files, defaults, errors.

use proptest::prelude::*;

use super::*;
use crate::protocol::relay::{ServerUrl, Token};

/// What the reference wrote in an empty folder.
const REFERENCE: &str = r#"{
  "agent_name": "agent-ae739082@localhost",
  "agent_key": "36458312e127801c17c83911e0113673",
  "allow_memory_sharing": false,
  "mailbox_dir": "./data/mailboxes",
  "transport": "email",
  "sync_interval": 10,
  "log_file": "./logs/agentazall.log",
  "email": {
    "imap_server": "127.0.0.1",
    "imap_port": 1143,
    "imap_ssl": false,
    "imap_folder": "INBOX",
    "smtp_server": "127.0.0.1",
    "smtp_port": 2525,
    "smtp_ssl": false,
    "smtp_starttls": false,
    "pop3_server": "127.0.0.1",
    "pop3_port": 1110,
    "pop3_ssl": false,
    "use_pop3": false,
    "username": "agent1@localhost",
    "password": "password",
    "sync_special_folders": true
  },
  "ftp": {
    "host": "127.0.0.1",
    "port": 2121,
    "port_range": [
      2121,
      2199
    ],
    "user": "agentoftp",
    "password": "agentoftp_pass",
    "root": "./data/ftp_root",
    "ftp_ssl": false
  },
  "agenttalk": {
    "server": "",
    "token": ""
  },
  "address_filter": {
    "mode": "blacklist",
    "blacklist": [],
    "whitelist": [],
    "log_blocked": true
  },
  "relays": [],
  "email_accounts": [],
  "ftp_servers": []
}"#;

fn fresh() -> Config {
    let key = Secret::new("36458312e127801c17c83911e0113673".to_owned());
    Config::fresh(&Address::parse("agent-ae739082@localhost").unwrap(), &key)
}

/// A config with these lines beside the agent's name.
fn with(lines: &str) -> Result<Config, ConfigError> {
    Config::parse(format!("{{\"agent_name\": \"a@localhost\", {lines}}}").as_bytes())
}

#[test]
fn the_default_file_is_the_references() {
    assert_eq!(fresh().to_json(), REFERENCE);
}

#[test]
fn the_references_file_survives_and_has_the_default_settings() {
    let read = Config::parse(REFERENCE.as_bytes()).unwrap();
    assert_eq!(read.to_json(), REFERENCE);
    assert_eq!(read, fresh());
    assert_eq!(read.warnings(), []);
    assert_eq!(read.sync_interval_ms(), 10_000);
    assert_eq!(read.email_accounts(), [EmailAccount::default()]);
}

#[test]
fn an_empty_object_has_the_defaults_too() {
    let config = Config::parse(b"{}").unwrap();
    assert_eq!(config.agent().as_str(), "agent1@localhost");
    assert_eq!(config.warnings().len(), 1);
    assert_eq!(config.agent_key(), None);
    assert_eq!(config.mailbox_dir(), fresh().mailbox_dir());
    assert_eq!(config.signature_policy(), SignaturePolicy::Accept);
    assert_eq!(config.on_key_change(), OnKeyChange::Hold);
}

#[test]
fn wrong_values_are_named_by_their_path() {
    // Left out, it would leave a whitelist that is empty and lets everybody in.
    let long = format!("\"address_filter\": {{\"whitelist\": [\"{}\"]}}", "x".repeat(1025));
    for (lines, key, found, allowed) in [
        ("\"transport\": \"emial\"", "transport", "emial", "did you mean email?"),
        ("\"transport\": 5", "transport", "5", "agenttalk"),
        ("\"sync_interval\": \"10\"", "sync_interval", "\"10\"", "seconds"),
        ("\"sync_interval\": 0", "sync_interval", "0", "seconds"),
        ("\"allow_memory_sharing\": \"yes\"", "allow_memory_sharing", "yes", "without quotes"),
        ("\"agent_name\": \"../x\"", "agent_name", "/", "alice@localhost"),
        ("\"email\": []", "email", "a list", "object"),
        ("\"email\": {\"smtp_port\": 70000}", "email.smtp_port", "70000", "65535"),
        ("\"ftp\": {\"port_range\": [9, 2]}", "ftp.port_range", "a list", "lower first"),
        ("\"agenttalk\": {\"server\": \"relay.example\"}", "agenttalk.server", "not usable", "https://"),
        ("\"relays\": [{}, {\"address\": \"a b\"}]", "relays[1].address", "not usable", "alice.agenttalk"),
        ("\"relays\": [5]", "relays", "5", "1000 objects"),
        ("\"address_filter\": {\"blacklist\": [\"a\", 5]}", "address_filter.blacklist", "5", "list of texts"),
        (&long, "address_filter.whitelist", "1025 bytes", "patterns"),
        ("\"mailbox_dir\": \"a\\u0000b\"", "mailbox_dir", "control character", "text"),
        ("\"signature_policy\": \"require_signed\"", "signature_policy", "require_signed", "require-signed"),
    ] {
        let ConfigError::WrongValue { key: told, .. } = with(lines).unwrap_err() else { panic!("{lines}") };
        assert_eq!(told, key, "{lines}");
        let message = with(lines).unwrap_err().to_string();
        assert!(message.contains(found) && message.contains(allowed), "{lines}: {message}");
    }
}

#[test]
fn typos_are_warned_of_and_kept() {
    let config = with("\"agent-key\": \"k\", \"relay\": [], \"email\": {\"pasword\": \"p\"}, \"my_own\": 1").unwrap();
    let told: Vec<String> = config.warnings().iter().map(ToString::to_string).collect();
    assert_eq!(told.len(), 3, "{told:?}");
    for (key, nearest) in [("agent-key", "agent_key"), ("relay ", "relays"), ("email.pasword", "password")] {
        assert!(
            told.iter().any(|line| line.starts_with(key) && line.ends_with(&format!("{nearest}?"))),
            "{key}: {told:?}"
        );
    }
    assert!(config.to_json().contains("\"my_own\": 1") && config.to_json().contains("\"agent-key\": \"k\""));
}

#[test]
fn secrets_are_in_no_error_and_no_debug() {
    for lines in [
        "\"agent_key\": 31337",
        "\"relays\": [{\"token\": \"hunter2 31337\"}]",
        "\"agenttalk\": {\"server\": \"https://user:31337@relay.example\"}",
        "\"email\": {\"password\": [31337]}",
    ] {
        let error = with(lines).unwrap_err();
        assert!(!format!("{error} {error:?}").contains("31337"), "{error:?}");
    }
    let config = with(
        "\"agent_key\": \"s3\", \"email\": {\"password\": \"s3\"}, \"relays\": [{\"server\": \"https://r\", \"token\": \"s3\"}]",
    );
    assert!(!format!("{:?}", config.unwrap()).contains("s3"));
}

#[test]
fn relay_accounts_are_merged() {
    let lines = "\"agenttalk\": {\"server\": \"http://localhost:8484/\", \"token\": \"t\"}, \"relays\": [
        {\"server\": \"http://LOCALHOST:8484\", \"token\": \"t\", \"address\": \"a.agenttalk\"},
        {\"server\": \"\", \"token\": \"\"},
        {\"server\": \"http://localhost:8484\", \"token\": \"u\", \"address\": null}]";
    let relay = |token: &str, address: Option<&str>| RelayAccount {
        server: ServerUrl::parse("http://localhost:8484").unwrap(),
        token: Token::parse(token),
        address: address.map(|address| Address::parse(address).unwrap()),
    };
    let config = with(&format!("\"transport\": \"agenttalk\", {lines}")).unwrap();
    assert_eq!(config.relays(), [relay("t", Some("a.agenttalk")), relay("u", None)]);
    assert_eq!(config.email_accounts(), []);
    assert_eq!(with(lines).unwrap().relays().len(), 2, "the list is in use whatever the transport");
    assert_eq!(with("\"agenttalk\": {\"server\": \"http://localhost\"}").unwrap().relays(), []);
}

#[test]
fn a_list_takes_the_place_of_the_single_account() {
    let lines = "\"transport\": \"both\", \"email_accounts\": [{\"imap_server\": \"i\"}], \"ftp\": {\"host\": \"\"}";
    let config = with(lines).unwrap();
    let names: Vec<&str> = config.email_accounts().iter().map(|account| account.imap_server.as_str()).collect();
    assert_eq!(names, ["i"]);
    assert_eq!(config.ftp_servers(), []);
    assert_eq!(with("\"transport\": \"ftp\"").unwrap().ftp_servers(), [FtpServer::default()]);
}

#[test]
fn the_override_lasts_but_is_not_written() {
    let config = fresh().with_agent(Config::agent_of_environment(" ").unwrap());
    assert_eq!(config.agent().as_str(), "agent-ae739082@localhost");
    let mut config = config.with_agent(Config::agent_of_environment("bob@localhost").unwrap());
    config.set_sharing(false).unwrap();
    assert_eq!(config.agent().as_str(), "bob@localhost");
    assert_eq!(config.to_json(), REFERENCE);
    assert!(Config::agent_of_environment("../x").is_err());
}

fn json_value() -> impl Strategy<Value = Value> {
    let leaf = prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::from),
        any::<i64>().prop_map(Value::from),
        // Floats of a few digits: serde_json reads one of seventeen to within its last digit.
        any::<i32>().prop_map(|eighths| Value::from(f64::from(eighths) / 8.0)),
        ".{0,12}".prop_map(Value::from),
    ];
    leaf.prop_recursive(4, 24, 4, |inner| {
        prop_oneof![
            proptest::collection::vec(inner.clone(), 0..4).prop_map(Value::from),
            proptest::collection::vec((".{0,6}", inner), 0..4).prop_map(|pairs| pairs.into_iter().collect()),
        ]
    })
}

proptest! {
    #[test]
    fn any_bytes_are_safe(bytes in proptest::collection::vec(any::<u8>(), 0..300)) {
        let _ = Config::parse(&bytes);
    }

    #[test]
    fn any_value_of_any_key_is_safe(index in 0_usize..14, value in json_value()) {
        let Value::Object(mut file) = serde_json::from_str(REFERENCE).unwrap() else { panic!() };
        let key = file.keys().nth(index).unwrap().clone();
        file.insert(key, value);
        if let Ok(config) = Config::parse(Value::Object(file).to_string().as_bytes()) {
            prop_assert_eq!(&Config::parse(config.to_json().as_bytes()).unwrap(), &config);
        }
    }

    #[test]
    fn unknown_values_survive(value in json_value()) {
        let Value::Object(mut file) = serde_json::from_str(REFERENCE).unwrap() else { panic!() };
        file.insert("something_of_mine".to_owned(), value.clone());
        let config = Config::parse(Value::Object(file).to_string().as_bytes()).unwrap();
        let again: Value = serde_json::from_str(&config.to_json()).unwrap();
        prop_assert_eq!(&again["something_of_mine"], &value);
    }
}
