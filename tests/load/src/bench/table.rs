//! The table: what was measured, beside each other, and what had to be reached.

use std::collections::BTreeMap;
use std::fmt::Write;

/// What is measured, in the order of the table.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Measure {
    Send,
    SendP99,
    SendBusy,
    Batch,
    BatchP99,
    BatchBusy,
    SendReceive,
    SendPageAck,
    Large,
    Idle,
    Deep,
    LongPoll,
    Stream,
    Resident,
    Start,
}

/// What a measure must reach.
enum Threshold {
    /// So many times the existing relay.
    Times(f64),
    AtLeast(f64),
    Below(f64),
    /// As [`Below`](Self::Below), for the amounts of a full run.
    BelowInFull(f64),
    None,
}

struct Line {
    measure: Measure,
    title: &'static str,
    unit: &'static str,
    threshold: Threshold,
}

const fn line(measure: Measure, title: &'static str, unit: &'static str, threshold: Threshold) -> Line {
    Line { measure, title, unit, threshold }
}

const LINES: [Line; 15] = [
    line(Measure::Send, "send 1 KB, 2,000 inboxes", "/s", Threshold::Times(15.0)),
    line(Measure::SendP99, "  p99 at half of that", "ms", Threshold::Below(25.0)),
    line(Measure::SendBusy, "send 1 KB, one busy inbox", "/s", Threshold::Times(15.0)),
    line(Measure::Batch, "batches of 100, 2,000 inboxes", "/s", Threshold::AtLeast(100_000.0)),
    line(Measure::BatchP99, "  p99 at half of that", "ms", Threshold::Below(25.0)),
    line(Measure::BatchBusy, "batches of 100, one busy inbox", "/s", Threshold::AtLeast(100_000.0)),
    line(Measure::SendReceive, "send and receive 1 KB", "/s", Threshold::None),
    line(Measure::SendPageAck, "send, page and ack 1 KB", "/s", Threshold::None),
    line(Measure::Large, "send and receive 256 KiB", "/s", Threshold::None),
    line(Measure::Idle, "send 1 KB, 1 active : 10,000 idle", "/s", Threshold::None),
    line(Measure::Deep, "send into 5,000 : into empty", "x", Threshold::Below(1.2)),
    line(Measure::LongPoll, "doorbell, long poll, p50", "ms", Threshold::Below(5.0)),
    line(Measure::Stream, "doorbell, stream, p50", "ms", Threshold::Below(5.0)),
    line(Measure::Resident, "resident, 1,000,000 accounts", "MB", Threshold::BelowInFull(400.0)),
    line(Measure::Start, "start, 1,000,000 accounts", "s", Threshold::BelowInFull(5.0)),
];

/// What one relay reached.
#[derive(Debug, Default)]
pub(super) struct Figures(BTreeMap<Measure, f64>);

impl Figures {
    pub(super) fn set(&mut self, measure: Measure, value: f64) {
        self.0.insert(measure, value);
    }

    fn of(&self, measure: Measure) -> Option<f64> {
        self.0.get(&measure).copied()
    }
}

/// The table, and whether every threshold in it was met.
pub(super) fn render(existing: &Figures, ours: &Figures, quick: bool) -> (String, bool) {
    let mut table = format!("{:<36}{:>12}{:>12}{:>9}  must be\n", "", "existing", "azall", "");
    let mut met = true;
    for line in &LINES {
        let (theirs, value) = (existing.of(line.measure), ours.of(line.measure));
        let ratio = theirs.zip(value).map(|(theirs, value)| value / theirs);
        let shown = |value: Option<f64>| value.map_or_else(String::new, |value| number(value, line.unit));
        let times = ratio.map_or_else(String::new, |ratio| format!("{ratio:.1}x"));
        let verdict = verdict(line, value, ratio, quick);
        met &= !verdict.ends_with("MISSED");
        // Writing to a string cannot fail.
        let _ = writeln!(table, "{:<36}{:>12}{:>12}{times:>9}  {verdict}", line.title, shown(theirs), shown(value));
    }
    (table, met)
}

fn number(value: f64, unit: &str) -> String {
    match unit {
        "/s" | "MB" => format!("{value:.0} {unit}"),
        _ => format!("{value:.2} {unit}"),
    }
}

fn verdict(line: &Line, value: Option<f64>, ratio: Option<f64>, quick: bool) -> String {
    let (text, holds) = match line.threshold {
        Threshold::Times(times) => (format!(">= {times}x"), ratio.map(|ratio| ratio >= times)),
        Threshold::AtLeast(least) => (format!(">= {least}"), value.map(|value| value >= least)),
        Threshold::Below(most) => (format!("< {most}"), value.map(|value| value < most)),
        Threshold::BelowInFull(_) if quick => return "a tenth of the accounts".to_owned(),
        Threshold::BelowInFull(most) => (format!("< {most}"), value.map(|value| value < most)),
        Threshold::None => return String::new(),
    };
    match holds {
        Some(true) => format!("{text}: met"),
        Some(false) => format!("{text}: MISSED"),
        None => format!("{text}: not measured"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_missed_is_said() {
        let (mut existing, mut ours) = (Figures::default(), Figures::default());
        existing.set(Measure::Send, 1000.0);
        ours.set(Measure::Send, 15_000.0);
        ours.set(Measure::Resident, 500.0);
        let (table, met) = render(&existing, &ours, true);
        assert!(met && table.contains("15.0x  >= 15x: met"), "{table}");
        let (table, met) = render(&existing, &ours, false);
        assert!(!met && table.contains("< 400: MISSED"), "{table}");
        assert!(table.contains(">= 100000: not measured"), "{table}");
    }

    #[test]
    fn every_measure_has_its_line_in_order() {
        assert!(LINES.windows(2).all(|pair| pair[0].measure < pair[1].measure));
    }
}
