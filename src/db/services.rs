//! The table of services.

use rusqlite::{OptionalExtension, Row, named_params};
use serde::Serialize;

use crate::db::sql_types::{Fields, list as json_list, read_list, text};
use crate::db::{Error, Reader, Tx};
use crate::domain::{
    Branch, CalledService, ExecutorKind, ImageRepository, QueuePolicy, Repository, Service, ServiceId,
    ServiceName, Span, Timestamp,
};

const COLUMNS: &str = "id, name, repository, default_branch, executor, queue_policy, timeout_s, settle_s, url, fetch, local, tekton, \
    allowed_images, frozen, created_at_ms";
const TABLE: &str = "services";

fn from_row(row: &Row<'_>) -> rusqlite::Result<Service> {
    let mut fields = Fields::new(row, TABLE);
    Ok(Service {
        id: fields.text(ServiceId::parse)?,
        name: fields.text(|text| ServiceName::parse(text).ok())?,
        repository: fields.optional_text(|text| Repository::parse(text).ok())?,
        default_branch: fields.text(|text| Branch::parse(text).ok())?,
        executor: fields.text(ExecutorKind::parse)?,
        queue_policy: fields.text(QueuePolicy::parse)?,
        timeout: Span::from_secs(u64::try_from(fields.next::<i64>()?).unwrap_or(0)),
        settle: Span::from_secs(u64::try_from(fields.next::<i64>()?).unwrap_or(0)),
        url: fields.next()?,
        fetch: fields.text(|json| serde_json::from_str(json).ok())?,
        local: fields.text(|json| serde_json::from_str(json).ok())?,
        tekton: fields.optional_text(|json| serde_json::from_str(json).ok())?,
        allowed_images: fields.text(|json| read_list(json, |text| ImageRepository::parse("", text).ok()))?,
        frozen: fields.next()?,
        created_at: fields.time()?,
    })
}

/// Reads name, whether it has no repository, default branch, executor, queue policy and freeze, in this order, of the service of that id.
pub(super) fn read_called(fields: &mut Fields<'_>, id: ServiceId) -> rusqlite::Result<CalledService> {
    Ok(CalledService {
        id,
        name: fields.text(|text| ServiceName::parse(text).ok())?,
        is_image_only: fields.next()?,
        default_branch: fields.text(|text| Branch::parse(text).ok())?,
        executor: fields.text(ExecutorKind::parse)?,
        queue_policy: fields.text(QueuePolicy::parse)?,
        frozen: fields.next()?,
    })
}

/// What an executor needs, as it is stored.
fn json<T: Serialize>(settings: &T) -> Result<String, Error> {
    serde_json::to_string(settings)
        .map_err(|error| rusqlite::Error::ToSqlConversionFailure(error.into()).into())
}

/// A page of services by name, those after `after`.
pub fn list(reader: &Reader<'_>, after: Option<&str>, limit: u32) -> Result<Vec<Service>, Error> {
    let sql = format!(
        "SELECT {COLUMNS}
           FROM services
          WHERE deleted_at_ms IS NULL
            AND (:after IS NULL OR name > :after)
          ORDER BY name
          LIMIT :limit"
    );
    let mut statement = reader.conn().prepare_cached(&sql)?;
    let rows = statement.query_map(named_params! { ":after": after, ":limit": limit }, from_row)?;
    Ok(rows.collect::<Result<_, _>>()?)
}

/// The service of that name, unless deleted.
pub fn find_by_name(reader: &Reader<'_>, name: &str) -> Result<Option<Service>, Error> {
    let sql = format!("SELECT {COLUMNS} FROM services WHERE name = :name AND deleted_at_ms IS NULL");
    let found = reader.conn().prepare_cached(&sql)?.query_row(named_params! { ":name": name }, from_row);
    Ok(found.optional()?)
}

/// The service of that id, unless deleted.
pub fn find(reader: &Reader<'_>, id: &ServiceId) -> Result<Option<Service>, Error> {
    let sql = format!("SELECT {COLUMNS} FROM services WHERE id = :id AND deleted_at_ms IS NULL");
    let found = reader.conn().prepare_cached(&sql)?.query_row(named_params! { ":id": id.as_str() }, from_row);
    Ok(found.optional()?)
}

