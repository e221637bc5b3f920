//! How services are shown.

use serde_json::Value;

use crate::cli::answer::Answer;
use crate::cli::client::path;
use crate::cli::failure::Failure;
use crate::cli::output::{age, or_dash, shown};
use crate::cli::remote::Session;
use crate::cli::words::word;
use crate::wire::list::List;
use crate::wire::service::{ServiceBody, ServiceJson};
use crate::wire::status::ServiceStatusJson;

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
    let status: Answer<List<ServiceStatusJson>> = Answer::read(session.client.list("/api/v1/status").await?)?;
    let row = |service: &ServiceJson| {
        let own = status.items.iter().find(|own| own.service == service.name());
        let ended = own.and_then(|own| own.last.as_ref()).map(|one| one.status.to_string());
        let state = if service.frozen.is_none() { "active" } else { "frozen" };
        let body = &service.body;
        let [executor, branch] = [&body.executor, &body.default_branch].map(|field| shown(field.as_ref()));
        let repository = or_dash(shown(body.repository.value()));
        vec![
            service.name(),
            state.to_owned(),
            or_dash(ended.unwrap_or_default()),
            executor,
            branch,
            repository,
        ]
    };
    let rows: Vec<_> = list.items.iter().map(row).collect();
    session.out.table(&["NAME", "STATE", "LAST", "EXECUTOR", "BRANCH", "REPOSITORY"], &rows, 1);
    Ok(())
}

/// One service with all its settings.
pub(super) async fn show(session: &Session, name: &str) -> Result<(), Failure> {
    let answer = session.client.get(&path(&["api", "v1", "services", name])).await?;
    if session.out.printed_as_json(&answer) {
        return Ok(());
    }
    let service: Answer<ServiceJson> = Answer::read(answer)?;
    let mut fields = settings(&service.body);
    fields.extend([
        ("frozen".to_owned(), shown(service.frozen.as_ref())),
        ("created".to_owned(), age(Some(service.created_at))),
    ]);
    let fields: Vec<_> = fields.iter().map(|(label, text)| (label.as_str(), text.clone())).collect();
    session.out.fields(&fields);
    Ok(())
}

/// Every setting by the word of its flag; of one that is not set the text is empty.
fn settings(body: &ServiceBody) -> Vec<(String, String)> {
    let Ok(Value::Object(fields)) = serde_json::to_value(body) else { return Vec::new() };
    fields.iter().map(|(name, value)| (word(name).replace('-', " "), setting(name, value))).collect()
}

fn setting(name: &str, value: &Value) -> String {
    match value {
        Value::Null => String::new(),
        Value::Bool(is_on) => if *is_on { "on" } else { "off" }.to_owned(),
        Value::String(text) => or_dash(text.clone()),
        Value::Object(variables) if name == "env" && !variables.is_empty() => {
            let names: Vec<&str> = variables.keys().map(String::as_str).collect();
            format!("{} (values are not shown)", names.join(" "))
        }
        Value::Array(texts) => texts.iter().filter_map(Value::as_str).collect::<Vec<_>>().join(" "),
        Value::Object(pairs) => {
            let pairs =
                pairs.iter().map(|(name, value)| format!("{name}={}", value.as_str().unwrap_or_default()));
            pairs.collect::<Vec<_>>().join(" ")
        }
        Value::Number(number) => number.to_string(),
    }
}
