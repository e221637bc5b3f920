//! Data of release 0.1.0 under this program: each row is in its place, and what was handed out works.
//!
//! `tests/data/0.1.0` is what that release has written. `./test --long` builds it and hands a running server over.

mod filled;

use std::path::{Path, PathBuf};

use rusqlite::types::Value as Cell;
use rusqlite::{Connection, OpenFlags};
use serde_json::{Value, json};
use stackblaze::db::Db;
use tempfile::TempDir;

use crate::harness::git::GitRepo;
use crate::harness::process::{Server, client};
use filled::{Handed, call, fill, send_form, start, until};

/// The data directory of the release, with `handed.json` and `answers.json` beside its files.
const DATA: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/data/0.1.0");
const ENDED: &[&str] = &["succeeded", "failed"];

fn this_program() -> &'static Path {
    Path::new(env!("CARGO_BIN_EXE_stackblaze"))
}

/// The program of the release.
fn old_program() -> PathBuf {
    std::env::var_os("STACKBLAZE_TEST_OLD").expect("STACKBLAZE_TEST_OLD names the program of 0.1.0").into()
}

fn handed() -> Handed {
    serde_json::from_str(include_str!("../../data/0.1.0/handed.json")).unwrap()
}

fn read_only(path: &Path) -> Connection {
    Connection::open_with_flags(path, OpenFlags::SQLITE_OPEN_READ_ONLY).unwrap()
}

fn tables(file: &Connection) -> Vec<String> {
    let mut names = file
        .prepare(
            "SELECT name FROM sqlite_schema WHERE type = 'table' AND name <> 'sqlite_sequence' ORDER BY name",
        )
        .unwrap();
    names.query_map([], |row| row.get(0)).unwrap().map(Result::unwrap).collect()
}

fn columns(file: &Connection, table: &str) -> Vec<String> {
    let mut names = file.prepare("SELECT name FROM pragma_table_info(?1)").unwrap();
    names.query_map([table], |row| row.get(0)).unwrap().map(Result::unwrap).collect()
}

/// All rows of a table in these columns, ordered by them.
fn rows(file: &Connection, table: &str, columns: &[String]) -> Vec<Vec<Cell>> {
    let list = columns.join(", ");
    let mut all = file.prepare(&format!("SELECT {list} FROM {table} ORDER BY {list}")).unwrap();
    let row = |row: &rusqlite::Row<'_>| (0..columns.len()).map(|index| row.get(index)).collect();
    all.query_map([], row).unwrap().map(Result::unwrap).collect()
}

/// What the time that passes changes by itself.
const PASSING: [&str; 4] = ["state", "rotatingUntil", "callsLast30Days", "callsWithOldUrl"];

/// Whether all that an older answer says is still said; what is new may stand beside it.
fn still_says(new: &Value, old: &Value, at: &str) {
    match (new, old) {
        (Value::Object(new), Value::Object(old)) => {
            for (name, old) in old.iter().filter(|(name, _)| !PASSING.contains(&name.as_str())) {
                let new = new.get(name).unwrap_or_else(|| panic!("{at}.{name} is missing"));
                still_says(new, old, &format!("{at}.{name}"));
            }
        }
        (Value::Array(new), Value::Array(old)) => {
            assert_eq!(new.len(), old.len(), "{at}");
            for (index, (new, old)) in new.iter().zip(old).enumerate() {
                still_says(new, old, &format!("{at}[{index}]"));
            }
        }
        _ => assert_eq!(new, old, "{at}"),
    }
}

#[test]
fn each_row_of_0_1_0_is_in_its_place() {
    let (old, new) = (TempDir::new().unwrap(), TempDir::new().unwrap());
    let [before, data] = [&old, &new].map(|dir| filled::copy(Path::new(DATA), dir.path()));

    drop(Db::open(&data, 0).unwrap());

    for name in ["core.db", "logs.db"] {
        let (old, new) = (read_only(&before.join(name)), read_only(&data.join(name)));
        for table in tables(&old) {
            let columns = columns(&old, &table);
            let before = rows(&old, &table, &columns);
            assert!(!before.is_empty(), "{table}");
            assert_eq!(rows(&new, &table, &columns), before, "{table}");
        }
    }
}

