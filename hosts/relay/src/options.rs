//! All that an operator can set, with its default.

use std::net::{IpAddr, Ipv4Addr};
use std::path::PathBuf;
use std::time::Duration;

/// The port that clients try where none is named.
pub const DEFAULT_PORT: u16 = 8484;

/// Bytes in a KiB.
const KIB: u64 = 1024;

/// Bytes in a MiB.
const MIB: u64 = 1024 * KIB;

/// How a relay runs.
#[derive(Clone, Debug)]
pub struct Options {
    /// The address to listen on: this machine alone, unless the operator says otherwise.
    pub bind: IpAddr,
    /// The port to listen on.
    pub port: Port,
    /// The folder that holds everything; without one nothing is written.
    pub data_dir: Option<PathBuf>,
    /// Whether accounts, messages and blobs are kept in memory alone.
    pub memory: bool,
    /// Where the certificate comes from.
    pub tls: TlsSource,
    /// The name, and the port where it is not the usual one, by which clients reach the relay. Known, nobody can get an account
    /// here with a signature that was meant for another relay.
    pub host: Option<String>,
    /// What is allowed.
    pub limits: Limits,
}

impl Options {
    /// A relay on this machine's loopback interface, over this folder.
    #[must_use]
    pub fn in_folder(data_dir: impl Into<PathBuf>) -> Self {
        Self { data_dir: Some(data_dir.into()), memory: false, ..Self::in_memory() }
    }

    /// A relay on this machine's loopback interface that keeps nothing.
    #[must_use]
    pub fn in_memory() -> Self {
        Self {
            bind: IpAddr::V4(Ipv4Addr::LOCALHOST),
            port: Port::Default,
            data_dir: None,
            memory: true,
            tls: TlsSource::None,
            host: None,
            limits: Limits::default(),
        }
    }
}

/// The port to listen on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Port {
    /// [`DEFAULT_PORT`], or the next one that is free.
    Default,
    /// This one or none; 0 means any that is free.
    Fixed(u16),
}

/// Where the certificate comes from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum TlsSource {
    /// Nowhere: plain HTTP.
    None,
    /// PEM files of a certificate chain and its private key.
    Files {
        /// The chain, the relay's own certificate first.
        cert: PathBuf,
        /// The private key.
        key: PathBuf,
    },
    /// The relay makes one and keeps it in its data folder.
    SelfSigned,
}

/// What a relay allows.
#[derive(Clone, Debug)]
pub struct Limits {
    /// How much is kept, and how long.
    pub store: StoreLimits,
    /// Connections in all.
    pub connections: u32,
    /// Connections of one address (of an IPv6 network of 64 bits).
    pub connections_per_address: u32,
    /// Requests that are worked on at the same time; those that only wait for a message or an event do not count.
    pub requests_at_once: u32,
    /// Bytes of large requests and answers that are held in memory at the same time.
    pub memory_bytes: u64,
    /// How long the head of a request may take, and how long a connection may stay idle.
    pub head_time: Duration,
    /// How long the body of a request may take, and the pause that a longer transfer may make.
    pub body_time: Duration,
    /// How long requests that were accepted may take once the relay is told to stop.
    pub stop_time: Duration,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            store: StoreLimits::default(),
            connections: 8192,
            connections_per_address: 1024,
            requests_at_once: 4096,
            memory_bytes: 256 * MIB,
            head_time: Duration::from_secs(30),
            body_time: Duration::from_secs(30),
            stop_time: Duration::from_secs(10),
        }
    }
}

impl Limits {
    /// Messages in one batch, and cursors in one acknowledgement.
    pub const BATCH_MESSAGES: usize = 1000;
    /// Messages in one page.
    pub const PAGE_MESSAGES: usize = 1000;
    /// Messages in a page of no given length.
    pub const PAGE_DEFAULT: usize = 100;
    /// Bytes of payloads in one page; one message is always handed out.
    pub const PAGE_BYTES: usize = 4 << 20;
    /// Seconds that a long poll waits.
    pub const LONGEST_WAIT_S: u64 = 55;
    /// Recipients in one batch.
    pub const BATCH_RECIPIENTS: usize = 10_000;
    /// Bytes of a header section.
    pub const HEAD_BYTES: usize = 32 << 10;
    /// Bytes of a request that holds no message.
    pub const SMALL_BODY: u64 = 64 << 10;

    /// Bytes of a request with one message: JSON may need six for one (`\u0000`), but a payload that needs more than two
    /// is none that a client makes.
    #[must_use]
    pub fn send_bytes(&self) -> u64 {
        (self.store.message_bytes as u64).saturating_mul(2).saturating_add(4 * KIB)
    }

    /// Bytes of a request with a batch of messages.
    #[must_use]
    pub fn batch_bytes(&self) -> u64 {
        self.send_bytes().max(4 * MIB)
    }
}

/// How much a relay keeps, and how long.
#[derive(Debug, Clone)]
pub struct StoreLimits {
    /// The largest payload of a message, in bytes.
    pub message_bytes: usize,
    /// What an inbox holds at most, in bytes of payload.
    pub inbox_bytes: u64,
    /// What an inbox holds at most, in messages.
    pub inbox_messages: u32,
    /// How long a message waits to be fetched.
    pub message_ttl: Duration,
    /// The largest blob, in bytes.
    pub blob_bytes: u64,
    /// What the blobs of one account take at most, in bytes.
    pub blob_account_bytes: u64,
    /// How long a blob is kept after it was last uploaded.
    pub blob_ttl: Duration,
}

impl Default for StoreLimits {
    /// Messages as at the public relay.
    fn default() -> Self {
        Self {
            message_bytes: 256 << 10,
            inbox_bytes: 5 << 20,
            inbox_messages: 100_000,
            message_ttl: Duration::from_secs(48 * 3600),
            blob_bytes: 1 << 30,
            blob_account_bytes: 1 << 30,
            blob_ttl: Duration::from_secs(48 * 3600),
        }
    }
}
