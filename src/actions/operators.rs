//! What may be done to operators: who they are, their links and their passwords.

use std::time::Duration;

use crate::actions::{By, Context, Error, Result, is_name};
use crate::db::audit::Record;
use crate::db::operators::{self, Operator};
use crate::db::{Reader, Tx, sessions};
use crate::domain::{Act, Code, Invalid, LinkToken, PasswordHash, Scope, Subject};
use crate::wire::operator::SignInLinkJson;

/// How long a sign-in link is good.
pub const LINK_LIFETIME: Duration = Duration::from_mins(15);

/// Reads an operator's name.
///
/// # Errors
/// Says what would be right.
pub fn read_name(name: &str) -> std::result::Result<String, Invalid> {
    if is_name(name) {
        return Ok(name.to_owned());
    }
    Err(Invalid::new("name", "an operator's name is 1 to 58 characters without a slash, for example mira"))
}

/// All of them.
///
/// # Errors
/// Code `scope`.
pub fn list(reader: &Reader<'_>, by: &By) -> Result<Vec<Operator>> {
    by.require(Scope::Admin, None)?;
    Ok(operators::list(reader)?)
}

/// The operator of that name.
///
/// # Errors
/// Codes `scope` and `not_found`.
pub fn find(reader: &Reader<'_>, by: &By, name: &str) -> Result<Operator> {
    by.require(Scope::Admin, None)?;
    operators::find(reader, name)?.ok_or_else(|| Error::not_found(format_args!("operator {name}")))
}

/// Makes an operator, with a first link.
///
/// # Errors
/// Codes `scope`, `unconfirmed`, `invalid_parameter` and `name_taken`.
pub fn create(tx: &Tx<'_>, context: &Context, by: &By, name: &str) -> Result<SignInLinkJson> {
    by.require(Scope::Admin, None)?;
    by.require_fresh()?;
    let name = read_name(name)?;
    let taken = || Error::taken(format_args!("operator {name}"));
    let operator = operators::insert(tx, &name, by.at)?.ok_or_else(taken)?;
    by.record(tx, &Record::new(Act::OperatorCreate, Subject::Operator(name)))?;
    link(tx, context, by, operator)
}

/// Makes a new link of an operator; a reset ends all sessions and links before it, and takes the password away.
///
/// # Errors
/// Codes `scope`, `unconfirmed` and `not_found`.
pub fn make_link(
    tx: &Tx<'_>,
    context: &Context,
    by: &By,
    name: &str,
    is_reset: bool,
) -> Result<SignInLinkJson> {
    by.require(Scope::Admin, None)?;
    by.require_fresh()?;
    let operator = find(tx, by, name)?;
    if is_reset {
        sessions::delete_all_of(tx, &operator)?;
        operators::set_password(tx, &operator, None)?;
    }
    let act = if is_reset { Act::OperatorReset } else { Act::OperatorLoginLink };
    by.record(tx, &Record::new(act, Subject::Operator(operator.name.clone())))?;
    link(tx, context, by, operator)
}

fn link(tx: &Tx<'_>, context: &Context, by: &By, operator: Operator) -> Result<SignInLinkJson> {
    let (token, expires_at) = (LinkToken::mint(), by.at.plus(LINK_LIFETIME));
    sessions::insert_link(tx, &token.hash(), Some(&operator), by.at, expires_at)?;
    let sign_in_url = context.urls().login_link(&token);
    Ok(SignInLinkJson { name: operator.name, sign_in_url, expires_at })
}

/// Removes an operator with their sessions and links.
///
/// # Errors
/// Codes `scope`, `not_found`, and `last_operator` where nobody else could sign in.
pub fn remove(tx: &Tx<'_>, by: &By, name: &str) -> Result<()> {
    let operator = find(tx, by, name)?;
    if !operators::delete(tx, &operator)? {
        let detail = format!("{name} is the last operator; add another one first");
        return Err(Error::new(Code::LastOperator, detail));
    }
    by.record(tx, &Record::new(Act::OperatorDelete, Subject::Operator(operator.name)))
}

/// Gives the operator of this session a password; `before` is the one that was looked at. Ends their other sessions.
///
/// # Errors
/// Codes `session_needed` and `password_changed`.
pub fn set_own_password(
    tx: &Tx<'_>,
    by: &By,
    before: Option<&PasswordHash>,
    hash: &PasswordHash,
) -> Result<()> {
    let (operator, session) = by.caller.own_session()?;
    if operators::password(tx, &operator.name)?.as_ref() != before {
        return Err(Error::new(Code::PasswordChanged, "the password was changed meanwhile; look again"));
    }
    operators::set_password(tx, &operator, Some(hash))?;
    sessions::delete_others(tx, &operator, &session)?;
    sessions::confirm(tx, &session, by.at)?;
    let record = Record::new(Act::OperatorPassword, Subject::Operator(operator.name));
    by.record(tx, &record.with(if before.is_some() { "changed" } else { "set" }))
}
