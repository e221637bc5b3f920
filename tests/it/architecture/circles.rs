//! Circles of files: who names whom, read from the text of their imports and paths.

use std::collections::{BTreeMap, BTreeSet};

/// Modules → the modules that they name.
type Names = BTreeMap<String, BTreeSet<String>>;

/// The module of a file: `web/pages/log` for `web/pages/log/mod.rs`, `web/auth` for `web/auth.rs`.
fn module_of(path: &str) -> String {
    let name = path.trim_end_matches(".rs");
    name.strip_suffix("/mod").unwrap_or(name).to_owned()
}

/// Every path in a text that begins with `crate` or `super`, each branch of a brace import on its own.
pub(super) fn paths(text: &str) -> Vec<String> {
    let mut found = Vec::new();
    for start in ["crate::", "super::"] {
        for (at, _) in text.match_indices(start) {
            let before = text[..at].chars().next_back();
            if before.is_none_or(|c| !c.is_alphanumeric() && c != '_' && c != ':') {
                read_tree("", &text[at..], &mut found);
            }
        }
    }
    found
}

/// Reads a path, or the branches of one in braces, and gives the text behind it.
fn read_tree<'a>(prefix: &str, text: &'a str, found: &mut Vec<String>) -> &'a str {
    if let Some(branches) = text.strip_prefix('{') {
        let mut rest = branches.trim_start();
        while !rest.is_empty() && !rest.starts_with('}') {
            let behind = read_tree(prefix, rest, found);
            // Whatever is no path, as a comma or a star, is stepped over.
            let skip =
                if behind.len() == rest.len() { rest.chars().next().map_or(0, char::len_utf8) } else { 0 };
            rest = behind[skip..].trim_start();
        }
        return rest.strip_prefix('}').unwrap_or(rest);
    }
    let end = text.find(|c: char| !c.is_alphanumeric() && c != '_').unwrap_or(text.len());
    let (name, rest) = text.split_at(end);
    if name.is_empty() {
        return rest;
    }
    let path = if prefix.is_empty() { name.to_owned() } else { format!("{prefix}::{name}") };
    match rest.strip_prefix("::") {
        Some(deeper) if deeper.starts_with(|c: char| c.is_alphanumeric() || c == '_' || c == '{') => {
            read_tree(&path, deeper, found)
        }
        _ => {
            found.push(path);
            rest
        }
    }
}

/// The longest known module that a path names, seen from `module`.
fn resolve(module: &str, path: &str, known: &BTreeSet<String>) -> Option<String> {
    let mut base: Vec<&str> = module.split('/').collect();
    let mut names: Vec<&str> = path.split("::").collect();
    if names.first() == Some(&"crate") {
        base.clear();
        names.remove(0);
    }
    while names.first() == Some(&"super") {
        base.pop();
        names.remove(0);
    }
    base.extend(names);
    (1..=base.len()).rev().map(|length| base[..length].join("/")).find(|name| known.contains(name))
}

/// Tells whether one is the folder that the other lies in: they are parts of one thing.
fn belong_together(one: &str, other: &str) -> bool {
    let is_in =
        |inner: &str, outer: &str| inner.strip_prefix(outer).is_some_and(|rest| rest.starts_with('/'));
    one == other || is_in(one, other) || is_in(other, one)
}

fn names(files: &[(String, String)]) -> Names {
    let known: BTreeSet<String> = files.iter().map(|(path, _)| module_of(path)).collect();
    let of = |(path, text): &(String, String)| {
        let module = module_of(path);
        let named = paths(text).into_iter().filter_map(|path| resolve(&module, &path, &known));
        let named = named.filter(|other| !belong_together(&module, other)).collect();
        (module, named)
    };
    files.iter().map(of).collect()
}

fn reached(from: &str, names: &Names) -> BTreeSet<String> {
    let mut reached = BTreeSet::new();
    let mut next = vec![from];
    while let Some(module) = next.pop() {
        for other in names.get(module).into_iter().flatten() {
            if reached.insert(other.clone()) {
                next.push(other);
            }
        }
    }
    reached
}

/// Groups of files in which each leads to each other. The files are given by path and production text.
pub(super) fn circles(files: &[(String, String)]) -> BTreeSet<String> {
    let names = names(files);
    let reach: BTreeMap<&str, BTreeSet<String>> =
        names.keys().map(|module| (module.as_str(), reached(module, &names))).collect();
    let group = |module: &str| {
        let others = reach[module].iter().filter(|other| reach[other.as_str()].contains(module));
        others.cloned().collect::<Vec<_>>().join(", ")
    };
    reach.keys().map(|module| group(module)).filter(|group| !group.is_empty()).collect()
}

#[test]
fn a_circle_is_seen_and_a_folder_with_its_files_is_none() {
    let circles = |files: &[(&str, &str)]| {
        let files: Vec<_> =
            files.iter().map(|(path, text)| ((*path).to_owned(), (*text).to_owned())).collect();
        circles(&files).into_iter().collect::<Vec<_>>()
    };

    for (files, expected) in [
        (vec![("db/a.rs", "use crate::db::b::f;"), ("db/b.rs", "use crate::db::a;")], vec!["db/a, db/b"]),
        (vec![("db/a.rs", "use super::b::f;"), ("db/b.rs", "fn g() { super::a::f() }")], vec!["db/a, db/b"]),
        (
            vec![
                ("db/a.rs", "use crate::db::{Tx, c::{self, d}, b::f};"),
                ("db/b.rs", "use crate::db::c;"),
                ("db/c.rs", "use crate::{\n    db::{\n        a::{f, g},\n    },\n};"),
            ],
            vec!["db/a, db/b, db/c"],
        ),
        (
            vec![("db/a.rs", "use crate::db::b;"), ("db/b.rs", "use crate::domain::a;"), ("domain/a.rs", "")],
            vec![],
        ),
        (vec![("db/mod.rs", "use crate::db::a::f;"), ("db/a.rs", "use crate::db::Tx;")], vec![]),
    ] {
        assert_eq!(circles(&files), expected, "{files:?}");
    }
}
