//! The same commands against a server elsewhere, with a token.

use super::binary::{RunningServer, program, run};

#[test]
fn a_token_reaches_as_far_as_its_scope_and_no_further() {
    let server = RunningServer::start();
    server.cli(&["service", "add", "api", "--repo", "/x", "--deploy", "true"]).ok();
    server.cli(&["service", "add", "web", "--repo", "/x", "--deploy", "true"]).ok();

    let made = server
        .cli(&["token", "create", "ci", "--scope", "deploy", "--service", "api", "--expires", "90d"])
        .ok();
    let file = server.write("token", &made.stdout);
    let accepted = server.remote(&file, &["deploy", "api", "--json"]).ok().json();
    let other = server.remote(&file, &["deploy", "web"]).code(4);
    server.remote(&file, &["service", "set", "api", "--timeout", "1m"]).code(4);
    let listed = server.cli(&["token", "list"]).ok();
    server.cli(&["token", "revoke", "ci", "--yes"]).ok();
    let revoked = server.remote(&file, &["service", "list"]).code(4);

    assert!(made.stdout.starts_with("sbapi_") && made.stdout.lines().count() == 1);
    let keys: Vec<_> = accepted.as_object().unwrap().keys().collect();
    assert_eq!(keys, ["deploymentId", "service", "status", "branch", "dashboardUrl"]);
    assert!(other.stderr.contains("is for service api only"), "{}", other.stderr);
    assert!(listed.stdout.contains("ci    deploy  api") && !listed.stdout.contains(made.stdout.trim_end()));
    assert!(revoked.stderr.contains("--token-file"), "{}", revoked.stderr);
    server.cli(&["token", "revoke", "ci", "--yes"]).code(3);
    assert!(
        server.cli(&["token", "create", "x", "--scope", "all"]).code(64).stderr.contains("--scope: must be")
    );
}

#[test]
fn an_admin_of_one_service_sends_its_git_credential_nowhere_else() {
    let server = RunningServer::start();
    let secret = server.write("git-token", "x");
    let add = ["service", "add", "api", "--repo", "https://git.example/api.git", "--deploy", "true"];
    server.cli(&[&add[..], &["--git-token-file", &secret]].concat()).ok();
    let made = server.cli(&["token", "create", "own", "--scope", "admin", "--service", "api"]).ok();
    let token = server.write("token", &made.stdout);
    let table = "[[service]]\nname = \"api\"\nrepository = \"https://evil.example/api.git\"\n";
    let file = server.write("s.toml", table);

    let set = ["service", "set", "api", "--repo", "https://evil.example/api.git"];
    let set = server.remote(&token, &set).code(4);
    let applied = server.remote(&token, &["apply", "-f", &file]).code(4);

    for ran in [set, applied] {
        let says = "a git credential goes to another address only for an admin of the whole server";
        assert!(ran.stderr.contains(says), "{}", ran.stderr);
    }
    let shown = server.cli(&["service", "show", "api", "--json"]).ok().json();
    assert_eq!(shown["repository"], "https://git.example/api.git");
}

#[test]
fn without_a_token_it_says_how_to_make_one() {
    let server = RunningServer::start();

    let ran = run(program().args(["service", "list", "--server", &server.url])).code(4);

    assert!(ran.stderr.contains("stackblaze token create NAME"), "{}", ran.stderr);
}

#[test]
fn the_status_needs_no_token() {
    let server = RunningServer::start();
    server.cli(&["service", "add", "api", "--repo", "/nowhere", "--deploy", "true"]).ok();
    let id = server.cli(&["deploy", "api"]).ok().stdout;

    run(program().args(["deployment", "wait", id.trim_end(), "--server", &server.url])).code(1);
}

#[test]
fn a_server_that_is_not_there_and_a_file_without_a_token_are_named() {
    let server = RunningServer::start();
    let token = server.write("token", "sbapi_x");
    let empty = server.write("empty", "\n");
    let to = |url: &str, file: &str| {
        run(program().args(["service", "list", "--server", url, "--token-file", file]))
    };

    let nobody = to("http://127.0.0.1:9", &token).code(1);
    assert!(
        nobody.stderr.contains("cannot reach http://127.0.0.1:9: Connection refused"),
        "{}",
        nobody.stderr
    );
    assert!(to(&server.url, &empty).code(64).stderr.contains("does not hold a token"));
    assert!(to(&server.url, "/nowhere/token").code(1).stderr.contains("cannot read the token file"));
    to("ftp://example.com", &token).code(64);
    assert!(to(&server.url, &token).code(4).stderr.contains("unknown, revoked or expired token"));
}

#[test]
fn a_token_over_plain_http_to_another_machine_gets_a_warning() {
    let server = RunningServer::start();
    let token = server.write("token", "sbapi_x");

    let ran = run(program().args([
        "service",
        "list",
        "--server",
        "http://192.0.2.1.invalid",
        "--token-file",
        &token,
    ]))
    .code(1);

    assert!(ran.stderr.contains("is not https"), "{}", ran.stderr);
}
