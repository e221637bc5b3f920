//! Makes redacted text out of raw output: bytes cut anywhere go in, whole lines come out.

use super::Redactor;
use super::redaction::blot;

/// Longest line, in bytes of text; the rest of a longer one is dropped.
const MAX_LINE: usize = 16 * 1_024;
/// Bytes of a line that are held: its kept part, and enough behind it to recognise a secret around the cut.
const MAX_HELD: usize = MAX_LINE + Redactor::WINDOW;
/// Stands where a line was cut.
const CUT_MARK: &str = " … (line cut at 16 KiB)";

/// Splits raw output into lines and redacts them.
///
/// A line ends with `\n` or `\r` and is held back until then, so that no secret can hide on a border between two
/// pieces. Control characters but tab, the two line ends and escape are dropped before secrets are looked for; what
/// is not UTF-8 becomes `U+FFFD`.
#[derive(Debug)]
pub struct LogLines {
    redactor: Redactor,
    /// The line so far; at most [`MAX_HELD`] bytes.
    line: Vec<u8>,
    /// Whether the line has been given out, cut, and its rest is dropped.
    cut: bool,
}

impl LogLines {
    /// Begins with an empty line.
    pub const fn new(redactor: Redactor) -> Self {
        Self { redactor, line: Vec::new(), cut: false }
    }

    /// Takes the next bytes and gives the lines that they complete, with their ends; often nothing.
    pub fn push(&mut self, bytes: &[u8]) -> String {
        let mut out = String::new();
        for piece in bytes.split_inclusive(|byte| matches!(byte, b'\n' | b'\r')) {
            let (content, end) = match piece.split_last() {
                Some((end @ (b'\n' | b'\r'), content)) => (content, Some(char::from(*end))),
                _ => (piece, None),
            };
            self.extend(content, &mut out);
            if let Some(end) = end {
                self.end_line(&mut out);
                out.push(end);
            }
        }
        out
    }

    /// Gives the line that has not ended; to be called when the output has.
    pub fn finish(&mut self) -> String {
        let mut out = String::new();
        self.end_line(&mut out);
        out
    }

    /// Whether a line has begun and not ended.
    pub const fn is_within_line(&self) -> bool {
        !self.line.is_empty() || self.cut
    }

    fn extend(&mut self, content: &[u8], out: &mut String) {
        if self.cut {
            return;
        }
        let room = MAX_HELD - self.line.len();
        let mut kept = content.iter().copied().filter(|&byte| is_kept(byte));
        self.line.extend(kept.by_ref().take(room));
        if kept.next().is_some() {
            self.give(true, out);
            self.cut = true;
        }
    }

    fn end_line(&mut self, out: &mut String) {
        if !self.cut {
            self.give(false, out);
        }
        self.cut = false;
    }

    /// Gives the held line. `more` tells that it goes on beyond what is held, so that a secret which reaches to the
    /// end of what is held may be there in part only.
    fn give(&mut self, more: bool, out: &mut String) {
        let text: String = String::from_utf8_lossy(&self.line)
            .chars()
            .filter(|&c| !c.is_control() || c == '\t' || c == '\u{1b}')
            .collect();
        self.line.clear();
        let mut spans = self.redactor.secrets(&text);
        let sure = if more { text.len().saturating_sub(Redactor::WINDOW) } else { text.len() };
        if !more && sure <= MAX_LINE {
            out.push_str(&blot(&text, &spans));
            return;
        }
        let end = text.floor_char_boundary(sure.min(MAX_LINE));
        spans.retain(|span| span.start < end);
        // A secret that reaches over the cut goes as a whole, mark included.
        let end = spans.last().map_or(end, |last| end.max(last.end));
        out.push_str(&blot(&text[..end], &spans));
        out.push_str(CUT_MARK);
    }
}

