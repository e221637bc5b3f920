//! What the supervisor of a step reads from its pipe before any order: the variables of the command. They are no
//! variables of the supervisor's own, so that none of them, such as `LD_PRELOAD`, has a hold on it.

use std::ffi::{OsStr, OsString};
use std::io::{self, Read};
use std::os::unix::ffi::{OsStrExt, OsStringExt};

use super::host::Environment;

/// Most bytes of all variables: more than the kernel takes for a command.
const MAX: u64 = 16 * 1_024 * 1_024;

/// The bytes that stand for these variables: their length, then `NAME=value` and a NUL each.
pub(super) fn encode(environment: &Environment) -> Vec<u8> {
    let size = |(name, value): &(OsString, OsString)| name.len() + value.len() + 2;
    let length: usize = environment.iter().map(size).sum();
    let mut bytes = u64::try_from(length).unwrap_or(u64::MAX).to_le_bytes().to_vec();
    for (name, value) in environment {
        bytes.extend([name.as_bytes(), b"=", value.as_bytes(), b"\0"].concat());
    }
    bytes
}

/// Reads them.
///
/// # Errors
/// Where the pipe ends before they do, which is the end of the server.
pub(super) fn decode(mut from: impl Read) -> io::Result<Environment> {
    let mut length = [0; 8];
    from.read_exact(&mut length)?;
    let length = u64::from_le_bytes(length);
    if length > MAX {
        return Err(io::Error::new(io::ErrorKind::ArgumentListTooLong, "too many variables"));
    }
    let mut bytes = Vec::new();
    from.take(length).read_to_end(&mut bytes)?;
    if u64::try_from(bytes.len()).ok() != Some(length) {
        return Err(io::ErrorKind::UnexpectedEof.into());
    }
    Ok(bytes.split(|&byte| byte == 0).filter_map(variable).collect())
}

fn variable(entry: &[u8]) -> Option<(OsString, OsString)> {
    let end = entry.iter().position(|&byte| byte == b'=')?;
    Some((OsStr::from_bytes(&entry[..end]).into(), OsString::from_vec(entry[end + 1..].to_vec())))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn variables_arrive_as_they_were_and_what_follows_them_stays_in_the_pipe() {
        let sent: Environment = vec![
            ("A".into(), "1=2\nb".into()),
            ("EMPTY".into(), "".into()),
            ("BYTES".into(), OsString::from_vec(vec![0xff, b'x'])),
        ];
        let bytes = [encode(&sent), b"TK".to_vec()].concat();
        let mut pipe = bytes.as_slice();

        assert_eq!(decode(&mut pipe).unwrap(), sent);
        assert_eq!(pipe, b"TK");
        assert!(decode(&bytes[..bytes.len() - 3]).is_err() && decode(&b""[..]).is_err());
    }
}
