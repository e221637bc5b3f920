//! The part of JSON Schema 2020-12 that the document of the API uses. Stricter than that: an object has no field beside those
//! that are described, and a word of an open set is one that is known.

use regex::Regex;
use serde_json::Value;
use stackblaze::domain::Timestamp;

/// Says nothing about a value.
const NOTES: [&str; 6] = ["description", "default", "readOnly", "title", "x-extensible-enum", "enum"];

/// What is wrong with a value, a line each.
pub fn faults(document: &Value, schema: &Value, value: &Value, at: &str) -> Vec<String> {
    let Some(rules) = schema.as_object() else { panic!("{at}: no schema: {schema}") };
    let mut found = Vec::new();
    for (keyword, rule) in rules {
        match keyword.as_str() {
            "$ref" => {
                let pointer = rule.as_str().unwrap().strip_prefix('#').unwrap();
                let target =
                    document.pointer(pointer).unwrap_or_else(|| panic!("{at}: {rule} leads nowhere"));
                found.extend(faults(document, target, value, at));
            }
            "anyOf" | "oneOf" => {
                let fits = |way: &&Value| faults(document, way, value, at).is_empty();
                if rule.as_array().unwrap().iter().filter(fits).count() != 1 {
                    found.push(format!("{at}: {value} is not exactly one of {rule}"));
                }
            }
            "properties" | "required" | "additionalProperties" => {}
            "items" => {
                for (index, item) in value.as_array().into_iter().flatten().enumerate() {
                    found.extend(faults(document, rule, item, &format!("{at}[{index}]")));
                }
            }
            _ => found.extend(simple(keyword, rule, value).map(|why| format!("{at}: {value} {why}"))),
        }
    }
    let words = rules.get("enum").or(rules.get("x-extensible-enum")).and_then(Value::as_array);
    if words.is_some_and(|words| !value.is_null() && !words.contains(value)) {
        found.push(format!("{at}: {value} is none of the words"));
    }
    found.extend(fields(document, schema, value, at));
    found
}

fn simple(keyword: &str, rule: &Value, value: &Value) -> Option<String> {
    let number =
        |fits: fn(f64, f64) -> bool| value.as_f64().is_none_or(|number| fits(number, rule.as_f64().unwrap()));
    let text = |fits: &dyn Fn(&str) -> bool| value.as_str().is_none_or(fits);
    let fits = match keyword {
        "type" => {
            let kinds = rule.as_array().cloned().unwrap_or_else(|| vec![rule.clone()]);
            kinds.iter().any(|kind| is_of(kind.as_str().unwrap(), value))
        }
        "minimum" => number(|number, least| number >= least),
        "maximum" => number(|number, most| number <= most),
        "minLength" => text(&|text| text.chars().count() as u64 >= rule.as_u64().unwrap()),
        "pattern" => text(&|text| Regex::new(rule.as_str().unwrap()).unwrap().is_match(text)),
        "format" if rule == "date-time" => text(&|text| Timestamp::parse(text).is_ok()),
        "format" => true,
        note if NOTES.contains(&note) => true,
        other => panic!("the keyword {other} is not known here"),
    };
    (!fits).then(|| format!("is against {keyword} {rule}"))
}

fn is_of(kind: &str, value: &Value) -> bool {
    match kind {
        "null" => value.is_null(),
        "boolean" => value.is_boolean(),
        "integer" => value.is_i64() || value.is_u64(),
        "string" => value.is_string(),
        "array" => value.is_array(),
        "object" => value.is_object(),
        other => panic!("the type {other} is not known here"),
    }
}

fn fields(document: &Value, schema: &Value, value: &Value, at: &str) -> Vec<String> {
    let (Some(known), Some(own)) = (schema["properties"].as_object(), value.as_object()) else {
        let (more, own) = (&schema["additionalProperties"], value.as_object());
        let own = own.into_iter().flatten().filter(|_| more.is_object());
        return own
            .flat_map(|(name, value)| faults(document, more, value, &format!("{at}.{name}")))
            .collect();
    };
    let mut found = Vec::new();
    for (name, value) in own {
        match known.get(name) {
            Some(schema) => found.extend(faults(document, schema, value, &format!("{at}.{name}"))),
            None => found.push(format!("{at}.{name} is not described")),
        }
    }
    let needed = schema["required"].as_array().into_iter().flatten().filter_map(Value::as_str);
    found
        .extend(needed.filter(|name| !own.contains_key(*name)).map(|name| format!("{at}.{name} is missing")));
    found
}

#[test]
fn what_does_not_fit_is_seen() {
    let document = serde_json::json!({
        "S": { "type": "object", "required": ["a"], "properties": {
            "a": { "type": "string", "pattern": "^x$" },
            "b": { "type": ["integer", "null"], "minimum": 1 },
            "c": { "type": "array", "items": { "type": "string", "enum": ["y"] } },
        } },
    });
    let schema = serde_json::json!({ "$ref": "#/S" });
    for (value, is_good) in [
        (serde_json::json!({ "a": "x", "b": null, "c": ["y"] }), true),
        (serde_json::json!({ "b": 1 }), false),
        (serde_json::json!({ "a": "z" }), false),
        (serde_json::json!({ "a": "x", "b": 0 }), false),
        (serde_json::json!({ "a": "x", "b": "1" }), false),
        (serde_json::json!({ "a": "x", "c": ["z"] }), false),
        (serde_json::json!({ "a": "x", "more": 1 }), false),
        (serde_json::json!([]), false),
    ] {
        assert_eq!(faults(&document, &schema, &value, "it").is_empty(), is_good, "{value}");
    }
}
