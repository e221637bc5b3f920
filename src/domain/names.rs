//! The two kinds of names that Kubernetes takes.

/// Longest DNS label, in bytes.
const MAX_LABEL: usize = 63;
/// Longest DNS subdomain, in bytes.
const MAX_SUBDOMAIN: usize = 253;

/// Tells whether a text is a DNS label: 1 to 63 of `[a-z0-9-]`, no `-` at either end.
pub(super) fn is_label(text: &str) -> bool {
    (1..=MAX_LABEL).contains(&text.len())
        && text.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'-')
        && !text.starts_with('-')
        && !text.ends_with('-')
}

/// Tells whether a text is a DNS subdomain: labels with dots between them.
pub(crate) fn is_subdomain(text: &str) -> bool {
    text.len() <= MAX_SUBDOMAIN && text.split('.').all(is_label)
}
