//! What operators, tokens and DELETE on a hook URL did; written in the transaction of the act.

use rusqlite::{Row, named_params};

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
    let rows = statement.query_map(named_params! { ":before": before, ":limit": limit }, from_row)?;
    Ok(rows.collect::<Result<_, _>>()?)
}

fn from_row(row: &Row<'_>) -> rusqlite::Result<Entry> {
    Ok(Entry {
        sequence: row.get("sequence")?,
        at: time(row, "at_ms")?,
        actor: Actor { name: row.get("actor")?, address: row.get("address")? },
        action: row.get("action")?,
        subject: row.get("subject")?,
        detail: row.get("detail")?,
    })
}

/// Which acts a page shows.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// Started, started again, rolled back, cancelled.
    Deployments,
    /// Made, changed, rotated, revoked.
    Hooks,
    /// Made, changed, frozen, deleted.
    Services,
    /// Sessions, operators, passwords and links.
    SignIns,
    /// API tokens.
    Tokens,
}

impl Kind {
    /// All of them, in the order of the page.
    pub const ALL: [Self; 5] = [Self::Deployments, Self::Hooks, Self::Services, Self::SignIns, Self::Tokens];

    /// The word in an address.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Deployments => "deployments",
            Self::Hooks => "hooks",
            Self::Services => "services",
            Self::SignIns => "sign-ins",
            Self::Tokens => "tokens",
        }
    }
}

/// Where a page begins: a keyset cursor, in either direction.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Cursor {
    /// Below this entry.
    Before(i64),
    /// Above this entry.
    After(i64),
}

/// A page of acts of one kind, newest first; of those after a cursor the nearest.
pub fn page(
    reader: &Reader<'_>,
    kind: Option<Kind>,
    cursor: Option<Cursor>,
    limit: u32,
) -> Result<Vec<Entry>, Error> {
    const SQL: &str = "
        SELECT sequence, at_ms, actor, address, action, subject, detail
          FROM audit
         WHERE (:before IS NULL OR sequence < :before)
           AND (:after IS NULL OR sequence > :after)
           AND (:kind IS NULL OR :kind = CASE
                   WHEN action LIKE 'deployment.%' OR action = 'service.deploy' THEN 'deployments'
                   WHEN action LIKE 'hook.%' THEN 'hooks'
                   WHEN action LIKE 'service.%' THEN 'services'
                   WHEN action LIKE 'session.%' OR action LIKE 'operator.%' THEN 'sign-ins'
                   WHEN action LIKE 'token.%' THEN 'tokens'
               END)
         ORDER BY CASE WHEN :after IS NULL THEN -sequence ELSE sequence END
         LIMIT :limit";
    let (before, after) = match cursor {
        None => (None, None),
        Some(Cursor::Before(sequence)) => (Some(sequence), None),
        Some(Cursor::After(sequence)) => (None, Some(sequence)),
    };
    let mut statement = reader.conn().prepare_cached(SQL)?;
    let params = named_params! {
        ":before": before,
        ":after": after,
        ":kind": kind.map(Kind::as_str),
        ":limit": limit,
    };
    let rows = statement.query_map(params, from_row)?;
    let mut entries: Vec<Entry> = rows.collect::<Result<_, _>>()?;
    if after.is_some() {
        entries.reverse();
    }
    Ok(entries)
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
    #[test]
    fn a_page_goes_both_ways_and_keeps_to_its_kind() {
        let bench = Bench::core();
        let actor = Actor { name: "operator mira".to_owned(), address: "socket".to_owned() };
        for action in
            ["hook.create", "service.deploy", "deployment.cancel", "service.update", "session.create"]
        {
            record(&bench.tx(), &actor, action, "x", "", T0).unwrap();
        }
        let numbers = |kind, cursor, limit| {
            let page = page(&bench.tx(), kind, cursor, limit).unwrap();
            page.iter().map(|entry| entry.sequence).collect::<Vec<_>>()
        };

        assert_eq!(numbers(None, None, 2), [5, 4]);
        assert_eq!(numbers(None, Some(Cursor::Before(4)), 2), [3, 2]);
        assert_eq!(numbers(None, Some(Cursor::After(1)), 2), [3, 2]);
        assert_eq!(numbers(Some(Kind::Deployments), None, 9), [3, 2]);
        assert_eq!(numbers(Some(Kind::Services), None, 9), [4]);
        assert_eq!(numbers(Some(Kind::Hooks), None, 9), [1]);
        assert_eq!(numbers(Some(Kind::SignIns), None, 9), [5]);
        assert!(numbers(Some(Kind::Tokens), None, 9).is_empty());
    }
}
