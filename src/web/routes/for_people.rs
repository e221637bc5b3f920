//! The addresses that people open. Refusals there are pages too.

use crate::web::pages::account::operators;
use crate::web::pages::services::settings;
use crate::web::pages::session::{confirm, setup};
use crate::web::pages::{account, audit, deployments, docs, hooks, notifications, services, session, tokens};
use crate::web::routes::resource::{Resource, page};

/// Every page.
pub(super) fn all() -> Vec<Resource> {
    let mut all = of_sessions();
    all.extend(of_accounts());
    all.extend(of_services());
    all.extend(of_hooks());
    all.extend(of_targets());
    all.extend(of_deployments());
    all
}

fn of_sessions() -> Vec<Resource> {
    vec![
        page("/").get(session::home).public(),
        page("/login").get(session::new).post(session::create).public(),
        page("/docs/api").get(docs::api).public(),
        page("/setup").get(setup::show).post(setup::create).public(),
        page("/logout").post(session::delete).operator(),
        page("/confirm").get(confirm::show).post(confirm::create).operator(),
    ]
}

/// Who may use the server, and what they did.
fn of_accounts() -> Vec<Resource> {
    vec![
        page("/account").get(account::show).operator(),
        page("/account/password").post(account::update_password).operator(),
        page("/account/sign-out").post(account::sign_out).operator(),
        page("/account/sessions/:id/revoke").post(account::revoke_session).operator(),
        page("/account/operators").post(operators::create).operator(),
        page("/account/operators/link").post(operators::link).operator(),
        page("/account/operators/remove").get(operators::confirm_removal).post(operators::remove).operator(),
        page("/audit").get(audit::index).operator(),
        page("/tokens").get(tokens::index).post(tokens::create).operator(),
        page("/tokens/:id/revoke").get(tokens::confirm_revocation).post(tokens::revoke).operator(),
    ]
}

fn of_services() -> Vec<Resource> {
    vec![
        page("/services").get(services::index).post(settings::create).operator(),
        page("/services/new").get(settings::new).operator(),
        page("/services/:name").get(services::show).operator(),
        page("/services/:name/deploy").post(services::deploy).operator(),
        page("/services/:name/freeze").post(services::freeze).operator(),
        page("/services/:name/unfreeze").post(services::unfreeze).operator(),
        page("/services/:name/settings").get(settings::edit).post(settings::update).operator(),
        page("/services/:name/cache").post(settings::empty_cache).operator(),
        page("/services/:name/badge").post(settings::make_badge).operator(),
        page("/services/:name/badge/delete").post(settings::delete_badge).operator(),
        page("/services/:name/delete").get(settings::confirm).post(settings::delete).operator(),
    ]
}

/// Settings → Deploy Hooks.
fn of_hooks() -> Vec<Resource> {
    vec![
        page("/services/:name/settings/deploy-hooks").get(hooks::index).post(hooks::create).operator(),
        page("/services/:name/settings/deploy-hooks/:hook/rotate")
            .get(hooks::rotate_form)
            .post(hooks::rotate)
            .operator(),
        page("/services/:name/settings/deploy-hooks/:hook/end-old-url")
            .get(hooks::end_form)
            .post(hooks::end)
            .operator(),
        page("/services/:name/settings/deploy-hooks/:hook/revoke")
            .get(hooks::revoke_form)
            .post(hooks::revoke)
            .operator(),
        page("/services/:name/settings/deploy-hooks/:hook/rename")
            .get(hooks::rename_form)
            .post(hooks::rename)
            .operator(),
        page("/services/:name/settings/deploy-hooks/:hook/edit")
            .get(hooks::edit)
            .post(hooks::update)
            .operator(),
        page("/services/:name/settings/deploy-hooks/:hook/pause")
            .get(hooks::pause_form)
            .post(hooks::pause)
            .operator(),
        page("/services/:name/settings/deploy-hooks/:hook/resume").post(hooks::resume).operator(),
        page("/services/:name/settings/deploy-hooks/:hook/test").get(hooks::test).operator(),
    ]
}

/// Who is told of deployments.
fn of_targets() -> Vec<Resource> {
    vec![
        page("/notifications").get(notifications::index).post(notifications::create).operator(),
        page("/services/:name/settings/notifications")
            .get(notifications::index_of_service)
            .post(notifications::create_for_service)
            .operator(),
        page("/notifications/:id").get(notifications::show).post(notifications::update).operator(),
        page("/notifications/:id/test").post(notifications::test).operator(),
        page("/notifications/:id/off").post(notifications::switch_off).operator(),
        page("/notifications/:id/on").post(notifications::switch_on).operator(),
        page("/notifications/:id/rotate")
            .get(notifications::rotate_form)
            .post(notifications::rotate)
            .operator(),
        page("/notifications/:id/remove")
            .get(notifications::confirm_removal)
            .post(notifications::remove)
            .operator(),
        page("/notifications/:id/notices/:notice/redeliver").post(notifications::redeliver).operator(),
    ]
}

fn of_deployments() -> Vec<Resource> {
    vec![
        page("/deploys/:id").get(deployments::show).public(),
        page("/deploys/:id/events").get(deployments::events).operator(),
        page("/deploys/:id/cancel").post(deployments::cancel).operator(),
        page("/deploys/:id/promote").post(deployments::promote).operator(),
        page("/deploys/:id/redeploy").post(deployments::redeploy).operator(),
        page("/deploys/:id/rollback").post(deployments::rollback).operator(),
    ]
}
