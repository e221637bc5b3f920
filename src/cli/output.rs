//! What is printed: results on stdout, everything else on stderr.

use std::io::{IsTerminal, Write};

use clap::Args;
use serde_json::Value;

use crate::domain::{Clock, Timestamp};

use super::failure::{FAILED, Failure};
use super::stderr::say;

/// Two columns of a table stand so many blanks apart.
const GAP: usize = 2;
/// Exit code of a program whose reader went away, as the shell gives it for SIGPIPE.
const BROKEN_PIPE: i32 = 141;

/// How results are printed.
#[derive(Debug, Clone, Copy, Args)]
pub(super) struct Output {
    /// Print the API's JSON on one line
    #[arg(long, global = true, help_heading = "Output")]
    pub(super) json: bool,
    /// Print results, warnings and errors only
    #[arg(long, short, global = true, help_heading = "Output")]
    pub(super) quiet: bool,
}

/// How a word is set off.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Style {
    Plain,
    Good,
    Bad,
    Busy,
    Dim,
}

impl Style {
    /// The style of a status or state word.
    pub(super) fn of(word: &str) -> Self {
        match word {
            "succeeded" | "active" | "ok" | "delivered" => Self::Good,
            "failed" | "revoked" | "expired" | "given_up" => Self::Bad,
            "building" | "deploying" | "queued" | "running" | "waiting" | "paused" | "frozen"
            | "rotating" => Self::Busy,
            _ => Self::Plain,
        }
    }

    pub(super) fn paint(self, text: &str, has_colour: bool) -> String {
        let code = match self {
            Self::Good => "32",
            Self::Bad => "31",
            Self::Busy => "33",
            Self::Dim => "2",
            Self::Plain => return text.to_owned(),
        };
        if has_colour { format!("\x1b[{code}m{text}\x1b[0m") } else { text.to_owned() }
    }
}

/// Whether a stream takes colours.
pub(super) fn has_colour(stream: &impl IsTerminal) -> bool {
    let set = |name: &str| std::env::var_os(name).filter(|value| !value.is_empty());
    if set("NO_COLOR").is_some() {
        return false;
    }
    if set("CLICOLOR_FORCE").is_some_and(|value| value != "0") {
        return true;
    }
    stream.is_terminal() && set("TERM").is_none_or(|term| term != "dumb")
}

/// Writes to stdout; ends the process where the reader is gone.
pub(super) fn write_out(bytes: &[u8]) {
    let mut stdout = std::io::stdout().lock();
    let Err(error) = stdout.write_all(bytes).and_then(|()| stdout.flush()) else { return };
    if error.kind() != std::io::ErrorKind::BrokenPipe {
        say(&format!("stackblaze: cannot write to stdout: {error}"));
        std::process::exit(i32::from(FAILED));
    }
    std::process::exit(BROKEN_PIPE);
}

/// A text of the server's without what a terminal would obey.
pub(super) fn clean(text: &str) -> String {
    text.chars().map(|c| if c.is_control() { '\u{fffd}' } else { c }).collect()
}

/// A field of a JSON object as clean text; empty where it is missing or null.
pub(super) fn text(object: &Value, field: &str) -> String {
    match &object[field] {
        Value::Null => String::new(),
        Value::String(text) => clean(text),
        Value::Array(items) => {
            items.iter().map(|item| clean(item.as_str().unwrap_or_default())).collect::<Vec<_>>().join(" ")
        }
        other => other.to_string(),
    }
}

/// A time of the API's without the fraction of its second.
pub(super) fn without_fraction(time: &str) -> String {
    match time.split_once('.') {
        Some((whole, _)) => format!("{whole}Z"),
        None => time.to_owned(),
    }
}

/// Columns of the terminal that results go to; none where they go elsewhere.
fn columns() -> Option<usize> {
    let stdout = std::io::stdout();
    let width = stdout.is_terminal().then(|| terminal_size::terminal_size_of(&stdout))??.0;
    Some(usize::from(width.0)).filter(|columns| *columns > 0)
}

/// A text in so many columns; what does not fit ends in `…`.
fn cut(text: &str, columns: usize) -> String {
    if text.chars().count() <= columns {
        return text.to_owned();
    }
    let head: String = text.chars().take(columns.saturating_sub(1)).collect();
    if columns == 0 { head } else { head + "…" }
}

/// What is there as text; empty where nothing is.
pub(super) fn shown<T: ToString>(value: Option<&T>) -> String {
    value.map(T::to_string).unwrap_or_default()
}

/// A text, or a dash where nothing is there.
pub(super) fn or_dash(text: String) -> String {
    if text.is_empty() { "-".to_owned() } else { text }
}

