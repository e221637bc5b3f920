//! What opens the data directory itself: serve, backup and restore, doctor.

use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::process::{Command, Stdio};

use rustix::process::Signal;
use serde_json::Value;

use super::binary::{Running, RunningServer, cli, program};
use crate::harness::git::GitRepo;
use crate::harness::process::wait_until;

fn set_mode(path: &Path, mode: u32) {
    std::fs::set_permissions(path, std::fs::Permissions::from_mode(mode)).unwrap();
}

fn mode(path: &Path) -> u32 {
    std::fs::metadata(path).unwrap().permissions().mode() & 0o777
}

#[test]
fn a_new_data_directory_is_private_and_takes_one_server() {
    let mut server = RunningServer::start();

    let second = server.cli(&["serve", "--listen", "127.0.0.1:0"]).code(75);

    assert_eq!((mode(&server.dir()), mode(&server.dir().join("stackblaze.sock"))), (0o700, 0o600));
    assert!(second.stderr.contains("another server uses"), "{}", second.stderr);
    server.stop();
}

#[test]
fn a_backup_is_private_and_never_replaces_a_file() {
    let server = RunningServer::start();
    let file = server.file("copy.db");
    let name = file.to_str().unwrap();

    let made = server.cli(&["backup", name, "--json"]).ok().json();
    let again = server.cli(&["backup", name]).code(5);

    assert_eq!(made["bytes"], std::fs::metadata(&file).unwrap().len());
    assert_eq!(mode(&file), 0o600);
    assert!(again.stderr.contains("is there already"));
    let told = server.cli(&["backup", server.file("other.db").to_str().unwrap()]).ok();
    assert!(format!("{}{}", told.stdout, told.stderr).contains("secret.key) in a third place"));
    assert!(server.cli(&["backup", "/nowhere/copy.db"]).code(1).stderr.contains("cannot write"));
    assert!(!server.file("copy.db.partial").exists());
}

#[test]
fn a_backup_brings_back_what_was_there() {
    let mut server = RunningServer::start();
    let file = server.file("copy.db");
    let name = file.to_str().unwrap().to_owned();
    server.cli(&["service", "add", "api", "--repo", "/x", "--deploy", "true"]).ok();
    server.cli(&["hook", "create", "api", "--name", "ci"]).ok();
    server.cli(&["backup", &name]).ok();
    server.cli(&["service", "rm", "api", "--yes"]).ok();

    let running = server.cli(&["restore", &name, "--yes"]).code(5);
    server.stop();
    let unasked = server.cli(&["restore", &name]).code(64);
    let restored = server.cli(&["restore", &name, "--yes"]).ok();
    server.start_again();

    assert!(running.stderr.contains("stop the server first"), "{}", running.stderr);
    assert!(unasked.stderr.contains("--yes"), "{}", unasked.stderr);
    assert!(restored.stdout.contains("0 deployments") && restored.stderr.contains("next: stackblaze serve"));
    assert!(server.cli(&["hook", "list", "api"]).ok().stdout.contains("ci    active"));
}

#[test]
fn a_file_that_is_no_backup_is_refused_and_the_database_stays() {
    let mut server = RunningServer::start();
    server.cli(&["service", "add", "api", "--repo", "/x", "--deploy", "true"]).ok();
    server.stop();
    let text = server.write("text", "not a database, and long enough that nobody takes it for an empty one");

    let refused = server.cli(&["restore", &text, "--yes"]);
    server.cli(&["restore", "/nowhere.db", "--yes"]).code(1);
    server.start_again();

    assert_eq!(refused.code, 1, "{}", refused.stderr);
    server.cli(&["service", "show", "api"]).ok();
}

#[test]
fn a_copy_without_its_key_is_told() {
    let server = RunningServer::start();
    let file = server.file("copy.db");
    server.cli(&["backup", file.to_str().unwrap()]).ok();

    let ran = cli(&server.file("fresh"), &["restore", file.to_str().unwrap()]).ok();

    assert!(ran.stderr.contains("warning:") && ran.stderr.contains("secret.key"), "{}", ran.stderr);
}

#[test]
fn the_doctor_finds_a_sound_server_well() {
    let mut server = RunningServer::start();

    let running = server.cli(&["doctor"]).ok();
    let json = server.cli(&["doctor", "--json"]).ok().json();
    server.stop();
    let stopped = server.cli(&["doctor"]).ok();

    assert!(!running.stdout.contains('✗') && running.stdout.contains("✓ public URL"), "{}", running.stdout);
    assert_eq!(json["ok"], true);
    assert!(stopped.stdout.contains("does not run"));
}