/// The same, also where it was deleted: how what ran of it ends is told all the same.
pub fn find_deleted_too(reader: &Reader<'_>, id: &ServiceId) -> Result<Option<Service>, Error> {
    let sql = format!("SELECT {COLUMNS} FROM services WHERE id = :id");
    let found = reader.conn().prepare_cached(&sql)?.query_row(named_params! { ":id": id.as_str() }, from_row);
    Ok(found.optional()?)
}

/// Stores a new service; false where the name is taken.
pub fn insert(tx: &Tx<'_>, service: &Service) -> Result<bool, Error> {
    const SQL: &str = "
        INSERT INTO services (id, name, repository, default_branch, executor, queue_policy, timeout_s, local,
                              created_at_ms)
        VALUES (:id, :name, NULL, '', :executor, 'coalesce', 1, '{}', :created_at_ms)";
    if find_by_name(tx, service.name.as_str())?.is_some() {
        return Ok(false);
    }
    tx.conn().prepare_cached(SQL)?.execute(named_params! {
        ":id": service.id.as_str(),
        ":name": service.name.as_str(),
        ":executor": service.executor.as_str(),
        ":created_at_ms": service.created_at.as_millis(),
    })?;
    update(tx, service)?;
    Ok(true)
}

/// Stores a service's settings; id, name, freeze and age stay. What was found out about it counts no more.
pub fn update(tx: &Tx<'_>, service: &Service) -> Result<(), Error> {
    const SQL: &str = "
        UPDATE services
           SET repository = :repository, default_branch = :default_branch, executor = :executor,
               queue_policy = :queue_policy, timeout_s = :timeout_s, settle_s = :settle_s, url = :url, fetch = :fetch, local = :local,
               tekton = :tekton, allowed_images = :allowed_images
         WHERE id = :id";
    tx.conn().prepare_cached(SQL)?.execute(named_params! {
        ":id": service.id.as_str(),
        ":repository": service.repository.as_ref().map(Repository::as_str),
        ":default_branch": service.default_branch.as_str(),
        ":executor": service.executor.as_str(),
        ":queue_policy": service.queue_policy.as_str(),
        ":timeout_s": seconds(service.timeout),
        ":settle_s": seconds(service.settle),
        ":url": service.url,
        ":fetch": json(&service.fetch)?,
        ":local": json(&service.local)?,
        ":tekton": service.tekton.as_ref().map(json).transpose()?,
        ":allowed_images": json_list(service.allowed_images.iter().map(ImageRepository::as_str)),
    })?;
    forget_checks(tx, &service.id)
}

/// Forgets what was found out about a service; somebody will look again.
pub(super) fn forget_checks(tx: &Tx<'_>, id: &ServiceId) -> Result<(), Error> {
    const SQL: &str = "DELETE FROM checks WHERE service_id = :id";
    tx.conn().prepare_cached(SQL)?.execute(named_params! { ":id": id.as_str() })?;
    Ok(())
}

/// Refuses hooks, deploy and redeploy from now on, or no longer.
pub fn set_frozen(tx: &Tx<'_>, id: &ServiceId, reason: Option<&str>) -> Result<(), Error> {
    const SQL: &str = "UPDATE services SET frozen = :reason WHERE id = :id";
    tx.conn().prepare_cached(SQL)?.execute(named_params! { ":id": id.as_str(), ":reason": reason })?;
    Ok(())
}

/// Marks a service as deleted and forgets the values of its variables. The row stays for the deployments that name it.
pub(super) fn mark_deleted(tx: &Tx<'_>, id: &ServiceId, now: Timestamp) -> Result<(), Error> {
    const SQL: &str = "
        UPDATE services
           SET deleted_at_ms = :now, local = json_remove(local, '$.env')
         WHERE id = :id";
    tx.conn().prepare_cached(SQL)?.execute(named_params! { ":id": id.as_str(), ":now": now.as_millis() })?;
    Ok(())
}

/// Ids of deleted services, whose files outside the database may go.
pub fn deleted(reader: &Reader<'_>) -> Result<Vec<ServiceId>, Error> {
    const SQL: &str = "SELECT id FROM services WHERE deleted_at_ms IS NOT NULL";
    let mut statement = reader.conn().prepare_cached(SQL)?;
    let rows = statement.query_map([], |row| text(row, TABLE, "id", ServiceId::parse))?;
    Ok(rows.collect::<Result<_, _>>()?)
}

fn seconds(span: Span) -> i64 {
    i64::try_from(span.as_secs()).unwrap_or(i64::MAX)
}
