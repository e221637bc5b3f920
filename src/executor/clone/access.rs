//! How git gets in: a credential file, an ssh command and certificates, made of a folder with the keys of Kubernetes'
//! git Secrets. On the server's own host such a folder is made of the files that the service names.

use std::fs::OpenOptions;
use std::io::Write;
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};

use percent_encoding::{NON_ALPHANUMERIC, utf8_percent_encode};

use crate::domain::{Repository, Transport};

use super::git::quote;

/// User name where a Secret holds none: every forge ignores it beside a token.
const ANY_USER: &str = "git";
/// User name beside a token where none is given: every forge takes it.
const TOKEN_USER: &str = "x-access-token";
/// The certificates that this machine believes, where Debian has them.
const SYSTEM_CERTIFICATES: &str = "/etc/ssl/certs/ca-certificates.crt";

/// Whether a host's key is believed that was never met.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum HostKeys {
    /// Only one that the Secret lists.
    Listed,
    /// At the first meeting, and from then on no other; kept in this file.
    FirstMet(PathBuf),
}

/// How git authenticates. The files are gone when this value is.
#[derive(Debug, Default)]
pub(super) struct Access {
    /// For git's own credential store.
    pub(super) credential_file: Option<PathBuf>,
    /// What git gives to a shell in place of `ssh`.
    pub(super) ssh: Option<String>,
    /// Certificates to believe in place of the machine's.
    pub(super) certificates: Option<PathBuf>,
    /// Whether there is an ssh key.
    pub(super) has_key: bool,
    files: Vec<PathBuf>,
}

impl Access {
    /// Reads the folder; its kind is told by its keys.
    pub(super) fn read(
        repository: &Repository,
        secret: Option<&Path>,
        scratch: &Path,
        host_keys: &HostKeys,
    ) -> Result<Self, String> {
        let mut access = Self::default();
        let read = |key: &str| {
            let text = std::fs::read(secret?.join(key)).ok()?;
            Some(String::from_utf8_lossy(&text).into_owned()).filter(|text| !text.trim().is_empty())
        };
        let authority = read("ca.crt");
        if let Some(authority) = &authority {
            let system = std::fs::read_to_string(SYSTEM_CERTIFICATES).unwrap_or_default();
            let all = format!("{system}\n{authority}\n");
            access.certificates = Some(access.keep(scratch.join("ca.crt"), &all)?);
        }
        match repository.transport() {
            Transport::Https | Transport::Http => {
                let Some(password) = read("password") else {
                    // A Secret may be there for the certificate alone.
                    return match (secret, authority) {
                        (Some(_), None) => Err("the git Secret has no key password".to_owned()),
                        _ => Ok(access),
                    };
                };
                let user = read("username").unwrap_or_else(|| ANY_USER.to_owned());
                let line = credential_line(repository, user.trim(), password.trim())
                    .ok_or("the repository's address has no host")?;
                access.credential_file = Some(access.keep(scratch.join("git-credentials"), &line)?);
            }
            Transport::Ssh => {
                let key = read("ssh-privatekey");
                if secret.is_some() && key.is_none() && *host_keys == HostKeys::Listed {
                    return Err("the git Secret has no key ssh-privatekey".to_owned());
                }
                access.with_ssh(repository, key.as_deref(), read("known_hosts"), scratch, host_keys)?;
            }
            // Submodules may come by ssh; without a key, but by the same rules.
            Transport::Git | Transport::File => {
                access.with_ssh(repository, None, None, scratch, host_keys)?;
            }
        }
        Ok(access)
    }

    fn with_ssh(
        &mut self,
        repository: &Repository,
        key: Option<&str>,
        hosts: Option<String>,
        scratch: &Path,
        host_keys: &HostKeys,
    ) -> Result<(), String> {
        let known_hosts = match host_keys {
            HostKeys::FirstMet(file) => file.clone(),
            HostKeys::Listed => {
                // Without them the first server that answers would be believed.
                let hosts = match hosts {
                    None if key.is_some() => {
                        return Err(
                            "the git Secret has no key known_hosts; add what ssh-keyscan prints".to_owned()
                        );
                    }
                    hosts => hosts.unwrap_or_default(),
                };
                self.keep(scratch.join("known_hosts"), &hosts)?
            }
        };
        self.has_key = key.is_some();
        if key.is_some_and(is_locked) {
            return Err(
                "the private key has a passphrase, and nobody is there to type it; name a key without one"
                    .to_owned(),
            );
        }
        let key = key.map(|key| self.keep(scratch.join("ssh-key"), &private_key(key))).transpose()?;
        let settings = ssh_settings(repository, key.as_deref(), &known_hosts, host_keys);
        let settings = self.keep(scratch.join("ssh-config"), &settings)?;
        self.ssh = Some(format!("ssh -F {}", quote(&settings.to_string_lossy())));
        Ok(())
    }

