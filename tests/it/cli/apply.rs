//! Services and hooks declared in a file.

use super::binary::RunningServer;

const SERVICES: &str = r#"
[[service]]
name = "api"
repository = "/nowhere/api.git"
default_branch = "release"
build_command = "make"
deploy_command = "./deploy.sh"
timeout = "60m"
queue_policy = "every"

[[service.hook]]
name = "ci"
branches = ["main", "release/*"]

[[service]]
name = "web"
repository = "/nowhere/web.git"
deploy_command = "true"
"#;

#[test]
fn what_is_declared_is_created_then_unchanged_then_updated() {
    let server = RunningServer::start();
    let file = server.write("services.toml", SERVICES);

    let tried = server.cli(&["apply", "-f", &file, "--dry-run"]).ok();
    assert!(
        tried.stdout.starts_with("service api would be created\n")
            && tried.stderr.contains("Nothing was done.")
    );
    assert!(server.cli(&["service", "list", "--json"]).ok().json()["items"].as_array().unwrap().is_empty());
    let first = server.cli(&["apply", "-f", &file]).ok();
    let second = server.cli(&["apply", "-f", &file]).ok();
    server.write("services.toml", &SERVICES.replace("make", "make all").replace("\"main\", ", ""));
    let tried = server.cli(&["apply", "-f", &file, "--dry-run"]).ok();
    assert_eq!(
        tried.stdout,
        "service api would be updated\nhook api/ci would be updated\nservice web unchanged\n"
    );
    let third = server.cli(&["apply", "-f", &file, "--json"]).ok().json();

    let lines: Vec<&str> = first.stdout.lines().collect();
    assert_eq!(
        (lines[0], lines[1], lines[3]),
        ("service api created", "hook api/ci created", "service web created")
    );
    assert!(lines[2].trim().starts_with(&server.url) && first.stderr.contains("shown this once"));
    assert_eq!(second.stdout, "service api unchanged\nhook api/ci unchanged\nservice web unchanged\n");
    let actions: Vec<_> = third["items"].as_array().unwrap().iter().map(|item| &item["action"]).collect();
    assert_eq!(actions, ["updated", "updated", "unchanged"]);
    let service = server.cli(&["service", "show", "api", "--json"]).ok().json();
    assert_eq!(
        (&service["defaultBranch"], &service["buildCommand"]),
        (&"release".into(), &"make all".into())
    );
}

#[test]
fn a_file_with_the_line_ends_of_windows_declares_the_same() {
    let server = RunningServer::start();
    let unix = "[[service]]\nname = 'api'\nrepository = '/x'\ndeploy_command = 'true'\n\
                build_command = \"\"\"\nmake\nmake test\"\"\"\n";
    let file = server.write("unix.toml", unix);
    let windows = server.write("windows.toml", &unix.replace('\n', "\r\n"));

    server.cli(&["apply", "-f", &windows]).ok();
    let again = server.cli(&["apply", "-f", &windows]).ok();
    let as_unix = server.cli(&["apply", "-f", &file]).ok();

    assert_eq!(
        (again.stdout.as_str(), as_unix.stdout.as_str()),
        ("service api unchanged\n", "service api unchanged\n")
    );
    let service = server.cli(&["service", "show", "api", "--json"]).ok().json();
    assert_eq!(service["buildCommand"], "make\nmake test");
}

#[test]
fn values_of_variables_are_read_from_a_file_beside_it() {
    let server = RunningServer::start();
    server.write("api.env", "KEY=hunter2hunter2\n");
    let table = [
        "[[service]]",
        "name = 'api'",
        "repository = '/x'",
        "deploy_command = 'true'",
        "env_file = 'api.env'",
    ];
    let file = server.write("s.toml", &table.join("\n"));

    server.cli(&["apply", "-f", &file]).ok();
    let again = server.cli(&["apply", "-f", &file]).ok();

    assert!(again.stdout.contains("service api unchanged, but for its variables"), "{}", again.stdout);
    assert!(server.cli(&["service", "show", "api"]).ok().stdout.contains("KEY (values are not shown)"));
}

#[test]
fn a_slip_is_named_with_its_place_and_changes_nothing() {
    let server = RunningServer::start();
    let refused = |text: &str| {
        let file = server.write("s.toml", text);
        server.cli(&["apply", "-f", &file]).code(64).stderr
    };

    let misspelt = refused(
        "[[service]]\nname = \"api\"\nrepository = \"/x\"\n\n[[service]]\nname = \"b\"\nrepo = \"/x\"\n",
    );
    let wrong = refused("[[service]]\nname = \"c\"\nrepository = \"/x\"\nqueue_policy = \"all\"\n");
    let idle = refused("[[service]]\nname = \"d\"\nrepository = \"/x\"\nbuild_command = \"make\"\n");
    let cluster = refused("[[service]]\nname = \"e\"\nrepository = \"/x\"\nregistry_secret = \"r\"\n");
    let empty = refused("");

    assert!(misspelt.contains("line 7") && misspelt.contains("unknown field `repo`"), "{misspelt}");
    assert!(wrong.contains("service c: queue_policy: must be coalesce, latest or every"), "{wrong}");
    assert!(idle.contains("service d: deploy_command: is needed, since it puts"), "{idle}");
    assert!(cluster.contains("service e: registry_secret: needs a cluster"), "{cluster}");
    assert!(empty.contains("declares no [[service]]"), "{empty}");
    assert!(server.cli(&["service", "list", "--json"]).ok().json()["items"].as_array().unwrap().is_empty());
    assert!(
        server.cli(&["apply", "-f", "/nowhere.toml"]).code(1).stderr.contains("cannot read /nowhere.toml")
    );
}
