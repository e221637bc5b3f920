//! The writer under faults: no false answer, and the next batch works.

use std::sync::atomic::AtomicUsize;
use std::sync::{LazyLock, Mutex, mpsc as std_mpsc};

use rusqlite::named_params;
use tempfile::TempDir;

use super::super::{Db, facts};
use super::*;

/// Longest wait for an answer that has to come.
const LIMIT: Duration = Duration::from_secs(20);

struct Bench {
    db: Arc<Db>,
    folder: TempDir,
}

impl Bench {
    fn new() -> Self {
        Self::with_commit(commit)
    }

    fn with_commit(commit: Commit) -> Self {
        let folder = TempDir::new().unwrap();
        let db = Arc::new(Db::open_with(folder.path(), 0, commit).unwrap());
        Self { db, folder }
    }

    async fn write<T: Send + 'static>(
        &self,
        closure: impl FnOnce(&Tx<'_>) -> Result<T, Error> + Send + 'static,
    ) -> Result<T, Error> {
        tokio::time::timeout(LIMIT, self.db.write(closure)).await.unwrap()
    }

    async fn put(&self, name: &'static str) -> Result<(), Error> {
        self.write(move |tx| insert(tx, name)).await
    }

    async fn has(&self, name: &'static str) -> bool {
        let sql = "SELECT EXISTS (SELECT 1 FROM facts WHERE name = :name)";
        let read = move |reader: &Reader<'_>| {
            Ok::<bool, Error>(
                reader.conn().query_row(sql, named_params! { ":name": name }, |row| row.get(0))?,
            )
        };
        self.db.read(read).await.unwrap()
    }

    /// Holds the writer inside a closure, so that all that is sent meanwhile becomes one batch; gives the way on.
    async fn hold(&self) -> std_mpsc::Sender<()> {
        let (go, gate) = std_mpsc::channel();
        let (entered, is_in) = oneshot::channel();
        let db = Arc::clone(&self.db);
        tokio::spawn(async move {
            let closure = move |_: &Tx<'_>| {
                entered.send(()).ok();
                gate.recv().ok();
                Ok::<(), Error>(())
            };
            db.write(closure).await.ok();
        });
        is_in.await.unwrap();
        go
    }
}

fn insert(tx: &Tx<'_>, name: &str) -> Result<(), Error> {
    tx.conn()
        .execute("INSERT INTO facts (name, value) VALUES (:name, '')", named_params! { ":name": name })?;
    Ok(())
}

fn is_unavailable<T>(result: &Result<T, Error>) -> bool {
    matches!(result, Err(Error::Unavailable(_)))
}

#[tokio::test]
async fn an_error_and_a_panic_undo_their_own_rows_and_no_others() {
    let bench = Bench::new();
    let go = bench.hold().await;

    let (good, refused, panicked, later) =
        tokio::join!(
            bench.put("good"),
            bench
                .write(|tx| insert(tx, "refused")
                    .and(Err::<(), _>(Error::Unavailable("refused by the closure")))),
            bench.write(|tx| -> Result<(), Error> {
                insert(tx, "panicked")?;
                panic!("on purpose")
            }),
            async {
                go.send(()).unwrap();
                bench.put("later").await
            },
        );

    assert!(good.is_ok() && later.is_ok() && refused.is_err());
    assert!(matches!(panicked, Err(Error::Panicked)));
    assert!(bench.has("good").await && bench.has("later").await);
    assert!(!bench.has("refused").await && !bench.has("panicked").await);
}

#[tokio::test]
async fn a_lost_transaction_refuses_its_whole_batch_and_the_next_one_works() {
    let bench = Bench::new();
    let go = bench.hold().await;

    let (before, thief, ()) = tokio::join!(
        bench.put("before"),
        bench.write(|tx| {
            tx.conn().execute_batch("ROLLBACK")?;
            Ok(())
        }),
        async { go.send(()).unwrap() },
    );

    assert!(is_unavailable(&before) && is_unavailable(&thief));
    assert!(!bench.has("before").await);
    bench.put("next").await.unwrap();
    assert!(bench.has("next").await && bench.db.is_ready());
}

#[tokio::test]
async fn a_full_database_refuses_and_takes_writes_again_once_there_is_room() {
    let bench = Bench::new();
    bench.write(|tx| Ok(tx.conn().execute_batch("PRAGMA max_page_count = 1")?)).await.unwrap();

    let big = |tx: &Tx<'_>| {
        let sql = "INSERT INTO facts (name, value) VALUES ('big', :value)";
        tx.conn().execute(sql, named_params! { ":value": "x".repeat(1 << 20) })?;
        Ok(())
    };
    let full = bench.write(big).await;

    assert!(is_unavailable(&full), "{full:?}");
    assert!(!bench.has("big").await);
    bench.write(|tx| Ok(tx.conn().execute_batch("PRAGMA max_page_count = 100000")?)).await.unwrap();
    bench.write(big).await.unwrap();
    assert!(bench.has("big").await);
}

#[tokio::test]
async fn a_commit_that_fails_refuses_its_whole_batch_and_the_next_one_works() {
    let bench = Bench::new();
    let go = bench.hold().await;

    let orphan = "INSERT INTO steps (deployment_id, name, status) VALUES ('dep_none', 'clone', 'pending')";
    let (before, violation, ()) = tokio::join!(
        bench.put("before"),
        bench.write(move |tx| {
            tx.conn().execute_batch("PRAGMA defer_foreign_keys = ON")?;
            Ok(tx.conn().execute_batch(orphan)?)
        }),
        async { go.send(()).unwrap() },
    );

    assert!(is_unavailable(&before) && is_unavailable(&violation));
    assert!(!bench.has("before").await && bench.db.is_ready());
    bench.put("next").await.unwrap();
}

