//! Puts the document together.

use schemars::SchemaGenerator;
use schemars::generate::SchemaSettings;
use serde_json::{Map, Value, json};

use crate::domain::Code;
use crate::web::access::Access;
use crate::web::openapi::operation::{Answer, Body, Content, Group, Operation, refer};
use crate::web::openapi::problems::refusals;
use crate::web::openapi::{Facts, Row, deployments, headers, hooks, parameters, server, services, targets};
use crate::wire::problem::Problem;
use crate::wire::schema::EMPTIES;

/// What is true of every address.
const ABOUT: &str = "\
Deploy hooks: one secret URL, one POST, one id, one truthful end state.

A refusal is a problem (RFC 9457) as `application/problem+json`; `code` is its stable word, and `type` leads to what it \
means. Before an address is looked at, any request may be refused with 400, 408, 414, 431 or 505, likewise as a problem.

Every GET answers HEAD too, and every address OPTIONS, with `Allow`. Parameters that mean nothing are named in \
`Ignored-Parameters`; fields of a body that are none are refused. A newer server may add fields to answers, and words \
where a set of words is given as `x-extensible-enum`.";

fn groups() -> Vec<Group> {
    vec![
        deployments::hook_calls(),
        deployments::group(),
        services::group(),
        hooks::group(),
        targets::group(),
        server::access(),
        server::group(),
    ]
}

/// The document of these routes.
pub(super) fn document(rows: &[Row], facts: &Facts) -> Value {
    let settings = SchemaSettings::draft2020_12().for_serialize().with(|own| {
        own.definitions_path = "/components/schemas".into();
        own.meta_schema = None;
    });
    let (mut generator, groups) = (settings.into_generator(), groups());
    refer::<Problem<'_>>(&mut generator);
    let (mut paths, mut bodies) = (Map::<String, Value>::new(), Map::new());
    for group in &groups {
        for operation in &group.operations {
            let is_own = |row: &&Row| row.method == operation.method && spelled(row.path) == operation.path;
            let Some(row) = rows.iter().find(is_own) else { continue };
            let described = Description { group, groups: &groups, operation, row }.json(&mut generator);
            if let Some(Body { name, needs, schema }) = &operation.body {
                bodies.insert((*name).to_owned(), schema(needs));
            }
            let path = paths.entry(operation.path).or_insert_with(|| json!({}));
            path[operation.method.as_str().to_lowercase()] = described;
        }
    }
    let mut schemas = generator.take_definitions(true);
    schemas.extend(bodies);
    schemas.sort_keys();
    schemas.values_mut().for_each(without_marks);
    schemas["Problem"]["properties"]["code"]["description"] = meanings().into();
    json!({
        "openapi": "3.1.1",
        "info": {
            "title": "StackBlaze deploy hooks",
            "version": env!("CARGO_PKG_VERSION"),
            "description": ABOUT,
            "license": { "name": "Apache-2.0", "identifier": "Apache-2.0" },
        },
        "servers": [{ "url": facts.url }],
        "tags": groups.iter().map(|group| json!({ "name": group.name, "description": group.about })).collect::<Vec<_>>(),
        "paths": paths,
        "components": { "schemas": schemas, "headers": headers::all(), "securitySchemes": credentials(facts) },
    })
}

/// Every code with what it means.
fn meanings() -> String {
    let told = Code::all().map(|code| format!("- `{}`: {}", code.as_str(), code.meaning()));
    format!("The stable word for programs.\n\n{}", told.collect::<Vec<_>>().join("\n"))
}

/// A path of poem as the document spells it.
fn spelled(path: &str) -> String {
    let part = |part: &str| match part.strip_prefix([':', '*']) {
        Some(name) => format!("{{{name}}}"),
        None => part.to_owned(),
    };
    path.split('/').map(part).collect::<Vec<_>>().join("/")
}

/// The names of the parameters of a path.
fn names(path: &str) -> impl Iterator<Item = &str> {
    path.split('/').filter_map(|part| part.strip_prefix('{')?.strip_suffix('}'))
}

fn without_marks(schema: &mut Value) {
    match schema {
        Value::Object(fields) => {
            fields.shift_remove(EMPTIES);
            fields.values_mut().for_each(without_marks);
        }
        Value::Array(items) => items.iter_mut().for_each(without_marks),
        _ => {}
    }
}

fn credentials(facts: &Facts) -> Value {
    json!({
        "apiToken": {
            "type": "http",
            "scheme": "bearer",
            "description": "An API token of scope `read`, `deploy` or `admin`, perhaps for one service only.",
        },
        "hookToken": {
            "type": "http",
            "scheme": "bearer",
            "description": "The token of a hook, the secret part of its URL; it shows the deployments of that hook.",
        },
        "session": {
            "type": "apiKey",
            "in": "cookie",
            "name": facts.cookie,
            "description": "The session of an operator who has signed in.",
        },
    })
}