#[tokio::test]
async fn what_0_1_0_has_handed_out_works() {
    let (dir, repo) = (TempDir::new().unwrap(), GitRepo::new());
    repo.commit("greeting", "Hello\n", "Say hello");
    let data = filled::copy(Path::new(DATA), dir.path());
    let old: Value = serde_json::from_str(include_str!("../../data/0.1.0/answers.json")).unwrap();

    let server = start(this_program(), &data);

    let handed = handed();
    still_says(&handed.answers(&server).await, &old, "answers");
    assert_went_on(&server, &handed, &repo.path()).await;
}

/// What ran with the old server has an end, what waited waits, and URL, token and password are good.
async fn assert_went_on(server: &Server, handed: &Handed, repository: &Path) {
    let queued = format!("/deployments/{}", handed.queued);
    assert_eq!(until(server, &handed.running, ENDED).await["reason"], "interrupted");
    assert_eq!(server.api("GET", &queued, None).await["status"], "queued");

    let elsewhere = json!({ "repository": repository });
    server.api("PATCH", "/api/v1/services/hello", Some(elsewhere)).await;
    let id = call(server, &handed.hook, "?note=the+next").await;
    let shown = until(server, &id, ENDED).await;
    assert_eq!(shown["status"], "succeeded", "{shown}");

    let revoked = client().post(format!("{}/deploy-hooks/{}", server.url, handed.revoked_hook));
    assert_eq!(revoked.send().await.unwrap().status(), 401);
    let services = client().get(format!("{}/api/v1/services", server.url)).bearer_auth(&handed.api_token);
    assert_eq!(services.send().await.unwrap().status(), 200);
    for (password, status) in [("not the password", 403), (handed.password.as_str(), 303)] {
        let fields = [("name", handed.operator.as_str()), ("password", password)];
        assert_eq!(send_form(server, "/login", &fields, None).await.status(), status, "{password}");
    }
}

#[tokio::test]
#[ignore = "needs the program of 0.1.0 in STACKBLAZE_TEST_OLD"]
async fn a_server_of_0_1_0_is_handed_over_while_it_works() {
    let dir = TempDir::new().unwrap();
    let (data, repository) = (dir.path().join("data"), dir.path().join("hello.git"));
    filled::repository(&repository);
    let old = start(&old_program(), &data);
    let handed = fill(&old, repository.to_str().unwrap()).await;
    let before = handed.answers(&old).await;
    old.kill();

    let server = start(this_program(), &data);

    still_says(&handed.answers(&server).await, &before, "answers");
    let old_url = call(&server, &handed.old_hook, "").await;
    assert_eq!(until(&server, &old_url, ENDED).await["status"], "succeeded");
    assert_went_on(&server, &handed, &repository).await;
}

#[tokio::test]
#[ignore = "writes tests/data/0.1.0 with the program in STACKBLAZE_TEST_OLD"]
async fn the_data_of_0_1_0_are_written() {
    let dir = TempDir::new().unwrap();
    let (data, repository) = (dir.path().join("data"), Path::new("/srv/git/hello.git"));
    filled::repository(repository);
    let old = start(&old_program(), &data);
    let handed = fill(&old, repository.to_str().unwrap()).await;
    let answers = handed.answers(&old).await;
    old.kill();
    std::fs::remove_dir_all(repository).unwrap();

    std::fs::create_dir_all(DATA).unwrap();
    for name in ["core.db", "logs.db"] {
        // What the killed server left beside the file belongs into it.
        let file = Connection::open_with_flags(data.join(name), OpenFlags::SQLITE_OPEN_READ_WRITE).unwrap();
        file.query_row("PRAGMA wal_checkpoint(TRUNCATE)", [], |_| Ok(())).unwrap();
    }
    for name in ["core.db", "logs.db", "secret.key"] {
        std::fs::copy(data.join(name), Path::new(DATA).join(name)).unwrap();
    }
    let write = |name: &str, text: Value| {
        std::fs::write(Path::new(DATA).join(name), serde_json::to_string_pretty(&text).unwrap() + "\n")
            .unwrap();
    };
    write("handed.json", json!(handed));
    write("answers.json", answers);
}
