use std::fs::Permissions;
use std::os::unix::fs::PermissionsExt;
use std::path::PathBuf;
use std::time::Duration;

use tempfile::TempDir;

use super::*;
use crate::db::testing::{PAGE, T0, add_service, copy_of, filled, names, root_page_of};
use crate::db::{Db, deployments, queue, services};
use crate::domain::{ExecutorKind, Status};

#[tokio::test]
async fn nothing_is_restored_while_a_server_runs() {
    let (dir, db, _) = filled().await;
    let elsewhere = tempfile::tempdir().unwrap();
    let copy = copy_of(&db, &elsewhere);

    let refused = restore(dir.path(), &copy, false, &Clock::fixed(T0));

    assert!(matches!(refused, Err(Error::Locked { .. })));
}

#[tokio::test]
async fn what_was_unfinished_in_a_restored_copy_has_failed_and_is_never_run() {
    let (dir, db, ids) = filled().await;
    let elsewhere = tempfile::tempdir().unwrap();
    let copy = copy_of(&db, &elsewhere);
    db.close();

    let restored = restore(dir.path(), &copy, false, &Clock::fixed(T0)).unwrap();

    assert_eq!((restored.deployments, restored.interrupted), (3, 2));
    let db = Db::open(dir.path(), 0).unwrap();
    let own = ids.clone();
    let found = db
        .core()
        .read(move |reader| own.iter().map(|id| deployments::find(reader, id)).collect::<Result<Vec<_>, _>>())
        .await
        .unwrap();
    let words: Vec<_> = found.into_iter().flatten().map(|one| (one.status, one.reason.unwrap())).collect();
    assert_eq!(words[..2], [(Status::Failed, Reason::Interrupted); 2]);
    assert_eq!(words[2], (Status::Failed, Reason::Cancelled));
    assert!(db.core().read(crate::db::is_restored).await.unwrap(), "somebody has to look for what is lost");
    let claims = queue::Claims { ready: ExecutorKind::ALL.into_iter().collect(), concurrency: 10 };
    let claimed = db.core().write(move |tx| queue::claim_next(tx, claims, T0)).await.unwrap();
    assert!(claimed.is_none());
}

#[tokio::test]
async fn what_was_only_in_the_write_ahead_log_stays_beside_the_restored_file_too() {
    let (dir, db, _) = filled().await;
    let elsewhere = tempfile::tempdir().unwrap();
    let copy = copy_of(&db, &elsewhere);
    add_service(&db, "later").await;
    db.close();
    // As a killed server leaves it: the last rows are in the log alone.
    let holder = connection::open_writer(&dir.path().join(CORE_FILE), Role::Core).unwrap();
    holder.execute_batch("PRAGMA wal_autocheckpoint = 0; UPDATE services SET url = 'kept'").unwrap();
    let killed = tempfile::tempdir().unwrap();
    for name in ["core.db", "core.db-wal"] {
        std::fs::copy(dir.path().join(name), killed.path().join(name)).unwrap();
    }

    restore(killed.path(), &copy, false, &Clock::fixed(T0)).unwrap();

    let kept = killed.path().join(format!("core.db.replaced-{}", T0.as_millis()));
    let conn = Connection::open_with_flags(kept, rusqlite::OpenFlags::SQLITE_OPEN_READ_WRITE).unwrap();
    let urls: i64 =
        conn.query_row("SELECT count(*) FROM services WHERE url = 'kept'", [], |row| row.get(0)).unwrap();
    assert!(urls > 0);
}

#[tokio::test]
async fn the_file_that_was_there_stays_beside_the_restored_one() {
    let (dir, db, _) = filled().await;
    let elsewhere = tempfile::tempdir().unwrap();
    let copy = copy_of(&db, &elsewhere);
    add_service(&db, "later").await;
    db.close();

    restore(dir.path(), &copy, false, &Clock::fixed(T0)).unwrap();

    let has_later = |name: &str| {
        let conn = connection::open_reader(&dir.path().join(name)).unwrap();
        services::find_by_name(&crate::db::Reader::new(&conn), "later").unwrap().is_some()
    };
    let kept = format!("core.db.replaced-{}", T0.as_millis());
    assert!(!has_later(CORE_FILE) && has_later(&kept));
}

