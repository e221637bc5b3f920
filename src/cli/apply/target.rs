//! Targets of notices that a file declares. The server knows them by service, kind and address, of which it shows as much as
//! may be shown.

use serde_json::Value;

use crate::cli::answer::Answer;
use crate::cli::apply::{Done, Report, find, update, within};
use crate::cli::apply_file::DeclaredTarget;
use crate::cli::client::{path, query_value};
use crate::cli::failure::Failure;
use crate::cli::output::text;
use crate::wire::target::{TargetBody, TargetJson};

const ALL: &str = "/api/v1/targets";

/// Makes a target or changes what differs.
pub(super) async fn apply(report: &mut Report<'_>, declared: &DeclaredTarget) -> Result<(), Failure> {
    let of_service = declared.service().map(|name| format!(" of service {name}")).unwrap_or_default();
    let what = format!("target {} {}{of_service}", declared.kind.as_str(), declared.shown_url());
    if report.cannot_try(declared.service()) {
        report.add(&Done { what, action: "created", ..Done::default() });
        return Ok(());
    }
    if declared.url.is_plain() {
        report.session.out.warn(&format!("{what}: over http:// whoever is on the way can read what is told"));
    }
    let done = match find_target(report, declared).await? {
        None => {
            let made = report.session.client.post(&report.address(ALL), &declared.body).await;
            let made = made.map_err(|failure| within(failure, &what))?;
            let target: Answer<TargetJson> = Answer::read(made)?;
            Done { what, action: "created", secret: target.secret.clone(), ..Done::default() }
        }
        Some(before) => {
            let own = path(&["api", "v1", "targets", &text(&before, "id")]);
            // As the server shows it, so that it is not taken for another one.
            let body = TargetBody { url: Some(declared.shown_url()), ..declared.body.clone() };
            let action = update(report, &own, &before, &body, &what).await?;
            Done { what, action, ..Done::default() }
        }
    };
    report.add(&done);
    Ok(())
}

/// The target of that service, kind and address.
async fn find_target(report: &Report<'_>, declared: &DeclaredTarget) -> Result<Option<Value>, Failure> {
    let query = declared.service().map(|name| format!("?service={}", query_value(name))).unwrap_or_default();
    // A service that is not there has none; that is told when one is made.
    let mut list = find(report.session, &format!("{ALL}{query}")).await?.unwrap_or_default();
    let Value::Array(items) = list["items"].take() else { return Ok(None) };
    let (service, kind, url) = (declared.service(), declared.kind.as_str(), declared.shown_url());
    let is_it =
        |item: &Value| item["service"].as_str() == service && item["kind"] == kind && item["url"] == *url;
    Ok(items.into_iter().find(is_it))
}
