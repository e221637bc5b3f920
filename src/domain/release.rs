//! The command of a service that runs once before a new version is put into service, such as a migration.

use serde::{Deserialize, Serialize};

use super::{Faults, Span};

/// Longest command, in bytes of all its words together.
const MAX_COMMAND: usize = 4_096;
/// How long it may take where nothing is said.
pub const DEFAULT_RELEASE_TIMEOUT: Span = Span::from_secs(600);

/// What is run. Its serde form is that of API, files and database: a text or a list of texts.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(untagged)]
pub enum ReleaseCommand {
    /// Given to `sh -e -c` in the new image.
    Shell(String),
    /// A program of the new image and its arguments; no shell is needed.
    Exec(Vec<String>),
}

impl ReleaseCommand {
    /// Reads what a person typed: a JSON list of texts is a program and its arguments, anything else is for a shell.
    pub fn read(text: &str) -> Self {
        match serde_json::from_str::<Vec<String>>(text.trim()) {
            Ok(words) => Self::Exec(words),
            Err(_) => Self::Shell(text.to_owned()),
        }
    }

    /// The text that [`read`](Self::read) reads.
    pub fn as_typed(&self) -> String {
        match self {
            Self::Shell(text) => text.clone(),
            Self::Exec(words) => serde_json::json!(words).to_string(),
        }
    }

    /// The same with line feeds alone, as a shell takes it, whatever it was typed on.
    #[must_use]
    pub fn with_line_feeds(self) -> Self {
        match self {
            Self::Shell(text) => Self::Shell(text.replace("\r\n", "\n")),
            exec @ Self::Exec(_) => exec,
        }
    }

    /// Program and arguments.
    pub fn words(&self) -> Vec<String> {
        match self {
            Self::Shell(text) => ["sh", "-e", "-c", text].map(str::to_owned).to_vec(),
            Self::Exec(words) => words.clone(),
        }
    }

    fn check(&self, faults: &mut Faults) {
        let (is_blank, words) = match self {
            Self::Shell(text) => (text.trim().is_empty(), std::slice::from_ref(text)),
            Self::Exec(words) => (words.first().is_none_or(String::is_empty), words.as_slice()),
        };
        let bytes: usize = words.iter().map(String::len).sum();
        if is_blank {
            faults.add(
                "releaseCommand",
                "is a text or a list of texts that begins with a program; null is none",
            );
        } else if bytes > MAX_COMMAND || words.iter().any(|word| word.contains('\0')) {
            faults.add("releaseCommand", format!("a command has at most {MAX_COMMAND} bytes and no NUL"));
        }
    }
}

/// What is run before a new version is put into service, and how long it may take.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ReleaseSettings {
    /// None: nothing is run.
    pub command: Option<ReleaseCommand>,
    /// Within the timeout of the whole run.
    pub timeout: Span,
}

impl Default for ReleaseSettings {
    fn default() -> Self {
        Self { command: None, timeout: DEFAULT_RELEASE_TIMEOUT }
    }
}

impl ReleaseSettings {
    /// Checks both.
    pub fn check(&self, faults: &mut Faults) {
        if let Some(command) = &self.command {
            command.check(faults);
        }
        if self.timeout.as_secs() == 0 {
            faults.add("releaseTimeout", "must be longer than nothing");
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn is_right(command: ReleaseCommand) -> bool {
        let mut faults = Faults::default();
        ReleaseSettings { command: Some(command), ..ReleaseSettings::default() }.check(&mut faults);
        faults.finish(()).is_ok()
    }

    #[test]
    fn a_list_is_a_program_and_a_text_is_for_a_shell() {
        let exec = ReleaseCommand::read(r#" ["migrate", "$(X) up"] "#);
        let shell = ReleaseCommand::read("[ -f up ]\r\n./up").with_line_feeds();

        assert_eq!(exec.words(), ["migrate", "$(X) up"]);
        assert_eq!(shell.words(), ["sh", "-e", "-c", "[ -f up ]\n./up"]);
        for command in [exec, shell] {
            assert_eq!(ReleaseCommand::read(&command.as_typed()), command);
            let stored = serde_json::to_string(&command).unwrap();
            assert_eq!(serde_json::from_str::<ReleaseCommand>(&stored).unwrap(), command);
        }
    }

    #[test]
    fn what_runs_nothing_or_is_too_long_is_refused() {
        let exec = |words: &[&str]| ReleaseCommand::Exec(words.iter().map(|&word| word.to_owned()).collect());

        assert!(is_right(ReleaseCommand::Shell("x".repeat(MAX_COMMAND))));
        assert!(is_right(exec(&["migrate", ""])));
        for wrong in [" \n", "a\0b", &"x".repeat(MAX_COMMAND + 1)] {
            assert!(!is_right(ReleaseCommand::Shell(wrong.to_owned())), "{wrong:.9}");
        }
        assert!(!is_right(exec(&[])));
        assert!(!is_right(exec(&["", "up"])));
    }

    #[test]
    fn a_time_of_nothing_is_refused() {
        let mut faults = Faults::default();

        ReleaseSettings { timeout: Span::from_secs(0), ..ReleaseSettings::default() }.check(&mut faults);

        assert_eq!(faults.finish(()).unwrap_err()[0].field, "releaseTimeout");
    }
}