#[tokio::test]
async fn a_restored_file_is_readable_for_its_owner_alone() {
    let (dir, db, _) = filled().await;
    let elsewhere = tempfile::tempdir().unwrap();
    let copy = copy_of(&db, &elsewhere);
    std::fs::set_permissions(&copy, Permissions::from_mode(0o644)).unwrap();
    db.close();

    restore(dir.path(), &copy, false, &Clock::fixed(T0)).unwrap();

    let mode = std::fs::metadata(dir.path().join(CORE_FILE)).unwrap().permissions().mode();
    assert_eq!(mode & 0o077, 0);
}

#[tokio::test]
async fn the_log_of_a_killed_server_does_not_get_into_the_restored_file() {
    let (live, db, _) = filled().await;
    let elsewhere = tempfile::tempdir().unwrap();
    let copy = copy_of(&db, &elsewhere);
    add_service(&db, "later").await;
    let dir = tempfile::tempdir().unwrap();
    for name in ["core.db", "core.db-wal"] {
        std::fs::copy(live.path().join(name), dir.path().join(name)).unwrap();
    }

    restore(dir.path(), &copy, false, &Clock::fixed(T0)).unwrap();

    let db = Db::open(dir.path(), 0).unwrap();
    let later = db.core().read(|reader| services::find_by_name(reader, "later")).await.unwrap();
    assert!(later.is_none());
}

#[tokio::test]
async fn what_is_no_copy_of_ours_is_refused_and_nothing_changes() {
    let (dir, db, _) = filled().await;
    let elsewhere = tempfile::tempdir().unwrap();
    let good = std::fs::read(copy_of(&db, &elsewhere)).unwrap();
    db.close();
    let before = (names(dir.path()), std::fs::read(dir.path().join(CORE_FILE)).unwrap());
    // Nothing but the check reads this table, so that nothing else can notice.
    let mut damaged = good.clone();
    let page = root_page_of("audit", &elsewhere.path().join("copy"));
    damaged[(page - 1) * PAGE..page * PAGE].fill(0xff);

    for (what, bytes) in [("text", b"hello".to_vec()), ("empty", Vec::new()), ("damaged", damaged)] {
        let path = elsewhere.path().join(what);
        std::fs::write(&path, bytes).unwrap();

        let refused = restore(dir.path(), &path, false, &Clock::fixed(T0));

        assert!(refused.is_err(), "{what}");
        let after = (names(dir.path()), std::fs::read(dir.path().join(CORE_FILE)).unwrap());
        assert!(after == before, "{what}: {:?}", after.0);
    }
    assert!(restore(dir.path(), &elsewhere.path().join("missing"), false, &Clock::fixed(T0)).is_err());
}

/// A data directory with a hook, a token and an operator; and a copy that was made before they were ended.
async fn ended_after_the_copy() -> (TempDir, TempDir, PathBuf) {
    const ROWS: &str = "
        INSERT INTO hooks (id, service_id, name, hash, generation, branches, addresses, created_at_ms, who_way,
                           who_name)
        SELECT word, id, word, zeroblob(32), 1, '[]', '[]', 0, 'operator', 'mira'
          FROM services, (SELECT 'ci' AS word UNION ALL SELECT 'rotated' UNION ALL SELECT 'kept');
        INSERT INTO tokens (id, name, hash, scope, created_at_ms, who_way, who_name)
        VALUES ('t', 'laptop', zeroblob(32), 'admin', 0, 'operator', 'mira');
        INSERT INTO operators (name, created_at_ms) VALUES ('gone', 0), ('stays', 0);";
    const LATER: &str = "
        UPDATE hooks SET revoked_at_ms = 1 WHERE name = 'ci';
        UPDATE hooks SET hash = randomblob(32) WHERE name = 'rotated';
        UPDATE tokens SET revoked_at_ms = 1;
        DELETE FROM operators WHERE name = 'gone';
        UPDATE services SET frozen = 'an incident';";
    let (dir, db, _) = filled().await;
    let elsewhere = tempfile::tempdir().unwrap();
    db.core().write(|tx| Ok::<_, Error>(tx.conn().execute_batch(ROWS)?)).await.unwrap();
    let copy = copy_of(&db, &elsewhere);
    db.core().write(|tx| Ok::<_, Error>(tx.conn().execute_batch(LATER)?)).await.unwrap();
    db.close();
    (dir, elsewhere, copy)
}

