//! Numbers, sizes and lengths of time as the pages write them.

use std::time::Duration;

use crate::domain::{DeploymentId, Timestamp};

/// Characters of an id at its beginning and its end that a list shows.
const ID_ENDS: (usize, usize) = (12, 4);
/// Seconds of a day.
const DAY: u64 = 86_400;

/// `2,405`.
pub fn thousands(number: u64) -> String {
    let digits = number.to_string();
    let mut text = String::new();
    for (at, digit) in digits.chars().enumerate() {
        if at > 0 && (digits.len() - at).is_multiple_of(3) {
            text.push(',');
        }
        text.push(digit);
    }
    text
}

/// `1 line`, `2,405 lines`.
pub fn count(number: u64, noun: &str) -> String {
    let plural = if number == 1 { "" } else { "s" };
    format!("{} {noun}{plural}", thousands(number))
}

/// `640 bytes`, `186 KB`, `4.2 MB`.
pub fn size(bytes: u64) -> String {
    match bytes {
        0..1_000 => count(bytes, "byte"),
        1_000..1_000_000 => format!("{} KB", bytes / 1_000),
        _ => format!("{}.{} MB", bytes / 1_000_000, bytes / 100_000 % 10),
    }
}

/// `3.1 MiB`, the unit of the limits; smaller ones in KiB.
pub fn mebibytes(bytes: u64) -> String {
    if bytes < 1 << 20 {
        return format!("{} KiB", bytes.div_ceil(1 << 10));
    }
    let tenths = bytes * 10 / (1 << 20);
    format!("{}.{} MiB", tenths / 10, tenths % 10)
}

/// `2.1 s`, `22 s`, `1 min 06 s`, `1 h 02 min`.
pub fn duration(span: Duration) -> String {
    let (seconds, tenths) = (span.as_secs(), span.subsec_millis() / 100);
    match seconds {
        0..10 if tenths > 0 => format!("{seconds}.{tenths} s"),
        0..60 => format!("{seconds} s"),
        60..3_600 => format!("{} min {:02} s", seconds / 60, seconds % 60),
        _ => format!("{} h {:02} min", seconds / 3_600, seconds / 60 % 60),
    }
}

/// Without the fraction of a second, where there are whole ones.
pub fn whole_seconds(span: Duration) -> Duration {
    if span < Duration::from_secs(1) { span } else { Duration::from_secs(span.as_secs()) }
}

/// A limit in its largest whole unit: `30 min`, `1 h`.
pub fn limit(span: Duration) -> String {
    match span.as_secs() {
        s if s > 0 && s.is_multiple_of(3_600) => format!("{} h", s / 3_600),
        s if s > 0 && s.is_multiple_of(60) => format!("{} min", s / 60),
        _ => duration(span),
    }
}

/// The text with a capital first.
pub fn capital(text: &str) -> String {
    let mut chars = text.chars();
    let first = chars.next().map(|first| first.to_uppercase().to_string()).unwrap_or_default();
    first + chars.as_str()
}

/// The text as a sentence: a capital first, a full stop last.
pub fn sentence(text: &str) -> String {
    let text = text.trim();
    let stop = if text.ends_with(['.', '!', '?', '…']) { "" } else { "." };
    capital(text) + stop
}

/// At most so many characters.
pub fn shortened(text: &str, longest: usize) -> String {
    if text.chars().count() <= longest {
        return text.to_owned();
    }
    text.chars().take(longest - 1).chain(['…']).collect()
}

/// The largest whole unit: `3 min`, `21 h`, `2 days`.
pub fn length(span: Duration) -> String {
    match span.as_secs() {
        0..60 => "less than a minute".to_owned(),
        seconds @ 60..3_600 => format!("{} min", seconds / 60),
        seconds @ 3_600..DAY => format!("{} h", seconds / 3_600),
        seconds if seconds < 2 * DAY => "1 day".to_owned(),
        seconds => format!("{} days", seconds / DAY),
    }
}

/// `dep_mwuangvh…z4tb`: the ends of an id.
pub fn short_id(id: &DeploymentId) -> String {
    let text = id.as_str();
    format!("{}…{}", &text[..ID_ENDS.0], &text[text.len() - ID_ENDS.1..])
}

/// A moment as a page shows it: for people and, in `datetime`, for programs.
#[derive(Debug, Clone)]
pub struct Moment {
    /// RFC 3339.
    pub datetime: String,
    /// `14:30:49 UTC`, or with the day in front.
    pub text: String,
}

impl Moment {
    /// The time of day alone on the day of `now`, with the day in front otherwise.
    pub fn new(at: Timestamp, now: Timestamp) -> Self {
        let day = |time: Timestamp| time.as_seconds().div_euclid(86_400);
        let text = if day(at) == day(now) { at.time_of_day() } else { at.day_and_time() };
        Self { datetime: at.to_string(), text: format!("{text} UTC") }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_and_sizes_are_short() {
        assert_eq!(["7", "999", "2,405", "1,000,000"], [7, 999, 2_405, 1_000_000].map(thousands));
        assert_eq!((count(1, "line"), count(0, "line")), ("1 line".into(), "0 lines".into()));
        assert_eq!(["640 bytes", "186 KB", "4.2 MB"], [640, 186_400, 4_290_000].map(size));
        assert_eq!(["1 KiB", "3.1 MiB"], [1, 3_250_586].map(mebibytes));
    }

    #[test]
    fn lengths_of_time_have_two_parts_at_most() {
        for (ms, text) in [
            (0, "0 s"),
            (2_149, "2.1 s"),
            (4_000, "4 s"),
            (22_900, "22 s"),
            (66_000, "1 min 06 s"),
            (3_725_000, "1 h 02 min"),
        ] {
            assert_eq!(duration(Duration::from_millis(ms)), text);
        }
        assert_eq!(["30 min", "1 h", "45 s"], [1_800, 3_600, 45].map(|s| limit(Duration::from_secs(s))));
    }

    #[test]
    fn a_moment_of_another_day_names_it() {
        let at = Timestamp::from_millis(1_795_530_649_120);

        assert_eq!(Moment::new(at, at).text, "14:30:49 UTC");
        let later = Moment::new(at, at.plus(Duration::from_hours(24)));
        assert_eq!(
            (later.text.as_str(), later.datetime.as_str()),
            ("24 Nov, 14:30:49 UTC", "2026-11-24T14:30:49.120Z")
        );
    }

    #[test]
    fn messages_become_sentences() {
        assert_eq!(sentence("no such branch"), "No such branch.");
        assert_eq!(sentence(" Really? "), "Really?");
        assert_eq!(sentence(""), ".");
        assert_eq!((shortened("äöü", 2), shortened("äö", 2)), ("ä…".to_owned(), "äö".to_owned()));
    }
}
