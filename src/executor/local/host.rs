//! What steps find of the server's own environment: what makes programs work as they do for the server's user, and
//! nothing else of it.

use std::ffi::{OsStr, OsString};
use std::io;
use std::path::{Path, PathBuf};

use rustix::fs::Access;

use crate::executor::local::folder::make;
use crate::executor::{PROXIES, Variables};

/// Where users are described.
const PASSWD: &str = "/etc/passwd";
/// Where programs are, where the server itself was not told.
const PATH: &str = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin";
/// The language of programs, where the server itself was not told.
const LANG: &str = "C.UTF-8";
/// Whose certificates are believed beside the machine's.
const AUTHORITIES: &[&str] = &[
    "SSL_CERT_FILE",
    "SSL_CERT_DIR",
    "GIT_SSL_CAINFO",
    "NODE_EXTRA_CA_CERTS",
    "REQUESTS_CA_BUNDLE",
    "CURL_CA_BUNDLE",
];

/// Names and values of variables; a later one wins.
pub(super) type Environment = Vec<(OsString, OsString)>;

/// The variables of the server that steps are given.
#[derive(Clone)]
pub(super) struct HostEnvironment {
    /// For every step.
    pub(super) shared: Environment,
    /// For build and deploy: who they are, where that one's settings lie, and the language.
    pub(super) own: Environment,
}

impl HostEnvironment {
    /// Picks from the server's variables, and asks the machine for what is not among them. A user without a home that
    /// can be written gets a lasting one in the data directory.
    pub(super) fn pick(variables: &Variables, data_dir: &Path) -> io::Result<Self> {
        let passwd = std::fs::read(PASSWD).unwrap_or_default();
        let uid = rustix::process::geteuid().as_raw();
        Self::of_user(variables, entry(&String::from_utf8_lossy(&passwd), uid), data_dir)
    }

    fn of_user(variables: &Variables, user: Option<(&str, &str)>, data_dir: &Path) -> io::Result<Self> {
        let set = |name: &str| variables.get(OsStr::new(name)).filter(|value| !value.is_empty()).cloned();
        let mut shared = vec![("PATH".into(), set("PATH").unwrap_or_else(|| PATH.into()))];
        let network = PROXIES.iter().chain(AUTHORITIES);
        shared.extend(network.filter_map(|&name| Some((name.into(), set(name)?))));
        let home = set("HOME").map(PathBuf::from).or_else(|| user.map(|(_, home)| home.into()));
        let home = match home.filter(|home| can_be_written(home)) {
            Some(home) => home,
            None => lasting_home(data_dir)?,
        };
        let lang = set("LANG").unwrap_or_else(|| LANG.into());
        let mut own = vec![("HOME".into(), home.into()), ("LANG".into(), lang)];
        for name in ["USER", "LOGNAME"] {
            let value = set(name).or_else(|| user.map(|(user, _)| user.into()));
            own.extend(value.map(|value| (name.into(), value)));
        }
        Ok(Self { shared, own })
    }
}

/// A user's name and home as the file of users has them.
fn entry(passwd: &str, uid: u32) -> Option<(&str, &str)> {
    passwd.lines().find_map(|line| {
        let mut fields = line.split(':');
        let name = fields.next()?;
        let is_own = fields.nth(1)?.parse() == Ok(uid);
        Some((name, fields.nth(2)?)).filter(|_| is_own)
    })
}

fn can_be_written(home: &Path) -> bool {
    home.is_absolute()
        && home.is_dir()
        && rustix::fs::access(home, Access::WRITE_OK | Access::EXEC_OK).is_ok()
}

fn lasting_home(data_dir: &Path) -> io::Result<PathBuf> {
    let home = data_dir.join("home");
    make(&home)?;
    Ok(home)
}

#[cfg(test)]
mod tests {
    use super::*;

    const USERS: &str = "root:x:0:0:root:/root:/bin/sh\nbroken\ndeploy:x:998:998::/srv/deploy:/bin/false\n";

    fn value(of: &Environment, name: &str) -> Option<String> {
        let found = of.iter().find(|(own, _)| own == name);
        found.map(|(_, value)| value.to_string_lossy().into_owned())
    }

    fn picked(variables: &[(&str, &str)], user: Option<(&str, &str)>, data: &Path) -> HostEnvironment {
        let variables = variables.iter().map(|&(name, value)| (name.into(), value.into())).collect();
        HostEnvironment::of_user(&variables, user, data).unwrap()
    }

    #[test]
    fn what_the_server_was_not_told_is_as_its_users_entry_says() {
        let data = tempfile::tempdir().unwrap();
        let home = tempfile::tempdir().unwrap();
        let home = home.path().to_str().unwrap();

        let bare = picked(&[("LANG", "")], Some(("deploy", home)), data.path());
        let told = picked(&[("USER", "mira"), ("LANG", "de_DE.UTF-8"), ("PATH", "/opt")], None, data.path());

        let all = ["HOME", "USER", "LOGNAME", "LANG"].map(|name| value(&bare.own, name).unwrap());
        assert_eq!(all, [home, "deploy", "deploy", "C.UTF-8"]);
        assert_eq!(value(&bare.shared, "PATH").unwrap(), PATH);
        assert_eq!(value(&told.own, "USER").unwrap(), "mira");
        assert_eq!(
            (value(&told.own, "LOGNAME"), value(&told.own, "LANG").unwrap().as_str()),
            (None, "de_DE.UTF-8")
        );
        assert_eq!(value(&told.shared, "PATH").unwrap(), "/opt");
    }

    #[test]
    fn a_user_without_a_usable_home_has_a_lasting_one_in_the_data_directory() {
        let data = tempfile::tempdir().unwrap();
        let file = data.path().join("file");
        std::fs::write(&file, "").unwrap();

        for home in ["/no/such/folder", "relative", "", file.to_str().unwrap()] {
            let picked = picked(&[("HOME", home)], Some(("nobody", "/nonexistent")), data.path());
            assert_eq!(value(&picked.own, "HOME").unwrap(), data.path().join("home").to_str().unwrap());
        }
        assert!(data.path().join("home").is_dir());
    }

    #[test]
    fn a_users_entry_is_found_by_its_number() {
        assert_eq!(entry(USERS, 998), Some(("deploy", "/srv/deploy")));
        assert_eq!(entry(USERS, 0), Some(("root", "/root")));
        assert_eq!(entry(USERS, 1), None);
    }
}
