//! Why git could not fetch: a sentence of ours for each kind, and the line of git's or ssh's that says it. One table.

use crate::domain::{Repository, Transport};

/// What a sentence can say about the credential.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Credential {
    /// None was named.
    None,
    /// A token or password.
    Token,
    /// An ssh key.
    Key,
}

/// Where the clone runs, for what the operator has to do.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Place {
    /// On the server's own host.
    Host,
    /// In a cluster.
    Cluster,
}

/// Where git was led from its first question to a server, as curl's trace of it tells.
pub(super) fn led_to(trace: &str) -> Option<String> {
    let header = |line: &str| {
        let (_, rest) = line.split_once("<= Recv header: ")?;
        let (name, value) = rest.split_once(':')?;
        name.eq_ignore_ascii_case("location").then(|| value.trim().to_owned())
    };
    let address = trace.lines().filter_map(header).next_back()?;
    let repository = address.split("/info/refs").next()?.trim_end_matches('/');
    repository.contains("://").then(|| repository.to_owned())
}

/// What failed, and what git wrote.
pub(super) struct Failed<'a> {
    pub(super) repository: &'a Repository,
    pub(super) credential: Credential,
    pub(super) place: Place,
    /// git's and ssh's output.
    pub(super) said: &'a str,
    /// Where the server leads to.
    pub(super) redirect: Option<&'a str>,
}

/// The kinds of failures.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Kind {
    Certificate,
    Proxy,
    Name,
    Refused,
    NoAnswer,
    HostKey,
    BadKey,
    Denied,
    NotARepository,
    Protocol,
    BrokeOff,
    Space,
    Lfs,
    Format,
}

/// What is looked for in a line, in lower case, first match first.
const KINDS: &[(&str, Kind)] = &[
    ("no space left on device", Kind::Space),
    ("disk quota exceeded", Kind::Space),
    ("connect tunnel failed", Kind::Proxy),
    ("from proxy after connect", Kind::Proxy),
    ("could not resolve proxy", Kind::Proxy),
    ("proxy connect aborted", Kind::Proxy),
    ("certificate", Kind::Certificate),
    ("ssl_error", Kind::Certificate),
    ("gnutls_handshake", Kind::Certificate),
    ("could not resolve host", Kind::Name),
    ("name or service not known", Kind::Name),
    ("temporary failure in name resolution", Kind::Name),
    ("no address associated with hostname", Kind::Name),
    ("host key verification failed", Kind::HostKey),
    ("remote host identification has changed", Kind::HostKey),
    ("no matching host key", Kind::HostKey),
    ("incorrect passphrase", Kind::BadKey),
    ("error in libcrypto", Kind::BadKey),
    ("invalid format", Kind::BadKey),
    ("bad permissions", Kind::BadKey),
    ("load key", Kind::BadKey),
    ("permission denied", Kind::Denied),
    ("could not read username", Kind::Denied),
    ("could not read password", Kind::Denied),
    ("authentication failed", Kind::Denied),
    ("authentication required", Kind::Denied),
    ("terminal prompts disabled", Kind::Denied),
    ("access denied", Kind::Denied),
    ("returned error: 401", Kind::Denied),
    ("returned error: 403", Kind::Denied),
    ("repository not found", Kind::Denied),
    ("returned error: 404", Kind::Denied),
    ("project you were looking for could not be found", Kind::Denied),
    ("connection refused", Kind::Refused),
    ("failed to connect", Kind::Refused),
    ("couldn't connect to server", Kind::Refused),
    ("unable to connect", Kind::Refused),
    ("timed out", Kind::NoAnswer),
    ("no route to host", Kind::NoAnswer),
    ("network is unreachable", Kind::NoAnswer),
    ("mismatched algorithms", Kind::Format),
    ("smudge", Kind::Lfs),
    ("git-lfs", Kind::Lfs),
    ("batch response", Kind::Lfs),
    ("not supported or disabled in libcurl", Kind::Protocol),
    ("not allowed", Kind::Protocol),
    ("does not appear to be a git repository", Kind::NotARepository),
    ("not a git repository", Kind::NotARepository),
    ("does not exist", Kind::NotARepository),
    ("not valid: is this a git repository", Kind::NotARepository),
    ("not found", Kind::Denied),
    ("early eof", Kind::BrokeOff),
    ("hung up", Kind::BrokeOff),
    ("rpc failed", Kind::BrokeOff),
    ("connection reset", Kind::BrokeOff),
    ("empty reply", Kind::BrokeOff),
    ("connection closed", Kind::BrokeOff),
    ("unexpected disconnect", Kind::BrokeOff),
    ("returned error: 5", Kind::BrokeOff),
];

