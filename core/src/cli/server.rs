//! `server`: what it takes. Serving is no mailbox command: a host that can do it takes the [`ServerTask`], any other says
//! that it cannot.

use std::net::{IpAddr, Ipv4Addr};

use clap::{Args, Subcommand, ValueEnum};

use crate::protocol::relay::ServerUrl;

use super::UsageError;

/// The servers that are built in.
const BUILT_IN: &str = "the AgentTalk relay (--agenttalk) is built in, and no other server";

#[derive(Debug, Args)]
#[command(
    after_help = "Without --agenttalk it is the AgentTalk relay all the same. It listens on this machine alone unless --bind says otherwise; \
to be reached from others it should have TLS, its own or that of a proxy before it.

Sizes are bytes, or take K, M, G (1024 each); times are seconds, or take m, h, d.

Examples:
  azall server                                        a relay for the agents of this machine
  azall server --memory --port 9000                   nothing is kept on disk
  azall server --bind 0.0.0.0 --port 8443 --tls-cert fullchain.pem --tls-key privkey.pem
  azall server --tls-self-signed                      for development: its certificate is written into the data folder
  azall server backup relay.backup                    while it runs, or while it does not
  azall server restore relay.backup --data-dir new    then `azall server --data-dir new`"
)]
pub(crate) struct ServerArgs {
    #[command(subcommand)]
    action: Option<ServerAction>,
    /// The AgentTalk relay
    #[arg(long)]
    agenttalk: bool,
    /// The mail server
    #[arg(long)]
    email: bool,
    /// The FTP server
    #[arg(long)]
    ftp: bool,
    /// Every server
    #[arg(long)]
    all: bool,
    /// The address to listen on; 0.0.0.0 or :: for every one that this machine has
    #[arg(long, value_name = "ADDRESS", default_value_t = IpAddr::V4(Ipv4Addr::LOCALHOST))]
    bind: IpAddr,
    /// The port; 0 for any that is free [default: 8484, or the next one that is free]
    #[arg(long)]
    port: Option<u16>,
    /// The host that clients reach it by, as in its URL: no other relay can then use a signature meant for this one here
    #[arg(long, value_name = "NAME[:PORT]", value_parser = host)]
    host: Option<String>,
    /// Where everything is kept [default: data/relay beside the config file]
    #[arg(long, value_name = "FOLDER")]
    data_dir: Option<String>,
    /// Keep everything in memory: a restart forgets all accounts and messages
    #[arg(long)]
    memory: bool,
    #[command(flatten)]
    tls: TlsArgs,
    /// How to log, on standard error
    #[arg(long, value_enum, default_value = "text")]
    log: LogFormat,
    #[command(flatten)]
    limits: ServerLimits,
}

#[derive(Debug, Args)]
struct TlsArgs {
    /// Serve HTTPS with this certificate chain, a PEM file
    #[arg(long, value_name = "FILE", requires = "tls_key")]
    tls_cert: Option<String>,
    /// The certificate's private key, a PEM file
    #[arg(long, value_name = "FILE", requires = "tls_cert")]
    tls_key: Option<String>,
    /// Serve HTTPS with a certificate of its own making
    #[arg(long, conflicts_with = "tls_cert")]
    tls_self_signed: bool,
}

/// What a relay allows; what is not given is the relay's default.
#[derive(Clone, Debug, Default, PartialEq, Eq, Args)]
#[command(next_help_heading = "Limits")]
pub struct ServerLimits {
    /// Bytes of one message [default: 256K]
    #[arg(long, value_name = "SIZE", value_parser = size)]
    pub message_bytes: Option<u64>,
    /// Bytes of all messages that wait for one agent [default: 5M]
    #[arg(long, value_name = "SIZE", value_parser = size)]
    pub inbox_bytes: Option<u64>,
    /// Messages that wait for one agent [default: 100000]
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(1..))]
    pub inbox_messages: Option<u32>,
    /// How long a message waits to be fetched [default: 48h]
    #[arg(long, value_name = "TIME", value_parser = seconds)]
    pub ttl: Option<u64>,
    /// Bytes of one blob [default: 1G]
    #[arg(long, value_name = "SIZE", value_parser = size)]
    pub blob_bytes: Option<u64>,
    /// Bytes of all blobs of one agent [default: 1G]
    #[arg(long, value_name = "SIZE", value_parser = size)]
    pub blob_account_bytes: Option<u64>,
    /// How long a blob is kept [default: 48h]
    #[arg(long, value_name = "TIME", value_parser = seconds)]
    pub blob_ttl: Option<u64>,
    /// Connections in all [default: 8192]
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(1..))]
    pub connections: Option<u32>,
    /// Connections of one address [default: 1024]
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(1..))]
    pub connections_per_address: Option<u32>,
}