    /// Writes a file for its owner alone.
    fn keep(&mut self, file: PathBuf, text: &str) -> Result<PathBuf, String> {
        let open = OpenOptions::new().write(true).create(true).truncate(true).mode(0o600).open(&file);
        open.and_then(|mut file| file.write_all(text.as_bytes()))
            .map_err(|error| format!("{} cannot be written: {error}", file.display()))?;
        self.files.push(file.clone());
        Ok(file)
    }
}

impl Drop for Access {
    fn drop(&mut self) {
        for file in &self.files {
            drop(std::fs::remove_file(file));
        }
    }
}

/// The settings of ssh, which reads no others: it never asks, and shows the key to the repository's own host only.
fn ssh_settings(
    repository: &Repository,
    key: Option<&Path>,
    known_hosts: &Path,
    host_keys: &HostKeys,
) -> String {
    let checking = if *host_keys == HostKeys::Listed { "yes" } else { "accept-new" };
    let own = match (key, ssh_host(repository)) {
        (Some(key), Some(host)) => format!("Host {host}\n  IdentityFile {}\n", ssh_word(key)),
        _ => String::new(),
    };
    format!(
        "{own}Host *\n  IdentityFile none\n  IdentitiesOnly yes\n  BatchMode yes\n  StrictHostKeyChecking {checking}\n  \
         UserKnownHostsFile {}\n  GlobalKnownHostsFile none\n",
        ssh_word(known_hosts)
    )
}

/// A path as one word of ssh's settings, where `%` begins a place for a value of ssh's own.
fn ssh_word(path: &Path) -> String {
    let plain = path.to_string_lossy().replace('\\', r"\\").replace('"', "\\\"").replace('%', "%%");
    format!("\"{plain}\"")
}

/// The host as ssh is told it.
fn ssh_host(repository: &Repository) -> Option<&str> {
    let text = repository.as_str();
    let authority = match text.strip_prefix("ssh://") {
        Some(rest) => rest.split('/').next()?,
        None => text.split_once(':').filter(|_| repository.transport() == Transport::Ssh)?.0,
    };
    let host = authority.rsplit('@').next()?;
    let host = match host.strip_prefix('[') {
        Some(inside) => inside.split(']').next()?,
        None => host.split(':').next()?,
    };
    Some(host).filter(|host| !host.is_empty())
}

/// A private key as ssh takes it, whatever the editor or the web form did to it: with line feeds alone, and one at the end.
fn private_key(text: &str) -> String {
    let lines: Vec<_> = text.trim_start_matches('\u{feff}').trim().lines().map(str::trim_end).collect();
    format!("{}\n", lines.join("\n"))
}

/// Whether a passphrase keeps a private key. ssh itself goes on without a word, since nobody can be asked.
fn is_locked(key: &str) -> bool {
    /// The beginning of OpenSSH's own form, and what follows it where nothing encrypts the rest.
    const OPENSSH: &str = "b3BlbnNzaC1rZXktdjEA";
    const OPEN: &str = "AAAABG5vbmU";
    let body: String = key.lines().map(str::trim).filter(|line| !line.starts_with('-')).collect();
    key.contains("ENCRYPTED") || body.strip_prefix(OPENSSH).is_some_and(|rest| !rest.starts_with(OPEN))
}

/// User and password of a token file's first line: `user:password`, or a token alone. None where it is empty.
pub fn read_token(text: &str) -> Option<(&str, &str)> {
    let line = text.trim_start_matches('\u{feff}').lines().next().unwrap_or_default().trim_end();
    let (user, password) = line.split_once(':').unwrap_or((TOKEN_USER, line));
    (!password.is_empty()).then_some((user, password))
}

/// A line of git's own credential store. git gives it to this host only, also after a redirect. None where the address
/// names no host.
fn credential_line(repository: &Repository, user: &str, password: &str) -> Option<String> {
    let (scheme, rest) = repository.as_str().split_once("://")?;
    let host = rest.split('/').next().filter(|host| !host.is_empty())?;
    let encoded = |text: &str| utf8_percent_encode(text, NON_ALPHANUMERIC).to_string();
    Some(format!("{scheme}://{}:{}@{host}\n", encoded(user), encoded(password)))
}
