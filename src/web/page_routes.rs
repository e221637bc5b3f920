//! The addresses that people open. Errors of theirs are pages too.

use super::assets;
use super::pages::{
    account, audit, confirm, deploy_hooks, deployments, operators, service_settings, services, session,
    setup, tokens,
};
use super::routes::{Access, GET, GET_POST, POST, Resource, as_page, guarded, resource};
use super::state::AppState;

/// Every page.
pub(super) fn all(state: &AppState) -> Vec<Resource> {
    let mut all = common(state);
    all.extend(of_accounts(state));
    all.extend(of_services(state));
    all.extend(of_hooks(state));
    all
}

fn common(state: &AppState) -> Vec<Resource> {
    let public = |path, allow, methods| as_page(state, resource(path, allow, Access::Public, methods));
    let operator = |path, allow, methods| as_page(state, guarded(state, path, allow, methods));
    vec![
        public("/", GET, poem::get(session::home)),
        public("/login", GET_POST, poem::get(session::new).post(session::create)),
        public("/setup", GET_POST, poem::get(setup::show).post(setup::create)),
        operator("/logout", POST, poem::post(session::delete)),
        public("/deploys/:id", GET, poem::get(deployments::show)),
        operator("/deploys/:id/events", GET, poem::get(deployments::events)),
        operator("/deploys/:id/cancel", POST, poem::post(deployments::cancel)),
        operator("/deploys/:id/redeploy", POST, poem::post(deployments::redeploy)),
        operator("/deploys/:id/rollback", POST, poem::post(deployments::rollback)),
        public("/static/:file", GET, assets::endpoint()),
        public("/robots.txt", GET, assets::robots()),
    ]
}

/// Who may use the server, and what they did.
fn of_accounts(state: &AppState) -> Vec<Resource> {
    let operator = |path, allow, methods| as_page(state, guarded(state, path, allow, methods));
    vec![
        operator("/confirm", GET_POST, poem::get(confirm::show).post(confirm::create)),
        operator("/account", GET, poem::get(account::show)),
        operator("/account/password", POST, poem::post(account::update_password)),
        operator("/account/sign-out", POST, poem::post(account::sign_out)),
        operator("/account/sessions/:id/revoke", POST, poem::post(account::revoke_session)),
        operator("/account/operators", POST, poem::post(operators::create)),
        operator("/account/operators/link", POST, poem::post(operators::link)),
        operator(
            "/account/operators/remove",
            GET_POST,
            poem::get(operators::confirm_removal).post(operators::remove),
        ),
        operator("/audit", GET, poem::get(audit::index)),
        operator("/tokens", GET_POST, poem::get(tokens::index).post(tokens::create)),
        operator("/tokens/:id/revoke", GET_POST, poem::get(tokens::confirm_revocation).post(tokens::revoke)),
    ]
}

fn of_services(state: &AppState) -> Vec<Resource> {
    let operator = |path, allow, methods| as_page(state, guarded(state, path, allow, methods));
    vec![
        operator("/services", GET_POST, poem::get(services::index).post(service_settings::create)),
        operator("/services/new", GET, poem::get(service_settings::new)),
        operator("/services/:name", GET, poem::get(services::show)),
        operator("/services/:name/deploy", POST, poem::post(services::deploy)),
        operator("/services/:name/freeze", POST, poem::post(services::freeze)),
        operator("/services/:name/unfreeze", POST, poem::post(services::unfreeze)),
        operator(
            "/services/:name/settings",
            GET_POST,
            poem::get(service_settings::edit).post(service_settings::update),
        ),
        operator(
            "/services/:name/delete",
            GET_POST,
            poem::get(service_settings::confirm).post(service_settings::delete),
        ),
    ]
}

/// Settings → Deploy Hooks.
fn of_hooks(state: &AppState) -> Vec<Resource> {
    let page = |path, allow, methods| as_page(state, guarded(state, path, allow, methods));
    let form = |path, methods| page(path, GET_POST, methods);
    vec![
        form(
            "/services/:name/settings/deploy-hooks",
            poem::get(deploy_hooks::index).post(deploy_hooks::create),
        ),
        form(
            "/services/:name/settings/deploy-hooks/:hook/rotate",
            poem::get(deploy_hooks::rotate_form).post(deploy_hooks::rotate),
        ),
        form(
            "/services/:name/settings/deploy-hooks/:hook/end-old-url",
            poem::get(deploy_hooks::end_form).post(deploy_hooks::end),
        ),
        form(
            "/services/:name/settings/deploy-hooks/:hook/revoke",
            poem::get(deploy_hooks::revoke_form).post(deploy_hooks::revoke),
        ),
        form(
            "/services/:name/settings/deploy-hooks/:hook/rename",
            poem::get(deploy_hooks::rename_form).post(deploy_hooks::rename),
        ),
        form(
            "/services/:name/settings/deploy-hooks/:hook/edit",
            poem::get(deploy_hooks::edit).post(deploy_hooks::update),
        ),
        form(
            "/services/:name/settings/deploy-hooks/:hook/pause",
            poem::get(deploy_hooks::pause_form).post(deploy_hooks::pause),
        ),
        page("/services/:name/settings/deploy-hooks/:hook/resume", POST, poem::post(deploy_hooks::resume)),
        page("/services/:name/settings/deploy-hooks/:hook/test", GET, poem::get(deploy_hooks::test)),
    ]
}
