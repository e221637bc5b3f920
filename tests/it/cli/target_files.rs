//! Targets of notices declared in a file.

use serde_json::{Value, json};

use super::binary::RunningServer;

const TARGETS: &str = r#"
[[service]]
name = "api"
repository = "/nowhere/api.git"
deploy_command = "true"

[[service.target]]
kind = "webhook"
url = "https://Example.com/hooks"
branches = ["main"]

[[service.target]]
kind = "slack"
url_file = "slack"

[[target]]
url = "https://github.com/you/api"
service = "api"
secret_file = "token"
required_contexts = ["ci"]

[[target]]
kind = "webhook"
url = "https://example.com/hooks"
"#;

fn server() -> (RunningServer, String) {
    let server = RunningServer::start();
    server.write("slack", "https://hooks.slack.com/services/T0/B0/XSECRETXSECRET\n");
    server.write("token", "ghp_hunter2hunter2\n");
    let file = server.write("s.toml", TARGETS);
    (server, file)
}

fn targets(server: &RunningServer) -> Vec<Value> {
    server.cli(&["target", "list", "--json"]).ok().json()["items"].as_array().unwrap().clone()
}

#[test]
fn targets_are_created_then_unchanged_then_updated() {
    let (server, file) = server();

    let tried = server.cli(&["apply", "-f", &file, "--dry-run"]).ok();
    assert!(targets(&server).is_empty());
    let first = server.cli(&["apply", "-f", &file]).ok();
    let made = targets(&server);
    let second = server.cli(&["apply", "-f", &file]).ok();

    let webhook = "target webhook https://example.com/hooks";
    let slack = "target slack https://hooks.slack.com/••";
    let lines: Vec<&str> = tried.stdout.lines().collect();
    assert_eq!(lines[1], format!("{webhook} of service api would be created"));
    assert!(
        lines[2].starts_with(slack) && lines[2].ends_with(" of service api would be created"),
        "{lines:?}"
    );
    assert_eq!(lines[3], "target github https://github.com/you/api of service api would be created");
    assert_eq!((lines[4], lines.len()), (&*format!("{webhook} would be created"), 5));
    let lines: Vec<&str> = first.stdout.lines().collect();
    assert_eq!(lines[1], format!("{webhook} of service api created"));
    assert!(lines[2].trim().starts_with("whsec_") && lines[6].trim().starts_with("whsec_"), "{lines:?}");
    assert_eq!(lines.len(), 7, "the secrets of two webhooks are shown: {lines:?}");
    assert!(first.stderr.contains("secrets of webhooks are shown this once"), "{}", first.stderr);
    assert_eq!(made.len(), 4);
    assert_eq!((&made[0]["service"], &made[0]["branches"]), (&json!("api"), &json!(["main"])));
    assert_eq!((&made[2]["kind"], &made[2]["requiredContexts"]), (&json!("github"), &json!(["ci"])));
    assert_eq!((&made[3]["service"], targets(&server)), (&Value::Null, made.clone()));
    let actions: Vec<&str> = second.stdout.lines().collect();
    assert!(actions[1].ends_with("unchanged") && actions[2].ends_with("unchanged"), "{actions:?}");
    assert!(actions[3].ends_with("unchanged, but for its token: it is hidden, so it was written again"));
    assert_eq!((actions[4], actions.len()), (&*format!("{webhook} unchanged"), 5));

    server.write("s.toml", &TARGETS.replace("[\"main\"]", "[\"main\", \"release/*\"]\nwith_lines = true"));
    let tried = server.cli(&["apply", "-f", &file, "--dry-run"]).ok();
    assert!(
        tried.stdout.contains(&format!("{webhook} of service api would be updated\n")),
        "{}",
        tried.stdout
    );
    assert_eq!(targets(&server), made);
    let third = server.cli(&["apply", "-f", &file, "--json"]).ok().json();
    let items = third["items"].as_array().unwrap();
    assert_eq!((&items[1]["action"], &items[4]["action"]), (&json!("updated"), &json!("unchanged")));
    assert_eq!(items[1]["secret"], Value::Null);
    assert_eq!(targets(&server)[0]["withLines"], true);
    for ran in [&tried, &first, &second] {
        let said = format!("{ran:?}");
        assert!(!said.contains("XSECRET") && !said.contains("hunter2"), "{said}");
    }
}

#[test]
fn a_target_that_is_refused_is_named_with_its_setting() {
    let (server, _) = server();
    let refused = |text: &str| {
        let file = server.write("wrong.toml", text);
        server.cli(&["apply", "-f", &file]).code(64).stderr
    };

    let misspelt = refused("[[target]]\nkind = 'webhook'\nurl = 'https://example.com/'\nbranch = 'main'\n");
    let bare = refused("[[target]]\nkind = 'gitlab'\nurl = 'https://gitlab.com/you/api'\n");
    let inside = refused("[[target]]\nkind = 'webhook'\nurl = 'https://10.0.0.1/'\n");
    let event = refused("[[target]]\nkind = 'teams'\nurl = 'https://example.com/'\nevents = ['failed']\n");

    assert!(misspelt.contains("line 4: unknown field `branch`"), "{misspelt}");
    assert!(bare.contains("target gitlab https://gitlab.com/you/api: secret_file: is missing"), "{bare}");
    assert!(inside.contains("url: leads to 10.0.0.1"), "{inside}");
    assert!(event.contains("events: \"failed\" is no event"), "{event}");
    assert!(targets(&server).is_empty());
}
