//! What can be configured, with the defaults.

use std::time::Duration;

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
