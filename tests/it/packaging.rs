//! The unit of the Debian package, as systemd itself reads and judges it.

use std::process::Command;

use tempfile::TempDir;

use crate::harness::guest::output;

const UNIT: &str = include_str!("../../deploy/systemd/stackblaze.service");
const SECURITY: &str = include_str!("../../docs/SECURITY.md");

/// What `systemd-analyze` says of the unit; none where there is no systemd.
fn analyze(words: &[&str]) -> Option<(bool, String)> {
    let folder = TempDir::new().unwrap();
    let file = folder.path().join("stackblaze.service");
    // It looks whether the program is there.
    let unit = UNIT.replace("/usr/bin/stackblaze", env!("CARGO_BIN_EXE_stackblaze"));
    std::fs::write(&file, unit).unwrap();
    let mut command = Command::new("systemd-analyze");
    if Command::new("systemd-analyze").arg("--version").output().is_err() {
        eprintln!("LEFT OUT, since systemd is missing: the unit as systemd reads it");
        return None;
    }
    let ended = output(command.args(words).arg(&file).env("LC_ALL", "C.UTF-8"));
    let said = String::from_utf8_lossy(&[ended.stdout, ended.stderr].concat()).into_owned();
    Some((ended.status.success(), said))
}

#[test]
fn systemd_finds_nothing_wrong_with_the_unit() {
    let Some((is_good, said)) = analyze(&["verify", "--man=no"]) else { return };

    let ours: Vec<_> = said.lines().filter(|line| line.contains("stackblaze")).collect();
    assert!(is_good && ours.is_empty(), "{said}");
}

#[test]
fn the_unit_is_as_closed_as_the_documentation_says() {
    let Some((_, said)) = analyze(&["security", "--offline=true", "--no-pager"]) else { return };

    let level = said.split("exposure level for stackblaze.service: ").nth(1).expect("it is judged");
    let level = level.split(' ').next().unwrap();
    assert!(SECURITY.contains(&format!("`systemd-analyze security` gives {level}")), "{level}");
}
