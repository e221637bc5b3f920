//! What an answer means, and what of it may be shown.

use percent_encoding::percent_decode_str;

use crate::domain::{Redactor, Target};

use super::sender::Answer;
use super::{Delivery, Outcome};

/// Longest answer that is kept, in characters.
const MAX_SHOWN: usize = 200;
/// Shortest part of a chat's address that is taken for a secret; shorter ones are words as `services` and `webhooks`.
const SHORTEST_SECRET: usize = 10;

impl Delivery {
    /// Of a try that was not made, or has no answer.
    pub(super) fn unanswered(outcome: Outcome, answer: impl Into<String>) -> Self {
        Self { outcome, status: None, answer: answer.into(), remote: None }
    }

    /// Of what came back, or of a sentence about why nothing did.
    pub(super) fn of(answer: Result<Answer, String>) -> Self {
        match answer {
            Ok(answer) => Self {
                outcome: outcome(&answer),
                status: Some(answer.status),
                answer: answer.body,
                remote: None,
            },
            Err(sentence) => Self::unanswered(Outcome::Again(None), sentence),
        }
    }
}

fn outcome(answer: &Answer) -> Outcome {
    match answer.status {
        200..=299 => Outcome::Delivered,
        410 => Outcome::Gone,
        // GitHub limits with 403, and says by this header that it is not for good.
        403 if answer.retry_after.is_some() => Outcome::Again(answer.retry_after),
        400 | 403 | 404 | 413 | 422 => Outcome::Refused,
        429 | 503 => Outcome::Again(answer.retry_after),
        _ => Outcome::Again(None),
    }
}

/// The first line of an answer, as much of it as is kept, and nothing in it that is secret.
pub(super) fn shown(answer: &str, target: &Target) -> String {
    let mut redactor = Redactor::new(secrets(target));
    // Cut last: half of a secret would not be recognised.
    let lines = answer.lines().map(visible).map(|line| redactor.redact_line(&line));
    let first = lines.map(|line| line.trim().to_owned()).find(|line| !line.is_empty());
    first.unwrap_or_default().chars().take(MAX_SHOWN).collect()
}

/// Without what moves a cursor or turns the direction of text.
fn visible(line: &str) -> String {
    let is_hidden = |c: char| {
        c.is_control()
            || matches!(c, '\u{2028}' | '\u{2029}' | '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}')
    };
    line.chars().filter(|c| !is_hidden(*c)).collect()
}

/// The token of a forge; of a chat all that stands behind its host, whole and in parts.
fn secrets(target: &Target) -> Vec<String> {
    let mut secrets: Vec<_> = target.secret.iter().map(|secret| secret.reveal().to_owned()).collect();
    if target.kind.is_chat() {
        let url = target.url.reveal();
        let behind = [Some(url.path()), url.query()].into_iter().flatten();
        let parts = behind.flat_map(|text| text.split(['/', '&', '=']).chain([text]));
        let parts = parts.filter(|part| part.len() >= SHORTEST_SECRET);
        secrets.extend(parts.clone().map(str::to_owned));
        secrets.extend(parts.map(|part| percent_decode_str(part).decode_utf8_lossy().into_owned()));
    }
    secrets
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use crate::domain::TargetKind;
    use crate::notify::testing::target;

    use super::*;

    #[test]
    fn what_follows_from_a_status() {
        let wait = Some(Duration::from_secs(7));
        for (status, retry_after, expected) in [
            (200, None, Outcome::Delivered),
            (204, wait, Outcome::Delivered),
            (302, None, Outcome::Again(None)),
            (400, wait, Outcome::Refused),
            (401, None, Outcome::Again(None)),
            (403, None, Outcome::Refused),
            (403, wait, Outcome::Again(wait)),
            (404, None, Outcome::Refused),
            (408, None, Outcome::Again(None)),
            (410, None, Outcome::Gone),
            (413, None, Outcome::Refused),
            (422, None, Outcome::Refused),
            (429, wait, Outcome::Again(wait)),
            (429, None, Outcome::Again(None)),
            (500, wait, Outcome::Again(None)),
            (503, wait, Outcome::Again(wait)),
        ] {
            let answer = Answer { status, retry_after, body: "x".to_owned() };
            assert_eq!(outcome(&answer), expected, "{status}");
        }
    }

    #[test]
    fn the_first_line_is_shown_without_what_moves_the_cursor() {
        let target = target(TargetKind::Webhook, "https://example.com/");

        assert_eq!(shown("\r\n \n no\u{1b}[2J\u{202e} hook\r\nmore", &target), "no[2J hook");
        assert_eq!(shown(&"ä".repeat(300), &target), "ä".repeat(200));
        assert_eq!(shown("", &target), "");
    }

    #[test]
    fn no_part_of_a_chats_address_and_no_token_is_shown() {
        let slack = target(TargetKind::Slack, "https://hooks.slack.com/services/T0/B0/XSECRETXSECRET");
        for told in [
            "no hook at /services/T0/B0/XSECRETXSECRET",
            "no hook XSECRETXSECRET",
            &format!("{}XSECRETXSECRET", "x".repeat(190)),
        ] {
            let shown = shown(told, &slack);
            assert!(!shown.contains("XSECRET"), "{shown}");
        }
        let teams = target(TargetKind::Teams, "https://teams.example.com/run?sp=x&sig=ab%2Fcdefghijkl");
        for told in ["sig=ab%2Fcdefghijkl is wrong", "ab/cdefghijkl is wrong"] {
            let shown = shown(told, &teams);
            assert!(!shown.contains("cdefghijkl"), "{shown}");
        }
        let forge = target(TargetKind::Gitea, "https://git.example.com/a/b");
        let token = forge.secret.as_ref().unwrap().reveal().to_owned();
        assert_eq!(shown(&format!("who is {token}?"), &forge), "who is ***?");
    }
}
