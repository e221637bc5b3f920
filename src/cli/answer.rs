//! What the server answers, by its shape.

use std::ops::Deref;

use anyhow::Context;
use serde::de::DeserializeOwned;
use serde_json::Value;

use crate::cli::failure::Failure;
use crate::cli::output::clean;

/// An answer: as it came, for `--json`, and as its shape, whose texts hold nothing that a terminal would obey.
pub(super) struct Answer<T> {
    pub(super) json: Value,
    shape: T,
}

impl<T: DeserializeOwned> Answer<T> {
    /// Reads the shape of an answer.
    pub(super) fn read(json: Value) -> Result<Self, Failure> {
        let shape = serde_json::from_value(cleaned(&json))
            .context("the answer is not what was expected; is the server of another version?")?;
        Ok(Self { json, shape })
    }
}

impl<T> Deref for Answer<T> {
    type Target = T;

    fn deref(&self) -> &T {
        &self.shape
    }
}

fn cleaned(value: &Value) -> Value {
    match value {
        Value::String(text) => clean(text).into(),
        Value::Array(items) => items.iter().map(cleaned).collect(),
        Value::Object(fields) => fields.iter().map(|(name, value)| (clean(name), cleaned(value))).collect(),
        other => other.clone(),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::wire::list::List;
    use crate::wire::service::ServiceJson;

    #[test]
    fn a_service_is_read_as_it_is_shown_and_its_texts_are_clean() {
        let shown = json!({
            "id": "abcdefghijkl", "name": "api", "buildCommand": "make\u{1b}[2J", "env": {"KEY": "***"},
            "url": null, "frozen": null, "createdAt": "2026-11-24T14:30:49.000Z", "newer": {"field": 1}
        });

        let list = json!({"items": [shown], "next": null});
        let answer: Answer<List<ServiceJson>> = Answer::read(list.clone()).unwrap();

        let service = &answer.items[0];
        assert_eq!((service.name(), answer.json.clone()), ("api".to_owned(), list));
        assert_eq!(service.body.local.build_command.as_deref(), Some("make\u{fffd}[2J"));
        assert!(service.body.url.value().is_none() && service.body.repository.is_keep());
        assert!(Answer::<ServiceJson>::read(json!({"name": 7})).is_err());
    }
}
