//! The table of hooks. Hashes of their secrets do not leave this file.

mod usage;

use rusqlite::{OptionalExtension, Row, named_params};

use super::sql_types::{Fields, list as json_list, read_list};
use super::{Error, Reader, Tx, services};
use crate::domain::{
    BranchPattern, CalledService, Hook, HookId, HookName, HookRules, HookToken, ServiceId, Source, Timestamp,
    TokenHash,
};

pub(super) use usage::accepted;
pub use usage::{COUNTED, Usage, usage};

const COLUMNS: &str = "h.id, h.service_id, h.name, h.branches, h.addresses, h.sources, h.expires_at_ms, h.paused, h.generation, \
    h.previous_until_ms, h.rotated_at_ms, h.created_at_ms, h.who_way, h.who_name, h.revoked_at_ms";
const TABLE: &str = "hooks";

fn from_row(row: &Row<'_>) -> rusqlite::Result<Hook> {
    read(&mut Fields::new(row, TABLE))
}

fn read(fields: &mut Fields<'_>) -> rusqlite::Result<Hook> {
    Ok(Hook {
        id: fields.text(HookId::parse)?,
        service_id: fields.text(ServiceId::parse)?,
        name: fields.text(|text| HookName::parse(text).ok())?,
        rules: HookRules {
            branches: fields.text(|json| read_list(json, |text| BranchPattern::parse(text).ok()))?,
            addresses: fields.text(|json| read_list(json, |text| text.parse().ok()))?,
            sources: fields.text(|json| read_list(json, Source::parse_asked))?,
            expires_at: fields.optional_time()?,
            paused: fields.next()?,
        },
        generation: fields.next()?,
        previous_until: fields.optional_time()?,
        rotated_at: fields.optional_time()?,
        created_at: fields.time()?,
        created_by: fields.who()?,
        revoked_at: fields.optional_time()?,
    })
}

/// A hook whose secret was shown, its service, and which of its secrets it was.
#[derive(Debug)]
pub struct Verified {
    pub hook: Hook,
    pub service: CalledService,
    /// The generation of the secret: the hook's own, or the one before while that is in grace.
    pub generation: i64,
}

/// The hook that this token opens now: it exists, is neither revoked nor expired, belongs to the token's service, and
/// the hash is that of its secret or of the previous one in grace. Hashes are compared in constant time.
pub fn verify(reader: &Reader<'_>, token: &HookToken, now: Timestamp) -> Result<Option<Verified>, Error> {
    let sql = format!(
        "SELECT {COLUMNS}, h.hash, h.previous_hash, s.name, s.repository IS NULL, s.default_branch, s.executor, s.queue_policy, s.frozen
           FROM hooks AS h
           JOIN services AS s ON s.id = h.service_id
          WHERE h.id = :id
            AND h.revoked_at_ms IS NULL
            AND s.deleted_at_ms IS NULL"
    );
    let found =
        reader.conn().prepare_cached(&sql)?.query_row(named_params! { ":id": token.hook.as_str() }, |row| {
            let mut fields = Fields::new(row, TABLE);
            let (hook, current, previous) = (read(&mut fields)?, fields.hash()?, fields.optional_hash()?);
            let service = services::read_called(&mut fields, hook.service_id.clone())?;
            Ok((hook, current, previous, service))
        });
    let Some((hook, current, previous, service)) = found.optional()? else { return Ok(None) };
    let given = token.hash();
    let in_grace = hook.previous_until.is_some_and(|until| now < until);
    let is_current = current.matches(&given);
    let is_previous = previous.is_some_and(|previous| previous.matches(&given)) && in_grace;
    let is_open = hook.service_id == token.service && !hook.rules.is_expired(now);
    let generation = if is_current { hook.generation } else { hook.generation - 1 };
    Ok((is_open && (is_current || is_previous)).then_some(Verified { hook, service, generation }))
}

impl Verified {
    /// When the secret ends, where no change of the hook is needed for it.
    pub fn good_until(&self) -> Option<Timestamp> {
        let grace = self.hook.previous_until.filter(|_| self.generation < self.hook.generation);
        [grace, self.hook.rules.expires_at].into_iter().flatten().min()
    }
}

