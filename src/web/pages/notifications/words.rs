//! What the pages say of kinds, events and states.

use std::time::Duration;

use crate::domain::{Event, Notice, NoticeState, Target, TargetKind, Timestamp, Try};
use crate::web::pages::format::{self, Moment, shortened};

/// Characters of a reason that a list shows.
const SHORT_REASON: usize = 80;

/// What people call a kind.
pub(in crate::web::pages) const fn kind(kind: TargetKind) -> &'static str {
    match kind {
        TargetKind::Webhook => "Webhook",
        TargetKind::Github => "GitHub",
        TargetKind::Gitlab => "GitLab",
        TargetKind::Gitea => "Gitea or Forgejo",
        TargetKind::Slack => "Slack",
        TargetKind::Discord => "Discord",
        TargetKind::Teams => "Microsoft Teams",
    }
}

/// What people call an event.
pub(in crate::web::pages) const fn event(event: Event) -> &'static str {
    match event {
        Event::Queued => "Queued",
        Event::Started => "Started",
        Event::Succeeded => "Succeeded",
        Event::Failed => "Failed",
        Event::Recovered => "Recovered",
        Event::OldUrlUsed => "Old hook URL used",
        Event::TargetDisabled => "Target switched off",
        Event::Test => "Test",
    }
}

/// Of which events a target is told, in few words.
pub(super) fn events(target: &Target) -> String {
    let is_all = |all: &[Event]| all.iter().all(|event| target.events.contains(event));
    if target.kind.is_forge() && is_all(&target.kind.default_events()) {
        return "every status".to_owned();
    }
    if is_all(&Event::ALL) {
        return "everything".to_owned();
    }
    let words: Vec<_> = target.events.iter().map(|own| event(*own).to_lowercase()).collect();
    words.join(", ").replace("url", "URL")
}

/// A word of the status vocabulary, its colour and shape, and what there is to add.
#[derive(Debug, Clone)]
pub(in crate::web::pages) struct State {
    /// The class that carries the colour.
    pub(in crate::web::pages) class: &'static str,
    /// The shape.
    pub(in crate::web::pages) icon: &'static str,
    /// The word.
    pub(in crate::web::pages) word: &'static str,
    /// What there is to add.
    pub(in crate::web::pages) detail: Option<String>,
}

impl State {
    /// How a target stands.
    pub(super) fn of_target(target: &Target, now: Timestamp) -> Self {
        let new = |class, icon, word, detail| Self { class, icon, word, detail };
        if let Some((_, why)) = &target.off {
            return new("st-failed", "st-failed", "Off", Some(format!("because {why}")));
        }
        if let Some(since) = target.failing_since {
            let detail = format!("since {}", Moment::new(since, now).text);
            return new("st-warn", "warn", "Failing", Some(detail));
        }
        match target.delivered_at {
            Some(_) => new("st-active", "hk-active", "Active", None),
            None => new("st-none", "hk-unused", "Active", Some("nothing delivered yet".to_owned())),
        }
    }

    /// How far a notice is.
    pub(in crate::web::pages) fn of_notice(notice: &Notice, now: Timestamp) -> Self {
        let new = |icon, word, detail| Self { class: icon, icon, word, detail };
        match (notice.state, notice.next_at) {
            (NoticeState::Waiting, Some(at)) if notice.tries > 0 => {
                let detail = format!("next try {}", Moment::new(at, now).text);
                Self { class: "st-warn", ..new("clock", "Trying again", Some(detail)) }
            }
            (NoticeState::Waiting, Some(_)) => new("st-queued", "Waiting", None),
            (NoticeState::Waiting, None) => {
                new("st-queued", "Waiting", Some("for the one before it, or the commit".to_owned()))
            }
            (NoticeState::Delivered, _) => new("st-succeeded", "Delivered", None),
            (NoticeState::GivenUp, _) => new("st-failed", "Given up", None),
            (NoticeState::LeftOut, _) => {
                new("st-stopped", "Left out", Some("the same was told within the hour".to_owned()))
            }
            (NoticeState::Needless, _) => {
                new("st-none", "Not sent", Some("there was nothing to show".to_owned()))
            }
        }
    }

    /// The same for a list.
    pub(super) fn short(self) -> Self {
        let detail = self.detail.map(|text| shortened(&text, SHORT_REASON));
        Self { detail, ..self }
    }
}

/// `200 in 45 ms`; without an answer how long was waited for one.
pub(super) fn outcome(last: &Try) -> String {
    let took = match u64::try_from(last.took_ms).unwrap_or(0) {
        ms if ms < 1_000 => format!("{ms} ms"),
        ms => format::duration(Duration::from_millis(ms)),
    };
    last.status.map_or_else(|| format!("no answer in {took}"), |status| format!("{status} in {took}"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::NoticeId;

    const NOW: Timestamp = Timestamp::from_millis(1_795_530_649_120);

    #[test]
    fn every_state_of_a_notice_has_its_own_word_and_a_shape() {
        let told = |state, tries, next_at| {
            let notice = Notice {
                sequence: 1,
                id: NoticeId::generate(),
                event: Event::Failed,
                deployment: None,
                reason: None,
                text: None,
                at: NOW,
                since: NOW,
                state,
                tries,
                next_at,
                last: None,
                remote: None,
            };
            let State { icon, word, detail, .. } = State::of_notice(&notice, NOW);
            format!("{icon} {word} {}", detail.unwrap_or_default())
        };

        for (state, tries, next_at, says) in [
            (NoticeState::Waiting, 0, Some(NOW), "st-queued Waiting "),
            (NoticeState::Waiting, 0, None, "st-queued Waiting for the one before it, or the commit"),
            (NoticeState::Waiting, 2, Some(NOW), "clock Trying again next try 14:30:49 UTC"),
            (NoticeState::Delivered, 1, None, "st-succeeded Delivered "),
            (NoticeState::GivenUp, 9, None, "st-failed Given up "),
            (NoticeState::LeftOut, 0, None, "st-stopped Left out the same was told within the hour"),
            (NoticeState::Needless, 0, None, "st-none Not sent there was nothing to show"),
        ] {
            assert_eq!(told(state, tries, next_at), says);
        }
    }

    #[test]
    fn a_try_is_told_with_its_time() {
        let tried = |took_ms, status| {
            outcome(&Try { at: Timestamp::from_millis(0), took_ms, status, answer: String::new() })
        };

        assert_eq!(tried(45, Some(200)), "200 in 45 ms");
        assert_eq!(tried(10_004, None), "no answer in 10 s");
        assert_eq!(tried(-1, Some(503)), "503 in 0 ms");
    }
}
