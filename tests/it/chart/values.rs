//! The values: that they are explained once, named by the schema, and as narrow as what the server's own code takes.

use regex::Regex;
use serde_json::Value;
use stackblaze::domain::{AddressRange, Workload};
use stackblaze::executor::tekton::BuilderSettings;
use stackblaze::executor::tekton::install::manifests::{ManifestSettings, render};

use super::file;

fn yaml(name: &str) -> Value {
    serde_saphyr::from_str(&file(name)).unwrap()
}

fn schema() -> Value {
    serde_json::from_str(&file("values.schema.json")).unwrap()
}

/// Collects what has no further values below it, by its name with dots.
fn leaves(schema: &Value, values: &Value, prefix: &str, found: &mut Vec<(String, Value)>) {
    let (known, given) = (schema["properties"].as_object().unwrap(), values.as_object().unwrap());
    for name in given.keys() {
        assert!(known.contains_key(name), "{prefix}{name} is not in the schema");
    }
    assert_eq!(schema["additionalProperties"], false, "a slip in {prefix} has to be told");
    for (name, below) in known.iter().filter(|(name, _)| *name != "global") {
        let value = given.get(name).unwrap_or_else(|| panic!("{prefix}{name} is not in values.yaml"));
        match below.get("properties") {
            Some(_) => leaves(below, value, &format!("{prefix}{name}."), found),
            None => found.push((format!("{prefix}{name}"), value.clone())),
        }
    }
}

fn all() -> Vec<(String, Value)> {
    let mut found = Vec::new();
    leaves(&schema(), &yaml("values.yaml"), "", &mut found);
    found
}

/// The names of all values.
pub(super) fn names() -> Vec<String> {
    all().into_iter().map(|(name, _)| name).collect()
}

/// What values.yaml says above each key.
fn comments() -> Vec<(String, String)> {
    let (mut path, mut comment, mut found) = (Vec::<(usize, String)>::new(), Vec::new(), Vec::new());
    for line in file("values.yaml").lines() {
        let text = line.trim_start();
        let indent = line.len() - text.len();
        if let Some(words) = text.strip_prefix("# ") {
            comment.push(words.to_owned());
        } else if let Some((key, _)) = text.split_once(':').filter(|_| !text.starts_with('-')) {
            path.retain(|(outer, _)| *outer < indent);
            path.push((indent, key.to_owned()));
            let name: Vec<_> = path.iter().map(|(_, key)| key.as_str()).collect();
            found.push((name.join("."), std::mem::take(&mut comment).join(" ")));
        }
    }
    found
}

#[test]
fn the_table_of_the_chart_says_what_is_said_above_each_value() {
    let (readme, comments) = (file("README.md"), comments());
    let rows: Vec<_> = readme.lines().filter(|line| line.starts_with("| `")).collect();
    let mut expected = Vec::new();
    for (name, value) in all() {
        let comment = &comments.iter().find(|(own, _)| *own == name).unwrap().1;
        assert!(comment.ends_with('.') && comment.len() > 10, "{name} is not explained: {comment:?}");
        let shown = value.to_string().replace('"', "").replace(':', ": ").replace(',', ", ");
        let shown = if shown.is_empty() { String::new() } else { format!("`{shown}`") };
        expected.push(format!("| `{name}` | {shown} | {comment} |").replace("|  |", "| |"));
    }
    expected.sort();
    let mut sorted: Vec<_> = rows.iter().map(ToString::to_string).collect();
    sorted.sort();
    assert_eq!(sorted, expected, "\n{}\n", expected.join("\n"));
}

#[test]
fn the_chart_has_the_version_of_the_program() {
    let chart = yaml("Chart.yaml");

    assert_eq!(chart["version"], env!("CARGO_PKG_VERSION"));
    assert_eq!(chart["appVersion"], env!("CARGO_PKG_VERSION"));
    assert_eq!(chart["description"], env!("CARGO_PKG_DESCRIPTION"));
}

/// Whether the schema takes a text where it refers to a definition.
fn takes(definition: &str, text: &str) -> bool {
    let definition = &schema()["definitions"][definition];
    let longest = definition["maxLength"].as_u64().unwrap_or(u64::MAX);
    Regex::new(definition["pattern"].as_str().unwrap()).unwrap().is_match(text)
        && text.len() as u64 <= longest
}

#[test]
fn images_are_what_the_code_takes_for_images() {
    let settings = |image: &str| ManifestSettings {
        image: image.to_owned(),
        builder_image: "registry.example.com/stackblaze-builder:1".to_owned(),
        public_url: None,
        namespace: "stackblaze".to_owned(),
        build_namespace: "stackblaze-builds".to_owned(),
        builder: BuilderSettings::default(),
        workloads: Vec::new(),
        release_jobs: Vec::new(),
        image_pull_secret: None,
        api_servers: Vec::new(),
        has_metrics: false,
        copies: None,
    };
    for image in [
        "r.test/a",
        "r.test:5000/a/b:1",
        "r.test/a@sha256:0",
        "a/b",
        "A/b_c",
        "a/",
        "a//b",
        "a",
        "a:1",
        "/a",
        "-/a",
        "a/b:",
        "a/b c",
        "a/b'",
        "a/b\n",
        "a/b\"",
        "a/{b}",
    ] {
        assert_eq!(takes("image", image), render(&settings(image)).is_ok(), "{image:?}");
    }
    let (longest, longer) = (format!("a/{}", "b".repeat(498)), format!("a/{}", "b".repeat(499)));
    assert!(takes("image", &longest) && render(&settings(&longest)).is_ok());
    assert!(!takes("image", &longer) && render(&settings(&longer)).is_err());
    assert!(takes("image", ""), "the chart has a sentence for that");
}

#[test]
fn names_are_what_the_code_takes_for_names() {
    let (label, long) = ("a".repeat(63), "a".repeat(64));
    let texts = [
        "apps/api",
        "apps/api/web",
        "statefulset:apps/db",
        "daemonset:a/b/c",
        "cronjob:a/b.c",
        "deployment:a/b",
        "",
        "api",
        "apps/",
        "/api",
        "Apps/api",
        "apps/api/",
        "apps/api/web/x",
        "apps/a_b",
        "job:apps/api",
        ":apps/api",
        "a-/b",
        "-a/b",
        "a/b-",
        "a/b..c",
        "a/b.",
        "a/b.c/d.e",
        "a/b\n",
        " a/b",
        "a.b/c",
        "1/2",
    ];
    for text in texts.map(str::to_owned).into_iter().chain([format!("{label}/{label}"), format!("{long}/a")])
    {
        assert_eq!(takes("workload", &text), Workload::parse(&text).is_ok(), "{text:?}");
    }
    for text in ["a", "a-b", "0", "", "A", "a b", "-a", "a-", "a.b", "a\n", &label, &long] {
        let is_namespace = Workload::parse(&format!("{text}/x")).is_ok();
        assert_eq!(takes("namespace", text), is_namespace, "{text:?}");
    }
    // What is not as the code writes it again is refused by the schema alone: there the chart would write something else.
    for (text, is_taken) in [
        ("10.0.0.1", true),
        ("10.0.0.0/8", true),
        ("fd00::1", true),
        ("fd00::/8", true),
        ("::/0", true),
        ("10.0.0.1/33", false),
        ("256.0.0.1", false),
        ("10.0.0", false),
        ("fd00::/129", false),
        ("x", false),
        ("", false),
    ] {
        assert_eq!(takes("addressRange", text), is_taken, "{text}");
        assert_eq!(text.parse::<AddressRange>().is_ok(), is_taken, "{text}");
    }
}