/// Whether a hook is neither revoked, expired nor paused.
pub fn is_live(reader: &Reader<'_>, id: &HookId, now: Timestamp) -> Result<bool, Error> {
    const SQL: &str = "
        SELECT EXISTS (SELECT 1
                         FROM hooks
                        WHERE id = :id
                          AND revoked_at_ms IS NULL
                          AND paused IS NULL
                          AND (expires_at_ms IS NULL OR expires_at_ms > :now))";
    let params = named_params! { ":id": id.as_str(), ":now": now.as_millis() };
    Ok(reader.conn().prepare_cached(SQL)?.query_row(params, |row| row.get(0))?)
}

/// The live and the revoked hooks of a service, oldest first, those after `after`.
pub fn list_for_service(
    reader: &Reader<'_>,
    service: &ServiceId,
    after: Option<&HookId>,
    limit: u32,
) -> Result<Vec<Hook>, Error> {
    let sql = format!(
        "SELECT {COLUMNS}
           FROM hooks AS h
          WHERE service_id = :service_id
            AND (:after IS NULL OR sequence > (SELECT sequence FROM hooks WHERE id = :after))
          ORDER BY sequence
          LIMIT :limit"
    );
    let mut statement = reader.conn().prepare_cached(&sql)?;
    let params = named_params! { ":service_id": service.as_str(), ":after": after.map(HookId::as_str), ":limit": limit };
    let rows = statement.query_map(params, from_row)?;
    Ok(rows.collect::<Result<_, _>>()?)
}

/// The hook of that id, or else the live hook of that name.
pub fn find_in_service(reader: &Reader<'_>, service: &ServiceId, hook: &str) -> Result<Option<Hook>, Error> {
    let sql = format!(
        "SELECT {COLUMNS}
           FROM hooks AS h
          WHERE service_id = :service_id
            AND (id = :hook OR (name = :hook AND revoked_at_ms IS NULL))
          ORDER BY id <> :hook
          LIMIT 1"
    );
    let params = named_params! { ":service_id": service.as_str(), ":hook": hook };
    Ok(reader.conn().prepare_cached(&sql)?.query_row(params, from_row).optional()?)
}

/// Stores a new hook with the hash of its secret; false where a live hook of the service has that name.
pub fn insert(tx: &Tx<'_>, hook: &Hook, secret: &TokenHash) -> Result<bool, Error> {
    const SQL: &str = "
        INSERT INTO hooks (id, service_id, name, hash, generation, branches, addresses, sources, expires_at_ms, paused,
                           created_at_ms, who_way, who_name)
        VALUES (:id, :service_id, :name, :hash, :generation, :branches, :addresses, :sources, :expires_at_ms, :paused,
                :created_at_ms, :who_way, :who_name)";
    tx.touch_hooks();
    if find_in_service(tx, &hook.service_id, hook.name.as_str())?.is_some() {
        return Ok(false);
    }
    tx.conn().prepare_cached(SQL)?.execute(named_params! {
        ":id": hook.id.as_str(),
        ":service_id": hook.service_id.as_str(),
        ":name": hook.name.as_str(),
        ":hash": secret.as_bytes(),
        ":generation": hook.generation,
        ":branches": json_list(hook.rules.branches.iter().map(BranchPattern::as_str)),
        ":addresses": json_list(hook.rules.addresses.iter().map(ToString::to_string)),
        ":sources": json_list(hook.rules.sources.iter().map(|source| source.as_str())),
        ":expires_at_ms": hook.rules.expires_at.map(Timestamp::as_millis),
        ":paused": hook.rules.paused,
        ":created_at_ms": hook.created_at.as_millis(),
        ":who_way": hook.created_by.way(),
        ":who_name": hook.created_by.name(),
    })?;
    Ok(true)
}

