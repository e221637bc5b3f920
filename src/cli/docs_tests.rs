//! What the documentation says of commands, flags and variables, compared with the tree of commands.

mod lines;
mod settings;

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use clap::{Command, CommandFactory};
use regex::Regex;

use super::{Cli, noun_first};
use lines::{Line, commands, parted, words};

/// Begins the names of our variables.
const PREFIX: &str = "STACKBLAZE_";
/// What `deploy.sh` makes of the names of its outputs, in capitals.
const OUTPUTS: [&str; 5] = ["ID", "STATUS", "REASON", "URL", "DIGEST"];
/// Flags of other programs that stand by themselves in a sentence.
const FOREIGN: [&str; 5] = ["--fail-with-body", "--rounds", "--docker-tag", "--retry", "--take-ownership"];

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

fn read(path: &Path) -> String {
    std::fs::read_to_string(path).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}

/// The pages: their names and what they say.
fn pages() -> Vec<(String, String)> {
    let mut files: Vec<PathBuf> = std::fs::read_dir(root().join("docs"))
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .filter(|path| path.extension().is_some_and(|extension| extension == "md"))
        .collect();
    files.push(root().join("README.md"));
    files.sort();
    let name = |path: &Path| path.file_name().unwrap().to_string_lossy().into_owned();
    files.iter().map(|path| (name(path), read(path))).collect()
}

/// The whole tree, with what is inherited in its place.
fn tree() -> Command {
    let mut command = Cli::command();
    command.build();
    command
}

fn longs(command: &Command) -> BTreeSet<String> {
    let own = command.get_arguments().filter_map(|argument| Some(format!("--{}", argument.get_long()?)));
    own.chain(command.get_subcommands().flat_map(longs)).collect()
}

fn variables(command: &Command) -> BTreeSet<String> {
    let own = command.get_arguments().filter_map(|argument| Some(argument.get_env()?.to_str()?.to_owned()));
    own.chain(command.get_subcommands().flat_map(variables)).collect()
}

/// Spans of code that stand in the text.
fn spans(text: &str) -> Vec<String> {
    let span = Regex::new("`([^`\n]+)`").unwrap();
    span.captures_iter(&parted(text).1.join("\n")).map(|found| found[1].to_owned()).collect()
}

/// What of a command that is only named does not exist: a verb, or a flag.
fn unknown(command: &Command, words: &[String]) -> Option<String> {
    let mut at = command;
    for word in words {
        if let Some(flag) = word.strip_prefix("--") {
            let flag = flag.split('=').next().unwrap_or_default();
            let is_known = at.get_arguments().any(|argument| argument.get_long() == Some(flag));
            if !is_known {
                return Some(format!("{} has no --{flag}", at.get_name()));
            }
        } else if at.has_subcommands() {
            match at.find_subcommand(word) {
                Some(inner) => at = inner,
                None => return Some(format!("{} has no {word}", at.get_name())),
            }
        }
    }
    None
}

#[test]
fn the_page_of_settings_is_what_the_code_says() {
    let (file, page) = (root().join("docs/SETTINGS.md"), settings::page(&tree()));
    if std::env::var_os("WRITE_DOCS").is_some() {
        std::fs::write(&file, &page).unwrap();
    }

    let is_so = read(&file) == page;

    assert!(is_so, "docs/SETTINGS.md is to be made anew: WRITE_DOCS=1 cargo test --lib docs_tests");
}

#[test]
fn each_command_of_the_documentation_is_understood() {
    let (mut wrong, mut count) = (Vec::new(), 0);
    for (page, text) in pages() {
        for Line { text, is_whole } in commands(&text) {
            count += 1;
            let words = words(&text);
            let found = if is_whole {
                let arguments = noun_first(words.iter().map(Into::into).collect());
                let parsed = Cli::command().try_get_matches_from(arguments);
                parsed.err().filter(clap::Error::use_stderr).map(|error| error.to_string())
            } else {
                unknown(&tree(), &words[1..])
            };
            wrong.extend(found.map(|why| format!("{page}: {text}: {why}")));
        }
    }

    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
    assert!(count > 50, "only {count} were found");
}

#[test]
fn each_command_that_is_named_in_a_sentence_exists() {
    let (tree, mut wrong) = (tree(), Vec::new());
    for (page, text) in pages() {
        for span in spans(&text) {
            let words = words(&span);
            let words = words.strip_prefix(&["stackblaze".to_owned()]).unwrap_or(&words);
            // A noun alone may be any word.
            let is_command = words.len() > 1
                && words.first().and_then(|word| tree.find_subcommand(word)).is_some()
                && !span.contains(['/', '{']);
            let found = if is_command { unknown(&tree, words) } else { None };
            wrong.extend(found.map(|why| format!("{page}: `{span}`: {why}")));
        }
    }

    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn each_flag_and_each_variable_that_is_named_exists() {
    let tree = tree();
    let (flag, variable) =
        (Regex::new("^--[a-z][a-z-]*").unwrap(), Regex::new("STACKBLAZE_[A-Z][A-Z_]*[A-Z]").unwrap());
    let mut flags = longs(&tree);
    flags.extend(FOREIGN.map(str::to_owned));
    let mut known = variables(&tree);
    for place in ["src", "deploy", "templates", "action.yml"] {
        let text = all_text(&root().join(place));
        known.extend(variable.find_iter(&text).map(|name| name.as_str().to_owned()));
    }
    known.extend(OUTPUTS.map(|name| format!("{PREFIX}{name}")));
    let mut wrong = Vec::new();
    for (page, text) in pages() {
        let spans = spans(&text);
        let named = spans.iter().filter_map(|span| flag.find(span)).map(|found| found.as_str());
        wrong.extend(named.filter(|name| !flags.contains(*name)).map(|name| format!("{page}: {name}")));
        let named = variable.find_iter(&text).map(|found| found.as_str());
        wrong.extend(named.filter(|name| !known.contains(*name)).map(|name| format!("{page}: {name}")));
    }

    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

/// The text of a file, or of all files in a folder.
fn all_text(path: &Path) -> String {
    if path.is_file() {
        return std::fs::read_to_string(path).unwrap_or_default();
    }
    std::fs::read_dir(path).unwrap().map(|entry| all_text(&entry.unwrap().path())).collect()
}