/// A time as an age, `4 min ago`; a dash where there is none.
pub(super) fn age(at: Option<Timestamp>) -> String {
    let Some(at) = at else { return "-".to_owned() };
    let seconds = Clock::System.now().since(at).as_secs();
    match seconds {
        0..5 => "just now".to_owned(),
        5..60 => format!("{seconds} s ago"),
        60..3_600 => format!("{} min ago", seconds / 60),
        3_600..172_800 => format!("{} h ago", seconds / 3_600),
        _ => format!("{} days ago", seconds / 86_400),
    }
}

#[expect(clippy::unused_self, reason = "all printing goes through one value, whatever it depends on")]
impl Output {
    /// A result as it came from the API.
    pub(super) fn value(self, value: &Value) {
        write_out(format!("{value}\n").as_bytes());
    }

    /// A result as JSON where that is asked for, else as a line.
    pub(super) fn result(self, value: &Value, line: &str) {
        if self.json {
            self.value(value);
        } else {
            self.line(line);
        }
    }

    /// Prints an object or a list where JSON is asked for; whether it did, so that nothing more is to be shown.
    pub(super) fn printed_as_json(self, value: &Value) -> bool {
        if self.json {
            self.value(value);
        }
        self.json
    }

    /// A result for people and scripts.
    pub(super) fn line(self, text: &str) {
        write_out(format!("{text}\n").as_bytes());
    }

    /// A message.
    pub(super) fn note(self, text: &str) {
        if !self.quiet {
            say(text);
        }
    }

    /// A message that `--quiet` does not silence.
    pub(super) fn warn(self, text: &str) {
        let label = Style::Busy.paint("warning:", has_colour(&std::io::stderr()));
        say(&format!("{label} {text}"));
    }

    /// The command that most likely comes next.
    pub(super) fn next(self, command: &str) {
        let label = Style::Dim.paint("next:", has_colour(&std::io::stderr()));
        self.note(&format!("{label} {command}"));
    }

    /// Rows under a head; the column `status` is coloured. On a terminal each row is one line, cut at its end.
    pub(super) fn table(self, head: &[&str], rows: &[Vec<String>], status: usize) {
        let width = |column: usize| {
            let cells = rows.iter().map(|row| row[column].chars().count());
            cells.chain([head[column].len()]).max().unwrap_or(0)
        };
        let widths: Vec<usize> = (0..head.len()).map(width).collect();
        let has_colour = has_colour(&std::io::stdout());
        let most = columns().unwrap_or(usize::MAX);
        let mut lines = String::new();
        let head: Vec<String> = head.iter().map(|&cell| cell.to_owned()).collect();
        for (index, row) in std::iter::once(&head).chain(rows).enumerate() {
            let mut line = String::new();
            let mut used = 0;
            for (column, cell) in row.iter().enumerate() {
                let cell = &cut(cell, most.saturating_sub(used));
                used += widths[column] + GAP;
                let style = match (index, column == status) {
                    (0, _) => Style::Dim,
                    (_, true) => Style::of(cell),
                    (_, false) => Style::Plain,
                };
                line.push_str(&style.paint(cell, has_colour));
                let blanks = (widths[column] + GAP).saturating_sub(cell.chars().count());
                line.extend(std::iter::repeat_n(' ', blanks));
            }
            lines.push_str(line.trim_end());
            lines.push('\n');
        }
        write_out(lines.as_bytes());
    }

    /// Labels and values; empty values are left out.
    pub(super) fn fields(self, fields: &[(&str, String)]) {
        let shown = || fields.iter().filter(|(_, value)| !value.is_empty());
        let width = shown().map(|(label, _)| label.len()).max().unwrap_or(0) + GAP;
        let has_colour = has_colour(&std::io::stdout());
        for (label, value) in shown() {
            let padded = Style::Dim.paint(&format!("{label:width$}"), has_colour);
            self.line(&format!("{padded}{}", Style::of(value).paint(value, has_colour)));
        }
    }

    /// Asks before something that cannot be taken back. Nobody to ask: `--yes` is needed.
    pub(super) fn confirm(self, question: &str, yes: bool) -> Result<(), Failure> {
        if yes {
            return Ok(());
        }
        if !std::io::stdin().is_terminal() || !std::io::stderr().is_terminal() {
            let text = "nothing was done: there is nobody here to ask, so say --yes";
            return Err(Failure::usage(text).hint(question));
        }
        eprint!("{question} [y/N] ");
        let mut answer = String::new();
        // No answer is as good as no.
        drop(std::io::stdin().read_line(&mut answer));
        if matches!(answer.trim().to_ascii_lowercase().as_str(), "y" | "yes") {
            return Ok(());
        }
        Err(Failure::new(FAILED, "nothing was done"))
    }
}
