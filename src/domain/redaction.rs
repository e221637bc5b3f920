//! Blots out secrets in build output. Best effort: a net, not a wall.

use std::fmt;
use std::ops::Range;
use std::sync::LazyLock;

use aho_corasick::AhoCorasick;
use regex::Regex;

use super::secret_forms;

/// What stands in a secret's place.
const MARK: &str = "***";
/// Bytes of the shortest line that can hold a secret.
const SHORTEST: usize = 8;
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

/// What may go on as a secret that tells itself by what stands before it, or by its beginning alone.
const BEGUN: &[&str] = &[
    r#"[0-9A-Za-z+.-]+://([^\s/?#"'<>]*)$"#,
    r#"(?i-u:authorization)\\?["']?\s*[:=]\s*\\?["']?(?:(?i-u:bearer|basic|token|digest|negotiate|apikey)\s+)?([^\s"'\\]*)$"#,
    r#"(?i-u:aws_?secret_?access_?key)\\?["']?\s*[:=]\s*\\?["']?([0-9A-Za-z/+=]*)$"#,
    r"(?:AccountKey|SharedAccessKey)=([0-9A-Za-z/+=]*)$",
    r"(?i-u:bearer|basic)\s+([0-9A-Za-z._~+/=-]+)$",
    r"eyJ[0-9A-Za-z_.-]*$",
    r"SG\.[0-9A-Za-z_.-]*$",
    r"glsa_[0-9A-Za-z_]*$",
    r"-----BEGIN (?:[A-Z0-9]+ )*PRIVATE KEY(?: BLOCK)?-----.*$",
];

/// A pattern that finds all that one of these finds, and more: it does not count, so that it is a small automaton.
fn loose<'a>(patterns: impl IntoIterator<Item = &'a str>) -> String {
    let count = compile(r"\{[0-9]+(?:,[0-9]*)?\}");
    let any: Vec<_> =
        patterns.into_iter().map(|pattern| count.replace_all(pattern, "*").into_owned()).collect();
    format!("(?:{})", any.join("|"))
}

/// The tokens as far as they have come.
fn begun_tokens() -> Regex {
    compile(&format!("{}$", loose(TOKENS.iter().copied())))
}

/// Whatever may hold a secret of any kind. Most lines do not, and are looked at once instead of by each pattern.
fn suspicious() -> Regex {
    compile(&loose(TOKENS.iter().chain(LABELLED).copied().chain([SCHEME, KEY_BEGIN])))
}

/// The patterns, made once.
struct Patterns {
    suspicious: Regex,
    tokens: Regex,
    labelled: Vec<Regex>,
    scheme: Regex,
    /// What may go on as a secret, to the end of the line.
    begun: Vec<Regex>,
    key_begin: Regex,
    key_end: Regex,
}

static PATTERNS: LazyLock<Patterns> = LazyLock::new(|| Patterns {
    suspicious: suspicious(),
    tokens: compile(&TOKENS.join("|")),
    labelled: LABELLED.iter().map(|pattern| compile(pattern)).collect(),
    scheme: compile(SCHEME),
    begun: BEGUN.iter().map(|pattern| compile(pattern)).chain([begun_tokens()]).collect(),
    key_begin: compile(KEY_BEGIN),
    key_end: compile(KEY_END),
});

/// Replaces what looks like a secret, and what is known to be one, in lines of a log.
///
/// Holds the known values in memory; shows none of them in its debug output.
#[derive(Clone, Default)]
pub struct Redactor {
    /// Known values in all their forms, sorted.
    known: Vec<String>,
    search: Option<AhoCorasick>,
    /// Lines that the private key may still have; zero outside of one.
    key_lines_left: u32,
}

impl fmt::Debug for Redactor {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Redactor").field("known", &self.known.len()).finish_non_exhaustive()
    }
}

impl Redactor {
    /// Bytes behind a place in a line that have to be seen for a secret around that place to be recognised.
    pub(super) const WINDOW: usize = 4_096;

    /// Stands in a secret's place.
    pub(super) const MARK: &str = MARK;