/// Lines that say what was about to be done, or what may be wrong with anything.
const CHATTER: &[&str] = &[
    "warning: permanently added",
    "warning: redirecting to",
    "please make sure you have the correct access rights",
    "and the repository exists",
];

impl Failed<'_> {
    /// The sentence, without a full stop.
    pub(super) fn sentence(&self) -> String {
        let said = self.because();
        match self.redirect {
            Some(address) => {
                format!("the repository's address leads to another one; enter {address}: {said}")
            }
            None => said,
        }
    }

    /// The line that says it: of the first kind that any line is of, else git's last complaint.
    pub(super) fn line(&self) -> Option<String> {
        let found = self.found().map(|(line, _)| line);
        let fatal = || self.lines().filter(|line| line.starts_with("fatal: ")).last();
        found.or_else(fatal).or_else(|| self.lines().last()).map(str::to_owned)
    }

    fn lines(&self) -> impl Iterator<Item = &str> {
        let lines = self.said.lines().map(str::trim).filter(|line| !line.is_empty());
        lines.filter(|line| {
            let lower = line.to_lowercase();
            !CHATTER.iter().any(|chatter| lower.starts_with(chatter))
        })
    }

    fn found(&self) -> Option<(&str, Kind)> {
        KINDS.iter().find_map(|(words, kind)| {
            let line = self.lines().find(|line| unquoted(line).contains(words))?;
            Some((line, *kind))
        })
    }

    fn because(&self) -> String {
        let cluster = self.place == Place::Cluster;
        let Some((_, kind)) = self.found() else { return "git could not fetch the repository".to_owned() };
        match kind {
            Kind::Certificate if cluster => {
                "the repository server's certificate is not trusted; put its authority under the key ca.crt of the git \
                 Secret"
            }
            Kind::Certificate => {
                "the repository server's certificate is not trusted; name its authority by SSL_CERT_FILE or \
                 GIT_SSL_CAINFO in the server's environment"
            }
            Kind::Proxy => {
                "the proxy does not let git through; https_proxy, http_proxy and no_proxy are taken from the server's \
                 environment"
            }
            Kind::Name => "the name of the repository's host cannot be resolved",
            Kind::Refused => "the repository's host takes no connection on that port",
            Kind::NoAnswer => "the repository's host does not answer",
            Kind::HostKey if cluster => {
                "the ssh key of the repository's host is not among known_hosts of the git Secret; add what ssh-keyscan \
                 prints, once you have compared it"
            }
            Kind::HostKey => {
                "the host's ssh key is not the one that is known; remove its line from known_hosts in the data \
                 directory if it has changed on purpose"
            }
            Kind::BadKey => "ssh cannot use the private key; it has to be whole, and of a kind that ssh knows",
            Kind::Denied => return self.denied(),
            Kind::NotARepository => "there is no git repository at that address",
            Kind::Protocol => {
                "the address leads to another protocol; enter the one that serves the repository, or over which its \
                 submodules may come"
            }
            Kind::BrokeOff => "the repository's server broke the transfer off",
            Kind::Space => "the disk is full",
            Kind::Lfs => "a file kept by Git LFS could not be fetched",
            Kind::Format => "this git and the repository's name their commits differently; it takes a newer git",
        }
        .to_owned()
    }

    fn denied(&self) -> String {
        if matches!(self.repository.transport(), Transport::Git | Transport::File) {
            return "there is no git repository at that address, or none that is served to everybody"
                .to_owned();
        }
        let is_http = matches!(self.repository.transport(), Transport::Https | Transport::Http);
        match (self.credential, self.place) {
            (Credential::Token, Place::Host) => {
                "the repository does not exist, or the token in gitTokenFile gives no access to it"
            }
            (Credential::Key, Place::Host) => {
                "the repository does not exist, or the key in gitSshKeyFile gives no access to it"
            }
            (Credential::None, Place::Host) => {
                "the repository does not exist or is private; for a private one name a token file (gitTokenFile, for \
                 https) or an ssh key file (gitSshKeyFile, for ssh), or give the URL of a public one"
            }
            (Credential::None, Place::Cluster) if is_http => {
                "the repository does not exist or is private; for a private one name a git Secret with the key password"
            }
            (Credential::None, Place::Cluster) => {
                "the repository does not exist or is private; for a private one name a git Secret with the keys \
                 ssh-privatekey and known_hosts"
            }
            (_, Place::Cluster) => {
                "the repository does not exist, or what the git Secret holds gives no access to it"
            }
        }
        .to_owned()
    }
}

