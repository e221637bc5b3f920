//! Reads the fields of a form.

use std::collections::HashMap;

/// What was typed into a field of a form; empty where there is no such field.
pub(super) fn field(form: &HashMap<String, String>, name: &str) -> String {
    form.get(name).cloned().unwrap_or_default()
}

/// The same without the blanks around it.
pub(super) fn trimmed(form: &HashMap<String, String>, name: &str) -> String {
    field(form, name).trim().to_owned()
}

/// The same, where it is anything.
pub(super) fn chosen(form: &HashMap<String, String>, name: &str) -> Option<String> {
    Some(trimmed(form, name)).filter(|text| !text.is_empty())
}
