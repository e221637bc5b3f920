//! What the hook pages say of moments, states and ids.

use std::time::Duration;

use crate::domain::{DeploymentId, Hook, Timestamp};
use crate::web::pages::format::{self, length, shortened};

/// A hook that was used last so long ago is stale.
const STALE: Duration = Duration::from_hours(90 * 24);
/// From then on a day says more than a number of days.
const OLD: Duration = Duration::from_hours(30 * 24);
/// Characters of a reason that a list shows.
const SHORT_REASON: usize = 60;

const MINUTE: u64 = 60;

/// A moment in few words, with the exact one for programs and for who asks.
#[derive(Debug, Clone)]
pub(super) struct When {
    /// RFC 3339.
    pub(super) datetime: String,
    /// `24 Nov, 14:30:49 UTC`.
    pub(super) exact: String,
    /// `3 h ago`, `3 Sep`.
    pub(super) text: String,
}

impl When {
    fn new(at: Timestamp, text: String) -> Self {
        Self { datetime: at.to_string(), exact: format!("{} UTC", at.day_and_time()), text }
    }

    /// How long ago it was, or the day where that says more.
    pub(super) fn ago(at: Timestamp, now: Timestamp) -> Self {
        let span = now.since(at);
        let text = match span.as_secs() {
            0..MINUTE => "just now".to_owned(),
            _ if span < OLD => format!("{} ago", length(span)),
            _ => day(at, now),
        };
        Self::new(at, text)
    }

    /// The time of day where it was today, else with the day in front.
    pub(super) fn clock(at: Timestamp, now: Timestamp) -> Self {
        let is_today = at.day() == now.day();
        Self::new(at, if is_today { at.time_of_day() } else { at.day_and_time() })
    }
}

/// The same of what is left, so that of 24 hours a moment ago not 23 are left.
pub(super) fn left(span: Duration) -> String {
    length(span + Duration::from_secs(MINUTE - 1))
}

/// `3 Sep`, with the year where it is not this one.
pub(super) fn day(at: Timestamp, now: Timestamp) -> String {
    let (day, this_year) = (at.day(), now.day());
    match (day.rsplit_once(' '), this_year.rsplit_once(' ')) {
        (Some((short, year)), Some((_, this))) if year == this => short.to_owned(),
        _ => day,
    }
}

/// A word of the status vocabulary, its colour and shape, and what there is to add.
#[derive(Debug, Clone)]
pub(super) struct State {
    /// The class that carries the colour.
    pub(super) class: &'static str,
    /// The shape.
    pub(super) icon: &'static str,
    /// The word.
    pub(super) word: &'static str,
    /// What there is to add.
    pub(super) note: Option<String>,
}

impl State {
    /// The state of a hook that was last used at `used`.
    pub(super) fn of(hook: &Hook, used: Option<Timestamp>, now: Timestamp) -> Self {
        let new = |class, icon, word, note| Self { class, icon, word, note };
        let unused = now.since(used.unwrap_or(hook.created_at));
        let rules = &hook.rules;
        if let Some(at) = hook.revoked_at {
            return new("st-none", "revoke", "Revoked", Some(format!("on {}", day(at, now))));
        }
        if let Some(at) = rules.expires_at.filter(|at| *at <= now) {
            return new("st-none", "clock", "Expired", Some(format!("on {}", day(at, now))));
        }
        if let Some(reason) = &rules.paused {
            return new("st-warn", "pause", "Paused", Some(shortened(reason, SHORT_REASON)));
        }
        if let Some(until) = hook.previous_until.filter(|until| *until > now) {
            let note = format!("old URL ends in {}", left(until.since(now)));
            return new("st-rotating", "rotate", "Rotating", Some(note));
        }
        if unused >= STALE {
            return new("st-stale", "hk-stale", "Stale", Some(format!("unused for {}", length(unused))));
        }
        let until = rules.expires_at.map(|at| format!("until {}", day(at, now)));
        match used {
            None => new("st-none", "hk-unused", "Active", Some("never used".to_owned())),
            Some(_) => new("st-active", "hk-active", "Active", until),
        }
    }
}

/// `dep_mwuangvh…z4tb`; none where the text is no id.
pub(super) fn short_id(text: &str) -> Option<String> {
    DeploymentId::parse(text).as_ref().map(format::short_id)
}

/// Network and program of a caller as it is stored, `140.82.112.0/24, curl/8.5.0`.
pub(super) fn network_and_program(caller: &str) -> (String, Option<String>) {
    match caller.split_once(", ") {
        Some((network, program)) => (network.to_owned(), Some(shortened(program, 32))),
        None => (caller.to_owned(), None),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const HOUR: u64 = 3_600;
    const DAY: u64 = 86_400;

    const NOW: Timestamp = Timestamp::from_millis(1_795_530_649_120);

    #[test]
    fn moments_are_told_by_their_distance() {
        for (seconds, text) in [
            (0, "just now"),
            (60, "1 min ago"),
            (3 * HOUR + 5, "3 h ago"),
            (DAY, "1 day ago"),
            (3 * DAY, "3 days ago"),
            (60 * DAY, "25 Sep"),
            (400 * DAY, "20 Oct 2025"),
        ] {
            assert_eq!(When::ago(NOW.minus(Duration::from_secs(seconds)), NOW).text, text);
        }
        assert_eq!(When::clock(NOW, NOW).text, "14:30:49");
    }

    #[test]
    fn ids_and_callers_are_short() {
        assert_eq!(short_id("dep_mwuangvh9xk2mq7rz4tb").as_deref(), Some("dep_mwuangvh…z4tb"));
        assert_eq!(short_id("ü"), None);
        assert_eq!(network_and_program("socket"), ("socket".to_owned(), None));
    }
}
