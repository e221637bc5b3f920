//! Blots out secrets in build output. Best effort: a net, not a wall.

use std::fmt;
use std::ops::Range;

use regex::Regex;

/// What stands in a secret's place.
const MARK: &str = "***";
/// Shortest known value that is looked for, in characters; a shorter one would blot out ordinary words.
const MIN_KNOWN: usize = 8;
/// Longest piece of a known value that is looked for as one, in bytes; well below [`Redactor::WINDOW`].
const MAX_PIECE: usize = 1_024;
/// Most lines that a private key without an end line takes with it; one of 8,192 bits has about 100.
const MAX_KEY_LINES: u32 = 120;

/// Begins a private key of any kind.
const KEY_BEGIN: &str = "-----BEGIN (?:[A-Z0-9]+ )*PRIVATE KEY(?: BLOCK)?-----";
/// Ends it.
const KEY_END: &str = "-----END (?:[A-Z0-9]+ )*PRIVATE KEY(?: BLOCK)?-----";

/// Secrets that tell themselves by how they begin. No word border is asked for in front: a colour sequence ends in
/// a letter. None is asked for behind: as much as there is goes.
const TOKENS: &[&str] = &[
    r"sbhook_[0-9A-Za-z_]{16,}",
    r"sbapi_[0-9A-Za-z]{16,}",
    r"gh[opsur]_[0-9A-Za-z_]{30,}",
    r"github_pat_[0-9A-Za-z_]{30,}",
    r"gl(?:pat|ptt|dt|rt|cbt|soat|ft|agent|imt|ffct|oas)-[0-9A-Za-z_.-]{20,}",
    r"xox[abeoprs](?:\.xox[bp])?-[0-9A-Za-z-]{10,}",
    r"xapp-[0-9]-[0-9A-Za-z-]{20,}",
    r"(?:AKIA|ASIA|ABIA|ACCA)[0-9A-Z]{16,}",
    r"npm_[0-9A-Za-z]{36,}",
    r"pypi-AgE[0-9A-Za-z_-]{40,}",
    r"[rs]k_(?:live|test)_[0-9A-Za-z]{16,}",
    r"whsec_[0-9A-Za-z+/=]{24,}",
    r"cf(?:k|[a-z]{1,2}t)_[0-9A-Za-z_-]{36,}",
    r"hf_[0-9A-Za-z]{30,}",
    r"do[opr]_v1_[0-9a-f]{32,}",
    r"SG\.[0-9A-Za-z_-]{16,}\.[0-9A-Za-z_-]{16,}",
    r"AIza[0-9A-Za-z_-]{35,}",
    r"ya29\.[0-9A-Za-z_-]{20,}",
    r"GOCSPX-[0-9A-Za-z_-]{20,}",
    r"sk-(?:ant|proj|svcacct|admin)-[0-9A-Za-z_-]{20,}",
    r"sk-[0-9A-Za-z]{40,}",
    r"dckr_(?:pat|oat)_[0-9A-Za-z_-]{20,}",
    r"shp(?:at|ca|pa|ss)_[0-9a-fA-F]{32,}",
    r"hv[bsr]\.[0-9A-Za-z_-]{24,}",
    r"glsa_[0-9A-Za-z]{32,}_[0-9a-f]{8,}",
    r"lin_api_[0-9A-Za-z]{32,}",
    r"ATATT3x[0-9A-Za-z_=-]{32,}",
    r"NRAK-[0-9A-Z]{20,}",
    r"AGE-SECRET-KEY-1[0-9A-Z]{50,}",
    r"eyJ[0-9A-Za-z_-]{8,}\.[0-9A-Za-z_-]{8,}(?:\.[0-9A-Za-z_-]*){0,3}",
];

