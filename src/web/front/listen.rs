//! The two doors: TCP for the world, a Unix socket for the command line on the same machine.

use std::io;
use std::sync::Arc;
use std::time::Duration;

use tokio::io::AsyncRead;
use tokio::io::AsyncWrite;
use tokio::net::TcpListener;
use tokio::net::TcpStream;
use tokio::net::UnixListener;
use tokio::net::UnixStream;
use tokio::sync::Notify;
use tokio::sync::OwnedSemaphorePermit;
use tokio::sync::Semaphore;
use tokio::time::sleep;
use tokio::time::timeout;
use tokio_util::sync::CancellationToken;

use crate::web::front::Peer;

/// A caller that waits for a place asks idle connections for theirs this often.
const PRESSURE_INTERVAL: Duration = Duration::from_millis(50);
/// Pause after a failed accept, so that a full table of open files does not make the loop spin.
const ACCEPT_PAUSE: Duration = Duration::from_millis(100);

/// Gives one connection after the other.
pub(super) trait Listen: Send + Sync + 'static {
    type Stream: AsyncRead + AsyncWrite + Unpin + Send + 'static;

    /// Waits for the next connection; dropping the future loses none.
    fn next(&self) -> impl Future<Output = io::Result<(Self::Stream, Peer)>> + Send;
}

impl Listen for TcpListener {
    type Stream = TcpStream;

    async fn next(&self) -> io::Result<(TcpStream, Peer)> {
        let (stream, address) = self.accept().await?;
        // Nagle's algorithm holds the second of two small writes back for 40 ms. It cannot be turned off
        // where the caller is gone already, and the first read finds that out.
        let _ = stream.set_nodelay(true);
        Ok((stream, Peer::Tcp(address.ip().to_canonical())))
    }
}

impl Listen for UnixListener {
    type Stream = UnixStream;

    async fn next(&self) -> io::Result<(UnixStream, Peer)> {
        let (stream, _) = self.accept().await?;
        Ok((stream, Peer::Socket))
    }
}

/// Waits for a connection and then for a place for it; none once `stop` is cancelled.
pub(super) async fn next_connection<L: Listen>(
    listener: &L,
    places: &Arc<Semaphore>,
    pressure: &Notify,
    stop: &CancellationToken,
) -> Option<(L::Stream, Peer, OwnedSemaphorePermit)> {
    let accept = async {
        let (stream, peer) = accept(listener).await;
        loop {
            let place = Arc::clone(places).acquire_owned();
            match timeout(PRESSURE_INTERVAL, place).await {
                Ok(place) => return Some((stream, peer, place.ok()?)),
                Err(_) => pressure.notify_waiters(),
            }
        }
    };
    tokio::select! {
        biased;
        () = stop.cancelled() => None,
        accepted = accept => accepted,
    }
}

/// Accepts a connection, however often that fails; says so once.
async fn accept<L: Listen>(listener: &L) -> (L::Stream, Peer) {
    let mut is_failing = false;
    loop {
        let error = match listener.next().await {
            Ok(accepted) => return accepted,
            Err(error) => error,
        };
        // The caller left while it waited: that says nothing of the next one.
        if error.kind() == io::ErrorKind::ConnectionAborted {
            continue;
        }
        if !is_failing {
            tracing::warn!(%error, "cannot accept connections; trying again");
            is_failing = true;
        }
        sleep(ACCEPT_PAUSE).await;
    }
}

#[cfg(test)]
mod tests {
    use std::net::Ipv4Addr;
    use std::sync::atomic::AtomicUsize;
    use std::sync::atomic::Ordering;

    use tokio::io::DuplexStream;
    use tokio::io::duplex;
    use tokio::time::Instant;

    use super::*;

    /// Fails with each of the errors, then gives connections.
    struct Failing {
        errors: Vec<io::ErrorKind>,
        asked: AtomicUsize,
    }

    impl Failing {
        fn new(errors: Vec<io::ErrorKind>) -> Self {
            Self { errors, asked: AtomicUsize::new(0) }
        }
    }

    impl Listen for Failing {
        type Stream = DuplexStream;

        async fn next(&self) -> io::Result<(DuplexStream, Peer)> {
            let asked = self.asked.fetch_add(1, Ordering::SeqCst);
            match self.errors.get(asked) {
                Some(kind) => Err((*kind).into()),
                None => Ok((duplex(64).0, Peer::Tcp(Ipv4Addr::LOCALHOST.into()))),
            }
        }
    }

    #[tokio::test]
    async fn failing_accepts_are_tried_again_without_a_spin() {
        let listener = Failing::new(vec![io::ErrorKind::Other; 3]);
        let start = Instant::now();

        accept(&listener).await;

        assert_eq!(listener.asked.load(Ordering::SeqCst), 4);
        assert!(start.elapsed() >= ACCEPT_PAUSE * 3);
    }

    #[tokio::test]
    async fn a_caller_that_left_costs_the_next_one_no_pause() {
        let listener = Failing::new(vec![io::ErrorKind::ConnectionAborted; 1000]);

        timeout(ACCEPT_PAUSE * 50, accept(&listener)).await.unwrap();
    }

    #[tokio::test]
    async fn one_connection_waits_for_a_place_and_none_is_taken_after_the_stop() {
        let listener = Failing::new(Vec::new());
        let places = Arc::new(Semaphore::new(1));
        let stop = CancellationToken::new();
        let held = next_connection(&listener, &places, &Notify::new(), &stop).await;

        let waiting =
            timeout(Duration::from_millis(20), next_connection(&listener, &places, &Notify::new(), &stop))
                .await;
        assert!(waiting.is_err() && listener.asked.load(Ordering::SeqCst) == 2);

        drop(held);
        assert!(next_connection(&listener, &places, &Notify::new(), &stop).await.is_some());
        stop.cancel();
        assert!(next_connection(&listener, &places, &Notify::new(), &stop).await.is_none());
    }

    #[tokio::test]
    async fn nagle_is_off_and_the_peer_is_known() {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let _caller = TcpStream::connect(listener.local_addr().unwrap()).await.unwrap();

        let (stream, peer) = listener.next().await.unwrap();

        assert!(stream.nodelay().unwrap());
        assert_eq!(peer, Peer::Tcp(Ipv4Addr::LOCALHOST.into()));
    }
}
