//! How hooks and their calls are shown.

use serde_json::json;

use crate::cli::answer::Answer;
use crate::cli::client::path;
use crate::cli::failure::Failure;
use crate::cli::output::{age, or_dash, shown};
use crate::cli::remote::Session;
use crate::domain::trouble_of_address;
use crate::wire::hook::{CallJson, HookJson};
use crate::wire::list::List;

/// The URL on stdout, all that is said about it on stderr. Of the JSON exactly the four keys that scripts need.
pub(super) fn show_url(session: &Session, hook: &HookJson) {
    let url = shown(hook.url.as_ref());
    if let Some(trouble) = trouble_of_address(&url) {
        session.out.warn(trouble);
    }
    if session.out.json {
        session
            .out
            .value(&json!({ "id": hook.id, "service": hook.service, "name": hook.name, "url": hook.url }));
        return;
    }
    session.out.line(&url);
    session.out.note("The URL is a secret and is shown this once. Call it like this:");
    session.out.note(&format!("  curl --fail-with-body -X POST \"{url}\""));
}

/// The hooks of a service.
pub(super) async fn list(session: &Session, service: &str) -> Result<(), Failure> {
    let list = session.client.list(&path(&["api", "v1", "services", service, "hooks"])).await?;
    if session.out.printed_as_json(&list) {
        return Ok(());
    }
    let list: Answer<List<HookJson>> = Answer::read(list)?;
    if list.items.is_empty() {
        session.out.note(&format!("Service {service} has no hooks yet."));
        session.next(&format!("stackblaze hook create {service} --name github-actions"));
        return Ok(());
    }
    let row = |hook: &HookJson| {
        let last_used = age(hook.last_used.as_ref().map(|used| used.at));
        let (name, state, calls) = (hook.name.clone(), hook.state.to_string(), hook.calls.to_string());
        vec![name, state, any_or(&hook.branches), calls, last_used, hook.id.clone()]
    };
    let rows: Vec<_> = list.items.iter().map(row).collect();
    session.out.table(&["NAME", "STATE", "BRANCHES", "CALLS 30 D", "LAST USED", "ID"], &rows, 1);
    Ok(())
}

/// One hook.
pub(super) async fn show(session: &Session, path: &str) -> Result<(), Failure> {
    let answer = session.client.get(path).await?;
    if session.out.printed_as_json(&answer) {
        return Ok(());
    }
    let hook: Answer<HookJson> = Answer::read(answer)?;
    let last = match &hook.last_used {
        None => "never".to_owned(),
        Some(used) => format!("{} from {}, {}", age(Some(used.at)), used.caller, used.deployment_id),
    };
    session.out.fields(&[
        ("name", hook.name.clone()),
        ("id", hook.id.clone()),
        ("service", hook.service.clone()),
        ("state", hook.state.to_string()),
        ("paused because", shown(hook.paused.as_ref())),
        ("URL", hook.masked_url.clone()),
        ("branches", any_or(&hook.branches)),
        ("callers", any_or(&hook.addresses)),
        (
            "may ask for",
            if hook.sources.is_empty() { "build, image".to_owned() } else { hook.sources.join(", ") },
        ),
        ("expires", shown(hook.expires_at.as_ref())),
        ("old URL until", shown(hook.rotating_until.as_ref())),
        ("last used", last),
        ("calls in 30 days", hook.calls.to_string()),
        ("created", format!("{} by {}", age(Some(hook.created_at)), hook.created_by)),
    ]);
    Ok(())
}

/// The calls of a hook that were refused or repeated.
pub(super) async fn calls(session: &Session, path: &str) -> Result<(), Failure> {
    let answer = session.client.get(path).await?;
    if session.out.printed_as_json(&answer) {
        return Ok(());
    }
    let list: Answer<List<CallJson>> = Answer::read(answer)?;
    if list.items.is_empty() {
        session.out.note("No call was refused or repeated.");
        return Ok(());
    }
    let row = |call: &CallJson| {
        let texts = [&call.result, &call.caller, &call.detail].map(|text| or_dash(text.clone()));
        let [result, caller, detail] = texts;
        vec![age(Some(call.at)), result, call.count.to_string(), caller, detail]
    };
    let rows: Vec<_> = list.items.iter().map(row).collect();
    session.out.table(&["WHEN", "RESULT", "CALLS", "FROM", "DETAIL"], &rows, 1);
    Ok(())
}

/// A rule's list; without one anything is allowed.
fn any_or(allowed: &[String]) -> String {
    if allowed.is_empty() { "any".to_owned() } else { allowed.join(" ") }
}