/// Secrets that tell themselves by what stands before them; group 1 is the secret.
const LABELLED: &[&str] = &[
    r#"(?i-u:https?)://([^\s/?#"'<>]+)@"#,
    r#"[0-9A-Za-z+.-]+://([^\s/?#"'<>:]*:[^\s/?#"'<>]+)@"#,
    r#"(?i-u:authorization)\\?["']?\s*[:=]\s*\\?["']?(?:(?i-u:bearer|basic|token|digest|negotiate|apikey)\s+)?([^\s"'\\]{6,})"#,
    r#"(?i-u:aws_?secret_?access_?key)\\?["']?\s*[:=]\s*\\?["']?([0-9A-Za-z/+=]{30,})"#,
    r"(?:AccountKey|SharedAccessKey)=([0-9A-Za-z/+=]{30,})",
];

/// A scheme and its credentials anywhere; group 1 is the secret where it looks random.
const SCHEME: &str = r"(?i-u:bearer|basic)\s+([0-9A-Za-z._~+/=-]{8,})";

/// Replaces what looks like a secret, and what is known to be one, in lines of a log.
///
/// Holds the known values in memory; shows none of them in its debug output.
#[derive(Clone)]
pub struct Redactor {
    known: Vec<String>,
    tokens: Regex,
    labelled: Vec<Regex>,
    scheme: Regex,
    key_begin: Regex,
    key_end: Regex,
    /// Lines that the private key may still have; zero outside of one.
    key_lines_left: u32,
}

impl fmt::Debug for Redactor {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Redactor").field("known", &self.known.len()).finish_non_exhaustive()
    }
}

impl Default for Redactor {
    fn default() -> Self {
        Self::new([])
    }
}

impl Redactor {
    /// Bytes behind a place in a line that have to be seen for a secret around that place to be recognised.
    pub(super) const WINDOW: usize = 4_096;

    /// Takes the values that are known to be secret: each line of them that has at least 8 characters is looked for.
    pub fn new(secrets: impl IntoIterator<Item = String>) -> Self {
        let mut known: Vec<String> = secrets
            .into_iter()
            .flat_map(|value| {
                value.split(['\n', '\r']).flat_map(|line| pieces(line.trim())).collect::<Vec<_>>()
            })
            .collect();
        known.sort_unstable();
        known.dedup();
        Self {
            known,
            tokens: compile(&TOKENS.join("|")),
            labelled: LABELLED.iter().map(|pattern| compile(pattern)).collect(),
            scheme: compile(SCHEME),
            key_begin: compile(KEY_BEGIN),
            key_end: compile(KEY_END),
            key_lines_left: 0,
        }
    }

    /// Gives a line, without its end, with `***` in place of secrets. Lines have to come in their order, since a
    /// private key spans several.
    pub fn redact_line(&mut self, line: &str) -> String {
        let spans = self.secrets(line);
        blot(line, &spans)
    }

    /// Where the secrets of a line are: ascending and apart from each other.
    pub(super) fn secrets(&mut self, line: &str) -> Vec<Range<usize>> {
        let mut spans = Vec::new();
        let rest = self.private_key(line, &mut spans);
        for known in &self.known {
            spans.extend(
                line[rest..]
                    .match_indices(known.as_str())
                    .map(|(at, text)| rest + at..rest + at + text.len()),
            );
        }
        spans.extend(self.tokens.find_iter(&line[rest..]).map(|found| shift(found.range(), rest)));
        for pattern in &self.labelled {
            let groups = pattern.captures_iter(&line[rest..]).filter_map(|found| found.get(1));
            spans.extend(groups.map(|group| shift(group.range(), rest)));
        }
        let credentials = self.scheme.captures_iter(&line[rest..]).filter_map(|found| found.get(1));
        spans.extend(
            credentials.filter(|group| looks_random(group.as_str())).map(|group| shift(group.range(), rest)),
        );
        merge(spans)
    }

