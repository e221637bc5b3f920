//! The route table: every address, its methods, and who may use it.

mod for_people;
mod for_programs;
mod resource;

pub use resource::Resource;

use std::collections::HashSet;
use std::sync::Arc;

use poem::endpoint::EndpointExt;
use poem::http::{Method, StatusCode};
use poem::{Endpoint, IntoResponse, Request, Response, Route};

use crate::web::access::Audience;
use crate::web::openapi::{Contract, Row};
use crate::web::pages::RefusedRequest;
use crate::web::pages::docs::ReadReference;
use crate::web::request::prefers;
use crate::web::state::AppState;

use resource::{nothing_here, problem_of};

/// Addresses that describe all the others.
const DESCRIBING: [&str; 2] = ["/openapi.json", "/docs/api"];

/// Every address of the server.
pub fn resources() -> Vec<Resource> {
    let mut all = for_people::all();
    all.extend(for_programs::all());
    all
}

/// All routes as one endpoint.
pub fn app(state: AppState) -> impl Endpoint<Output = Response> {
    let resources = resources();
    let programs = Arc::new(program_segments(&resources));
    let contract = Arc::new(Contract::new(resources.iter().flat_map(rows).collect()));
    let routes = resources.into_iter().fold(Route::new(), |route, resource| {
        let (path, served) = (resource.path, resource.serve(&state));
        // What is given to all routes costs each call.
        if DESCRIBING.contains(&path) {
            route.at(path, served.data(Arc::clone(&contract)).data(Arc::new(ReadReference::default())))
        } else {
            route.at(path, served)
        }
    });
    routes.data(state).around(move |routes, request| answer(routes, request, Arc::clone(&programs)))
}

/// What the document of the API says of an address without being told.
fn rows(resource: &Resource) -> impl Iterator<Item = Row> {
    let own = |method: &&Method| ![Method::HEAD, Method::OPTIONS].contains(*method);
    resource.methods.iter().filter(own).map(|method| Row {
        method: method.clone(),
        path: resource.path,
        access: resource.access,
        parameters: resource.parameters(method),
    })
}

/// What begins the addresses of programs, so that what is missing below them is never a page either.
fn program_segments(resources: &[Resource]) -> HashSet<&'static str> {
    let programs = resources.iter().filter(|resource| resource.audience == Audience::Programs);
    programs.map(|resource| first_segment(resource.path)).collect()
}

fn first_segment(path: &str) -> &str {
    path.split('/').nth(1).unwrap_or_default()
}

/// An address with a slash at its end is the one without.
fn without_last_slash(mut request: Request) -> Request {
    let uri = request.uri();
    let path = uri.path().trim_end_matches('/');
    if path.is_empty() || path.len() == uri.path().len() {
        return request;
    }
    let target = uri.query().map_or_else(|| path.to_owned(), |query| format!("{path}?{query}"));
    if let Ok(target) = target.parse() {
        *request.uri_mut() = target;
    }
    request
}

/// An address that is not there is answered with a page to whoever looks at pages.
async fn answer<E: Endpoint>(
    routes: Arc<E>,
    request: Request,
    programs: Arc<HashSet<&'static str>>,
) -> poem::Result<Response> {
    let request = without_last_slash(request);
    let is_program = programs.contains(first_segment(request.uri().path()));
    let is_page = !is_program && prefers(request.headers(), "text/html");
    let refused = RefusedRequest::new(&request);
    Ok(match routes.call(request).await {
        Ok(answer) => answer.into_response(),
        Err(error) if is_page && error.status() == StatusCode::NOT_FOUND => refused.answer(&nothing_here()),
        Err(error) => problem_of(error),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pages_and_programs_share_no_first_segment() {
        let all = resources();
        let programs = program_segments(&all);

        for page in all.iter().filter(|resource| resource.audience == Audience::People) {
            assert!(!programs.contains(first_segment(page.path)), "{}", page.path);
        }
    }
}
