//! Reading a request's body within bounds.

use std::future::poll_fn;
use std::pin::Pin;
use std::time::Duration;

use hyper::body::Body as _;
use poem::Body;
use poem::Response;
use tokio::time::timeout;

/// Time from the first look at a body to its last byte.
const BODY_DEADLINE: Duration = Duration::from_secs(10);

/// Why a body could not be had.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum BodyError {
    /// The body is, or says it is, longer than the limit.
    #[error("body is too large")]
    TooLarge,
    /// The body did not end within ten seconds.
    #[error("body took too long")]
    TimedOut,
    /// The connection broke, or the framing of a chunk is wrong.
    #[error("body is incomplete")]
    Broken,
}

/// Reads a whole body of at most `limit` bytes, with or without a Content-Length.
///
/// # Errors
/// A Content-Length above the limit is refused before a byte is read; a body that only turns out too
/// long, at the byte that makes it so.
pub async fn read_limited(body: Body, limit: usize) -> Result<Vec<u8>, BodyError> {
    read_within(body, limit, BODY_DEADLINE).await
}

async fn read_within(body: Body, limit: usize, deadline: Duration) -> Result<Vec<u8>, BodyError> {
    timeout(deadline, read(body, limit)).await.map_err(|_| BodyError::TimedOut)?
}

async fn read(body: Body, limit: usize) -> Result<Vec<u8>, BodyError> {
    // Only as part of a hyper message does poem's body show the announced length.
    let mut body = hyper::Response::from(Response::from(body)).into_body();
    let fits = |length: u64| usize::try_from(length).is_ok_and(|length| length <= limit);
    if !fits(body.size_hint().lower()) {
        return Err(BodyError::TooLarge);
    }
    let mut bytes = Vec::new();
    while let Some(frame) = poll_fn(|context| Pin::new(&mut body).poll_frame(context)).await {
        // A frame that is no data is the trailers, which nobody asked for.
        let Ok(chunk) = frame.map_err(|_| BodyError::Broken)?.into_data() else { continue };
        if chunk.len() > limit - bytes.len() {
            return Err(BodyError::TooLarge);
        }
        bytes.extend_from_slice(&chunk);
    }
    Ok(bytes)
}

#[cfg(test)]
mod tests {
    use std::io;

    use futures_util::stream;

    use super::*;

    /// A body of unknown length, as chunked transfer gives it.
    fn chunked(chunks: Vec<io::Result<&'static [u8]>>) -> Body {
        Body::from_bytes_stream(stream::iter(chunks))
    }

    #[tokio::test]
    async fn a_body_up_to_the_limit_is_read_whole() {
        assert_eq!(read_limited(Body::from("12345"), 5).await.unwrap(), b"12345");
        assert_eq!(read_limited(chunked(vec![Ok(b"123"), Ok(b"45")]), 5).await.unwrap(), b"12345");
        assert_eq!(read_limited(Body::empty(), 0).await.unwrap(), b"");
    }

    #[tokio::test]
    async fn one_byte_more_is_too_large_however_it_is_sent() {
        assert_eq!(read_limited(Body::from("123456"), 5).await, Err(BodyError::TooLarge));
        assert_eq!(read_limited(chunked(vec![Ok(b"123"), Ok(b"456")]), 5).await, Err(BodyError::TooLarge));
    }

    #[tokio::test]
    async fn a_body_that_breaks_or_never_ends_is_an_error() {
        let broken = chunked(vec![Ok(b"1"), Err(io::ErrorKind::ConnectionReset.into())]);
        let endless = Body::from_bytes_stream(stream::pending::<io::Result<Vec<u8>>>());

        assert_eq!(read_limited(broken, 5).await, Err(BodyError::Broken));
        assert_eq!(read_within(endless, 5, Duration::from_millis(10)).await, Err(BodyError::TimedOut));
    }
}
