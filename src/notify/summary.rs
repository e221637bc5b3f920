//! What a chat is told, before it has the form of one.

use crate::domain::{Event, GitRef, Reason, Urls};

use super::{About, AboutDeployment, Message};

/// Lines of a log that a chat is shown, the last ones, and characters of each.
const LINES: usize = 5;
const LINE: usize = 200;

/// How it is to look.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Tone {
    Good,
    Bad,
    Neutral,
}

/// What a chat is told. Nothing in it is escaped, and only the title is surely plain.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Summary {
    pub(super) tone: Tone,
    /// The service and what happened; letters, digits, blanks and `:-` only.
    pub(super) title: String,
    /// Why, or what it is about.
    pub(super) text: Option<String>,
    /// What else is known, by name.
    pub(super) facts: Vec<(&'static str, String)>,
    /// The last lines of the step that failed.
    pub(super) lines: Vec<String>,
    /// The page about it.
    pub(super) link: String,
    /// How many like it were left out, as a sentence.
    pub(super) left_out: Option<String>,
}

impl Summary {
    pub(super) fn of(message: &Message, urls: &Urls) -> Self {
        let left_out = (message.left_out > 0)
            .then(|| format!("and {} more like it since the last message", message.left_out));
        match &message.about {
            About::Deployment(about) => Self { left_out, ..deployment(about, message.event, urls) },
            About::Text(text) => Self {
                tone: Tone::Neutral,
                title: title(message.event).to_owned(),
                text: Some(text.clone()),
                facts: Vec::new(),
                lines: Vec::new(),
                link: urls.dashboard().to_owned(),
                left_out,
            },
        }
    }

    /// All of it in one line, for where only text is shown.
    pub(super) fn line(&self) -> String {
        let text = self.text.iter().map(|text| format!(". {text}"));
        let left_out = self.left_out.iter().map(|text| format!(" ({text})"));
        [self.title.clone()].into_iter().chain(text).chain(left_out).collect()
    }
}

const fn title(event: Event) -> &'static str {
    match event {
        Event::Queued => "deployment queued",
        Event::Started => "deployment started",
        Event::Succeeded => "deployment succeeded",
        Event::Failed => "deployment failed",
        Event::Recovered => "works again",
        Event::OldUrlUsed => "StackBlaze: an old hook URL was used",
        Event::TargetDisabled => "StackBlaze: a target was switched off",
        Event::Test => "StackBlaze: a test",
    }
}

fn deployment(about: &AboutDeployment, event: Event, urls: &Urls) -> Summary {
    let deployment = &about.found.deployment;
    let tone = match event {
        Event::Succeeded | Event::Recovered => Tone::Good,
        Event::Failed if !deployment.reason.is_some_and(Reason::is_intended) => Tone::Bad,
        _ => Tone::Neutral,
    };
    let sentence = || deployment.reason.map(|reason| reason.sentence().to_owned());
    let mut facts = Vec::new();
    if let Some(commit) = &deployment.commit {
        let subject = deployment.commit_subject.iter().map(|subject| format!(" {subject}"));
        facts.push(("Commit", [commit.short().to_owned()].into_iter().chain(subject).collect()));
    }
    facts.push(match &deployment.branch {
        GitRef::Branch(branch) => ("Branch", branch.to_string()),
        GitRef::Tag(tag) => ("Tag", tag.name().to_owned()),
    });
    let hook = deployment.hook.iter().map(|hook| format!("hook {hook}"));
    let by: Vec<_> = hook.chain([deployment.who.as_caller()]).collect();
    facts.push(("By", by.join(", ")));
    facts.extend(deployment.reason.map(|reason| ("Reason", reason.as_str().to_owned())));
    facts.extend(deployment.note.as_ref().map(|note| ("Note", note.to_string())));
    let lines = about.lines.as_deref().unwrap_or_default();
    let last = &lines[lines.len().saturating_sub(LINES)..];
    Summary {
        tone,
        title: format!("{}: {}", deployment.service, title(event)),
        text: deployment.message.clone().or_else(sentence),
        facts,
        lines: last.iter().map(|line| escaped(line, LINE, |_| None)).collect(),
        link: urls.deployment_page(&deployment.id),
        left_out: None,
    }
}

