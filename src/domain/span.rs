//! Lengths of time as people write them: `30s`, `15m`, `24h`, `90d`.

use std::fmt;
use std::str::FromStr;
use std::time::Duration;

use super::Invalid;

/// A length of time written as a whole number and one of `s m h d`; a day has 24 hours. At most 10 years.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Span(Duration);

/// Longest span: ten years. Longer ones are slips of the keyboard.
const MAX_SECONDS: u64 = 10 * 366 * 86_400;

impl Span {
    /// A span of whole seconds.
    pub const fn from_secs(seconds: u64) -> Self {
        Self(Duration::from_secs(seconds))
    }

    /// A span of whole hours.
    pub const fn from_hours(hours: u64) -> Self {
        Self(Duration::from_secs(hours * 3_600))
    }

    /// A span of whole days.
    pub const fn from_days(days: u64) -> Self {
        Self(Duration::from_secs(days * 86_400))
    }

    /// The same as a standard duration.
    pub const fn duration(self) -> Duration {
        self.0
    }

    /// Whole seconds.
    pub const fn as_secs(self) -> u64 {
        self.0.as_secs()
    }
}

impl FromStr for Span {
    type Err = Invalid;

    fn from_str(text: &str) -> Result<Self, Invalid> {
        let wrong =
            || Invalid::new("duration", format!("\"{text}\" is not a duration; write 30s, 15m, 24h or 90d"));
        let text = text.trim();
        if text == "0" {
            return Ok(Self(Duration::ZERO));
        }
        let unit = match text.bytes().last() {
            Some(b's') => 1,
            Some(b'm') => 60,
            Some(b'h') => 3_600,
            Some(b'd') => 86_400,
            _ => return Err(wrong()),
        };
        let number = &text[..text.len() - 1];
        if number.is_empty() || !number.bytes().all(|b| b.is_ascii_digit()) {
            return Err(wrong());
        }
        let seconds = number.parse::<u64>().ok().and_then(|n| n.checked_mul(unit)).ok_or_else(wrong)?;
        if seconds > MAX_SECONDS {
            return Err(Invalid::new("duration", format!("\"{text}\" is longer than ten years")));
        }
        Ok(Self::from_secs(seconds))
    }
}

impl fmt::Display for Span {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let seconds = self.as_secs();
        match seconds {
            0 => f.write_str("0s"),
            s if s.is_multiple_of(86_400) && s >= 172_800 => write!(f, "{}d", s / 86_400),
            s if s.is_multiple_of(3_600) => write!(f, "{}h", s / 3_600),
            s if s.is_multiple_of(60) => write!(f, "{}m", s / 60),
            s => write!(f, "{s}s"),
        }
    }
}

impl serde::Serialize for Span {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> serde::Deserialize<'de> for Span {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        String::deserialize(deserializer)?.parse().map_err(serde::de::Error::custom)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn spans_are_read_and_shown_in_their_largest_whole_unit() {
        for (text, seconds, shown) in [
            ("30s", 30, "30s"),
            ("90m", 5_400, "90m"),
            ("24h", 86_400, "24h"),
            ("90d", 7_776_000, "90d"),
            ("0", 0, "0s"),
        ] {
            let span: Span = text.parse().unwrap();
            assert_eq!((span.as_secs(), span.to_string().as_str()), (seconds, shown));
        }
    }

    #[test]
    fn anything_else_says_how_to_write_it() {
        for text in ["", "h", "24", "1w", "-1h", "1.5h", "99999999999999999999d", "1h30m"] {
            let error = text.parse::<Span>().unwrap_err();
            assert!(
                error.detail.contains("is not a duration") || error.detail.contains("ten years"),
                "{text}"
            );
        }
    }
}
