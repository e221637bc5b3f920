//! The list of all services.

use askama::Template;
use url::form_urlencoded::Serializer;

use crate::db::deployments::{self, Filter};
use crate::db::{self, Reader};
use crate::domain::{
    Deployment, DeploymentId, ExecutorKind, Reason, Repository, Service, Status, Timestamp, Transport,
};
use crate::web::pages::Frame;
use crate::web::pages::deployments::row::Beginner;
use crate::web::pages::deployments::verdict;
use crate::web::pages::format;
use crate::web::pages::relative::Relative;
use crate::web::pages::services::ticks::{self, Ticks};

/// Most services that the head sentence names.
const NAMED: usize = 5;
/// With so many services one looks for one.
const MANY: usize = 6;
/// Filters by state: the word in the address, and the label.
const SEGMENTS: [(&str, &str); 5] = [
    ("", "All"),
    ("running", "Running"),
    ("failed", "Failed"),
    ("frozen", "Frozen"),
    ("never", "Never deployed"),
];

/// Which services the page was asked for.
#[derive(Debug, Clone, Default)]
pub struct Wanted {
    segment: usize,
    text: String,
}

impl Wanted {
    /// Reads the query as a browser's form writes it; what means nothing is left out.
    pub fn parse(query: &str) -> Self {
        let mut wanted = Self::default();
        for (name, value) in url::form_urlencoded::parse(query.as_bytes()) {
            match &*name {
                "state" => wanted.segment = SEGMENTS.iter().position(|(word, _)| *word == value).unwrap_or(0),
                "q" => wanted.text = value.trim().chars().take(200).collect(),
                _ => {}
            }
        }
        wanted
    }

    fn is_all(&self) -> bool {
        self.segment == 0 && self.text.is_empty()
    }

    fn query(&self, segment: usize) -> String {
        let mut query = Serializer::new(String::new());
        if segment > 0 {
            query.append_pair("state", SEGMENTS[segment].0);
        }
        if !self.text.is_empty() {
            query.append_pair("q", &self.text);
        }
        query.finish()
    }

    fn fits(&self, known: &Known) -> bool {
        let last = known.last.as_ref();
        let is_in_state = match SEGMENTS[self.segment].0 {
            "running" => last.is_some_and(|last| !last.status.is_final()),
            "failed" => last.is_some_and(needs_look),
            "frozen" => known.service.frozen.is_some(),
            "never" => last.is_none(),
            _ => true,
        };
        let text = self.text.to_lowercase();
        let has = |own: &str| own.to_lowercase().contains(&text);
        is_in_state && (has(known.service.name.as_str()) || has(known.service.repository.as_str()))
    }
}

/// Whether it failed by itself, so that somebody has to look.
fn needs_look(deployment: &Deployment) -> bool {
    deployment.status == Status::Failed && !deployment.reason.is_some_and(Reason::is_intended)
}

/// A service with what the list tells of its deployments.
#[derive(Debug)]
pub struct Known {
    service: Service,
    /// The one that runs, else the newest.
    last: Option<Deployment>,
    serving: Option<Deployment>,
    /// Those that have begun, newest first.
    recent: Vec<Deployment>,
}

impl Known {
    /// Reads what belongs to a service.
    ///
    /// # Errors
    /// Those of the database.
    pub fn read(reader: &Reader<'_>, service: Service) -> Result<Self, db::Error> {
        let list = |statuses: &[Status], limit| {
            let filter = Filter { statuses: statuses.to_vec(), limit, ..Filter::default() };
            deployments::list_for_service(reader, &service.id, &filter)
        };
        let begun = [Status::Building, Status::Deploying, Status::Succeeded, Status::Failed];
        let recent = list(&begun, u32::try_from(ticks::COUNT).unwrap_or(u32::MAX))?;
        let running = recent.first().filter(|newest| newest.status.is_running()).cloned();
        Ok(Self {
            last: if running.is_some() { running } else { list(&[], 1)?.pop() },
            serving: deployments::newest_successes(reader, &service.id, 1)?.pop(),
            recent,
            service,
        })
    }
}

/// The page.
#[derive(Debug, Template)]
#[template(path = "pages/services/index.html")]
pub struct ServicesPage {
    frame: Frame,
    heading: String,
    /// How many services have a deployment that runs, so that the page will not stay as it is.
    running: usize,
    failed: Vec<(String, DeploymentId)>,
    more_failed: usize,
    rows: Vec<Row>,
    /// Where there is anything to filter, or a filter.
    filter: Option<FilterBar>,
    /// Whether there is no service at all.
    is_empty: bool,
    has_cluster: bool,
    was_deleted: bool,
}

