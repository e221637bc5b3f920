//! What the process of a server that could not start says by its exit code.

use crate::db;

/// Exit codes of BSD's sysexits for what keeps a server from starting.
const DATA_ERROR: u8 = 65;
const IO_ERROR: u8 = 74;
const TRY_AGAIN: u8 = 75;
const CONFIGURATION: u8 = 78;

/// The exit code of a server that could not start: 75 where another one runs, 78 where the database is newer or
/// foreign, 74 where the disk refuses, 65 where the data are bad, else 1.
pub fn exit_code(error: &anyhow::Error) -> u8 {
    match error.downcast_ref::<db::Error>() {
        Some(db::Error::Locked { .. }) => TRY_AGAIN,
        Some(db::Error::Newer { .. } | db::Error::Foreign(_)) => CONFIGURATION,
        Some(db::Error::Io { .. } | db::Error::Unavailable(_)) => IO_ERROR,
        Some(_) => DATA_ERROR,
        None => 1,
    }
}
