//! The two doors: TCP for the world, a Unix socket for the command line on the same machine.

use std::io;

use tokio::io::AsyncRead;
use tokio::io::AsyncWrite;
use tokio::net::TcpListener;
use tokio::net::TcpStream;
use tokio::net::UnixListener;
use tokio::net::UnixStream;

use crate::web::front::Peer;

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

#[cfg(test)]
mod tests {
    use std::net::Ipv4Addr;

    use super::*;

    #[tokio::test]
    async fn nagle_is_off_and_the_peer_is_known() {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let _caller = TcpStream::connect(listener.local_addr().unwrap()).await.unwrap();

        let (stream, peer) = listener.next().await.unwrap();

        assert!(stream.nodelay().unwrap());
        assert_eq!(peer, Peer::Tcp(Ipv4Addr::LOCALHOST.into()));
    }
}