/// Bytes of ASCII control characters go, but tab and escape; line ends do not arrive here.
const fn is_kept(byte: u8) -> bool {
    !byte.is_ascii_control() || matches!(byte, b'\t' | 0x1b)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Prefix, count of characters behind it, and the alphabet: made here, so that no scanner takes this file for a
    /// leak.
    const SAMPLES: &[(&str, usize, &str)] = &[
        ("ghp_", 36, "a1B2"),
        ("gho_", 36, "a1B2"),
        ("ghu_", 36, "a1B2"),
        ("ghs_", 36, "a1B2"),
        ("ghr_", 36, "a1B2"),
        ("github_pat_", 82, "11A_"),
        ("glpat-", 20, "x-Y1"),
        ("glptt-", 40, "0a1b"),
        ("gldt-", 20, "x_Y1"),
        ("glrt-", 20, "x_Y1"),
        ("glcbt-", 20, "x_Y1"),
        ("glsoat-", 20, "x_Y1"),
        ("glagent-", 50, "x_Y1"),
        ("xoxb-", 50, "12a-"),
        ("xoxp-", 50, "12a-"),
        ("xoxa-", 50, "12a-"),
        ("xoxo-", 50, "12a-"),
        ("xoxr-", 50, "12a-"),
        ("xoxs-", 50, "12a-"),
        ("xoxe.xoxp-", 50, "1Aa-"),
        ("xapp-1-", 60, "A1a-"),
        ("AKIA", 16, "A2B3"),
        ("ASIA", 16, "A2B3"),
        ("ABIA", 16, "A2B3"),
        ("npm_", 36, "a1B2"),
        ("pypi-AgEIcHlwaS5vcmc", 150, "a1_B"),
        ("pypi-AgENdGVzdC5weXBpLm9yZw", 150, "a1-B"),
        ("sk_live_", 24, "a1B2"),
        ("rk_live_", 24, "a1B2"),
        ("sk_test_", 24, "a1B2"),
        ("whsec_", 32, "a1B2"),
        ("cfut_", 48, "a1B2"),
        ("cfat_", 48, "a1B2"),
        ("cfk_", 48, "a1B2"),
        ("sbhook_0123456789ab_0", 70, "a1B2"),
        ("sbapi_0", 70, "a1B2"),
        ("hf_", 34, "abCd"),
        ("dop_v1_", 64, "0a1f"),
        ("doo_v1_", 64, "0a1f"),
        ("dor_v1_", 64, "0a1f"),
        ("SG.aaaaaaaaaaaaaaaaaaaaaa.", 43, "a1-_"),
        ("AIza", 35, "a1-_"),
        ("ya29.", 100, "a1-_"),
        ("GOCSPX-", 28, "a1-_"),
        ("sk-ant-", 90, "a1-_"),
        ("sk-proj-", 90, "a1-_"),
        ("sk-", 48, "a1B2"),
        ("dckr_pat_", 27, "a1-_"),
        ("shpat_", 32, "0a1f"),
        ("hvs.", 90, "a1-_"),
        ("glsa_aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa_", 8, "0a1f"),
        ("lin_api_", 40, "a1B2"),
        ("ATATT3x", 180, "a1-="),
        ("NRAK-", 27, "A1B2"),
        ("AGE-SECRET-KEY-1", 58, "Q2Z3"),
        ("eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiIxIn0.", 43, "a1-_"),
        ("eyJhbGciOiJub25lIn0.eyJzdWIiOiIx", 40, "a1-_"),
        ("known value of the service ", 3, "xyz"),
    ];
    /// What stands before the secret, and what behind.
    const FRAMED: &[(&str, &str, &str)] = &[
        ("https://", "user:pw0rdpw0rd", "@git.example.com/x"),
        ("HTTPS://", "tokentokentoken", "@git.example.com/x"),
        ("http://", "user:p@ss:w0rd", "@h:8080/x"),
        ("postgres://", "app:pw0rdpw0rd", "@db:5432/app"),
        ("redis://", ":pw0rdpw0rd", "@cache"),
        ("mongodb+srv://", "app:pw0rdpw0rd", "@c.example.com/?w=1"),
        ("Authorization: Bearer ", "opaquetoken", ""),
        ("authorization: basic ", "dXNlcjpwYXNz", ""),
        ("Authorization: token ", "opaquetoken", ""),
        ("Proxy-Authorization: Basic ", "dXNlcjpwYXNz", ""),
        (r#"{"Authorization":"Bearer "#, "opaquetoken", r#""}"#),
        (r#"-H "Authorization: "#, "opaquetoken", r#"""#),
        ("using Bearer ", "0a1b2c3d4e5f", " now"),
        ("sent Basic ", "dXNlcjpwYXNz", " now"),
        ("aws_secret_access_key = ", "wJalrXUtnFEMIxK7MDENGxbPxRfiCYEXAMPLEKEY", ""),
        (r#""AWS_SECRET_ACCESS_KEY": ""#, "wJalrXUtnFEMIxK7MDENGxbPxRfiCYEXAMPLEKEY", r#"""#),
        ("AccountKey=", "wJalrXUtnFEMIxK7MDENGxbPxRfiCYEXAMPLEKEY==", ";"),
    ];

    fn lines() -> LogLines {
        LogLines::new(Redactor::new(["known value of the service xyz".to_owned()]))
    }

    /// All samples: what stands before, the secret, what stands behind.
    fn samples() -> Vec<(String, String, String)> {
        let tokens = SAMPLES.iter().map(|&(prefix, count, alphabet)| {
            let secret = prefix.chars().chain(alphabet.chars().cycle().take(count)).collect::<String>();
            ("value=".to_owned(), secret, " next".to_owned())
        });
        let framed = FRAMED
            .iter()
            .map(|&(before, secret, after)| (before.to_owned(), secret.to_owned(), after.to_owned()));
        tokens.chain(framed).collect()
    }

    #[test]
    fn no_sample_leaks_at_any_split_offset() {
        let samples = samples();
        assert!(samples.len() >= 60, "{}", samples.len());
        let mut lines = lines();

        for (before, secret, after) in samples {
            let input = format!("{before}{secret}{after}\n");
            for at in 0..=input.len() {
                let output = lines.push(&input.as_bytes()[..at]) + &lines.push(&input.as_bytes()[at..]);
                assert_eq!(output, format!("{before}***{after}\n"), "split at {at}");
            }
        }
    }

    #[test]
    fn no_sample_leaks_around_the_cut() {
        let mut lines = lines();
        for (before, secret, after) in samples() {
            for inside in [1, 2, secret.len() / 2, secret.len() - 1] {
                let head = " ".repeat(MAX_LINE - inside - before.len()) + &before;
                for tail in [String::new(), "y ".repeat(MAX_LINE)] {
                    let output = lines.push(format!("{head}{secret}{after}{tail}\n").as_bytes());

                    assert!(
                        output == format!("{head}***{CUT_MARK}\n"),
                        "{inside} {secret} {}",
                        output.trim_start()
                    );
                }
            }
        }
    }

    #[test]
    fn a_known_value_longer_than_the_window_does_not_leak_around_the_cut() {
        let value = "0123456789abcdef".repeat(2_000);
        let mut lines = LogLines::new(Redactor::new([value.clone()]));

        let output = lines.push(format!("{}{value}\n", "x ".repeat(5_000)).as_bytes());

        assert_eq!(output, format!("{}***{CUT_MARK}\n", "x ".repeat(5_000)));
    }

    #[test]
    fn a_private_key_does_not_leak_at_any_split_offset() {
        let key = format!(
            "-----BEGIN {0} KEY-----\r\nMIIEowIBAAKCAQEA\r\nq2s=\r\n-----END {0} KEY-----\r\nafter\r\n",
            "OPENSSH PRIVATE"
        );
        let mut lines = lines();

        for at in 0..=key.len() {
            let output = lines.push(&key.as_bytes()[..at]) + &lines.push(&key.as_bytes()[at..]);
            assert_eq!(output, "***\r\n***\r\n***\r\n***\r\nafter\r\n");
        }
    }

    #[test]
    fn a_line_is_held_until_it_ends_and_the_last_one_until_the_end() {
        let mut lines = lines();

        assert_eq!(lines.push(b"one"), "");
        assert_eq!(lines.push(b" line\nand 10%\rand "), "one line\nand 10%\r");
        assert_eq!(lines.push("\u{fc}".as_bytes().split_at(1).0), "");
        assert_eq!(lines.push(&"\u{fc}".as_bytes()[1..]), "");
        assert_eq!(lines.finish(), "and \u{fc}");
        assert_eq!(lines.finish(), "");
    }

    #[test]
    fn control_characters_go_and_cannot_hide_a_secret() {
        let token = format!("gh\0p_\u{7f}{}\u{9b}{}", "a1B2".repeat(5), "a1B2".repeat(4));

        let output = lines().push(format!("\u{1b}[1m\ttext\u{8}\u{7}\u{1b}[0m {token} \n").as_bytes());

        assert_eq!(output, "\u{1b}[1m\ttext\u{1b}[0m *** \n");
    }

    #[test]
    fn what_is_not_utf_8_is_shown_as_such() {
        assert_eq!(lines().push(b"a\xffb\xc3\n"), "a\u{fffd}b\u{fffd}\n");
    }

    #[test]
    fn a_long_line_is_cut_once_and_the_next_one_is_whole() {
        let mut lines = lines();
        let mut output = String::new();

        for _ in 0..1_000 {
            output += &lines.push(&[b'x'; 100]);
        }
        output += &lines.push(b"\nnext\n");

        assert_eq!(output, format!("{}{CUT_MARK}\nnext\n", "x".repeat(MAX_LINE)));
        let exact = "x".repeat(MAX_LINE) + "\n";
        assert_eq!(lines.push(exact.as_bytes()), exact);
    }

    proptest::proptest! {
        #[test]
        fn any_bytes_give_the_same_text_however_they_are_cut(bytes: Vec<u8>, at: proptest::sample::Index) {
            let at = at.index(bytes.len() + 1);
            let (mut whole, mut split) = (lines(), lines());

            let expected = whole.push(&bytes) + &whole.finish();
            let output = split.push(&bytes[..at]) + &split.push(&bytes[at..]) + &split.finish();

            proptest::prop_assert_eq!(output, expected);
        }
    }
}
