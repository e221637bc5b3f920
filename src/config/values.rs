//! Values of settings as people write them.

use std::fmt;
use std::net::SocketAddr;
use std::num::NonZeroU32;
use std::path::PathBuf;
use std::str::FromStr;

use crate::domain::{Invalid, Span, Step};

/// Most often that copies of the database are made.
const SHORTEST_BACKUP_INTERVAL: Span = Span::from_secs(60);

/// The image of one step.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StepImage {
    /// Which step.
    pub step: Step,
    /// The image, with its registry.
    pub image: String,
}

impl FromStr for StepImage {
    type Err = Invalid;

    fn from_str(text: &str) -> Result<Self, Invalid> {
        let wrong = || {
            let detail = format!("\"{text}\" must be like build=registry.example.com/stackblaze-builder:1");
            Invalid::new("step-image", detail)
        };
        let (step, image) = text.split_once('=').ok_or_else(wrong)?;
        let step = Step::parse(step).filter(|step| *step != Step::Release).ok_or_else(wrong)?;
        let is_image = !image.is_empty() && image.bytes().all(|b| b.is_ascii_graphic() && b != b'$');
        if is_image { Ok(Self { step, image: image.to_owned() }) } else { Err(wrong()) }
    }
}

/// A size as people write it: `512KiB`, `5MiB`, `1GiB`, or plain bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Bytes(pub u64);

impl FromStr for Bytes {
    type Err = Invalid;

    fn from_str(text: &str) -> Result<Self, Invalid> {
        let units = [("KiB", 10), ("MiB", 20), ("GiB", 30), ("", 0)];
        let read = units.iter().find_map(|(unit, shift)| {
            let number = text.strip_suffix(unit)?.parse::<u64>().ok()?;
            number.checked_mul(1 << shift).filter(|bytes| i64::try_from(*bytes).is_ok())
        });
        read.map(Self)
            .ok_or_else(|| Invalid::new("size", format!("\"{text}\" is no size; write 512KiB, 5MiB or 1GiB")))
    }
}

impl fmt::Display for Bytes {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.0 {
            bytes if bytes >= 1 << 30 && bytes.is_multiple_of(1 << 30) => write!(f, "{}GiB", bytes >> 30),
            bytes if bytes >= 1 << 20 && bytes.is_multiple_of(1 << 20) => write!(f, "{}MiB", bytes >> 20),
            bytes if bytes >= 1 << 10 && bytes.is_multiple_of(1 << 10) => write!(f, "{}KiB", bytes >> 10),
            bytes => write!(f, "{bytes}"),
        }
    }
}

/// Reads an address and port to listen on.
pub(super) fn listen_address(text: &str) -> Result<SocketAddr, String> {
    text.parse().map_err(|_| {
        let port = text.trim_start_matches(':').parse::<u16>().ok();
        let like = port.map_or("127.0.0.1:8080 or [::1]:8080".to_owned(), |port| format!("127.0.0.1:{port}"));
        format!("is an address and a port; write {like}")
    })
}

/// Reads a whole number from 1 on.
pub(crate) fn count(text: &str) -> Result<NonZeroU32, String> {
    text.parse().map_err(|_| "is a whole number from 1 to 4294967295".to_owned())
}

/// Reads how often the database is copied: more often than once a minute nobody means.
pub(crate) fn backup_interval(text: &str) -> Result<Span, Invalid> {
    let span: Span = text.parse()?;
    let is_possible = span >= SHORTEST_BACKUP_INTERVAL;
    if is_possible { Ok(span) } else { Err(Invalid::new("duration", format!("\"{text}\" is less than 1m"))) }
}

/// Reads the path of a folder, which SQLite wants as text.
pub(super) fn folder(text: &str) -> Result<PathBuf, Invalid> {
    if text.is_empty() { Err(Invalid::new("folder", "must not be empty")) } else { Ok(PathBuf::from(text)) }
}

/// Reads the base of URLs: scheme, host and port without a path. Given as its origin in ASCII, as browsers say it.
pub(crate) fn base_url(text: &str) -> Result<String, Invalid> {
    let wrong =
        || Invalid::new("url", format!("\"{text}\" must be like https://deploy.example.com, without a path"));
    // A parser for browsers takes all of these, and means something by them.
    let is_plain =
        !text.chars().any(|c| c.is_control() || c.is_whitespace() || c == '\\') && text.contains("://");
    let url = url::Url::parse(text).ok().filter(|_| is_plain).ok_or_else(wrong)?;
    let is_base = matches!(url.scheme(), "http" | "https")
        && url.host().is_some()
        && url.path() == "/"
        && url.query().is_none()
        && url.fragment().is_none()
        && url.username().is_empty()
        && url.password().is_none();
    if is_base { Ok(url.origin().ascii_serialization()) } else { Err(wrong()) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sizes_are_read_and_shown() {
        for (text, bytes) in [("5MiB", 5 << 20), ("1GiB", 1 << 30), ("512KiB", 512 << 10), ("7", 7)] {
            let size: Bytes = text.parse().unwrap();
            assert_eq!((size.0, size.to_string().as_str()), (bytes, text));
        }
        assert!(
            "5MB".parse::<Bytes>().is_err() && "-1".parse::<Bytes>().is_err() && "".parse::<Bytes>().is_err()
        );
        assert!("99999999999GiB".parse::<Bytes>().is_err());
    }

    #[test]
    fn a_step_image_names_its_step() {
        let read: StepImage = "build=r.example.com/builder@sha256:00".parse().unwrap();

        assert_eq!((read.step, read.image.as_str()), (Step::Build, "r.example.com/builder@sha256:00"));
        for wrong in ["", "build", "build=", "push=x", "build=a b", "build=$(x)"] {
            assert!(wrong.parse::<StepImage>().is_err(), "{wrong}");
        }
    }

    #[test]
    fn a_base_url_has_no_path() {
        assert_eq!(base_url("https://deploy.example.com/").unwrap(), "https://deploy.example.com");
        for (given, origin) in [
            ("HTTPS://deploy.test:8443", "https://deploy.test:8443"),
            ("https://Deploy.Test:443/", "https://deploy.test"),
            ("https://b\u{fc}cher.test", "https://xn--bcher-kva.test"),
        ] {
            assert_eq!(base_url(given).unwrap(), origin);
        }
        for wrong in [" https://x", "https://x\n", "https:deploy.test", "https:\\\\x", "https://a\\b"] {
            assert!(base_url(wrong).is_err(), "{wrong:?}");
        }
        for wrong in ["deploy.example.com", "ftp://x", "https://x/path", "https://x/?a", "https://u:p@x", ""]
        {
            assert!(base_url(wrong).is_err(), "{wrong}");
        }
    }
}
