//! Services, hooks, tokens and operators.

use serde_json::Value;

use super::binary::{RunningServer, program, run};

fn add(server: &RunningServer, name: &str) {
    server.cli(&["service", "add", name, "--repo", "/nowhere/api.git", "--deploy", "make"]).ok();
}

fn keys(object: &Value) -> Vec<&str> {
    object.as_object().unwrap().keys().map(String::as_str).collect()
}

#[test]
fn a_service_is_added_shown_changed_frozen_and_deleted() {
    let server = RunningServer::start();
    let env = server.write("api.env", "# comment\n\nDATABASE_URL=postgres://u:hunter2hunter2@db/x\nEMPTY=\n");
    let key = server.write("key", "x");
    let add = ["service", "add", "api", "--repo", "ssh://git@git.example/api.git", "--deploy", "true"];

    let added = server
        .cli(
            &[&add[..], &["--env-file", &env, "--git-ssh-key-file", &key], &["--queue-policy", "latest"]]
                .concat(),
        )
        .ok();
    let shown = server.cli(&["service", "show", "api"]).ok();
    let json = server.cli(&["service", "show", "api", "--json"]).ok().json();
    let changed = server
        .cli(&["service", "set", "api", "--timeout", "30m", "--unset", "env.EMPTY", "--json"])
        .ok()
        .json();
    let frozen = server.cli(&["service", "freeze", "api", "--reason", "release day"]).ok();
    let refused = server.cli(&["deploy", "api"]).code(5);
    server.cli(&["service", "unfreeze", "api"]).ok();
    let listed = server.cli(&["service", "list"]).ok();

    assert_eq!(added.stdout, "service api added\n");
    assert!(
        added.stderr.contains("stored in clear") && added.stderr.contains("next: stackblaze hook create api")
    );
    assert!(shown.stdout.contains("DATABASE_URL EMPTY (values are not shown)"), "{}", shown.stdout);
    assert!(![&added, &shown, &listed].iter().any(|ran| format!("{ran:?}").contains("hunter2")));
    assert_eq!((&json["env"]["DATABASE_URL"], &json["queuePolicy"]), (&"***".into(), &"latest".into()));
    assert_eq!((&changed["timeout"], changed["env"].get("EMPTY")), (&"30m".into(), None));
    assert_eq!(frozen.stdout, "service api frozen\n");
    assert!(refused.stderr.contains("release day"));
    assert!(
        listed.stdout.starts_with("NAME") && listed.stdout.contains("api   active  -     local"),
        "{}",
        listed.stdout
    );

    server.cli(&["service", "rm", "api"]).code(64);
    server.cli(&["service", "show", "api"]).ok();
    server.cli(&["service", "rm", "api", "--yes"]).ok();
    server.cli(&["service", "show", "api"]).code(3);
    assert_eq!(server.cli(&["service", "list", "--json"]).ok().json()["items"], Value::Array(Vec::new()));
}

#[test]
fn an_error_names_the_flag_and_what_would_be_right() {
    let server = RunningServer::start();
    add(&server, "api");
    let env = server.write("bad.env", "A=1\nhunter2hunter2\n");
    let cases: [(&[&str], i32, &str); 8] = [
        (&["service", "add", "Api", "--repo", "/x"], 64, "name: a service's name is 1 to 63"),
        (&["service", "add", "web", "--repo", "ftp://x/y"], 64, "--repo: must begin with https://"),
        (
            &["service", "add", "web", "--repo", "/x", "--timeout", "1w"],
            64,
            "--timeout: \"1w\" is not a duration",
        ),
        (
            &["service", "add", "web", "--repo", "/x", "--env-file", &env],
            64,
            "line 2 has no =; write NAME=value",
        ),
        (&["service", "add", "api", "--repo", "/x", "--deploy", "true"], 5, "there is a service api already"),
        (
            &["service", "set", "api", "--queue-policy", "all"],
            64,
            "--queue-policy: must be coalesce, latest or every",
        ),
        (&["service", "set", "api", "--unset", "name"], 64, "--unset: \"name\" cannot be emptied"),
        (&["deploy", "api", "--branch", "a b"], 64, "--branch: has a character that is not allowed"),
    ];
    for (arguments, code, text) in cases {
        let ran = server.cli(arguments).code(code);

        assert!(ran.stderr.contains(text), "{arguments:?}: {}", ran.stderr);
        assert!(ran.stdout.is_empty() && !ran.stderr.contains("hunter2"));
    }
}

