//! What operators, tokens and DELETE on a hook URL did; written in the transaction of the act.

use rusqlite::named_params;

use super::sql_types::time;
use super::{Error, Reader, Tx};
use crate::domain::Timestamp;

/// Who acts: a name such as `operator mira`, `token ci` or `hook github-actions`, and from where.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Actor {
    /// Who.
    pub name: String,
    /// The address, or `socket`.
    pub address: String,
}

/// One act.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Entry {
    /// Place in the order; the cursor of the list.
    pub sequence: i64,
    /// When.
    pub at: Timestamp,
    /// Who, and from where.
    pub actor: Actor,
    /// What, as `noun.verb`.
    pub action: String,
    /// To what, as `service api` or `hook api/ci`.
    pub subject: String,
    /// What changed, as `old → new`; never a secret.
    pub detail: String,
}

/// Writes one act down.
pub fn record(
    tx: &Tx<'_>,
    actor: &Actor,
    action: &str,
    subject: &str,
    detail: &str,
    now: Timestamp,
) -> Result<(), Error> {
    const SQL: &str = "
        INSERT INTO audit (at_ms, actor, address, action, subject, detail)
        VALUES (:at_ms, :actor, :address, :action, :subject, :detail)";
    tx.conn().prepare_cached(SQL)?.execute(named_params! {
        ":at_ms": now.as_millis(),
        ":actor": actor.name,
        ":address": actor.address,
        ":action": action,
        ":subject": subject,
        ":detail": detail,
    })?;
    Ok(())
}

/// A page of acts, newest first, those before the entry `before`.
pub fn list(reader: &Reader<'_>, before: Option<i64>, limit: u32) -> Result<Vec<Entry>, Error> {
    const SQL: &str = "
        SELECT sequence, at_ms, actor, address, action, subject, detail
          FROM audit
         WHERE (:before IS NULL OR sequence < :before)
         ORDER BY sequence DESC
         LIMIT :limit";
    let mut statement = reader.conn().prepare_cached(SQL)?;
    let rows = statement.query_map(named_params! { ":before": before, ":limit": limit }, |row| {
        Ok(Entry {
            sequence: row.get("sequence")?,
            at: time(row, "at_ms")?,
            actor: Actor { name: row.get("actor")?, address: row.get("address")? },
            action: row.get("action")?,
            subject: row.get("subject")?,
            detail: row.get("detail")?,
        })
    })?;
    Ok(rows.collect::<Result<_, _>>()?)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::db::testing::{Bench, T0};

    #[test]
    fn acts_are_listed_newest_first_page_by_page() {
        let bench = Bench::core();
        let actor = Actor { name: "operator mira".to_owned(), address: "socket".to_owned() };
        for subject in ["one", "two", "three"] {
            record(&bench.tx(), &actor, "service.create", subject, "a → b", T0).unwrap();
        }
        let subjects = |page: &[Entry]| page.iter().map(|entry| entry.subject.clone()).collect::<Vec<_>>();

        let first = list(&bench.tx(), None, 2).unwrap();
        let second = list(&bench.tx(), Some(first[1].sequence), 2).unwrap();

        assert_eq!(
            (subjects(&first), subjects(&second)),
            (vec!["three".into(), "two".into()], vec!["one".into()])
        );
        assert_eq!((&first[0].actor, first[0].detail.as_str(), first[0].at), (&actor, "a → b", T0));
    }
}
