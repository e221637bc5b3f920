//! Hooks: the secret URLs of a service. A URL is in the answer that makes it and nowhere else.

use poem::http::StatusCode;
use poem::web::{Data, Path};
use poem::{Response, handler};

use crate::actions::hooks::{self, LAST_CALLS, MintedHook, read_overlap, shown};
use crate::actions::{self, By, Context, services};
use crate::db::hooks as rows;
use crate::db::{Reader, hook_calls};
use crate::domain::{HookId, Invalid, Scope};
use crate::web::api::edit::{Edit, tagged};
use crate::web::api::{created, json, limit, no_content};
use crate::web::error::Error;
use crate::web::extract::Input;
use crate::web::request::Query;
use crate::web::state::AppState;
use crate::wire::hook::{CallJson, HookBody, HookJson, RotateBody};
use crate::wire::list::List;

/// A hook with its secret URL, for the one answer that shows it.
fn shown_once(
    reader: &Reader<'_>,
    context: &Context,
    by: &By,
    minted: MintedHook,
) -> actions::Result<HookJson> {
    Ok(shown(reader, context, &minted.service, &minted.hook, by.at)?.with_url(minted.url))
}

/// `GET /api/v1/services/{name}/hooks`, the revoked ones too.
#[handler]
pub(in crate::web) async fn index(
    by: By,
    query: Query,
    Path(name): Path<String>,
    state: Data<&AppState>,
) -> Result<Response, Error> {
    let after = query
        .get("after")
        .map(|text| HookId::parse(text).ok_or_else(|| Invalid::new("after", "must be the id of a hook")));
    let (after, limit) = (after.transpose()?, limit(&query)?);
    let read = move |reader: &Reader<'_>, context: &Context| {
        let service = services::find(reader, &by, Scope::Read, &name)?;
        let found = rows::list_for_service(reader, &service.id, after.as_ref(), limit + 1)?;
        let shown = found.iter().map(|hook| shown(reader, context, &service, hook, by.at));
        shown.collect::<actions::Result<Vec<_>>>()
    };
    let items = state.read(read).await?;
    Ok(json(StatusCode::OK, &List::page(items, limit, |hook| hook.id.clone())))
}

/// `POST /api/v1/services/{name}/hooks`: 201 with the URL, once.
#[handler]
pub(in crate::web) async fn create(
    by: By,
    edit: Edit,
    Path(name): Path<String>,
    Input(body): Input<HookBody>,
    state: Data<&AppState>,
) -> Result<Response, Error> {
    let (service, is_try) = (name.clone(), edit.is_try());
    let made = edit.run(&state, by, move |tx, context, by, edit| {
        let minted = hooks::create(tx, context, by, &name, body)?;
        // The URL of a hook that was only tried out opens nothing.
        if edit.is_try() {
            return shown(tx, context, &minted.service, &minted.hook, by.at);
        }
        shown_once(tx, context, by, minted)
    });
    let made = made.await?;
    if is_try {
        return Ok(json(StatusCode::OK, &made));
    }
    Ok(created(&["services", &service, "hooks", &made.id], &made))
}

/// `GET /api/v1/services/{name}/hooks/{hook}`; by name or id.
#[handler]
pub(in crate::web) async fn show(
    by: By,
    Path((name, hook)): Path<(String, String)>,
    state: Data<&AppState>,
) -> Result<Response, Error> {
    let read = move |reader: &Reader<'_>, context: &Context| {
        let (service, hook) = hooks::find(reader, &by, Scope::Read, &name, &hook)?;
        shown(reader, context, &service, &hook, by.at)
    };
    Ok(tagged(&state.read(read).await?))
}

/// `PATCH /api/v1/services/{name}/hooks/{hook}`: name and rules.
#[handler]
pub(in crate::web) async fn update(
    by: By,
    edit: Edit,
    Path((name, hook)): Path<(String, String)>,
    Input(body): Input<HookBody>,
    state: Data<&AppState>,
) -> Result<Response, Error> {
    let changed = edit.run(&state, by, move |tx, context, by, edit| {
        let (service, before) = hooks::find(tx, by, Scope::Admin, &name, &hook)?;
        edit.check(&shown(tx, context, &service, &before, by.at)?)?;
        let (service, after) = hooks::update(tx, by, &name, &hook, body)?;
        shown(tx, context, &service, &after, by.at)
    });
    Ok(tagged(&changed.await?))
}

/// `DELETE /api/v1/services/{name}/hooks/{hook}`: revokes it.
#[handler]
pub(in crate::web) async fn revoke(
    by: By,
    Path((name, hook)): Path<(String, String)>,
    state: Data<&AppState>,
) -> Result<Response, Error> {
    state.act_on_credentials(by, move |tx, _, by| hooks::revoke(tx, by, &name, &hook)).await?;
    Ok(no_content())
}

/// `POST /api/v1/services/{name}/hooks/{hook}/rotate`: 200 with the new URL, once.
#[handler]
pub(in crate::web) async fn rotate(
    by: By,
    Path((name, hook)): Path<(String, String)>,
    Input(body): Input<RotateBody>,
    state: Data<&AppState>,
) -> Result<Response, Error> {
    let overlap = read_overlap(body.overlap.as_deref())?;
    let rotated = state.act(by, move |tx, context, by| {
        let minted = hooks::rotate(tx, context, by, &name, &hook, overlap)?;
        shown_once(tx, context, by, minted)
    });
    Ok(json(StatusCode::OK, &rotated.await?))
}

/// `GET /api/v1/services/{name}/hooks/{hook}/calls`: the last 50.
#[handler]
pub(in crate::web) async fn calls(
    by: By,
    Path((name, hook)): Path<(String, String)>,
    state: Data<&AppState>,
) -> Result<Response, Error> {
    let read = move |reader: &Reader<'_>, _: &Context| {
        let (_, hook) = hooks::find(reader, &by, Scope::Read, &name, &hook)?;
        Ok(hook_calls::last(reader, &hook.id, LAST_CALLS)?)
    };
    let calls = state.read(read).await?.into_iter().map(|call| CallJson {
        at: call.at,
        result: call.result,
        detail: call.detail,
        caller: call.caller,
        count: call.count,
    });
    Ok(json(StatusCode::OK, &List::whole(calls.collect())))
}
