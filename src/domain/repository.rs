//! Where a service's source comes from: a parsed URL with an allow-listed transport.
//!
//! Only an operator sets it, never a hook. The rules keep `ext::`, option injection and secrets in URLs out.

use std::fmt;

use super::{Commit, Invalid};

/// Longest repository address, in bytes.
const MAX_BYTES: usize = 1_000;

/// How the repository is reached.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Transport {
    /// `https://`.
    Https,
    /// `ssh://` or the short form `user@host:path`.
    Ssh,
    /// `git://`: neither encrypted nor authenticated.
    Git,
    /// `http://`: accepted with a warning.
    Http,
    /// `file://` or an absolute path; with the local executor only.
    File,
}

/// The address of a git repository.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Repository {
    text: String,
    transport: Transport,
}

/// Why an address is refused.
pub type RepositoryError = Invalid;

impl Repository {
    /// Reads an address. User names are allowed for ssh only, passwords nowhere.
    ///
    /// # Errors
    /// Says which part is wrong and what would be right.
    pub fn parse(text: &str) -> Result<Self, RepositoryError> {
        let wrong = |detail: &str| Invalid::new("repository", detail.to_owned());
        if text.is_empty() || text.len() > MAX_BYTES {
            return Err(wrong("must be a git URL of 1 to 1000 bytes"));
        }
        let is_path = text.starts_with('/') || text.to_ascii_lowercase().starts_with("file://");
        if text.chars().any(|c| c.is_control() || (c.is_whitespace() && !is_path)) {
            return Err(wrong("must not contain blanks or control characters"));
        }
        if text.starts_with('/') {
            return Ok(Self { text: text.to_owned(), transport: Transport::File });
        }
        match text.split_once("://") {
            Some((scheme, rest)) => Self::parse_url(text, &scheme.to_ascii_lowercase(), rest),
            None => Self::parse_scp(text),
        }
    }

    fn parse_url(text: &str, scheme: &str, rest: &str) -> Result<Self, RepositoryError> {
        let wrong = |detail: &str| Invalid::new("repository", detail.to_owned());
        let transport = match scheme {
            "https" => Transport::Https,
            "ssh" => Transport::Ssh,
            "git" => Transport::Git,
            "http" => Transport::Http,
            "file" => Transport::File,
            _ => {
                return Err(wrong(
                    "must begin with https://, ssh://, git://, http:// or file://, or be user@host:path",
                ));
            }
        };
        if transport == Transport::File {
            let absolute = rest.starts_with('/');
            return if absolute {
                Ok(Self { text: format!("file://{rest}"), transport })
            } else {
                Err(wrong("file:// takes an absolute path on this machine"))
            };
        }
        let Ok(url) = url::Url::parse(text) else {
            let authority = rest.split('/').next().unwrap_or_default();
            return Err(match authority.rsplit_once(':') {
                Some((host, path)) if transport == Transport::Ssh && path.parse::<u16>().is_err() => {
                    let rest = rest.strip_prefix(authority).unwrap_or_default();
                    wrong(&format!(
                        "has a path behind a colon; write ssh://{host}/{path}{rest} or {host}:{path}{rest}"
                    ))
                }
                _ => wrong("is not a URL"),
            });
        };
        let host = url.host_str().unwrap_or_default();
        if host.is_empty() || host.starts_with('-') {
            return Err(wrong("needs a host that does not begin with -"));
        }
        if url.password().is_some() || (transport != Transport::Ssh && !url.username().is_empty()) {
            return Err(wrong("must not carry a user name or password; give the token by gitTokenFile"));
        }
        if url.username().starts_with('-') || url.path().trim_start_matches('/').starts_with('-') {
            return Err(wrong("must not have a part that begins with -"));
        }
        if url.query().is_some() || url.fragment().is_some() || url.path().trim_matches('/').is_empty() {
            return Err(wrong("must end with the path of the repository"));
        }
        if let Some(repository) = repository_of_page(text) {
            return Err(wrong(&format!("is a page of a forge, not a repository; write {repository}")));
        }
        Ok(Self { text: format!("{scheme}://{rest}"), transport })
    }

    /// `user@host:path`, git's short form for ssh.
    fn parse_scp(text: &str) -> Result<Self, RepositoryError> {
        let wrong = || {
            Invalid::new(
                "repository",
                "must be a URL such as https://git.example.com/you/app.git or user@host:path",
            )
        };
        let (user, rest) = text.split_once('@').ok_or_else(wrong)?;
        let (host, path) = rest.split_once(':').ok_or_else(wrong)?;
        let is_name = |part: &str| {
            !part.is_empty()
                && !part.starts_with(['-', '.'])
                && part.bytes().all(|b| b.is_ascii_alphanumeric() || b"-._".contains(&b))
        };
        // `ext::…` and other helpers have a second colon right behind the first.
        let is_path = !path.is_empty() && !path.starts_with(['-', ':']);
        if let Some((port, rest)) = path.split_once('/')
            && port.parse::<u16>().is_ok()
            && is_name(host)
        {
            let right = format!("has a port in the short form; write ssh://{user}@{host}:{port}/{rest}");
            return Err(Invalid::new("repository", right));
        }
        if is_name(user) && is_name(host) && is_path {
            return Ok(Self { text: text.to_owned(), transport: Transport::Ssh });
        }
        Err(wrong())
    }

