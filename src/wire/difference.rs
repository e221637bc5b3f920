//! What changed between two shapes, for the audit.

use serde::Serialize;
use serde_json::{Map, Value};

/// What changed, as `field: old → new` by the JSON names; of the fields in `secret` never a value: of a map the names
/// alone, of anything else that it was set anew.
pub fn differences<T: Serialize>(before: &T, after: &T, secret: &[&str]) -> String {
    let (before, after) = (fields(before), fields(after));
    let names = before.keys().chain(after.keys().filter(|name| !before.contains_key(*name)));
    let changed = names.filter_map(|name| {
        let value = |of: &Map<String, Value>| of.get(name).cloned().unwrap_or_default();
        let (old, new) = (value(&before), value(&after));
        if old == new {
            None
        } else if secret.contains(&name.as_str()) {
            Some(secret_difference(name, &old, &new))
        } else {
            Some(format!("{name}: {} → {}", text(&old), text(&new)))
        }
    });
    changed.collect::<Vec<_>>().join("; ")
}

fn fields<T: Serialize>(shape: &T) -> Map<String, Value> {
    match serde_json::to_value(shape) {
        Ok(Value::Object(fields)) => fields,
        _ => Map::new(),
    }
}

fn secret_difference(name: &str, old: &Value, new: &Value) -> String {
    let names = |value: &Value| match value {
        Value::Object(map) => map.keys().cloned().collect::<Vec<_>>().join(" "),
        _ => String::new(),
    };
    let (before, after) = (names(old), names(new));
    if before == after { format!("{name}: set anew") } else { format!("{name}: {before} → {after}") }
}

fn text(value: &Value) -> String {
    match value {
        Value::Null => "none".to_owned(),
        Value::String(text) if text.is_empty() => "none".to_owned(),
        Value::Array(items) if items.is_empty() => "none".to_owned(),
        Value::String(text) => text.clone(),
        Value::Array(items) => items.iter().map(text).collect::<Vec<_>>().join(" "),
        Value::Object(map) => map
            .iter()
            .filter(|(_, value)| !value.is_null())
            .map(|(_, value)| text(value))
            .collect::<Vec<_>>()
            .join("/"),
        other => other.to_string(),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn only_what_changed_is_told_and_of_secrets_no_value() {
        let before =
            json!({"name": "api", "url": null, "env": {"KEY": "a"}, "file": "/a", "list": ["a"], "n": 1});
        let after = json!({"name": "api", "url": "https://x", "env": {"KEY": "b"}, "file": "/b", "list": ["a", "b"], "n": 1});
        let more = json!({"name": "api", "url": null, "env": {"KEY": "a", "NEW": "s"}, "file": "/a", "list": ["a"], "n": 1});

        let secret = ["env", "file"];
        assert_eq!(
            differences(&before, &after, &secret),
            "url: none → https://x; env: set anew; file: set anew; list: a → a b"
        );
        assert_eq!(differences(&before, &more, &secret), "env: KEY → KEY NEW");
        assert_eq!(differences(&before, &before, &secret), "");
        assert_eq!(differences(&json!({"list": ["a"]}), &json!({"list": []}), &secret), "list: a → none");
    }
}
