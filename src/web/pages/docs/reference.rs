//! The document of the API as values to show.

use serde_json::Value;

use crate::web::pages::docs::schemas::{Field, Kind, Object, entries, object_of, text};

/// All of it.
#[derive(Debug)]
pub(super) struct Reference {
    /// A paragraph each.
    pub(super) about: Vec<String>,
    pub(super) groups: Vec<Group>,
    pub(super) objects: Vec<Object>,
}

/// Operations that belong together.
#[derive(Debug)]
pub(super) struct Group {
    pub(super) name: String,
    /// What leads to it on the page.
    pub(super) anchor: String,
    pub(super) about: String,
    pub(super) operations: Vec<Operation>,
}

/// One operation.
#[derive(Debug)]
pub(super) struct Operation {
    pub(super) id: String,
    pub(super) method: String,
    pub(super) path: String,
    pub(super) summary: String,
    pub(super) more: String,
    pub(super) credential: &'static str,
    pub(super) parameters: Vec<Parameter>,
    /// The object that it takes.
    pub(super) body: Option<String>,
    pub(super) answers: Vec<Answer>,
    pub(super) curl: String,
}

/// A parameter of path, query or head.
#[derive(Debug)]
pub(super) struct Parameter {
    pub(super) field: Field,
    pub(super) place: &'static str,
}

/// An answer of one status.
#[derive(Debug)]
pub(super) struct Answer {
    pub(super) status: String,
    /// Of a refusal its codes.
    pub(super) says: String,
    pub(super) codes: Vec<String>,
    /// The object that it is.
    pub(super) object: Option<String>,
    pub(super) headers: String,
}

impl Reference {
    /// What the document says.
    pub(super) fn new(document: &Value) -> Self {
        let url = document["servers"][0]["url"].as_str().unwrap_or_default();
        let groups = document["tags"].as_array().into_iter().flatten();
        let objects = entries(&document["components"], "schemas");
        Self {
            about: text(&document["info"], "description").split("\n\n").map(str::to_owned).collect(),
            groups: groups.map(|tag| Group::new(document, tag, url)).collect(),
            objects: objects.map(|(name, schema)| Object::new(name, schema)).collect(),
        }
    }
}

impl Group {
    fn new(document: &Value, tag: &Value, url: &str) -> Self {
        let name = text(tag, "name");
        let all = entries(document, "paths").flat_map(|(path, item)| {
            let methods = item.as_object().into_iter().flatten();
            methods.map(move |(method, operation)| (path, method, operation))
        });
        let own = all.filter(|(.., operation)| operation["tags"][0] == name.as_str());
        Self {
            anchor: name.to_lowercase().replace(' ', "-"),
            about: text(tag, "description"),
            operations: own
                .map(|(path, method, operation)| Operation::new(document, (url, path, method), operation))
                .collect(),
            name,
        }
    }
}

impl Operation {
    fn new(document: &Value, (url, path, method): (&str, &str, &str), operation: &Value) -> Self {
        let body = object_of(&operation["requestBody"]["content"]["application/json"]["schema"]);
        let method = method.to_uppercase();
        let parameters = operation["parameters"].as_array().into_iter().flatten();
        let answers = entries(operation, "responses");
        Self {
            curl: curl(document, (url, path, &method), operation, body.as_deref()),
            id: text(operation, "operationId"),
            path: path.to_owned(),
            summary: text(operation, "summary"),
            more: text(operation, "description"),
            credential: credential(&operation["security"]),
            parameters: parameters.map(Parameter::new).collect(),
            answers: answers.map(|(status, answer)| Answer::new(status, answer)).collect(),
            body,
            method,
        }
    }
}

/// Whether a credential of this name is one of the ways to call.
fn has_way(ways: &Value, name: &str) -> bool {
    ways.as_array().is_some_and(|all| all.iter().any(|way| way.get(name).is_some()))
}

/// Who may call, in words.
fn credential(ways: &Value) -> &'static str {
    let is_open = ways.as_array().is_some_and(|all| all.contains(&serde_json::json!({})));
    match (has_way(ways, "apiToken"), has_way(ways, "hookToken"), is_open) {
        (true, _, true) => "Needs no credential; an API token, the hook's token or a session shows more.",
        (true, true, false) => "Needs an API token, the hook's token or a session.",
        (true, false, false) => "Needs an API token or a session.",
        (false, true, _) => "Needs the hook's token as Authorization: Bearer.",
        (false, false, _) => "Needs no credential.",
    }
}

impl Parameter {
    fn new(parameter: &Value) -> Self {
        let place = match parameter["in"].as_str() {
            Some("path") => "path",
            Some("header") => "header",
            _ => "query",
        };
        let field = Field {
            name: text(parameter, "name"),
            about: text(parameter, "description"),
            is_needed: parameter["required"] == true,
            kind: Kind::of(&parameter["schema"]),
        };
        Self { field, place }
    }
}

impl Answer {
    fn new(status: &str, answer: &Value) -> Self {
        let media: Vec<_> = entries(answer, "content").collect();
        let object = media.iter().find_map(|(_, content)| object_of(&content["schema"]));
        let is_problem = object.as_deref() == Some("Problem");
        let says = text(answer, "description");
        let codes = if is_problem { says.split(", ").map(str::to_owned).collect() } else { Vec::new() };
        let headers: Vec<_> = entries(answer, "headers").map(|(name, _)| name.as_str()).collect();
        Self {
            status: status.to_owned(),
            says: if is_problem { String::new() } else { says },
            codes,
            object,
            headers: headers.join(", "),
        }
    }
}

/// How it is called from a shell.
fn curl(
    document: &Value,
    (url, path, method): (&str, &str, &str),
    operation: &Value,
    body: Option<&str>,
) -> String {
    let is_hook_url = path == "/deploy-hooks/{token}";
    let mut parts = vec!["curl --fail-with-body".to_owned()];
    if method != "GET" {
        parts.push(format!("-X {method}"));
    }
    let ways = &operation["security"];
    if has_way(ways, "apiToken") {
        parts.push("-H \"Authorization: Bearer $STACKBLAZE_TOKEN\"".to_owned());
    } else if has_way(ways, "hookToken") {
        parts.push("-H \"Authorization: Bearer $HOOK_TOKEN\"".to_owned());
    }
    if let Some(body) = body {
        let needs = document["components"]["schemas"][body]["required"].as_array();
        let fields = needs.into_iter().flatten().filter_map(Value::as_str);
        let fields: Vec<_> = fields.map(|name| format!("\"{name}\":\"…\"")).collect();
        parts.push(format!("-H 'Content-Type: application/json' -d '{{{}}}'", fields.join(",")));
    }
    parts.push(if is_hook_url {
        "\"$STACKBLAZE_DEPLOY_HOOK\"".to_owned()
    } else {
        format!("\"{url}{path}\"")
    });
    parts.join(" ")
}
