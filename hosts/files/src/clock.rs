//! The time, as an operation wants to be told it.

use azall_core::protocol::time::Now;
use chrono::{DateTime, Local};

/// This moment in the local time zone: that of `$TZ` if it is set, else the system's.
#[must_use]
pub fn now() -> Now {
    moment(&Local::now())
}

fn moment(local: &DateTime<Local>) -> Now {
    Now { unix_ms: local.timestamp_millis(), offset_seconds: local.offset().local_minus_utc() }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_clock_agrees_with_the_systems() {
        let system = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap();
        let difference = now().unix_ms - i64::try_from(system.as_millis()).unwrap();
        assert!((0..1000).contains(&difference), "{difference}");
        assert!(now().offset_seconds.abs() < 86_400);
    }
}
