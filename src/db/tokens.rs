//! The table of API tokens. Hashes do not leave this file.

use rusqlite::{OptionalExtension, Row, named_params};

use super::sql_types::{hash, optional_text, optional_time, text, time, who};
use super::{Error, Reader, Tx};
use crate::domain::{ApiToken, Scope, ServiceId, Timestamp, TokenHash, Who};

const SELECT: &str = "
    SELECT t.id, t.name, t.hash, t.scope, t.service_id, s.name AS service, t.created_at_ms, t.who_way, t.who_name,
           t.last_used_at_ms, t.expires_at_ms, t.revoked_at_ms
      FROM tokens AS t
 LEFT JOIN services AS s ON s.id = t.service_id";
const TABLE: &str = "tokens";

/// An API token without its secret.
#[derive(Debug, Clone)]
pub struct TokenRow {
    /// Ten letters and digits.
    pub id: String,
    /// What an operator calls it; unique among the live ones.
    pub name: String,
    /// What it may do.
    pub scope: Scope,
    /// The one service it is for, by id and name; none: all.
    pub service: Option<(ServiceId, String)>,
    /// When it was made.
    pub created_at: Timestamp,
    /// Who made it.
    pub created_by: Who,
    /// About when it was last used, to the minute.
    pub last_used_at: Option<Timestamp>,
    /// From then on it is unknown.
    pub expires_at: Option<Timestamp>,
}

fn from_row(row: &Row<'_>) -> rusqlite::Result<TokenRow> {
    let service_id = optional_text(row, TABLE, "service_id", ServiceId::parse)?;
    let service: Option<String> = row.get("service")?;
    Ok(TokenRow {
        id: row.get("id")?,
        name: row.get("name")?,
        scope: text(row, TABLE, "scope", Scope::parse)?,
        service: service_id.zip(service),
        created_at: time(row, "created_at_ms")?,
        created_by: who(row, TABLE)?,
        last_used_at: optional_time(row, "last_used_at_ms")?,
        expires_at: optional_time(row, "expires_at_ms")?,
    })
}

/// The live row that this token opens; the hash is compared in constant time.
pub fn verify(reader: &Reader<'_>, token: &ApiToken, now: Timestamp) -> Result<Option<TokenRow>, Error> {
    let sql = format!(
        "{SELECT}
          WHERE t.id = :id
            AND t.revoked_at_ms IS NULL
            AND (t.expires_at_ms IS NULL OR t.expires_at_ms > :now)"
    );
    let params = named_params! { ":id": token.id, ":now": now.as_millis() };
    let found = reader
        .conn()
        .prepare_cached(&sql)?
        .query_row(params, |row| Ok((from_row(row)?, hash(row, TABLE, "hash")?)))
        .optional()?;
    Ok(found.filter(|(_, stored)| stored.matches(&token.hash())).map(|(row, _)| row))
}

/// The live tokens, oldest first.
pub fn list(reader: &Reader<'_>) -> Result<Vec<TokenRow>, Error> {
    let sql = format!("{SELECT} WHERE t.revoked_at_ms IS NULL ORDER BY t.sequence");
    let mut statement = reader.conn().prepare_cached(&sql)?;
    let rows = statement.query_map([], from_row)?;
    Ok(rows.collect::<Result<_, _>>()?)
}

/// Whether the token of that id is neither revoked nor expired.
pub fn is_live(reader: &Reader<'_>, id: &str, now: Timestamp) -> Result<bool, Error> {
    const SQL: &str = "
        SELECT EXISTS (SELECT 1
                         FROM tokens
                        WHERE id = :id
                          AND revoked_at_ms IS NULL
                          AND (expires_at_ms IS NULL OR expires_at_ms > :now))";
    let params = named_params! { ":id": id, ":now": now.as_millis() };
    Ok(reader.conn().prepare_cached(SQL)?.query_row(params, |row| row.get(0))?)
}

