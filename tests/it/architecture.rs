//! Takes the place of crate borders: who may know whom, and which library lives in which room.

mod circles;

use std::path::{Path, PathBuf};

use circles::{circles, paths};

/// Layer → the layers that it may name. A file at the top of `src` is a layer of its own.
const LAYERS: &[(&str, &[&str])] = &[
    ("domain", &[]),
    ("db", &["domain"]),
    ("executor", &["domain"]),
    ("dispatch", &["db", "executor", "domain", "notify"]),
    ("wire", &["domain"]),
    ("notify", &["domain", "wire"]),
    ("actions", &["db", "domain", "wire"]),
    ("web", &["actions", "db", "domain", "wire"]),
    ("config", &["domain"]),
    ("server", &["actions", "config", "db", "dispatch", "domain", "executor", "notify", "web"]),
    ("cli", &["config", "domain", "server", "wire"]),
    ("lib", &[]),
    ("main", &["cli"]),
];

/// Files that may name one layer more, each for a reason.
const EXCEPTIONS: &[(&str, &str)] = &[
    ("cli/step.rs", "executor"),
    ("cli/rollout.rs", "executor"),
    ("cli/run_step.rs", "executor"),
    ("cli/release_step.rs", "executor"),
    ("cli/manifests.rs", "executor"),
    ("cli/doctor.rs", "executor"),
    ("cli/restore.rs", "db"),
    ("cli/doctor.rs", "db"),
    ("cli/doctor/machine.rs", "db"),
];

/// What occurs only in these files or folders.
const ROOMS: &[(&str, &[&str])] = &[
    ("rusqlite", &["db/"]),
    ("poem", &["web/"]),
    ("hyper", &["web/"]),
    ("http_body_util", &["web/front/"]),
    ("askama", &["web/"]),
    ("rust_embed", &["web/"]),
    ("schemars", &["wire/", "web/openapi/"]),
    ("governor", &["web/"]),
    ("prometheus_client", &["server/"]),
    ("hmac", &["domain/token.rs", "notify/webhook.rs"]),
    (
        "sha2",
        &["domain/token.rs", "executor/tekton/install/manifests.rs", "notify/webhook.rs", "web/assets.rs"],
    ),
    ("argon2", &["domain/password.rs"]),
    ("getrandom", &["domain/entropy.rs"]),
    ("anyhow", &["cli/", "server.rs", "server/", "main.rs"]),
    ("reqwest", &["cli/", "notify/"]),
    (
        "clap",
        &[
            "cli/",
            "config.rs",
            "config/data_dir.rs",
            "config/keep.rs",
            "config/notify.rs",
            "config/operating.rs",
        ],
    ),
    ("SystemTime", &["domain/clock.rs"]),
    ("std::env", &["config.rs", "cli/", "server/executors.rs"]),
    (
        "process::Command",
        &[
            "executor/local/process.rs",
            "executor/local/supervise.rs",
            "executor/tekton/steps/process.rs",
            "cli/demo",
            "cli/doctor.rs",
        ],
    ),
    ("kube", &["executor/tekton/"]),
    ("k8s_openapi", &["executor/tekton/"]),
    ("/deploys/", &["domain/urls.rs", "web/routes/for_people.rs"]),
];

/// Most lines of a file before its tests.
const LINES: usize = 300;
/// Most lines of a file of tests.
const TEST_LINES: usize = 400;

fn layer_of(path: &str) -> &str {
    path.split('/').next().unwrap().trim_end_matches(".rs")
}

/// What comes before the test module at the end of a file.
fn production(text: &str) -> &str {
    text.split("#[cfg(test)]\nmod tests {").next().unwrap_or(text)
}

/// Lines of code: comments and test modules do not count for rooms.
fn code(text: &str) -> impl Iterator<Item = &str> {
    production(text).lines().filter(|line| !line.trim_start().starts_with("//"))
}

