//! Which lines of a failed step say why: the first that begin like an error of a known tool. Tools put the cause in front of
//! hundreds of lines of what follows from it.

use std::sync::LazyLock;

use regex::RegexSet;

/// Most lines that are kept.
const MAX_LINES: usize = 7;
/// Longest line that is kept, in bytes.
const MAX_BYTES: usize = 1_024;

/// How errors begin, tool by tool.
const CAUSES: &[&str] = &[
    // Compilers, and most others.
    r"^(?i:error|fatal|fatal error|critical|panic|failure|failed)\b ?[:\[(]",
    r"^(?:ERROR|FATAL|FAILED|FAIL)\b",
    // npm, pnpm, yarn, bundlers.
    r"^npm (?:ERR!|error)",
    r"^\s*(?:ERR_PNPM_|ELIFECYCLE|ERR!|error Command failed)",
    r"^✘ \[ERROR\]",
    r"^\[!\] ",
    r"^x Build failed",
    // Maven, Gradle, sbt.
    r"^\[(?:ERROR|error)\]",
    r"^\* What went wrong:",
    r"^Execution failed for task",
    // Go.
    r"^\S+\.go:\d+:\d+: ",
    r"^--- FAIL:",
    r"^go: .*(?:not found|unknown|invalid|missing|no matching|mismatch|cannot)",
    // C and its like, TypeScript, C#.
    r"^[^\s:]+:\d+(?::\d+)?: (?:fatal )?error\b",
    r"^\S+\(\d+,\d+\): error ",
    r"^(?:make|gmake|ninja)(?:\[\d+\])?: \*\*\* ",
    r"^CMake Error",
    r"^ld: ",
    r"^collect2: error",
    // Python, JavaScript, Ruby, Java, PHP.
    r"^(?:Uncaught )?[A-Za-z_][\w.]*(?:Error|Exception|Interrupt|Exit)\b(?::|$| \[)",
    r"^Traceback \(most recent call last\)",
    r"^Exception in thread ",
    r"^Caused by: ",
    r"^PHP (?:Fatal|Parse) error",
    r"^E: ",
    // Shells.
    r"^(?:/\S*/)?(?:sh|bash|dash|ash|zsh)(?:\[\d+\])?: (?:line )?\d*:? ?.*(?:not found|Permission denied|No such file|syntax error|unexpected|cannot)",
    r": (?:command not found|not found)$",
    r"(?:: No such file or directory|: Permission denied|: No space left on device|: cannot execute[^:]*)$",
    r"^(?:Killed|Segmentation fault|Bus error|Aborted)",
    // Docker, Kubernetes, cloud tools.
    r"^Error response from daemon",
    r"^Error from server",
    r"^(?:╷)?│? ?Error: ",
    r"^rsync error: ",
    r"^rsync: ",
    r"^ssh: ",
];
/// Lines that look like errors and say nothing.
const NOISE: &[&str] = &[
    r"^\s*$",
    r"^npm (?:ERR!|error)\s*$",
    r"^npm (?:ERR!|error) (?:A complete log of this run|    /|Run \x22?npm)",
    r"^npm (?:notice|warn|WARN)",
    r"^\[ERROR\]\s*$",
    r"^\[ERROR\] (?:-> \[Help|\[Help|To see the full stack trace|Re-run Maven|For more information|After correcting)",
    r"^\[notice\]",
    r"^(?:note|help): ",
    r"^For more information about this error",
    r"^error: build failed$",
    r"^error: could not compile",
    r"^\s*at ",
];

static IS_CAUSE: LazyLock<Option<RegexSet>> = LazyLock::new(|| RegexSet::new(CAUSES).ok());
static IS_NOISE: LazyLock<Option<RegexSet>> = LazyLock::new(|| RegexSet::new(NOISE).ok());

/// Whether a line begins like an error of a known tool.
fn is_cause(line: &str) -> bool {
    let matches = |set: &LazyLock<Option<RegexSet>>| set.as_ref().is_some_and(|set| set.is_match(line));
    matches(&IS_CAUSE) && !matches(&IS_NOISE)
}

