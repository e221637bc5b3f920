//! Parameters of paths and queries: the table of routes says which there are, this what they are.

use serde_json::{Value, json};

use crate::domain::{Code, Source, Status};

/// A parameter of a path.
pub(super) fn of_path(path: &str, name: &str) -> Value {
    let (schema, about) = match name {
        "id" if path.starts_with("/deployments") => {
            (json!({ "type": "string", "pattern": DEPLOYMENT }), "The id of a deployment.")
        }
        "id" => (name_like(), "The id of a target."),
        "name" if path.starts_with("/api/v1/operators") => (name_like(), "The name of an operator."),
        "name" => (
            json!({ "type": "string", "pattern": "^[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?$" }),
            "The name of a service.",
        ),
        "hook" => (name_like(), "A hook, by name or id."),
        "notice" => (name_like(), "The id of a notice."),
        "token" if path.starts_with("/api") => (name_like(), "An API token, by id or name."),
        "token" => (name_like(), "The token of the hook: the secret part of its URL."),
        "code" => (
            json!({ "type": "string", "enum": Code::all().map(|code| code.as_str().replace('_', "-")).collect::<Vec<_>>() }),
            "The code of a problem, with `-` for `_`.",
        ),
        "file" => (
            json!({ "type": "string", "pattern": "^[0-9A-Za-z]+\\.svg$" }),
            "The key of the badge, and `.svg`.",
        ),
        _ => (text(), ""),
    };
    json!({ "name": name, "in": "path", "required": true, "description": about, "schema": schema })
}

/// A parameter of a query; none of a name that is not known here.
pub(super) fn of_query(path: &str, name: &str) -> Option<Value> {
    let is_hook = path.starts_with("/deploy-hooks");
    let (schema, about) = match name {
        "limit" => (
            json!({ "type": "integer", "minimum": 1, "maximum": 100, "default": 50 }),
            "Most items of the page.",
        ),
        "after" if path == "/api/v1/audit" => {
            (json!({ "type": "integer", "minimum": 0, "maximum": i64::MAX }), CURSOR)
        }
        "after" => (some(), CURSOR),
        "dry_run" => (flag(), "Says what would come of it, and does nothing."),
        "clear_cache" => (flag(), "Builds without what earlier builds have left."),
        "follow" => (flag(), "Goes on with what is written, until the deployment has ended."),
        "freeze" => (flag(), "Freezes the service as well, so that nothing is deployed over it."),
        "from" if is_hook => (
            json!({ "type": "string", "pattern": DEPLOYMENT }),
            "The id of a deployment whose image is deployed once more, by its digest.",
        ),
        "from" => (
            json!({ "type": "integer", "minimum": 0, "maximum": i64::MAX, "default": 0 }),
            "The byte of the log to begin at.",
        ),
        "wait" => (
            json!({ "type": "integer", "minimum": 1, "maximum": 50 }),
            "Seconds that the answer is held for the next status.",
        ),
        "verbose" => (text(), "Given at all, whatever its value, the answer is an object that says more."),
        "service" => (some(), "Only what is for the service of that name."),
        "status" => (
            json!({ "type": "string", "enum": Status::ALL.map(Status::as_str) }),
            "Only those of this status.",
        ),
        "source" => (
            json!({ "type": "string", "enum": Source::ALL.map(Source::as_str) }),
            "Only those whose image comes from there.",
        ),
        "branch" if is_hook => {
            (some(), "The branch whose head is deployed; else the service's default branch.")
        }
        "branch" => (some(), "Only those of this branch, or of `refs/tags/` and a tag."),
        "commit" => (
            json!({ "type": "string", "pattern": "^([0-9a-fA-F]{40}|[0-9a-fA-F]{64})$" }),
            "Exactly this commit of the branch, all its digits.",
        ),
        "image" => (some(), "An image that is there already: `:TAG`, `@DIGEST` or a full name."),
        "note" => (some(), "Why, for people; shown with the deployment."),
        "tag" => (some(), "The git tag to deploy, instead of branch and commit."),
        _ => return None,
    };
    Some(json!({ "name": name, "in": "query", "description": about, "schema": schema }))
}

/// The form of a deployment's id.
const DEPLOYMENT: &str = "^dep_[0-9a-z]{20}$";
const CURSOR: &str = "The `next` of the page before.";

fn text() -> Value {
    json!({ "type": "string" })
}

/// A text that is not empty.
fn some() -> Value {
    json!({ "type": "string", "minLength": 1 })
}

/// A text that can be a part of a path.
fn name_like() -> Value {
    json!({ "type": "string", "pattern": "^[^/\\x00-\\x1f\\x7f-\\x9f]+$" })
}

fn flag() -> Value {
    json!({ "type": "boolean", "default": false })
}
