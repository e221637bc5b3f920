//! What services keep between their builds: how much that is on this host, and when it has to go.

use rusqlite::{OptionalExtension, named_params};

use super::sql_types::text;
use super::{Error, Reader, Tx};
use crate::domain::ServiceId;

/// Turns the service to a new cache in a cluster, and asks for the one on this host to be emptied.
pub fn empty(tx: &Tx<'_>, service: &ServiceId) -> Result<(), Error> {
    const SQL: &str = "UPDATE services SET cache_epoch = cache_epoch + 1, is_cache_to_go = 1 WHERE id = :id";
    tx.conn().prepare_cached(SQL)?.execute(named_params! { ":id": service.as_str() })?;
    Ok(())
}

/// The services whose caches on this host have to go.
pub fn to_go(reader: &Reader<'_>) -> Result<Vec<ServiceId>, Error> {
    const SQL: &str = "SELECT id FROM services WHERE is_cache_to_go AND deleted_at_ms IS NULL";
    let mut statement = reader.conn().prepare_cached(SQL)?;
    let rows = statement.query_map([], |row| text(row, "services", "id", ServiceId::parse))?;
    Ok(rows.collect::<Result<_, _>>()?)
}

/// Notes that a cache has gone.
pub fn set_gone(tx: &Tx<'_>, service: &ServiceId) -> Result<(), Error> {
    const SQL: &str = "UPDATE services SET is_cache_to_go = 0, cache_bytes = 0 WHERE id = :id";
    tx.conn().prepare_cached(SQL)?.execute(named_params! { ":id": service.as_str() })?;
    Ok(())
}

/// Stores how large a cache on this host is.
pub fn set_bytes(tx: &Tx<'_>, service: &ServiceId, bytes: u64) -> Result<(), Error> {
    const SQL: &str = "UPDATE services SET cache_bytes = :bytes WHERE id = :id AND cache_bytes IS NOT :bytes";
    let bytes = i64::try_from(bytes).unwrap_or(i64::MAX);
    tx.conn().prepare_cached(SQL)?.execute(named_params! { ":bytes": bytes, ":id": service.as_str() })?;
    Ok(())
}

/// How large a service's cache on this host was when it was measured last; none where it never was.
pub fn bytes(reader: &Reader<'_>, service: &ServiceId) -> Result<Option<u64>, Error> {
    const SQL: &str = "SELECT cache_bytes FROM services WHERE id = :id";
    let params = named_params! { ":id": service.as_str() };
    let found = reader.conn().prepare_cached(SQL)?.query_row(params, |row| row.get::<_, Option<i64>>(0));
    Ok(found.optional()?.flatten().and_then(|bytes| u64::try_from(bytes).ok()))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::db::testing::Bench;

    #[test]
    fn a_cache_that_has_to_go_is_listed_until_it_has_gone() {
        let bench = Bench::core();
        let (one, two) = (bench.service("one").id, bench.service("two").id);
        let tx = bench.tx();
        set_bytes(&tx, &one, 300).unwrap();
        empty(&tx, &one).unwrap();

        assert_eq!((to_go(&tx).unwrap(), bytes(&tx, &one).unwrap()), (vec![one.clone()], Some(300)));
        set_gone(&tx, &one).unwrap();
        assert_eq!((to_go(&tx).unwrap(), bytes(&tx, &one).unwrap()), (vec![], Some(0)));
        assert_eq!(bytes(&tx, &two).unwrap(), None);
    }
}
