//! What may be done to API tokens.

use crate::actions::{By, Context, Error, Result, is_name, services};
use crate::db::audit::Record;
use crate::db::tokens::{self, TokenRow};
use crate::db::{Reader, Tx};
use crate::domain::{Act, ApiToken, Faults, Invalid, Scope, Span, Subject, Timestamp};
use crate::wire::token::{TokenBody, TokenJson};

/// A token as JSON; with its secret only in the answer that makes it.
pub fn shown(row: TokenRow, secret: Option<&ApiToken>) -> TokenJson {
    TokenJson {
        id: row.id,
        name: row.name,
        scope: row.scope.as_str().into(),
        service: row.service.map(|(_, name)| name),
        created_at: row.created_at,
        created_by: row.created_by.to_string(),
        last_used_at: row.last_used_at,
        expires_at: row.expires_at,
        token: secret.map(|token| token.reveal().to_owned()),
    }
}

/// The live tokens.
///
/// # Errors
/// Code `scope`.
pub fn list(reader: &Reader<'_>, by: &By) -> Result<Vec<TokenRow>> {
    by.require(Scope::Admin, None)?;
    Ok(tokens::list(reader)?)
}

/// The live token of that id.
///
/// # Errors
/// Codes `scope` and `not_found`.
pub fn find(reader: &Reader<'_>, by: &By, id: &str) -> Result<TokenRow> {
    by.require(Scope::Admin, None)?;
    tokens::find(reader, id)?.ok_or_else(|| Error::not_found("live token of this id"))
}

/// Makes a token.
///
/// # Errors
/// Codes `scope`, `unconfirmed`, `invalid_parameter`, `not_found` for the service, and `name_taken`.
pub fn create(tx: &Tx<'_>, context: &Context, by: &By, wanted: &TokenBody) -> Result<(TokenRow, ApiToken)> {
    by.require(Scope::Admin, None)?;
    by.require_fresh()?;
    let token = ApiToken::mint(context.key());
    let mut faults = Faults::default();
    let name = faults.take(read_name(wanted.name.as_deref()));
    let scope = faults.take(read_scope(wanted.scope.as_deref()));
    let expires_at = faults.take(read_expiry(wanted.expires_in.as_deref(), by.at));
    let (Some(name), Some(scope), Some(expires_at)) = (name, scope, expires_at) else {
        return Err(faults.finish(()).err().unwrap_or_default().into());
    };
    let service = wanted.service.as_deref().map(|name| services::load(tx, name)).transpose()?;
    let row = TokenRow {
        id: token.id.clone(),
        name,
        scope,
        service: service.map(|service| (service.id, service.name.to_string())),
        created_at: by.at,
        created_by: by.who(),
        last_used_at: None,
        expires_at,
    };
    if !tokens::insert(tx, &row, &token.hash())? {
        return Err(Error::taken(format_args!("token {}", row.name)));
    }
    let record = Record::new(Act::TokenCreate, Subject::Token(row.name.clone()));
    by.record(tx, &record.with(format!("scope {}", row.scope.as_str())))?;
    Ok((row, token))
}

/// Revokes a token, named by id or name.
///
/// # Errors
/// Codes `scope` and `not_found`.
pub fn revoke(tx: &Tx<'_>, by: &By, token: &str) -> Result<()> {
    by.require(Scope::Admin, None)?;
    let missing = || Error::not_found(format_args!("token {token}"));
    let name = tokens::revoke(tx, token, by.at)?.ok_or_else(missing)?;
    by.record(tx, &Record::new(Act::TokenRevoke, Subject::Token(name)))
}

fn read_name(name: Option<&str>) -> std::result::Result<String, Invalid> {
    let name = name.unwrap_or_default();
    if is_name(name) {
        return Ok(name.to_owned());
    }
    Err(Invalid::new("name", "a token's name is 1 to 58 characters without a slash, for example ci"))
}

fn read_scope(scope: Option<&str>) -> std::result::Result<Scope, Invalid> {
    let scope = Scope::parse(scope.unwrap_or_default());
    scope.ok_or_else(|| Invalid::new("scope", "must be read, deploy or admin"))
}

fn read_expiry(text: Option<&str>, now: Timestamp) -> std::result::Result<Option<Timestamp>, Invalid> {
    let span = text.map(str::parse::<Span>).transpose();
    let span = span.map_err(|error| Invalid::new("expiresIn", error.detail))?;
    Ok(span.map(|span| now.plus(span.duration())))
}
