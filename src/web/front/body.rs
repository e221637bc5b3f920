//! Reading a request's body within bounds.

use std::io;

use http_body_util::BodyExt as _;
use http_body_util::combinators::BoxBody;
use hyper::body::Body as _;
use hyper::body::Bytes;
use poem::Body;

/// Why a body could not be had.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum BodyError {
    /// The body is, or says it is, longer than the limit.
    #[error("body is too large")]
    TooLarge,
    /// The body fell silent, or did not end in the time for all of it.
    #[error("body took too long")]
    TimedOut,
    /// The connection broke, or the framing of a chunk is wrong.
    #[error("body is incomplete")]
    Broken,
}

impl From<io::Error> for BodyError {
    fn from(error: io::Error) -> Self {
        if error.kind() == io::ErrorKind::TimedOut { Self::TimedOut } else { Self::Broken }
    }
}

/// Reads a whole body of at most `limit` bytes, with or without a Content-Length.
///
/// # Errors
/// A Content-Length above the limit is refused before a byte is read; a body that only turns out too
/// long, at the byte that makes it so.
pub async fn read_limited(body: Body, limit: usize) -> Result<Vec<u8>, BodyError> {
    let mut body = Limited::new(body, limit)?;
    let mut bytes = Vec::new();
    while let Some(chunk) = body.next().await? {
        bytes.extend_from_slice(&chunk);
    }
    Ok(bytes)
}

/// Reads a whole body of at most `limit` bytes and throws it away; tells whether there was a byte.
///
/// # Errors
/// As for [`read_limited`].
pub async fn discard(body: Body, limit: usize) -> Result<bool, BodyError> {
    let mut body = Limited::new(body, limit)?;
    let mut has_bytes = false;
    while let Some(chunk) = body.next().await? {
        has_bytes |= !chunk.is_empty();
    }
    Ok(has_bytes)
}

/// A body that gives no more than a number of bytes.
struct Limited {
    body: BoxBody<Bytes, io::Error>,
    left: usize,
}

impl Limited {
    fn new(body: Body, limit: usize) -> Result<Self, BodyError> {
        let body = BoxBody::from(body);
        let fits = usize::try_from(body.size_hint().lower()).is_ok_and(|announced| announced <= limit);
        if fits { Ok(Self { body, left: limit }) } else { Err(BodyError::TooLarge) }
    }

    /// The next bytes; none at the end.
    async fn next(&mut self) -> Result<Option<Bytes>, BodyError> {
        while let Some(frame) = self.body.frame().await {
            // A frame that is no data is the trailers, which nobody asked for.
            let Ok(chunk) = frame?.into_data() else { continue };
            self.left = self.left.checked_sub(chunk.len()).ok_or(BodyError::TooLarge)?;
            return Ok(Some(chunk));
        }
        Ok(None)
    }
}

#[cfg(test)]
mod tests {
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
        assert_eq!(discard(Body::from("123456"), 5).await, Err(BodyError::TooLarge));
        assert_eq!(discard(chunked(vec![Ok(b"123"), Ok(b"456")]), 5).await, Err(BodyError::TooLarge));
    }

    #[tokio::test]
    async fn what_was_thrown_away_is_told_from_nothing() {
        assert_eq!(discard(chunked(vec![Ok(b"12"), Ok(b"345")]), 5).await, Ok(true));
        assert_eq!(discard(Body::empty(), 5).await, Ok(false));
        assert_eq!(discard(chunked(vec![Ok(b"")]), 5).await, Ok(false));
    }

    #[tokio::test]
    async fn a_body_that_breaks_or_takes_too_long_is_an_error() {
        let broken = chunked(vec![Ok(b"1"), Err(io::ErrorKind::ConnectionReset.into())]);
        let late = chunked(vec![Ok(b"1"), Err(io::ErrorKind::TimedOut.into())]);

        assert_eq!(read_limited(broken, 5).await, Err(BodyError::Broken));
        assert_eq!(read_limited(late, 5).await, Err(BodyError::TimedOut));
    }
}
