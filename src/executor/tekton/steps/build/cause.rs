//! Why a build failed: from what the builder says to an exit code, a sentence of ours and the builder's own line. Pure.
//!
//! The texts are BuildKit's (0.34); one that is not known here is told by its own line alone.

use std::sync::LazyLock;

use regex::Regex;

use crate::executor::exit_codes::{BUILD_FAILED, PUSH_FAILED, of_failed_build};
use crate::executor::step_failure::StepFailure;

use super::progress::FailedStep;

/// What begins the reason of a push that failed.
const PUSH: &str = "failed to push ";
/// What its client puts before the reason.
const PREFIX: &str = "error: ";
const SOLVE_PREFIX: &str = "failed to solve: ";
/// What it says of a RUN that failed, before the exit code.
const EXIT_CODE: &str = "did not complete successfully: exit code: ";
/// An exit code that means that the process was stopped since something else failed.
const STOPPED: u32 = u32::MAX;

/// Errors by what they say, and what that means. The first that fits counts.
const SENTENCES: &[(&str, &str)] = &[
    ("no space left on device", "the disk of the build is full"),
    ("cannot allocate memory", "the build needed more memory than there was"),
    ("target stage", "the Dockerfile has no stage of the name that the setting target says"),
    ("dockerfile parse error", "the Dockerfile cannot be read"),
    ("unknown instruction", "the Dockerfile cannot be read"),
    ("file with no instructions", "the Dockerfile is empty"),
    ("Dockerfile cannot be empty", "the Dockerfile is empty"),
    ("failed to read dockerfile", "the Dockerfile cannot be read"),
    ("(did you mean ", "a stage of the Dockerfile is misspelt, or a base image was not found"),
    (
        "failed to calculate checksum",
        "the Dockerfile takes a file that the build does not see: it is missing, or ignored",
    ),
    (
        "failed to compute cache key",
        "the Dockerfile takes a file that the build does not see: it is missing, or ignored",
    ),
    ("secret ", "the build asks for a secret that the setting buildSecrets does not name"),
    ("pull access denied", "a base image is not there, or its registry wants another credential"),
    ("failed to authorize", "a registry refused the credential"),
    ("401 Unauthorized", "a registry refused the credential"),
    ("403 Forbidden", "a registry refused the credential"),
    (
        "x509:",
        "the certificate of a registry is not trusted; its authority belongs into key ca.crt of the registry Secret",
    ),
    ("server gave HTTP response to HTTPS client", "a registry speaks http; name it with --insecure-registry"),
    ("no such host", "a registry could not be reached"),
    ("connection refused", "a registry could not be reached"),
    ("i/o timeout", "a registry could not be reached"),
    ("failed to resolve source metadata", "a base image was not found"),
    ("failed to load cache key", "something that the Dockerfile adds could not be fetched"),
];

/// What is known of a build that failed.
pub(super) struct Evidence {
    /// The step that failed, where one did.
    pub(super) failed: Option<FailedStep>,
    /// What the client said in the end.
    pub(super) plain: Vec<String>,
}

impl Evidence {
    /// Why it failed.
    pub(super) fn cause(&self) -> StepFailure {
        let said = self.said();
        let is_push = said.starts_with(PUSH);
        let (code, sentence) = match exit_code(&said) {
            Some(code) if !is_push => (of_failed_build(i32::try_from(code).ok()), ended_with(code)),
            _ if is_push => (PUSH_FAILED, pushed_to_nobody(&said)),
            _ => (
                BUILD_FAILED,
                known(&said).unwrap_or("the builder refused the build; the log says why").to_owned(),
            ),
        };
        let place =
            self.line_number().map(|line| format!(" (line {line} of the Dockerfile)")).unwrap_or_default();
        StepFailure::new(code, format!("{sentence}{place}")).with_detail(said)
    }

    /// What the builder itself says, in one line. Its client's last words know more than the instruction that failed.
    fn said(&self) -> String {
        let begin = self.plain.iter().rposition(|line| line.starts_with(PREFIX));
        let lines = begin.map_or(&[][..], |begin| &self.plain[begin..]);
        let said = lines.join(" ");
        let said = said.strip_prefix(PREFIX).map(|said| said.strip_prefix(SOLVE_PREFIX).unwrap_or(said));
        let said = said.map(|said| said.trim_end().to_owned());
        let of_step = || self.failed.as_ref().map(|failed| failed.error.clone());
        let last = || self.plain.iter().rev().find(|line| !line.trim().is_empty()).cloned();
        said.or_else(of_step).or_else(last).unwrap_or_default()
    }

