//! The caller's bytes on their way to hyper, and the little that hyper does not tell of them.

use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::Mutex;
use std::sync::MutexGuard;
use std::sync::PoisonError;
use std::task::Context;
use std::task::Poll;
use std::time::Duration;

use tokio::io::AsyncRead;
use tokio::io::AsyncReadExt as _;
use tokio::io::AsyncWrite;
use tokio::io::ReadBuf;
use tokio::time::Sleep;
use tokio::time::sleep;

use crate::web::front::guard::TARGET_MAX;

const LENGTH_NAME: &[u8] = b"content-length";

/// What the bytes of the present request head show.
///
/// A head starts with the first read after the answer before it, and ends at its empty line. Bytes that
/// come earlier, as a pipelining caller sends them, are not looked at: of such a request it is unknown
/// whether it had a Content-Length, and what hyper does holds, which is to read by the chunks and close.
#[derive(Default)]
pub(super) struct Head(Mutex<Scan>);

/// Most bytes of a head.
pub(super) const HEAD_MAX: usize = 32 * 1024;
/// Most header lines of a head.
const LINES_MAX: usize = 64;
/// Bytes of the first line beside its target: the longest method that is served, blanks and version.
const FIRST_LINE_REST: usize = 32;
/// What begins a connection of HTTP/2.
const HTTP_2: &[u8] = b"PRI * HTTP/2.0";
/// First byte of a TLS handshake.
const TLS: u8 = 0x16;

/// Why a head is not handed on to hyper, whose own answers would say nothing.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Unreadable {
    Http2,
    Tls,
    TargetTooLong,
    TooLarge,
}

impl Head {
    /// True where a Content-Length line has been seen in the present head.
    pub(super) fn has_length(&self) -> bool {
        self.scan().has_length
    }

    /// True where a head has begun and not ended.
    pub(super) fn is_half_open(&self) -> bool {
        self.scan().stage == Stage::Within
    }

    /// Why the present head goes no further.
    pub(super) fn unreadable(&self) -> Option<Unreadable> {
        self.scan().unreadable
    }

    /// True where a head has ended whose request has no answer yet.
    fn is_being_answered(&self) -> bool {
        self.scan().stage == Stage::Past
    }

    /// Says that the request has its answer, so that the next byte belongs to a new head.
    pub(super) fn restart(&self) {
        *self.scan() = Scan::default();
    }

    fn scan(&self) -> MutexGuard<'_, Scan> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[derive(Default, PartialEq, Eq)]
enum Stage {
    #[default]
    Before,
    Within,
    Past,
}

#[derive(Default)]
struct Scan {
    stage: Stage,
    has_length: bool,
    /// Bytes of the present line, line ends apart.
    column: usize,
    /// The present line, as far as it has come, is not a Content-Length.
    differs: bool,
    /// Bytes and lines of the head.
    bytes: usize,
    lines: usize,
    /// The present line is HTTP/2's first, as far as it has come.
    is_other_protocol: bool,
    unreadable: Option<Unreadable>,
}

impl Scan {
    fn feed(&mut self, mut bytes: &[u8]) {
        while let Some((&byte, rest)) = bytes.split_first() {
            if self.stage == Stage::Past || self.unreadable.is_some() {
                return;
            }
            let whole = bytes.len();
            bytes = if self.differs && self.lines > 0 && byte != b'\n' {
                // To the end of a header line that is no Content-Length nothing matters but its length.
                &rest[rest.iter().position(|&byte| byte == b'\n').unwrap_or(rest.len())..]
            } else {
                rest
            };
            self.bytes += whole - bytes.len();
            if self.bytes > HEAD_MAX {
                self.unreadable = Some(Unreadable::TooLarge);
            }
            match byte {
                b'\r' => {}
                b'\n' => self.end_line(),
                _ => self.advance(byte),
            }
        }
    }

    fn end_line(&mut self) {
        if self.stage == Stage::Within && self.column == 0 {
            self.stage = Stage::Past;
        } else if self.stage == Stage::Within {
            self.lines += 1;
            // The first line is no header.
            if self.lines > LINES_MAX + 1 {
                self.unreadable = Some(Unreadable::TooLarge);
            }
        }
        self.column = 0;
        self.differs = false;
    }