    /// The address, scheme in lower case.
    pub fn as_str(&self) -> &str {
        &self.text
    }

    /// Where people look at it with a browser: its own address over http, that of its host for an ssh address as forges give
    /// them (`git@host:path` at the standard port).
    pub fn web_page(&self) -> Option<String> {
        let page = match self.transport {
            Transport::Https | Transport::Http => self.text.clone(),
            Transport::Ssh => {
                let rest = self.text.strip_prefix("ssh://").unwrap_or(&self.text).strip_prefix("git@")?;
                let (host, path) = rest.split_once([':', '/'])?;
                let has_port = path.split('/').next().is_some_and(|first| first.parse::<u16>().is_ok());
                (!has_port).then(|| format!("https://{host}/{}", path.trim_start_matches('/')))?
            }
            Transport::Git | Transport::File => return None,
        };
        let page = page.trim_end_matches('/');
        Some(page.strip_suffix(".git").unwrap_or(page).to_owned())
    }

    /// Where people look at one commit, as the forge of that host spells it.
    pub fn commit_page(&self, commit: &Commit) -> Option<String> {
        let page = self.web_page()?;
        let host = page.split('/').nth(2).unwrap_or_default();
        let part = match host {
            "bitbucket.org" => "commits",
            _ if host.contains("gitlab") => "-/commit",
            _ => "commit",
        };
        Some(format!("{page}/{part}/{commit}"))
    }

    /// Whether a credential for the one would be shown to the same server for the other: scheme, host and port are the
    /// same, however they are spelled.
    pub fn shares_origin(&self, other: &Self) -> bool {
        self.origin().is_some_and(|origin| other.origin() == Some(origin))
    }

    /// None for a path on this machine. Read from the text, as git reads it: where a URL parser takes `\` for `/`, git
    /// takes what stands before the `@` for a user.
    fn origin(&self) -> Option<(Transport, String, u16)> {
        let default = match self.transport {
            Transport::Https => 443,
            Transport::Ssh => 22,
            Transport::Git => 9_418,
            Transport::Http => 80,
            Transport::File => return None,
        };
        let authority = match self.text.split_once("://") {
            Some((_, rest)) => rest.split('/').next(),
            None => self.text.split(':').next(),
        }?;
        let address = authority.rsplit_once('@').map_or(authority, |(_, address)| address);
        let (host, port) = match address.rsplit_once(':') {
            Some((host, "")) => (host, default),
            // The colons inside of `[::1]` are followed by no number.
            Some((host, port)) => port.parse().map_or((address, default), |port| (host, port)),
            None => (address, default),
        };
        Some((self.transport, host.to_ascii_lowercase(), port))
    }

    /// How it is reached.
    pub const fn transport(&self) -> Transport {
        self.transport
    }
}

/// The address of the repository whose files or branches a page of a forge shows, if it is such a page.
fn repository_of_page(text: &str) -> Option<String> {
    const PAGES: [&str; 6] = ["/-/", "/tree/", "/blob/", "/src/branch/", "/pull/", "/commit/"];
    let (scheme, rest) = text.split_once("://").filter(|_| text.strip_suffix(".git").is_none())?;
    let end = PAGES.iter().filter_map(|page| rest.find(page)).min()?;
    let repository = &rest[..end];
    // A host, an owner and a name stand before it at least.
    (repository.split('/').count() >= 3).then(|| format!("{scheme}://{repository}"))
}

impl fmt::Display for Repository {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}

impl serde::Serialize for Repository {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(&self.text)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_that_people_use_are_accepted() {
        for (text, transport) in [
            ("https://git.example.com/acme/api.git", Transport::Https),
            ("HTTPS://git.example.com:8443/acme/api", Transport::Https),
            ("ssh://git@git.example.com/acme/api.git", Transport::Ssh),
            ("git@git.example.com:acme/api.git", Transport::Ssh),
            ("git://git.example.com/api.git", Transport::Git),
            ("http://10.0.0.7/api.git", Transport::Http),
            ("file:///srv/git/api.git", Transport::File),
            ("/srv/git/api.git", Transport::File),
            ("/srv/my repositories/api", Transport::File),
            ("file:///srv/my repositories/api", Transport::File),
        ] {
            assert_eq!(Repository::parse(text).unwrap().transport(), transport, "{text}");
        }
    }

