//! What the values of the domain look like as JSON Schema, for the document of the API.

use std::borrow::Cow;

use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde_json::Value;

use crate::domain::{
    Act, Code, Commit, DeploymentId, Event, ExecutorKind, GitRef, History, Note, NoticeState, QueuePolicy,
    Reason, ReleaseCommand, Scope, Source, Status, Step, StepStatus, TargetKind, Timestamp, Verdict,
    WorkloadKind, WorkloadStatus,
};
use crate::wire::Change;

/// Marks a field that null empties, until the document is put together: of an answer every other field has a value.
pub const EMPTIES: &str = "x-empties";

/// A set of words. What is sent has to be one of them; a newer server may answer with more.
macro_rules! words {
    ($($kind:ty, $name:literal, $all:expr;)*) => {$(
        impl JsonSchema for $kind {
            fn inline_schema() -> bool {
                true
            }

            fn schema_name() -> Cow<'static, str> {
                $name.into()
            }

            fn json_schema(generator: &mut SchemaGenerator) -> Schema {
                let words: Vec<&str> = $all.into_iter().map(|word| word.as_str()).collect();
                open_words(generator, &words)
            }
        }
    )*};
}

words! {
    Act, "Act", Self::ALL;
    Event, "Event", Self::ALL.into_iter().chain([Self::Test]);
    ExecutorKind, "ExecutorKind", Self::ALL;
    NoticeState, "NoticeState", Self::ALL;
    QueuePolicy, "QueuePolicy", Self::ALL;
    Reason, "Reason", Self::ALL;
    Scope, "Scope", Self::ALL;
    Source, "Source", Self::ALL;
    Step, "StepName", Self::ALL;
    StepStatus, "StepStatus", Self::ALL;
    TargetKind, "TargetKind", Self::ALL;
    Verdict, "Verdict", Self::ALL;
    WorkloadKind, "WorkloadKind", Self::ALL;
    WorkloadStatus, "WorkloadStatus", Self::ALL;
    Code, "Code", Self::all();
}

fn open_words(generator: &SchemaGenerator, words: &[&str]) -> Schema {
    if generator.contract().is_deserialize() {
        json_schema!({ "type": "string", "enum": words })
    } else {
        json_schema!({ "type": "string", "x-extensible-enum": words })
    }
}

/// A value that is a text of a form.
macro_rules! texts {
    ($($kind:ty, $name:literal, $schema:tt;)*) => {$(
        impl JsonSchema for $kind {
            fn inline_schema() -> bool {
                true
            }

            fn schema_name() -> Cow<'static, str> {
                $name.into()
            }

            fn json_schema(_: &mut SchemaGenerator) -> Schema {
                json_schema!($schema)
            }
        }
    )*};
}

texts! {
    Commit, "Commit", { "type": "string", "pattern": "^([0-9a-f]{40}|[0-9a-f]{64})$" };
    DeploymentId, "DeploymentId", { "type": "string", "pattern": "^dep_[0-9a-z]{20}$" };
    GitRef, "GitRef", { "type": "string", "minLength": 1 };
    History, "History", {
        "oneOf": [{ "type": "integer", "minimum": 1, "maximum": 1_000_000 }, { "type": "string", "enum": ["all"] }]
    };
    Note, "Note", { "type": "string" };
    ReleaseCommand, "ReleaseCommand", {
        "oneOf": [{ "type": "string" }, { "type": "array", "items": { "type": "string" } }]
    };
    Timestamp, "Timestamp", { "type": "string", "format": "date-time" };
}

/// How far a deployment is. The two that are final will never be more.
impl JsonSchema for Status {
    fn schema_name() -> Cow<'static, str> {
        "Status".into()
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        let description =
            "How far a deployment is. `succeeded` and `failed` are final, and no other word ever will be.";
        json_schema!({ "type": "string", "enum": Self::ALL.map(Self::as_str), "description": description })
    }
}

impl<T: JsonSchema> JsonSchema for Change<T> {
    fn inline_schema() -> bool {
        true
    }

    fn schema_name() -> Cow<'static, str> {
        Option::<T>::schema_name()
    }

    fn json_schema(generator: &mut SchemaGenerator) -> Schema {
        let mut schema = Option::<T>::json_schema(generator);
        schema.insert(EMPTIES.to_owned(), true.into());
        schema
    }
}

/// Of an object as it is shown: all fields are there, and null are only those that can be emptied.
pub(super) fn shown_whole(schema: &mut Schema) {
    let Some(fields) = schema.get_mut("properties").and_then(Value::as_object_mut) else { return };
    for field in fields.values_mut().filter(|field| field.get(EMPTIES).is_none()) {
        never_null(field);
    }
    let names: Vec<String> = fields.keys().cloned().collect();
    schema.insert("required".to_owned(), names.into());
}

/// The same schema without null.
pub fn never_null(schema: &mut Value) {
    let is_null = |own: &Value| *own == "null" || own["type"] == "null";
    for name in ["type", "anyOf", "enum"] {
        let Some(Value::Array(kinds)) = schema.get_mut(name) else { continue };
        kinds.retain(|own| !is_null(own) && !own.is_null());
        if let ("type", [only]) = (name, kinds.as_slice()) {
            schema[name] = only.clone();
        }
    }
}
