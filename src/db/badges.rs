//! The keys of status badges: a column of the table of services.

use rusqlite::{OptionalExtension, named_params};

use super::sql_types::text;
use super::{Error, Reader, Tx, services};
use crate::domain::{Service, ServiceId};

/// The key of a service's badge, where it has one.
pub fn key(reader: &Reader<'_>, id: &ServiceId) -> Result<Option<String>, Error> {
    const SQL: &str = "SELECT badge_key FROM services WHERE id = :id";
    Ok(reader
        .conn()
        .prepare_cached(SQL)?
        .query_row(named_params! { ":id": id.as_str() }, |row| row.get(0))?)
}

/// Gives a service's badge this key, or takes the badge away.
pub fn set_key(tx: &Tx<'_>, id: &ServiceId, key: Option<&str>) -> Result<(), Error> {
    const SQL: &str = "UPDATE services SET badge_key = :key WHERE id = :id";
    tx.conn().prepare_cached(SQL)?.execute(named_params! { ":id": id.as_str(), ":key": key })?;
    Ok(())
}

/// The service whose badge has this key, unless deleted.
pub fn service_of(reader: &Reader<'_>, key: &str) -> Result<Option<Service>, Error> {
    const SQL: &str = "SELECT id FROM services WHERE badge_key = :key AND deleted_at_ms IS NULL";
    let read = |row: &rusqlite::Row<'_>| text(row, "services", "id", ServiceId::parse);
    let id = reader.conn().prepare_cached(SQL)?.query_row(named_params! { ":key": key }, read).optional()?;
    id.map_or(Ok(None), |id| services::find(reader, &id))
}