    #[test]
    fn an_origin_is_scheme_host_and_port_however_they_are_spelled() {
        let share = |one: &str, other: &str| {
            Repository::parse(one).unwrap().shares_origin(&Repository::parse(other).unwrap())
        };
        for (one, other) in [
            ("https://git.example.com/a", "HTTPS://GIT.example.com:443/b/c"),
            ("https://git.example.com/a", "https://git.example.com:/a"),
            ("https://git.example.com:8443/a", "https://git.example.com:8443/b"),
            ("http://git.example.com/a", "http://git.example.com:80/a"),
            ("git://git.example.com/a", "git://git.example.com:9418/a"),
            ("git@git.example.com:a", "ssh://other@git.example.com:22/b"),
            ("https://[2001:db8::1]/a", "https://[2001:DB8::1]:443/a"),
        ] {
            assert!(share(one, other) && share(other, one), "{one} {other}");
        }
        for (one, other) in [
            ("https://git.example.com/a", "http://git.example.com/a"),
            ("https://git.example.com/a", "http://git.example.com:443/a"),
            ("https://git.example.com/a", "https://git.example.com.evil/a"),
            ("https://git.example.com/a", "https://git.example.com:4430/a"),
            ("https://git.example.com/a", r"https://git.example.com\@evil.example.com/a"),
            ("https://git.example.com/a", "git@git.example.com:a"),
            ("https://[2001:db8::1]/a", "https://[2001:db8::2]/a"),
            ("https://[2001:db8::1]/a", "https://[2001:db8::1]:8443/a"),
            ("git@git.example.com:a", "git@evil.example.com:a"),
            ("/srv/a", "/srv/a"),
        ] {
            assert!(!share(one, other) && !share(other, one), "{one} {other}");
        }
    }

    #[test]
    fn a_forge_has_a_page_of_each_commit() {
        let commit = Commit::parse("4f2c1d7e81b04a95c36d2f7e0b1c98a4d5e6f701").unwrap();
        for (repository, page) in [
            ("https://forge.example/a/b.git", "https://forge.example/a/b/commit/"),
            ("http://forge.example:3000/a/b/", "http://forge.example:3000/a/b/commit/"),
            ("git@forge.example:a/b.git", "https://forge.example/a/b/commit/"),
            ("ssh://git@gitlab.example/a/b/c.git", "https://gitlab.example/a/b/c/-/commit/"),
            ("https://bitbucket.org/a/b", "https://bitbucket.org/a/b/commits/"),
        ] {
            let found = Repository::parse(repository).unwrap().commit_page(&commit);
            assert_eq!(found, Some(format!("{page}{commit}")), "{repository}");
        }
        for repository in ["ssh://git@host:2222/a.git", "me@host:a.git", "git://host/a.git", "/srv/a.git"] {
            assert_eq!(Repository::parse(repository).unwrap().web_page(), None, "{repository}");
        }
    }

    #[test]
    fn a_wrong_spelling_is_refused_with_the_right_one() {
        for (text, right) in [
            ("git@host:2222/x.git", "ssh://git@host:2222/x.git"),
            ("ssh://git@host:group/x.git", "ssh://git@host/group/x.git or git@host:group/x.git"),
            ("https://forge.example/a/b/tree/main", "https://forge.example/a/b"),
            ("https://forge.example/a/b/c/-/blob/main/x", "https://forge.example/a/b/c"),
            ("https://forge.example/a/b/src/branch/main", "https://forge.example/a/b"),
        ] {
            let told = Repository::parse(text).unwrap_err().detail;
            assert!(told.ends_with(&format!("write {right}")), "{text}: {told}");
        }
        for text in
            ["https://forge.example/tree/main", "git@host:22x/y.git", "https://forge.example/a/b/tree/c.git"]
        {
            assert!(Repository::parse(text).is_ok(), "{text}");
        }
    }

    #[test]
    fn injections_and_secrets_are_refused() {
        for text in [
            "",
            "ext::sh -c id",
            "ext::sh",
            "EXT::sh",
            "ext://host/x",
            "fd::17/foo",
            "javascript://host/x",
            "-oProxyCommand=id",
            "--upload-pack=id",
            "ssh://-oProxyCommand=id/x",
            "ssh://git@-oProxyCommand=id/x",
            "-o@host:x",
            "git@-host:x",
            "git@host:-x",
            "git@host::x",
            "git@host",
            "host:path",
            "../repo",
            "repo",
            "https://user:secret@git.example.com/a",
            "https://token@git.example.com/a",
            "http://u@h/a",
            "ssh://git:secret@host/a",
            "https://",
            "https:///path",
            "https://host",
            "https://host/",
            "https://host/-x",
            "https://host/a?b=c",
            "https://host/a#b",
            "https://host/a b",
            "https://host/a\nb",
            "file://relative",
            "file://host/x",
            "ftp://host/a",
            "https://host/\u{7f}",
        ] {
            assert!(Repository::parse(text).is_err(), "{text}");
        }
    }
}