    /// The client shows the Dockerfile around the place, under `NAME:LINE`.
    fn line_number(&self) -> Option<u32> {
        static ERROR: LazyLock<Option<Regex>> = LazyLock::new(|| Regex::new(r"error on line (\d+)").ok());
        let shown = self.plain.iter().find_map(|line| line.rsplit_once(':')?.1.parse().ok());
        shown.or_else(|| {
            let said = self.said();
            ERROR.as_ref()?.captures(&said)?.get(1)?.as_str().parse().ok()
        })
    }
}

fn exit_code(said: &str) -> Option<u32> {
    let code = said.rsplit_once(EXIT_CODE)?.1.split_whitespace().next()?.parse().ok()?;
    (code != STOPPED).then_some(code)
}

fn ended_with(code: u32) -> String {
    match code {
        137 => "an instruction was killed (exit code 137): it needed more memory than there was, or was told to end".to_owned(),
        126 | 127 => format!("an instruction ended with exit code {code}: a program is missing or cannot be run"),
        _ => format!("an instruction ended with exit code {code}"),
    }
}

fn pushed_to_nobody(said: &str) -> String {
    let why = known(said).unwrap_or("the log says why");
    format!("the image was built and could not be pushed: {why}")
}

fn known(said: &str) -> Option<&'static str> {
    SENTENCES.iter().find(|(text, _)| said.contains(text)).map(|(_, sentence)| *sentence)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn cause(step: &str, error: &str, plain: &str) -> (u8, String, String) {
        let failed = Some(FailedStep { name: step.to_owned(), error: error.to_owned() });
        let failed = failed.filter(|failed| !failed.name.is_empty());
        let evidence = Evidence { failed, plain: plain.lines().map(str::to_owned).collect() };
        let StepFailure { code, message, detail } = evidence.cause();
        (code, message, detail.unwrap_or_default())
    }

    #[test]
    fn the_exit_code_of_a_run_and_its_line_are_told() {
        let plain = "Dockerfile:3\n----\n   3 | >>> RUN exit 7\n----\nerror: failed to solve: process \"/bin/sh -c exit 7\" \
            did not complete successfully: exit code: 7";

        let (code, message, detail) = cause("[3/3] RUN exit 7", "exit code: 7", plain);

        assert_eq!(
            (code, message.as_str()),
            (7, "an instruction ended with exit code 7 (line 3 of the Dockerfile)")
        );
        assert_eq!(detail, "process \"/bin/sh -c exit 7\" did not complete successfully: exit code: 7");
    }

    #[test]
    fn a_code_that_would_be_read_as_something_else_is_a_failed_build() {
        let said = |code| {
            format!("error: failed to solve: process \"x\" did not complete successfully: exit code: {code}")
        };

        assert_eq!(cause("", "", &said("137")).0, 137);
        assert_eq!(cause("", "", &said("91")).0, BUILD_FAILED);
        assert_eq!(cause("", "", &said("4294967295")).0, BUILD_FAILED);
    }

    #[test]
    fn a_push_that_failed_is_one_whatever_it_says() {
        let (code, message, _) = cause(
            "exporting to image",
            "failed to push r.example.com/x:t: unexpected status from HEAD request to https://x: 401 Unauthorized",
            "",
        );

        assert_eq!(code, PUSH_FAILED);
        assert_eq!(message, "the image was built and could not be pushed: a registry refused the credential");
    }

    #[test]
    fn errors_without_an_instruction_are_sentences_too() {
        for (said, told) in [
            (
                "dockerfile parse error on line 2: unknown instruction: RUNN (did you mean RUN?)",
                "cannot be read (line 2",
            ),
            ("target stage \"two\" could not be found", "no stage"),
            (
                "failed to compute cache key: failed to calculate checksum of ref a::b: \"/x\": not found",
                "takes a file",
            ),
            (
                "r/x:1: failed to resolve source metadata for r/x:1: r/x:1: not found",
                "a base image was not found",
            ),
            ("b: failed to do request: dial tcp: lookup r on h: no such host (did you mean a?)", "misspelt"),
            ("secret token: not found", "buildSecrets"),
            ("something new", "the log says why"),
        ] {
            let (code, message, detail) = cause("", "", &format!("error: failed to solve: {said}\n"));
            assert!(code == BUILD_FAILED && message.contains(told), "{said}: {message}");
            assert_eq!(detail, said);
        }
    }

    #[test]
    fn a_reason_of_several_lines_becomes_one() {
        let plain =
            "error: failed to solve: failed to fetch remote x: git stderr:\nfatal: no\n: exit status 128\n";

        assert_eq!(
            cause("", "", plain).2,
            "failed to fetch remote x: git stderr: fatal: no : exit status 128"
        );
    }
}