/// A token as a page lists it: also one that is revoked.
#[derive(Debug, Clone)]
pub struct Listed {
    pub token: TokenRow,
    /// When it was revoked.
    pub revoked_at: Option<Timestamp>,
}

/// The newest tokens, live ones before revoked ones.
pub fn list_all(reader: &Reader<'_>, limit: u32) -> Result<Vec<Listed>, Error> {
    let sql = format!(
        "{SELECT}
          ORDER BY t.revoked_at_ms IS NOT NULL, t.sequence DESC
          LIMIT :limit"
    );
    let mut statement = reader.conn().prepare_cached(&sql)?;
    let rows = statement.query_map(named_params! { ":limit": limit }, |row| {
        Ok(Listed { token: from_row(row)?, revoked_at: optional_time(row, "revoked_at_ms")? })
    })?;
    Ok(rows.collect::<Result<_, _>>()?)
}

/// The live token of that id.
pub fn find(reader: &Reader<'_>, id: &str) -> Result<Option<TokenRow>, Error> {
    let sql = format!("{SELECT} WHERE t.id = :id AND t.revoked_at_ms IS NULL");
    Ok(reader.conn().prepare_cached(&sql)?.query_row(named_params! { ":id": id }, from_row).optional()?)
}

/// Stores a new token with the hash of its secret; false where a live one has that name.
pub fn insert(tx: &Tx<'_>, token: &TokenRow, secret: &TokenHash) -> Result<bool, Error> {
    const TAKEN: &str = "SELECT EXISTS (SELECT 1 FROM tokens WHERE name = :name AND revoked_at_ms IS NULL)";
    const SQL: &str = "
        INSERT INTO tokens (id, name, hash, scope, service_id, created_at_ms, who_way, who_name, expires_at_ms)
        VALUES (:id, :name, :hash, :scope, :service_id, :created_at_ms, :who_way, :who_name, :expires_at_ms)";
    if tx.conn().prepare_cached(TAKEN)?.query_row(named_params! { ":name": token.name }, |row| row.get(0))? {
        return Ok(false);
    }
    tx.conn().prepare_cached(SQL)?.execute(named_params! {
        ":id": token.id,
        ":name": token.name,
        ":hash": secret.as_bytes(),
        ":scope": token.scope.as_str(),
        ":service_id": token.service.as_ref().map(|(id, _)| id.as_str()),
        ":created_at_ms": token.created_at.as_millis(),
        ":who_way": token.created_by.way(),
        ":who_name": token.created_by.name(),
        ":expires_at_ms": token.expires_at.map(Timestamp::as_millis),
    })?;
    Ok(true)
}

/// Stores that a token was used.
pub fn touch(tx: &Tx<'_>, id: &str, now: Timestamp) -> Result<(), Error> {
    const SQL: &str = "UPDATE tokens SET last_used_at_ms = :now WHERE id = :id";
    tx.conn().prepare_cached(SQL)?.execute(named_params! { ":id": id, ":now": now.as_millis() })?;
    Ok(())
}

