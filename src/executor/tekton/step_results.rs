//! What a step left: Tekton shows it in the step's last message as soon as the step has ended, and as results of the
//! TaskRun when that is done. Pure.

use serde::Deserialize;
use serde_json::Value;

use crate::domain::Step;

use super::conditions::state_of;
use super::types::TaskRun;

/// An entry of a step's last message.
#[derive(Deserialize)]
struct Entry {
    key: String,
    value: Value,
}

/// A result that a step wrote, from either place.
pub(super) fn find_result(task: &TaskRun, step: Step, name: &str) -> Option<String> {
    let ended = state_of(task, step).and_then(|state| state.terminated.as_ref());
    let early = ended.and_then(|ended| in_message(ended.message.as_deref()?, name));
    early.or_else(|| {
        let results = &task.status.as_ref()?.results;
        let result = results.iter().find(|result| result.name == name)?;
        Some(result.value.as_str()?.trim().to_owned())
    })
}

fn in_message(message: &str, name: &str) -> Option<String> {
    let entries = serde_json::from_str::<Vec<Value>>(message).ok()?;
    let entries = entries.into_iter().filter_map(|entry| serde_json::from_value::<Entry>(entry).ok());
    let entry = entries.into_iter().find(|entry| entry.key == name)?;
    Some(entry.value.as_str()?.trim().to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_message_is_read_entry_by_entry_and_nonsense_is_nothing() {
        let message = r#"[{"key":7},{"key":"commit","value":"abc\n","type":1},{"key":"StartedAt","value":"x","type":3}]"#;

        assert_eq!(in_message(message, "commit").as_deref(), Some("abc"));
        assert_eq!(in_message(message, "digest"), None);
        assert_eq!(in_message("no JSON", "commit"), None);
    }
}
