//! Reads the fields of a form.

use std::collections::HashMap;

use crate::web::error::Held;

/// What was typed into a field of a form; empty where there is no such field.
pub(super) fn field(form: &HashMap<String, String>, name: &str) -> String {
    form.get(name).cloned().unwrap_or_default()
}

/// A form that waits for a password: the page that has it, where it was sent, and what was typed.
pub(super) fn held(back: &str, to: &str, form: &HashMap<String, String>) -> Held {
    let mut fields: Vec<_> = form.iter().map(|(name, value)| (name.clone(), value.clone())).collect();
    fields.sort();
    Held { back: back.to_owned(), to: to.to_owned(), fields }
}

/// The same without the blanks around it.
pub(super) fn trimmed(form: &HashMap<String, String>, name: &str) -> String {
    field(form, name).trim().to_owned()
}

/// The same, where it is anything.
pub(super) fn chosen(form: &HashMap<String, String>, name: &str) -> Option<String> {
    Some(trimmed(form, name)).filter(|text| !text.is_empty())
}