/// What is said of one operation.
struct Description<'a> {
    group: &'a Group,
    groups: &'a [Group],
    operation: &'a Operation,
    row: &'a Row,
}

impl Description<'_> {
    fn json(&self, generator: &mut SchemaGenerator) -> Value {
        let own = self.operation;
        let mut described = json!({
            "operationId": own.id,
            "tags": [self.group.name],
            "summary": own.summary,
        });
        if let Some(more) = own.more {
            described["description"] = more.into();
        }
        described["security"] = self.security();
        let parameters = self.parameters();
        if !parameters.is_empty() {
            described["parameters"] = parameters.into();
        }
        if let Some(body) = &own.body {
            let schema = json!({ "$ref": format!("#/components/schemas/{}", body.name) });
            described["requestBody"] = json!({
                "required": !body.needs.is_empty(),
                "content": { "application/json": { "schema": schema } },
            });
        }
        described["responses"] = self.responses(generator).into();
        described
    }

    fn security(&self) -> Value {
        let mut ways = match self.row.access {
            Access::Operator => vec![json!({ "apiToken": [] }), json!({ "session": [] })],
            Access::Public if self.operation.shows_more => {
                vec![json!({}), json!({ "apiToken": [] }), json!({ "session": [] })]
            }
            Access::Public | Access::Hook => Vec::new(),
        };
        if self.operation.is_for_hooks {
            ways.push(json!({ "hookToken": [] }));
        }
        ways.into()
    }

    fn parameters(&self) -> Vec<Value> {
        let path = self.operation.path;
        let of_path = names(path).map(|name| parameters::of_path(path, name));
        let of_query = self.row.parameters.iter().filter_map(|name| parameters::of_query(path, name));
        let of_header = self.operation.takes.iter().filter_map(|name| headers::of_request(name));
        of_path.chain(of_query).chain(of_header).collect()
    }

    fn responses(&self, generator: &mut SchemaGenerator) -> Map<String, Value> {
        let mut responses = Map::new();
        for answer in &self.operation.answers {
            responses.insert(answer.status.to_string(), self.response(answer, generator));
        }
        for (status, refusal) in refusals(self.row, self.operation) {
            responses.entry(status).or_insert(refusal);
        }
        responses.sort_keys();
        responses
    }

    fn response(&self, answer: &Answer, generator: &mut SchemaGenerator) -> Value {
        let mut response = json!({ "description": answer.says });
        let of_headers = answer.headers.iter().copied().chain(["Ignored-Parameters"]);
        let own: Map<String, Value> =
            of_headers.map(|name| (name.to_owned(), headers::reference(name))).collect();
        if !own.is_empty() {
            response["headers"] = own.into();
        }
        for (media, content) in &answer.media {
            response["content"][*media] = media_type(content, generator);
        }
        let links = answer.made.map(|field| self.links(field)).unwrap_or_default();
        if !links.is_empty() {
            response["links"] = links.into();
        }
        response
    }

    /// Where what was made can be used: every operation below its address.
    fn links(&self, field: &str) -> Map<String, Value> {
        let collection = if field == "deploymentId" { "/deployments" } else { self.operation.path };
        let all = self.groups.iter().flat_map(|group| &group.operations);
        let below = all.filter_map(|own| Some((own, own.path.strip_prefix(collection)?.strip_prefix("/{")?)));
        let links = below.map(|(own, _)| {
            let inherited = names(collection).map(|name| (name, format!("$request.path.{name}")));
            let made = names(own.path).nth(names(collection).count());
            let made = made.map(|name| (name, format!("$response.body#/{field}")));
            let parameters: Map<String, Value> =
                inherited.chain(made).map(|(name, from)| (name.to_owned(), from.into())).collect();
            (own.id.to_owned(), json!({ "operationId": own.id, "parameters": parameters }))
        });
        links.collect()
    }
}

fn media_type(content: &Content, generator: &mut SchemaGenerator) -> Value {
    match content {
        Content::Json(refer) => json!({ "schema": refer(generator) }),
        Content::Text => json!({ "schema": { "type": "string" } }),
        Content::Bytes => json!({ "schema": { "type": "string", "format": "binary" } }),
        Content::Object => json!({ "schema": { "type": "object" } }),
        Content::Events(events) => {
            let names: Vec<_> = events.iter().map(|(name, refer)| told(name, &refer(generator))).collect();
            let about = format!("Server-sent events; the data of each is JSON: {}.", names.join(", "));
            json!({ "schema": { "type": "string", "description": about } })
        }
    }
}

/// An event, and which of the schemas its data has.
fn told(event: &str, schema: &schemars::Schema) -> String {
    let reference = schema.get("$ref").and_then(Value::as_str).unwrap_or_default();
    format!("`{event}` ({})", reference.rsplit('/').next().unwrap_or_default())
}