    /// Takes the values that are known to be secret: each line of them that has at least 8 characters is looked for, as it
    /// is and in the forms in which tools write it.
    pub fn new(secrets: impl IntoIterator<Item = String>) -> Self {
        let mut known: Vec<String> = secrets.into_iter().flat_map(|value| secret_forms::of(&value)).collect();
        known.sort_unstable();
        known.dedup();
        Self { search: AhoCorasick::new(&known).ok().filter(|_| !known.is_empty()), known, key_lines_left: 0 }
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
        if line.len() < SHORTEST && self.key_lines_left == 0 {
            return spans;
        }
        let is_plain = self.key_lines_left == 0 && !PATTERNS.suspicious.is_match(line);
        let rest = if is_plain { 0 } else { self.private_key(line, &mut spans) };
        if let Some(search) = &self.search {
            // One may be inside of another.
            let found = search.find_overlapping_iter(&line[rest..]);
            spans.extend(found.map(|found| shift(found.range(), rest)));
        }
        if is_plain {
            return merge(spans);
        }
        spans.extend(PATTERNS.tokens.find_iter(&line[rest..]).map(|found| shift(found.range(), rest)));
        for pattern in &PATTERNS.labelled {
            let groups = pattern.captures_iter(&line[rest..]).filter_map(|found| found.get(1));
            spans.extend(groups.map(|group| shift(group.range(), rest)));
        }
        let credentials = PATTERNS.scheme.captures_iter(&line[rest..]).filter_map(|found| found.get(1));
        spans.extend(
            credentials.filter(|group| looks_random(group.as_str())).map(|group| shift(group.range(), rest)),
        );
        merge(spans)
    }

    /// The same for a line that goes on, which is looked at again when more of it is there.
    pub(super) fn peek(&mut self, line: &str) -> Vec<Range<usize>> {
        let before = self.key_lines_left;
        let spans = self.secrets(line);
        self.key_lines_left = before;
        spans
    }

    /// Up to which byte a line that goes on can be shown: what is behind may be the beginning of a secret.
    pub(super) fn sure(&self, line: &str) -> usize {
        if self.key_lines_left > 0 {
            return 0;
        }
        let begun = PATTERNS.begun.iter().filter_map(|pattern| {
            let found = pattern.captures(line)?;
            Some(found.get(1).or_else(|| found.get(0))?.start())
        });
        let sure = begun.chain([line.len()]).min().unwrap_or(0);
        self.known_begun(line).unwrap_or(line.len()).min(sure)
    }

    /// Where a known value begins that the line ends in the middle of.
    fn known_begun(&self, line: &str) -> Option<usize> {
        let longest = self.known.iter().map(String::len).max()?;
        let first = line.ceil_char_boundary(line.len().saturating_sub(longest));
        let mut places = line[first..].char_indices().map(|(at, _)| first + at);
        places.find(|&at| {
            let rest = &line[at..];
            let next = self.known.partition_point(|known| known.as_str() < rest);
            self.known.get(next).is_some_and(|known| known.starts_with(rest))
        })
    }

    /// Adds the parts of the line that belong to private keys, and gives the place from which the line is ordinary
    /// again: everything where no key reaches into this line from the one before.
    fn private_key(&mut self, line: &str, spans: &mut Vec<Range<usize>>) -> usize {
        let mut ordinary_from = 0;
        let mut at = 0;
        if self.key_lines_left > 0 {
            let end = PATTERNS.key_end.find(line).map(|found| found.end());
            if !line.is_empty() {
                spans.push(0..end.unwrap_or(line.len()));
                self.key_lines_left -= 1;
            }
            let Some(end) = end else { return line.len() };
            (self.key_lines_left, ordinary_from, at) = (0, end, end);
        }
        while let Some(begin) = PATTERNS.key_begin.find_at(line, at) {
            let end = PATTERNS.key_end.find_at(line, begin.end()).map(|found| found.end());
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
    use proptest::strategy::{Strategy, ValueTree};

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

    /// What the one look at a line passes over, no pattern finds.
    #[test]
    fn every_kind_of_secret_is_suspicious() {
        let labelled = [
            "https://user:pass@host/x",
            "postgres://app:secret@db/x",
            "authorization: bearer abcdef123456",
            "aws_secret_access_key = AAAAAAAAAABBBBBBBBBBCCCCCCCCCC",
            "AccountKey=AAAAAAAAAABBBBBBBBBBCCCCCCCCCC",
            "Basic dXNlcjpwYXNz",
        ];
        for line in labelled {
            assert!(PATTERNS.suspicious.is_match(line) && redact(line).contains(MARK), "{line}");
        }
        let mut runner = proptest::test_runner::TestRunner::deterministic();
        for pattern in TOKENS.iter().chain([&KEY_BEGIN]) {
            let strategy = proptest::string::string_regex(pattern).unwrap();
            let secret = strategy.new_tree(&mut runner).unwrap().current();
            let line = format!("before {secret} behind");
            assert!(redact(&line).contains(MARK), "{line}");
        }
    }
}
