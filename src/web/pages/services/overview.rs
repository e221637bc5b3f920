//! What the list of all services is made of: how each stands, and more of those that one page shows.

use url::form_urlencoded::Serializer;

use crate::db::deployments::{self, Standing};
use crate::db::{self, Reader, services};
use crate::domain::{Deployment, DeploymentId, Reason, Service, Status};
use crate::web::pages::services::ticks;

/// Services of one page.
pub(super) const PAGE: usize = 50;
/// Filters by state: the word in the address, and the label.
pub(super) const SEGMENTS: [(&str, &str); 5] = [
    ("", "All"),
    ("running", "Running"),
    ("failed", "Failed"),
    ("frozen", "Frozen"),
    ("never", "Never deployed"),
];

/// Which services the page was asked for.
#[derive(Debug, Clone, Default)]
pub struct Wanted {
    /// Place in [`SEGMENTS`].
    pub(super) segment: usize,
    pub(super) text: String,
    /// Counted from 1.
    pub(super) page: usize,
}

impl Wanted {
    /// Reads the query as a browser's form writes it; what means nothing is left out.
    pub fn parse(query: &str) -> Self {
        let mut wanted = Self { page: 1, ..Self::default() };
        for (name, value) in url::form_urlencoded::parse(query.as_bytes()) {
            match &*name {
                "state" => wanted.segment = SEGMENTS.iter().position(|(word, _)| *word == value).unwrap_or(0),
                "page" => wanted.page = value.parse().unwrap_or(1).max(1),
                "q" => wanted.text = value.trim().chars().take(200).collect(),
                _ => {}
            }
        }
        wanted
    }

    pub(super) fn is_all(&self) -> bool {
        self.segment == 0 && self.text.is_empty()
    }

    pub(super) fn query(&self, segment: usize, page: usize) -> String {
        let mut query = Serializer::new(String::new());
        if segment > 0 {
            query.append_pair("state", SEGMENTS[segment].0);
        }
        if !self.text.is_empty() {
            query.append_pair("q", &self.text);
        }
        if page > 1 {
            query.append_pair("page", &page.to_string());
        }
        query.finish()
    }

    fn fits(&self, one: &Brief) -> bool {
        let standing = one.standing.as_ref();
        let is_in_state = match SEGMENTS[self.segment].0 {
            "running" => standing.is_some_and(|last| !last.status.is_final()),
            "failed" => standing.is_some_and(needs_look),
            "frozen" => one.service.frozen.is_some(),
            "never" => standing.is_none(),
            _ => true,
        };
        let text = self.text.to_lowercase();
        let has = |own: &str| own.to_lowercase().contains(&text);
        is_in_state && (has(one.service.name.as_str()) || has(one.service.source_text()))
    }
}

/// Whether it failed by itself, so that somebody has to look.
fn needs_look(last: &Standing) -> bool {
    last.status == Status::Failed && !last.reason.is_some_and(Reason::is_intended)
}

/// A service with what places and counts it.
struct Brief {
    service: Service,
    standing: Option<Standing>,
}

/// What is known of the services when their list is asked for.
#[derive(Debug)]
pub struct Overview {
    pub(super) count: usize,
    /// How many have a deployment that runs, so that the page will not stay as it is.
    pub(super) running: usize,
    /// Those whose last deployment failed by itself.
    pub(super) failed: Vec<(String, DeploymentId)>,
    /// How many fit what was asked for.
    pub(super) found: usize,
    /// Those of the page, the last deployed first.
    pub(super) shown: Vec<Known>,
}

impl Overview {
    /// Reads how all services stand, and what belongs to those of the page.
    ///
    /// # Errors
    /// Those of the database.
    pub fn read(reader: &Reader<'_>, wanted: &Wanted) -> Result<Self, db::Error> {
        let brief = |service: Service| {
            let standing = deployments::standing(reader, &service.id)?;
            Ok::<_, db::Error>(Brief { service, standing })
        };
        let all = services::list(reader, None, u32::MAX)?;
        let mut all = all.into_iter().map(brief).collect::<Result<Vec<_>, _>>()?;
        all.sort_by_key(|one| std::cmp::Reverse(one.standing.as_ref().map(|last| last.sequence)));
        let standing =
            || all.iter().filter_map(|one| Some((one.service.name.to_string(), one.standing.as_ref()?)));
        let (count, running) = (all.len(), standing().filter(|(_, last)| last.status.is_running()).count());
        let failed =
            standing().filter(|(_, last)| needs_look(last)).map(|(name, last)| (name, last.id.clone()));
        let failed = failed.collect();
        let mut found: Vec<_> = all.into_iter().filter(|one| wanted.fits(one)).collect();
        let before = (wanted.page - 1).saturating_mul(PAGE).min(found.len());
        let (found, shown) = (found.len(), found.drain(before..).take(PAGE).collect::<Vec<_>>());
        let shown = shown.into_iter().map(|one| Known::read(reader, one)).collect::<Result<_, _>>()?;
        Ok(Self { count, running, failed, found, shown })
    }
}

/// A service with what the list tells of its deployments.
#[derive(Debug)]
pub(super) struct Known {
    pub(super) service: Service,
    /// The one that runs, else the newest.
    pub(super) last: Option<Deployment>,
    pub(super) serving: Option<Deployment>,
    /// Those that have begun, newest first.
    pub(super) recent: Vec<Deployment>,
}

impl Known {
    fn read(reader: &Reader<'_>, Brief { service, standing }: Brief) -> Result<Self, db::Error> {
        let begun = [Status::Building, Status::Deploying, Status::Succeeded, Status::Failed];
        let last = standing.map(|last| deployments::find(reader, &last.id)).transpose()?.flatten();
        Ok(Self {
            last,
            serving: deployments::newest(reader, &service.id, &[Status::Succeeded], 1)?.pop(),
            recent: deployments::newest(
                reader,
                &service.id,
                &begun,
                u32::try_from(ticks::COUNT).unwrap_or(u32::MAX),
            )?,
            service,
        })
    }
}
