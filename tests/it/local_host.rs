//! What a local step finds on its host, and what becomes of what it leaves there.

use std::ffi::OsString;
use std::fs::Permissions;
use std::net::{TcpListener, TcpStream};
use std::os::unix::fs::{PermissionsExt, chown};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use serde_json::{Value, json};
use stackblaze::domain::{EnvName, Step};
use stackblaze::executor::local::{LocalExecutor, Variables};
use stackblaze::executor::{Executor, Outcome};
use tempfile::TempDir;
use tokio_util::sync::CancellationToken;

use crate::executor_contract::log_of;
use crate::harness::git::GitRepo;
use crate::harness::guest::{Guest, output};
use crate::harness::process::{Server, client, serve, wait_until};
use crate::harness::soon;
use crate::local::{Bench, NO_LIMIT};

/// Number of the user and the group that own nothing.
const NOBODY: u32 = 65_534;

/// A command that another user runs.
fn as_nobody() -> Command {
    let mut command = Command::new("setpriv");
    command.args([&format!("--reuid={NOBODY}"), &format!("--regid={NOBODY}"), "--clear-groups"]);
    command.stdin(Stdio::null());
    command
}

/// Whether tests with two users can be done here: by root, in a folder that others reach, with these programs.
fn has_two_users(folder: &Path, programs: &[&str]) -> bool {
    let has = |program: &&str| Command::new(program).arg("--help").output().is_ok();
    let can = programs.iter().all(has)
        && as_nobody().args(["test", "-x"]).arg(folder).status().is_ok_and(|status| status.success());
    if !can {
        eprintln!("LEFT OUT, since this takes root, setpriv and {programs:?}: files of two users");
    }
    can
}

/// A folder that others reach.
fn open_folder() -> TempDir {
    let folder = TempDir::new().unwrap();
    open_up(folder.path());
    folder
}

fn open_up(path: &Path) {
    std::fs::set_permissions(path, Permissions::from_mode(0o755)).unwrap();
}

/// Writes a program.
fn script(path: PathBuf, text: &str) -> PathBuf {
    std::fs::write(&path, format!("#!/bin/sh\n{text}\n")).unwrap();
    open_up(&path);
    path
}

fn names(folder: &Path) -> Vec<OsString> {
    std::fs::read_dir(folder).into_iter().flatten().map(|entry| entry.unwrap().file_name()).collect()
}

/// Lets the executor remove what was set aside, until nothing of it is left.
async fn tidy(bench: &Bench) {
    let (stop, trash) = (CancellationToken::new(), bench.data.path().join("trash"));
    let watch = async {
        while !names(&trash).is_empty() {
            tokio::task::yield_now().await;
        }
        stop.cancel();
    };
    soon(async { tokio::join!(bench.executor.tidy(&stop), watch) }).await;
}

/// A web server of another user; ends with this value.
struct WebServer {
    _guest: Guest,
    port: u16,
}

impl WebServer {
    fn serve(folder: &Path) -> Self {
        let port = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
        let mut command = as_nobody();
        command.args(["busybox", "httpd", "-f", "-p", &format!("127.0.0.1:{port}"), "-h"]).arg(folder);
        let guest = Guest::start(&mut command);
        wait_until("the web server", || TcpStream::connect(("127.0.0.1", port)).is_ok());
        Self { _guest: guest, port }
    }

    async fn get(&self, path: &str) -> (u16, String) {
        let answer = client().get(format!("http://127.0.0.1:{}/{path}", self.port)).send().await.unwrap();
        (answer.status().as_u16(), answer.text().await.unwrap())
    }
}

#[tokio::test]
async fn copies_of_the_source_can_be_read_by_a_web_server_of_another_user() {
    let folder = open_folder();
    if !has_two_users(folder.path(), &["rsync", "busybox"]) {
        return;
    }
    // A server whose own files are closed to others, as systemd's UMask=0077 makes it.
    let closed = format!("umask 077; exec '{}' \"$@\"", env!("CARGO_BIN_EXE_stackblaze"));
    let bench = Bench::with_program(script(folder.path().join("program"), &closed), &[]);
    std::fs::create_dir(bench.repo.path().join("css")).unwrap();
    bench.repo.commit("css/site.css", "b {}\n", "Look better");
    let to = folder.path().display();
    let deploy = format!("rsync -a --delete ./ {to}/synced/; cp -a . {to}/copied; mv \"$PWD\" {to}/moved");

    let (events, outcome) = bench.end(&bench.run("", &deploy)).await;

    assert_eq!(outcome, Outcome::Succeeded, "{}", log_of(&events, Step::Deploy));
    let web = WebServer::serve(folder.path());
    for copy in ["synced", "copied", "moved"] {
        assert_eq!(web.get(&format!("{copy}/hello")).await, (200, "one\n".to_owned()), "{copy}");
        assert_eq!(web.get(&format!("{copy}/css/site.css")).await, (200, "b {}\n".to_owned()), "{copy}");
    }
}