#[test]
fn a_service_that_would_deploy_nothing_is_not_made() {
    let server = RunningServer::start();
    add(&server, "api");
    let web = ["service", "add", "web", "--repo", "/x"];
    let in_cluster = ["--image", "r.example.com/x", "--workload", "a/b"];

    let idle = server.cli(&web).code(64);
    let emptied = server.cli(&["service", "set", "api", "--deploy", ""]).code(64);
    let elsewhere = server.cli(&[&web[..], &in_cluster].concat()).code(64);

    let says =
        "--deploy: is needed, since it puts the new version into service; say `true` where the build deploys";
    assert!(idle.stderr.contains(says) && emptied.stderr.contains(says), "{idle:?} {emptied:?}");
    let says = "--workload: needs a cluster, and this server has none: start it with --kube-context";
    assert!(elsewhere.stderr.contains(says), "{}", elsewhere.stderr);
    server.cli(&["service", "show", "web"]).code(3);
}

#[test]
fn an_unprotected_repository_gets_a_warning() {
    let server = RunningServer::start();

    let add = ["service", "add", "api", "--repo", "http://git.example/api.git", "--deploy", "true"];
    let ran = server.cli(&[&add[..], &["--quiet"]].concat()).ok();

    assert!(
        ran.stderr.starts_with("warning: over http://") && ran.stderr.lines().count() == 1,
        "{}",
        ran.stderr
    );
}

#[test]
fn a_hook_is_made_shown_changed_rotated_and_revoked() {
    let server = RunningServer::start();
    add(&server, "api");
    let create = ["hook", "create", "api", "--name"];

    let made = server
        .cli(
            &[&create[..], &["ci", "--branch", "main", "--branch", "release/*", "--expires", "90d"]].concat(),
        )
        .ok();
    let json = server.cli(&[&create[..], &["second", "--json"]].concat()).ok();
    server.cli(&[&create[..], &["ci"]].concat()).code(5);

    let url = made.stdout.trim_end();
    assert!(url.starts_with(&format!("{}/deploy-hooks/sbhook_", server.url)), "{url}");
    assert!(
        made.stderr.contains(&format!("curl --fail-with-body -X POST \"{url}\""))
            && made.stderr.contains("shown this once")
    );
    assert_eq!(keys(&json.json()), ["id", "service", "name", "url"]);
    assert!(!json.stderr.contains("sbhook_"));

    let listed = server.cli(&["hook", "list", "api", "--json"]).ok();
    let shown = server.cli(&["hook", "show", "api", "ci"]).ok();
    let set =
        server.cli(&["hook", "set", "api", "ci", "--any-branch", "--never-expires", "--json"]).ok().json();
    let rotated = server.cli(&["hook", "rotate", "api", "ci", "--overlap", "1h"]).ok();
    server.cli(&["hook", "rotate", "api", "ci", "--overlap", "2h"]).code(64);
    server.cli(&["hook", "pause", "api", "ci", "--reason", "moving"]).ok();
    let paused = server.cli(&["hook", "show", "api", "ci"]).ok();
    server.cli(&["hook", "resume", "api", "ci"]).ok();
    server.cli(&["hook", "calls", "api", "ci"]).ok();

    assert_eq!(listed.json()["items"].as_array().unwrap().len(), 2);
    assert!(shown.stdout.contains("main release/*"));
    let secret = url.rsplit('/').next().unwrap();
    assert!(![&listed, &shown, &paused].iter().any(|ran| format!("{ran:?}").contains(secret)));
    assert_eq!((&set["branches"], &set["expiresAt"]), (&Value::Array(Vec::new()), &Value::Null));
    assert!(rotated.stdout.contains("sbhook_") && rotated.stdout != made.stdout);
    assert!(rotated.stderr.contains("The old URL works until"));
    assert!(paused.stdout.contains("moving"));

    server.cli(&["hook", "revoke", "api", "ci"]).code(64);
    server.cli(&["hook", "revoke", "api", "ci", "--yes"]).ok();
    server.cli(&["hook", "show", "api", "ci"]).code(3);
    assert!(server.cli(&["hook", "list", "api"]).ok().stdout.contains("revoked"));
}

