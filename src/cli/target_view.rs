//! How targets are shown.

use crate::cli::answer::Answer;
use crate::cli::client::query_value;
use crate::cli::failure::Failure;
use crate::cli::output::{age, shown};
use crate::cli::remote::Session;
use crate::wire::list::List;
use crate::wire::target::TargetJson;

/// The targets of one service, or all.
pub(super) async fn list(session: &Session, service: Option<&str>) -> Result<(), Failure> {
    let of_service = service.map(|name| format!("?service={}", query_value(name))).unwrap_or_default();
    let list = session.client.get(&format!("/api/v1/targets{of_service}")).await?;
    if session.out.printed_as_json(&list) {
        return Ok(());
    }
    let list: Answer<List<TargetJson>> = Answer::read(list)?;
    if list.items.is_empty() {
        match service {
            None => session.out.note("Nobody is told of deployments yet."),
            Some(name) => session.out.note(&format!("Service {name} has no targets of its own.")),
        }
        let own = service.map(|name| format!(" --service {name}")).unwrap_or_default();
        session.next(&format!("stackblaze target add webhook https://example.com/hooks/deploys{own}"));
        return Ok(());
    }
    let row = |target: &TargetJson| {
        let service = target.service.clone().unwrap_or_else(|| "all".to_owned());
        let (kind, state) = (target.kind.to_string(), target.state.to_string());
        vec![target.id.clone(), kind, state, service, age(target.delivered_at), target.url.clone()]
    };
    let rows: Vec<_> = list.items.iter().map(row).collect();
    session.out.table(&["ID", "KIND", "STATE", "SERVICE", "DELIVERED", "URL"], &rows, 2);
    Ok(())
}

/// One target.
pub(super) async fn show(session: &Session, path: &str) -> Result<(), Failure> {
    let answer = session.client.get(path).await?;
    if session.out.printed_as_json(&answer) {
        return Ok(());
    }
    let target: Answer<TargetJson> = Answer::read(answer)?;
    let failing = target.failing_since.map(|since| format!("since {since}")).unwrap_or_default();
    let branches = if target.branches.is_empty() { "any".to_owned() } else { target.branches.join(" ") };
    session.out.fields(&[
        ("id", target.id.clone()),
        ("kind", target.kind.to_string()),
        ("URL", target.url.clone()),
        ("service", target.service.clone().unwrap_or_else(|| "all".to_owned())),
        ("state", target.state.to_string()),
        ("off because", shown(target.off_because.as_ref())),
        ("failing", failing),
        ("events", target.events.join(" ")),
        ("branches", branches),
        ("lines", if target.with_lines { "the last ones of a failed step" } else { "none" }.to_owned()),
        ("required contexts", target.required_contexts.join(", ")),
        ("delivered", age(target.delivered_at)),
        ("old secret until", shown(target.old_secret_until.as_ref())),
        ("created", format!("{} by {}", age(Some(target.created_at)), target.created_by)),
    ]);
    session.next(&format!("stackblaze target log {}", target.id));
    Ok(())
}
