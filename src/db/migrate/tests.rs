use std::collections::BTreeMap;
use std::os::unix::fs::PermissionsExt;
use std::path::PathBuf;

use tempfile::TempDir;

use super::*;
use crate::db::{self, Db, Reader, connection};
use crate::domain::{Act, DeploymentId, ExecutorKind, Timestamp, TokenHash};

/// Rows that are put in after each step, and have to be readable after all of them.
const CORE_ROWS: &[&str] = &[include_str!("../../../tests/data/migrations/0001.sql")];
const LOGS_ROWS: &[&str] = &[include_str!("../../../tests/data/migrations/logs/0001.sql")];

fn file(role: Role) -> (TempDir, PathBuf, Connection) {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join(role.name());
    let conn = connection::open_writer(&path, role).unwrap();
    (dir, path, conn)
}

/// What a file consists of, without regard to blanks and line ends.
fn schema(conn: &Connection) -> Vec<(String, String, String)> {
    const SQL: &str = "SELECT type, name, sql FROM sqlite_schema WHERE sql IS NOT NULL ORDER BY type, name";
    let plain = |sql: String| {
        sql.split_whitespace().collect::<Vec<_>>().join(" ").replace(" ,", ",").replace(" )", ")")
    };
    let mut statement = conn.prepare(SQL).unwrap();
    let rows = statement.query_map([], |row| Ok((row.get(0)?, row.get(1)?, plain(row.get(2)?)))).unwrap();
    rows.collect::<Result<_, _>>().unwrap()
}

fn version(conn: &Connection) -> i64 {
    conn.query_row("PRAGMA user_version", [], |row| row.get(0)).unwrap()
}

/// Every file of a directory but the lock, byte for byte.
fn contents(dir: &Path) -> BTreeMap<PathBuf, Vec<u8>> {
    let files = std::fs::read_dir(dir).unwrap().map(|entry| entry.unwrap().path());
    files
        .filter(|path| !path.ends_with("lock"))
        .map(|path| (path.clone(), std::fs::read(path).unwrap()))
        .collect()
}

/// What release 0.1.0 has written.
const RELEASED: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/data/0.1.0");

#[test]
fn steps_that_were_released_never_change() {
    for role in [Role::Core, Role::Logs] {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("released.db");
        std::fs::copy(format!("{RELEASED}/{}.db", role.name()), &path).unwrap();
        let conn = connection::open_writer(&path, role).unwrap();

        compare_schema(&conn, &path, role, 1).unwrap();
    }
}

fn assert_all_steps_give(role: Role, golden: &str) {
    let (_dir, path, mut conn) = file(role);
    let wanted = Connection::open_in_memory().unwrap();
    wanted.execute_batch(golden).unwrap();

    run(&mut conn, &path, role).unwrap();

    assert_eq!(schema(&conn), schema(&wanted));
}

#[test]
fn all_steps_together_give_the_schema_that_is_written_down() {
    assert_all_steps_give(Role::Core, include_str!("../schema.sql"));
}

#[test]
fn all_steps_of_the_log_file_give_the_schema_that_is_written_down() {
    assert_all_steps_give(Role::Logs, include_str!("../schema_logs.sql"));
}

/// Runs the steps one by one, each followed by the rows of its time.
fn filled(role: Role, rows: &[&str]) -> (TempDir, Connection) {
    let (dir, path, mut conn) = file(role);
    let steps = role.migrations();
    assert_eq!(rows.len(), steps.len(), "each step has rows of its time");
    for (index, rows) in rows.iter().enumerate() {
        apply(&mut conn, &path, role, &steps[..=index]).unwrap();
        conn.execute_batch(rows).unwrap();
    }
    (dir, conn)
}

fn old_deployment(letter: &str) -> DeploymentId {
    DeploymentId::parse(&format!("dep_loz4ae00{}", letter.repeat(12))).unwrap()
}

#[test]
fn every_table_has_rows_of_its_time() {
    let (_dir, conn) = filled(Role::Core, CORE_ROWS);

    let tables = schema(&conn).into_iter().filter(|(kind, ..)| kind == "table");

    for (_, name, _) in tables.filter(|(_, name, _)| name != "sqlite_sequence") {
        let rows: i64 =
            conn.query_row(&format!("SELECT count(*) FROM {name}"), [], |row| row.get(0)).unwrap();
        assert!(rows > 0, "{name}");
    }
}

