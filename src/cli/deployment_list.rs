//! `stackblaze deployment list`.

use std::process::ExitCode;

use clap::Args;

use crate::cli::answer::Answer;
use crate::cli::client::{path, query_value};
use crate::cli::completions;
use crate::cli::failure::Failure;
use crate::cli::output::{age, or_dash};
use crate::cli::remote::Session;
use crate::cli::wait::duration;
use crate::domain::Commit;
use crate::wire::deployment::DeploymentJson;
use crate::wire::list::List;

/// Which deployments are listed.
#[derive(Debug, Args)]
pub(super) struct ListArgs {
    /// Name of the service [default: all]
    #[arg(add = completions::of_services())]
    service: Option<String>,
    /// Only with this status: queued, building, deploying, succeeded or failed
    #[arg(long, value_parser = ["queued", "building", "deploying", "succeeded", "failed"])]
    status: Option<String>,
    /// Only of this branch
    #[arg(long)]
    branch: Option<String>,
    /// Only those whose image comes from there: build, image, promoted or kept
    #[arg(long, value_parser = ["build", "image", "promoted", "kept"])]
    source: Option<String>,
    /// At most so many, up to 100
    #[arg(long, value_name = "N", default_value = "20")]
    limit: u32,
    /// Only older ones than this
    #[arg(long, value_name = "ID")]
    after: Option<String>,
}

impl ListArgs {
    pub(super) async fn run(self, session: &Session) -> Result<ExitCode, Failure> {
        let mut query = format!("?limit={}", self.limit);
        for (name, value) in [
            ("status", &self.status),
            ("branch", &self.branch),
            ("source", &self.source),
            ("after", &self.after),
        ] {
            if let Some(value) = value {
                query.extend(["&", name, "=", &query_value(value)]);
            }
        }
        let path = match &self.service {
            Some(service) => path(&["api", "v1", "services", service, "deployments"]),
            None => path(&["api", "v1", "deployments"]),
        };
        let of = self.service.as_deref().map(|service| format!(" {service}")).unwrap_or_default();
        let list = session.client.get(&format!("{path}{query}")).await?;
        if session.out.printed_as_json(&list) {
            return Ok(ExitCode::SUCCESS);
        }
        let list: Answer<List<DeploymentJson>> = Answer::read(list)?;
        if list.items.is_empty() {
            session.out.note("No such deployments.");
            session.next(&format!("stackblaze deploy{}", if of.is_empty() { " SERVICE" } else { &of }));
            return Ok(ExitCode::SUCCESS);
        }
        let mut rows: Vec<_> = list.items.iter().map(row).collect();
        let mut head = vec!["ID", "STATUS", "BRANCH", "COMMIT", "TOOK", "CREATED", "WHAT"];
        if self.service.is_none() {
            head.insert(2, "SERVICE");
            for (row, deployment) in rows.iter_mut().zip(&list.items) {
                row.insert(2, deployment.service.clone());
            }
        }
        session.out.table(&head, &rows, 1);
        if let Some(next) = &list.next {
            session.next(&format!("stackblaze deployment list{of} --after {next}"));
        }
        Ok(ExitCode::SUCCESS)
    }
}

fn row(deployment: &DeploymentJson) -> Vec<String> {
    let subject = deployment.details.as_ref().and_then(|details| details.commit_subject.as_deref());
    let image = deployment.image.as_ref().map(|image| format!("{} {image}", deployment.source));
    vec![
        deployment.deployment_id.to_string(),
        deployment.status.to_string(),
        deployment.branch.to_string(),
        deployment.commit.as_ref().map_or("-", Commit::short).to_owned(),
        or_dash(duration(deployment.started_at, deployment.finished_at)),
        age(Some(deployment.created_at)),
        deployment.reason.as_deref().or(subject).or(image.as_deref()).unwrap_or_default().to_owned(),
    ]
}
