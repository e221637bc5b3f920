//! Lists of deployments, newest first. What a page costs does not depend on how many there are: rows are found through the
//! indexes of what is asked for, and a text that no index knows is looked for in a window of rows.

use rusqlite::{OptionalExtension, Row, ToSql, named_params};

use crate::db::deployments::{SELECT, from_row};
use crate::db::sql_types::{list, queued};
use crate::db::{Error, Reader};
use crate::domain::{Deployment, DeploymentId, GitRef, ServiceId, Source, Status};

/// Most rows in which one page looks for what no index knows.
pub const WINDOW: u32 = 5_000;
/// So many digits of a commit are enough to find it by.
const COMMIT_DIGITS: usize = 7;

/// What [`Deployment::source`] says, out of a row.
const SOURCE: &str =
    "CASE WHEN d.trigger = 'rollback' AND ifnull(d.image, d.asked_image) IS NOT NULL THEN 'kept'
                          WHEN d.promoted_from IS NOT NULL THEN 'promoted'
                          WHEN d.asked_image IS NOT NULL THEN 'image'
                          ELSE 'build'
                      END";

/// Which deployments a list shows.
#[derive(Debug, Default)]
pub struct Filter {
    /// Only these statuses; none named: all.
    pub statuses: Vec<Status>,
    /// Only those whose branch, id or hook's name has this text in it, or whose commit begins with it; in any case.
    pub text: Option<String>,
    /// Only this branch or tag.
    pub branch: Option<GitRef>,
    /// Only those whose image comes from there.
    pub source: Option<Source>,
    /// Only those accepted before this one.
    pub before: Option<DeploymentId>,
    /// At most so many.
    pub limit: u32,
}

/// A page of deployments.
#[derive(Debug, Default)]
pub struct Listed {
    /// Newest first; fewer than were asked for where the window had no more.
    pub deployments: Vec<Deployment>,
    /// Where there may be more: those before this one.
    pub more: Option<DeploymentId>,
}

/// A page of a service's deployments, newest first.
pub fn list_for_service(reader: &Reader<'_>, service: &ServiceId, filter: &Filter) -> Result<Listed, Error> {
    Search::new(reader, Some(service), filter)?.run()
}

/// The newest deployments of a service in one of these statuses, newest first. Of those that succeeded the first serves.
pub fn newest(
    reader: &Reader<'_>,
    service: &ServiceId,
    statuses: &[Status],
    limit: u32,
) -> Result<Vec<Deployment>, Error> {
    let filter = Filter { statuses: statuses.to_vec(), limit, ..Filter::default() };
    Ok(list_for_service(reader, service, &filter)?.deployments)
}

/// A page of all deployments, newest first.
pub fn list_all(reader: &Reader<'_>, filter: &Filter) -> Result<Listed, Error> {
    Search::new(reader, None, filter)?.run()
}

/// One search: the statements that give the numbers of the rows to look at, and what is asked of these rows beside.
struct Search<'a> {
    reader: &'a Reader<'a>,
    filter: &'a Filter,
    service: Option<&'a str>,
    text: Option<String>,
    /// The number above all that are wanted.
    before: i64,
    /// Gives numbers, newest first.
    places: String,
    /// Most numbers that are looked at.
    window: u32,
}

impl<'a> Search<'a> {
    fn new(
        reader: &'a Reader<'a>,
        service: Option<&'a ServiceId>,
        filter: &'a Filter,
    ) -> Result<Self, Error> {
        let before = match &filter.before {
            None => i64::MAX,
            Some(id) => sequence(reader, id)?.unwrap_or(0),
        };
        let text = filter.text.as_ref().map(|text| text.to_ascii_lowercase());
        let known = text.as_deref().map(|text| by_index(reader, text)).transpose()?.flatten();
        let is_known = known.is_some();
        let (arms, text) = match known {
            Some((arms, whole)) => (arms, Some(whole)),
            None if service.is_none() => (vec!["1".to_owned()], text),
            None => (arms(filter), text),
        };
        let of = if service.is_some() { " AND service_id = :service" } else { "" };
        let arms: Vec<String> = arms
            .iter()
            .map(|arm| format!("SELECT sequence FROM deployments WHERE {arm}{of} AND sequence < :before"))
            .collect();
        let is_whole = service.is_some() && filter.branch.is_none() && !is_known;
        let is_sifted = (text.is_some() && !is_known)
            || (filter.branch.is_some() && (is_known || service.is_none()))
            || filter.source.is_some()
            || (!filter.statuses.is_empty() && !is_whole);
        Ok(Self {
            reader,
            filter,
            service: service.map(ServiceId::as_str),
            text,
            before,
            places: format!("{} ORDER BY sequence DESC LIMIT :window", arms.join(" UNION ALL ")),
            window: if is_sifted { WINDOW } else { filter.limit.saturating_add(1) },
        })
    }

