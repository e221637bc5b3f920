//! What operators, tokens and DELETE on a hook URL did; written in the transaction of the act.

use rusqlite::{Row, named_params};

use super::sql_types::{optional_text, text, time, who};
use super::{Error, Reader, Tx};
use crate::domain::{Act, ActKind, DeploymentId, Subject, Timestamp, Who};

const TABLE: &str = "audit";

/// Who acts, and from where.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Actor {
    /// Who, and by which way.
    pub who: Who,
    /// The address, or `socket`.
    pub address: String,
}

/// What was done.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Record {
    pub act: Act,
    pub subject: Subject,
    pub began: Option<DeploymentId>,
    /// What changed, as `old → new`; never a secret.
    pub detail: String,
}

impl Record {
    /// An act that its words tell all of.
    pub fn new(act: Act, subject: Subject) -> Self {
        Self { act, subject, began: None, detail: String::new() }
    }

    /// The same with what changed.
    #[must_use]
    pub fn with(self, detail: impl Into<String>) -> Self {
        Self { detail: detail.into(), ..self }
    }
}

/// One act as it is kept.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Entry {
    /// Place in the order; the cursor of the list.
    pub sequence: i64,
    /// When.
    pub at: Timestamp,
    /// Who, and from where.
    pub actor: Actor,
    pub record: Record,
}

/// Writes one act down.
pub fn record(tx: &Tx<'_>, actor: &Actor, record: &Record, now: Timestamp) -> Result<(), Error> {
    const SQL: &str = "
        INSERT INTO audit (at_ms, who_way, who_name, address, act, noun, service, name, began_id, detail)
        VALUES (:at_ms, :who_way, :who_name, :address, :act, :noun, :service, :name, :began_id, :detail)";
    tx.conn().prepare_cached(SQL)?.execute(named_params! {
        ":at_ms": now.as_millis(),
        ":who_way": actor.who.way(),
        ":who_name": actor.who.name(),
        ":address": actor.address,
        ":act": record.act.as_str(),
        ":noun": record.subject.noun(),
        ":service": record.subject.service(),
        ":name": record.subject.name(),
        ":began_id": record.began.as_ref().map(DeploymentId::as_str),
        ":detail": record.detail,
    })?;
    Ok(())
}

fn from_row(row: &Row<'_>) -> rusqlite::Result<Entry> {
    let (service, name) = (row.get("service")?, row.get("name")?);
    Ok(Entry {
        sequence: row.get("sequence")?,
        at: time(row, "at_ms")?,
        actor: Actor { who: who(row, TABLE)?, address: row.get("address")? },
        record: Record {
            act: text(row, TABLE, "act", Act::parse)?,
            subject: text(row, TABLE, "noun", |noun| Subject::from_parts(noun, service, name))?,
            began: optional_text(row, TABLE, "began_id", DeploymentId::parse)?,
            detail: row.get("detail")?,
        },
    })
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
pub fn list(
    reader: &Reader<'_>,
    kind: Option<ActKind>,
    cursor: Option<Cursor>,
    limit: u32,
) -> Result<Vec<Entry>, Error> {
    let (side, order, from) = match cursor {
        None => ("<", "DESC", i64::MAX),
        Some(Cursor::Before(sequence)) => ("<", "DESC", sequence),
        Some(Cursor::After(sequence)) => (">", "ASC", sequence),
    };
    // Acts of a kind are found through the index of each act.
    let acts = Act::ALL.into_iter().filter(|act| kind == Some(act.kind()));
    let mut arms: Vec<_> = acts
        .map(|act| {
            format!("SELECT sequence FROM audit WHERE act = '{}' AND sequence {side} :from", act.as_str())
        })
        .collect();
    if kind.is_none() {
        arms.push(format!("SELECT sequence FROM audit WHERE sequence {side} :from"));
    }
    let sql = format!(
        "SELECT sequence, at_ms, who_way, who_name, address, act, noun, service, name, began_id, detail
           FROM audit
          WHERE sequence IN ({} ORDER BY sequence {order} LIMIT :limit)
          ORDER BY sequence DESC",
        arms.join(" UNION ALL ")
    );
    let mut statement = reader.conn().prepare_cached(&sql)?;
    let rows = statement.query_map(named_params! { ":from": from, ":limit": limit }, from_row)?;
    Ok(rows.collect::<Result<_, _>>()?)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::db::testing::{Bench, T0};

    fn mira() -> Actor {
        Actor { who: Who::Operator("mira".to_owned()), address: "socket".to_owned() }
    }

    #[test]
    fn acts_are_listed_newest_first_page_by_page() {
        let bench = Bench::core();
        let actor = mira();
        for name in ["one", "two", "three"] {
            let act = Record::new(Act::ServiceCreate, Subject::Service(name.to_owned())).with("a → b");
            record(&bench.tx(), &actor, &act, T0).unwrap();
        }
        let names = |page: &[Entry]| {
            page.iter().map(|entry| entry.record.subject.service().unwrap().to_owned()).collect::<Vec<_>>()
        };

        let first = list(&bench.tx(), None, None, 2).unwrap();
        let second = list(&bench.tx(), None, Some(Cursor::Before(first[1].sequence)), 2).unwrap();

        assert_eq!((names(&first), names(&second)), (vec!["three".into(), "two".into()], vec!["one".into()]));
        let newest = &first[0];
        assert_eq!((&newest.actor, newest.record.detail.as_str(), newest.at), (&actor, "a → b", T0));
    }

    #[test]
    fn a_page_goes_both_ways_and_keeps_to_its_kind() {
        let bench = Bench::core();
        for act in [
            Act::HookCreate,
            Act::ServiceDeploy,
            Act::DeploymentCancel,
            Act::ServiceUpdate,
            Act::SessionCreate,
        ] {
            let act = Record::new(act, Subject::Service("x".to_owned()));
            record(&bench.tx(), &mira(), &act, T0).unwrap();
        }
        let numbers = |kind, cursor, limit| {
            let page = list(&bench.tx(), kind, cursor, limit).unwrap();
            page.iter().map(|entry| entry.sequence).collect::<Vec<_>>()
        };

        assert_eq!(numbers(None, None, 2), [5, 4]);
        assert_eq!(numbers(None, Some(Cursor::Before(4)), 2), [3, 2]);
        assert_eq!(numbers(None, Some(Cursor::After(1)), 2), [3, 2]);
        assert_eq!(numbers(Some(ActKind::Deployments), None, 9), [3, 2]);
        assert_eq!(numbers(Some(ActKind::Services), None, 9), [4]);
        assert_eq!(numbers(Some(ActKind::Hooks), None, 9), [1]);
        assert_eq!(numbers(Some(ActKind::SignIns), None, 9), [5]);
        assert!(numbers(Some(ActKind::Tokens), None, 9).is_empty());
    }
}
