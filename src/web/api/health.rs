//! Whether the process serves, and whether it can take calls.

use poem::http::StatusCode;
use poem::web::Data;
use poem::{Request, Response, handler};

use crate::db;
use crate::domain::ExecutorKind;
use crate::web::auth;
use crate::web::request::Query;
use crate::web::state::AppState;
use crate::wire::server::{CopiesJson, ReadinessJson, VersionJson};

/// `GET /healthz`: 200 while the process serves.
#[handler]
pub(in crate::web) fn healthz() -> Response {
    Response::builder().content_type("text/plain; charset=utf-8").body("ok\n")
}

/// `GET /version`: which version answers.
#[handler]
pub(in crate::web) fn version() -> Response {
    super::json(StatusCode::OK, &VersionJson { version: env!("CARGO_PKG_VERSION") })
}

/// `GET /readyz`: 200 when the database is writable and nothing is draining; `?verbose` says more.
/// A cluster that does not answer is said and does not turn it red: calls are still accepted and kept.
#[handler]
pub(in crate::web) async fn readyz(request: &Request, state: Data<&AppState>) -> Response {
    let is_writable = state.is_writable();
    let is_draining = state.is_draining().is_cancelled();
    let is_ready = is_writable && !is_draining;
    let status = if is_ready { StatusCode::OK } else { StatusCode::SERVICE_UNAVAILABLE };
    if !Query::parse(request).is_ok_and(|query| query.get("verbose").is_some()) {
        let word = if is_ready { "ready\n" } else { "not ready\n" };
        return Response::builder().status(status).content_type("text/plain; charset=utf-8").body(word);
    }
    let available = state.settings().available;
    let executors: Vec<_> = available.iter().map(ExecutorKind::as_str).collect();
    let problems = move |reader: &db::Reader<'_>| {
        let problem = available.iter().find_map(|kind| db::executor_problem(reader, kind).transpose());
        Ok::<_, db::Error>((problem.transpose()?, db::copies(reader)?))
    };
    let (mut problem, mut copies) = match state.db().core().read(problems).await {
        Ok(found) => found,
        Err(error) => (Some(format!("not known: {error}")), None),
    };
    let copy_problem = copies.as_mut().and_then(|copies| copies.problem.as_mut());
    // The words of the cluster or of the system are for whoever runs the server.
    if (problem.is_some() || copy_problem.is_some())
        && auth::find(state.context(), request).await.ok().flatten().is_none()
    {
        let sentence = |what: &str| format!("{what}; with a credential this says more");
        problem = problem.map(|_| sentence("the cluster does not answer"));
        if let Some(problem) = copy_problem {
            *problem = sentence("the last copy of the database has failed");
        }
    }
    super::json(
        status,
        &ReadinessJson {
            ready: is_ready,
            database_writable: is_writable,
            database_damaged: state.db().is_damaged(),
            disk_nearly_full: state.db().is_short_of_space(),
            draining: is_draining,
            executors,
            cluster_problem: problem,
            backup: copies.map(|own| CopiesJson { newest: own.newest, problem: own.problem }),
            unbelieved_proxy: state.unbelieved().address().map(|address| address.to_string()),
            public_url: state.urls().public().to_owned(),
        },
    )
}
