use std::future::pending;

use super::*;
use crate::db::testing::{PAGE, filled, names, root_page_of};

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
    assert_eq!(states, [(CORE_FILE, false), (LOGS_FILE, true)]);
}

/// Spoils the page that a table of a file begins with.
fn spoil(path: &Path, table: &str) {
    let page = root_page_of(table, path);
    let mut bytes = std::fs::read(path).unwrap();
    bytes[(page - 1) * PAGE..page * PAGE].fill(0xff);
    std::fs::write(path, bytes).unwrap();
}

#[tokio::test]
async fn damage_that_does_not_show_at_the_start_is_found_while_the_server_runs() {
    let (dir, db, _) = filled().await;
    db.examine(pending()).await;
    let before = db.is_damaged();
    db.close();
    spoil(&dir.path().join(CORE_FILE), "audit");
    spoil(&dir.path().join(LOGS_FILE), "log_pieces");

    let db = Db::open(dir.path(), 0).unwrap();
    db.examine(pending()).await;

    assert!(!before && db.is_damaged());
    db.close();
    // The logs are set aside by the next start.
    let has_kept = || names(dir.path()).iter().filter(|name| name.starts_with("logs.db.damaged-")).count();
    assert_eq!(has_kept(), 0);
    Db::open(dir.path(), 0).unwrap().close();
    Db::open(dir.path(), 0).unwrap().close();
    assert_eq!(has_kept(), 1, "{:?}", names(dir.path()));
}

#[tokio::test]
async fn a_look_ends_when_it_is_told_to() {
    let (_dir, db, _) = filled().await;

    db.examine(std::future::ready(())).await;

    assert!(!db.is_damaged());
    db.close();
}

#[tokio::test]
async fn logs_that_cannot_be_opened_are_set_aside_and_a_core_file_is_not() {
    let (dir, db, _) = filled().await;
    db.close();
    for at in [3, 70] {
        let path = dir.path().join(LOGS_FILE);
        let mut bytes = std::fs::read(&path).unwrap();
        bytes[at] ^= 0xff;
        std::fs::write(&path, bytes).unwrap();

        Db::open(dir.path(), 0).unwrap().close();
    }
    std::fs::write(dir.path().join(CORE_FILE), "damaged".repeat(1_000)).unwrap();

    let refused = Db::open(dir.path(), 0).err().unwrap();

    assert!(matches!(refused, Error::Damaged(path) if path == dir.path().join(CORE_FILE)));
    assert!(dir.path().join(CORE_FILE).exists());
}
