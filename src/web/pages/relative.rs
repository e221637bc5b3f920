//! Moments as lists show them: how long ago first, the absolute time beneath.

use std::time::Duration;

use crate::domain::Timestamp;
use crate::web::pages::format::{Moment, length};

/// Less is no distance.
const NOW: Duration = Duration::from_mins(1);

/// A moment and its distance from the time of the page; the script counts the distance on.
#[derive(Debug, Clone)]
pub(super) struct Relative {
    /// RFC 3339 and the absolute time.
    pub(super) moment: Moment,
    /// `2 h ago`.
    pub(super) ago: String,
}

impl Relative {
    pub(super) fn new(at: Timestamp, now: Timestamp) -> Self {
        Self { moment: Moment::new(at, now), ago: ago(now.since(at)) }
    }
}

/// `just now`, `4 min ago`, `2 h ago`, `1 day ago`, `34 days ago`; the words of the script.
fn ago(span: Duration) -> String {
    if span < NOW { "just now".to_owned() } else { format!("{} ago", length(span)) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn distances_are_told_in_their_largest_unit() {
        for (seconds, text) in [
            (0, "just now"),
            (59, "just now"),
            (60, "1 min ago"),
            (7_300, "2 h ago"),
            (86_400, "1 day ago"),
            (3_000_000, "34 days ago"),
        ] {
            assert_eq!(ago(Duration::from_secs(seconds)), text);
        }
    }
}