#[test]
fn services_and_hooks_of_old_files_are_read() {
    let (_dir, conn) = filled(Role::Core, CORE_ROWS);
    let reader = Reader::new(&conn);

    let service = db::services::find_by_name(&reader, "api").unwrap().unwrap();
    let hooks = db::hooks::list_for_service(&reader, &service.id, None, 10).unwrap();

    assert_eq!(service.frozen.as_deref(), Some("release week"));
    assert_eq!(service.local.env.len(), 1);
    assert_eq!((hooks.len(), hooks[0].generation, hooks[0].rules.branches.len()), (1, 2, 2));
}

#[test]
fn deployments_and_steps_of_old_files_are_read() {
    let (_dir, conn) = filled(Role::Core, CORE_ROWS);
    let reader = Reader::new(&conn);

    let words = ["a", "b", "c", "d"].map(|letter| {
        let deployment = db::deployments::find(&reader, &old_deployment(letter)).unwrap().unwrap();
        let steps = db::steps::list(&reader, &deployment).unwrap();
        (deployment.status.as_str(), steps[0].status.as_str())
    });

    let wanted =
        [("succeeded", "succeeded"), ("failed", "skipped"), ("building", "failed"), ("queued", "pending")];
    assert_eq!(words, wanted);
}

#[test]
fn sessions_tokens_and_acts_of_old_files_are_read() {
    let (_dir, conn) = filled(Role::Core, CORE_ROWS);
    let (reader, at) = (Reader::new(&conn), Timestamp::from_millis(1_700_000_000_001));
    let hash = TokenHash::from_bytes(&[0xab; 32]).unwrap();

    assert_eq!(db::sessions::find(&reader, &hash, at).unwrap().unwrap().operator.name, "mira");
    assert!(db::sessions::find_link(&reader, &hash, at).unwrap().is_some());
    assert_eq!(db::tokens::list(&reader).unwrap().len(), 2);
    assert_eq!(db::audit::list(&reader, None, None, 10).unwrap()[0].record.act, Act::ServiceCreate);
    assert_eq!(db::fingerprint(&reader).unwrap().as_deref(), Some("0123456789abcdef"));
}

#[test]
fn passwords_are_read_and_older_operators_and_sessions_have_none_of_it() {
    let (_dir, conn) = filled(Role::Core, CORE_ROWS);
    let (reader, at) = (Reader::new(&conn), Timestamp::from_millis(1_700_000_000_001));
    let sessions = |byte| {
        let hash = TokenHash::from_bytes(&[byte; 32]).unwrap();
        db::sessions::find(&reader, &hash, at).unwrap().unwrap()
    };

    let (old, new) = (sessions(0xab), sessions(0xcd));

    assert!(!old.has_password && new.has_password);
    assert_eq!((old.confirmed_at.as_millis(), new.confirmed_at.as_millis()), (0, 1_700_000_000_000));
    assert!(db::operators::password(&reader, "mira").unwrap().is_none());
    assert!(db::operators::password(&reader, "theo").unwrap().is_some());
    let listed = db::sessions::list(&reader, &new.operator, at).unwrap();
    assert_eq!((listed[0].address.as_str(), listed[0].user_agent.as_str()), ("203.0.113.7", "Mozilla/5.0"));
}

#[test]
fn calls_and_first_answers_of_old_files_are_read() {
    let (_dir, conn) = filled(Role::Core, CORE_ROWS);
    let (reader, at) = (Reader::new(&conn), Timestamp::from_millis(1_700_000_000_001));
    let hook = crate::domain::HookId::parse("HOOKaaaaa1").unwrap();

    let answer = db::idempotency::find(&reader, &hook, "run-1", at).unwrap().unwrap();
    let calls = db::hook_calls::last(&reader, &hook, 10).unwrap();

    assert_eq!(answer.parameters, "branch=main");
    assert_eq!(calls.iter().map(|call| call.count).collect::<Vec<_>>(), [1, 3]);
}

