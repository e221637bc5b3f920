//! One connection from its first byte to its end.

use std::convert::Infallible;
use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;

use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::TokioIo;
use hyper_util::rt::TokioTimer;
use tokio::io::AsyncRead;
use tokio::io::AsyncReadExt as _;
use tokio::io::AsyncWrite;
use tokio::io::AsyncWriteExt as _;
use tokio::time::Instant;
use tokio::time::sleep;
use tokio::time::timeout;
use tokio::time::timeout_at;
use tokio_util::sync::CancellationToken;

use crate::web::front::Front;
use crate::web::front::Limits;
use crate::web::front::Peer;
use crate::web::front::stream::HEAD_MAX;
use crate::web::front::stream::Stream;

/// Size of hyper's buffers and most header lines for it, in bytes: above our own limits, which answer before.
const HYPER_HEAD_MAX: usize = 2 * HEAD_MAX;
const HYPER_HEADERS_MAX: usize = 100;
/// At the end of service, time for a head that has begun to become a request.
const HALF_OPEN_GRACE: Duration = Duration::from_millis(250);
/// Bytes of a caller that sends on after its last answer, before it is cut off.
const LINGER_MAX: usize = 16 * 1024 * 1024;
/// At the end of service, time for such a caller to take its answer.
const LINGER_GRACE: Duration = Duration::from_secs(1);

/// How a connection ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum End {
    /// The last answer is written.
    Answered,
    /// The caller was too slow, or has gone.
    Cut,
}

/// Serves the requests of a connection until it ends, or `stop` is cancelled and its request answered.
pub(super) async fn serve<S>(inner: S, peer: Peer, front: Arc<Front>, stop: CancellationToken)
where
    S: AsyncRead + AsyncWrite + Unpin + Send + 'static,
{
    let limits = front.limits;
    let Some(mut stream) = first_byte(inner, &limits, &stop).await else { return };
    let head = stream.head();
    let mut end = converse(&mut stream, peer, Arc::clone(&front), &stop).await;
    let mut inner = stream.into_inner();
    if let Some(unreadable) = head.unreadable() {
        let answer = front.refuse(unreadable, peer);
        let written = timeout(limits.write, inner.write_all(answer.as_bytes())).await;
        end = if matches!(written, Ok(Ok(()))) { End::Answered } else { End::Cut };
        // The caller reads to the end of the answer, not to a reset.
        drop(inner.shutdown().await);
    }
    if end == End::Answered {
        linger(inner, &limits, &stop).await;
    }
}

async fn first_byte<S>(inner: S, limits: &Limits, stop: &CancellationToken) -> Option<Stream<S>>
where
    S: AsyncRead + AsyncWrite + Unpin,
{
    tokio::select! {
        biased;
        opened = timeout(limits.first_byte, Stream::open(inner, limits.header, limits.write)) => opened.ok()?,
        () = stop.cancelled() => None,
    }
}

async fn converse<S>(stream: &mut Stream<S>, peer: Peer, front: Arc<Front>, stop: &CancellationToken) -> End
where
    S: AsyncRead + AsyncWrite + Unpin + Send + 'static,
{
    let limits = front.limits;
    let head = stream.head();
    let service = service_fn(|request| {
        let front = Arc::clone(&front);
        let head = Arc::clone(&head);
        async move { Ok::<_, Infallible>(front.answer(request, peer, &head).await) }
    });
    let idle = front.idle_limit(peer);
    let mut connection = pin!(protocol(idle).serve_connection(TokioIo::new(stream), service));
    tokio::select! {
        biased;
        ended = connection.as_mut() => return end_of(ended),
        () = stop.cancelled() => connection.as_mut().graceful_shutdown(),
        // Others wait for a place: an idle connection ends, and one at work after its answer.
        () = front.pressure.notified() => {
            connection.as_mut().graceful_shutdown();
            tokio::select! {
                biased;
                // Its place is wanted now.
                _ = connection.as_mut() => return End::Cut,
                () = stop.cancelled() => {}
            }
        }
    }
    let cut = Instant::now() + limits.drain;
    if let Ok(ended) = timeout(HALF_OPEN_GRACE.min(limits.drain), connection.as_mut()).await {
        return end_of(ended);
    }
    if head.is_half_open() {
        return End::Cut;
    }
    timeout_at(cut, connection).await.map_or(End::Cut, end_of)
}

fn protocol(idle: Duration) -> http1::Builder {
    let mut protocol = http1::Builder::new();
    protocol
        .timer(TokioTimer::new())
        // A head that has begun has a limit of its own.
        .header_read_timeout(idle)
        .max_buf_size(HYPER_HEAD_MAX)
        .max_header_size(HYPER_HEAD_MAX)
        .max_headers(HYPER_HEADERS_MAX);
    protocol
}

fn end_of(ended: hyper::Result<()>) -> End {
    match ended {
        Err(error) if !error.is_parse() => End::Cut,
        Ok(()) | Err(_) => End::Answered,
    }
}

/// Reads what the caller still sends after its last answer, and forgets it.
///
/// Closing a socket with unread bytes makes the kernel reset the connection, and the caller may lose the
/// answer that it has not read yet.
async fn linger(mut inner: impl AsyncRead + Unpin, limits: &Limits, stop: &CancellationToken) {
    let mut sink = [0; 4096];
    let read_on = async {
        let mut left = LINGER_MAX;
        while let Ok(Ok(count @ 1..)) = timeout(limits.body_silence, inner.read(&mut sink)).await {
            left = left.saturating_sub(count);
            if left == 0 {
                return;
            }
        }
    };
    let stopped = async {
        stop.cancelled().await;
        sleep(LINGER_GRACE).await;
    };
    tokio::select! {
        _ = timeout(limits.body, read_on) => {}
        () = stopped => {}
    }
}
