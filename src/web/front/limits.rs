//! How much callers may take, and how long.

use std::time::Duration;

/// Bounds of what callers may take.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Limits {
    /// TCP connections in all; less where the limit of open files is near.
    pub connections: usize,
    /// TCP connections of one address, or of one IPv6 /64; trusted proxies are exempt.
    pub per_peer: usize,
    /// From the accept to the first byte.
    pub first_byte: Duration,
    /// From the first byte to the end of a head.
    pub header: Duration,
    /// From an answer to the first byte of the next head. Peers that are trusted proxies have at least
    /// five minutes, since they hand a connection to whoever comes next.
    pub keep_alive: Duration,
    /// A body is given up when nothing of it came for this time, and so is a caller that sends on after its last answer.
    pub body_silence: Duration,
    /// The same, however steadily it comes, after this time in all.
    pub body: Duration,
    /// A caller that takes nothing of its answer is cut off after this time.
    pub write: Duration,
    /// At the end of service, for requests in progress.
    pub drain: Duration,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            connections: 10_000,
            per_peer: 256,
            first_byte: Duration::from_secs(5),
            header: Duration::from_secs(5),
            keep_alive: Duration::from_secs(75),
            body_silence: Duration::from_secs(5),
            body: Duration::from_secs(30),
            write: Duration::from_secs(30),
            drain: Duration::from_secs(10),
        }
    }
}
