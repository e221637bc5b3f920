//! The way out of a network.

use std::collections::HashMap;
use std::ffi::{OsStr, OsString};

/// Names and values of a process's variables.
pub type Variables = HashMap<OsString, OsString>;

/// Variables that name the way out of a network, in the spellings that programs know.
pub const PROXIES: [&str; 8] = [
    "http_proxy",
    "https_proxy",
    "no_proxy",
    "all_proxy",
    "HTTP_PROXY",
    "HTTPS_PROXY",
    "NO_PROXY",
    "ALL_PROXY",
];

/// Those of a process's variables that name the way out, as far as they are text.
pub fn proxies(variables: &Variables) -> Vec<(String, String)> {
    let set = |name: &str| variables.get(OsStr::new(name))?.to_str().filter(|value| !value.is_empty());
    PROXIES.iter().filter_map(|&name| Some((name.to_owned(), set(name)?.to_owned()))).collect()
}