#[tokio::test]
async fn a_process_manager_finds_its_daemon_of_the_run_before_and_of_the_servers_user() {
    let bench = Bench::new();
    let manager = r#"
        state=$HOME/.manager/daemon
        if [ -e "$state" ]; then echo "restarted by the daemon of $(cat "$state")"; exit; fi
        mkdir -p "$HOME/.manager"; echo "$1" > "$state"; echo "a new daemon of $1""#;
    let manager = script(bench.home.path().join("manager"), manager);
    let by_hand = output(Command::new(&manager).arg("hand").env("HOME", bench.home.path()));
    assert_eq!(String::from_utf8(by_hand.stdout).unwrap(), "a new daemon of hand\n");
    let run = bench.run("", &format!("{} run", manager.display()));

    for _ in 0..2 {
        let (events, _) = bench.end(&run).await;

        assert_eq!(log_of(&events, Step::Deploy), "restarted by the daemon of hand\n");
    }
}

#[tokio::test]
async fn steps_know_that_nobody_watches_and_the_services_own_variables_win() {
    let bench = Bench::new();
    let show = "echo $CI $TERM; echo ${HOME##*/} ${XDG_CACHE_HOME#$STACKBLAZE_CACHE_DIR/} \
                ${npm_config_cache#$STACKBLAZE_CACHE_DIR/}";
    let plain = bench.run(show, "");
    let mut own = plain.clone();
    let variables =
        [("CI", "false"), ("TERM", "xterm"), ("HOME", "/srv/own"), ("XDG_CACHE_HOME", "elsewhere")];
    own.service.local.env =
        variables.map(|(name, value)| (EnvName::parse("env", name).unwrap(), value.to_owned())).into();

    let (events, _) = bench.end(&plain).await;
    let (own_events, _) = bench.end(&own).await;

    let home = bench.home.path().file_name().unwrap().to_string_lossy();
    assert_eq!(log_of(&events, Step::Build), format!("true dumb\n{home} xdg npm\n"));
    assert_eq!(log_of(&own_events, Step::Build), "false xterm\nown elsewhere npm\n");
}

#[tokio::test]
async fn the_way_out_of_the_network_reaches_every_step_and_no_secret_of_the_server_does() {
    let folder = TempDir::new().unwrap();
    let (seen, path) = (folder.path().join("seen"), std::env::var_os("PATH").unwrap());
    let path = path.to_string_lossy();
    let look = format!("{{ env; ls -A \"$HOME\"; }} >> {}; PATH='{path}' exec git \"$@\"", seen.display());
    script(folder.path().join("git"), &look);
    let bench = Bench::with_variables(&[
        ("PATH", &format!("{}:{path}", folder.path().display())),
        ("https_proxy", "http://proxy.example.com:3128"),
        ("NO_PROXY", "localhost"),
        ("SSL_CERT_FILE", "/etc/ours.pem"),
        ("LANG", "de_DE.UTF-8"),
        ("DATABASE_PASSWORD", "hunter2hunter2"),
        ("GIT_DIR", "/srv/other"),
    ]);
    std::fs::write(bench.home.path().join(".netrc"), "").unwrap();

    let (events, outcome) = bench.end(&bench.run("env", "env")).await;

    assert_eq!(outcome, Outcome::Succeeded);
    let clone = std::fs::read_to_string(&seen).unwrap();
    let (build, deploy) = (log_of(&events, Step::Build), log_of(&events, Step::Deploy));
    for text in [&clone, &build, &deploy] {
        for line in
            ["https_proxy=http://proxy.example.com:3128", "NO_PROXY=localhost", "SSL_CERT_FILE=/etc/ours.pem"]
        {
            assert!(text.lines().any(|own| own == line), "{line}: {text}");
        }
        assert!(!text.contains("hunter2") && !text.contains("GIT_DIR"), "{text}");
    }
    assert!(clone.contains("LANG=C.UTF-8\n") && build.contains("LANG=de_DE.UTF-8\n"), "{clone}{build}");
    let home = format!("HOME={}\n", bench.home.path().display());
    assert!(build.contains(&home) && deploy.contains(&home), "{build}{deploy}");
    assert!(!clone.contains(&home) && !clone.contains(".netrc"), "{clone}");
}

