//! Targets of notices: who is told of what, and what became of it. A signing secret is in the answer that makes it and
//! nowhere else.

use poem::http::StatusCode;
use poem::web::{Data, Path};
use poem::{Response, handler};

use crate::actions::hooks::read_overlap;
use crate::actions::targets::{self, MintedTarget, Owner};
use crate::actions::{By, Context};
use crate::db::Reader;
use crate::web::api::edit::{Edit, tagged};
use crate::web::api::{created, json, no_content};
use crate::web::error::Error;
use crate::web::extract::Input;
use crate::web::notice::await_try;
use crate::web::request::Query;
use crate::web::state::AppState;
use crate::wire::hook::RotateBody;
use crate::wire::list::List;
use crate::wire::target::{NoticeJson, TargetBody, TargetJson};

fn shown_once(by: &By, minted: &MintedTarget) -> TargetJson {
    TargetJson::new(&minted.target, by.at).with_secret(minted.secret.clone())
}

/// `GET /api/v1/targets`, with `?service=` those of one service.
#[handler]
pub(in crate::web) async fn index(by: By, query: Query, state: Data<&AppState>) -> Result<Response, Error> {
    let (service, at) = (query.get("service").map(str::to_owned), by.at);
    let read = move |reader: &Reader<'_>, _: &Context| {
        targets::list(reader, &by, service.as_deref().map_or(Owner::All, Owner::Service))
    };
    let found = state.read(read).await?;
    let items = found.iter().map(|target| TargetJson::new(target, at)).collect();
    Ok(json(StatusCode::OK, &List::whole(items)))
}

/// `POST /api/v1/targets`: 201, of a webhook with its signing secret, once.
#[handler]
pub(in crate::web) async fn create(
    by: By,
    edit: Edit,
    Input(body): Input<TargetBody>,
    state: Data<&AppState>,
) -> Result<Response, Error> {
    let is_try = edit.is_try();
    let made = edit.run(&state, by, move |tx, context, by, _| {
        let minted = targets::create(tx, context, by, body)?;
        let shown = shown_once(by, &minted);
        // The secret of a target that was only tried out signs nothing.
        Ok(if is_try { shown.with_secret(None) } else { shown })
    });
    let made = made.await?;
    if is_try {
        return Ok(json(StatusCode::OK, &made));
    }
    Ok(created(&["targets", &made.id], &made))
}

/// `GET /api/v1/targets/{id}`.
#[handler]
pub(in crate::web) async fn show(
    by: By,
    Path(id): Path<String>,
    state: Data<&AppState>,
) -> Result<Response, Error> {
    let at = by.at;
    let target = state.read(move |reader, _| targets::find(reader, &by, &id)).await?;
    Ok(tagged(&TargetJson::new(&target, at)))
}

/// `PATCH /api/v1/targets/{id}`.
#[handler]
pub(in crate::web) async fn update(
    by: By,
    edit: Edit,
    Path(id): Path<String>,
    Input(body): Input<TargetBody>,
    state: Data<&AppState>,
) -> Result<Response, Error> {
    let changed = edit.run(&state, by, move |tx, context, by, edit| {
        let before = targets::find(tx, by, &id)?;
        edit.check(&TargetJson::new(&before, by.at))?;
        let after = targets::update(tx, context, by, &id, body)?;
        Ok(TargetJson::new(&after, by.at))
    });
    Ok(tagged(&changed.await?))
}

/// `DELETE /api/v1/targets/{id}`.
#[handler]
pub(in crate::web) async fn delete(
    by: By,
    Path(id): Path<String>,
    state: Data<&AppState>,
) -> Result<Response, Error> {
    state.act(by, move |tx, _, by| targets::delete(tx, by, &id)).await?;
    Ok(no_content())
}

/// `POST /api/v1/targets/{id}/rotate`: 200 with the new signing secret, once.
#[handler]
pub(in crate::web) async fn rotate(
    by: By,
    Path(id): Path<String>,
    Input(body): Input<RotateBody>,
    state: Data<&AppState>,
) -> Result<Response, Error> {
    let overlap = read_overlap(body.overlap.as_deref())?;
    let rotated = state.act(by, move |tx, context, by| {
        let minted = targets::rotate(tx, context, by, &id, overlap)?;
        Ok(shown_once(by, &minted))
    });
    Ok(json(StatusCode::OK, &rotated.await?))
}

/// `POST /api/v1/targets/{id}/test`: sends one now and shows the answer, or what there is after a while.
#[handler]
pub(in crate::web) async fn test(
    by: By,
    Path(id): Path<String>,
    state: Data<&AppState>,
) -> Result<Response, Error> {
    let (target, notice) = state.act(by, move |tx, _, by| targets::test(tx, by, &id)).await?;
    let tried = await_try(&state, target, notice).await?;
    Ok(json(StatusCode::OK, &NoticeJson::new(&tried)))
}

/// `GET /api/v1/targets/{id}/notices`: the last 100, newest first.
#[handler]
pub(in crate::web) async fn notices(
    by: By,
    Path(id): Path<String>,
    state: Data<&AppState>,
) -> Result<Response, Error> {
    let (_, found) = state.read(move |reader, _| targets::list_notices(reader, &by, &id)).await?;
    Ok(json(StatusCode::OK, &List::whole(found.iter().map(NoticeJson::new).collect())))
}

/// `POST /api/v1/targets/{id}/notices/{notice}/redeliver`: 202; the notice keeps its id.
#[handler]
pub(in crate::web) async fn redeliver(
    by: By,
    Path((id, notice)): Path<(String, String)>,
    state: Data<&AppState>,
) -> Result<Response, Error> {
    let waiting = state.act(by, move |tx, _, by| targets::redeliver(tx, by, &id, &notice)).await?;
    Ok(json(StatusCode::ACCEPTED, &NoticeJson::new(&waiting)))
}
