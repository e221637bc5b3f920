//! How the command line calls the fields of the API.

/// The word for a field, as its flag has it: `queue-policy` for `queuePolicy`.
pub(super) fn word(field: &str) -> String {
    let own = match of_list(field) {
        "repository" => "repo",
        "defaultBranch" | "branches" => "branch",
        "buildCommand" => "build",
        "deployCommand" => "deploy",
        "buildArgs" => "build-arg",
        "buildSecrets" => "build-secret",
        "resources" => "resource",
        "workloads" => "workload",
        "expiresIn" => "expires",
        "addresses" => "from",
        "paused" => "reason",
        "events" => "event",
        "requiredContexts" => "required-context",
        "secret" => "secret-file",
        _ => return kebab_case(of_list(field)),
    };
    own.to_owned()
}

/// The same with its dashes where the command line has that flag; a variable by its bare name.
pub(super) fn spelling(field: &str, command: &clap::Command) -> String {
    let word = word(field);
    if has_flag(command, &word) {
        return format!("--{word}");
    }
    field.strip_prefix("env.").unwrap_or(field).to_owned()
}

/// The list that an item such as `workloads.2` is of; else the field itself.
fn of_list(field: &str) -> &str {
    let is_place = |text: &str| !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
    field.rsplit_once('.').filter(|(_, at)| is_place(at)).map_or(field, |(list, _)| list)
}

fn has_flag(command: &clap::Command, word: &str) -> bool {
    command.get_arguments().any(|argument| argument.get_long() == Some(word))
        || command.get_subcommands().any(|inner| has_flag(inner, word))
}

fn kebab_case(field: &str) -> String {
    let mut word = String::with_capacity(field.len() + 4);
    for letter in field.chars() {
        if letter.is_ascii_uppercase() {
            word.push('-');
        }
        word.push(letter.to_ascii_lowercase());
    }
    word
}

#[cfg(test)]
mod tests {
    use clap::{Arg, Command};

    use super::*;

    #[test]
    fn a_field_is_spelled_as_the_flag_that_there_is() {
        let flags = ["queue-policy", "repo", "build-arg"].map(|flag| Arg::new(flag).long(flag));
        let command = Command::new("stackblaze").subcommand(Command::new("service").args(flags));
        let spelled = |field| spelling(field, &command);

        assert_eq!(spelled("queuePolicy"), "--queue-policy");
        assert_eq!(spelled("repository"), "--repo");
        assert_eq!(spelled("buildArgs"), "--build-arg");
        assert_eq!(spelled("env.DATABASE_URL"), "DATABASE_URL");
        assert_eq!(spelled("name"), "name");
        assert_eq!(spelled("workloads.12"), "workloads.12");
    }
}