/// Stores a hook's name and rules; false where another live hook of the service has that name.
pub fn update(tx: &Tx<'_>, hook: &Hook) -> Result<bool, Error> {
    const SQL: &str = "
        UPDATE hooks
           SET name = :name, branches = :branches, addresses = :addresses, sources = :sources, expires_at_ms = :expires_at_ms,
               paused = :paused
         WHERE id = :id";
    tx.touch_hooks();
    let namesake = find_in_service(tx, &hook.service_id, hook.name.as_str())?;
    if namesake.is_some_and(|other| other.id != hook.id) {
        return Ok(false);
    }
    tx.conn().prepare_cached(SQL)?.execute(named_params! {
        ":id": hook.id.as_str(),
        ":name": hook.name.as_str(),
        ":branches": json_list(hook.rules.branches.iter().map(BranchPattern::as_str)),
        ":addresses": json_list(hook.rules.addresses.iter().map(ToString::to_string)),
        ":sources": json_list(hook.rules.sources.iter().map(|source| source.as_str())),
        ":expires_at_ms": hook.rules.expires_at.map(Timestamp::as_millis),
        ":paused": hook.rules.paused,
    })?;
    Ok(true)
}

/// Gives a hook a new secret; the one before is good until `grace_until`.
pub fn rotate(
    tx: &Tx<'_>,
    id: &HookId,
    secret: &TokenHash,
    grace_until: Timestamp,
    now: Timestamp,
) -> Result<(), Error> {
    const SQL: &str = "
        UPDATE hooks
           SET previous_hash = hash, previous_until_ms = :until, rotated_at_ms = :now, hash = :hash, old_used_at_ms = NULL,
               generation = generation + 1
         WHERE id = :id";
    tx.touch_hooks();
    tx.conn().prepare_cached(SQL)?.execute(named_params! {
        ":id": id.as_str(),
        ":hash": secret.as_bytes(),
        ":until": grace_until.as_millis(),
        ":now": now.as_millis(),
    })?;
    Ok(())
}

/// Ends the time in which the secret before a rotation is good.
pub fn end_grace(tx: &Tx<'_>, id: &HookId, now: Timestamp) -> Result<(), Error> {
    const SQL: &str = "
        UPDATE hooks
           SET previous_until_ms = :now
         WHERE id = :id
           AND previous_until_ms > :now";
    tx.touch_hooks();
    tx.conn().prepare_cached(SQL)?.execute(named_params! { ":id": id.as_str(), ":now": now.as_millis() })?;
    Ok(())
}

/// Revokes a hook; no call that comes later is accepted. The row stays as a tombstone.
pub fn revoke(tx: &Tx<'_>, id: &HookId, now: Timestamp) -> Result<(), Error> {
    const SQL: &str = "UPDATE hooks SET revoked_at_ms = :now WHERE id = :id AND revoked_at_ms IS NULL";
    tx.touch_hooks();
    tx.conn().prepare_cached(SQL)?.execute(named_params! { ":id": id.as_str(), ":now": now.as_millis() })?;
    Ok(())
}

/// Revokes all hooks of a service that is being deleted.
pub(super) fn revoke_all_of_service(tx: &Tx<'_>, service: &ServiceId, now: Timestamp) -> Result<(), Error> {
    const SQL: &str =
        "UPDATE hooks SET revoked_at_ms = :now WHERE service_id = :service_id AND revoked_at_ms IS NULL";
    tx.touch_hooks();
    let params = named_params! { ":service_id": service.as_str(), ":now": now.as_millis() };
    tx.conn().prepare_cached(SQL)?.execute(params)?;
    Ok(())
}

/// Whether any hook or API token is not revoked, so that the key which made it is needed.
pub fn need_key(reader: &Reader<'_>) -> Result<bool, Error> {
    const SQL: &str = "SELECT EXISTS (SELECT 1 FROM hooks WHERE revoked_at_ms IS NULL) \
                           OR EXISTS (SELECT 1 FROM tokens WHERE revoked_at_ms IS NULL)";
    Ok(reader.conn().prepare_cached(SQL)?.query_row([], |row| row.get(0))?)
}

#[cfg(test)]
mod tests;
