//! The page of one service: what serves, what was found out about it, and its deployments.

use askama::Template;
use url::form_urlencoded::Serializer;

use crate::actions;
use crate::actions::deployments::{FoundPage, complete_page};
use crate::db::deployments::{self, End, Filter};
use crate::db::{Reader, checks, steps};
use crate::domain::{
    Checks, Deployment, DeploymentId, ExecutorKind, Repository, Service, Status, StepRecord, TektonSettings,
    Timestamp, Verdict,
};
use crate::web::pages::Frame;
use crate::web::pages::deployments::fuse::Usual;
use crate::web::pages::deployments::row::Row;
use crate::web::pages::format::{self, Moment};
use crate::web::pages::relative::Relative;
use crate::web::pages::services::head::ServiceHead;
use crate::web::pages::services::list_view::short_source;
use crate::web::pages::services::picture::{self, Picture};
use crate::wire::deployment::FoundDeployment;

/// Deployments of one page.
const PAGE: u32 = 20;
/// Successes whose times are taken for usual.
const SUCCESSES: u32 = 10;
/// Filters by status: the word in the address, the label, and what it lets through.
const SEGMENTS: [(&str, &str, &[Status]); 4] = [
    ("", "All", &[]),
    ("running", "Running", &[Status::Queued, Status::Building, Status::Deploying]),
    ("succeeded", "Succeeded", &[Status::Succeeded]),
    ("failed", "Failed", &[Status::Failed]),
];

/// Which deployments the page was asked for.
#[derive(Debug, Clone, Default)]
pub struct Wanted {
    segment: usize,
    text: String,
    before: Option<DeploymentId>,
}

impl Wanted {
    /// Reads the query as a browser's form writes it; what means nothing is left out.
    pub fn parse(query: &str) -> Self {
        let mut wanted = Self::default();
        for (name, value) in url::form_urlencoded::parse(query.as_bytes()) {
            match &*name {
                "status" => {
                    wanted.segment = SEGMENTS.iter().position(|(word, ..)| *word == value).unwrap_or(0);
                }
                "q" => wanted.text = value.trim().chars().take(200).collect(),
                "before" => wanted.before = DeploymentId::parse(&value),
                _ => {}
            }
        }
        wanted
    }

    /// The query of the same filter with another status or place.
    fn query(&self, segment: usize, before: Option<&DeploymentId>) -> String {
        let mut query = Serializer::new(String::new());
        if segment > 0 {
            query.append_pair("status", SEGMENTS[segment].0);
        }
        if !self.text.is_empty() {
            query.append_pair("q", &self.text);
        }
        if let Some(before) = before {
            query.append_pair("before", before.as_str());
        }
        query.finish()
    }

    fn is_all(&self) -> bool {
        self.segment == 0 && self.text.is_empty() && self.before.is_none()
    }
}

/// What is known of a service when its page is asked for.
#[derive(Debug)]
pub struct Known {
    /// The service.
    pub service: Service,
    serving: Option<Deployment>,
    checks: Option<Checks>,
    successes: Vec<Vec<StepRecord>>,
    ends: Vec<End>,
    page: FoundPage,
}

impl Known {
    /// Reads what belongs to a service.
    ///
    /// # Errors
    /// Those of the database.
    pub fn read(reader: &Reader<'_>, service: Service, wanted: &Wanted) -> actions::Result<Self> {
        let successes = deployments::newest(reader, &service.id, &[Status::Succeeded], SUCCESSES)?;
        let filter = Filter {
            statuses: SEGMENTS[wanted.segment].2.to_vec(),
            text: Some(wanted.text.clone()).filter(|text| !text.is_empty()),
            before: wanted.before.clone(),
            limit: PAGE,
            branch: None,
            source: None,
        };
        Ok(Self {
            successes: successes.iter().map(|one| steps::list(reader, one)).collect::<Result<_, _>>()?,
            serving: successes.into_iter().next(),
            checks: checks::find(reader, &service.id)?,
            ends: deployments::last_ends(reader, &service.id, picture::COUNTED)?,
            page: complete_page(reader, deployments::list_for_service(reader, &service.id, &filter)?)?,
            service,
        })
    }
}

/// The page.
#[derive(Debug, Template)]
#[template(path = "pages/services/show.html")]
pub struct ServicePage {
    frame: Frame,
    head: ServiceHead,
    /// Why what was asked for was not done.
    pub problem: Option<String>,
    serving: Option<Serving>,
    source: String,
    source_link: Option<String>,
    branch: String,
    target: Option<String>,
    url: Option<String>,
    executor: &'static str,
    checks: Option<ChecksView>,
    picture: Option<Picture>,
    segments: Vec<Segment>,
    status: &'static str,
    text: String,
    rows: Vec<Row>,
    is_filtered: bool,
    /// How many are looked through for a text.
    window: String,
    is_first: bool,
    newest: String,
    older: Option<String>,
    /// Whether something waits or runs, so that the page will not stay as it is.
    is_busy: bool,
}

/// What users get.
#[derive(Debug)]
struct Serving {
    id: DeploymentId,
    commit: Option<String>,
    subject: Option<String>,
    since: Moment,
}

/// One of the filters by status.
#[derive(Debug)]
struct Segment {
    label: &'static str,
    query: String,
    is_current: bool,
}

