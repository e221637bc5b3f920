//! A few threads that read, with connections of their own that cannot write.

use std::collections::VecDeque;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};

use rusqlite::Connection;
use tokio::sync::oneshot;

use super::{Error, connection};

/// Most threads of one file, and so most reads of it at a time. They start when there is something to read.
const THREADS: usize = 4;

/// The argument of a reading closure: one consistent view of the file.
pub struct Reader<'c> {
    conn: &'c Connection,
}

impl<'c> Reader<'c> {
    pub(super) fn new(conn: &'c Connection) -> Self {
        Self { conn }
    }

    /// The connection, for statements of this layer alone.
    pub(super) fn conn(&self) -> &'c Connection {
        self.conn
    }
}

/// The threads of one file. They refuse while nobody knows whether the file is sound.
pub(super) struct Readers(Arc<Shared>);

/// What the threads share with those who ask.
struct Shared {
    path: PathBuf,
    state: Mutex<State>,
    /// Told of each job, and of the end.
    news: Condvar,
}

struct State {
    waiting: VecDeque<Job>,
    /// Threads there are, and those of them that wait for a job.
    threads: usize,
    resting: usize,
    has_ended: bool,
    /// Counts the openings: a connection of an earlier one does not come back.
    opening: u64,
    /// Connections that nobody uses; none at all while closed.
    idle: Option<Vec<Connection>>,
}

/// A read, and where its answer goes.
type Job = Box<dyn FnOnce(&Shared) + Send>;

impl Readers {
    pub(super) fn new(path: PathBuf) -> Self {
        let state = State {
            waiting: VecDeque::new(),
            threads: 0,
            resting: 0,
            has_ended: false,
            opening: 0,
            idle: Some(Vec::new()),
        };
        Self(Arc::new(Shared { path, state: Mutex::new(state), news: Condvar::new() }))
    }

    pub(super) fn path(&self) -> &Path {
        &self.0.path
    }

    pub(super) async fn read<F, T, E>(&self, closure: F) -> Result<T, E>
    where
        F: FnOnce(&Reader<'_>) -> Result<T, E> + Send + 'static,
        T: Send + 'static,
        E: From<Error> + Send + 'static,
    {
        let (reply, answer) = oneshot::channel();
        self.0.submit(Box::new(move |shared| {
            // Who has left needs no answer.
            if !reply.is_closed() {
                let result = catch_unwind(AssertUnwindSafe(|| shared.read(closure)));
                drop(reply.send(result.unwrap_or_else(|_| Err(Error::Panicked.into()))));
            }
        }))?;
        answer.await.unwrap_or_else(|_| Err(Error::Unavailable("the database is closed").into()))
    }

    pub(super) fn close(&self) {
        self.0.state().idle.take();
    }

    pub(super) fn open(&self) {
        let mut state = self.0.state();
        state.opening += 1;
        state.idle.get_or_insert_default();
    }
}

impl Drop for Readers {
    fn drop(&mut self) {
        let mut state = self.0.state();
        state.has_ended = true;
        state.idle.take();
        drop(state);
        self.0.news.notify_all();
    }
}

impl Shared {
    fn submit(self: &Arc<Self>, job: Job) -> Result<(), Error> {
        let mut state = self.state();
        state.waiting.push_back(job);
        if state.waiting.len() > state.resting && state.threads < THREADS {
            let shared = Arc::clone(self);
            let name = self.path.file_stem().unwrap_or_default().to_string_lossy();
            let thread = std::thread::Builder::new().name(format!("{name}-reader"));
            match thread.spawn(move || shared.work()) {
                Ok(_) => state.threads += 1,
                Err(error) if state.threads == 0 => {
                    state.waiting.pop_back();
                    return Err(Error::Thread(error));
                }
                // The others come to it.
                Err(_) => {}
            }
        }
        drop(state);
        self.news.notify_one();
        Ok(())
    }

    /// What a thread does until the end.
    fn work(&self) {
        while let Some(job) = self.next() {
            job(self);
        }
    }

    fn next(&self) -> Option<Job> {
        let mut state = self.state();
        while state.waiting.is_empty() && !state.has_ended {
            state.resting += 1;
            state = self.news.wait(state).unwrap_or_else(PoisonError::into_inner);
            state.resting -= 1;
        }
        state.waiting.pop_front()
    }

