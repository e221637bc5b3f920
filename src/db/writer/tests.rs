mod failure_tests;

use std::sync::Mutex;
use std::sync::mpsc as std_mpsc;

use tempfile::TempDir;
use tokio::sync::oneshot;

use super::worker::BATCH_CLOSURES;
use super::*;
use crate::db::{connection, migrate};
use crate::domain::Timestamp;

/// Nothing here takes this long; a test that waits longer has failed.
const DEADLINE: Duration = Duration::from_mins(5);

type Answer<T> = oneshot::Receiver<Result<T, Error>>;

struct Gate {
    _release: std_mpsc::Sender<()>,
    _answer: Answer<()>,
}

/// A writer on a file of its own. Its batches last as long as anything waits, so that what is sent behind a gate is one.
struct Bench {
    dir: TempDir,
    writer: Writer,
    readers: Arc<Readers>,
    changes: Arc<Changes>,
}

impl Bench {
    fn start() -> Self {
        Self::with(commit)
    }

    fn with(commit: impl Fn(&Connection) -> rusqlite::Result<()> + Send + 'static) -> Self {
        Self::in_dir(tempfile::tempdir().unwrap(), commit)
    }

    fn in_dir(dir: TempDir, commit: impl Fn(&Connection) -> rusqlite::Result<()> + Send + 'static) -> Self {
        let path = dir.path().join("core.db");
        let mut conn = connection::open_writer(&path, Role::Core).unwrap();
        migrate::run(&mut conn, &path, Role::Core).unwrap();
        conn.busy_timeout(Duration::from_millis(300)).unwrap();
        let plan = Plan {
            path: path.clone(),
            role: Role::Core,
            commit: Box::new(commit),
            batch_time: DEADLINE,
            min_free_bytes: 0,
        };
        let (readers, changes) = (Arc::new(Readers::new(path)), Arc::new(Changes::new()));
        let writer = Writer::start(conn, plan, Arc::clone(&readers), Arc::clone(&changes)).unwrap();
        Self { dir, writer, readers, changes }
    }

    fn send<T: Send + 'static>(
        &self,
        closure: impl FnOnce(&Tx<'_>) -> Result<T, Error> + Send + 'static,
    ) -> Answer<T> {
        self.send_until(None, closure)
    }

    fn send_until<T: Send + 'static>(
        &self,
        expires: Option<Instant>,
        closure: impl FnOnce(&Tx<'_>) -> Result<T, Error> + Send + 'static,
    ) -> Answer<T> {
        let (job, answer) = package(closure, expires);
        assert!(self.writer.jobs.try_send(job).is_ok(), "the waiting list has a place");
        answer
    }

    /// Keeps the writer inside a closure until it is dropped.
    fn gate(&self) -> Gate {
        let (release, gate) = std_mpsc::channel();
        let (entered, is_in) = std_mpsc::channel();
        let answer = self.send(move |_| {
            entered.send(()).unwrap();
            let _ = gate.recv();
            Ok(())
        });
        is_in.recv_timeout(DEADLINE).unwrap();
        Gate { _release: release, _answer: answer }
    }

    /// What is stored, as another connection sees it.
    fn stored(&self) -> Vec<String> {
        let conn = connection::open_reader(&self.dir.path().join("core.db")).unwrap();
        let mut statement = conn.prepare("SELECT name FROM facts ORDER BY name").unwrap();
        statement.query_map([], |row| row.get(0)).unwrap().collect::<Result<_, _>>().unwrap()
    }

    fn wal(&self) -> u64 {
        std::fs::metadata(self.dir.path().join("core.db-wal")).map_or(0, |file| file.len())
    }
}

fn put(tx: &Tx<'_>, name: &str) -> Result<(), Error> {
    tx.conn().execute("INSERT INTO facts (name, value) VALUES (?1, '')", [name])?;
    Ok(())
}

fn wait<T: Send + 'static>(answer: Answer<T>) -> Result<T, Error> {
    let (sender, receiver) = std_mpsc::channel();
    std::thread::spawn(move || drop(sender.send(answer.blocking_recv())));
    receiver.recv_timeout(DEADLINE).expect("an answer in time").expect("an answer at all")
}

fn wait_until(what: &str, is_so: impl Fn() -> bool) {
    let deadline = Instant::now() + DEADLINE;
    while !is_so() {
        assert!(Instant::now() < deadline, "{what}");
        std::thread::yield_now();
    }
}

fn is_unavailable<T>(result: &Result<T, Error>) -> bool {
    matches!(result, Err(Error::Unavailable(_)))
}

fn deployment() -> DeploymentId {
    DeploymentId::generate(Timestamp::from_millis(1))
}

#[test]
fn an_error_loses_its_own_rows_and_no_others_of_the_batch() {
    let bench = Bench::start();
    let gate = bench.gate();
    let before = bench.send(|tx| put(tx, "a decision").map(|()| "refused"));
    let failing = bench.send(|tx| {
        put(tx, "lost")?;
        Err::<(), _>(Error::Unavailable("on purpose"))
    });
    let after = bench.send(|tx| put(tx, "another"));

    drop(gate);

    assert_eq!(wait(before).unwrap(), "refused");
    assert!(is_unavailable(&wait(failing)) && wait(after).is_ok());
    assert_eq!(bench.stored(), ["a decision", "another"]);
}