/// What narrows the list.
#[derive(Debug)]
struct FilterBar {
    /// Filters by state: label, query, and whether it is the one that counts.
    segments: Vec<(&'static str, String, bool)>,
    state: &'static str,
    text: String,
}

/// A service's row.
#[derive(Debug)]
struct Row {
    name: String,
    repository: String,
    builds_here: bool,
    is_frozen: bool,
    serving: Option<(String, Relative)>,
    last: Option<Last>,
    ticks: Ticks,
}

/// The last deployment.
#[derive(Debug)]
struct Last {
    id: DeploymentId,
    shape: &'static str,
    word: &'static str,
    reason: Option<&'static str>,
    beginner: Beginner,
    at: Relative,
}

impl ServicesPage {
    /// Puts the page together; the services that were deployed last come first.
    pub fn new(
        frame: Frame,
        mut known: Vec<Known>,
        wanted: &Wanted,
        has_cluster: bool,
        was_deleted: bool,
        now: Timestamp,
    ) -> Self {
        known.sort_by_key(|known| std::cmp::Reverse(known.last.as_ref().map(|last| last.sequence)));
        let last = || known.iter().filter_map(|known| known.last.as_ref());
        let running = last().filter(|last| last.status.is_running()).count();
        let failed: Vec<_> = last()
            .filter(|last| needs_look(last))
            .map(|last| (last.service.clone(), last.id.clone()))
            .collect();
        Self {
            frame,
            heading: format::count(known.len() as u64, "service"),
            running,
            more_failed: failed.len().saturating_sub(NAMED),
            failed: failed.into_iter().take(NAMED).collect(),
            rows: known.iter().filter(|own| wanted.fits(own)).map(|own| Row::new(own, now)).collect(),
            filter: (known.len() >= MANY || !wanted.is_all()).then(|| FilterBar::new(wanted)),
            is_empty: known.is_empty(),
            has_cluster,
            was_deleted,
        }
    }

    fn calm(&self) -> String {
        calm(self.running, self.failed.is_empty())
    }

    fn failed_count(&self) -> usize {
        self.failed.len() + self.more_failed
    }
}

fn calm(running: usize, is_well: bool) -> String {
    match (running, is_well) {
        (0, true) => "Nothing is running, and no last deployment failed.".to_owned(),
        (0, false) => "Nothing is running.".to_owned(),
        (1, _) => "1 is running.".to_owned(),
        (n, _) => format!("{n} are running."),
    }
}

impl FilterBar {
    fn new(wanted: &Wanted) -> Self {
        Self {
            segments: SEGMENTS
                .iter()
                .enumerate()
                .map(|(place, (_, label))| (*label, wanted.query(place), place == wanted.segment))
                .collect(),
            state: SEGMENTS[wanted.segment].0,
            text: wanted.text.clone(),
        }
    }
}

impl Row {
    fn new(known: &Known, now: Timestamp) -> Self {
        let serving = known.serving.as_ref().and_then(|serving| {
            let since = Relative::new(serving.finished_at?, now);
            Some((serving.commit.as_ref().map(|commit| commit.short().to_owned())?, since))
        });
        let last = known.last.as_ref().map(|newest| Last {
            id: newest.id.clone(),
            shape: verdict::shape(newest),
            word: verdict::word(newest.status),
            reason: newest.reason.map(Reason::as_str),
            beginner: Beginner::of(newest),
            at: Relative::new(newest.started_at.unwrap_or(newest.created_at), now),
        });
        Self {
            name: known.service.name.to_string(),
            repository: short_repository(&known.service.repository),
            builds_here: known.service.executor == ExecutorKind::Local,
            is_frozen: known.service.frozen.is_some(),
            serving,
            last,
            ticks: Ticks::of(&known.recent),
        }
    }
}

/// The repository's path without host and `.git`, `acme/api-service`; a path on this machine as it is.
pub(super) fn short_repository(repository: &Repository) -> String {
    let text = repository.as_str();
    if repository.transport() == Transport::File {
        return text.to_owned();
    }
    let path = match text.split_once("://") {
        Some((_, rest)) => rest.split_once('/').map_or(rest, |(_, path)| path),
        None => text.split_once(':').map_or(text, |(_, path)| path),
    };
    path.trim_matches('/').trim_end_matches(".git").to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_repository_is_named_by_its_path() {
        for (text, short) in [
            ("https://git.example.com/acme/api.git", "acme/api"),
            ("git@git.example.com:acme/api.git", "acme/api"),
            ("ssh://git@git.example.com:2222/acme/api", "acme/api"),
            ("/srv/git/api.git", "/srv/git/api.git"),
        ] {
            assert_eq!(short_repository(&Repository::parse(text).unwrap()), short);
        }
    }

    #[test]
    fn the_sentence_counts() {
        assert_eq!(
            [calm(0, false), calm(1, true), calm(2, false)].join(" "),
            "Nothing is running. 1 is running. 2 are running."
        );
        assert_eq!(calm(0, true), "Nothing is running, and no last deployment failed.");
    }
}
