//! What is in the source afterwards.

use std::process::Command;

use super::servers::{Ca, Nginx, Proxy, Sshd};
use super::*;
use crate::harness::git::GitHttp;

/// Three commits on main; the first is tagged, and `other` has one of its own.
fn repo() -> (GitRepo, [String; 3]) {
    let repo = GitRepo::new();
    let first = repo.commit("hello", "one\n", "First");
    repo.git(&["tag", "--annotate", "v1.0", "--message", "Release"]);
    repo.git(&["tag", "light"]);
    let second = repo.commit("hello", "two\n", "Second");
    let third = repo.commit("hello", "three\n", "Größe, with \"quotes\" and $(params.x)");
    (repo, [first, second, third])
}

#[test]
fn the_head_alone_with_the_address_it_came_from() {
    let (repo, [.., third]) = repo();

    let ended = clone(&repo.url()).on_host().run().succeeded();

    assert_eq!((ended.told("commit"), ended.file("hello").as_str()), (third.clone(), "three\n"));
    assert_eq!(ended.told("subject"), "Größe, with \"quotes\" and $(params.x)");
    assert_eq!(ended.git(&["rev-list", "--all", "--count"]), "1");
    assert_eq!(ended.git(&["remote", "get-url", "origin"]), repo.url());
    assert_eq!(ended.git(&["status", "--porcelain"]), "");
    assert!(ended.log.contains(&format!("main is at {third}")), "{}", ended.log);
}

#[test]
fn as_much_history_as_the_settings_say() {
    let (repo, [first, second, third]) = repo();
    let look = |history: Value, commit: &str| {
        let ended =
            clone(&repo.url()).on_host().setting("history", history).with("COMMIT", commit).run().succeeded();
        assert_eq!(ended.git(&["rev-parse", "HEAD"]), commit);
        let [count, tags] =
            [&["rev-list", "--count", "HEAD"] as &[_], &["tag"]].map(|words| ended.git(words));
        (count, tags.replace('\n', " "))
    };

    assert_eq!(look(json!(1), &first), ("1".into(), String::new()));
    assert_eq!(look(json!(2), &third), ("2".into(), String::new()));
    assert_eq!(look(json!(2), &second), ("2".into(), String::new()));
    assert_eq!(look(json!("all"), &third), ("3".into(), "light v1.0".into()));
    assert_eq!(look(json!("all"), &second).0, "2");
}

#[test]
fn what_a_tag_points_to_and_the_tag() {
    let (repo, [first, ..]) = repo();

    for tag in ["v1.0", "light"] {
        let ended =
            clone(&repo.url()).on_host().with("BRANCH", &format!("refs/tags/{tag}")).run().succeeded();

        assert_eq!(ended.told("commit"), first);
        assert!(!ended.git(&["describe", "--tags", "--exact-match"]).is_empty(), "{tag}");
        assert_eq!(ended.git(&["tag"]), tag);
    }
}

#[test]
fn what_is_not_there_is_told_apart() {
    let (repo, [_, _, third]) = repo();
    let elsewhere = repo.branch("other").commit("hello", "else\n", "Elsewhere");
    let ended = |what: &str, commit: &str| {
        let ended = clone(&repo.url()).on_host().with("BRANCH", what).with("COMMIT", commit).run();
        (ended.code, ended.told("message"))
    };

    let gone = (Some(BRANCH_NOT_FOUND), "the repository has no branch gone".to_owned());
    assert_eq!(ended("gone", ""), gone);
    let says = "the repository has no branch v1.0; v1.0 is a tag, say tag=v1.0";
    assert_eq!(ended("v1.0", ""), (Some(BRANCH_NOT_FOUND), says.to_owned()));
    let says = "the repository has no tag main".to_owned();
    assert_eq!(ended("refs/tags/main", ""), (Some(TAG_NOT_FOUND), says));
    for commit in [elsewhere.as_str(), &"1".repeat(40), &"1".repeat(64)] {
        let says = format!("{commit} is not on branch main");
        assert_eq!(ended("main", commit), (Some(COMMIT_NOT_FOUND), says));
    }
    assert_eq!(ended("refs/tags/v1.0", &third).0, Some(COMMIT_NOT_FOUND));
}

