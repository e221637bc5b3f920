//! A few read-only connections, used from blocking threads.

use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use rusqlite::Connection;
use tokio::sync::Semaphore;

use super::{Error, connection};

/// Most reads at a time, and most connections kept.
const READERS: usize = 8;

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

/// The pool. Closed while nobody knows whether the file is sound.
pub(super) struct Readers {
    path: PathBuf,
    permits: Arc<Semaphore>,
    pool: Mutex<Pool>,
}

struct Pool {
    /// Counts the openings: a connection of an earlier one does not come back.
    opening: u64,
    /// None while closed.
    idle: Option<Vec<Connection>>,
}

impl Readers {
    pub(super) fn new(path: PathBuf) -> Self {
        let pool = Mutex::new(Pool { opening: 0, idle: Some(Vec::new()) });
        Self { path, permits: Arc::new(Semaphore::new(READERS)), pool }
    }

    pub(super) fn path(&self) -> &Path {
        &self.path
    }

    pub(super) async fn read<F, T, E>(self: &Arc<Self>, closure: F) -> Result<T, E>
    where
        F: FnOnce(&Reader<'_>) -> Result<T, E> + Send + 'static,
        T: Send + 'static,
        E: From<Error> + Send + 'static,
    {
        let permit = Arc::clone(&self.permits).acquire_owned().await;
        let permit = permit.map_err(|_| Error::Unavailable("the database is closed"))?;
        let readers = Arc::clone(self);
        let task = tokio::task::spawn_blocking(move || {
            // Held by the thread, since the caller may leave before it ends.
            let _permit = permit;
            let (opening, mut conn) = readers.take()?;
            // Rolled back when dropped: nothing was written.
            let snapshot = conn.transaction().map_err(Error::from)?;
            let result = closure(&Reader::new(&snapshot));
            drop(snapshot);
            readers.give_back(opening, conn);
            result
        });
        task.await.unwrap_or_else(|_| Err(Error::Panicked.into()))
    }

    fn take(&self) -> Result<(u64, Connection), Error> {
        let (opening, idle) = {
            let mut pool = self.pool();
            let idle = pool.idle.as_mut().ok_or(Error::Unavailable("the database is being opened again"))?;
            let conn = idle.pop();
            (pool.opening, conn)
        };
        let conn = idle.map_or_else(|| connection::open_reader(&self.path), Ok)?;
        Ok((opening, conn))
    }

    fn give_back(&self, opening: u64, conn: Connection) {
        let mut pool = self.pool();
        if pool.opening == opening
            && let Some(idle) = pool.idle.as_mut()
        {
            idle.push(conn);
        }
    }

    pub(super) fn close(&self) {
        self.pool().idle.take();
    }

    pub(super) fn open(&self) {
        let mut pool = self.pool();
        pool.opening += 1;
        pool.idle.get_or_insert_default();
    }

    fn pool(&self) -> MutexGuard<'_, Pool> {
        self.pool.lock().unwrap_or_else(PoisonError::into_inner)
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
        readers.pool().idle.as_ref().map(Vec::len)
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
        let (opening, conn) = readers.take().unwrap();
        readers.close();
        readers.open();

        readers.give_back(opening, conn);

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
        let (entered, is_in) = mpsc::channel();
        let own = Arc::clone(&readers);
        let read = tokio::spawn(async move {
            own.read(move |_| {
                entered.send(()).unwrap();
                let _ = gate.recv();
                Ok::<_, Error>(())
            })
            .await
        });
        tokio::task::spawn_blocking(move || is_in.recv()).await.unwrap().unwrap();

        read.abort();
        drop(read.await);

        assert_eq!(readers.permits.available_permits(), READERS - 1);
        drop(release);
    }
}
