use std::os::unix::fs::PermissionsExt;

use tempfile::TempDir;

use super::*;
use crate::db::restore::restore;

/// 2026-11-24T14:30:49.120Z.
const BEGINNING: Timestamp = Timestamp::from_millis(1_795_530_649_120);
const HOUR: Duration = Duration::from_hours(1);

struct Stage {
    data: TempDir,
    folder: TempDir,
    keeper: Keeper,
}

impl Stage {
    fn new(every: Duration, keep: usize) -> Self {
        let (data, folder) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
        let schedule = Some(Schedule { every, dir: folder.path().to_owned(), keep });
        let db = Arc::new(Db::open(data.path(), 0).unwrap());
        let keeper = Keeper { db, clock: Clock::fixed(BEGINNING), schedule, failed_at: None };
        Self { data, folder, keeper }
    }

    async fn look(&mut self) -> Option<Copies> {
        self.keeper.look(&CancellationToken::new()).await.unwrap();
        self.keeper.db.core().read(db::copies).await.unwrap()
    }

    async fn look_after(&mut self, span: Duration) -> Option<Copies> {
        self.keeper.clock.advance(span);
        self.look().await
    }

    fn names(&self) -> Vec<String> {
        let mut names = names_in(self.folder.path()).unwrap();
        names.sort();
        names
    }

    fn put(&self, name: &str) {
        std::fs::write(self.folder.path().join(name), "not ours").unwrap();
    }
}

fn newest(state: Option<Copies>) -> Option<String> {
    let state = state.unwrap();
    assert_eq!(state.problem, None);
    state.newest.map(Timestamp::compact)
}

#[tokio::test]
async fn a_copy_is_made_when_the_newest_is_old_enough_and_no_earlier() {
    let mut stage = Stage::new(HOUR, 7);

    let first = newest(stage.look().await);
    let same = newest(stage.look_after(Duration::from_secs(3_595)).await);
    let second = newest(stage.look_after(Duration::from_secs(5)).await);

    assert_eq!((first.as_deref(), &same), (Some("20261124T143049Z"), &first));
    assert_eq!(second.as_deref(), Some("20261124T153049Z"));
    assert_eq!(stage.names(), ["stackblaze-20261124T143049Z.db", "stackblaze-20261124T153049Z.db"]);
}

#[tokio::test]
async fn a_copy_is_private_and_can_be_restored() {
    let mut stage = Stage::new(HOUR, 7);
    let fresh = tempfile::tempdir().unwrap();

    stage.look().await;

    let file = stage.folder.path().join(&stage.names()[0]);
    assert_eq!(std::fs::metadata(&file).unwrap().permissions().mode() & 0o777, 0o600);
    assert_eq!(restore(fresh.path(), &file, false, &Clock::System).unwrap().deployments, 0);
}

#[tokio::test]
async fn the_oldest_beyond_those_kept_go_and_nothing_of_another_name() {
    let mut stage = Stage::new(HOUR, 2);
    let foreign = [
        "core.db",
        "stackblaze-2026.db",
        "stackblaze-20261124T143049Z.db.old",
        "xstackblaze-20261124T143049Z.db",
    ];
    for name in foreign {
        stage.put(name);
    }
    stage.put("stackblaze-20250101T000000Z.db");
    stage.put("stackblaze-20261101T000000Z.db.partial");

    for _ in 0..4 {
        stage.look_after(HOUR).await;
    }

    let mut expected = ["stackblaze-20261124T173049Z.db", "stackblaze-20261124T183049Z.db"].to_vec();
    expected.extend(foreign);
    expected.sort_unstable();
    assert_eq!(stage.names(), expected);
}

#[tokio::test]
async fn after_a_restart_the_schedule_goes_on_by_the_newest_file() {
    let mut stage = Stage::new(HOUR, 7);
    stage.put("stackblaze-20261124T140000Z.db");

    let restarted = newest(stage.look().await);
    let later = newest(stage.look_after(HOUR / 2).await);

    assert_eq!(restarted.as_deref(), Some("20261124T140000Z"));
    assert_eq!(later.as_deref(), Some("20261124T150049Z"));
}

#[tokio::test]
async fn a_copy_from_the_future_keeps_nothing_from_being_made_and_goes_first() {
    let mut stage = Stage::new(HOUR, 1);
    stage.put("stackblaze-20991231T000000Z.db");

    let (made, again) = (newest(stage.look().await), newest(stage.look().await));

    assert_eq!((made.as_deref(), &again), (Some("20261124T143049Z"), &made));
    assert_eq!(stage.names(), ["stackblaze-20261124T143049Z.db"]);
}

#[tokio::test]
async fn a_folder_that_is_missing_is_told_and_used_once_it_is_there() {
    let mut stage = Stage::new(HOUR, 7);
    let dir = stage.folder.path().join("mount");
    stage.keeper.schedule.as_mut().unwrap().dir.clone_from(&dir);

    let missing = stage.look().await.unwrap();
    std::fs::create_dir(&dir).unwrap();
    let made = newest(stage.look().await);

    assert_eq!(missing.newest, None);
    assert!(missing.problem.unwrap().contains("mount"));
    assert_eq!(made.as_deref(), Some("20261124T143049Z"));
}

#[tokio::test]
async fn a_copy_that_failed_is_tried_again_after_a_while_and_told_until_then() {
    let mut stage = Stage::new(HOUR, 7);
    let in_the_way = stage.folder.path().join("stackblaze-20261124T143049Z.db.partial");
    std::fs::create_dir(&in_the_way).unwrap();

    let failed = stage.look().await.unwrap();
    std::fs::remove_dir(&in_the_way).unwrap();
    let paused = stage.look().await.unwrap();
    let again = newest(stage.look_after(RETRY_INTERVAL).await);

    assert!(failed.problem.is_some() && failed.newest.is_none(), "{failed:?}");
    assert_eq!(paused.problem, failed.problem);
    assert_eq!(again.as_deref(), Some("20261124T144049Z"));
}

#[tokio::test]
async fn without_a_schedule_nothing_is_said_of_copies_any_more() {
    let mut stage = Stage::new(HOUR, 7);
    stage.look().await.unwrap();

    stage.keeper.schedule = None;

    assert_eq!(stage.look().await, None);
    assert!(stage.data.path().exists());
}
