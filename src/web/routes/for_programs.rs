//! The addresses that programs call. Refusals there are problems in JSON.

use crate::actions::trigger::PARAMETERS;
use crate::web::api::{
    audit, backup, badges, checks, deployments, health, hooks, logs, openapi, operators, problems, services,
    targets, tokens, trigger,
};
use crate::web::routes::resource::{Resource, program};
use crate::web::{assets, badge};

/// Every address that is no page.
pub(super) fn all() -> Vec<Resource> {
    let mut all = of_callers();
    all.extend(of_services());
    all.extend(of_targets());
    all.extend(of_server());
    all.extend(of_files());
    all
}

/// Parameters of a list, and of a list of deployments.
const PAGE: &[&str] = &["limit", "after"];
/// What can be tried out.
const TRY: &[&str] = &["dry_run"];
const DEPLOYMENTS: &[&str] = &["limit", "after", "status", "branch", "source"];

/// The public documentation's addresses: a hook, and the deployments that it starts.
fn of_callers() -> Vec<Resource> {
    vec![
        program("/deploy-hooks")
            .post(trigger::trigger)
            .takes(&PARAMETERS)
            .delete(trigger::revoke)
            .any_other(trigger::use_post)
            .hook(),
        program("/deploy-hooks/*token")
            .post(trigger::trigger)
            .takes(&PARAMETERS)
            .delete(trigger::revoke)
            .any_other(trigger::use_post)
            .hook(),
        program("/deployments/:id").get(deployments::show).takes(&["wait"]).public(),
        program("/deployments/:id/wait").get(deployments::wait).public(),
        program("/deployments/:id/logs").get(logs::show).takes(&["follow", "from"]).operator(),
        program("/deployments/:id/cancel").post(deployments::cancel).operator(),
        program("/deployments/:id/redeploy").post(deployments::redeploy).takes(&["clear_cache"]).operator(),
        program("/deployments/:id/rollback").post(deployments::rollback).takes(&["freeze"]).operator(),
    ]
}

fn of_services() -> Vec<Resource> {
    vec![
        program("/api/v1/status").get(services::statuses).takes(PAGE).operator(),
        program("/api/v1/deployments").get(services::all_deployments).takes(DEPLOYMENTS).operator(),
        program("/api/v1/services")
            .get(services::index)
            .takes(PAGE)
            .post(services::create)
            .takes(TRY)
            .operator(),
        program("/api/v1/services/:name")
            .get(services::show)
            .patch(services::update)
            .takes(TRY)
            .delete(services::delete)
            .operator(),
        program("/api/v1/services/:name/freeze").put(services::freeze).delete(services::unfreeze).operator(),
        program("/api/v1/services/:name/badge").put(badges::create).delete(badges::delete).operator(),
        program("/api/v1/services/:name/deployments")
            .get(services::deployments_of)
            .takes(DEPLOYMENTS)
            .post(services::deploy)
            .operator(),
        program("/api/v1/services/:name/cache").get(services::cache).delete(services::empty_cache).operator(),
        program("/api/v1/services/:name/checks").get(checks::show).post(checks::create).operator(),
        program("/api/v1/services/:name/hooks")
            .get(hooks::index)
            .takes(PAGE)
            .post(hooks::create)
            .takes(TRY)
            .operator(),
        program("/api/v1/services/:name/hooks/:hook")
            .get(hooks::show)
            .patch(hooks::update)
            .takes(TRY)
            .delete(hooks::revoke)
            .operator(),
        program("/api/v1/services/:name/hooks/:hook/rotate").post(hooks::rotate).operator(),
        program("/api/v1/services/:name/hooks/:hook/calls").get(hooks::calls).operator(),
    ]
}

/// Who is told of what.
fn of_targets() -> Vec<Resource> {
    vec![
        program("/api/v1/targets")
            .get(targets::index)
            .takes(&["service"])
            .post(targets::create)
            .takes(TRY)
            .operator(),
        program("/api/v1/targets/:id")
            .get(targets::show)
            .patch(targets::update)
            .takes(TRY)
            .delete(targets::delete)
            .operator(),
        program("/api/v1/targets/:id/rotate").post(targets::rotate).operator(),
        program("/api/v1/targets/:id/test").post(targets::test).operator(),
        program("/api/v1/targets/:id/notices").get(targets::notices).operator(),
        program("/api/v1/targets/:id/notices/:notice/redeliver").post(targets::redeliver).operator(),
    ]
}

/// The server itself, and who may use it.
fn of_server() -> Vec<Resource> {
    vec![
        program("/healthz").get(health::healthz).public(),
        program("/version").get(health::version).public(),
        program("/openapi.json").get(openapi::show).public(),
        program("/readyz").get(health::readyz).takes(&["verbose"]).public(),
        program("/problems/:code").get(problems::show).public(),
        program("/api/v1/tokens").get(tokens::index).post(tokens::create).operator(),
        program("/api/v1/tokens/:token").delete(tokens::revoke).operator(),
        program("/api/v1/audit").get(audit::index).takes(PAGE).operator(),
        program("/api/v1/backup").post(backup::create).operator(),
        program("/api/v1/operators").get(operators::index).post(operators::create).operator(),
        program("/api/v1/operators/:name/login-link").post(operators::login_link).operator(),
        program("/api/v1/operators/:name/reset").post(operators::reset).operator(),
    ]
}

/// What browsers and crawlers fetch by themselves.
fn of_files() -> Vec<Resource> {
    vec![
        program("/badges/:file").get(badge::show).public(),
        program("/static/:file").get(assets::show).head(assets::show).public(),
        program("/favicon.ico").get(assets::favicon).public(),
        program("/robots.txt").get(assets::robots).public(),
    ]
}
