//! The time, as answers tell it.

use azall_core::protocol::time::Now;

use super::Relay;

impl Relay {
    /// Unix milliseconds, by the store's clock.
    pub(crate) fn now_ms(&self) -> u64 {
        u64::try_from(self.store.now_ms()).unwrap_or_default()
    }
}

/// Unix milliseconds as ISO 8601 in UTC.
pub(crate) fn iso(unix_ms: i64) -> String {
    Now::utc(unix_ms).utc_iso()
}