#[test]
fn the_doctor_says_how_to_mend_each_fault() {
    let mut server = RunningServer::start();
    server.stop();
    let (dir, key) = (server.dir(), server.dir().join("secret.key"));
    let fault = || server.cli(&["doctor"]).code(1).stdout;

    set_mode(&dir, 0o755);
    assert!(fault().contains(&format!("fix: chmod 700 {}", dir.display())));
    set_mode(&dir, 0o700);
    set_mode(&key, 0o644);
    assert!(fault().contains(&format!("fix: chmod 600 {}", key.display())));
    set_mode(&key, 0o600);
    std::fs::write(&key, format!("0 {}\n", "1".repeat(43))).unwrap();
    assert!(fault().contains("is another key"));
    std::fs::remove_file(&key).unwrap();
    assert!(fault().contains("--revoke-all"));
    std::fs::write(dir.join("core.db"), "damaged").unwrap();
    let damaged = fault();
    assert!(damaged.contains("✗ database     core.db"), "{damaged}");
    let nowhere = cli(Path::new("/nowhere/at/all"), &["doctor", "--json"]).code(1).json();
    assert_eq!(nowhere["checks"][0]["ok"], false);
}

#[test]
fn a_server_that_was_killed_leaves_a_socket_that_nobody_answers() {
    let mut server = RunningServer::start();
    server.kill(Signal::KILL);

    let ran = server.cli(&["service", "list"]).code(1);
    server.start_again();

    assert!(ran.stderr.contains("no server runs on the data folder"), "{}", ran.stderr);
    server.cli(&["service", "list"]).ok();
}

#[test]
fn a_restore_lists_what_was_ended_after_the_copy_was_made() {
    let mut server = RunningServer::start();
    let file = server.file("copy.db");
    let name = file.to_str().unwrap().to_owned();
    server.cli(&["service", "add", "api", "--repo", "/x", "--deploy", "true"]).ok();
    server.cli(&["hook", "create", "api", "--name", "leaked"]).ok();
    server.cli(&["backup", &name]).ok();
    server.cli(&["hook", "revoke", "api", "leaked", "--yes"]).ok();
    server.stop();

    let restored = server.cli(&["restore", &name, "--yes"]).ok();
    let revoked = server.cli(&["restore", &name, "--yes", "--revoke-all", "--json"]).ok();
    server.start_again();

    assert!(
        restored
            .stderr
            .contains("warning: ended after the copy was made, and back now: hook URL leaked of service api"),
        "{}",
        restored.stderr
    );
    assert_eq!(revoked.json()["revoked"], 1);
    assert!(server.cli(&["hook", "list", "api"]).ok().stdout.contains("revoked"));
}

#[test]
fn a_database_that_was_damaged_turns_readiness_red_or_keeps_the_server_from_starting() {
    let mut server = RunningServer::start();
    server.stop();
    let path = server.dir().join("core.db");
    let good = std::fs::read(&path).unwrap();
    // The last pages belong to tables that nobody reads at the start.
    let mut bad = good.clone();
    let from = good.len() - 4_096;
    bad[from..].fill(0xff);
    std::fs::write(&path, bad).unwrap();
    server.start_again();

    wait_until("readiness to turn red", || {
        let asked = Command::new("curl")
            .args(["-s", "-m", "5"])
            .arg(format!("{}/readyz?verbose", server.url))
            .output();
        let ready: Value = serde_json::from_slice(&asked.unwrap().stdout).unwrap_or_default();
        ready["databaseDamaged"] == true && ready["ready"] == false
    });

    server.stop();
    std::fs::write(&path, "no database at all, and long enough ".repeat(300)).unwrap();
    let refused = server.cli(&["serve", "--listen", "127.0.0.1:0"]).code(65);
    assert!(
        refused.stderr.contains("core.db is damaged") && refused.stderr.contains("stackblaze restore"),
        "{}",
        refused.stderr
    );
}

#[test]
fn another_programs_look_at_the_files_finds_them_sound() {
    let mut server = RunningServer::start();
    server.cli(&["service", "add", "api", "--repo", "/x", "--deploy", "true"]).ok();
    server.cli(&["deploy", "api"]).ok();
    server.stop();
    for name in ["core.db", "logs.db"] {
        let path = server.dir().join(name);
        let Ok(looked) = Command::new("sqlite3").arg(&path).arg("PRAGMA integrity_check").output() else {
            eprintln!("LEFT OUT, since this takes sqlite3: another program's look at the files");
            return;
        };
        assert_eq!(String::from_utf8_lossy(&looked.stdout).trim(), "ok", "{name}");
    }
}

