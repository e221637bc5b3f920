//! Copies of the database that the server makes by itself, and keeps a few of.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use tokio_util::sync::CancellationToken;

use crate::db::copies::PARTIAL;
use crate::db::{self, Copies, Db};
use crate::domain::{Clock, Timestamp};

/// Time between two looks at the folder.
const INTERVAL: Duration = Duration::from_mins(1);
/// After a copy that failed the next one is tried no earlier than this.
const RETRY_INTERVAL: Duration = Duration::from_mins(10);
/// Before and behind the time in the name of a copy.
const NAME: (&str, &str) = ("stackblaze-", ".db");

/// How often a copy is made, where, and how many are kept.
#[derive(Debug, Clone)]
pub struct Schedule {
    /// The newest copy is at most this old, while the server runs.
    pub every: Duration,
    /// The folder, which somebody else makes: a disk that is not mounted must not be replaced by an empty folder.
    pub dir: PathBuf,
    /// The oldest beyond so many are removed.
    pub keep: usize,
}

/// Makes copies by the schedule until `stop`; without one it says that there are none.
pub async fn run(db: Arc<Db>, clock: Clock, schedule: Option<Schedule>, stop: CancellationToken) {
    let mut keeper = Keeper { db, clock, schedule, failed_at: None };
    while !stop.is_cancelled() {
        if let Err(error) = keeper.look(&stop).await {
            tracing::warn!(error = %error, "the state of the copies of the database could not be stored");
        }
        tokio::select! {
            () = tokio::time::sleep(INTERVAL) => {}
            () = stop.cancelled() => {}
        }
    }
}

struct Keeper {
    db: Arc<Db>,
    clock: Clock,
    schedule: Option<Schedule>,
    /// When a copy failed last, by the steady clock.
    failed_at: Option<Duration>,
}

impl Keeper {
    /// Looks at the folder, makes a copy where one is due, and writes down what differs from what is stored.
    async fn look(&mut self, stop: &CancellationToken) -> Result<(), db::Error> {
        let stored = self.db.core().read(db::copies).await?;
        let state = match self.schedule.clone() {
            None => None,
            Some(schedule) => {
                let before = stored.clone().unwrap_or_default();
                let state = self.keep(&schedule, before.clone(), stop).await;
                if let Some(problem) = state.problem.as_ref().filter(|_| state.problem != before.problem) {
                    tracing::warn!(problem, "no copy of the database was made; it is tried again");
                }
                Some(state)
            }
        };
        if state == stored {
            return Ok(());
        }
        self.db.core().write(move |tx| db::set_copies(tx, state.as_ref())).await
    }

    /// Makes a copy where one is due; how it stands then.
    async fn keep(&mut self, schedule: &Schedule, before: Copies, stop: &CancellationToken) -> Copies {
        let made = match copies_in(&schedule.dir) {
            Ok(made) => made,
            // The folder may be back in a minute; it costs nothing to look.
            Err(problem) => return Copies { problem: Some(problem), ..before },
        };
        let now = self.clock.now();
        // One from the future was made while the clock was wrong, and says nothing of the present.
        let newest = made.iter().copied().filter(|at| *at <= now).max();
        let is_due = newest.is_none_or(|at| now.since(at) >= schedule.every);
        let is_paused =
            self.failed_at.is_some_and(|at| self.clock.steady().saturating_sub(at) < RETRY_INTERVAL);
        if !is_due || is_paused {
            let problem = before.problem.filter(|_| is_due);
            return Copies { newest, problem };
        }
        let name = name_of(now);
        let target = schedule.dir.join(&name);
        match self.db.copy_to(&target, stop.cancelled()).await {
            Ok(true) => {
                self.failed_at = None;
                tracing::info!(file = %target.display(), "a copy of the database was made");
                Copies { newest: time_of(&name), problem: remove_old(schedule, now) }
            }
            Ok(false) => Copies { newest, ..before },
            Err(error) => {
                self.failed_at = Some(self.clock.steady());
                Copies { newest, problem: Some(error.to_string()) }
            }
        }
    }
}

fn name_of(at: Timestamp) -> String {
    format!("{}{}{}", NAME.0, at.compact(), NAME.1)
}

/// When a copy was made, by its name; none where the name is not ours to the letter.
fn time_of(name: &str) -> Option<Timestamp> {
    let at = Timestamp::parse(name.strip_prefix(NAME.0)?.strip_suffix(NAME.1)?).ok()?;
    (name_of(at) == name).then_some(at)
}

/// The names of a folder's files.
fn names_in(dir: &Path) -> Result<Vec<String>, String> {
    let cannot = |error: std::io::Error| format!("cannot read {}: {error}", dir.display());
    let mut names = Vec::new();
    for entry in std::fs::read_dir(dir).map_err(cannot)? {
        names.extend(entry.map_err(cannot)?.file_name().into_string());
    }
    Ok(names)
}

/// When the copies were made that are in a folder.
fn copies_in(dir: &Path) -> Result<Vec<Timestamp>, String> {
    Ok(names_in(dir)?.iter().filter_map(|name| time_of(name)).collect())
}

/// Removes the oldest copies beyond those that are kept, and what copies left that were being made when a process was
/// killed. Whatever has another name stays. Says what could not be removed.
fn remove_old(schedule: &Schedule, now: Timestamp) -> Option<String> {
    let names = match names_in(&schedule.dir) {
        Ok(names) => names,
        Err(problem) => return Some(problem),
    };
    let (mut copies, mut left) = (Vec::new(), Vec::new());
    for name in names {
        if time_of(&name).is_some() {
            copies.push(name);
        } else if name.strip_suffix(PARTIAL).is_some_and(|whole| time_of(whole).is_some()) {
            left.push(name);
        }
    }
    // One from the future was made while the clock was wrong, and goes before those of the present.
    copies.sort_unstable_by_key(|name| (time_of(name).filter(|at| *at <= now), name.clone()));
    copies.truncate(copies.len().saturating_sub(schedule.keep));
    let mut removed = left.iter().chain(&copies).map(|name| {
        let file = schedule.dir.join(name);
        std::fs::remove_file(&file).map_err(|error| format!("cannot remove {}: {error}", file.display()))
    });
    removed.find_map(Result::err)
}

#[cfg(test)]
mod tests;
