//! Wall-clock time as the product stores and shows it, and the steady time by which limits run.

use std::fmt;
use std::sync::atomic::{AtomicI64, Ordering};
use std::sync::{Arc, LazyLock};
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use super::Invalid;

/// A moment: milliseconds since 1970-01-01, UTC. Shown as RFC 3339 with `Z`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Timestamp(i64);

impl Timestamp {
    /// Takes milliseconds since 1970, UTC.
    pub const fn from_millis(ms: i64) -> Self {
        Self(ms)
    }

    /// Reads RFC 3339 with an offset or `Z`.
    ///
    /// # Errors
    /// Says what would be right.
    pub fn parse(text: &str) -> Result<Self, Invalid> {
        let wrong = || Invalid::new("time", format!("\"{text}\" is no time; write 2026-12-31T23:59:59Z"));
        text.parse::<jiff::Timestamp>().map(|at| Self(at.as_millisecond())).map_err(|_| wrong())
    }

    /// Milliseconds since 1970, UTC.
    pub const fn as_millis(self) -> i64 {
        self.0
    }

    /// Seconds since 1970, UTC, rounded down.
    pub const fn as_seconds(self) -> i64 {
        self.0.div_euclid(1000)
    }

    /// The moment `span` later; saturates at the end of the range.
    #[must_use]
    pub fn plus(self, span: Duration) -> Self {
        Self(self.0.saturating_add(i64::try_from(span.as_millis()).unwrap_or(i64::MAX)))
    }

    /// The moment `span` earlier; saturates at the start of the range.
    #[must_use]
    pub fn minus(self, span: Duration) -> Self {
        Self(self.0.saturating_sub(i64::try_from(span.as_millis()).unwrap_or(i64::MAX)))
    }

    /// Time from `earlier` to this moment; zero where `earlier` is later.
    pub fn since(self, earlier: Self) -> Duration {
        Duration::from_millis(u64::try_from(self.0.saturating_sub(earlier.0)).unwrap_or(0))
    }

    fn to_jiff(self) -> jiff::Timestamp {
        jiff::Timestamp::from_millisecond(self.0).unwrap_or(jiff::Timestamp::UNIX_EPOCH)
    }

    /// The form that HTTP headers have, `Tue, 24 Nov 2026 14:30:49 GMT`.
    pub fn http_date(self) -> String {
        self.to_jiff().strftime("%a, %d %b %Y %H:%M:%S GMT").to_string()
    }

    /// The form that names of files have, `20261124T143049Z`, UTC: names sort as the moments do.
    pub fn compact(self) -> String {
        self.to_jiff().strftime("%Y%m%dT%H%M%SZ").to_string()
    }

    /// The time of day, `14:30:49`, UTC.
    pub fn time_of_day(self) -> String {
        self.to_jiff().strftime("%H:%M:%S").to_string()
    }

    /// The day with its year, `24 Nov 2026`, UTC.
    pub fn day(self) -> String {
        self.to_jiff().strftime("%-d %b %Y").to_string()
    }

    /// Day and time for people, `24 Nov, 14:30:49`, UTC.
    pub fn day_and_time(self) -> String {
        self.to_jiff().strftime("%-d %b, %H:%M:%S").to_string()
    }
}

impl fmt::Display for Timestamp {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:.3}", self.to_jiff())
    }
}

impl serde::Serialize for Timestamp {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> serde::Deserialize<'de> for Timestamp {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        Self::parse(&text).map_err(serde::de::Error::custom)
    }
}

/// Where the time comes from: the machine, or a value that a test moves.
#[derive(Debug, Clone, Default)]
pub enum Clock {
    /// The machine's clocks.
    #[default]
    System,
    /// Stands still until `advance` is called; clones share the values.
    Fixed(Arc<Moved>),
}

/// The times of a clock that a test moves, in milliseconds.
#[derive(Debug)]
pub struct Moved {
    wall: AtomicI64,
    steady: AtomicI64,
}

impl Clock {
    /// A clock that stands at `at`.
    pub fn fixed(at: Timestamp) -> Self {
        Self::Fixed(Arc::new(Moved { wall: AtomicI64::new(at.0), steady: AtomicI64::new(0) }))
    }

    /// The present moment by the wall clock, which somebody may set.
    pub fn now(&self) -> Timestamp {
        match self {
            Self::System => Timestamp(system_millis()),
            Self::Fixed(moved) => Timestamp(moved.wall.load(Ordering::SeqCst)),
        }
    }

    /// Time since this process first asked, which nobody sets.
    pub fn steady(&self) -> Duration {
        static BEGAN: LazyLock<Instant> = LazyLock::new(Instant::now);
        match self {
            Self::System => BEGAN.elapsed(),
            Self::Fixed(moved) => {
                Duration::from_millis(u64::try_from(moved.steady.load(Ordering::SeqCst)).unwrap_or(0))
            }
        }
    }

    /// Lets time pass on a fixed clock; does nothing to the machine's.
    pub fn advance(&self, span: Duration) {
        if let Self::Fixed(moved) = self {
            let span = i64::try_from(span.as_millis()).unwrap_or(i64::MAX);
            moved.wall.fetch_add(span, Ordering::SeqCst);
            moved.steady.fetch_add(span, Ordering::SeqCst);
        }
    }

    /// Sets a fixed wall clock forward or back, in milliseconds, without any time passing.
    pub fn set_by(&self, millis: i64) {
        if let Self::Fixed(moved) = self {
            moved.wall.fetch_add(millis, Ordering::SeqCst);
        }
    }
}

#[expect(clippy::disallowed_methods, reason = "the one place that asks the machine for the time")]
fn system_millis() -> i64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    i64::try_from(since.as_millis()).unwrap_or(i64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_moment_is_shown_as_rfc_3339_utc_with_milliseconds() {
        assert_eq!(Timestamp::from_millis(1_795_530_649_120).to_string(), "2026-11-24T14:30:49.120Z");
        assert_eq!(Timestamp::from_millis(0).to_string(), "1970-01-01T00:00:00.000Z");
    }

    #[test]
    fn the_compact_form_is_read_back_to_the_second() {
        let at = Timestamp::from_millis(1_795_530_649_120);

        assert_eq!(at.compact(), "20261124T143049Z");
        assert_eq!(Timestamp::parse(&at.compact()).unwrap(), Timestamp::from_millis(1_795_530_649_000));
    }

    #[test]
    fn clones_of_a_fixed_clock_move_together() {
        let clock = Clock::fixed(Timestamp::from_millis(1_000));
        let other = clock.clone();

        clock.advance(Duration::from_secs(2));

        assert_eq!(other.now(), Timestamp::from_millis(3_000));
        assert_eq!(other.now().since(Timestamp::from_millis(5_000)), Duration::ZERO);
    }
}
