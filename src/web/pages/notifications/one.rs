//! `/notifications/{id}`: one target, what can be done with it, and what it was told.

use poem::web::{Data, Path};
use poem::{IntoResponse, Request, Response, handler};

use crate::actions::targets;
use crate::actions::{By, Context};
use crate::db::{Reader, Tx, services};
use crate::domain::{Notice, Target};
use crate::web::error::Error;
use crate::web::extract::Form;
use crate::web::notice::await_try;
use crate::web::pages::follow::Moment;
use crate::web::pages::notifications::form::TargetForm;
use crate::web::pages::notifications::one_view::{RemovePage, Subject, TargetPage};
use crate::web::pages::notifications::{HERE, frame};
use crate::web::pages::{Page, redirect};
use crate::web::request::Query;
use crate::web::state::AppState;
use crate::wire::Change;
use crate::wire::target::TargetBody;

/// A target with its last notices, and whether its service is there.
struct Found {
    target: Target,
    notices: Vec<Notice>,
    has_service: bool,
}

async fn read(by: &By, state: &AppState, id: String) -> Result<Found, Error> {
    let by = by.clone();
    let read = move |reader: &Reader<'_>, _: &Context| {
        let (target, notices) = targets::list_notices(reader, &by, &id)?;
        let service = target.service.as_ref().map(|(id, _)| services::find(reader, id)).transpose()?;
        Ok(Found { target, notices, has_service: service.flatten().is_some() })
    };
    state.read(read).await
}

/// A target for who may change it, and how its pages name it.
pub(super) async fn find(by: &By, state: &AppState, id: String) -> Result<(Target, Subject), Error> {
    let found = read(by, state, id).await?;
    let subject = Subject::new(&found.target, found.has_service);
    Ok((found.target, subject))
}

fn page(by: &By, state: &AppState, found: &Found, form: Option<TargetForm>) -> TargetPage {
    let subject = Subject::new(&found.target, found.has_service);
    let frame = frame(by, state, subject.above());
    let form = form.unwrap_or_else(|| TargetForm::of(&found.target));
    TargetPage::new(frame, subject, (&found.target, &found.notices), form, by.at)
}

/// The page of a target, which says what was done to it.
fn done(id: &str, word: &str) -> Response {
    redirect(&format!("{HERE}/{id}?done={word}"))
}

/// What can have been done; another word is none of ours.
fn done_word(word: &str) -> Option<&'static str> {
    ["added", "saved", "off", "on", "rotated"].into_iter().find(|own| *own == word)
}

/// `GET /notifications/{id}`; `?done=` says what was just done, and `?tried=` names the notice that was just tried.
#[handler]
pub(in crate::web) async fn show(
    request: &Request,
    by: By,
    query: Query,
    Path(id): Path<String>,
    state: Data<&AppState>,
) -> Result<Response, Error> {
    let moment = Moment::of(request, &state, Some(&by.caller));
    if let Some(unchanged) = moment.unchanged(request) {
        return Ok(unchanged);
    }
    let found = read(&by, &state, id).await?;
    let page = page(&by, &state, &found, None);
    Ok(moment.tag(Page(page.after(query.get("done").and_then(done_word), query.get("tried")))))
}

/// `POST /notifications/{id}`: changes what the form has.
#[handler]
pub(in crate::web) async fn update(
    by: By,
    Path(id): Path<String>,
    Form(sent): Form,
    state: Data<&AppState>,
) -> Result<Response, Error> {
    let found = read(&by, &state, id.clone()).await?;
    let form = TargetForm::of(&found.target).sent(sent);
    let body = form.body(Change::Keep);
    match change(&by, &state, id.clone(), body).await {
        Ok(()) => Ok(done(&id, "saved")),
        Err(error) => {
            let (form, status) = form.refused(error)?;
            Ok(Page(page(&by, &state, &found, Some(form))).with_status(status).into_response())
        }
    }
}

async fn change(by: &By, state: &AppState, id: String, body: TargetBody) -> Result<(), Error> {
    let changed =
        move |tx: &Tx<'_>, context: &Context, by: &By| targets::update(tx, context, by, &id, body).map(drop);
    state.act(by.clone(), changed).await
}

async fn switch(by: By, state: &AppState, id: String, to: (&str, &str)) -> Result<Response, Error> {
    let body = TargetBody { state: Some(to.0.to_owned()), ..TargetBody::default() };
    change(&by, state, id.clone(), body).await?;
    Ok(done(&id, to.1))
}

/// `POST /notifications/{id}/off`.
#[handler]
pub(in crate::web) async fn switch_off(
    by: By,
    Path(id): Path<String>,
    state: Data<&AppState>,
) -> Result<Response, Error> {
    switch(by, &state, id, ("off", "off")).await
}

/// `POST /notifications/{id}/on`: it is told of what happens from now on.
#[handler]
pub(in crate::web) async fn switch_on(
    by: By,
    Path(id): Path<String>,
    state: Data<&AppState>,
) -> Result<Response, Error> {
    switch(by, &state, id, ("active", "on")).await
}

/// `POST /notifications/{id}/test`: sends something now, and leads to what was answered.
#[handler]
pub(in crate::web) async fn test(
    by: By,
    Path(id): Path<String>,
    state: Data<&AppState>,
) -> Result<Response, Error> {
    let (target, notice) = state.act(by, move |tx, _, by| targets::test(tx, by, &id)).await?;
    await_try(&state, target.clone(), notice.clone()).await?;
    Ok(redirect(&format!("{HERE}/{target}?tried={notice}")))
}

/// `POST /notifications/{id}/notices/{notice}/redeliver`: leads to what was answered. One that waits is tried when it is due,
/// and not waited for.
#[handler]
pub(in crate::web) async fn redeliver(
    by: By,
    Path((id, notice)): Path<(String, String)>,
    state: Data<&AppState>,
) -> Result<Response, Error> {
    let (now, own) = (by.at, id.clone());
    let again = state.act(by.clone(), move |tx, _, by| targets::redeliver(tx, by, &id, &notice)).await?;
    let (target, _) = find(&by, &state, own).await?;
    let to = format!("{HERE}/{}?tried={}", target.id, again.id);
    if again.next_at.is_some_and(|at| at <= now) {
        await_try(&state, target.id, again.id).await?;
    }
    Ok(redirect(&to))
}

/// `GET /notifications/{id}/remove`: says what that means, and asks.
#[handler]
pub(in crate::web) async fn confirm_removal(
    by: By,
    Path(id): Path<String>,
    state: Data<&AppState>,
) -> Result<Response, Error> {
    let (target, subject) = find(&by, &state, id).await?;
    let frame = frame(&by, &state, subject.above());
    Ok(Page(RemovePage::new(frame, subject, &target, by.at)).into_response())
}

/// `POST /notifications/{id}/remove`.
#[handler]
pub(in crate::web) async fn remove(
    by: By,
    Path(id): Path<String>,
    state: Data<&AppState>,
) -> Result<Response, Error> {
    let (_, subject) = find(&by, &state, id.clone()).await?;
    state.act(by, move |tx, _, by| targets::delete(tx, by, &id)).await?;
    Ok(redirect(&format!("{}?done=removed", subject.list())))
}
