//! Bodies of requests: which fields there are is what the reader asks for, what they are is what their type says.

use schemars::JsonSchema;
use schemars::generate::SchemaSettings;
use serde_json::{Map, Value, json};

use crate::wire::read::{AskedKind, Shape, asked};
use crate::wire::schema::never_null;

/// The schema of a body in which these fields are needed.
///
/// # Panics
/// Where the reader asks for a field that the type lacks; a test asks for each.
pub(super) fn body_of<T: Shape + JsonSchema>(needs: &[&str]) -> Value {
    let settings = SchemaSettings::draft2020_12().for_deserialize().with(|own| {
        own.inline_subschemas = true;
        own.meta_schema = None;
    });
    let typed = settings.into_generator().into_root_schema_for::<T>().to_value();
    let mut fields = Map::new();
    for field in asked::<T>() {
        let schema = match field.kind {
            AskedKind::Ignored => {
                json!({ "readOnly": true, "description": "Of an answer; sent back it is ignored." })
            }
            AskedKind::SentBack => {
                let about = "It is changed elsewhere; sent back it has to be as it is.";
                json!({ "readOnly": true, "type": ["string", "null"], "description": about })
            }
            kind => {
                let mut schema = typed["properties"][&field.name].clone();
                assert!(schema.is_object(), "{} has no type", field.name);
                if kind == AskedKind::Value || needs.contains(&field.name.as_str()) {
                    never_null(&mut schema);
                }
                schema
            }
        };
        fields.insert(field.name, schema);
    }
    let mut body = json!({ "type": "object", "properties": fields, "additionalProperties": false });
    if let Some(about) = typed.get("description") {
        body["description"] = about.clone();
    }
    if !needs.is_empty() {
        body["required"] = json!(needs);
    }
    body
}