#[derive(Debug, Subcommand)]
enum ServerAction {
    /// Write everything that a relay keeps into one file, while it runs or not
    #[command(after_help = "Example:\n  azall server backup relay-2026-03-11.backup")]
    Backup {
        /// The file; it must not exist yet
        file: String,
        /// The relay's data folder [default: data/relay beside the config file]
        #[arg(long, value_name = "FOLDER")]
        data_dir: Option<String>,
    },
    /// Make a data folder of a backup
    #[command(after_help = "Example:\n  azall server restore relay-2026-03-11.backup --data-dir /srv/relay")]
    Restore {
        /// The backup
        file: String,
        /// The folder to make [default: data/relay beside the config file]
        #[arg(long, value_name = "FOLDER")]
        data_dir: Option<String>,
    },
}

/// How a server logs.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum LogFormat {
    /// A line of text for each event.
    Text,
    /// A JSON object for each event.
    Json,
}

/// Where a server's TLS certificate comes from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Tls {
    /// Plain HTTP.
    None,
    /// Two PEM files.
    Files {
        /// The certificate chain.
        cert: String,
        /// Its private key.
        key: String,
    },
    /// One of its own making.
    SelfSigned,
}

/// What `azall server` asks of the host.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ServerTask {
    /// Serve until told to stop.
    Serve(Box<Serve>),
    /// Write a backup.
    Backup {
        /// The file to make.
        file: String,
        /// The relay's data folder, if it is not the usual one.
        data_dir: Option<String>,
    },
    /// Make a data folder of a backup.
    Restore {
        /// The backup.
        file: String,
        /// The folder to make, if it is not the usual one.
        data_dir: Option<String>,
    },
}

/// How to serve.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Serve {
    /// The address to listen on.
    pub bind: IpAddr,
    /// The port that was asked for; the default one may give way to the next that is free.
    pub port: Option<u16>,
    /// The host that clients reach it by.
    pub host: Option<String>,
    /// The data folder, if it is not the usual one.
    pub data_dir: Option<String>,
    /// Whether to keep everything in memory.
    pub memory: bool,
    /// The certificate.
    pub tls: Tls,
    /// How to log.
    pub log: LogFormat,
    /// What is allowed.
    pub limits: ServerLimits,
}

impl ServerArgs {
    /// What is asked of the host.
    pub(crate) fn task(&self) -> Result<ServerTask, UsageError> {
        let folder = |after: &Option<String>| after.clone().or_else(|| self.data_dir.clone());
        match &self.action {
            Some(ServerAction::Backup { file, data_dir }) => {
                return Ok(ServerTask::Backup { file: file.clone(), data_dir: folder(data_dir) });
            }
            Some(ServerAction::Restore { file, data_dir }) => {
                return Ok(ServerTask::Restore { file: file.clone(), data_dir: folder(data_dir) });
            }
            None => {}
        }
        for (asked, flag) in [(self.email, "--email"), (self.ftp, "--ftp"), (self.all, "--all")] {
            if asked {
                return Err(UsageError::value(flag, BUILT_IN));
            }
        }
        let tls = match (&self.tls.tls_cert, &self.tls.tls_key) {
            (Some(cert), Some(key)) => Tls::Files { cert: cert.clone(), key: key.clone() },
            _ if self.tls.tls_self_signed => Tls::SelfSigned,
            _ => Tls::None,
        };
        if self.memory && self.data_dir.is_none() && tls == Tls::SelfSigned {
            let why = "with --memory it needs a --data-dir to write its certificate into, for clients to trust";
            return Err(UsageError::value("--tls-self-signed", why));
        }
        Ok(ServerTask::Serve(Box::new(Serve {
            bind: self.bind,
            port: self.port,
            host: self.host.clone(),
            data_dir: self.data_dir.clone(),
            memory: self.memory,
            tls,
            log: self.log,
            limits: self.limits.clone(),
        })))
    }
}

/// A host as it stands in a URL, with a port or without.
fn host(text: &str) -> Result<String, String> {
    let url = ServerUrl::parse(&format!("https://{text}")).map_err(|error| error.to_string())?;
    Ok(url.authority().to_owned())
}

/// A number of bytes: `1000`, `256K`, `5M`, `2G`.
fn size(text: &str) -> Result<u64, String> {
    with_unit(text, &[('k', 1 << 10), ('m', 1 << 20), ('g', 1 << 30)])
        .ok_or_else(|| "give a number of bytes above 0, such as 65536, 256K, 5M or 2G".to_owned())
}

/// A number of seconds: `90`, `30m`, `48h`, `7d`.
fn seconds(text: &str) -> Result<u64, String> {
    with_unit(text, &[('s', 1), ('m', 60), ('h', 3600), ('d', 86_400)])
        .filter(|seconds| *seconds <= 366 * 86_400)
        .ok_or_else(|| "give a time above 0 and of a year at most, such as 90, 30m, 48h or 7d".to_owned())
}

