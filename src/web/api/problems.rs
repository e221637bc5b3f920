//! What the `type` of a problem leads to: one sentence for each code.

use poem::web::Path;
use poem::{Response, handler};

use crate::domain::Code;
use crate::web::error::Error;

/// `GET /problems/{code}`, with `-` for `_`.
#[handler]
pub(in crate::web) fn show(Path(code): Path<String>) -> Result<Response, Error> {
    let code =
        Code::parse(&code.replace('-', "_")).ok_or_else(|| Error::not_found("problem of this name"))?;
    let text = format!("{}\n\n{}\n", code.as_str(), code.meaning());
    Ok(Response::builder().content_type("text/plain; charset=utf-8").body(text))
}
