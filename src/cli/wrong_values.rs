//! All values of flags that are wrong: the parser itself stops at the first.

use std::ffi::OsString;

use clap::builder::ValueParser;
use clap::error::{ContextKind, ContextValue, ErrorKind};

/// What is wrong with each flag, in our own words; none where something else is wrong with the command line.
pub(super) fn all(
    mut command: clap::Command,
    arguments: &[OsString],
    first: &clap::Error,
) -> Option<Vec<String>> {
    let mut all = Vec::new();
    let (mut wrong, mut line) = (flag_of(first), told(first));
    while let (Some(flag), Some(says)) = (wrong, line) {
        all.push(says);
        command = accepting(command, &flag);
        let Err(next) = command.clone().try_get_matches_from(arguments) else { break };
        (wrong, line) = (flag_of(&next), told(&next));
    }
    (!all.is_empty()).then_some(all)
}

fn text(error: &clap::Error, kind: ContextKind) -> Option<String> {
    match error.get(kind)? {
        ContextValue::String(text) => Some(text.clone()),
        _ => None,
    }
}

/// `listen` of `--listen <ADDR:PORT>`.
fn flag_of(error: &clap::Error) -> Option<String> {
    let is_value = matches!(error.kind(), ErrorKind::ValueValidation | ErrorKind::InvalidValue);
    let shown = text(error, ContextKind::InvalidArg).filter(|_| is_value)?;
    Some(shown.strip_prefix("--")?.split([' ', '=']).next()?.to_owned())
}

/// `--listen: 8080 is an address and a port; …`.
fn told(error: &clap::Error) -> Option<String> {
    let flag = flag_of(error)?;
    let value = text(error, ContextKind::InvalidValue)?;
    if let Some(ContextValue::Strings(valid)) = error.get(ContextKind::ValidValue) {
        return Some(format!("--{flag}: must be {}, not \"{value}\"", any_of(valid)));
    }
    let why = std::error::Error::source(error).map(ToString::to_string)?;
    // Those that speak of fields name theirs.
    let why = why.split_once(": ").filter(|(field, _)| !field.contains(' ')).map_or(&*why, |(_, why)| why);
    let is_said = why.contains(&format!("\"{value}\""));
    let value = if is_said { String::new() } else { format!("\"{value}\" is wrong: it ") };
    Some(format!("--{flag}: {value}{why}"))
}

/// `read, deploy or admin`.
fn any_of(words: &[String]) -> String {
    match words {
        [head @ .., last] if !head.is_empty() => format!("{} or {last}", head.join(", ")),
        _ => words.concat(),
    }
}

/// The same command taking any text for this flag, so that the next wrong one comes to light.
fn accepting(command: clap::Command, flag: &str) -> clap::Command {
    let id = command.get_arguments().find(|own| own.get_long() == Some(flag)).map(|own| own.get_id().clone());
    let command = match id {
        Some(id) => command.mut_arg(id, |own| own.value_parser(ValueParser::string())),
        None => command,
    };
    let names: Vec<String> = command.get_subcommands().map(|own| own.get_name().to_owned()).collect();
    names.into_iter().fold(command, |command, name| command.mut_subcommand(name, |own| accepting(own, flag)))
}
