//! The table of checks: what the dispatcher found when it last looked at what a service needs.

use std::time::Duration;

use rusqlite::named_params;

use crate::db::sql_types::{text, time};
use crate::db::{Error, Reader, Tx, services};
use crate::domain::{Checks, Finding, Service, ServiceId, Timestamp, Verdict};

const TABLE: &str = "checks";

/// Asks for a look, which comes before all that are due by time.
pub fn ask(tx: &Tx<'_>, service: &ServiceId, now: Timestamp) -> Result<(), Error> {
    const SQL: &str = "UPDATE services SET look_asked_at_ms = :now WHERE id = :id";
    tx.conn()
        .prepare_cached(SQL)?
        .execute(named_params! { ":now": now.as_millis(), ":id": service.as_str() })?;
    Ok(())
}

/// Whether a look is still to come: one was asked for since the last, or there was none.
pub fn is_looking(reader: &Reader<'_>, service: &ServiceId) -> Result<bool, Error> {
    const SQL: &str = "
        SELECT ifnull(look_asked_at_ms, 0) > (SELECT ifnull(min(checked_at_ms), -1)
                                                FROM checks
                                               WHERE service_id = services.id)
          FROM services
         WHERE id = :id";
    let params = named_params! { ":id": service.as_str() };
    Ok(reader.conn().prepare_cached(SQL)?.query_row(params, |row| row.get(0))?)
}

/// What was found last; none where nobody has looked since the service was changed.
pub fn find(reader: &Reader<'_>, service: &ServiceId) -> Result<Option<Checks>, Error> {
    const SQL: &str = "
        SELECT verdict, detail, fix, checked_at_ms
          FROM checks
         WHERE service_id = :service_id
         ORDER BY place";
    let mut statement = reader.conn().prepare_cached(SQL)?;
    let rows = statement.query_map(named_params! { ":service_id": service.as_str() }, |row| {
        let finding = Finding {
            verdict: text(row, TABLE, "verdict", Verdict::parse)?,
            detail: row.get("detail")?,
            fix: row.get("fix")?,
        };
        Ok((time(row, "checked_at_ms")?, finding))
    })?;
    let rows: Vec<_> = rows.collect::<Result<_, _>>()?;
    let Some(&(at, _)) = rows.first() else { return Ok(None) };
    Ok(Some(Checks { at, findings: rows.into_iter().map(|(_, finding)| finding).collect() }))
}

/// Stores what was found by a look that began then, unless the service was changed or deleted while somebody looked.
pub fn store(tx: &Tx<'_>, looked_at: &Service, findings: &[Finding], began: Timestamp) -> Result<(), Error> {
    const SQL: &str = "
        INSERT INTO checks (service_id, place, verdict, detail, fix, checked_at_ms)
        VALUES (:service_id, :place, :verdict, :detail, :fix, :now)";
    let settings = |service: &Service| {
        (service.repository.clone(), service.default_branch.clone(), service.tekton.clone())
    };
    if services::find(tx, &looked_at.id)?.is_none_or(|now| settings(&now) != settings(looked_at)) {
        return Ok(());
    }
    services::forget_checks(tx, &looked_at.id)?;
    let mut statement = tx.conn().prepare_cached(SQL)?;
    for (place, finding) in (0_i64..).zip(findings) {
        statement.execute(named_params! {
            ":service_id": looked_at.id.as_str(),
            ":place": place,
            ":verdict": finding.verdict.as_str(),
            ":detail": finding.detail,
            ":fix": finding.fix,
            ":now": began.as_millis(),
        })?;
    }
    Ok(())
}

/// How long what was found counts.
#[derive(Debug, Clone, Copy)]
pub struct Ages {
    /// Where nothing is wrong.
    pub good: Duration,
    /// Where something is.
    pub bad: Duration,
}