#[test]
fn an_operator_gets_one_time_links() {
    let server = RunningServer::start();

    let nobody = server.cli(&["admin", "login-link"]).code(3);
    let made = server.cli(&["admin", "create", "mira"]).ok();
    server.cli(&["admin", "create", "mira"]).code(5);
    let link = server.cli(&["admin", "login-link"]).ok();
    let json = server.cli(&["admin", "login-link", "mira", "--json"]).ok().json();
    server.cli(&["admin", "reset", "mira"]).code(64);
    let reset = server.cli(&["admin", "reset", "mira", "--yes"]).ok();
    server.cli(&["admin", "create", "ole"]).ok();
    let several = server.cli(&["admin", "login-link"]).code(1);

    assert!(nobody.stderr.contains("stackblaze admin create"));
    for ran in [&made, &link, &reset] {
        assert!(ran.stdout.starts_with(&format!("{}/login?once=", server.url)), "{}", ran.stdout);
    }
    assert_eq!(keys(&json), ["name", "signInUrl", "expiresAt"]);
    assert!(several.stderr.contains("mira, ole"));
}

#[test]
fn colours_are_for_terminals_unless_forced() {
    let server = RunningServer::start();
    add(&server, "api");
    let list = |name: &str, value: &str| {
        let mut command = program();
        command.args(["service", "list", "--data-dir"]).arg(server.dir()).env("CLICOLOR_FORCE", "1");
        run(command.env(name, value)).ok().stdout
    };

    assert!(!server.cli(&["service", "list"]).ok().stdout.contains('\x1b'));
    assert!(list("IRRELEVANT", "").contains("\x1b[32mactive"));
    assert!(!list("NO_COLOR", "1").contains('\x1b'));
}

#[test]
fn quiet_leaves_results_and_errors() {
    let server = RunningServer::start();

    let added = server.cli(&["service", "add", "api", "--repo", "/x", "--deploy", "true", "-q"]).ok();
    let wrong = server.cli(&["service", "show", "web", "--quiet"]).code(3);

    assert_eq!((added.stdout.as_str(), added.stderr.as_str()), ("service api added\n", ""));
    assert!(wrong.stderr.contains("there is no service web"));
}

#[test]
fn a_program_reads_a_failure_as_json_too() {
    let server = RunningServer::start();

    let missing = server.cli(&["service", "show", "nobody", "--json"]).code(3);
    let wrong = server.cli(&["service", "add", "a b", "--repo", "/x", "--deploy", "true", "--json"]).code(64);
    let usage = server.cli(&["deploy", "--json", "--nonsense"]).code(64);

    let json = |text: &str| serde_json::from_str::<Value>(text.trim()).unwrap();
    assert_eq!(json(&missing.stderr)["exitCode"], 3);
    assert_eq!(json(&wrong.stderr)["parameter"], "name");
    assert!(json(&usage.stderr)["error"].as_str().unwrap().contains("--nonsense"), "{}", usage.stderr);
    assert!(missing.stdout.is_empty() && wrong.stdout.is_empty() && usage.stdout.is_empty());
}