#[test]
fn a_folder_that_others_can_read_is_closed_to_them_and_one_whose_socket_would_not_fit_is_never_made() {
    let mut server = RunningServer::start();
    server.stop();
    set_mode(&server.dir(), 0o777);
    let long = server.file(&"d".repeat(119));

    server.start_again();
    let refused = cli(&long, &["serve", "--listen", "127.0.0.1:0"]).code(1);

    assert_eq!(mode(&server.dir()), 0o700);
    let bytes = long.join("stackblaze.sock").as_os_str().len();
    assert!(refused.stderr.contains(&format!("has {bytes} bytes")), "{}", refused.stderr);
    assert!(refused.stderr.contains("--data-dir") && !long.exists(), "{}", refused.stderr);
}

#[test]
fn a_server_listens_at_each_address_that_it_is_given() {
    let folder = tempfile::tempdir().unwrap();
    let mut command = program();
    command.args(["serve", "--listen", "127.0.0.1:0", "--listen", "[::1]:0", "--data-dir"]);
    let mut server = Running::spawn(command.arg(folder.path().join("data")));

    let lines = [server.wait_for("listening"), server.wait_for("listening")];

    for line in lines {
        let url = line.split_whitespace().last().unwrap().to_owned() + "/healthz";
        let asked = Command::new("curl").args(["-sg", "-m", "5", &url]).output().unwrap();
        assert_eq!(String::from_utf8_lossy(&asked.stdout), "ok\n", "{url}");
    }
    server.signal(Signal::TERM);
    server.end().ok();
}

#[test]
fn a_proxy_that_nobody_has_named_is_told_by_the_doctor() {
    let server = RunningServer::start();
    let before = server.cli(&["doctor"]).ok();
    let url = format!("{}/healthz", server.url);
    Command::new("curl").args(["-s", "-H", "X-Forwarded-For: 192.0.2.9", &url]).output().unwrap();

    let after = server.cli(&["doctor"]).ok();

    assert!(!before.stdout.contains("! proxy"), "{}", before.stdout);
    assert!(
        after.stdout.contains("! proxy") && after.stdout.contains("--trusted-proxy 127.0.0.1"),
        "{}",
        after.stdout
    );
}

#[test]
fn what_builds_keep_is_told_by_the_doctor_and_emptied_on_demand() {
    let server = RunningServer::start();
    let repo = GitRepo::new();
    repo.commit("hello", "one\n", "Say hello");
    let (url, deploy) = (repo.url(), "head -c 3000000 /dev/zero > $STACKBLAZE_CACHE_DIR/big");
    server.cli(&["service", "add", "api", "--repo", &url, "--deploy", deploy]).ok();
    server.cli(&["deploy", "api", "--wait"]).ok();
    let doctor = server.cli(&["doctor"]).ok();

    let emptied = server.cli(&["service", "empty-cache", "api"]).ok();

    assert!(doctor.stdout.contains("caches       2 MiB of 1 services"), "{}", doctor.stdout);
    assert!(emptied.stdout.contains("the cache of service api is emptied"), "{}", emptied.stdout);
    wait_until("the end of the cache", || {
        std::fs::read_dir(server.dir().join("cache")).unwrap().next().is_none()
    });
}

#[test]
fn a_terminal_that_closes_ends_the_server_as_a_service_manager_does() {
    let mut server = RunningServer::start();

    let ended = server.stop_by(Signal::HUP).ok();

    assert!(ended.stderr.contains("stopping"), "{}", ended.stderr);
    assert!(!server.dir().join("stackblaze.sock").exists() && !server.dir().join("core.db-wal").exists());
}

#[test]
fn a_small_limit_of_open_files_is_raised_at_the_start_and_said() {
    let data = tempfile::tempdir().unwrap();
    let mut shell = Command::new("sh");
    shell.args(["-c", "ulimit -Sn 300; exec \"$@\"", "sh"]).arg(program().get_program());
    shell.args(["serve", "--listen", "127.0.0.1:0", "--data-dir"]).arg(data.path());
    shell.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut server = Running::spawn(&mut shell);

    let said = server.wait_for("the limit of open files was raised");

    assert!(said.contains("300"), "{said}");
}