#[test]
fn a_panic_loses_its_own_rows_and_is_answered_as_a_panic() {
    let bench = Bench::start();
    let gate = bench.gate();
    let before = bench.send(|tx| put(tx, "before"));
    let panicking = bench.send(|tx| -> Result<(), Error> {
        put(tx, "lost")?;
        let _borrowed = tx.touched.borrow_mut();
        panic!("on purpose")
    });
    let after = bench.send(|tx| {
        tx.touch(&deployment());
        put(tx, "after")
    });

    drop(gate);

    assert!(matches!(wait(panicking), Err(Error::Panicked)));
    assert!(wait(before).is_ok() && wait(after).is_ok());
    assert_eq!(bench.stored(), ["after", "before"]);
}

#[test]
fn no_answer_is_given_before_commit_has_returned() {
    let (release, gate) = std_mpsc::channel::<()>();
    let (entered, is_in) = std_mpsc::channel();
    let bench = Bench::with(move |conn| {
        entered.send(()).unwrap();
        let _ = gate.recv();
        commit(conn)
    });
    let mut accepted = bench.send(|tx| put(tx, "accepted"));
    let mut refused = bench.send(|_| Err::<(), _>(Error::Panicked));

    is_in.recv_timeout(DEADLINE).unwrap();

    assert!(accepted.try_recv().is_err() && refused.try_recv().is_err());
    assert!(bench.stored().is_empty());
    drop(release);
    assert!(wait(accepted).is_ok() && matches!(wait(refused), Err(Error::Panicked)));
}

#[test]
fn closures_that_wait_share_one_commit() {
    let (committed, commits) = std_mpsc::channel();
    let bench = Bench::with(move |conn| {
        committed.send(()).unwrap();
        commit(conn)
    });
    let gate = bench.gate();
    let answers: Vec<_> =
        (0..=BATCH_CLOSURES).map(|i| bench.send(move |tx| put(tx, &i.to_string()))).collect();

    drop(gate);

    assert!(answers.into_iter().all(|answer| wait(answer).is_ok()));
    assert_eq!(commits.try_iter().count(), 2, "as many as one batch may hold, and the rest");
}

#[tokio::test]
async fn a_full_waiting_list_is_said_at_once() {
    let bench = Bench::start();
    let gate = bench.gate();
    let waiting: Vec<_> = (0..WAITING_LIST).map(|_| bench.send(|_| Ok(()))).collect();

    let refused = tokio::time::timeout(DEADLINE, bench.writer.try_write(|tx| put(tx, "too many"))).await;

    assert!(matches!(refused.unwrap(), Err(Error::Busy)) && !bench.writer.is_idle());
    drop((waiting, gate));
    bench.writer.write(|tx| put(tx, "next")).await.unwrap();
    assert!(bench.writer.is_idle());
}

#[test]
fn a_closure_whose_caller_has_left_is_skipped() {
    let bench = Bench::start();
    let gate = bench.gate();
    drop(bench.send(|tx| put(tx, "left")));
    let stays = bench.send(|tx| put(tx, "stays"));

    drop(gate);

    assert!(wait(stays).is_ok());
    assert_eq!(bench.stored(), ["stays"]);
}

#[test]
fn a_closure_that_waited_too_long_is_answered_without_running() {
    let bench = Bench::start();
    let gate = bench.gate();
    let late = bench.send_until(Some(Instant::now()), |tx| put(tx, "late"));
    let in_time = bench.send_until(Some(Instant::now() + DEADLINE), |tx| put(tx, "in time"));

    drop(gate);

    assert!(matches!(wait(late), Err(Error::Busy)) && wait(in_time).is_ok());
    assert_eq!(bench.stored(), ["in time"]);
}

#[test]
fn a_notice_comes_after_the_commit() {
    let changes = Arc::new(Mutex::new(None));
    let (seen, at_commit) = std_mpsc::channel();
    let own = Arc::clone(&changes);
    let bench = Bench::with(move |conn| {
        let is_noticed = own.lock().unwrap().as_ref().map(|c: &Arc<Changes>| *c.any().borrow());
        seen.send(is_noticed).unwrap();
        commit(conn)
    });
    *changes.lock().unwrap() = Some(Arc::clone(&bench.changes));
    let id = deployment();
    let (any, own) = (bench.changes.any(), bench.changes.of(&id));

    let answer = bench.send(move |tx| {
        tx.touch(&id);
        put(tx, "changed")
    });

    assert!(wait(answer).is_ok());
    assert_eq!(at_commit.recv().unwrap(), Some(0), "nothing is said before");
    assert!(any.has_changed().unwrap() && own.has_changed().unwrap());
}

#[test]
fn no_notice_is_given_for_rows_that_were_rolled_back() {
    let bench = Bench::start();
    let any = bench.changes.any();

    let failed = wait(bench.send(|tx| {
        tx.touch(&deployment());
        Err::<(), _>(Error::Panicked)
    }));

    assert!(failed.is_err() && !any.has_changed().unwrap());
}

#[test]
fn stopping_runs_what_waits_and_empties_the_log() {
    let bench = Bench::start();
    let gate = bench.gate();
    let answers: Vec<_> = (0..10).map(|i| bench.send(move |tx| put(tx, &i.to_string()))).collect();
    let Bench { dir, writer, .. } = bench;
    // SQLite empties the log by itself only where the last connection is closed.
    let foreign = connection::open_reader(&dir.path().join("core.db")).unwrap();
    let rows = || foreign.query_row("SELECT count(*) FROM facts", [], |row| row.get::<_, i64>(0)).unwrap();
    assert_eq!(rows(), 0);

    let stopping = std::thread::spawn(move || writer.stop());
    drop(gate);
    stopping.join().unwrap();

    assert!(answers.into_iter().all(|answer| wait(answer).is_ok()));
    let wal = std::fs::metadata(dir.path().join("core.db-wal")).map_or(0, |file| file.len());
    assert_eq!((wal, rows()), (0, 10));
}