/// Tells whether a file is part of the program, and not only of its tests.
fn is_program(path: &str) -> bool {
    let is_test_file = path.ends_with("/tests.rs") || path.ends_with("/testing.rs");
    !is_test_file && !path.contains("/tests/")
}

fn named_layers(line: &str) -> Vec<&str> {
    line.split("crate::")
        .skip(1)
        .map(|rest| rest.split(|c: char| !c.is_alphanumeric() && c != '_').next().unwrap())
        .collect()
}

fn contains_path(line: &str, library: &str) -> bool {
    line.match_indices(library).any(|(at, _)| {
        let before = line[..at].chars().next_back();
        let after = &line[at + library.len()..];
        let starts = before.is_none_or(|c| !c.is_alphanumeric() && c != '_') || library.starts_with('/');
        starts && (after.starts_with("::") || library.contains("::") || library.starts_with('/'))
    })
}

fn violations(path: &str, text: &str) -> Vec<String> {
    let mut found = Vec::new();
    let layer = layer_of(path);
    let Some((_, allowed)) = LAYERS.iter().find(|(name, _)| *name == layer) else {
        return vec![format!("{path}: is in no layer")];
    };
    if is_program(path) && production(text).lines().count() > LINES {
        found.push(format!("{path}: has more than {LINES} lines"));
    }
    if path.starts_with("web/pages/") {
        let named = paths(&code(text).collect::<Vec<_>>().join("\n"));
        let endpoints = named.iter().filter(|named| is_endpoint(named));
        found.extend(
            endpoints.map(|named| format!("{path}: pages and endpoints share actions only: {named}")),
        );
    }
    for line in code(text) {
        if line.contains("use crate::{") {
            found.push(format!("{path}: `use crate::{{` hides which layer is meant"));
        }
        if line.contains("super::super") {
            found.push(format!("{path}: a path that begins with crate:: says where it leads: {line}"));
        }
        for named in named_layers(line) {
            let is_exception = EXCEPTIONS.contains(&(path, named));
            if LAYERS.iter().any(|(name, _)| *name == named)
                && named != layer
                && !allowed.contains(&named)
                && !is_exception
            {
                found.push(format!("{path}: {layer} may not know {named}: {line}"));
            }
        }
        for (library, rooms) in ROOMS {
            let is_home = rooms.iter().any(|room| path.starts_with(room));
            if !is_home && contains_path(line, library) {
                found.push(format!("{path}: {library} lives in {rooms:?}: {line}"));
            }
        }
    }
    found
}

/// Tells whether a path leads to the endpoints for programs.
fn is_endpoint(path: &str) -> bool {
    let inner = path.strip_prefix("crate::web::").unwrap_or_else(|| path.trim_start_matches("super::"));
    inner == "api" || inner.starts_with("api::")
}

fn files(folder: &Path, extension: &str) -> Vec<PathBuf> {
    let mut found = Vec::new();
    for entry in std::fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            found.extend(files(&path, extension));
        } else if path.extension().is_some_and(|own| own == extension) {
            found.push(path);
        }
    }
    found
}

fn root() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR"))
}

/// Every file of `src`: its path in there, and its text.
fn tree() -> Vec<(String, String)> {
    let source = root().join("src");
    let read = |file: PathBuf| {
        let path = file.strip_prefix(&source).unwrap().to_string_lossy().into_owned();
        (path, std::fs::read_to_string(&file).unwrap())
    };
    files(&source, "rs").into_iter().map(read).collect()
}

#[test]
fn the_tree_keeps_its_layers_and_rooms() {
    let found: Vec<_> = tree().iter().flat_map(|(path, text)| violations(path, text)).collect();

    assert!(found.is_empty(), "{}", found.join("\n"));
}

#[test]
fn no_files_of_the_tree_stand_in_a_circle() {
    let text = |text: &str| code(text).collect::<Vec<_>>().join("\n");
    let program = tree().into_iter().filter(|(path, _)| is_program(path));
    let program: Vec<_> = program.map(|(path, own)| (path, text(&own))).collect();

    let circles = circles(&program);

    assert!(circles.is_empty(), "{circles:?}");
}