    fn run(&self) -> Result<Listed, Error> {
        let sql = format!(
            "{SELECT}
              WHERE d.sequence IN ({})
                AND (:statuses = '[]' OR d.status IN (SELECT value FROM json_each(:statuses)))
                AND (:text IS NULL
                     OR instr(lower(d.branch), :text) > 0
                     OR instr(d.id, :text) > 0
                     OR instr(lower(ifnull(h.name, '')), :text) > 0
                     OR substr(ifnull(d.commit_id, ''), 1, length(:text)) = :text)
                AND (:branch IS NULL OR d.branch = :branch)
                AND (:source IS NULL OR :source = {SOURCE})
              ORDER BY d.sequence DESC
              LIMIT :limit",
            self.places
        );
        let mut deployments: Vec<Deployment> = self.query(&sql, from_row)?;
        let limit = usize::try_from(self.filter.limit).unwrap_or(usize::MAX);
        let more = if deployments.len() > limit {
            deployments.truncate(limit);
            deployments.last().map(|last| last.id.clone())
        } else {
            self.end_of_window()?
        };
        Ok(Listed { deployments, more })
    }

    /// The last row of the window, which had fewer rows than were asked for; none where all have been looked through.
    fn end_of_window(&self) -> Result<Option<DeploymentId>, Error> {
        if self.window < WINDOW {
            return Ok(None);
        }
        let sql = format!(
            "SELECT (SELECT id FROM deployments WHERE sequence = last)
               FROM (SELECT min(sequence) AS last, count(*) AS looked_at FROM ({}))
              WHERE looked_at = :window",
            self.places
        );
        let last = self.query(&sql, |row| row.get::<_, String>(0))?;
        Ok(last.first().and_then(|id| DeploymentId::parse(id)))
    }

    /// Runs a statement with those of the parameters that are in it.
    fn query<T>(&self, sql: &str, read: fn(&Row<'_>) -> rusqlite::Result<T>) -> Result<Vec<T>, Error> {
        let statuses = list(self.filter.statuses.iter().map(|status| status.as_str()));
        let branch = self.filter.branch.as_ref().map(GitRef::as_str);
        let limit = self.filter.limit.saturating_add(1);
        let source = self.filter.source.map(Source::as_str);
        let all: [(&str, &dyn ToSql); 8] = [
            (":service", &self.service),
            (":statuses", &statuses),
            (":text", &self.text),
            (":branch", &branch),
            (":source", &source),
            (":before", &self.before),
            (":window", &self.window),
            (":limit", &limit),
        ];
        let used: Vec<_> = all.into_iter().filter(|(name, _)| sql.contains(name)).collect();
        let mut statement = self.reader.conn().prepare_cached(sql)?;
        Ok(statement.query_map(used.as_slice(), read)?.collect::<Result<_, _>>()?)
    }
}

fn sequence(reader: &Reader<'_>, id: &DeploymentId) -> Result<Option<i64>, Error> {
    const SQL: &str = "SELECT sequence FROM deployments WHERE id = :id";
    let params = named_params! { ":id": id.as_str() };
    Ok(reader.conn().prepare_cached(SQL)?.query_row(params, |row| row.get(0)).optional()?)
}

/// Where a text is a whole id or begins a commit: the conditions that find these rows, and the text whole.
fn by_index(reader: &Reader<'_>, text: &str) -> Result<Option<(Vec<String>, String)>, Error> {
    const COMMIT: &str = "
        SELECT commit_id
          FROM deployments
         WHERE status <> 'queued'
           AND commit_id >= :text
           AND commit_id < :text || 'g'
         ORDER BY commit_id
         LIMIT 1";
    if DeploymentId::parse(text).is_some() {
        return Ok(Some((vec!["id = :text".to_owned()], text.to_owned())));
    }
    if text.len() < COMMIT_DIGITS || !text.bytes().all(|byte| byte.is_ascii_hexdigit()) {
        return Ok(None);
    }
    let params = named_params! { ":text": text };
    let found = reader.conn().prepare_cached(COMMIT)?.query_row(params, |row| row.get(0)).optional()?;
    let begun = "status <> 'queued' AND commit_id = :text".to_owned();
    let queued = format!("{} AND commit_id = :text", queued());
    Ok(found.map(|whole| (vec![begun, queued], whole)))
}

/// The conditions that give the rows of a service by the wanted branch or statuses, each by an index of its own.
fn arms(filter: &Filter) -> Vec<String> {
    if filter.branch.is_some() {
        return ["status <> 'queued'", &queued()].map(|of| format!("{of} AND branch = :branch")).to_vec();
    }
    let is_wanted = |status| filter.statuses.is_empty() || filter.statuses.contains(&status);
    let mut arms = Vec::new();
    if is_wanted(Status::Queued) {
        arms.push(queued());
    }
    if is_wanted(Status::Building) || is_wanted(Status::Deploying) {
        arms.push("status IN ('building', 'deploying')".to_owned());
    }
    for ended in [Status::Succeeded, Status::Failed].into_iter().filter(|&status| is_wanted(status)) {
        arms.push(format!("status = '{}'", ended.as_str()));
    }
    arms
}
