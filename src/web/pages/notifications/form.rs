//! The form of a target: what stands in its fields, and what is wrong with each.

use std::collections::HashMap;

use poem::http::StatusCode;

use crate::domain::{BranchPattern, Code, Event, Invalid, Target, TargetKind};
use crate::web::error::Error;
use crate::web::pages::format;
use crate::web::pages::notifications::words;
use crate::wire::Change;
use crate::wire::target::TargetBody;

/// Fields as they are called in the form, which is as the API calls them, and as people read them.
const LABELS: [(&str, &str); 6] = [
    ("kind", "Kind"),
    ("url", "Address"),
    ("secret", "Token"),
    ("events", "Events"),
    ("branches", "Branches"),
    ("requiredContexts", "Required checks"),
];
/// Begins the name of an event's box.
const EVENT: &str = "event.";
/// What an address looks like.
const EXAMPLE: &str = "https://example.com/hooks/deploys";

/// The form, as it is shown and as it was sent.
#[derive(Debug)]
pub(super) struct TargetForm {
    fields: HashMap<String, String>,
    /// What a target that is there is; a new one is what is chosen.
    own: Option<TargetKind>,
    /// What was wrong.
    errors: Vec<Invalid>,
}

impl TargetForm {
    /// For a new target.
    pub(super) fn empty() -> Self {
        Self { fields: HashMap::new(), own: None, errors: Vec::new() }
    }

    /// With what a target has. Of its secrets nothing is shown.
    pub(super) fn of(target: &Target) -> Self {
        let mut form = Self { own: Some(target.kind), ..Self::empty() };
        let branches: Vec<_> = target.branches.iter().map(BranchPattern::as_str).collect();
        form.set("url", &target.shown_url());
        form.set("branches", &branches.join("\n"));
        form.set("requiredContexts", &target.required_contexts.join("\n"));
        form.set("withLines", if target.with_lines { "true" } else { "" });
        for event in &target.events {
            form.set(&format!("{EVENT}{}", event.as_str()), "true");
        }
        form
    }

    /// The same form as it was sent, to be read or to be shown again.
    pub(super) fn sent(self, fields: HashMap<String, String>) -> Self {
        Self { fields, ..self }
    }

    fn set(&mut self, field: &str, value: &str) {
        self.fields.insert(field.to_owned(), value.to_owned());
    }

    /// All that was sent.
    pub(super) const fn fields(&self) -> &HashMap<String, String> {
        &self.fields
    }

    /// The same form with what was wrong with it, and the answer's status.
    ///
    /// # Errors
    /// What is not the form's fault.
    pub(super) fn refused(self, error: Error) -> Result<(Self, StatusCode), Error> {
        let status = error.status();
        let errors = match (error.invalids(), error.code()) {
            (invalids, _) if !invalids.is_empty() => invalids,
            (_, Code::NameTaken) => vec![Invalid::new("url", error.detail())],
            (_, _) => return Err(error),
        };
        let is_known = |error: &Invalid| LABELS.iter().any(|(field, _)| *field == error.field);
        if !errors.iter().all(is_known) {
            return Err(error);
        }
        Ok((Self { errors, ..self }, status))
    }

    fn kind(&self) -> Option<TargetKind> {
        self.own.or_else(|| TargetKind::parse(self.get("kind")))
    }

    /// What the API makes of it. Fields that the chosen kind does not have are hidden, and so not read.
    pub(super) fn body(&self, service: Change<String>) -> TargetBody {
        let kind = self.kind();
        let is_forge = kind.is_some_and(TargetKind::is_forge);
        let lines = |field: &str| {
            let lines = self.get(field).lines().map(|line| line.trim().to_owned());
            lines.filter(|line| !line.is_empty()).collect::<Vec<_>>()
        };
        let secret = Some(self.get("secret").trim().to_owned());
        TargetBody {
            kind: self.own.is_none().then(|| self.get("kind").to_owned()),
            url: Some(self.get("url").trim().to_owned()),
            service,
            events: kind.map(|kind| self.chosen(kind)),
            branches: Some(lines("branches")),
            secret: secret.filter(|text| is_forge && !text.is_empty()),
            with_lines: (!is_forge).then(|| self.get("withLines") == "true"),
            required_contexts: (kind == Some(TargetKind::Github)).then(|| lines("requiredContexts")),
            state: None,
        }
    }