/// A whole number above 0, with at most one of these letters behind it.
fn with_unit(text: &str, units: &[(char, u64)]) -> Option<u64> {
    let text = text.trim().to_ascii_lowercase();
    let found = units.iter().find_map(|(letter, worth)| Some((text.strip_suffix(*letter)?, *worth)));
    let (digits, worth) = found.unwrap_or((text.as_str(), 1));
    if digits.is_empty() || !digits.bytes().all(|byte| byte.is_ascii_digit()) {
        return None;
    }
    digits.parse::<u64>().ok()?.checked_mul(worth).filter(|number| *number > 0)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn task(words: &str) -> Result<ServerTask, super::super::Exit> {
        let words = words.split_whitespace().map(std::ffi::OsString::from);
        let task = super::super::parse(words)?.server_task()?;
        Ok(task.expect("it is the command for servers"))
    }

    fn serve(words: &str) -> Serve {
        match task(words) {
            Ok(ServerTask::Serve(serve)) => *serve,
            other => panic!("{words}: {other:?}"),
        }
    }

    #[test]
    fn a_server_is_the_relay_on_this_machine_unless_more_is_asked() {
        let plain = serve("azall server");
        assert_eq!(plain, serve("azall server --agenttalk"));
        assert!(plain.bind.is_loopback());
        assert_eq!((plain.port, plain.data_dir, plain.memory, plain.tls), (None, None, false, Tls::None));
        assert_eq!(plain.limits, ServerLimits::default());
        let asked = serve(
            "azall server --bind :: --port 0 --data-dir d --tls-self-signed --host Relay.Example --log json --ttl 7d --inbox-bytes 1G",
        );
        assert!(asked.bind.is_unspecified());
        assert_eq!((asked.port, asked.data_dir.as_deref(), asked.tls), (Some(0), Some("d"), Tls::SelfSigned));
        assert_eq!(asked.host.as_deref(), Some("relay.example"));
        assert_eq!((asked.limits.ttl, asked.limits.inbox_bytes), (Some(604_800), Some(1 << 30)));
        let files = serve("azall server --tls-cert c.pem --tls-key k.pem").tls;
        assert_eq!(files, Tls::Files { cert: "c.pem".to_owned(), key: "k.pem".to_owned() });
    }

    #[test]
    fn a_backup_is_of_the_folder_that_is_named() {
        let backup = |dir: Option<&str>| ServerTask::Backup { file: "f".to_owned(), data_dir: dir.map(str::to_owned) };
        assert_eq!(task("azall server backup f").unwrap(), backup(None));
        assert_eq!(task("azall server backup f --data-dir d").unwrap(), backup(Some("d")));
        assert_eq!(task("azall server --data-dir d backup f").unwrap(), backup(Some("d")));
        let restore = ServerTask::Restore { file: "f".to_owned(), data_dir: Some("d".to_owned()) };
        assert_eq!(task("azall server restore f --data-dir d").unwrap(), restore);
    }

    #[test]
    fn what_cannot_be_served_is_told() {
        for (words, why) in [
            ("azall server --email", "--email: the AgentTalk relay (--agenttalk) is built in"),
            ("azall server --agenttalk --ftp", "--ftp: the AgentTalk relay"),
            ("azall server --all", "--all: the AgentTalk relay"),
            ("azall server --memory --tls-self-signed", "needs a --data-dir"),
            ("azall server --tls-cert c.pem", "--tls-key"),
            ("azall server --tls-self-signed --tls-cert c --tls-key k", "cannot be used with"),
            ("azall server --bind localhost", "--bind"),
            ("azall server --port 65536", "--port"),
            ("azall server --ttl 0", "--ttl"),
            ("azall server --message-bytes 1.5M", "--message-bytes"),
            ("azall server --connections 0", "--connections"),
            ("azall server backup", "<FILE>"),
        ] {
            let exit = task(words).unwrap_err();
            assert_eq!(exit.code, 2, "{words}");
            assert!(exit.text.contains(why), "{words}: {}", exit.text);
        }
    }

    #[test]
    fn a_host_that_cannot_serve_says_so() {
        let words = ["azall", "server"].map(std::ffi::OsString::from);
        let invocation = super::super::parse(words).unwrap();
        assert!(invocation.sources().is_empty());
        let exit = invocation.into_command(super::super::Inputs::default()).unwrap_err();
        assert!(exit.code == 2 && exit.text.contains("this azall cannot serve"), "{}", exit.text);
    }

    #[test]
    fn sizes_and_times_have_units() {
        for (text, bytes) in [("1", 1), ("256K", 262_144), ("5m", 5_242_880), (" 2G ", 2_147_483_648)] {
            assert_eq!(size(text), Ok(bytes), "{text}");
        }
        for (text, time) in [("90", 90), ("90s", 90), ("30m", 1800), ("48h", 172_800), ("7D", 604_800)] {
            assert_eq!(seconds(text), Ok(time), "{text}");
        }
        for text in ["", "0", "-1", "+1", "1.5M", "K", "1KB", "18446744073709551615G", "\u{661}"] {
            assert!(size(text).is_err(), "{text:?}");
        }
        assert!(seconds("367d").is_err());
    }
}
