//! The signing secret of a webhook: shown once, and rotated.

use poem::http::header::{CACHE_CONTROL, HeaderValue};
use poem::web::{Data, Path};
use poem::{IntoResponse, Response, handler};

use crate::actions::By;
use crate::actions::hooks::read_overlap;
use crate::actions::targets::{self, MintedTarget};
use crate::domain::{Code, TargetKind};
use crate::web::error::Error;
use crate::web::extract::Form;
use crate::web::pages::notifications::one::find;
use crate::web::pages::notifications::one_view::{MadePage, RotatePage, Subject};
use crate::web::pages::notifications::{HERE, frame};
use crate::web::pages::{Page, held, redirect};
use crate::web::state::AppState;

/// The answer that makes a secret.
pub(super) fn shown_once(by: &By, state: &AppState, mut made: MintedTarget) -> Response {
    let subject = Subject::new(&made.target, made.target.service.is_some());
    let frame = frame(by, state, subject.above());
    let secret = made.secret.take().unwrap_or_default();
    let page = MadePage::new(frame, subject, &made, secret, by.at);
    let mut response = Page(page).into_response();
    response.headers_mut().insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
    response
}

/// `GET /notifications/{id}/rotate`: asks how long the old secret is to sign too.
#[handler]
pub(in crate::web) async fn rotate_form(
    by: By,
    Path(id): Path<String>,
    state: Data<&AppState>,
) -> Result<Response, Error> {
    Ok(Page(rotate_page(&by, &state, id).await?).into_response())
}

async fn rotate_page(by: &By, state: &AppState, id: String) -> Result<RotatePage, Error> {
    let (target, subject) = find(by, state, id).await?;
    if target.kind != TargetKind::Webhook {
        return Err(Error::not_found(format_args!(
            "signing secret of a target of kind {}",
            target.kind.as_str()
        )));
    }
    Ok(RotatePage::new(frame(by, state, subject.above()), subject, &target, by.at))
}

/// `POST /notifications/{id}/rotate`: the answer shows the new secret. Sent again, as by a reload, it rotates nothing: a
/// second rotation would end the secret that the receiver still has.
#[handler]
pub(in crate::web) async fn rotate(
    by: By,
    Path(id): Path<String>,
    Form(form): Form,
    state: Data<&AppState>,
) -> Result<Response, Error> {
    let page = rotate_page(&by, &state, id.clone()).await?;
    let overlap = match read_overlap(form.get("overlap").map(String::as_str)) {
        Ok(overlap) => overlap,
        Err(invalid) => return Ok(refused(page, &invalid.into())),
    };
    let replaces = form.get("generation").and_then(|text| text.parse::<u32>().ok());
    let path = format!("{HERE}/{id}");
    let held = held(&path, &format!("{path}/rotate"), &form);
    let rotated = state.act(by.clone(), move |tx, context, by| {
        let now = targets::find(tx, by, &id)?;
        if replaces.is_some_and(|generation| generation != now.generation) {
            return Ok(None);
        }
        targets::rotate(tx, context, by, &id, overlap).map(Some)
    });
    match rotated.await {
        Ok(Some(made)) => Ok(shown_once(&by, &state, made)),
        Ok(None) => Ok(redirect(&format!("{path}?done=rotated"))),
        Err(error) if error.code() == Code::OldSecretGood => Ok(refused(page, &error)),
        Err(error) => Err(error.holding(held)),
    }
}

fn refused(page: RotatePage, error: &Error) -> Response {
    let invalid = error.invalids().pop();
    let detail = invalid.map_or_else(|| error.detail(), |invalid| invalid.detail);
    Page(page.refused(&detail)).with_status(error.status()).into_response()
}
