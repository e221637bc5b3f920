//! What may be done to the server as a whole.

use crate::actions::{By, Result};
use crate::db::Reader;
use crate::db::Tx;
use crate::db::audit::{self, Cursor, Entry, Record};
use crate::domain::{Act, ActKind, Scope, Subject};

/// Notes that a copy of the core file is taken, before it is.
///
/// # Errors
/// Code `scope`.
pub fn begin_backup(tx: &Tx<'_>, by: &By) -> Result<()> {
    by.require(Scope::Admin, None)?;
    by.record(tx, &Record::new(Act::ServerBackup, Subject::Database))
}

/// A page of what was done, newest first.
///
/// # Errors
/// Code `scope`.
pub fn audit(
    reader: &Reader<'_>,
    by: &By,
    kind: Option<ActKind>,
    cursor: Option<Cursor>,
    limit: u32,
) -> Result<Vec<Entry>> {
    by.require(Scope::Admin, None)?;
    Ok(audit::list(reader, kind, cursor, limit)?)
}