/// Revokes the live token of that id or name and gives its name; none where there is none.
pub fn revoke(tx: &Tx<'_>, token: &str, now: Timestamp) -> Result<Option<String>, Error> {
    const SQL: &str = "
        UPDATE tokens
           SET revoked_at_ms = :now
         WHERE (id = :token OR name = :token)
           AND revoked_at_ms IS NULL
     RETURNING name";
    let params = named_params! { ":token": token, ":now": now.as_millis() };
    Ok(tx.conn().prepare_cached(SQL)?.query_row(params, |row| row.get(0)).optional()?)
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;
    use crate::db::testing::{Bench, T0, key};

    fn row(token: &ApiToken, name: &str) -> TokenRow {
        TokenRow {
            id: token.id.clone(),
            name: name.to_owned(),
            scope: Scope::Deploy,
            service: None,
            created_at: T0,
            created_by: Who::Operator("mira".to_owned()),
            last_used_at: None,
            expires_at: None,
        }
    }

    fn stored() -> (Bench, ApiToken) {
        let (bench, token) = (Bench::core(), ApiToken::mint(&key()));
        assert!(insert(&bench.tx(), &row(&token, "ci"), &token.hash()).unwrap());
        (bench, token)
    }

    #[test]
    fn the_token_that_was_stored_opens_its_row() {
        let (bench, token) = stored();

        let found = verify(&bench.tx(), &token, T0).unwrap().unwrap();

        assert_eq!((found.name.as_str(), found.scope), ("ci", Scope::Deploy));
    }

    #[test]
    fn a_token_whose_hash_is_another_opens_nothing() {
        let (bench, token) = (Bench::core(), ApiToken::mint(&key()));
        let other = ApiToken::mint(&key());

        assert!(insert(&bench.tx(), &row(&token, "ci"), &other.hash()).unwrap());

        assert!(verify(&bench.tx(), &token, T0).unwrap().is_none());
    }

    #[test]
    fn an_expired_token_opens_nothing() {
        let (bench, token) = (Bench::core(), ApiToken::mint(&key()));
        let end = T0.plus(Duration::from_secs(1));
        let ending = TokenRow { expires_at: Some(end), ..row(&token, "ci") };
        assert!(insert(&bench.tx(), &ending, &token.hash()).unwrap());
        let is_open = |at| verify(&bench.tx(), &token, at).unwrap().is_some();

        let is_good = |at| is_live(&bench.tx(), &token.id, at).unwrap();

        for is_open in [&is_open as &dyn Fn(Timestamp) -> bool, &is_good] {
            assert!(is_open(end.minus(Duration::from_millis(1))) && !is_open(end));
        }
    }

    #[test]
    fn a_revoked_token_opens_nothing_is_not_listed_and_frees_its_name() {
        let (bench, token) = stored();
        let second = ApiToken::mint(&key());
        let is_new = insert(&bench.tx(), &row(&second, "ci"), &second.hash()).unwrap();

        let revoked = [(); 2].map(|()| revoke(&bench.tx(), "ci", T0).unwrap());

        assert_eq!((is_new, revoked), (false, [Some("ci".to_owned()), None]));
        assert!(verify(&bench.tx(), &token, T0).unwrap().is_none() && list(&bench.tx()).unwrap().is_empty());
        assert!(insert(&bench.tx(), &row(&second, "ci"), &second.hash()).unwrap());
    }

    #[test]
    fn a_page_lists_the_live_ones_first_and_the_revoked_ones_as_such() {
        let (bench, token) = stored();
        revoke(&bench.tx(), "ci", T0).unwrap();
        let second = ApiToken::mint(&key());
        assert!(insert(&bench.tx(), &row(&second, "ci"), &second.hash()).unwrap());

        let listed = list_all(&bench.tx(), 10).unwrap();

        let ends: Vec<_> = listed.iter().map(|one| (one.token.id.clone(), one.revoked_at)).collect();
        assert_eq!(ends, [(second.id.clone(), None), (token.id.clone(), Some(T0))]);
        assert!(!is_live(&bench.tx(), &token.id, T0).unwrap());
        assert!(find(&bench.tx(), &token.id).unwrap().is_none());
        assert_eq!(find(&bench.tx(), &second.id).unwrap().unwrap().name, "ci");
    }

    #[test]
    fn service_and_last_use_are_read_back() {
        let (bench, token) = (Bench::core(), ApiToken::mint(&key()));
        let service = bench.service("api");
        let limited = TokenRow { service: Some((service.id, "api".to_owned())), ..row(&token, "ci") };
        assert!(insert(&bench.tx(), &limited, &token.hash()).unwrap());

        touch(&bench.tx(), &token.id, T0).unwrap();

        let read = list(&bench.tx()).unwrap().remove(0);
        assert_eq!((read.service, read.last_used_at), (limited.service, Some(T0)));
    }
}
