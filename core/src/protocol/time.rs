//! Time as the host tells it, and the three ways a date is written (PROTOCOL section 1).

use std::fmt;

use time::{Date, Month, OffsetDateTime, PrimitiveDateTime, Time, UtcOffset};

/// A moment with the local offset, as a host passes it to [`Op::poll`](crate::engine::op::Op::poll).
#[derive(Clone, Copy, Debug, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub struct Now {
    /// Milliseconds since 1970-01-01T00:00:00Z.
    pub unix_ms: i64,
    /// Seconds east of UTC, of the local time zone at this moment.
    pub offset_seconds: i32,
}

impl Now {
    /// A moment in UTC.
    #[must_use]
    pub const fn utc(unix_ms: i64) -> Self {
        Self { unix_ms, offset_seconds: 0 }
    }

    /// Whole seconds since the epoch.
    #[must_use]
    pub fn unix_seconds(self) -> i64 {
        self.unix_ms.div_euclid(1000)
    }

    /// This moment, `ms` milliseconds later.
    #[must_use]
    pub fn plus_ms(self, ms: i64) -> Self {
        Self { unix_ms: self.unix_ms.saturating_add(ms), ..self }
    }

    /// The local calendar day: the name of a mailbox's folder.
    #[must_use]
    pub fn day(self) -> Day {
        Day::from_date(self.local().date())
    }

    /// Local time as `YYYY-MM-DD HH:MM:SS`, the form of `Date` in a message file.
    #[must_use]
    pub fn local_text(self) -> String {
        let t = self.local();
        format!("{} {:02}:{:02}:{:02}", Day::from_date(t.date()), t.hour(), t.minute(), t.second())
    }

    /// Local time as ISO 8601 with microseconds and no zone (`2026-03-11T14:23:55.123456`), as the reference writes
    /// it in its keyring and hashes it into message ids.
    #[must_use]
    pub fn local_iso(self) -> String {
        let t = self.local();
        format!(
            "{}T{:02}:{:02}:{:02}.{:06}",
            Day::from_date(t.date()),
            t.hour(),
            t.minute(),
            t.second(),
            t.microsecond()
        )
    }

    /// UTC as `YYYY-MM-DDTHH:MM:SSZ`.
    #[must_use]
    pub fn utc_iso(self) -> String {
        let t = at(self.unix_ms, 0);
        format!("{}T{:02}:{:02}:{:02}Z", Day::from_date(t.date()), t.hour(), t.minute(), t.second())
    }

    /// Local `HHMMSS`, the title of a memory that was given none.
    #[must_use]
    pub fn local_hhmmss(self) -> String {
        let t = self.local();
        format!("{:02}{:02}{:02}", t.hour(), t.minute(), t.second())
    }

    fn local(self) -> OffsetDateTime {
        at(self.unix_ms, self.offset_seconds)
    }
}

/// The moment at an offset; a moment or offset beyond what a calendar holds (years 1 to 9999) becomes the nearest.
fn at(unix_ms: i64, offset_seconds: i32) -> OffsetDateTime {
    let year_one = -62_135_510_400_000_i64;
    let year_9999 = 253_402_214_400_000_i64;
    let nanos = i128::from(unix_ms.clamp(year_one, year_9999)) * 1_000_000;
    let utc = OffsetDateTime::from_unix_timestamp_nanos(nanos).unwrap_or(OffsetDateTime::UNIX_EPOCH);
    let offset = UtcOffset::from_whole_seconds(offset_seconds.clamp(-86_399, 86_399)).unwrap_or(UtcOffset::UTC);
    utc.checked_to_offset(offset).unwrap_or(utc)
}

/// A local calendar day, written `YYYY-MM-DD`: the name of a day folder.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Day(Date);

impl Day {
    /// Reads exactly `YYYY-MM-DD` with a date that exists.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        let bytes = text.as_bytes();
        if bytes.len() != 10 || bytes.get(4) != Some(&b'-') || bytes.get(7) != Some(&b'-') {
            return None;
        }
        let year = digits(text.get(0..4)?)?;
        let month = Month::try_from(u8::try_from(digits(text.get(5..7)?)?).ok()?).ok()?;
        let day = u8::try_from(digits(text.get(8..10)?)?).ok()?;
        Date::from_calendar_date(i32::try_from(year).ok()?, month, day).ok().map(Self)
    }

    /// The day before, or the same at the start of the calendar.
    #[must_use]
    pub fn previous(self) -> Self {
        Self(self.0.previous_day().unwrap_or(self.0))
    }

    fn from_date(date: Date) -> Self {
        Self(date)
    }
}