    /// The events that are chosen of those that a kind has; where none is, what it is told by itself.
    fn chosen(&self, kind: TargetKind) -> Vec<String> {
        let defaults = kind.default_events();
        let is_there = |event: &Event| !kind.is_forge() || defaults.contains(event);
        let all = Event::ALL.into_iter().filter(is_there);
        let chosen: Vec<_> = all.filter(|event| self.has_chosen(event.as_str())).collect();
        let events = if chosen.is_empty() { defaults } else { chosen };
        events.into_iter().map(|event| event.as_str().to_owned()).collect()
    }

    /// Whether it makes a target.
    pub(super) const fn is_new(&self) -> bool {
        self.own.is_none()
    }

    /// Whether a group of kinds may be meant: all while that is to be chosen.
    pub(super) fn may_be(&self, group: &str) -> bool {
        self.own.is_none_or(|kind| match group {
            "forge" => kind.is_forge(),
            "chat" => kind.is_chat(),
            "no-forge" => !kind.is_forge(),
            word => kind.as_str() == word,
        })
    }

    /// The kinds that can be chosen: their words, and what people call them.
    pub(super) fn kinds() -> impl Iterator<Item = (&'static str, &'static str)> {
        TargetKind::ALL.into_iter().map(|kind| (kind.as_str(), words::kind(kind)))
    }

    /// The events: their words, what people call them, and whether forges have them too.
    pub(super) fn events(&self) -> impl Iterator<Item = (&'static str, &'static str, bool)> {
        let of_forges = TargetKind::Github.default_events();
        let own = move |event: Event| (event.as_str(), words::event(event), of_forges.contains(&event));
        Event::ALL.into_iter().map(own).filter(|(.., of_forge)| *of_forge || self.may_be("no-forge"))
    }

    /// Whether the box of an event is ticked.
    pub(super) fn has_chosen(&self, event: &str) -> bool {
        self.get(&format!("{EVENT}{event}")) == "true"
    }

    /// What an address looks like.
    pub(super) const fn example(&self) -> &'static str {
        if self.own.is_none() { EXAMPLE } else { "" }
    }

    /// What stands in a field.
    pub(super) fn get(&self, field: &str) -> &str {
        self.fields.get(field).map(String::as_str).unwrap_or_default()
    }

    /// What is wrong with this field, in sentences.
    pub(super) fn error(&self, field: &str) -> Option<String> {
        let own = self.errors.iter().filter(|error| error.field == field);
        let own: Vec<_> = own.map(|error| format::sentence(&error.detail)).collect();
        (!own.is_empty()).then(|| own.join(" "))
    }

    /// The same for the summary: ids, and sentences with the field's label in front.
    pub(super) fn summary(&self) -> Vec<(String, String)> {
        let line = |error: &Invalid| {
            let label = LABELS.iter().find(|(field, _)| *field == error.field).map_or("", |(_, label)| label);
            (error.field.clone(), format!("{label}: {}", format::sentence(&error.detail)))
        };
        self.errors.iter().map(line).collect()
    }

    /// `1 thing to fix`; nothing where all is well.
    pub(super) fn count(&self) -> Option<String> {
        let count = self.errors.len() as u64;
        (count > 0).then(|| format!("{} to fix", format::count(count, "thing")))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn body(fields: &[(&str, &str)]) -> TargetBody {
        let fields = fields.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned()));
        TargetForm::empty().sent(fields.collect()).body(Change::Keep)
    }

    #[test]
    fn where_no_event_is_chosen_the_kind_decides() {
        let chosen = [("kind", "slack"), ("event.deployment.queued", "true")];

        assert_eq!(body(&[("kind", "slack")]).events.unwrap(), ["deployment.failed", "deployment.recovered"]);
        assert_eq!(body(&[("kind", "gitea")]).events.unwrap().len(), 4);
        assert_eq!(body(&chosen).events.unwrap(), ["deployment.queued"]);
    }

    #[test]
    fn what_the_kind_does_not_have_is_not_read() {
        let typed = [("secret", " t "), ("requiredContexts", "ci"), ("withLines", "true")];
        let of = |kind| body(&[&[("kind", kind)], &typed[..]].concat());

        let (github, gitlab, slack) = (of("github"), of("gitlab"), of("slack"));

        assert_eq!(
            (github.secret.as_deref(), gitlab.secret.as_deref(), slack.secret),
            (Some("t"), Some("t"), None)
        );
        assert_eq!((github.required_contexts, gitlab.required_contexts), (Some(vec!["ci".to_owned()]), None));
        assert_eq!((github.with_lines, slack.with_lines), (None, Some(true)));
    }
}