    fn read<T, E: From<Error>>(&self, closure: impl FnOnce(&Reader<'_>) -> Result<T, E>) -> Result<T, E> {
        let (opening, conn) = self.take()?;
        conn.prepare_cached("BEGIN").and_then(|mut begin| begin.execute([])).map_err(Error::from)?;
        let result = closure(&Reader::new(&conn));
        // Nothing was written. A connection that does not end its view is not used again.
        if conn.prepare_cached("COMMIT").and_then(|mut commit| commit.execute([])).is_ok() {
            self.give_back(opening, conn);
        }
        result
    }

    fn take(&self) -> Result<(u64, Connection), Error> {
        let (opening, idle) = {
            let mut state = self.state();
            let idle = state.idle.as_mut().ok_or(Error::Unavailable("the database is being opened again"))?;
            let conn = idle.pop();
            (state.opening, conn)
        };
        let conn = idle.map_or_else(|| connection::open_reader(&self.path), Ok)?;
        Ok((opening, conn))
    }

    fn give_back(&self, opening: u64, conn: Connection) {
        let mut state = self.state();
        if state.opening == opening
            && let Some(idle) = state.idle.as_mut()
        {
            idle.push(conn);
        }
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use std::sync::mpsc;

    use super::*;
    use crate::db::{Role, migrate};

    fn readers() -> (tempfile::TempDir, Arc<Readers>) {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("core.db");
        let mut conn = connection::open_writer(&path, Role::Core).unwrap();
        migrate::run(&mut conn, &path, Role::Core).unwrap();
        (dir, Arc::new(Readers::new(path)))
    }

    fn idle(readers: &Readers) -> Option<usize> {
        readers.0.state().idle.as_ref().map(Vec::len)
    }

    #[tokio::test]
    async fn a_connection_is_used_again() {
        let (_dir, readers) = readers();

        for _ in 0..3 {
            readers.read(|_| Ok::<_, Error>(())).await.unwrap();
        }

        assert_eq!(idle(&readers), Some(1));
    }

    #[tokio::test]
    async fn a_closed_pool_refuses_until_it_is_opened() {
        let (_dir, readers) = readers();
        readers.close();

        let closed = readers.read(|_| Ok::<_, Error>(())).await;
        readers.open();
        let open = readers.read(|_| Ok::<_, Error>(())).await;

        assert!(matches!(closed, Err(Error::Unavailable(_))) && open.is_ok());
    }

    #[test]
    fn a_connection_of_before_the_reopening_does_not_come_back() {
        let (_dir, readers) = readers();
        let (opening, conn) = readers.0.take().unwrap();
        readers.close();
        readers.open();

        readers.0.give_back(opening, conn);

        assert_eq!(idle(&readers), Some(0));
    }

    #[tokio::test]
    async fn a_panic_is_an_error_of_that_read_alone() {
        let (_dir, readers) = readers();

        let panicked = readers.read(|_| -> Result<(), Error> { panic!("on purpose") }).await;
        let next = readers.read(|_| Ok::<_, Error>(())).await;

        assert!(matches!(panicked, Err(Error::Panicked)) && next.is_ok());
    }

    #[tokio::test]
    async fn a_reading_closure_cannot_write() {
        let (_dir, readers) = readers();

        let refused = readers
            .read(|reader| {
                let sql = "INSERT INTO facts (name, value) VALUES ('a', 'b')";
                reader.conn().execute(sql, []).map_err(Error::from)
            })
            .await;

        assert!(matches!(refused, Err(Error::Unavailable(_))));
    }

    #[tokio::test]
    async fn callers_who_leave_do_not_raise_the_number_of_reads() {
        let (_dir, readers) = readers();
        let (release, gate) = mpsc::channel::<()>();
        let gate = Arc::new(Mutex::new(gate));
        let (entered, is_in) = mpsc::channel();
        let reads: Vec<_> = (0..=THREADS)
            .map(|_| {
                let (own, gate, entered) = (Arc::clone(&readers), Arc::clone(&gate), entered.clone());
                tokio::spawn(async move {
                    own.read(move |_| {
                        entered.send(()).unwrap();
                        let _ = gate.lock().unwrap().recv();
                        Ok::<_, Error>(())
                    })
                    .await
                })
            })
            .collect();
        let is_in = tokio::task::spawn_blocking(move || {
            (0..THREADS).for_each(|_| is_in.recv().unwrap());
            is_in
        });
        let is_in = is_in.await.unwrap();

        for read in reads {
            read.abort();
            drop(read.await);
        }

        assert_eq!(readers.0.state().threads, THREADS);
        drop(release);
        drop(entered);
        let began_after = tokio::task::spawn_blocking(move || is_in.iter().count()).await.unwrap();
        assert_eq!(began_after, 0, "a read whose caller had left was begun");
    }

    #[tokio::test]
    async fn its_threads_end_with_it() {
        let (_dir, readers) = readers();
        readers.read(|_| Ok::<_, Error>(())).await.unwrap();
        let shared = Arc::downgrade(&readers.0);

        drop(readers);

        tokio::task::spawn_blocking(move || {
            while shared.strong_count() > 0 {
                std::thread::yield_now();
            }
        })
        .await
        .unwrap();
    }
}