/// At most 20 services that have to be looked at, first those for which somebody has asked.
pub fn due(reader: &Reader<'_>, ages: Ages, now: Timestamp) -> Result<Vec<Service>, Error> {
    const SQL: &str = "
        SELECT id
          FROM services
         WHERE deleted_at_ms IS NULL
           AND NOT EXISTS (SELECT 1
                             FROM checks
                            WHERE service_id = services.id
                            GROUP BY service_id
                           HAVING min(checked_at_ms) > iif(max(verdict = 'bad'), :bad, :good)
                              AND min(checked_at_ms) >= ifnull(look_asked_at_ms, 0))
         ORDER BY look_asked_at_ms DESC
         LIMIT 20";
    let mut statement = reader.conn().prepare_cached(SQL)?;
    let params = named_params! {
        ":good": now.minus(ages.good).as_millis(),
        ":bad": now.minus(ages.bad).as_millis(),
    };
    let rows = statement.query_map(params, |row| text(row, "services", "id", ServiceId::parse))?;
    let ids: Vec<ServiceId> = rows.collect::<Result<_, _>>()?;
    ids.iter().filter_map(|id| services::find(reader, id).transpose()).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::db::testing::{Bench, T0};
    use crate::domain::Branch;

    const LATER: Timestamp = Timestamp::from_millis(1_700_000_060_000);

    #[test]
    fn a_look_replaces_the_one_before() {
        let bench = Bench::core();
        let service = bench.service("api");

        store(&bench.tx(), &service, &[Finding::good("one"), Finding::bad("two", Some("mend it"))], T0)
            .unwrap();
        store(&bench.tx(), &service, &[Finding::advice("three", None)], LATER).unwrap();

        let found = find(&bench.tx(), &service.id).unwrap().unwrap();
        assert_eq!((found.at, found.findings), (LATER, vec![Finding::advice("three", None)]));
    }

    #[test]
    fn a_service_is_due_until_it_was_looked_at_and_again_once_it_was_changed() {
        const AGES: Ages = Ages { good: Duration::from_mins(1), bad: Duration::from_secs(5) };
        let bench = Bench::core();
        let service = bench.service("api");
        let due = |after| due(&bench.tx(), AGES, T0.plus(Duration::from_secs(after))).unwrap().len();

        assert_eq!(due(0), 1);
        store(&bench.tx(), &service, &[Finding::good("one")], T0).unwrap();
        assert_eq!([0, 59, 60].map(due), [0, 0, 1]);
        store(&bench.tx(), &service, &[Finding::good("one"), Finding::bad("two", None)], T0).unwrap();
        assert_eq!([0, 4, 5].map(due), [0, 0, 1]);
        services::update(&bench.tx(), &service).unwrap();

        assert_eq!(due(0), 1);
    }

    #[test]
    fn a_look_that_somebody_asks_for_comes_first_and_is_made_once() {
        const AGES: Ages = Ages { good: Duration::from_mins(1), bad: Duration::from_secs(5) };
        let bench = Bench::core();
        let (one, two) = (bench.service("one"), bench.service("two"));
        store(&bench.tx(), &two, &[Finding::good("before")], T0).unwrap();
        let due = || due(&bench.tx(), AGES, LATER.minus(Duration::from_secs(30))).unwrap();
        assert_eq!(due().iter().map(|own| own.name.as_str()).collect::<Vec<_>>(), ["one"]);

        ask(&bench.tx(), &two.id, T0.plus(Duration::from_secs(1))).unwrap();

        assert_eq!(due().iter().map(|own| own.name.as_str()).collect::<Vec<_>>(), ["two", "one"]);
        assert!(is_looking(&bench.tx(), &two.id).unwrap());
        assert_eq!(find(&bench.tx(), &two.id).unwrap().unwrap().findings, [Finding::good("before")]);
        store(&bench.tx(), &two, &[Finding::good("after")], T0.plus(Duration::from_secs(2))).unwrap();
        assert!(!is_looking(&bench.tx(), &two.id).unwrap() && is_looking(&bench.tx(), &one.id).unwrap());
        assert_eq!(due().len(), 1);
    }

    #[test]
    fn what_was_found_about_other_settings_is_not_stored() {
        let bench = Bench::core();
        let before = bench.service("api");
        let after = Service { default_branch: Branch::parse("trunk").unwrap(), ..before.clone() };
        services::update(&bench.tx(), &after).unwrap();

        store(&bench.tx(), &before, &[Finding::good("one")], T0).unwrap();

        assert!(find(&bench.tx(), &before.id).unwrap().is_none());
    }
}
