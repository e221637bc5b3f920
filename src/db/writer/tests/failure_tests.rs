use rusqlite::ffi;

use super::*;

fn io_error() -> rusqlite::Error {
    rusqlite::Error::SqliteFailure(ffi::Error::new(ffi::SQLITE_IOERR_FSYNC), None)
}

#[test]
fn a_closure_that_loses_the_transaction_takes_its_whole_batch_with_it() {
    let bench = Bench::start();
    let gate = bench.gate();
    let before = bench.send(|tx| put(tx, "before"));
    let losing = bench.send(|tx| {
        tx.conn().execute_batch("ROLLBACK")?;
        Ok(())
    });

    drop(gate);

    assert!(is_unavailable(&wait(before)) && is_unavailable(&wait(losing)));
    assert!(wait(bench.send(|tx| put(tx, "next"))).is_ok());
    assert_eq!(bench.stored(), ["next"]);
}

#[test]
fn a_full_disk_takes_the_whole_batch_and_the_next_one_works() {
    let bench = Bench::start();
    let gate = bench.gate();
    let before = bench.send(|tx| put(tx, "before"));
    let full = bench.send(|tx| {
        let pages: i64 = tx.conn().query_row("PRAGMA page_count", [], |row| row.get(0))?;
        tx.conn().execute_batch(&format!("PRAGMA max_page_count = {pages}"))?;
        put(tx, &"x".repeat(1_000_000))
    });

    drop(gate);

    assert!(is_unavailable(&wait(before)) && is_unavailable(&wait(full)));
    assert!(wait(bench.send(|tx| put(tx, "next"))).is_ok(), "no batch is refused for an old lack of space");
    assert_eq!(bench.stored(), ["next"]);
    assert!(bench.writer.is_ready());
}

#[test]
fn a_commit_that_fails_refuses_its_whole_batch_and_the_next_one_works() {
    let bench = Bench::start();
    let gate = bench.gate();
    let before = bench.send(|tx| put(tx, "before"));
    let dangling = bench.send(|tx| {
        tx.conn().execute_batch(
            "PRAGMA defer_foreign_keys = ON;
             INSERT INTO hook_calls VALUES ('no such hook', 0, '', '', '', 1)",
        )?;
        Ok(())
    });

    drop(gate);

    assert!(is_unavailable(&wait(before)) && is_unavailable(&wait(dangling)));
    assert!(wait(bench.send(|tx| put(tx, "next"))).is_ok());
    assert_eq!(bench.stored(), ["next"]);
}

/// A commit that fails with an I/O error while the first sender is there, and takes the file away with it.
fn losing_commit(dir: &TempDir) -> impl Fn(&Connection) -> rusqlite::Result<()> + Send + 'static {
    let (file, away) = (dir.path().join("core.db"), dir.path().join("away"));
    let is_first = Mutex::new(true);
    move |conn| {
        if std::mem::take(&mut *is_first.lock().unwrap()) {
            std::fs::rename(&file, &away).unwrap();
            return Err(io_error());
        }
        commit(conn)
    }
}

#[test]
fn after_an_io_error_at_commit_nothing_is_taken_until_the_file_is_open_again() {
    let dir = tempfile::tempdir().unwrap();
    let losing = losing_commit(&dir);
    let bench = Bench::in_dir(dir, losing);
    let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
    let read = || runtime.block_on(bench.readers.read(|_| Ok::<_, Error>(())));
    read().unwrap();

    let lost = wait(bench.send(|tx| put(tx, "unknown outcome")));
    let refused = wait(bench.send(|tx| put(tx, "meanwhile")));

    assert!(is_unavailable(&lost) && is_unavailable(&refused));
    assert!(!bench.writer.is_ready());
    assert!(is_unavailable(&read()), "not even the connection that was open before");
}

#[test]
fn a_file_that_is_sound_again_is_opened_without_a_call() {
    let dir = tempfile::tempdir().unwrap();
    let losing = losing_commit(&dir);
    let bench = Bench::in_dir(dir, losing);
    let lost = wait(bench.send(|tx| put(tx, "unknown outcome")));

    std::fs::rename(bench.dir.path().join("away"), bench.dir.path().join("core.db")).unwrap();

    assert!(is_unavailable(&lost));
    wait_until("it is ready again", || bench.writer.is_ready());
    assert_eq!(bench.wal(), 0, "the log was checkpointed before");
    assert!(wait(bench.send(|tx| put(tx, "next"))).is_ok());
    assert_eq!(bench.stored(), ["next"]);
}

#[test]
fn a_writer_that_waits_for_its_file_can_be_stopped() {
    let dir = tempfile::tempdir().unwrap();
    let losing = losing_commit(&dir);
    let bench = Bench::in_dir(dir, losing);
    drop(wait(bench.send(|tx| put(tx, "unknown outcome"))));
    let (stopped, is_stopped) = std_mpsc::channel();

    let writer = bench.writer;
    std::thread::spawn(move || {
        writer.stop();
        stopped.send(())
    });

    assert!(is_stopped.recv_timeout(DEADLINE).is_ok());
}

#[test]
fn a_writer_thread_that_died_is_not_ready() {
    let bench = Bench::with(|_| panic!("on purpose"));

    let (job, answer) = package(|tx| put(tx, "never"), None);
    assert!(bench.writer.jobs.try_send(job).is_ok());

    assert!(answer.blocking_recv().is_err(), "the callers of a dead writer are told");
    wait_until("readiness is red", || !bench.writer.is_ready());
}

#[test]
fn all_who_wait_behind_a_foreign_lock_are_refused_together() {
    let bench = Bench::start();
    let foreign = connection::open_writer(&bench.dir.path().join("core.db"), Role::Core).unwrap();
    foreign.execute_batch("BEGIN IMMEDIATE").unwrap();
    let began = Instant::now();

    let answers: Vec<_> = (0..100).map(|_| bench.send(|tx| put(tx, "never"))).collect();

    assert!(answers.into_iter().all(|answer| is_unavailable(&wait(answer))));
    assert!(began.elapsed() < Duration::from_secs(15), "one wait for the lock, not one for each");
    foreign.execute_batch("ROLLBACK").unwrap();
    assert!(bench.writer.is_ready() && wait(bench.send(|tx| put(tx, "next"))).is_ok());
}