    fn advance(&mut self, byte: u8) {
        if self.stage == Stage::Before {
            (self.stage, self.is_other_protocol) = (Stage::Within, true);
            if byte == TLS {
                self.unreadable = Some(Unreadable::Tls);
            }
        }
        if self.lines == 0 {
            self.is_other_protocol &= HTTP_2.get(self.column) == Some(&byte);
            if self.is_other_protocol && self.column + 1 == HTTP_2.len() {
                self.unreadable = Some(Unreadable::Http2);
            } else if self.column > TARGET_MAX + FIRST_LINE_REST {
                self.unreadable = Some(Unreadable::TargetTooLong);
            }
        }
        if !self.differs {
            let expected = LENGTH_NAME.get(self.column);
            self.has_length |= expected.is_none() && byte == b':';
            self.differs = expected != Some(&byte.to_ascii_lowercase());
        }
        self.column += 1;
    }
}

/// A connection whose first byte has come.
///
/// A caller that takes no byte of its answer for `write_limit` is cut off; hyper would wait for ever.
pub(super) struct Stream<S> {
    inner: S,
    /// Read already, not yet handed on.
    first: Option<u8>,
    head: Arc<Head>,
    write_limit: Duration,
    stalled: Option<Pin<Box<Sleep>>>,
    /// From the first byte of a head to its end.
    head_limit: Duration,
    slow: Option<Pin<Box<Sleep>>>,
}

impl<S: AsyncRead + AsyncWrite + Unpin> Stream<S> {
    /// Waits for the first byte; none where the caller leaves without one.
    ///
    /// Reading it is the one sure sign: right after the accept a socket counts as readable in any case.
    pub(super) async fn open(mut inner: S, head_limit: Duration, write_limit: Duration) -> Option<Self> {
        let first = Some(inner.read_u8().await.ok()?);
        let head = Arc::default();
        Some(Self { inner, first, head, write_limit, stalled: None, head_limit, slow: None })
    }

    /// A head that has begun may not take longer than its limit. An idle connection has no such head.
    fn limit_head(&mut self, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        if !self.head.is_half_open() {
            self.slow = None;
            return Poll::Pending;
        }
        let limit = self.head_limit;
        let slow = self.slow.get_or_insert_with(|| Box::pin(sleep(limit)));
        slow.as_mut().poll(context).map(|()| Err(io::ErrorKind::TimedOut.into()))
    }

    /// What has been seen of the present head; valid as long as the connection.
    pub(super) fn head(&self) -> Arc<Head> {
        Arc::clone(&self.head)
    }

    /// The connection itself.
    pub(super) fn into_inner(self) -> S {
        self.inner
    }

    fn limit_stall<T>(
        &mut self,
        context: &mut Context<'_>,
        written: Poll<io::Result<T>>,
    ) -> Poll<io::Result<T>> {
        if written.is_ready() {
            self.stalled = None;
            return written;
        }
        let limit = self.write_limit;
        let stalled = self.stalled.get_or_insert_with(|| Box::pin(sleep(limit)));
        stalled.as_mut().poll(context).map(|()| Err(io::ErrorKind::TimedOut.into()))
    }
}

impl<S: AsyncRead + AsyncWrite + Unpin> AsyncRead for Stream<S> {
    fn poll_read(
        self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let this = self.get_mut();
        let old = buffer.filled().len();
        let is_first = buffer.remaining() > 0 && this.first.is_some();
        if is_first {
            buffer.put_slice(this.first.take().as_slice());
        }
        let read = Pin::new(&mut this.inner).poll_read(context, buffer);
        this.head.scan().feed(&buffer.filled()[old..]);
        if this.head.unreadable().is_some() {
            buffer.set_filled(old);
            return Poll::Ready(Err(io::ErrorKind::InvalidData.into()));
        }
        // Who has sent everything may close its half and still gets its answer. The end is read again behind that, so that
        // a log that nobody takes any more ends.
        let is_end = matches!(read, Poll::Ready(Ok(()))) && buffer.filled().len() == old;
        if is_end && buffer.remaining() > 0 && this.head.is_being_answered() {
            return Poll::Pending;
        }
        let slow = this.limit_head(context);
        if is_first {
            Poll::Ready(Ok(()))
        } else if read.is_pending() {
            slow
        } else {
            read
        }
    }
}

impl<S: AsyncRead + AsyncWrite + Unpin> AsyncWrite for Stream<S> {
    fn poll_write(self: Pin<&mut Self>, context: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        let this = self.get_mut();
        let written = Pin::new(&mut this.inner).poll_write(context, bytes);
        this.limit_stall(context, written)
    }