#[test]
fn test_files_stay_readable_too() {
    let long = files(&root().join("tests"), "rs");
    let long: Vec<_> = long
        .iter()
        .filter(|file| std::fs::read_to_string(file).unwrap().lines().count() > TEST_LINES)
        .collect();

    assert!(long.is_empty(), "{long:?}");
}

#[test]
fn templates_escape_everything_and_carry_nothing_inline() {
    for file in files(&root().join("templates"), "html") {
        let text = std::fs::read_to_string(&file).unwrap();
        let forbidden =
            ["|safe", "| safe", "<style", " style=", " onclick=", "escape(", "http://", "https://"];
        for word in forbidden {
            assert!(!text.contains(word), "{} has {word}", file.display());
        }
        assert!(!text.contains("<script>"), "{} has an inline script", file.display());
    }
}

#[test]
fn planted_violations_are_seen() {
    let long = "\n".repeat(LINES + 1);
    for (path, text) in [
        ("web/api/x.rs", "use crate::dispatch::Dispatcher;"),
        ("web/api/x.rs", "fn f() { crate::executor::run() }"),
        ("executor/local/x.rs", "use crate::db::Db;"),
        ("db/x.rs", "use crate::web::front;"),
        ("domain/x.rs", "use crate::db::Db;"),
        ("cli/hook.rs", "use crate::db::Db;"),
        ("web/api/x.rs", "use crate::{db, domain};"),
        ("web/api/x.rs", "use super::super::error::Error;"),
        ("web/x.rs", "use rusqlite::Connection;"),
        ("db/x.rs", "let _ = poem::Response::builder();"),
        ("domain/hook.rs", "use sha2::Sha256;"),
        ("notify/x.rs", "use crate::db::Db;"),
        ("dispatch/x.rs", "use reqwest::Client;"),
        ("dispatch/x.rs", "use std::process::Command;"),
        ("dispatch/x.rs", "tokio::process::Command::new(\"sh\");"),
        ("db/x.rs", "let now = std::time::SystemTime::now();"),
        ("domain/x.rs", "std::env::var_os(\"HOME\");"),
        ("web/pages/x.rs", "format!(\"{base}/deploys/{id}\")"),
        ("utils/x.rs", ""),
        ("web/x.rs", long.as_str()),
        ("web/pages/x.rs", "use crate::web::api;"),
        ("web/pages/hooks/x.rs", "use crate::web::{error::Error, api::{json, hooks}};"),
        ("web/pages/x.rs", "let text = super::super::api::json_text();"),
        ("web/pages/mod.rs", "use super::api::json;"),
    ] {
        assert!(!violations(path, text).is_empty(), "{path}: {text}");
    }
}

#[test]
fn what_is_allowed_is_not_taken_for_a_violation() {
    let long = "\n".repeat(LINES + 1);
    let tested = format!("fn f() {{}}\n\n#[cfg(test)]\nmod tests {{\n{long}}}\n");
    for (path, text) in [
        ("web/api/x.rs", "use crate::db::Db;\nuse crate::domain::Branch;\nuse super::error::Error;"),
        ("dispatch/mod.rs", "use crate::executor::Executor;"),
        ("cli/restore.rs", "use crate::db::backup;"),
        ("web/x.rs", "// rusqlite::Connection is not for us\nuse poem::Response;"),
        ("domain/x.rs", "#[cfg(test)]\nmod tests {\n    std::env::temp_dir();\n}"),
        ("web/api/x.rs", "use crate::web::pages::Page;"),
        ("web/pages/x.rs", "use crate::web::{error::Error, pages::format};"),
        ("db/x/tests.rs", long.as_str()),
        ("db/x.rs", tested.as_str()),
    ] {
        assert_eq!(violations(path, text), Vec::<String>::new(), "{path}: {text}");
    }
}
