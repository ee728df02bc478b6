//! The time, as answers tell it.

use std::time::{SystemTime, UNIX_EPOCH};

use azall_core::protocol::time::Now;

/// Unix milliseconds.
pub(crate) fn now_ms() -> u64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    u64::try_from(since.as_millis()).unwrap_or(u64::MAX)
}

/// Unix milliseconds as ISO 8601 in UTC.
pub(crate) fn iso(unix_ms: i64) -> String {
    Now::utc(unix_ms).utc_iso()
}

/// The present as ISO 8601 in UTC.
pub(crate) fn now_iso() -> String {
    iso(i64::try_from(now_ms()).unwrap_or(i64::MAX))
}