/// Writes what a chat would take for more than text so that it is shown as it is, and cuts what would be longer than it may
/// be. Counted as UTF-16 does, since no chat counts more.
pub(super) fn escaped(text: &str, most: usize, escape: impl Fn(char) -> Option<&'static str>) -> String {
    let (mut written, mut length) = (String::new(), 0);
    for c in text.chars() {
        let replaced = escape(c);
        let more = replaced.map_or(c.len_utf16(), str::len);
        // The last place is for the mark of what is missing.
        if length + more >= most {
            written.push('…');
            break;
        }
        length += more;
        match replaced {
            Some(replaced) => written.push_str(replaced),
            None => written.push(c),
        }
    }
    written
}

/// Lines as the inside of a block between fences, which nothing in them may end.
pub(super) fn fenced(lines: &[String], most: usize, escape: impl Fn(char) -> Option<&'static str>) -> String {
    escaped(&lines.join("\n").replace("```", "'''"), most, escape)
}

#[cfg(test)]
mod tests {
    use crate::notify::testing::{at, deployment_of, failed, queued, urls, with_text};

    use super::*;

    #[test]
    fn a_failure_says_what_why_whose_and_how_it_ended() {
        let mut message = failed();
        message.left_out = 3;

        let summary = Summary::of(&message, &urls());

        assert_eq!(
            summary,
            Summary {
                tone: Tone::Bad,
                title: "api-service: deployment failed".to_owned(),
                text: Some("The build ended with an error".to_owned()),
                facts: vec![
                    ("Commit", "4f2c1d7 Round <totals> half to even & *never* up".to_owned()),
                    ("Branch", "main".to_owned()),
                    ("By", "hook github-actions, 140.82.112.0/24, curl/8.5.0".to_owned()),
                    ("Reason", "build_failed".to_owned()),
                    ("Note", "hotfix for #12".to_owned()),
                ],
                lines: ["two", "three", "four", "five", "error: ```six```"].map(str::to_owned).into(),
                link: "https://deploy.example.com/deploys/dep_mwuangvh9xk2mq7rz4tb".to_owned(),
                left_out: Some("and 3 more like it since the last message".to_owned()),
            }
        );
        assert_eq!(
            summary.line(),
            "api-service: deployment failed. The build ended with an error (and 3 more like it since the last message)"
        );
    }

    #[test]
    fn the_tone_is_bad_only_where_somebody_has_to_act() {
        let tone = |message| Summary::of(&message, &urls()).tone;
        let mut superseded = failed();
        deployment_of(&mut superseded).found.deployment.reason = Some(Reason::Superseded);

        assert_eq!(tone(superseded), Tone::Neutral);
        assert_eq!(tone(queued()), Tone::Neutral);
        assert_eq!(tone(at(Event::Recovered)), Tone::Good);
        assert_eq!(Summary::of(&at(Event::Recovered), &urls()).title, "api-service: works again");
        let text = Summary::of(&with_text(Event::Test, "Hello"), &urls());
        assert_eq!((text.tone, text.line()), (Tone::Neutral, "StackBlaze: a test. Hello".to_owned()));
    }

    #[test]
    fn what_is_too_long_is_cut_between_escapes() {
        let escape = |c| (c == '&').then_some("&amp;");

        assert_eq!(escaped("a&b", 20, escape), "a&amp;b");
        assert_eq!(escaped("&&&&", 12, escape), "&amp;&amp;…");
        assert_eq!(escaped("😀😀😀", 5, escape), "😀😀…");
        assert_eq!(escaped("", 5, escape), "");
        let long = fenced(&["`".repeat(7), "x".repeat(300)], 100, escape);
        assert!(!long.contains("```") && long.encode_utf16().count() == 100, "{long}");
    }
}