#[test]
fn a_repository_of_sha_256() {
    let folder = TempDir::new().unwrap();
    let init = ["init", "--quiet", "--initial-branch=main", "--object-format=sha256"];
    assert!(Command::new("git").args(init).arg(folder.path()).status().unwrap().success());
    let git = |words: &[&str]| {
        let who = ["-c", "user.name=a", "-c", "user.email=a@example.com"];
        let output = Command::new("git").args(who).args(words).current_dir(folder.path()).output().unwrap();
        String::from_utf8(output.stdout).unwrap().trim().to_owned()
    };
    let [first, second] = ["First", "Second"].map(|subject| {
        git(&["commit", "--quiet", "--allow-empty", "--message", subject]);
        git(&["rev-parse", "HEAD"])
    });
    assert_eq!(first.len(), 64);
    let url = folder.path().display().to_string();

    let head = clone(&url).on_host().run().succeeded();
    let older = clone(&url).on_host().with("COMMIT", &first).run().succeeded();

    assert_eq!((head.told("commit"), older.told("commit")), (second, first));
}

/// Nothing but files behind a web server: no history can be cut there.
#[test]
fn a_server_of_plain_files_serves_too() {
    if !has("nginx") {
        return;
    }
    let (repo, [first, _, third]) = repo();
    let folder = TempDir::new().unwrap();
    let made = bare(&repo, folder.path(), "plain.git");
    assert!(Command::new("git").arg("update-server-info").current_dir(made).status().unwrap().success());
    let nginx = Nginx::plain(folder.path());
    let url = nginx.url("http", "plain.git");

    let head = clone(&url).run().succeeded();
    let older = clone(&url).with("COMMIT", &first).run().succeeded();
    let look = clone(&url).with("LOOK", "true").run().succeeded();

    assert_eq!((head.told("commit"), head.git(&["rev-list", "--all", "--count"])), (third, "1".to_owned()));
    assert_eq!((older.told("commit"), older.git(&["rev-list", "--all", "--count"])), (first, "1".to_owned()));
    assert_eq!(look.told("message"), "");
}

#[test]
fn an_authority_of_ones_own_is_believed_where_it_is_named() {
    if !has("nginx") {
        return;
    }
    let (repo, [.., third]) = repo();
    let smart = GitHttp::serve(repo.parent(), "mira", "right-password-1");
    let ca = Ca::new();
    let nginx = Nginx::tls(&ca, &smart);
    let url = nginx.url("https", "sample/.git");
    let basic = [("username", "mira"), ("password", "right-password-1")];
    let ca_file = ca.path().display().to_string();

    let unknown = clone(&url).secret(&basic).run();
    let on_host = clone(&url).on_host().secret(&basic).run();
    let by_variable =
        clone(&url).on_host().secret(&basic).variable("GIT_SSL_CAINFO", &ca_file).run().succeeded();
    let by_secret =
        clone(&url).secret(&[basic.as_slice(), &[("ca.crt", &ca.text())]].concat()).run().succeeded();

    unknown.failed("put its authority under the key ca.crt of the git Secret", "certificate");
    on_host.failed("name its authority by SSL_CERT_FILE or GIT_SSL_CAINFO", "certificate");
    assert_eq!((by_variable.told("commit"), by_secret.told("commit")), (third.clone(), third));
}

#[test]
fn the_way_through_a_proxy_is_taken_and_its_refusal_told() {
    if !has("nginx") || !has("tinyproxy") {
        return;
    }
    let (repo, [.., third]) = repo();
    let smart = GitHttp::serve(repo.parent(), "mira", "right-password-1");
    let ca = Ca::new();
    let nginx = Nginx::tls(&ca, &smart);
    let (open, closed) = (Proxy::to(nginx.port()), Proxy::to(1));
    let secret = [("password", "right-password-1"), ("username", "mira"), ("ca.crt", &ca.text())];
    let through = |proxy: &Proxy| {
        let step = clone(&nginx.url("https", "sample/.git")).secret(&secret);
        step.variable("https_proxy", &proxy.url()).run()
    };

    let passed = through(&open).succeeded();

    assert_eq!(passed.told("commit"), third);
    assert!(open.was_used());
    through(&closed).failed("the proxy does not let git through", "403");
}

#[test]
fn a_key_opens_ssh_however_it_was_kept() {
    if !has("/usr/sbin/sshd") {
        return;
    }
    let (repo, [.., third]) = repo();
    let sshd = Sshd::start();
    let url = sshd.url(&repo.url());
    let hosts = sshd.known_hosts();
    for key in [sshd.key(), sshd.key().trim_end().to_owned(), sshd.key().replace('\n', "\r\n")] {
        let listed =
            clone(&url).secret(&[("ssh-privatekey", &key), ("known_hosts", &hosts)]).run().succeeded();
        let met = clone(&url).on_host().secret(&[("ssh-privatekey", &key)]).run().succeeded();

        assert_eq!((listed.told("commit"), met.told("commit")), (third.clone(), third.clone()));
        assert!(!listed.step.folder.path().join("scratch/ssh-key").exists());
    }
}