#[test]
fn what_a_cluster_ran_is_read_and_older_rows_have_none_of_it() {
    let (_dir, conn) = filled(Role::Core, CORE_ROWS);
    let reader = Reader::new(&conn);

    let service = db::services::find_by_name(&reader, "shop").unwrap().unwrap();
    let find = |letter: &str| db::deployments::find(&reader, &old_deployment(letter)).unwrap().unwrap();
    let (old, new) = (find("a"), find("e"));

    assert_eq!(service.tekton.unwrap().workloads[0].to_string(), "apps/shop");
    assert_eq!((old.cache_epoch, old.image, old.run_uid), (0, None, None));
    assert_eq!((new.cache_epoch, new.image.unwrap().built_by()), (3, Some(old_deployment("e"))));
    assert_eq!(
        db::runs::deletable(&reader, ExecutorKind::Tekton, Timestamp::from_millis(i64::MAX), 10).unwrap(),
        [old_deployment("e")]
    );
    assert_eq!(db::checks::find(&reader, &service.id).unwrap().unwrap().findings.len(), 1);
}

#[test]
fn logs_of_old_files_are_read() {
    let (_dir, conn) = filled(Role::Logs, LOGS_ROWS);
    let (reader, id) = (Reader::new(&conn), old_deployment("a"));

    let log = db::logs::summary(&reader, &id).unwrap();
    let pieces = db::logs::pieces(&reader, &id, 15, 10).unwrap();

    assert_eq!((log.cut_from, log.cut_to, log.is_complete), (10, 20, true));
    assert_eq!(db::logs::mark(&reader, &id).unwrap(), None);
    assert_eq!(db::logs::mark(&reader, &old_deployment("e")).unwrap().as_deref(), Some("a mark"));
    assert_eq!((pieces.len(), pieces[0].at_byte), (1, 20));
}

/// A data directory whose file of that name says `pragma`.
fn data_dir_with(name: &str, pragma: &str) -> TempDir {
    let dir = tempfile::tempdir().unwrap();
    Db::open(dir.path(), 0).unwrap().close();
    let conn = connection::open_writer(&dir.path().join(name), Role::Core).unwrap();
    conn.execute_batch(pragma).unwrap();
    dir
}

#[test]
fn a_newer_file_is_refused_and_not_a_byte_is_changed() {
    for name in [db::CORE_FILE, db::LOGS_FILE] {
        let dir = data_dir_with(name, "PRAGMA user_version = 99");
        let before = contents(dir.path());

        let refused = Db::open(dir.path(), 0);

        assert!(matches!(refused, Err(Error::Newer { version: 99, .. })), "{name}");
        assert!(contents(dir.path()) == before, "{name}: {:?}", contents(dir.path()).keys());
    }
}

#[test]
fn a_newer_file_that_a_killed_server_left_is_refused_and_keeps_its_log() {
    let dir = tempfile::tempdir().unwrap();
    let live = data_dir_with(db::CORE_FILE, "PRAGMA user_version = 1");
    let conn = connection::open_writer(&live.path().join(db::CORE_FILE), Role::Core).unwrap();
    conn.execute_batch("PRAGMA user_version = 99").unwrap();
    for (path, bytes) in contents(live.path()) {
        std::fs::write(dir.path().join(path.file_name().unwrap()), bytes).unwrap();
    }
    let wal = dir.path().join("core.db-wal");
    let (file, log) = (std::fs::read(dir.path().join(db::CORE_FILE)).unwrap(), std::fs::read(&wal).unwrap());

    let refused = Db::open(dir.path(), 0);

    assert!(matches!(refused, Err(Error::Newer { version: 99, .. })));
    assert!(!log.is_empty() && std::fs::read(&wal).unwrap() == log);
    assert!(std::fs::read(dir.path().join(db::CORE_FILE)).unwrap() == file);
}

#[test]
fn a_file_of_another_program_is_refused_and_not_a_byte_is_changed() {
    for pragma in ["PRAGMA application_id = 7", "PRAGMA application_id = 0"] {
        let dir = data_dir_with(db::CORE_FILE, pragma);
        let before = contents(dir.path());

        let refused = Db::open(dir.path(), 0);

        assert!(matches!(refused, Err(Error::Foreign(_))), "{pragma}");
        assert!(contents(dir.path()) == before, "{pragma}");
    }
}

#[test]
fn the_log_file_in_place_of_the_core_file_is_refused() {
    let dir = data_dir_with(db::CORE_FILE, "");
    std::fs::copy(dir.path().join(db::LOGS_FILE), dir.path().join(db::CORE_FILE)).unwrap();

    let refused = Db::open(dir.path(), 0);

    assert!(matches!(refused, Err(Error::Foreign(_))));
}

