//! Schemas of the document in words.

use serde_json::{Map, Value};

/// An object of the API.
#[derive(Debug)]
pub(super) struct Object {
    pub(super) name: String,
    pub(super) about: String,
    pub(super) fields: Vec<Field>,
    /// The words that it is one of, where it is no object.
    pub(super) words: Vec<String>,
}

/// A field of an object, or a parameter.
#[derive(Debug)]
pub(super) struct Field {
    pub(super) name: String,
    pub(super) about: String,
    pub(super) is_needed: bool,
    pub(super) kind: Kind,
}

/// What a value is.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Kind {
    /// In words.
    pub(super) text: String,
    /// The object that is meant.
    pub(super) object: Option<String>,
    /// Words that it may be.
    pub(super) words: Vec<String>,
}

impl Object {
    /// An object of the document.
    pub(super) fn new(name: &str, schema: &Value) -> Self {
        let needs =
            |name: &str| schema["required"].as_array().is_some_and(|all| all.iter().any(|own| own == name));
        let fields = schema["properties"].as_object().into_iter().flatten();
        let shown = fields.filter(|(_, field)| field["readOnly"] != true);
        let fields = shown.map(|(name, field)| Field {
            name: name.clone(),
            about: text(field, "description"),
            is_needed: needs(name),
            kind: Kind::of(field),
        });
        Self {
            name: name.to_owned(),
            about: text(schema, "description"),
            fields: fields.collect(),
            words: words(schema),
        }
    }
}

impl Kind {
    /// What a schema says.
    pub(super) fn of(schema: &Value) -> Self {
        if let Some(object) = object_of(schema) {
            return Self { object: Some(object), ..Self::default() };
        }
        if let Some(ways) = ["anyOf", "oneOf"].iter().find_map(|name| schema[name].as_array()) {
            return Self::any_of(ways);
        }
        let kinds: Vec<_> = match &schema["type"] {
            Value::Array(kinds) => kinds.iter().filter_map(Value::as_str).collect(),
            kind => kind.as_str().into_iter().collect(),
        };
        let is_null = kinds.contains(&"null");
        let kind = kinds.into_iter().find(|kind| *kind != "null").unwrap_or_default();
        let inner = || Self::of(&schema["items"]);
        let (text, object, words) = match kind {
            "array" => {
                let inner = inner();
                (format!("list of {}", inner.text).trim_end().to_owned(), inner.object, inner.words)
            }
            "string" if schema["format"] == "date-time" => ("time".to_owned(), None, Vec::new()),
            "string" if schema["format"] == "binary" => ("bytes".to_owned(), None, Vec::new()),
            "string" => ("text".to_owned(), None, words(schema)),
            "integer" => (range(schema), None, Vec::new()),
            "boolean" => ("true or false".to_owned(), None, Vec::new()),
            "object" if schema["additionalProperties"].is_object() => {
                ("object of names and texts".to_owned(), None, Vec::new())
            }
            other => (other.to_owned(), None, Vec::new()),
        };
        let text = if is_null { format!("{text}, or null") } else { text };
        Self { text, object, words }
    }

    /// One of several; null is said last.
    fn any_of(ways: &[Value]) -> Self {
        let is_null = ways.iter().any(|way| way["type"] == "null");
        let kinds: Vec<_> = ways.iter().filter(|way| way["type"] != "null").map(Self::of).collect();
        let text = kinds.iter().map(|kind| kind.text.as_str()).filter(|text| !text.is_empty());
        let text = text.collect::<Vec<_>>().join(" or ");
        let object = kinds.iter().find_map(|kind| kind.object.clone());
        let words = kinds.into_iter().flat_map(|kind| kind.words).collect();
        Self { text: if is_null { format!("{text}, or null") } else { text }, object, words }
    }
}

fn range(schema: &Value) -> String {
    match (schema["minimum"].as_i64(), schema["maximum"].as_i64()) {
        (Some(least), Some(most))
            if most < i64::from(u16::MAX) || schema["format"].is_null() && most < i64::MAX =>
        {
            format!("number from {least} to {most}")
        }
        _ => "number".to_owned(),
    }
}

/// The name of the object that a schema refers to.
pub(super) fn object_of(schema: &Value) -> Option<String> {
    schema["$ref"].as_str()?.rsplit('/').next().map(str::to_owned)
}

fn words(schema: &Value) -> Vec<String> {
    let listed = ["enum", "x-extensible-enum"].iter().find_map(|name| schema[name].as_array());
    listed.into_iter().flatten().filter_map(Value::as_str).map(str::to_owned).collect()
}

/// A text of the document; empty where there is none.
pub(super) fn text(value: &Value, name: &str) -> String {
    value[name].as_str().unwrap_or_default().replace('`', "")
}

/// The entries of an object of the document.
pub(super) fn entries<'a>(value: &'a Value, name: &str) -> impl Iterator<Item = (&'a String, &'a Value)> {
    value[name].as_object().into_iter().flat_map(Map::iter)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn a_schema_is_told_in_words() {
        for (schema, told) in [
            (json!({ "type": "string" }), "text"),
            (json!({ "type": ["string", "null"], "format": "date-time" }), "time, or null"),
            (json!({ "type": "array", "items": { "type": "string" } }), "list of text"),
            (json!({ "type": "integer", "minimum": 1, "maximum": 100 }), "number from 1 to 100"),
            (json!({ "type": "integer", "minimum": 0, "maximum": i64::MAX }), "number"),
            (json!({ "oneOf": [{ "type": "integer" }, { "type": "string" }] }), "number or text"),
        ] {
            assert_eq!(Kind::of(&schema).text, told, "{schema}");
        }
        let list = json!({ "type": ["array", "null"], "items": { "$ref": "#/components/schemas/Hook" } });
        let kind = Kind::of(&list);
        assert_eq!((kind.text.as_str(), kind.object.as_deref()), ("list of, or null", Some("Hook")));
    }
}
