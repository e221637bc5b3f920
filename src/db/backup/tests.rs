use std::io::Read;
use std::path::PathBuf;

use tempfile::TempDir;

use super::*;
use crate::db::testing::{NO_LIMIT, T0, new, service};
use crate::db::{deployments, queue, services};
use crate::domain::{DeploymentId, ExecutorKind, QueuePolicy, Status};

/// Bytes of a page of our files.
const PAGE: usize = 4_096;

/// A data directory with one deployment of each kind: queued, running, ended.
async fn filled() -> (TempDir, Db, [DeploymentId; 3]) {
    let dir = tempfile::tempdir().unwrap();
    let db = Db::open(dir.path(), 0).unwrap();
    let ids = db
        .core()
        .write(|tx| {
            let service = service("api");
            services::insert(tx, &service)?;
            let mut ids = Vec::new();
            for _ in 0..3 {
                match queue::enqueue(tx, &new(&service, "main"), QueuePolicy::Every, NO_LIMIT, T0)? {
                    queue::Place::New(id) => ids.push(id),
                    other => panic!("{other:?}"),
                }
            }
            let ready = [ExecutorKind::Local].into_iter().collect();
            queue::claim_next(tx, queue::Claims { ready, concurrency: 1 }, T0)?;
            deployments::fail(tx, &ids[2], Reason::Cancelled, "", None, T0)?;
            Ok::<_, Error>(ids)
        })
        .await
        .unwrap();
    (dir, db, ids.try_into().unwrap())
}

fn copy_of(db: &Db, dir: &TempDir) -> PathBuf {
    let mut bytes = Vec::new();
    db.backup("test").unwrap().read_to_end(&mut bytes).unwrap();
    let path = dir.path().join("copy");
    std::fs::write(&path, bytes).unwrap();
    path
}

async fn add_service(db: &Db, name: &'static str) {
    db.core().write(move |tx| services::insert(tx, &service(name))).await.unwrap();
}

/// The page that a table begins with, counted from 1.
fn root_page_of(table: &str, path: &Path) -> usize {
    let conn = connection::open_unchanged(path).unwrap();
    let sql = "SELECT rootpage FROM sqlite_schema WHERE name = ?1";
    conn.query_row(sql, [table], |row| row.get::<_, u32>(0)).unwrap().try_into().unwrap()
}

fn names(dir: &Path) -> Vec<String> {
    let files = std::fs::read_dir(dir).unwrap();
    let mut names: Vec<_> =
        files.map(|file| file.unwrap().file_name().to_string_lossy().into_owned()).collect();
    names.sort();
    names
}

#[tokio::test]
async fn a_copy_holds_what_was_acknowledged_before_and_leaves_no_file() {
    let (dir, db, ids) = filled().await;
    let elsewhere = tempfile::tempdir().unwrap();

    let copy = copy_of(&db, &elsewhere);

    let conn = connection::open_reader(&copy).unwrap();
    let reader = crate::db::Reader::new(&conn);
    assert!(is_sound(&conn).unwrap());
    for id in &ids {
        assert!(deployments::find(&reader, id).unwrap().is_some());
    }
    assert!(names(dir.path()).iter().all(|name| !name.contains("backup")));
}

#[tokio::test]
async fn a_copy_is_readable_for_its_owner_alone() {
    let (_dir, db, _) = filled().await;

    let file = db.backup("test").unwrap();

    assert_eq!(file.metadata().unwrap().permissions().mode() & 0o077, 0);
}

#[tokio::test]
async fn nothing_is_restored_while_a_server_runs() {
    let (dir, db, _) = filled().await;
    let elsewhere = tempfile::tempdir().unwrap();
    let copy = copy_of(&db, &elsewhere);

    let refused = restore(dir.path(), &copy, &Clock::fixed(T0));

    assert!(matches!(refused, Err(Error::Locked { .. })));
}

#[tokio::test]
async fn what_was_unfinished_in_a_restored_copy_has_failed_and_is_never_run() {
    let (dir, db, ids) = filled().await;
    let elsewhere = tempfile::tempdir().unwrap();
    let copy = copy_of(&db, &elsewhere);
    db.close();

    let restored = restore(dir.path(), &copy, &Clock::fixed(T0)).unwrap();

    assert_eq!(restored, Restored { deployments: 3, interrupted: 2 });
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

    restore(killed.path(), &copy, &Clock::fixed(T0)).unwrap();

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

    restore(dir.path(), &copy, &Clock::fixed(T0)).unwrap();

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

    restore(dir.path(), &copy, &Clock::fixed(T0)).unwrap();

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

    restore(dir.path(), &copy, &Clock::fixed(T0)).unwrap();

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

        let refused = restore(dir.path(), &path, &Clock::fixed(T0));

        assert!(refused.is_err(), "{what}");
        let after = (names(dir.path()), std::fs::read(dir.path().join(CORE_FILE)).unwrap());
        assert!(after == before, "{what}: {:?}", after.0);
    }
    assert!(restore(dir.path(), &elsewhere.path().join("missing"), &Clock::fixed(T0)).is_err());
}

#[tokio::test]
async fn the_doctor_sees_a_sound_directory_and_changes_nothing() {
    let (dir, db, _) = filled().await;
    let in_use = health(dir.path()).is_in_use;
    db.close();
    let before = names(dir.path());

    let seen = health(dir.path());

    assert!(in_use && !seen.is_in_use);
    assert!(seen.files.len() == 2 && seen.files.iter().all(|(_, state)| state.is_ok()), "{:?}", seen.files);
    assert_eq!(names(dir.path()), before);
}

#[tokio::test]
async fn the_doctor_names_the_damaged_file() {
    let (dir, db, _) = filled().await;
    db.close();
    let path = dir.path().join(CORE_FILE);
    let mut bytes = std::fs::read(&path).unwrap();
    bytes[4_096..40_960].fill(0xff);
    std::fs::write(&path, bytes).unwrap();

    let seen = health(dir.path());

    let states: Vec<_> = seen.files.iter().map(|(name, state)| (*name, state.is_ok())).collect();
    assert_eq!(states, [(CORE_FILE, false), (crate::db::LOGS_FILE, true)]);
}
