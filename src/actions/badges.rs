//! Status badges: a picture of how a service stands, for everybody who knows its URL.

use crate::actions::{By, Context, Result, services};
use crate::db::audit::Record;
use crate::db::{Reader, Tx, badges, deployments};
use crate::domain::BASE36;
use crate::domain::{Act, Deployment, Reason, Scope, Service, Status, Subject, random_digits};

/// Digits of a key: 134 bits, so that nobody comes upon one.
const KEY_DIGITS: usize = 26;

/// Gives a service a badge under a new URL; an earlier one shows nothing any more.
///
/// # Errors
/// Codes `not_found` and `scope`.
pub fn create(tx: &Tx<'_>, context: &Context, by: &By, name: &str) -> Result<String> {
    let service = services::find(tx, by, Scope::Admin, name)?;
    let key = random_digits(BASE36, KEY_DIGITS);
    badges::set_key(tx, &service.id, Some(&key))?;
    record(tx, by, Act::BadgeCreate, &service)?;
    Ok(context.urls().badge(&key))
}

/// Takes the badge away.
///
/// # Errors
/// Codes `not_found` and `scope`.
pub fn delete(tx: &Tx<'_>, by: &By, name: &str) -> Result<()> {
    let service = services::find(tx, by, Scope::Admin, name)?;
    if badges::key(tx, &service.id)?.is_some() {
        badges::set_key(tx, &service.id, None)?;
        record(tx, by, Act::BadgeDelete, &service)?;
    }
    Ok(())
}

fn record(tx: &Tx<'_>, by: &By, act: Act, service: &Service) -> Result<()> {
    by.record(tx, &Record::new(act, Subject::Service(service.name.to_string())))
}

/// What a badge says.
#[derive(Debug)]
pub struct Badge {
    /// The service's name.
    pub service: String,
    /// What runs, else how the last one ended that nobody stopped on purpose; none where nothing was deployed.
    pub last: Option<Status>,
}

/// The badge of that key; none where there is no such badge.
///
/// # Errors
/// Where the database cannot be read.
pub fn find(reader: &Reader<'_>, key: &str) -> Result<Option<Badge>> {
    let Some(service) = badges::service_of(reader, key)? else { return Ok(None) };
    let begun = [Status::Building, Status::Deploying, Status::Succeeded, Status::Failed];
    // A few stops on purpose in a row do not hide what was before them.
    let is_told = |one: &&Deployment| !one.reason.is_some_and(Reason::is_intended);
    let last = deployments::newest(reader, &service.id, &begun, 20)?;
    let last = last.iter().find(is_told).map(|one| one.status);
    Ok(Some(Badge { service: service.name.to_string(), last }))
}
