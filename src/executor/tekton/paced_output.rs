//! Passes a program's output on no faster than a log can be followed.
//!
//! kubelet rotates a container's log (at 10 MiB, unless it is told otherwise) and a reader that has fallen behind by a
//! whole file goes on with the present one, without a word about the lines in between. A build that has to wait for its
//! reader loses time; one that does not loses its log.

use std::io::{self, Read, Write};
use std::time::{Duration, Instant};

/// Bytes a second in the long run.
const RATE: u64 = 1024 * 1024;
/// Bytes that may go at once: less than the smallest file that is usual.
const BURST: u64 = 8 * 1024 * 1024;
/// Bytes read at a time.
const CHUNK: usize = 16 * 1024;

/// Passes everything on, to the end.
pub(super) fn pass_on(mut from: impl Read, mut to: impl Write) -> io::Result<()> {
    let (mut chunk, mut pace, begun) = (vec![0; CHUNK], Pace::default(), Instant::now());
    loop {
        let bytes = from.read(&mut chunk)?;
        if bytes == 0 {
            return Ok(());
        }
        std::thread::sleep(pace.pause(bytes, begun.elapsed()));
        to.write_all(&chunk[..bytes])?;
        to.flush()?;
    }
}

/// A bucket that fills with bytes and drains at [`RATE`].
#[derive(Default)]
struct Pace {
    level: u64,
    drained_at: Duration,
}

impl Pace {
    /// How long to wait before so many bytes more, at a time since the start.
    fn pause(&mut self, bytes: usize, now: Duration) -> Duration {
        let drained = now.saturating_sub(self.drained_at).as_micros() * u128::from(RATE) / 1_000_000;
        self.drained_at = now;
        self.level = self.level.saturating_sub(u64::try_from(drained).unwrap_or(u64::MAX));
        self.level += bytes as u64;
        Duration::from_micros(self.level.saturating_sub(BURST) * 1_000_000 / RATE)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_goes_in_comes_out() {
        let (text, mut out) = (vec![b'x'; 3 * CHUNK + 7], Vec::new());

        pass_on(text.as_slice(), &mut out).unwrap();

        assert!(out == text);
    }

    #[test]
    fn a_burst_passes_and_a_flood_waits_until_it_has_drained() {
        let (mut pace, burst) = (Pace::default(), usize::try_from(BURST).unwrap());
        let second = Duration::from_secs(1);

        assert_eq!(pace.pause(burst, Duration::ZERO), Duration::ZERO);
        assert_eq!(pace.pause(usize::try_from(RATE).unwrap(), Duration::ZERO), second);
        assert_eq!(pace.pause(0, second), Duration::ZERO);
        assert_eq!(pace.pause(burst, 60 * second), Duration::ZERO);
    }
}