/// Commits that fail with an I/O error, from now on so many times.
static FAILURES: AtomicUsize = AtomicUsize::new(0);

fn failing(conn: &Connection) -> rusqlite::Result<()> {
    if FAILURES.fetch_update(Ordering::SeqCst, Ordering::SeqCst, |left| left.checked_sub(1)).is_ok() {
        return Err(rusqlite::Error::SqliteFailure(
            rusqlite::ffi::Error::new(rusqlite::ffi::SQLITE_IOERR_FSYNC),
            None,
        ));
    }
    commit(conn)
}

#[tokio::test]
async fn an_io_error_at_commit_closes_everything_and_only_a_sound_file_is_used_again() {
    let bench = Bench::with_commit(failing);
    bench.put("first").await.unwrap();
    let mut unready = 0;

    FAILURES.store(1, Ordering::SeqCst);
    let failed = bench.put("failed").await;
    unready += usize::from(!bench.db.is_ready());
    let began = Instant::now();
    while !bench.db.is_ready() {
        assert!(began.elapsed() < LIMIT, "it does not come back");
        tokio::task::yield_now().await;
    }

    assert!(is_unavailable(&failed) && unready <= 1);
    bench.put("next").await.unwrap();
    assert!(bench.has("first").await && bench.has("next").await);
}

/// The gate of [`gated`]: a commit waits for one word on it.
static GATE: LazyLock<(std_mpsc::SyncSender<()>, Mutex<std_mpsc::Receiver<()>>)> = LazyLock::new(|| {
    let (go, gate) = std_mpsc::sync_channel(16);
    (go, Mutex::new(gate))
});

fn gated(conn: &Connection) -> rusqlite::Result<()> {
    GATE.1.lock().unwrap().recv().unwrap();
    commit(conn)
}

#[tokio::test]
async fn every_answer_also_a_refusal_waits_for_the_commit() {
    let bench = Bench::with_commit(gated);
    let (ran, has_run) = oneshot::channel();
    let accepted = bench.write(move |tx| insert(tx, "row"));
    let refused = bench.write(move |_| {
        ran.send(()).ok();
        Err::<(), _>(Error::Unavailable("refused by the closure"))
    });
    let both = async { tokio::join!(accepted, refused) };
    tokio::pin!(both);

    tokio::select! {
        _ = &mut both => panic!("answered before the commit"),
        done = has_run => done.unwrap(),
    }
    // The first closure may have been a batch of its own: one word for each commit that can come.
    for _ in 0..2 {
        assert!(futures_util::poll!(&mut both).is_pending());
        GATE.0.send(()).unwrap();
    }
    GATE.0.send(()).unwrap();

    let (accepted, refused) = tokio::time::timeout(LIMIT, both).await.unwrap();
    assert!(accepted.is_ok() && refused.is_err());
}

#[tokio::test]
async fn a_caller_who_has_left_costs_nothing() {
    let bench = Bench::new();
    let go = bench.hold().await;

    {
        let gone = bench.db.write(|tx| insert(tx, "gone"));
        tokio::pin!(gone);
        assert!(futures_util::poll!(&mut gone).is_pending());
    }
    go.send(()).unwrap();

    bench.put("here").await.unwrap();
    assert!(bench.has("here").await && !bench.has("gone").await);
}

#[tokio::test]
async fn a_full_waiting_list_refuses_at_once_and_a_place_is_awaited_only_where_asked() {
    let bench = Bench::new();
    let go = bench.hold().await;
    let mut waiting: Vec<_> =
        (0..WAITING_LIST).map(|_| Box::pin(bench.db.write(|_| Ok::<(), Error>(())))).collect();
    for write in &mut waiting {
        assert!(futures_util::poll!(write).is_pending());
    }

    let refused = bench.db.try_write(|_| Ok::<(), Error>(())).await;
    assert!(is_unavailable(&refused) && !bench.db.is_idle());

    go.send(()).unwrap();
    for write in waiting {
        tokio::time::timeout(LIMIT, write).await.unwrap().unwrap();
    }
    bench.db.try_write(|_| Ok::<(), Error>(())).await.unwrap();
}

#[tokio::test]
async fn closing_runs_what_waits_and_empties_the_write_ahead_log() {
    let bench = Bench::new();
    bench.put("row").await.unwrap();
    let Bench { db, folder } = bench;

    Arc::into_inner(db).unwrap().close();

    let wal = folder.path().join("core.db-wal");
    assert!(std::fs::metadata(&wal).is_err() || std::fs::metadata(&wal).unwrap().len() == 0);
    let again = Db::open(folder.path(), 0).unwrap();
    assert!(again.read(facts::fingerprint).await.unwrap().is_none());
    again.close();
}

#[test]
fn a_second_server_is_refused_and_told_who_holds_the_directory() {
    let folder = TempDir::new().unwrap();
    let first = Db::open(folder.path(), 0).unwrap();

    let second = Db::open(folder.path(), 0).err().unwrap();

    assert!(second.to_string().contains(&format!("process {}", std::process::id())), "{second}");
    first.close();
    Db::open(folder.path(), 0).unwrap().close();
}