/// A line in lower case without its addresses and names, which may have any word in them.
fn unquoted(line: &str) -> String {
    line.to_lowercase().split('\'').step_by(2).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn failed<'a>(repository: &'a Repository, said: &'a str) -> Failed<'a> {
        Failed { repository, credential: Credential::None, place: Place::Host, said, redirect: None }
    }

    /// As git 2.39 and 2.47, curl 7.88 and OpenSSH 9.2 wrote them.
    #[test]
    fn each_kind_has_a_sentence_of_its_own_and_the_line_that_says_it() {
        let repository = Repository::parse("https://git.example.com/a.git").unwrap();
        let unable = "fatal: unable to access 'https://git.example.com/a.git/': ";
        for (line, words) in [
            ("server certificate verification failed. CAfile: none CRLfile: none", "not trusted"),
            ("SSL certificate problem: unable to get local issuer certificate", "not trusted"),
            ("Could not resolve host: git.example.com", "cannot be resolved"),
            (
                "Failed to connect to git.example.com port 443 after 0 ms: Couldn't connect to server",
                "no connection",
            ),
            ("Failed to connect to git.example.com port 443 after 9 ms: Connection refused", "no connection"),
            ("CONNECT tunnel failed, response 403", "the proxy"),
            ("Received HTTP code 407 from proxy after CONNECT", "the proxy"),
            ("Operation timed out after 300 milliseconds", "does not answer"),
            ("The requested URL returned error: 403", "is private"),
            ("The requested URL returned error: 502", "broke the transfer off"),
            ("Protocol \"http\" not supported or disabled in libcurl", "another protocol"),
        ] {
            let said = format!("{unable}{line}\n");
            let failed = failed(&repository, &said);

            assert!(failed.sentence().contains(words), "{line}: {}", failed.sentence());
            assert_eq!(failed.line().unwrap(), said.trim());
        }
    }

    #[test]
    fn what_ssh_says_goes_before_what_git_makes_of_it() {
        let repository = Repository::parse("git@git.example.com:a.git").unwrap();
        let said = "Warning: Permanently added 'git.example.com' (ED25519) to the list of known hosts.\n\
            Load key \"/tmp/ssh-key\": error in libcrypto\n\
            git@git.example.com: Permission denied (publickey).\n\
            fatal: Could not read from remote repository.\n\n\
            Please make sure you have the correct access rights\nand the repository exists.\n";
        let failed = failed(&repository, said);

        assert!(failed.sentence().contains("cannot use the private key"), "{}", failed.sentence());
        assert_eq!(failed.line().unwrap(), "Load key \"/tmp/ssh-key\": error in libcrypto");
    }

    #[test]
    fn a_redirect_is_named_with_the_address_to_enter() {
        let repository = Repository::parse("https://git.example.com/a.git").unwrap();
        let said =
            "fatal: could not read Username for 'https://forge.example.com': terminal prompts disabled\n";

        let redirect = Some("https://forge.example.com/a.git");
        let sentence = Failed { redirect, ..failed(&repository, said) }.sentence();

        assert!(sentence.contains("enter https://forge.example.com/a.git:"), "{sentence}");
    }
}
