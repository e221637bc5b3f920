//! A message in the form of a workflow of Microsoft Teams that begins when a webhook request is received: an adaptive card.

use serde_json::{Value, json};

use crate::domain::Urls;

use super::summary::{Summary, Tone, escaped};
use super::{Message, Recipient, Request};

/// Longest text, in characters. A card has at most 28 KiB in all.
const TEXT: usize = 1_000;

/// The request.
pub(super) fn request(recipient: &Recipient, message: &Message, urls: &Urls) -> Request {
    Request::post(&recipient.target.url, &body(&Summary::of(message, urls)))
}

/// What a card's Markdown gives a meaning: emphasis, links, and what Teams takes for a tag.
const fn escape(c: char) -> Option<&'static str> {
    match c {
        '\\' => Some("\\\\"),
        '*' => Some("\\*"),
        '_' => Some("\\_"),
        '~' => Some("\\~"),
        '`' => Some("\\`"),
        '[' => Some("\\["),
        ']' => Some("\\]"),
        '#' => Some("\\#"),
        '<' => Some("&lt;"),
        '>' => Some("&gt;"),
        '&' => Some("&amp;"),
        _ => None,
    }
}

fn body(summary: &Summary) -> Value {
    let Summary { tone, title, text, facts, lines, link, left_out } = summary;
    let color = match tone {
        Tone::Good => "Good",
        Tone::Bad => "Attention",
        Tone::Neutral => "Default",
    };
    let head = json!({
        "type": "TextBlock", "text": title, "size": "Medium", "weight": "Bolder", "color": color, "wrap": true,
    });
    let block =
        |text: &str| json!({ "type": "TextBlock", "text": escaped(text, TEXT, escape), "wrap": true });
    let mut items = vec![head];
    items.extend(text.as_deref().map(block));
    if !facts.is_empty() {
        let facts =
            facts.iter().map(|(name, value)| json!({ "title": name, "value": escaped(value, TEXT, escape) }));
        items.push(json!({ "type": "FactSet", "facts": facts.collect::<Vec<_>>() }));
    }
    // Nothing in a run of text has a meaning. Each line has a block of its own, since a run has no line ends.
    items.extend(lines.iter().map(|line| {
        let run = json!({ "type": "TextRun", "text": line, "fontType": "Monospace", "size": "Small" });
        json!({ "type": "RichTextBlock", "spacing": "None", "inlines": [run] })
    }));
    items.extend(left_out.as_deref().map(block));
    json!({
        "type": "message",
        "attachments": [{
            "contentType": "application/vnd.microsoft.card.adaptive",
            "content": {
                "$schema": "http://adaptivecards.io/schemas/adaptive-card.json",
                "type": "AdaptiveCard",
                "version": "1.5",
                "body": items,
                "actions": [{ "type": "Action.OpenUrl", "title": "Open", "url": link }],
            },
        }],
    })
}

#[cfg(test)]
mod tests {
    use crate::domain::{Event, TargetKind};
    use crate::notify::testing::{deployment_of, failed, posted, recipient, urls, with_text};

    use super::*;

    const URL: &str = "https://prod-1.westeurope.logic.azure.com/workflows/x/invoke?sig=y";

    fn told(message: &Message) -> Value {
        posted(&request(&recipient(TargetKind::Teams, URL), message, &urls()), URL)
    }

    #[test]
    fn the_whole_message_of_a_failure() {
        let mut message = failed();
        message.left_out = 2;
        let line = |text: &str| {
            json!({ "type": "RichTextBlock", "spacing": "None", "inlines": [
            { "type": "TextRun", "text": text, "fontType": "Monospace", "size": "Small" },
        ] })
        };

        assert_eq!(
            told(&message),
            json!({
                "type": "message",
                "attachments": [{
                    "contentType": "application/vnd.microsoft.card.adaptive",
                    "content": {
                        "$schema": "http://adaptivecards.io/schemas/adaptive-card.json",
                        "type": "AdaptiveCard",
                        "version": "1.5",
                        "body": [
                            { "type": "TextBlock", "text": "api-service: deployment failed", "size": "Medium", "weight": "Bolder", "color": "Attention", "wrap": true },
                            { "type": "TextBlock", "text": "The build ended with an error", "wrap": true },
                            { "type": "FactSet", "facts": [
                                { "title": "Commit", "value": "4f2c1d7 Round &lt;totals&gt; half to even &amp; \\*never\\* up" },
                                { "title": "Branch", "value": "main" },
                                { "title": "By", "value": "hook github-actions, 140.82.112.0/24, curl/8.5.0" },
                                { "title": "Reason", "value": "build\\_failed" },
                                { "title": "Note", "value": "hotfix for \\#12" },
                            ] },
                            line("two"),
                            line("three"),
                            line("four"),
                            line("five"),
                            line("error: ```six```"),
                            { "type": "TextBlock", "text": "and 2 more like it since the last message", "wrap": true },
                        ],
                        "actions": [{ "type": "Action.OpenUrl", "title": "Open", "url": "https://deploy.example.com/deploys/dep_mwuangvh9xk2mq7rz4tb" }],
                    },
                }],
            })
        );
    }

    #[test]
    fn nobody_is_mentioned_and_no_markup_of_others_works() {
        let body = told(&with_text(Event::Test, "<at>all</at> [a](https://evil.example)"));

        let text = &body["attachments"][0]["content"]["body"][1]["text"];
        assert_eq!(text, "&lt;at&gt;all&lt;/at&gt; \\[a\\](https://evil.example)");
    }

    #[test]
    fn no_message_is_longer_than_teams_takes() {
        let mut message = failed();
        let about = deployment_of(&mut message);
        about.lines = Some(vec!["\\".repeat(5_000); 9]);
        about.found.deployment.message = Some("\\".repeat(5_000));
        about.found.deployment.commit_subject = Some("&".repeat(5_000));

        assert!(told(&message).to_string().len() < 28 * 1_024);
    }
}
