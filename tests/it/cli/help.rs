//! Help, usage and completions: what works without a server.

use super::binary::{cli, program, run};

/// Every command that a person may type.
const COMMANDS: [&str; 53] = [
    "serve",
    "demo",
    "service",
    "service add",
    "service list",
    "service show",
    "service set",
    "service rm",
    "service freeze",
    "service unfreeze",
    "service badge",
    "service empty-cache",
    "hook",
    "hook create",
    "hook list",
    "hook show",
    "hook calls",
    "hook rotate",
    "hook set",
    "hook pause",
    "hook resume",
    "hook revoke",
    "deploy",
    "deployment",
    "deployment list",
    "deployment show",
    "deployment logs",
    "deployment cancel",
    "deployment wait",
    "deployment redeploy",
    "deployment rollback",
    "target",
    "target add",
    "target list",
    "target show",
    "target set",
    "target test",
    "target log",
    "target redeliver",
    "target rotate",
    "target rm",
    "token",
    "token create",
    "token list",
    "token revoke",
    "admin",
    "admin create",
    "admin reset",
    "admin login-link",
    "apply",
    "backup",
    "restore",
    "doctor",
];

#[test]
fn every_command_explains_itself_with_an_example() {
    for command in COMMANDS.into_iter().chain(["completions"]) {
        let words: Vec<&str> = command.split(' ').collect();

        let help = run(program().args(&words).arg("--help")).ok();

        assert!(help.stdout.contains("Example"), "{command}: {}", help.stdout);
        assert!(help.stdout.contains(&format!("  stackblaze {command}")), "{command}: {}", help.stdout);
    }
    assert!(!run(program().arg("--help")).ok().stdout.contains("step"));
}

#[test]
fn wrong_usage_is_64_and_says_so_on_stderr() {
    let wrong: [&[&str]; 9] = [
        &[],
        &["frobnicate"],
        &["deploy"],
        &["service", "add", "api"],
        &["hook", "set", "api", "ci"],
        &["target", "add"],
        &["target", "set", "tgt_x"],
        &["target", "set", "tgt_x", "--on", "--off"],
        &["deployment", "wait", "dep_x", "--timeout", "soon"],
    ];
    for arguments in wrong {
        let ran = run(program().args(arguments)).code(64);

        assert!(ran.stdout.is_empty() && !ran.stderr.is_empty(), "{arguments:?}");
    }
}

#[test]
fn a_secret_cannot_be_given_as_a_flag() {
    for flag in ["--token", "--env", "--password"] {
        run(program().args(["service", "add", "api", "--repo", "/x", flag, "hunter2"])).code(64);
    }
    let target = ["target", "add", "github", "https://github.com/you/api"];
    run(program().args(target).args(["--secret", "hunter2"])).code(64);
}

#[test]
fn completions_are_made_for_each_shell() {
    for shell in ["bash", "zsh", "fish", "elvish", "powershell"] {
        let script = run(program().args(["completions", shell])).ok().stdout;

        assert!(script.contains("COMPLETE") && script.contains("stackblaze"), "{shell}");
    }
    run(program().args(["completions", "tcsh"])).code(64);
}

#[test]
fn without_a_server_it_says_where_it_looked_and_how_to_start_one() {
    let dir = tempfile::tempdir().unwrap();
    let shown = dir.path().display().to_string();

    let ran = cli(dir.path(), &["service", "list"]).code(1);

    assert!(ran.stdout.is_empty());
    assert!(ran.stderr.contains(&format!("no server runs on the data folder {shown}")), "{}", ran.stderr);
    assert!(ran.stderr.contains(&format!("stackblaze serve --data-dir {shown}")), "{}", ran.stderr);
}