#[tokio::test]
async fn the_source_is_in_the_same_place_each_time_and_new_each_time() {
    let bench = Bench::new();
    let run = bench.run("pwd; ls; mkdir left; cp hello left", "");

    let (first, _) = bench.end(&run).await;
    let (second, _) = bench.end(&run).await;

    let place = bench.data.path().join("work").join(bench.service.as_str()).join("source");
    let expected = format!("{}\nhello\n", place.display());
    assert_eq!(log_of(&first, Step::Build), expected);
    assert_eq!(log_of(&second, Step::Build), expected);
    assert!(!place.exists());
}

#[tokio::test]
async fn temporary_files_are_those_of_one_run_and_their_folder_stays() {
    let bench = Bench::new();
    let run = bench.run("ls -A $TMPDIR; touch $TMPDIR/of-the-run", "ls -A $TMPDIR");
    let tmp = bench.data.path().join("work").join(bench.service.as_str()).join("tmp");

    let (first, _) = bench.end(&run).await;
    let after_first = names(&tmp);
    // What a run left running goes on using the folder.
    std::fs::write(tmp.join("of-a-survivor"), "").unwrap();
    let (second, _) = bench.end(&run).await;

    for events in [first, second] {
        assert_eq!(log_of(&events, Step::Build), "");
        assert_eq!(log_of(&events, Step::Deploy), "of-the-run\n");
    }
    assert!(after_first.is_empty() && tmp.is_dir() && names(&tmp).is_empty());
}

#[tokio::test]
async fn the_end_is_told_before_what_the_run_left_is_removed() {
    let bench = Bench::new();
    let run = bench.run("mkdir -p many/folders; touch many/folders/file", "");

    let (_, outcome) = bench.end(&run).await;

    assert_eq!(outcome, Outcome::Succeeded);
    let trash = bench.data.path().join("trash");
    let is_left = |name: &OsString| trash.join(name).join("source/many/folders/file").exists();
    assert!(names(&trash).iter().any(is_left));
    tidy(&bench).await;
    assert!(names(&trash).is_empty());
}

#[tokio::test]
async fn what_a_killed_server_left_is_set_aside_at_the_start_and_temporary_files_of_survivors_are_not() {
    let bench = Bench::new();
    let (work, trash) = (bench.data.path().join("work"), bench.data.path().join("trash"));
    let own = work.join(bench.service.as_str());
    let made = ["dep-of-a-former-version/source", "look-unfinished/home", "quietservice/tmp/socket"];
    for folder in made.map(|path| work.join(path)).iter().chain([&own.join("source"), &own.join("tmp/old")]) {
        std::fs::create_dir_all(folder).unwrap();
    }

    let program = env!("CARGO_BIN_EXE_stackblaze").into();
    LocalExecutor::open(bench.data.path(), program, &Variables::new(), NO_LIMIT).unwrap();

    let mut left = names(&work);
    left.sort();
    let mut expected = [OsString::from("quietservice"), own.file_name().unwrap().to_owned()];
    expected.sort();
    assert_eq!(left, expected);
    assert!(work.join("quietservice/tmp/socket").exists());
    assert_eq!((names(&own), names(&own.join("tmp"))), (vec![OsString::from("tmp")], Vec::new()));
    assert_eq!(names(&trash).len(), 3, "to be removed when the server listens");
    assert_eq!(std::fs::metadata(&work).unwrap().permissions().mode() & 0o777, 0o700);
}

