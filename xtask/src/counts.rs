//! How many tests passed, failed and were skipped, read from the summary lines of `cargo test` and pytest.

use std::fmt;
use std::ops::AddAssign;

/// The tests of one step, or of all.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Counts {
    /// Tests that held.
    pub(crate) passed: u64,
    /// Tests that did not, and tests that could not be run.
    pub(crate) failed: u64,
    /// Tests that were left out.
    pub(crate) skipped: u64,
}

impl Counts {
    /// One failure: a check that has no tests of its own to count.
    pub(crate) const ONE_FAILED: Self = Self { passed: 0, failed: 1, skipped: 0 };

    /// No test at all.
    pub(crate) fn is_empty(self) -> bool {
        self == Self::default()
    }

    /// Sums the `test result:` lines that libtest writes, one for each test binary.
    pub(crate) fn of_cargo_test(output: &str) -> Self {
        let mut sum = Self::default();
        for line in output.lines().filter(|line| line.contains("test result:")) {
            sum += Self::of_summary(line);
        }
        sum
    }

    /// The last line of pytest, such as `2 failed, 30 passed, 1 skipped in 3.02s`.
    pub(crate) fn of_pytest(output: &str) -> Self {
        output
            .lines()
            .rev()
            .find(|line| line.contains(" in ") && line.chars().any(|c| c.is_ascii_digit()))
            .map(Self::of_summary)
            .unwrap_or_default()
    }

    /// The last lines of Node's test runner, such as `ℹ pass 12`.
    pub(crate) fn of_node_test(output: &str) -> Self {
        let mut counts = Self::default();
        for line in output.lines() {
            let Some((word, number)) = line.strip_prefix("ℹ ").and_then(|line| line.split_once(' ')) else {
                continue;
            };
            let Ok(number) = number.trim().parse::<u64>() else { continue };
            match word {
                "pass" => counts.passed += number,
                "fail" | "cancelled" => counts.failed += number,
                "skipped" | "todo" => counts.skipped += number,
                _ => {}
            }
        }
        counts
    }

    /// Every number that is followed by a word for an outcome.
    fn of_summary(line: &str) -> Self {
        let mut counts = Self::default();
        let mut number: Option<u64> = None;
        for word in line.split(|c: char| !c.is_ascii_alphanumeric()) {
            let count = number.take();
            match (count, word) {
                (Some(n), "passed" | "xfailed") => counts.passed += n,
                (Some(n), "failed" | "error" | "errors" | "xpassed") => counts.failed += n,
                (Some(n), "ignored" | "skipped") => counts.skipped += n,
                _ => number = word.parse().ok(),
            }
        }
        counts
    }
}

impl AddAssign for Counts {
    fn add_assign(&mut self, other: Self) {
        self.passed += other.passed;
        self.failed += other.failed;
        self.skipped += other.skipped;
    }
}

impl fmt::Display for Counts {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} passed, {} failed", self.passed, self.failed)?;
        if self.skipped > 0 {
            write!(f, ", {} skipped", self.skipped)?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn cargo_test_binaries_are_summed() {
        let output = "\
test a ... ok
test result: ok. 5 passed; 0 failed; 1 ignored; 0 measured; 3 filtered out; finished in 0.00s
noise: 9 passed
test result: \x1b[31mFAILED\x1b[0m. 2 passed; 1 failed; 0 ignored; 0 measured; 0 filtered out; finished in 1.20s";
        assert_eq!(Counts::of_cargo_test(output), Counts { passed: 7, failed: 1, skipped: 1 });
    }

    #[test]
    fn pytest_summary_is_read_with_and_without_decoration() {
        let output = "..F\nfoo 3 passed\n==== 1 failed, 12 passed, 2 skipped, 1 error in 12.03s (0:00:12) ====\n";
        assert_eq!(Counts::of_pytest(output), Counts { passed: 12, failed: 2, skipped: 2 });
        assert_eq!(Counts::of_pytest("30 passed in 1.00s"), Counts { passed: 30, failed: 0, skipped: 0 });
        assert_eq!(Counts::of_pytest("no tests ran in 0.01s"), Counts::default());
        assert_eq!(Counts::of_pytest(""), Counts::default());
    }

    #[test]
    fn the_summary_of_node_is_read() {
        let output =
            "✔ a pass 3 (1.2ms)\nℹ tests 9\nℹ pass 6\nℹ fail 1\nℹ cancelled 1\nℹ skipped 1\nℹ duration_ms 12.5\n";
        assert_eq!(Counts::of_node_test(output), Counts { passed: 6, failed: 2, skipped: 1 });
        assert_eq!(Counts::of_node_test("SyntaxError: pass 3"), Counts::default());
    }

    #[test]
    fn the_summary_line_has_its_exact_form() {
        assert_eq!(Counts { passed: 3, failed: 0, skipped: 0 }.to_string(), "3 passed, 0 failed");
        assert_eq!(Counts { passed: 3, failed: 1, skipped: 2 }.to_string(), "3 passed, 1 failed, 2 skipped");
    }
}
