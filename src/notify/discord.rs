//! A message in the form of Discord's webhooks: one embed, which mentions nobody.

use serde_json::{Value, json};

use crate::domain::{Timestamp, Urls};

use super::summary::{Summary, Tone, escaped, fenced};
use super::{Message, Recipient, Request};

/// Longest value of a field and longest piece of a description, in characters. An embed has at most 6,000 in all.
const FIELD: usize = 600;
const TEXT: usize = 1_000;
const LINES: usize = 1_100;

/// The request.
pub(super) fn request(recipient: &Recipient, message: &Message, urls: &Urls) -> Request {
    Request::post(&recipient.target.url, &body(&Summary::of(message, urls), message.at))
}

/// What Discord's Markdown gives a meaning anywhere in a line or at its beginning.
pub(super) const fn escape(c: char) -> Option<&'static str> {
    match c {
        '\\' => Some("\\\\"),
        '*' => Some("\\*"),
        '_' => Some("\\_"),
        '~' => Some("\\~"),
        '`' => Some("\\`"),
        '|' => Some("\\|"),
        '<' => Some("\\<"),
        '>' => Some("\\>"),
        '[' => Some("\\["),
        ']' => Some("\\]"),
        '#' => Some("\\#"),
        '@' => Some("\\@"),
        _ => None,
    }
}

fn body(summary: &Summary, at: Timestamp) -> Value {
    let Summary { tone, title, text, facts, lines, link, left_out } = summary;
    let color = match tone {
        Tone::Good => 0x002e_7d32,
        Tone::Bad => 0x00c6_2828,
        Tone::Neutral => 0x0060_7d8b,
    };
    let text = text.iter().map(|text| escaped(text, TEXT, escape));
    let block = (!lines.is_empty()).then(|| format!("```\n{}\n```", fenced(lines, LINES, |_| None)));
    let description: Vec<_> = text.chain(block).collect();
    let fields = facts.iter().map(|(name, value)| {
        let is_short = !matches!(*name, "Commit" | "Note");
        json!({ "name": name, "value": escaped(value, FIELD, escape), "inline": is_short })
    });
    let mut embed = json!({
        "title": title,
        "url": link,
        "color": color,
        "description": description.join("\n"),
        "fields": fields.collect::<Vec<_>>(),
        "timestamp": at,
    });
    if let Some(left_out) = left_out {
        embed["footer"] = json!({ "text": left_out });
    }
    json!({ "embeds": [embed], "allowed_mentions": { "parse": [] } })
}

#[cfg(test)]
mod tests {
    use crate::domain::{Event, TargetKind};
    use crate::notify::testing::{deployment_of, failed, posted, recipient, urls, with_text};

    use super::*;

    const URL: &str = "https://discord.com/api/webhooks/1/x?wait=true";

    fn told(message: &Message) -> Value {
        posted(&request(&recipient(TargetKind::Discord, URL), message, &urls()), URL)
    }

    #[test]
    fn the_whole_message_of_a_failure() {
        let mut message = failed();
        message.left_out = 2;

        assert_eq!(
            told(&message),
            json!({
                "embeds": [{
                    "title": "api-service: deployment failed",
                    "url": "https://deploy.example.com/deploys/dep_mwuangvh9xk2mq7rz4tb",
                    "color": 0x00c6_2828,
                    "description": "The build ended with an error\n```\ntwo\nthree\nfour\nfive\nerror: '''six'''\n```",
                    "fields": [
                        { "name": "Commit", "value": "4f2c1d7 Round \\<totals\\> half to even & \\*never\\* up", "inline": false },
                        { "name": "Branch", "value": "main", "inline": true },
                        { "name": "By", "value": "hook github-actions, 140.82.112.0/24, curl/8.5.0", "inline": true },
                        { "name": "Reason", "value": "build\\_failed", "inline": true },
                        { "name": "Note", "value": "hotfix for \\#12", "inline": false },
                    ],
                    "timestamp": "2026-11-24T14:32:01.000Z",
                    "footer": { "text": "and 2 more like it since the last message" },
                }],
                "allowed_mentions": { "parse": [] },
            })
        );
    }

    #[test]
    fn nobody_is_mentioned_and_no_markup_of_others_works() {
        let body = told(&with_text(Event::Test, "@everyone <@1> **x** [a](https://evil.example) ||y||"));

        assert_eq!(body["allowed_mentions"], json!({ "parse": [] }));
        assert_eq!(
            body["embeds"][0]["description"],
            "\\@everyone \\<\\@1\\> \\*\\*x\\*\\* \\[a\\](https://evil.example) \\|\\|y\\|\\|"
        );
    }

    #[test]
    fn no_embed_is_longer_than_discord_takes() {
        let mut message = failed();
        let about = deployment_of(&mut message);
        about.lines = Some(vec!["*".repeat(5_000); 9]);
        let deployment = &mut about.found.deployment;
        deployment.message = Some("*".repeat(5_000));
        deployment.commit_subject = Some("*".repeat(5_000));
        deployment.hook = Some("*".repeat(5_000));

        let body = told(&message);

        let embed = &body["embeds"][0];
        let length = |text: &Value| text.as_str().unwrap().chars().count();
        let fields = embed["fields"].as_array().unwrap();
        assert!(fields.iter().all(|field| length(&field["value"]) <= 1_024));
        assert!(length(&embed["description"]) <= 4_096 && embed.to_string().chars().count() < 6_000);
    }
}
