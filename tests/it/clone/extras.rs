//! Submodules and files of Git LFS.

use std::process::{Command, Stdio};

use super::*;
use crate::harness::git::GitHttp;

/// `app` with the submodule `vendor/lib`, which has the submodule `deep`; addresses as given.
struct Nested {
    folder: TempDir,
}

impl Nested {
    fn new(address: impl Fn(&str) -> String) -> Self {
        let nested = Self { folder: TempDir::new().unwrap() };
        for (name, inside) in
            [("deep", None), ("lib", Some(("deep", "deep"))), ("app", Some(("vendor/lib", "lib")))]
        {
            let folder = nested.folder.path().join(name);
            std::fs::create_dir(&folder).unwrap();
            nested.git(name, &["init", "--quiet", "--initial-branch=main"]);
            std::fs::write(folder.join("name"), format!("{name}\n")).unwrap();
            if let Some((path, of)) = inside {
                let beside = format!("../{of}");
                let add = ["-c", "protocol.file.allow=always", "submodule", "--quiet", "add", &beside, path];
                nested.git(name, &["remote", "add", "origin", &folder.display().to_string()]);
                nested.git(name, &add);
                nested.git(
                    name,
                    &["config", "--file", ".gitmodules", &format!("submodule.{path}.url"), &address(of)],
                );
            }
            nested.git(name, &["add", "--all"]);
            nested.git(name, &["commit", "--quiet", "--message", name]);
        }
        nested
    }

    fn git(&self, repo: &str, words: &[&str]) {
        let who = ["-c", "user.name=a", "-c", "user.email=a@example.com"];
        let mut git = Command::new("git");
        let done = git
            .args(who)
            .args(words)
            .current_dir(self.folder.path().join(repo))
            .stderr(Stdio::null())
            .status();
        assert!(done.unwrap().success(), "{words:?}");
    }

    fn app(&self) -> String {
        self.folder.path().join("app").display().to_string()
    }
}

#[test]
fn submodules_are_fetched_where_the_setting_says_so_and_told_where_not() {
    let nested = Nested::new(|name| format!("../{name}"));

    let off = clone(&nested.app()).on_host().run().succeeded();
    let on = clone(&nested.app()).on_host().setting("submodules", true).run().succeeded();
    let look = clone(&nested.app()).on_host().with("LOOK", "true").run().succeeded();

    let says = "Warning: submodule vendor/lib is not fetched: the service's setting submodules is off";
    assert!(off.log.contains(says) && off.file("vendor/lib/name").is_empty(), "{}", off.log);
    assert_eq!(
        (on.file("vendor/lib/name").as_str(), on.file("vendor/lib/deep/name").as_str()),
        ("lib\n", "deep\n")
    );
    assert_eq!(look.told("message"), says);
}

#[test]
fn a_private_submodule_beside_the_repository_gets_its_credential_and_one_elsewhere_does_not() {
    let beside = Nested::new(|name| format!("../../{name}/.git"));
    let http = GitHttp::serve(beside.folder.path(), "mira", "right-password-1");
    let secret = [("username", "mira"), ("password", "right-password-1")];
    let on = |url: &str| clone(url).setting("submodules", true).secret(&secret);

    let own = on(&http.url("app/.git")).run().succeeded();

    assert_eq!(
        (own.file("vendor/lib/name").as_str(), own.file("vendor/lib/deep/name").as_str()),
        ("lib\n", "deep\n")
    );

    let other = GitHttp::serve(beside.folder.path(), "mira", "right-password-1");
    let elsewhere = Nested::new(|name| other.url(&format!("{name}/.git")));
    let http = GitHttp::serve(elsewhere.folder.path(), "mira", "right-password-1");
    on(&http.url("app/.git"))
        .run()
        .failed("gives no access", "could not read Username for 'http://127.0.0.1:");
    let look = on(&http.url("app/.git")).with("LOOK", "true").run();
    look.failed(&format!("submodule {}", other.url("lib/.git")), "could not read Username");
}

/// What a repository says of its submodules must not lead to files of the server.
#[test]
fn a_submodule_is_no_way_to_a_path_of_this_machine() {
    let nested = Nested::new(|name| format!("../../{name}/.git"));
    let lib = nested.folder.path().join("lib").display().to_string();
    nested.git("app", &["config", "--file", ".gitmodules", "submodule.vendor/lib.url", &lib]);
    nested.git("app", &["commit", "--quiet", "--all", "--message", "Reach out"]);
    let http = GitHttp::serve(nested.folder.path(), "mira", "right-password-1");
    let secret = [("username", "mira"), ("password", "right-password-1")];

    let ended = clone(&http.url("app/.git")).setting("submodules", true).secret(&secret).run();

    ended.failed("another protocol", "transport 'file' not allowed");
}

/// A repository with one file that Git LFS keeps; nothing where git-lfs is missing.
fn with_lfs() -> Option<GitRepo> {
    if !has("git-lfs") {
        return None;
    }
    let repo = GitRepo::new();
    let home = repo.parent().join("home");
    std::fs::create_dir(&home).unwrap();
    repo.git(&["config", "filter.lfs.clean", "git-lfs clean -- %f"]);
    repo.git(&["config", "filter.lfs.smudge", "git-lfs smudge -- %f"]);
    std::fs::write(repo.path().join(".gitattributes"), "*.bin filter=lfs diff=lfs merge=lfs -text\n")
        .unwrap();
    repo.commit("model.bin", &"weights ".repeat(1_000), "Add the model");
    Some(repo)
}

#[test]
fn files_of_git_lfs_come_with_their_content_and_never_as_pointers_without_a_word() {
    let Some(repo) = with_lfs() else { return };
    let http = GitHttp::serve(repo.parent(), "mira", "right-password-1");
    let secret = [("username", "mira"), ("password", "right-password-1")];
    let without = TempDir::new().unwrap();
    std::os::unix::fs::symlink("/usr/bin/git", without.path().join("git")).unwrap();

    let by_http = clone(&http.url("sample/.git")).secret(&secret).run().succeeded();
    let by_path = clone(&repo.url()).on_host().run().succeeded();
    let off = clone(&repo.url()).on_host().setting("lfs", false).run().succeeded();
    let missing = clone(&repo.url()).on_host().variable("PATH", &without.path().display().to_string());
    let look = clone(&repo.url()).on_host().setting("lfs", false).with("LOOK", "true").run().succeeded();

    for ended in [by_http, by_path] {
        assert_eq!(ended.file("model.bin").len(), 8_000, "{}", ended.log);
        assert_eq!(ended.git(&["status", "--porcelain"]), "");
    }
    let pointers = "Warning: 1 files of Git LFS are there as pointers, not with their content: ";
    assert!(off.log.contains(&format!("{pointers}the service's setting lfs is off")), "{}", off.log);
    assert!(off.file("model.bin").starts_with("version https://git-lfs"));
    let missing = missing.run().succeeded();
    assert!(missing.log.contains(&format!("{pointers}git-lfs is not installed")), "{}", missing.log);
    assert!(
        look.told("message").contains("files of Git LFS are there as pointers"),
        "{}",
        look.told("message")
    );
}

#[test]
fn a_file_that_git_lfs_does_not_get_fails_the_clone() {
    let Some(repo) = with_lfs() else { return };
    std::fs::remove_dir_all(repo.path().join(".git/lfs")).unwrap();

    let ended = clone(&repo.url()).on_host().run();

    ended.failed("a file kept by Git LFS could not be fetched", "model.bin");
}