#[tokio::test]
async fn a_look_at_the_repository_does_not_disturb_a_run() {
    let bench = Bench::new();
    let mark = |name: &str| bench.home.path().join(name);
    let build = "touch ~/begun; while [ ! -e ~/go ]; do sleep 0.05; done; cat hello; ls -d $TMPDIR";
    let run = bench.run(build, "");
    let look = async {
        while !mark("begun").exists() {
            tokio::task::yield_now().await;
        }
        let findings = bench.executor.check(&run.service).await;
        std::fs::write(mark("go"), "").unwrap();
        findings
    };

    let ((events, outcome), findings) = soon(async { tokio::join!(bench.end(&run), look) }).await;

    assert_eq!(outcome, Outcome::Succeeded, "{}", log_of(&events, Step::Build));
    assert!(findings[0].detail.contains("answers and has branch main"), "{findings:?}");
    assert_eq!(names(&bench.data.path().join("work")), [bench.service.as_str()]);
}

/// Deploys a service by its hook; the deployment when it has ended.
async fn deploy(server: &Server, service: Value) -> Value {
    let hook = server.hook(service).await;
    let accepted = client().post(format!("{}{hook}", server.url)).send().await.unwrap();
    let id = accepted.json::<Value>().await.unwrap()["deploymentId"].as_str().unwrap().to_owned();
    let url = format!("{}/deployments/{id}?wait=25", server.url);
    soon(async {
        loop {
            let shown: Value = client().get(&url).send().await.unwrap().json().await.unwrap();
            if shown["status"] == "succeeded" || shown["status"] == "failed" {
                return shown;
            }
        }
    })
    .await
}

/// What is in the workspaces of services; looks at a repository come and go beside them.
fn left_in_work(data: &Path) -> Vec<OsString> {
    let work = data.join("work");
    let services = names(&work).into_iter().filter(|name| !name.to_string_lossy().starts_with("look-"));
    services.flat_map(|service| names(&work.join(service))).collect()
}

#[tokio::test]
async fn a_server_removes_what_former_and_own_runs_left_while_it_serves() {
    let (folder, repo) = (TempDir::new().unwrap(), GitRepo::new());
    repo.commit("hello", "one\n", "Say hello");
    let data = folder.path().join("data");
    std::fs::create_dir_all(data.join("trash/half/removed")).unwrap();
    std::fs::create_dir_all(data.join("work/dep-of-a-former-version/source")).unwrap();
    let mut command = serve(Path::new("data"), &[]);
    command.current_dir(folder.path());
    let server = Server::from_command(command, &data);
    wait_until("the removal of leftovers", || names(&data.join("trash")).is_empty());
    assert!(names(&data.join("work")).is_empty());

    let build = "echo x > $TMPDIR/a && echo y > $STACKBLAZE_CACHE_DIR/b && mkdir -p deep/er";
    let service = json!({ "name": "api", "repository": repo.url(), "buildCommand": build });
    let ended = deploy(&server, service).await;

    assert_eq!(ended["status"], "succeeded", "{ended}");
    assert_eq!(left_in_work(&data), ["tmp"]);
    wait_until("the removal of the run", || names(&data.join("trash")).is_empty());
}

#[tokio::test]
async fn a_server_that_is_not_root_removes_what_a_build_has_closed_and_goes_on_behind_what_is_not_its_own() {
    let folder = open_folder();
    if !has_two_users(folder.path(), &[]) {
        return;
    }
    let (program, data, repo) =
        (folder.path().join("stackblaze"), folder.path().join("data"), GitRepo::new());
    repo.commit("hello", "one\n", "Say hello");
    open_up(repo.parent());
    std::fs::copy(env!("CARGO_BIN_EXE_stackblaze"), &program).unwrap();
    std::fs::create_dir_all(data.join("trash/of-root/inside")).unwrap();
    for own in [&data, &data.join("trash")] {
        chown(own, Some(NOBODY), Some(NOBODY)).unwrap();
    }
    let mut command = as_nobody();
    command.arg(&program).args(serve(&data, &[]).get_args()).env("HOME", "/root");
    let server = Server::from_command(command, &data);
    let build = format!(
        "test $HOME = {}/home; mkdir -p go/pkg; touch go/pkg/file; chmod -R a-w go; chmod a-w . ..",
        data.display()
    );

    let service = json!({ "name": "api", "repository": repo.url(), "buildCommand": build });
    let ended = deploy(&server, service).await;

    assert_eq!(ended["status"], "succeeded", "{ended}");
    assert_eq!(left_in_work(&data), ["tmp"]);
    wait_until("the removal of the run", || names(&data.join("trash")) == ["of-root"]);
    assert!(data.join("trash/of-root/inside").exists());
}