/// What was found out, and when.
#[derive(Debug)]
struct ChecksView {
    sentence: String,
    is_open: bool,
    at: Relative,
    items: Vec<CheckItem>,
}

#[derive(Debug)]
struct CheckItem {
    class: &'static str,
    icon: &'static str,
    word: &'static str,
    detail: String,
    fix: Option<String>,
    is_bad: bool,
}

impl ServicePage {
    /// Puts the page together.
    pub fn new(frame: Frame, head: ServiceHead, known: Known, wanted: &Wanted, now: Timestamp) -> Self {
        let Known { service, serving, checks, successes, ends, page } = known;
        let deployments = page.deployments;
        let usual = Usual::of(&successes);
        let row = |found: &FoundDeployment| {
            Row::new(&found.deployment, &found.steps, found.queue_position, &usual, now)
        };
        let segment = |(place, (_, label, _)): (usize, &(&str, &'static str, _))| Segment {
            label,
            query: wanted.query(place, None),
            is_current: place == wanted.segment,
        };
        let names = |tekton: &TektonSettings| {
            tekton.workloads.iter().map(ToString::to_string).collect::<Vec<_>>().join(", ")
        };
        let workload = service.tekton.as_ref().map(names);
        Self {
            frame,
            head,
            problem: None,
            serving: serving.and_then(|serving| Serving::new(serving, now)),
            source: short_source(&service),
            source_link: service.repository.as_ref().and_then(Repository::web_page),
            branch: service.default_branch.to_string(),
            target: workload.filter(|_| service.executor == ExecutorKind::Tekton),
            url: service.url,
            executor: service.executor.as_str(),
            picture: Picture::of(&ends, now),
            checks: checks.map(|checks| ChecksView::new(checks, now)),
            segments: SEGMENTS.iter().enumerate().map(segment).collect(),
            status: SEGMENTS[wanted.segment].0,
            text: wanted.text.clone(),
            is_busy: deployments.iter().any(|found| !found.deployment.status.is_final()),
            rows: deployments.iter().map(row).collect(),
            is_filtered: !wanted.is_all(),
            window: format::thousands(u64::from(deployments::WINDOW)),
            is_first: wanted.before.is_none(),
            newest: wanted.query(wanted.segment, None),
            older: page.more.map(|last| wanted.query(wanted.segment, Some(&last))),
        }
    }

    fn count(&self) -> String {
        let word = if self.is_first { "Newest" } else { "Older" };
        format!("{word} {}", self.rows.len())
    }
}

impl Serving {
    fn new(deployment: Deployment, now: Timestamp) -> Option<Self> {
        Some(Self {
            since: Moment::new(deployment.finished_at?, now),
            commit: deployment.commit.as_ref().map(|commit| commit.short().to_owned()),
            subject: deployment.commit_subject.filter(|subject| !subject.trim().is_empty()),
            id: deployment.id,
        })
    }
}

impl ChecksView {
    fn new(checks: Checks, now: Timestamp) -> Self {
        let count = |verdict| checks.findings.iter().filter(|finding| finding.verdict == verdict).count();
        let (bad, advice) = (count(Verdict::Bad), count(Verdict::Advice));
        let sentence = match (bad, advice) {
            (0, 0) => "All checks pass".to_owned(),
            (0, 1) => "Checks pass, with 1 piece of advice".to_owned(),
            (0, n) => format!("Checks pass, with {n} pieces of advice"),
            (1, _) => "1 thing will make deployments fail".to_owned(),
            (n, _) => format!("{n} things will make deployments fail"),
        };
        let mut findings = checks.findings;
        findings.sort_by_key(|finding| match finding.verdict {
            Verdict::Bad => 0,
            Verdict::Advice => 1,
            Verdict::Good => 2,
        });
        let item = |finding: crate::domain::Finding| {
            let (class, icon, word) = match finding.verdict {
                Verdict::Good => ("pass", "st-succeeded", "Good"),
                Verdict::Advice => ("wait", "warn", "Advice"),
                Verdict::Bad => ("miss", "st-failed", "Wrong"),
            };
            CheckItem {
                class,
                icon,
                word,
                detail: format::sentence(&finding.detail),
                fix: finding.fix.as_deref().map(format::sentence),
                is_bad: finding.verdict == Verdict::Bad,
            }
        };
        let at = Relative::new(checks.at, now);
        Self { sentence, is_open: bad > 0, at, items: findings.into_iter().map(item).collect() }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_filter_is_carried_from_link_to_link() {
        let wanted = Wanted::parse("status=failed&q=feat%2Fa+b%26&before=nonsense&x=1");

        assert_eq!((wanted.segment, wanted.text.as_str(), wanted.before.is_none()), (3, "feat/a b&", true));
        let id = DeploymentId::parse("dep_mwuangvh9xk2mq7rz4tb").unwrap();
        assert_eq!(
            wanted.query(2, Some(&id)),
            "status=succeeded&q=feat%2Fa+b%26&before=dep_mwuangvh9xk2mq7rz4tb"
        );
        assert!(Wanted::parse("status=nothing").is_all() && wanted.query(0, None) == "q=feat%2Fa+b%26");
    }
}