/// Whether a line tells nothing about a failure.
pub fn is_noise(line: &str) -> bool {
    IS_NOISE.as_ref().is_some_and(|set| set.is_match(line))
}

/// A line without colours, of at most 1 KiB.
pub fn plain_line(line: &str) -> String {
    let mut plain = String::new();
    let mut rest = line;
    while let Some((before, sequence)) = rest.split_once("\u{1b}[") {
        plain.push_str(before);
        rest = sequence.split_once('m').map_or("", |(_, behind)| behind);
    }
    plain.push_str(rest);
    plain.truncate(plain.floor_char_boundary(MAX_BYTES));
    plain
}

/// The lines of one step that say why it failed.
#[derive(Debug, Default)]
pub struct LogCauses {
    lines: Vec<String>,
    /// The line that has not ended.
    open: String,
    is_changed: bool,
}

impl LogCauses {
    /// Goes on behind lines that were found before.
    pub fn after(lines: Vec<String>) -> Self {
        Self { lines, ..Self::default() }
    }

    /// With lines that are still to be told of.
    pub fn again(lines: Vec<String>) -> Self {
        Self { lines, is_changed: true, ..Self::default() }
    }

    /// Takes the next text of the step's log.
    pub fn take(&mut self, text: &str) {
        for piece in text.split_inclusive('\n') {
            if self.lines.len() >= MAX_LINES {
                return;
            }
            let room = (2 * MAX_BYTES).saturating_sub(self.open.len());
            self.open.push_str(&piece[..piece.floor_char_boundary(room.min(piece.len()))]);
            if piece.ends_with('\n') {
                self.end_line();
            }
        }
    }

    /// The open line ends too.
    pub fn end_line(&mut self) {
        let line = plain_line(std::mem::take(&mut self.open).trim_end());
        if is_cause(&line) && self.lines.len() < MAX_LINES && !self.lines.contains(&line) {
            self.lines.push(line);
            self.is_changed = true;
        }
    }

    /// The lines, where there are others than the last time that they were asked for.
    pub fn changed(&mut self) -> Option<Vec<String>> {
        std::mem::take(&mut self.is_changed).then(|| self.lines.clone())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn found(log: &str) -> Vec<String> {
        let mut causes = LogCauses::default();
        causes.take(log);
        causes.end_line();
        causes.changed().unwrap_or_default()
    }

    /// Each log as its tool wrote it, shortened where `…` stands in the test data, and the lines that name the cause.
    #[test]
    fn the_cause_is_found_in_what_real_tools_write() {
        let folder = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/data/causes");
        let mut seen = 0;
        for entry in std::fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            if path.extension().is_none_or(|extension| extension != "log") {
                continue;
            }
            let log = std::fs::read_to_string(&path).unwrap();
            let wanted = std::fs::read_to_string(path.with_extension("cause")).unwrap();

            let found = found(&log);

            for line in wanted.lines() {
                assert!(
                    found.iter().any(|own| own == line),
                    "{}: {line} is not among {found:?}",
                    path.display()
                );
            }
            seen += 1;
        }
        assert!(seen >= 6, "{seen}");
    }

    #[test]
    fn ordinary_lines_are_no_causes() {
        let log = "Compiling errors v1.0\nrunning 3 tests\n0 errors\nerror-free build\nfailed = 0\nwarning: unused\n\
            Downloading error_chain\nGET /error 200\n  at Object.<anonymous> (x.js:1:1)\nfatality.txt\n";
        assert_eq!(found(log), Vec::<String>::new());
    }

    #[test]
    fn colours_do_not_hide_a_cause_and_the_first_ones_are_kept() {
        assert_eq!(
            found("\u{1b}[0m\u{1b}[1m\u{1b}[38;5;9merror\u{1b}[0m: no such command\n"),
            ["error: no such command"]
        );
        let many = (0..30).map(|number| format!("error: number {number}\n")).collect::<Vec<_>>().concat();
        let found = found(&many);
        assert_eq!((found.len(), found[0].as_str()), (MAX_LINES, "error: number 0"));
    }
}
