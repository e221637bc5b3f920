//! Words on stderr of a process that goes on, or ends with its own exit code, where nobody takes them.

use std::io::Write;

/// Writes a line; one that cannot be written is lost.
pub(super) fn say(line: &str) {
    // In one piece, so that lines of several processes on one terminal do not mix.
    drop(std::io::stderr().write_all(format!("{line}\n").as_bytes()));
}