    fn poll_write_vectored(
        self: Pin<&mut Self>,
        context: &mut Context<'_>,
        slices: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        let this = self.get_mut();
        let written = Pin::new(&mut this.inner).poll_write_vectored(context, slices);
        this.limit_stall(context, written)
    }

    fn is_write_vectored(&self) -> bool {
        self.inner.is_write_vectored()
    }

    fn poll_flush(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.get_mut().inner).poll_flush(context)
    }

    fn poll_shutdown(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        let this = self.get_mut();
        // There is an answer of ours to come.
        if this.head.unreadable().is_some() {
            return Poll::Ready(Ok(()));
        }
        Pin::new(&mut this.inner).poll_shutdown(context)
    }
}

#[cfg(test)]
mod tests {
    use tokio::io::AsyncWriteExt as _;
    use tokio::io::duplex;
    use tokio::time::timeout;

    use super::*;

    const PATIENCE: Duration = Duration::from_mins(5);

    fn scanned(bytes: &[u8], step: usize) -> Scan {
        let mut scan = Scan::default();
        bytes.chunks(step).for_each(|chunk| scan.feed(chunk));
        scan
    }

    #[test]
    fn a_length_is_seen_wherever_the_reads_cut_it() {
        let head = b"POST / HTTP/1.1\r\nHost: h\r\ncOntent-Length:3\r\nX: y\r\n\r\n";

        for step in 1..head.len() {
            let scan = scanned(head, step);
            assert!(scan.has_length && scan.stage == Stage::Past, "in steps of {step}");
        }
    }

    #[test]
    fn what_only_resembles_a_length_is_none() {
        for line in ["content-lengths: 1", "x-content-length: 1", "x: content-length: 1", "content-lengt: 1"]
        {
            let head = format!("\r\nPOST /content-length: HTTP/1.1\r\n{line}\r\n\r\n");
            assert!(!scanned(head.as_bytes(), 5).has_length, "{line}");
        }
    }

    #[test]
    fn a_body_is_not_part_of_the_head() {
        let scan = scanned(b"POST / HTTP/1.1\n\ncontent-length: 1\r\n", 4);

        assert!(!scan.has_length && scan.stage == Stage::Past);
    }

    #[test]
    fn a_head_is_half_open_from_its_first_byte_to_its_empty_line() {
        let head = Head::default();

        for (bytes, expected) in [("\r\n", false), ("G", true), ("ET / HTTP/1.1\r\n", true), ("\r\n", false)]
        {
            head.scan().feed(bytes.as_bytes());
            assert_eq!(head.is_half_open(), expected, "after {bytes:?}");
        }
        head.restart();
        assert!(!head.is_half_open());
    }

    #[tokio::test]
    async fn no_byte_is_lost_or_doubled() {
        let (mut caller, server) = duplex(64);
        caller.write_all(b"hello").await.unwrap();
        caller.shutdown().await.unwrap();

        let mut stream = Stream::open(server, Duration::from_secs(1), Duration::from_secs(1)).await.unwrap();

        let mut bytes = Vec::new();
        stream.read_to_end(&mut bytes).await.unwrap();
        assert_eq!(bytes, b"hello");
    }

    #[tokio::test]
    async fn the_first_byte_is_handed_on_before_the_second_comes() {
        let (mut caller, server) = duplex(64);
        caller.write_all(b"h").await.unwrap();

        let mut stream = Stream::open(server, Duration::from_secs(1), Duration::from_secs(1)).await.unwrap();

        assert_eq!(timeout(PATIENCE, stream.read(&mut [0; 8])).await.unwrap().unwrap(), 1);
    }

    #[tokio::test]
    async fn a_caller_that_takes_nothing_is_cut_off() {
        let (mut caller, server) = duplex(8);
        caller.write_all(b"h").await.unwrap();
        let mut stream =
            Stream::open(server, Duration::from_secs(1), Duration::from_millis(20)).await.unwrap();

        let error = timeout(PATIENCE, stream.write_all(&[0; 64])).await.unwrap().unwrap_err();

        assert_eq!(error.kind(), io::ErrorKind::TimedOut);
    }
}
