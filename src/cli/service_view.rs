//! How services are shown.

use crate::cli::answer::Answer;
use crate::cli::client::path;
use crate::cli::failure::Failure;
use crate::cli::output::{age, or_dash, shown};
use crate::cli::remote::Session;
use crate::domain::Workload;
use crate::wire::list::List;
use crate::wire::service::{Pairs, ServiceJson, TektonFields};

/// All services.
pub(super) async fn list(session: &Session) -> Result<(), Failure> {
    let list = session.client.list("/api/v1/services").await?;
    if session.out.printed_as_json(&list) {
        return Ok(());
    }
    let list: Answer<List<ServiceJson>> = Answer::read(list)?;
    if list.items.is_empty() {
        session.out.note("No services yet.");
        session.next("stackblaze service add NAME --repo R --branch B --build CMD --deploy CMD");
        return Ok(());
    }
    let row = |service: &ServiceJson| {
        let state = if service.frozen.is_none() { "active" } else { "frozen" };
        let body = &service.body;
        let [executor, branch, repository] =
            [&body.executor, &body.default_branch, &body.repository].map(|field| shown(field.as_ref()));
        vec![service.name(), state.to_owned(), executor, branch, repository]
    };
    let rows: Vec<_> = list.items.iter().map(row).collect();
    session.out.table(&["NAME", "STATE", "EXECUTOR", "BRANCH", "REPOSITORY"], &rows, 1);
    Ok(())
}

/// One service with all its settings.
pub(super) async fn show(session: &Session, name: &str) -> Result<(), Failure> {
    let answer = session.client.get(&path(&["api", "v1", "services", name])).await?;
    if session.out.printed_as_json(&answer) {
        return Ok(());
    }
    let service: Answer<ServiceJson> = Answer::read(answer)?;
    let (body, local) = (&service.body, &service.body.local);
    let mut fields = vec![
        ("name", service.name()),
        ("frozen", shown(service.frozen.as_ref())),
        ("repository", shown(body.repository.as_ref())),
        ("branch", shown(body.default_branch.as_ref())),
        ("executor", shown(body.executor.as_ref())),
        ("build", or_dash(shown(local.build_command.as_ref()))),
        ("deploy", or_dash(shown(local.deploy_command.as_ref()))),
        ("variables", local.env.as_ref().map(variables).unwrap_or_default()),
        ("git token file", shown(local.git_token_file.value())),
        ("git ssh key file", shown(local.git_ssh_key_file.value())),
    ];
    fields.extend(in_cluster(&body.tekton));
    fields.extend([
        ("timeout", shown(body.timeout.as_ref())),
        ("queue policy", shown(body.queue_policy.as_ref())),
        ("url", shown(body.url.value())),
        ("created", age(Some(service.created_at))),
    ]);
    session.out.fields(&fields);
    Ok(())
}

fn variables(env: &Pairs) -> String {
    let names: Vec<&str> = env.keys().map(String::as_str).collect();
    if names.is_empty() { String::new() } else { format!("{} (values are not shown)", names.join(" ")) }
}

/// Of a service that has a workload.
fn in_cluster(tekton: &TektonFields) -> Vec<(&'static str, String)> {
    let Some(workload) = tekton.workload.value() else { return Vec::new() };
    let arguments = tekton.build_args.value().into_iter().flatten();
    let arguments: Vec<_> =
        arguments.map(|(name, value)| format!("{name}={}", shown(value.as_ref()))).collect();
    let rollback = if tekton.rollback.value() == Some(&true) { "on" } else { "off" };
    vec![
        ("image", shown(tekton.image.value())),
        ("workload", Workload::from(workload.clone()).to_string()),
        ("cache", shown(tekton.cache_repository.value())),
        ("dockerfile", shown(tekton.dockerfile.value())),
        ("context", shown(tekton.context.value())),
        ("build args", arguments.join(" ")),
        ("git secret", shown(tekton.git_secret.value())),
        ("registry secret", shown(tekton.registry_secret.value())),
        ("rollback", rollback.to_owned()),
    ]
}