#[test]
fn a_failing_step_leaves_schema_rows_and_number_as_they_were() {
    let (_dir, path, mut conn) = file(Role::Core);
    apply(&mut conn, &path, Role::Core, &CORE[..1]).unwrap();
    conn.execute_batch(CORE_ROWS[0]).unwrap();
    let before = schema(&conn);
    let broken = "DELETE FROM audit; ALTER TABLE audit ADD COLUMN more TEXT; INSERT INTO nothing VALUES (1)";

    let failed = apply(&mut conn, &path, Role::Core, &[CORE[0], broken]);

    assert!(failed.is_err());
    assert_eq!((version(&conn), schema(&conn)), (1, before));
    assert_eq!(db::audit::list(&Reader::new(&conn), None, None, 10).unwrap().len(), 1);
}

#[test]
fn steps_before_a_failing_one_stay() {
    let (_dir, path, mut conn) = file(Role::Core);

    let failed = apply(&mut conn, &path, Role::Core, &[CORE[0], "CREATE TABLE more (x)", "no sql"]);
    let mended = apply(&mut conn, &path, Role::Core, &[CORE[0], "no sql any more", "CREATE TABLE last (x)"]);

    assert!(failed.is_err() && mended.is_ok());
    assert_eq!(version(&conn), 3);
}

#[test]
fn an_existing_file_is_copied_beside_itself_before_it_is_changed() {
    let (_dir, path, mut conn) = file(Role::Core);
    apply(&mut conn, &path, Role::Core, &CORE[..1]).unwrap();
    conn.execute_batch(CORE_ROWS[0]).unwrap();
    let before = schema(&conn);

    apply(&mut conn, &path, Role::Core, &[CORE[0], "DROP TABLE audit"]).unwrap();

    let copy = connection::open_reader(&path.with_file_name("core.before-2")).unwrap();
    assert_eq!((version(&copy), schema(&copy)), (1, before));
    assert_eq!(db::audit::list(&Reader::new(&copy), None, None, 10).unwrap().len(), 1);
    let mode = std::fs::metadata(path.with_file_name("core.before-2")).unwrap().permissions().mode();
    assert_eq!(mode & 0o077, 0, "it is as private as the file");
}

#[test]
fn a_copy_of_an_earlier_attempt_gives_way() {
    let (_dir, path, mut conn) = file(Role::Core);
    apply(&mut conn, &path, Role::Core, &CORE[..1]).unwrap();
    std::fs::write(path.with_file_name("core.before-2"), "half a copy").unwrap();

    apply(&mut conn, &path, Role::Core, &[CORE[0], "DROP TABLE audit"]).unwrap();

    let copy = connection::open_reader(&path.with_file_name("core.before-2")).unwrap();
    assert_eq!(version(&copy), 1);
}

#[test]
fn a_new_file_is_not_copied() {
    let (dir, path, mut conn) = file(Role::Core);

    apply(&mut conn, &path, Role::Core, &[CORE[0], "DROP TABLE audit"]).unwrap();

    assert!(contents(dir.path()).keys().all(|path| !path.to_string_lossy().contains("before")));
}

#[test]
fn a_migration_that_is_killed_half_way_leaves_the_old_schema() {
    let (_dir, path, mut conn) = file(Role::Core);
    apply(&mut conn, &path, Role::Core, &CORE[..1]).unwrap();
    conn.execute_batch(CORE_ROWS[0]).unwrap();
    let killed = tempfile::tempdir().unwrap();

    // What a kill leaves is the files as they are in the middle of the transaction; a small cache spills into them.
    conn.pragma_update(None, "cache_size", 1).unwrap();
    let tx = conn.transaction_with_behavior(rusqlite::TransactionBehavior::Exclusive).unwrap();
    tx.execute_batch("DROP TABLE audit; CREATE TABLE big AS SELECT zeroblob(1000000) AS x").unwrap();
    tx.pragma_update(None, "user_version", 2).unwrap();
    for name in ["core", "core-wal"] {
        std::fs::copy(path.with_file_name(name), killed.path().join(name)).unwrap();
    }

    let conn = connection::open_writer(&killed.path().join("core"), Role::Core).unwrap();
    assert_eq!(version(&conn), 1);
    assert_eq!(db::audit::list(&Reader::new(&conn), None, None, 10).unwrap().len(), 1);
}
