//! `docs/SETTINGS.md`, made from the tree of commands.

use clap::{Arg, Command};

const HEAD: &str = "# Settings

Made from the code, flag by flag: `WRITE_DOCS=1 cargo test --lib docs_tests` writes this page, and a test compares it.

A setting of the server is a flag of `stackblaze serve`, or the variable beside it; a flag goes before a variable. There is no
settings file: with systemd the variables are lines in `/etc/default/stackblaze`, in a cluster those of the container. A flag
that is repeatable takes several values in its variable too, with commas between them. A flag without a value is switched on
by `true`. What is wrong is told all at once, with exit code 64; a `STACKBLAZE_` variable that nobody reads is named in the log.

A duration is `90s`, `15m`, `24h` or `365d`, a size `512KiB`, `5MiB`, `1GiB` or a number of bytes.
";

/// The page.
pub(super) fn page(tree: &Command) -> String {
    let serve = tree.find_subcommand("serve").unwrap();
    let mut page = format!("{HEAD}\n## The server\n\n| flag | variable | default | |\n|---|---|---|---|\n");
    let arguments: Vec<&Arg> =
        serve.get_arguments().filter(|argument| argument.get_env().is_some()).collect();
    page.extend(arguments.iter().map(|argument| row(argument)));
    page.push_str("\n## The command line\n\n| flag | variable | default | |\n|---|---|---|---|\n");
    let known = |found: &Arg| arguments.iter().any(|own| own.get_env() == found.get_env());
    let mut others = Vec::new();
    collect(tree, &mut others);
    others.retain(|argument| !known(argument));
    others.sort_by_key(|argument| argument.get_env().map(ToOwned::to_owned));
    others.dedup_by_key(|argument| argument.get_env().map(ToOwned::to_owned));
    page.extend(others.iter().map(|argument| row(argument)));
    page
}

fn collect<'a>(command: &'a Command, found: &mut Vec<&'a Arg>) {
    found.extend(command.get_arguments().filter(|argument| argument.get_env().is_some()));
    command.get_subcommands().for_each(|inner| collect(inner, found));
}

fn row(argument: &Arg) -> String {
    let value = argument.get_value_names().and_then(<[_]>::first);
    let value = value.filter(|_| argument.get_action().takes_values());
    let flag = match (argument.get_long().unwrap(), value) {
        (name, Some(value)) => format!("--{name} {value}"),
        (name, None) => format!("--{name}"),
    };
    let help = argument.get_help().unwrap().to_string();
    let (help, usual) = match help.split_once(" [default: ") {
        Some((help, usual)) => (help.to_owned(), usual.trim_end_matches(']').to_owned()),
        None => (help, usual(argument)),
    };
    let variable = argument.get_env().unwrap().to_string_lossy();
    format!("| `{}` | `{variable}` | {usual} | {} |\n", escaped(&flag), escaped(&help))
}

/// What counts where nothing is said.
fn usual(argument: &Arg) -> String {
    let values: Vec<_> = argument.get_default_values().iter().map(|value| value.to_string_lossy()).collect();
    match (values.is_empty(), argument.get_action().takes_values()) {
        (false, true) => format!("`{}`", values.join(",")),
        (true, true) => "none".to_owned(),
        _ => "off".to_owned(),
    }
}

/// In a table a bar would be the end of a cell.
fn escaped(text: &str) -> String {
    text.replace('|', "\\|")
}
