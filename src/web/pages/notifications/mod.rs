//! Who is told of deployments: the targets of the installation and of each service. What is done here is done by the
//! functions that the API uses.

mod form;
mod list_view;
mod one;
mod one_view;
mod secret;
pub(in crate::web::pages) mod words;

pub(in crate::web) use one::{confirm_removal, redeliver, remove, show, switch_off, switch_on, test, update};
pub(in crate::web) use secret::{rotate, rotate_form};

use std::collections::HashMap;

use poem::web::{Data, Path};
use poem::{IntoResponse, Request, Response, handler};

use crate::actions::targets::{self, Owner};
use crate::actions::{By, Context, services};
use crate::db::Reader;
use crate::domain::Scope;
use crate::web::error::Error;
use crate::web::extract::Form;
use crate::web::pages::follow::Moment;
use crate::web::pages::{Frame, Page, held, redirect};
use crate::web::request::Query;
use crate::web::state::AppState;
use crate::wire::Change;

use form::TargetForm;
use list_view::{IndexPage, Known};

/// The entries of the menu that these pages belong to.
const HERE: &str = "/notifications";
const SERVICES: &str = "/services";

fn frame(by: &By, state: &AppState, service: Option<&str>) -> Frame {
    Frame::of(&by.caller, state, if service.is_some() { SERVICES } else { HERE })
}

/// The page of the targets of a service, or of those of the installation.
fn list_path(service: Option<&str>) -> String {
    match service {
        Some(name) => format!("{}/settings/notifications", crate::web::pages::services::path(name)),
        None => HERE.to_owned(),
    }
}

/// `GET /notifications`: the targets of the installation; `?done=removed` says what was just done.
#[handler]
pub(in crate::web) async fn index(
    request: &Request,
    by: By,
    query: Query,
    state: Data<&AppState>,
) -> Result<Response, Error> {
    list(request, by, &query, None, &state).await
}

/// `GET /services/{name}/settings/notifications`: the targets of one service.
#[handler]
pub(in crate::web) async fn index_of_service(
    request: &Request,
    by: By,
    query: Query,
    Path(name): Path<String>,
    state: Data<&AppState>,
) -> Result<Response, Error> {
    list(request, by, &query, Some(name), &state).await
}

async fn list(
    request: &Request,
    by: By,
    query: &Query,
    service: Option<String>,
    state: &AppState,
) -> Result<Response, Error> {
    let moment = Moment::of(request, state, Some(&by.caller));
    if let Some(unchanged) = moment.unchanged(request) {
        return Ok(unchanged);
    }
    let is_removed = query.get("done") == Some("removed");
    let page = load(state, &by, service, TargetForm::empty()).await?;
    Ok(moment.tag(Page(page.after(is_removed))))
}

async fn load(state: &AppState, by: &By, name: Option<String>, form: TargetForm) -> Result<IndexPage, Error> {
    let frame = frame(by, state, name.as_deref());
    let by = by.clone();
    let read = move |reader: &Reader<'_>, _: &Context| {
        let owner = name.as_deref().map_or(Owner::Installation, Owner::Service);
        let targets = targets::list(reader, &by, owner)?;
        let find = |name: &String| services::find(reader, &by, Scope::Admin, name);
        let service = name.as_ref().map(find).transpose()?;
        let is_above = service.is_some() && by.caller.may(Scope::Admin, None);
        let above = if is_above { targets::list(reader, &by, Owner::Installation)? } else { Vec::new() };
        Ok(Known { service, targets, above, is_fresh: by.caller.is_fresh(by.at), now: by.at })
    };
    let known = state.read(read).await?;
    Ok(IndexPage::new(frame, &known, form))
}

/// `POST /notifications`: adds a target of the installation. Where a secret is made the answer shows it, and nothing else
/// ever does.
#[handler]
pub(in crate::web) async fn create(
    by: By,
    Form(sent): Form,
    state: Data<&AppState>,
) -> Result<Response, Error> {
    add(by, sent, None, &state).await
}

/// `POST /services/{name}/settings/notifications`: the same of one service.
#[handler]
pub(in crate::web) async fn create_for_service(
    by: By,
    Path(name): Path<String>,
    Form(sent): Form,
    state: Data<&AppState>,
) -> Result<Response, Error> {
    add(by, sent, Some(name), &state).await
}

async fn add(
    by: By,
    sent: HashMap<String, String>,
    service: Option<String>,
    state: &AppState,
) -> Result<Response, Error> {
    let form = TargetForm::empty().sent(sent);
    let body = form.body(service.clone().map_or(Change::Keep, Change::Set));
    let made = state.act(by.clone(), move |tx, context, by| targets::create(tx, context, by, body)).await;
    match made {
        Ok(made) if made.secret.is_some() => Ok(secret::shown_once(&by, state, made)),
        Ok(made) => Ok(redirect(&format!("{HERE}/{}?done=added", made.target.id))),
        Err(error) => {
            let path = list_path(service.as_deref());
            let error = error.holding(held(&path, &path, form.fields()));
            let (form, status) = form.refused(error)?;
            let page = load(state, &by, service, form).await?;
            Ok(Page(page).with_status(status).into_response())
        }
    }
}
