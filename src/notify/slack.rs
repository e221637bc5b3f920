//! A message in the form of Slack's incoming webhooks: blocks, and a text for where they are not shown.

use serde_json::{Value, json};

use crate::domain::Urls;

use super::summary::{Summary, escaped, fenced};
use super::{Message, Recipient, Request};

/// Longest text of a section and of a field, in characters, and as much as a notification can show.
const SECTION: usize = 3_000;
const FIELD: usize = 2_000;
const FALLBACK: usize = 1_000;

/// The request.
pub(super) fn request(recipient: &Recipient, message: &Message, urls: &Urls) -> Request {
    Request::post(&recipient.target.url, &body(&Summary::of(message, urls)))
}

/// The three characters that Slack gives a meaning everywhere; without them no channel and nobody is mentioned.
const fn escape(c: char) -> Option<&'static str> {
    match c {
        '&' => Some("&amp;"),
        '<' => Some("&lt;"),
        '>' => Some("&gt;"),
        _ => None,
    }
}

fn body(summary: &Summary) -> Value {
    let Summary { title, text, facts, lines, link, left_out, .. } = summary;
    let head = format!("*<{link}|{title}>*");
    let text = text.iter().map(|text| format!("\n{}", escaped(text, SECTION - 500, escape)));
    let head: String = [head].into_iter().chain(text).collect();
    let mut blocks = vec![json!({ "type": "section", "text": mrkdwn(&head) })];
    if !facts.is_empty() {
        let fields = facts
            .iter()
            .map(|(name, value)| mrkdwn(&format!("*{name}*\n{}", escaped(value, FIELD - 20, escape))));
        blocks.push(json!({ "type": "section", "fields": fields.collect::<Vec<_>>() }));
    }
    if !lines.is_empty() {
        let lines = fenced(lines, SECTION - 8, escape);
        blocks.push(json!({ "type": "section", "text": mrkdwn(&format!("```\n{lines}\n```")) }));
    }
    if let Some(left_out) = left_out {
        blocks.push(json!({ "type": "context", "elements": [mrkdwn(left_out)] }));
    }
    let fallback = escaped(&summary.line(), FALLBACK, escape);
    json!({ "text": fallback, "blocks": blocks, "unfurl_links": false, "unfurl_media": false })
}

/// A text in Slack's own markup, where nothing is taken for a name or an address on its own.
fn mrkdwn(text: &str) -> Value {
    json!({ "type": "mrkdwn", "text": text, "verbatim": true })
}

#[cfg(test)]
mod tests {
    use crate::domain::{Event, TargetKind};
    use crate::notify::testing::{deployment_of, failed, posted, recipient, urls, with_text};

    use super::*;

    const URL: &str = "https://hooks.slack.com/services/T0/B0/X";

    fn told(message: &Message) -> Value {
        posted(&request(&recipient(TargetKind::Slack, URL), message, &urls()), URL)
    }

    #[test]
    fn the_whole_message_of_a_failure() {
        let mut message = failed();
        message.left_out = 2;
        let mrkdwn = |text: &str| json!({ "type": "mrkdwn", "text": text, "verbatim": true });

        assert_eq!(
            told(&message),
            json!({
                "text": "api-service: deployment failed. The build ended with an error (and 2 more like it since the last message)",
                "blocks": [
                    { "type": "section", "text": mrkdwn("*<https://deploy.example.com/deploys/dep_mwuangvh9xk2mq7rz4tb|api-service: deployment failed>*\nThe build ended with an error") },
                    { "type": "section", "fields": [
                        mrkdwn("*Commit*\n4f2c1d7 Round &lt;totals&gt; half to even &amp; *never* up"),
                        mrkdwn("*Branch*\nmain"),
                        mrkdwn("*By*\nhook github-actions, 140.82.112.0/24, curl/8.5.0"),
                        mrkdwn("*Reason*\nbuild_failed"),
                        mrkdwn("*Note*\nhotfix for #12"),
                    ] },
                    { "type": "section", "text": mrkdwn("```\ntwo\nthree\nfour\nfive\nerror: '''six'''\n```") },
                    { "type": "context", "elements": [mrkdwn("and 2 more like it since the last message")] },
                ],
                "unfurl_links": false,
                "unfurl_media": false,
            })
        );
    }

    #[test]
    fn nobody_is_called_by_what_others_have_written() {
        let text =
            told(&with_text(Event::Test, "<!channel> & <@U1> <https://evil.example|here>")).to_string();

        assert!(!text.contains("<!") && !text.contains("<@") && !text.contains("<https://evil"), "{text}");
        assert!(text.contains("&lt;!channel&gt; &amp; &lt;@U1&gt;"), "{text}");
    }

    #[test]
    fn no_text_is_longer_than_slack_takes() {
        let mut message = failed();
        let about = deployment_of(&mut message);
        about.lines = Some(vec!["<".repeat(5_000); 9]);
        about.found.deployment.message = Some("&".repeat(5_000));
        about.found.deployment.commit_subject = Some("&".repeat(5_000));

        let body = told(&message);

        for block in body["blocks"].as_array().unwrap() {
            let fields = block["fields"].as_array().cloned().unwrap_or_default();
            let length = |text: &Value| text["text"].as_str().unwrap_or_default().chars().count();
            assert!(length(&block["text"]) <= SECTION && fields.iter().all(|field| length(field) <= FIELD));
        }
    }
}
