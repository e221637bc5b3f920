//! The list of all services.

use askama::Template;

use crate::domain::{DeploymentId, ExecutorKind, Reason, Repository, Service, Timestamp, Transport};
use crate::web::pages::Frame;
use crate::web::pages::deployments::row::Beginner;
use crate::web::pages::deployments::verdict;
use crate::web::pages::format;
use crate::web::pages::relative::Relative;
use crate::web::pages::services::overview::{Known, Overview, PAGE, SEGMENTS, Wanted};
use crate::web::pages::services::ticks::Ticks;

/// Most services that the head sentence names.
const NAMED: usize = 5;
/// With so many services one looks for one.
const MANY: usize = 6;
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
    /// Where there is more than a page.
    pager: Option<Pager>,
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

/// The way from page to page.
#[derive(Debug)]
struct Pager {
    words: String,
    before: Option<String>,
    after: Option<String>,
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
    /// Puts the page together.
    pub fn new(
        frame: Frame,
        overview: Overview,
        wanted: &Wanted,
        has_cluster: bool,
        was_deleted: bool,
        now: Timestamp,
    ) -> Self {
        let Overview { count, running, failed, found, shown } = overview;
        Self {
            frame,
            heading: format::count(count as u64, "service"),
            running,
            more_failed: failed.len().saturating_sub(NAMED),
            failed: failed.into_iter().take(NAMED).collect(),
            rows: shown.iter().map(|own| Row::new(own, now)).collect(),
            filter: (count >= MANY || !wanted.is_all()).then(|| FilterBar::new(wanted)),
            pager: (found > PAGE).then(|| Pager::new(wanted, found)),
            is_empty: count == 0,
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
                .map(|(place, (_, label))| (*label, wanted.query(place, 1), place == wanted.segment))
                .collect(),
            state: SEGMENTS[wanted.segment].0,
            text: wanted.text.clone(),
        }
    }
}

impl Pager {
    fn new(wanted: &Wanted, found: usize) -> Self {
        let (page, last) = (wanted.page, found.div_ceil(PAGE));
        let query = |page| wanted.query(wanted.segment, page);
        Self {
            words: format!("Page {page} of {last}"),
            before: (page > 1).then(|| query((page - 1).min(last))),
            after: (page < last).then(|| query(page + 1)),
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
            repository: short_source(&known.service),
            builds_here: known.service.executor == ExecutorKind::Local,
            is_frozen: known.service.frozen.is_some(),
            serving,
            last,
            ticks: Ticks::of(&known.recent),
        }
    }
}

/// Where a service comes from, in short.
pub(super) fn short_source(service: &Service) -> String {
    service.repository.as_ref().map_or_else(|| "images from CI".to_owned(), short_repository)
}

/// The repository's path without host and `.git`, `acme/api-service`; a path on this machine as it is.
fn short_repository(repository: &Repository) -> String {
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
