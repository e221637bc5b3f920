//! Each way in which a clone fails has a sentence of its own, and git's or ssh's words beside it.

use std::net::TcpListener;

use super::servers::{Nginx, Sshd};
use super::*;
use crate::harness::git::{GitDaemon, GitHttp};

fn repo() -> GitRepo {
    let repo = GitRepo::new();
    repo.commit("hello", "one\n", "First");
    repo
}

#[test]
fn no_repository_no_host_no_connection() {
    let port = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
    let served = TempDir::new().unwrap();
    let daemon = GitDaemon::serve(served.path());

    clone("/nowhere/at/all.git").on_host().run().failed("there is no git repository", "/nowhere/at/all.git");
    clone(&daemon.url("nothing.git"))
        .run()
        .failed("there is no git repository", "access denied or repository not exported");
    clone("https://nowhere.invalid/a.git").run().failed("cannot be resolved", "Could not resolve host");
    clone("git@nowhere.invalid:a.git")
        .on_host()
        .run()
        .failed("cannot be resolved", "Could not resolve hostname");
    clone(&format!("http://127.0.0.1:{port}/a.git")).run().failed("takes no connection", "Failed to connect");
    clone(&format!("git://127.0.0.1:{port}/a.git")).run().failed("takes no connection", "Connection refused");
    clone(&format!("ssh://a@127.0.0.1:{port}/a"))
        .on_host()
        .run()
        .failed("takes no connection", "Connection refused");
}

#[test]
fn a_private_repository_says_what_to_name() {
    let repo = repo();
    let http = GitHttp::serve(repo.parent(), "mira", "right-password-1");
    let url = http.url("sample/.git");
    let wrong = [("username", "mira"), ("password", "wrong")];

    clone(&url).on_host().run().failed("name a token file (gitTokenFile", "could not read Username");
    clone(&url).run().failed("name a git Secret with the key password", "could not read Username");
    clone(&url)
        .on_host()
        .secret(&wrong)
        .run()
        .failed("the token in gitTokenFile gives no access", "Authentication failed");
    clone(&url)
        .secret(&wrong)
        .run()
        .failed("what the git Secret holds gives no access", "Authentication failed");
    let empty = clone(&url).secret(&[("other", "x")]).run();
    assert_eq!(
        (empty.code, empty.told("message").as_str()),
        (Some(CLONE_FAILED), "the git Secret has no key password")
    );
}

#[test]
fn what_ssh_says_of_a_key_is_passed_on() {
    if !has("/usr/sbin/sshd") {
        return;
    }
    let (repo, sshd) = (repo(), Sshd::start());
    let (url, hosts) = (sshd.url(&repo.url()), sshd.known_hosts());
    let with = |key: &str| clone(&url).secret(&[("ssh-privatekey", key), ("known_hosts", &hosts)]).run();

    with("-----BEGIN OPENSSH PRIVATE KEY-----\nbroken\n")
        .failed("ssh cannot use the private key", "Load key");
    with(&Sshd::other_key("")).failed("gives no access", "Permission denied (publickey)");
    let locked = with(&Sshd::other_key("secret words"));
    assert!(locked.told("message").contains("the private key has a passphrase"), "{}", locked.log);
    let unlisted =
        clone(&url).secret(&[("ssh-privatekey", &sshd.key()), ("known_hosts", "x ssh-rsa AAAA")]).run();
    unlisted.failed("is not among known_hosts of the git Secret", "Host key verification failed");
    let none = clone(&url).secret(&[("ssh-privatekey", &sshd.key())]).run();
    assert!(none.told("message").contains("no key known_hosts"), "{}", none.log);
}

/// A credential goes to the host that was named, so an address that leads elsewhere has to be entered.
#[test]
fn a_redirect_with_a_token_names_the_address_to_enter() {
    if !has("nginx") {
        return;
    }
    let repo = repo();
    let http = GitHttp::serve(repo.parent(), "mira", "right-password-1");
    let nginx = Nginx::leading_to(&http.url(""));

    let moved = clone(&nginx.url("http", "sample/.git"));
    let ended = moved.secret(&[("username", "mira"), ("password", "right-password-1")]).run();

    ended.failed(&format!("enter {}:", http.url("sample/.git")), "could not read Username");
}