    /// Adds the parts of the line that belong to private keys, and gives the place from which the line is ordinary
    /// again: everything where no key reaches into this line from the one before.
    fn private_key(&mut self, line: &str, spans: &mut Vec<Range<usize>>) -> usize {
        let mut ordinary_from = 0;
        let mut at = 0;
        if self.key_lines_left > 0 {
            let end = self.key_end.find(line).map(|found| found.end());
            if !line.is_empty() {
                spans.push(0..end.unwrap_or(line.len()));
                self.key_lines_left -= 1;
            }
            let Some(end) = end else { return line.len() };
            (self.key_lines_left, ordinary_from, at) = (0, end, end);
        }
        while let Some(begin) = self.key_begin.find_at(line, at) {
            let end = self.key_end.find_at(line, begin.end()).map(|found| found.end());
            spans.push(begin.start()..end.unwrap_or(line.len()));
            let Some(end) = end else {
                self.key_lines_left = MAX_KEY_LINES;
                break;
            };
            at = end;
        }
        ordinary_from
    }
}

/// Writes the text with the mark in place of the spans.
pub(super) fn blot(text: &str, spans: &[Range<usize>]) -> String {
    let mut redacted = String::with_capacity(text.len());
    let mut at = 0;
    for span in spans {
        redacted.push_str(&text[at..span.start]);
        redacted.push_str(MARK);
        at = span.end;
    }
    redacted.push_str(&text[at..]);
    redacted
}

#[expect(clippy::expect_used, reason = "the patterns are constants, and each test compiles all of them")]
fn compile(pattern: &str) -> Regex {
    Regex::new(pattern).expect("the patterns are constants")
}

/// A line of a known value in pieces that the window can hold; nothing where the line is too short to look for.
fn pieces(line: &str) -> Vec<String> {
    if line.chars().count() < MIN_KNOWN {
        return Vec::new();
    }
    let mut pieces = Vec::new();
    let mut rest = line;
    while rest.len() > 2 * MAX_PIECE {
        let (piece, tail) = rest.split_at(rest.floor_char_boundary(MAX_PIECE));
        pieces.push(piece.to_owned());
        rest = tail;
    }
    pieces.push(rest.to_owned());
    pieces
}

/// Tells `dXNlcjpwYXNz` from `authentication`: a digit, or an upper-case letter behind a lower-case one.
fn looks_random(text: &str) -> bool {
    let mixed =
        text.bytes().skip_while(|byte| !byte.is_ascii_lowercase()).any(|byte| byte.is_ascii_uppercase());
    mixed || text.bytes().any(|byte| byte.is_ascii_digit())
}

fn shift(span: Range<usize>, by: usize) -> Range<usize> {
    span.start + by..span.end + by
}

/// Sorts, and joins what overlaps or touches.
fn merge(mut spans: Vec<Range<usize>>) -> Vec<Range<usize>> {
    spans.sort_unstable_by_key(|span| span.start);
    let mut merged: Vec<Range<usize>> = Vec::with_capacity(spans.len());
    for span in spans {
        match merged.last_mut() {
            Some(last) if span.start <= last.end => last.end = last.end.max(span.end),
            _ => merged.push(span),
        }
    }
    merged
}

#[cfg(test)]
mod tests {
    use super::*;

    fn redact(line: &str) -> String {
        Redactor::default().redact_line(line)
    }