impl fmt::Display for Day {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:04}-{:02}-{:02}", self.0.year(), u8::from(self.0.month()), self.0.day())
    }
}

impl fmt::Debug for Day {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl serde::Serialize for Day {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

/// A `Date` header of any of the three forms as unix milliseconds. A date without a zone is taken in
/// `offset_seconds`, the local zone. `None` for anything else.
#[must_use]
pub fn parse_date(text: &str, offset_seconds: i32) -> Option<i64> {
    let text = super::text::strip(text);
    if text.len() > 64 {
        return None;
    }
    if text.as_bytes().first().is_some_and(u8::is_ascii_digit) && text.as_bytes().get(4) == Some(&b'-') {
        parse_iso(text, offset_seconds)
    } else {
        parse_rfc5322(text)
    }
}

/// `YYYY-MM-DD`, a space or `T`, `HH:MM:SS`, an optional fraction, an optional zone.
fn parse_iso(text: &str, offset_seconds: i32) -> Option<i64> {
    let day = Day::parse(text.get(..10)?)?;
    if !matches!(text.as_bytes().get(10), Some(b' ' | b'T' | b't')) {
        return None;
    }
    let clock = text.get(11..19)?;
    let (hour, minute, second) = parse_clock(clock)?;
    let mut rest = text.get(19..)?;
    let mut millis = 0;
    if let Some(fraction) = rest.strip_prefix(['.', ',']) {
        let end = fraction.find(|c: char| !c.is_ascii_digit()).unwrap_or(fraction.len());
        if end == 0 {
            return None;
        }
        let three: String = fraction.get(..end)?.chars().chain("000".chars()).take(3).collect();
        millis = digits(&three)?;
        rest = fraction.get(end..)?;
    }
    let offset = match rest.trim_start() {
        "" => offset_seconds,
        "Z" | "z" => 0,
        zone => parse_zone(zone)?,
    };
    to_unix_ms(day.0, hour, minute, second, offset).map(|ms| ms + i64::from(millis))
}

/// RFC 5322 section 3.3: an optional day name, `11 Mar 2026 14:30[:00] +0000`, an optional comment.
fn parse_rfc5322(text: &str) -> Option<i64> {
    let text = text.split_once(',').map_or(text, |(_, rest)| rest);
    let mut parts = text.split_ascii_whitespace();
    let day = u8::try_from(digits(parts.next()?)?).ok()?;
    let month = month_from_name(parts.next()?)?;
    let year_text = parts.next()?;
    let year = match (year_text.len(), digits(year_text)?) {
        (2, y) if y < 50 => y + 2000,
        (2 | 3, y) => y + 1900,
        (4, y) => y,
        _ => return None,
    };
    let (hour, minute, second) = parse_clock(parts.next()?)?;
    let offset = match parts.next() {
        None | Some("GMT" | "UT" | "UTC" | "Z") => 0,
        Some("EST") => -5 * 3600,
        Some("EDT") => -4 * 3600,
        Some("CST") => -6 * 3600,
        Some("CDT") => -5 * 3600,
        Some("MST") => -7 * 3600,
        Some("MDT") => -6 * 3600,
        Some("PST") => -8 * 3600,
        Some("PDT") => -7 * 3600,
        Some(zone) => parse_zone(zone)?,
    };
    let date = Date::from_calendar_date(i32::try_from(year).ok()?, month, day).ok()?;
    to_unix_ms(date, hour, minute, second, offset)
}

fn month_from_name(name: &str) -> Option<Month> {
    const NAMES: [(&str, Month); 12] = [
        ("jan", Month::January),
        ("feb", Month::February),
        ("mar", Month::March),
        ("apr", Month::April),
        ("may", Month::May),
        ("jun", Month::June),
        ("jul", Month::July),
        ("aug", Month::August),
        ("sep", Month::September),
        ("oct", Month::October),
        ("nov", Month::November),
        ("dec", Month::December),
    ];
    let lower = name.to_ascii_lowercase();
    NAMES.iter().find(|(short, _)| *short == lower).map(|(_, month)| *month)
}

/// `HH:MM` or `HH:MM:SS`; a leap second counts as the second before it.
fn parse_clock(text: &str) -> Option<(u8, u8, u8)> {
    let mut parts = text.split(':');
    let mut field = |most: u32| {
        let part = parts.next()?;
        let value = digits(part)?;
        (part.len() <= 2 && value <= most).then(|| u8::try_from(value).ok())?
    };
    let hour = field(23)?;
    let minute = field(59)?;
    let second = if text.matches(':').count() == 2 { field(60)?.min(59) } else { 0 };
    parts.next().is_none().then_some((hour, minute, second))
}

/// `+HH:MM`, `+HHMM` or `+HH`, as seconds east of UTC.
fn parse_zone(text: &str) -> Option<i32> {
    let sign = match text.as_bytes().first()? {
        b'+' => 1,
        b'-' => -1,
        _ => return None,
    };
    let body: String = text.get(1..)?.chars().filter(|c| *c != ':').collect();
    let (hours, minutes) = match body.len() {
        2 => (digits(&body)?, 0),
        4 => (digits(body.get(..2)?)?, digits(body.get(2..)?)?),
        _ => return None,
    };
    if hours > 23 || minutes > 59 {
        return None;
    }
    i32::try_from(hours * 3600 + minutes * 60).ok().map(|seconds| sign * seconds)
}

fn to_unix_ms(date: Date, hour: u8, minute: u8, second: u8, offset_seconds: i32) -> Option<i64> {
    let clock = Time::from_hms(hour, minute, second).ok()?;
    let seconds = PrimitiveDateTime::new(date, clock).assume_utc().unix_timestamp();
    Some((seconds - i64::from(offset_seconds)) * 1000)
}

/// A number of ASCII digits only (Rust's own parser would take a sign), at most nine of them.
fn digits(text: &str) -> Option<u32> {
    (!text.is_empty() && text.len() <= 9 && text.bytes().all(|b| b.is_ascii_digit()))
        .then(|| text.parse().ok())
        .flatten()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const NOON: i64 = 1_773_239_400_000; // 2026-03-11T14:30:00Z

    #[test]
    fn three_forms_are_read() {
        for text in [
            "2026-03-11T14:30:00Z",
            "2026-03-11T14:30:00+00:00",
            "2026-03-11T15:30:00.000+01:00",
            "Wed, 11 Mar 2026 14:30:00 +0000",
            "11 Mar 2026 14:30 GMT",
            "Wed, 11 Mar 2026 09:30:00 -0500 (EST)",
        ] {
            assert_eq!(parse_date(text, 7200), Some(NOON), "{text}");
        }
        assert_eq!(parse_date("2026-03-11 16:30:00", 7200), Some(NOON));
        assert_eq!(parse_date("2026-03-11T14:30:00.105063", 0), Some(NOON + 105));
        for bad in ["", "yesterday", "2026-13-11 00:00:00", "2026-03-11", "2026-03-11T25:00:00Z", "+1 Mar 2026 1:1 Z"] {
            assert_eq!(parse_date(bad, 0), None, "{bad}");
        }
    }

    #[test]
    fn local_day_follows_the_offset() {
        let late = Now { unix_ms: NOON + 9 * 3_600_000, offset_seconds: 3600 };
        assert_eq!(late.day().to_string(), "2026-03-12");
        assert_eq!(late.local_text(), "2026-03-12 00:30:00");
        assert_eq!(late.utc_iso(), "2026-03-11T23:30:00Z");
    }

    #[test]
    fn any_moment_is_printable() {
        for unix_ms in [i64::MIN, -1, 0, i64::MAX] {
            for offset_seconds in [i32::MIN, 0, i32::MAX] {
                assert!(Now { unix_ms, offset_seconds }.local_iso().len() >= 26);
            }
        }
    }

    #[test]
    fn days_are_strict() {
        assert!(Day::parse("2026-02-28").is_some());
        for bad in ["2026-02-29", "2026-2-28", "2026-02-28x", "+026-02-28", "２026-02-28"] {
            assert!(Day::parse(bad).is_none(), "{bad}");
        }
    }

    proptest! {
        #[test]
        fn any_text_is_safe(text in ".{0,40}|[0-9:TZ., +a-z-]{0,40}") {
            let _ = parse_date(&text, 3600);
            if let Some(day) = Day::parse(&text) {
                prop_assert_eq!(day.to_string(), text);
            }
        }

        #[test]
        fn every_written_form_is_read(unix_ms in -62_135_000_000_000..253_402_000_000_000_i64, offset_seconds in -86_340..86_340) {
            let now = Now { unix_ms, offset_seconds: offset_seconds / 60 * 60 };
            let second = unix_ms.div_euclid(1000) * 1000;
            prop_assert_eq!(parse_date(&now.utc_iso(), 0), Some(second));
            prop_assert_eq!(parse_date(&now.local_text(), now.offset_seconds), Some(second));
            prop_assert_eq!(parse_date(&now.local_iso(), now.offset_seconds), Some(unix_ms));
            prop_assert_eq!(Day::parse(&now.day().to_string()), Some(now.day()));
        }
    }
}
