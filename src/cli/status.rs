//! `stackblaze status`: what serves, what runs and what waits.

use clap::Args;

use crate::cli::answer::Answer;
use crate::cli::failure::Failure;
use crate::cli::output::{age, or_dash, shown};
use crate::cli::remote::Remote;
use crate::config::DataDir;
use crate::domain::Commit;
use crate::wire::list::List;
use crate::wire::status::{BriefJson, ServiceStatusJson};

/// What serves where, what runs, what waits
#[derive(Debug, Args)]
#[command(after_long_help = "Examples:
  stackblaze status
  stackblaze status --json | jq -r '.items[] | select(.running).service'")]
pub(super) struct StatusArgs {
    #[command(flatten)]
    remote: Remote,
}

impl StatusArgs {
    pub(super) async fn run(self, data_dir: &DataDir) -> Result<(), Failure> {
        let session = self.remote.open(data_dir)?;
        let list = session.client.list("/api/v1/status").await?;
        if session.out.printed_as_json(&list) {
            return Ok(());
        }
        let list: Answer<List<ServiceStatusJson>> = Answer::read(list)?;
        if list.items.is_empty() {
            session.out.note("No services yet.");
            session.next("stackblaze service add NAME --repo R --branch B --build CMD --deploy CMD");
            return Ok(());
        }
        let rows: Vec<_> = list.items.iter().map(row).collect();
        session.out.table(&["SERVICE", "STATUS", "SERVING", "SINCE", "WAITING", "WHAT"], &rows, 1);
        Ok(())
    }
}

fn row(service: &ServiceStatusJson) -> Vec<String> {
    let newest = service.running.as_ref().or(service.last.as_ref());
    let serving = service.serving.as_ref();
    let waiting = if service.queued == 0 { String::new() } else { service.queued.to_string() };
    let what = match (&service.frozen, newest.and_then(|newest| newest.reason.as_ref())) {
        (Some(reason), _) => format!("frozen: {reason}"),
        (None, reason) => shown(reason),
    };
    vec![
        service.service.clone(),
        or_dash(newest.map(|newest| newest.status.to_string()).unwrap_or_default()),
        or_dash(serving.map(version).unwrap_or_default()),
        age(serving.and_then(|serving| serving.finished_at)),
        or_dash(waiting),
        what,
    ]
}

/// `main at 4f2c1d7`.
fn version(deployment: &BriefJson) -> String {
    let commit = deployment.commit.as_ref().map_or("an unknown commit", Commit::short);
    format!("{} at {commit}", deployment.branch)
}
