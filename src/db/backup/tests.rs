use std::os::unix::fs::PermissionsExt;

use super::*;
use crate::db::deployments;
use crate::db::health::is_sound;
use crate::db::testing::{copy_of, filled, names};

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
async fn a_copy_that_would_fill_the_disk_is_refused_before_it_is_begun() {
    let (dir, db, _) = filled().await;
    db.close();
    let db = Db::open(dir.path(), u64::MAX).unwrap();

    let refused = db.backup("test").unwrap_err().to_string();

    assert!(
        refused.contains("no room for a copy")
            && names(dir.path()).iter().all(|name| !name.contains("backup"))
    );
}

#[tokio::test]
async fn what_copies_left_that_were_killed_is_removed_at_the_start() {
    let (dir, db, _) = filled().await;
    db.close();
    let left = ["core.db.backup-0123", "core.db.backup-0123-journal", "core.db.restoring"];
    for name in left.iter().chain(&["core.db.replaced-1", "core.db.before-2"]) {
        std::fs::write(dir.path().join(name), "secrets").unwrap();
    }

    Db::open(dir.path(), 0).unwrap().close();

    let names = names(dir.path());
    assert!(left.iter().all(|left| !names.contains(&(*left).to_owned())), "{names:?}");
    assert_eq!(
        names.iter().filter(|name| name.contains(".replaced-") || name.contains(".before-")).count(),
        2
    );
}