    #[test]
    fn the_words_around_a_secret_stay() {
        let token = format!("{}{}", "ghp_", "a1B2".repeat(9));

        assert_eq!(
            redact(&format!("fetch https://user:p@ss@git.example.com/x with {token}, done")),
            "fetch https://***@git.example.com/x with ***, done"
        );
        assert_eq!(redact("Authorization: Bearer abcdef123456"), "Authorization: Bearer ***");
        assert_eq!(
            redact(r#"curl -H "Authorization: Basic dXNlcjpwYXNz" x"#),
            r#"curl -H "Authorization: Basic ***" x"#
        );
        assert_eq!(redact(&format!("\u{1b}[32m{token}\u{1b}[0m")), "\u{1b}[32m***\u{1b}[0m");
        assert_eq!(redact("postgres://app:secret@db/x"), "postgres://***@db/x");
    }

    #[test]
    fn known_values_go_from_eight_characters_and_line_by_line() {
        let mut redactor = Redactor::new([
            "hunter2".to_owned(),
            "correct horse".to_owned(),
            "first line\n  second line \nx".to_owned(),
        ]);

        assert_eq!(redactor.redact_line("hunter2 x"), "hunter2 x");
        assert_eq!(redactor.redact_line("a correct horse battery"), "a *** battery");
        assert_eq!(redactor.redact_line("first line, then second line"), "***, then ***");
        assert!(!format!("{redactor:?}").contains("horse"));
    }

    #[test]
    fn a_very_long_known_value_goes_as_one() {
        let value = "0123456789abcde-".repeat(2_000);

        assert_eq!(Redactor::new([value.clone()]).redact_line(&format!("<{value}>")), "<***>");
    }

    #[test]
    fn a_private_key_goes_with_all_its_lines_and_the_log_goes_on_behind_it() {
        let mut redactor = Redactor::default();
        let begin = format!("key: -----BEGIN {} KEY-----", "RSA PRIVATE");
        let end = format!("-----END {} KEY----- done", "RSA PRIVATE");

        let lines: Vec<_> = [begin.as_str(), "MIIEow", "", "#8 0.1 AbC=", &end, "after"]
            .map(|line| redactor.redact_line(line))
            .into();

        assert_eq!(lines, ["key: ***", "***", "", "***", "*** done", "after"]);
    }

    #[test]
    fn a_private_key_on_one_line_and_one_without_end_do_not_eat_the_log() {
        let mut redactor = Redactor::default();
        let (begin, end) = ("-----BEGIN PRIVATE KEY-----", "-----END PRIVATE KEY-----");

        assert_eq!(
            redactor.redact_line(&format!(r#"{{"k":"{begin}\nMII\n{end}\n","a":1}}"#)),
            r#"{"k":"***\n","a":1}"#
        );
        assert_eq!(redactor.redact_line("after"), "after");
        redactor.redact_line(begin);
        let eaten = (0..1_000).take_while(|_| redactor.redact_line("text") == MARK).count();
        assert_eq!(eaten, MAX_KEY_LINES as usize);
    }

    #[test]
    fn what_only_resembles_a_secret_stays() {
        for line in [
            "ghp and ghp_ and ghp_short",
            "HEAD is now at 4f2c1d7e8b9a0c1d2e3f4a5b6c7d8e9f0a1b2c3d",
            "sha256:9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08",
            "123e4567-e89b-12d3-a456-426614174000",
            "dep_mwuangvh9xk2mq7rz4tb dep-mwuangvh9xk2mq7rz4tb",
            "https://deploy.example.com/deploys/dep_mwuangvh9xk2mq7rz4tb",
            "npm http fetch GET 200 https://registry.npmjs.org/@types/node 12ms",
            "http://localhost:3000/@vite/client",
            "Cloning ssh://git@git.example.com/acme/api.git",
            "git@git.example.com:acme/api.git",
            "Basic internationalization of bearer documentation",
            "basic usage: Bearer authentication",
            "npm_config_cache=/tmp/x npm_lifecycle_event=build",
            "task-with-a-very-long-name-that-goes-on-and-on-and-on disk-usage",
            "cfg_if cfg_attr_with_many_words_inside_of_a_long_name_here",
            "shelf_life self_reference",
            "-----BEGIN CERTIFICATE-----",
            "-----BEGIN PUBLIC KEY-----",
            "AKIA and ASIA are prefixes",
            "eyJ is how a JWT begins",
            "me@example.com wrote: 50% done",
            "sk_live_ sk-learn scikit-learn==1.5.0",
            "integrity sha512-9NET910DNaIPngYnLLPeg+Ogzqsi9uM4mSboU5y6p8S5DzMTVEsJZrawi+BoDNUVBa2DhJqQYUFvMDfgU062LQ==",
        ] {
            assert_eq!(redact(line), line);
        }
    }
}
