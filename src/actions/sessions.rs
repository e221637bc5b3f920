//! How sessions begin and end.

use crate::actions::{By, Error, Result};
use crate::db::Tx;
use crate::db::audit::{self, Actor, Record};
use crate::db::operators::{self, Operator};
use crate::db::sessions::{self, Client, Link};
use crate::domain::{Act, PasswordHash, Subject, Timestamp, TokenHash, Who};

/// A session that is to begin.
pub struct NewSession {
    /// The hash of its secret.
    pub secret: TokenHash,
    /// Where it is used.
    pub client: Client,
    /// The moment.
    pub at: Timestamp,
}

impl NewSession {
    /// Begins it; `how` ends the sentence `signed in …`.
    fn begin(&self, tx: &Tx<'_>, operator: &Operator, how: &str) -> Result<()> {
        sessions::insert(tx, &self.secret, operator, &self.client, self.at)?;
        let name = operator.name.clone();
        let actor = Actor { who: Who::Operator(name.clone()), address: self.client.address.clone() };
        let record = Record::new(Act::SessionCreate, Subject::Operator(name)).with(how);
        Ok(audit::record(tx, &actor, &record, self.at)?)
    }
}

/// Begins a session for a password that was looked at before; false where it was changed, or its operator removed,
/// meanwhile.
///
/// # Errors
/// Where the database does not take it.
pub fn begin_by_password(tx: &Tx<'_>, new: &NewSession, name: &str, hash: &PasswordHash) -> Result<bool> {
    let is_still = operators::password(tx, name)?.is_some_and(|own| own == *hash);
    let Some(operator) = operators::find(tx, name)?.filter(|_| is_still) else { return Ok(false) };
    new.begin(tx, &operator, "by password")?;
    Ok(true)
}

/// Uses a sign-in link up; false where it is none, used or past its end.
///
/// # Errors
/// Where the database does not take it.
pub fn begin_by_link(tx: &Tx<'_>, new: &NewSession, link: &TokenHash) -> Result<bool> {
    let Some((Link::SignIn(operator), _)) = sessions::find_link(tx, link, new.at)? else { return Ok(false) };
    sessions::delete_link(tx, link)?;
    new.begin(tx, &operator, "by one-time link")?;
    Ok(true)
}

/// Uses the setup link up and makes the first operator; false where it is none, used or past its end.
///
/// # Errors
/// Where the database does not take it.
pub fn set_up(
    tx: &Tx<'_>,
    new: &NewSession,
    link: &TokenHash,
    name: &str,
    password: &PasswordHash,
) -> Result<bool> {
    let Some((Link::Setup, _)) = sessions::find_link(tx, link, new.at)? else { return Ok(false) };
    let Some(operator) = operators::insert(tx, name, new.at)? else { return Ok(false) };
    operators::set_password(tx, &operator, Some(password))?;
    sessions::delete_link(tx, link)?;
    let actor = Actor { who: Who::Operator(operator.name.clone()), address: new.client.address.clone() };
    let made = Record::new(Act::OperatorCreate, Subject::Operator(operator.name.clone()))
        .with("the first, by setup link");
    audit::record(tx, &actor, &made, new.at)?;
    new.begin(tx, &operator, "by setup link")?;
    Ok(true)
}

/// Notes that the operator of this session has given their password again.
///
/// # Errors
/// Code `session_needed`.
pub fn confirm(tx: &Tx<'_>, by: &By) -> Result<()> {
    let (_, session) = by.caller.own_session()?;
    Ok(sessions::confirm(tx, &session, by.at)?)
}

/// Stands in the audit for a name that no operator has: what was typed there may have been a password.
const NOBODY: &str = "a name that nobody has";

/// Writes down that a wrong password was given.
///
/// # Errors
/// Where the database does not take it.
pub fn refuse(tx: &Tx<'_>, actor: &Actor, name: &str, at: Timestamp) -> Result<()> {
    let name = operators::find(tx, name)?.map_or_else(|| NOBODY.to_owned(), |operator| operator.name);
    Ok(audit::record(tx, actor, &Record::new(Act::SessionRefuse, Subject::Operator(name)), at)?)
}

/// Ends this session; nothing happens for a caller who has none.
///
/// # Errors
/// Where the database does not take it.
pub fn end(tx: &Tx<'_>, by: &By) -> Result<()> {
    match by.caller.own_session() {
        Ok((operator, session)) => {
            sessions::delete(tx, &session)?;
            by.record(tx, &Record::new(Act::SessionRevoke, Subject::Operator(operator.name)))
        }
        Err(_) => Ok(()),
    }
}

/// Ends one of the operator's own sessions, by its public id.
///
/// # Errors
/// Codes `session_needed` and `not_found`.
pub fn revoke(tx: &Tx<'_>, by: &By, id: &str) -> Result<()> {
    let (operator, _) = by.caller.own_session()?;
    if !sessions::delete_listed(tx, &operator, id)? {
        return Err(Error::not_found("session of yours at this address"));
    }
    by.record(tx, &Record::new(Act::SessionRevoke, Subject::Operator(operator.name)).with("one session"))
}

/// Ends all of the operator's own sessions and links, this one too.
///
/// # Errors
/// Code `session_needed`.
pub fn revoke_all(tx: &Tx<'_>, by: &By) -> Result<()> {
    let (operator, _) = by.caller.own_session()?;
    sessions::delete_all_of(tx, &operator)?;
    by.record(tx, &Record::new(Act::SessionRevoke, Subject::Operator(operator.name)).with("all sessions"))
}