fn hook(name: &str) -> Right {
    Right::Hook("api".to_owned(), name.to_owned())
}

#[tokio::test]
async fn what_was_ended_after_the_copy_was_made_is_listed() {
    let (dir, _elsewhere, copy) = ended_after_the_copy().await;
    let fresh = tempfile::tempdir().unwrap();

    let restored = restore(dir.path(), &copy, false, &Clock::fixed(T0)).unwrap();
    let elsewhere = restore(fresh.path(), &copy, false, &Clock::fixed(T0)).unwrap();
    let again = restore(dir.path(), &copy, false, &Clock::fixed(T0.plus(Duration::from_secs(1)))).unwrap();

    let listed: Vec<_> = restored.revived.unwrap().into_iter().collect();
    let (token, operator) = (Right::Token("laptop".to_owned()), Right::Operator("gone".to_owned()));
    assert_eq!(listed, [hook("ci"), hook("rotated"), token, operator, Right::Calls("api".to_owned())]);
    assert_eq!((elsewhere.revived, again.revived), (None, Some(BTreeSet::new())));
}

#[tokio::test]
async fn every_hook_and_token_can_be_revoked_with_the_restore() {
    let (dir, _elsewhere, copy) = ended_after_the_copy().await;

    let restored = restore(dir.path(), &copy, true, &Clock::fixed(T0)).unwrap();

    assert_eq!(restored.revoked, 4);
    let left = restored.revived.unwrap();
    assert!(left.iter().all(|right| matches!(right, Right::Operator(_) | Right::Calls(_))), "{left:?}");
}

#[tokio::test]
async fn a_copy_whose_schema_somebody_has_changed_is_refused() {
    const PLANTED: [(&str, &str); 6] = [
        (
            "trigger sqlite_planted",
            "PRAGMA writable_schema = ON; INSERT INTO sqlite_schema VALUES ('trigger', 'sqlite_planted', 'hooks', 0, \
             'CREATE TRIGGER sqlite_planted AFTER UPDATE ON hooks BEGIN DELETE FROM audit; END')",
        ),
        ("table _litestream_seq", "CREATE TABLE _litestream_seq (id REFERENCES hooks (revoked_at_ms))"),
        ("trigger planted", "CREATE TRIGGER planted AFTER INSERT ON audit BEGIN DELETE FROM hooks; END"),
        ("view v", "CREATE VIEW v AS SELECT 1"),
        ("index deployments_queued", "DROP INDEX deployments_queued"),
        ("table more\\n", "CREATE TABLE \"more\n\" (a)"),
    ];
    let (dir, db, _) = filled().await;
    db.close();
    for (object, sql) in PLANTED {
        let (_source, db, _) = filled().await;
        let elsewhere = tempfile::tempdir().unwrap();
        let copy = copy_of(&db, &elsewhere);
        let conn = Connection::open_with_flags(&copy, rusqlite::OpenFlags::SQLITE_OPEN_READ_WRITE).unwrap();
        conn.execute_batch(sql).unwrap();
        drop(conn);

        let refused = restore(dir.path(), &copy, false, &Clock::fixed(T0)).unwrap_err();

        assert!(
            matches!(&refused, Error::Altered { path, object: named } if *path == copy && named == object),
            "{refused}"
        );
    }
}

#[tokio::test]
async fn errors_name_the_file_that_was_given() {
    let (dir, db, _) = filled().await;
    db.close();
    let elsewhere = tempfile::tempdir().unwrap();
    let text = elsewhere.path().join("text");
    std::fs::write(&text, "no database, but long enough that it could be one ".repeat(100)).unwrap();
    let missing = elsewhere.path().join("missing");

    for path in [elsewhere.path(), &text, &missing] {
        let refused = restore(dir.path(), path, false, &Clock::fixed(T0)).unwrap_err().to_string();
        assert!(refused.contains(path.to_str().unwrap()) && !refused.contains(PUT_BACK), "{refused}");
    }
}
