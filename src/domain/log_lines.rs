//! Makes redacted text out of raw output: bytes cut anywhere go in, lines as a terminal would show them come out.
//!
//! A line is kept when it ends: with a line feed, at 16 KiB, or with the output. One that hangs, a prompt or dots, is kept
//! as far as it stands after two seconds, less what may begin a secret. What was kept never changes: where it is written
//! over it ends, and a new line begins.

use std::borrow::Cow;
use std::time::{Duration, Instant};

use super::Redactor;
use super::terminal_line::TerminalLine;

/// Longest line, in bytes of text; the rest of a longer one is dropped.
const MAX_LINE: usize = 16 * 1_024;
/// Bytes of a line that are held: its kept part, and enough behind it to recognise a secret around the cut.
const MAX_HELD: usize = MAX_LINE + Redactor::WINDOW;
/// Stands where a line was cut.
const CUT_MARK: &str = " … (line cut at 16 KiB)";
/// How long a line may hang before it is kept as far as it stands.
const HANGING: Duration = Duration::from_secs(2);

/// Folds raw output into lines and redacts them. What is not UTF-8 becomes `U+FFFD`.
#[derive(Debug)]
pub struct LogLines {
    redactor: Redactor,
    line: TerminalLine,
    /// The beginning of a letter whose other bytes have not come.
    begun: Vec<u8>,
    /// Whether the line has been given out, cut, and its rest is dropped.
    is_cut: bool,
    /// When the first byte came of what is not kept yet.
    oldest: Option<Instant>,
    /// When the last byte came.
    newest: Option<Instant>,
}

/// A text as one line that a terminal shows: without sequences and control characters, a tab as a blank.
pub fn plain_text(text: &str) -> String {
    let mut line = TerminalLine::new();
    for byte in text.bytes().filter(|byte| *byte != b'\n') {
        line.push(byte);
    }
    line.text().replace('\t', " ")
}

impl Default for LogLines {
    fn default() -> Self {
        Self::new(Redactor::default())
    }
}

impl LogLines {
    /// Begins with an empty line.
    pub fn new(redactor: Redactor) -> Self {
        Self {
            redactor,
            line: TerminalLine::new(),
            begun: Vec::new(),
            is_cut: false,
            oldest: None,
            newest: None,
        }
    }

    /// Takes the next bytes and gives the text that is kept by them, often nothing.
    pub fn push(&mut self, bytes: &[u8], now: Instant) -> String {
        let mut out = String::new();
        // Most output is not cut inside of a letter, and is read where it is.
        let bytes = match std::mem::take(&mut self.begun) {
            begun if begun.is_empty() => Cow::Borrowed(bytes),
            begun => Cow::Owned([&begun, bytes].concat()),
        };
        let mut at = 0;
        for chunk in bytes.utf8_chunks() {
            self.text(chunk.valid(), &mut out);
            at += chunk.valid().len() + chunk.invalid().len();
            let may_go_on =
                std::str::from_utf8(chunk.invalid()).is_err_and(|error| error.error_len().is_none());
            if may_go_on && at == bytes.len() {
                self.begun = chunk.invalid().to_vec();
            } else if !chunk.invalid().is_empty() {
                self.text("\u{fffd}", &mut out);
            }
        }
        if self.line.has_news() && !self.is_cut {
            self.oldest.get_or_insert(now);
            self.newest = Some(now);
        } else {
            self.oldest = None;
        }
        out
    }

    /// When [`hang`](Self::hang) is to be called next, unless bytes come before.
    pub fn hangs_at(&self) -> Option<Instant> {
        let oldest = self.oldest?;
        let since = if self.line.is_rewritten() { self.newest.unwrap_or(oldest) } else { oldest };
        Some(since + HANGING)
    }

    /// Gives what of an open line is kept now, since it hangs.
    pub fn hang(&mut self, now: Instant) -> String {
        if self.hangs_at().is_none_or(|at| now < at) {
            return String::new();
        }
        let (text, spans, sure) = self.looked_at();
        let text_length = text.len();
        let out = self.line.give(sure, &spans, Redactor::MARK);
        // What is held back is looked at again.
        self.oldest = (sure < text_length).then_some(now);
        out
    }

    /// Gives the line that has not ended; to be called when the output has.
    pub fn finish(&mut self) -> String {
        let mut out = String::new();
        if !std::mem::take(&mut self.begun).is_empty() {
            self.text("\u{fffd}", &mut out);
        }
        self.end_line(&mut out);
        out
    }

    /// The line that has not ended, as it stands, where anything of it is not kept yet.
    pub fn open_line(&mut self) -> Option<String> {
        if self.is_cut || !self.line.has_news() {
            return None;
        }
        let (_, spans, sure) = self.looked_at();
        Some(self.line.shown(sure.min(MAX_LINE), &spans, Redactor::MARK))
    }

    /// Whether a line has begun and not ended.
    pub fn is_within_line(&self) -> bool {
        self.line.len() > 0 || self.is_cut
    }

    /// The line's text, where its secrets are, and up to which byte it can be shown while it may go on.
    fn looked_at(&mut self) -> (String, Vec<std::ops::Range<usize>>, usize) {
        let text = self.line.text();
        let spans = self.redactor.peek(&text);
        let sure = self.redactor.sure(&text).max(self.line.given());
        (text, spans, sure)
    }

    fn text(&mut self, text: &str, out: &mut String) {
        for line in text.split_inclusive('\n') {
            match line.strip_suffix('\n') {
                Some(whole) if self.is_kept_as_it_is(whole) => {
                    out.push_str(&self.redactor.redact_line(whole));
                    out.push('\n');
                }
                _ => self.bytes(line, out),
            }
        }
    }

    /// Whether a whole line needs no terminal, as most lines do not.
    fn is_kept_as_it_is(&self, line: &str) -> bool {
        !self.is_cut && line.len() <= MAX_LINE && self.line.is_shown_as_it_is(line)
    }

    fn bytes(&mut self, line: &str, out: &mut String) {
        for byte in line.bytes() {
            if byte == b'\n' {
                self.end_line(out);
                out.push('\n');
            } else if !self.is_cut {
                self.byte(byte, out);
            }
        }
    }

    fn byte(&mut self, byte: u8, out: &mut String) {
        if self.line.push(byte)
            && let Some(mut old) = self.line.take_overwritten()
        {
            let text = old.text();
            let spans = self.redactor.secrets(&text);
            out.push_str(&old.give(text.len(), &spans, Redactor::MARK));
            out.push('\n');
            self.line.go_on_behind(&old);
            self.oldest = None;
        }
        if self.line.len() > MAX_HELD {
            self.cut(out);
        }
    }

    fn end_line(&mut self, out: &mut String) {
        if self.is_cut {
            self.is_cut = false;
        } else if self.line.len() > MAX_LINE {
            self.cut(out);
            self.is_cut = false;
        } else {
            let text = self.line.text();
            let spans = self.redactor.secrets(&text);
            out.push_str(&self.line.give(text.len(), &spans, Redactor::MARK));
        }
        out.push_str(&self.line.end());
        self.oldest = None;
    }

    /// Gives the line up to its longest length. It may go on beyond what is held, so that a secret which reaches to the end
    /// of that may be there in part only; one that reaches over the cut goes as a whole, mark included.
    fn cut(&mut self, out: &mut String) {
        let text = self.line.text();
        let mut spans = self.redactor.secrets(&text);
        let sure = if text.len() > MAX_HELD { text.len() - Redactor::WINDOW } else { text.len() };
        let end = text.floor_char_boundary(sure.min(MAX_LINE));
        spans.retain(|span| span.start < end);
        let end = spans.last().map_or(end, |last| end.max(last.end));
        out.push_str(&self.line.give(end, &spans, Redactor::MARK));
        out.push_str(CUT_MARK);
        self.is_cut = true;
    }
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

    /// Takes bytes at a time at which nothing hangs.
    impl LogLines {
        fn take(&mut self, bytes: &[u8]) -> String {
            self.push(bytes, Instant::now())
        }
    }

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
                let output = lines.take(&input.as_bytes()[..at]) + &lines.take(&input.as_bytes()[at..]);
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
                    let output = lines.take(format!("{head}{secret}{after}{tail}\n").as_bytes());

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

        let output = lines.take(format!("{}{value}\n", "x ".repeat(5_000)).as_bytes());

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
            let output = lines.take(&key.as_bytes()[..at]) + &lines.take(&key.as_bytes()[at..]);
            assert_eq!(output, "***\n***\n***\n***\nafter\n");
        }
    }

    #[test]
    fn a_line_is_held_until_it_ends_and_the_last_one_until_the_end() {
        let mut lines = lines();

        assert_eq!(lines.take(b"one"), "");
        assert_eq!(lines.take(b" line\nand 10%\rand "), "one line\n");
        assert_eq!(lines.take("\u{fc}".as_bytes().split_at(1).0), "");
        assert_eq!(lines.take(&"\u{fc}".as_bytes()[1..]), "");
        assert_eq!(lines.finish(), "and \u{fc}0%");
        assert_eq!(lines.finish(), "");
    }

    #[test]
    fn control_characters_go_and_cannot_hide_a_secret() {
        let token = format!("gh\0p_\u{7f}{}\u{9b}{}", "a1B2".repeat(5), "a1B2".repeat(4));

        let output = lines().take(format!("\u{1b}[1m\ttext\u{8}\u{7}\u{1b}[0m {token} \n").as_bytes());

        assert_eq!(output, "\u{1b}[1m\ttex\u{1b}[0m *** \n");
    }

    #[test]
    fn what_is_not_utf_8_is_shown_as_such() {
        assert_eq!(lines().take(b"a\xffb\xc3\n"), "a\u{fffd}b\u{fffd}\n");
    }

    #[test]
    fn a_long_line_is_cut_once_and_the_next_one_is_whole() {
        let mut lines = lines();
        let mut output = String::new();

        for _ in 0..1_000 {
            output += &lines.take(&[b'x'; 100]);
        }
        output += &lines.take(b"\nnext\n");

        assert_eq!(output, format!("{}{CUT_MARK}\nnext\n", "x".repeat(MAX_LINE)));
        let exact = "x".repeat(MAX_LINE) + "\n";
        assert_eq!(lines.take(exact.as_bytes()), exact);
    }

    /// What comes in, and what a terminal shows of it, which is what is kept.
    #[test]
    fn a_line_is_kept_as_a_terminal_shows_it() {
        let colours = "\u{1b}[1m\u{1b}[32mok\u{1b}[0m plain \u{1b}[38;5;9mred\u{1b}[m end";
        for (raw, shown) in [
            ("plain\r\n", "plain\n"),
            ("10 %\r50 %\r100 %\n", "100 %\n"),
            ("long line\rshort\n", "shortline\n"),
            ("long line\r\u{1b}[Kshort\n", "short\n"),
            ("long line\u{1b}[2K\rshort\n", "short\n"),
            ("long line\u{1b}[2K\u{1b}[1Gshort\n", "short\n"),
            ("abc\u{1b}[2GX\n", "aXc\n"),
            ("abc\u{8}\u{8}X\n", "aXc\n"),
            ("/ \u{8}\u{8}- \u{8}\u{8}\\ \u{8}\u{8}done\n", "done\n"),
            ("a\u{1b}[3Cb\n", "a   b\n"),
            ("abc\u{1b}[2DX\n", "aXc\n"),
            ("abc\r\u{1b}[1P\n", "bc\n"),
            ("\u{1b}]0;title\u{7}visible\n", "visible\n"),
            ("\u{1b}]0;title\u{1b}\\visible\n", "visible\n"),
            ("\u{1b}]8;;https://a.example\u{7}link\u{1b}]8;;\u{7} text\n", "link text\n"),
            ("\u{1b}]0;never ends\nnext\n", "\nnext\n"),
            ("a\u{1b}[31\nnext\n", "a\nnext\n"),
            ("\u{1b}[?25l\u{1b}[2J\u{1b}[Ha\u{1b}[1A\u{1b}[?25hb\n", "ab\n"),
            ("\u{1b}(Ba\u{1b}=b\n", "ab\n"),
            ("a\u{1b}P+q\u{1b}\\b\u{1b}_x\u{1b}\\c\n", "abc\n"),
            ("\u{1b}[32mgreen\rred\u{1b}[0m\n", "\u{1b}[32mreden\u{1b}[0m\n"),
            ("\u{1b}[31mfail\r\u{1b}[0mgood\n", "\u{1b}[0mgood\n"),
            (colours, &colours.replace("[m", "[0m")),
            ("größe ✓\r日本\n", "日本öße ✓\n"),
        ] {
            let mut own = lines();
            let kept = own.take(raw.as_bytes()) + &own.finish();
            assert_eq!(kept, shown, "{raw:?}");
        }
    }

    /// A bar that is written over 90,000 times is one line.
    #[test]
    fn a_line_that_is_rewritten_takes_no_more_room_than_it_shows() {
        let mut lines = lines();
        let frames = (0..90_000).map(|frame| format!("\rframe {frame}")).collect::<Vec<_>>().concat();

        assert_eq!(lines.take(frames.as_bytes()) + &lines.take(b"\ndone\n"), "frame 89999\ndone\n");
    }

    #[test]
    fn a_line_that_hangs_is_kept_as_far_as_it_stands_and_what_follows_is_added() {
        let (mut lines, t0) = (lines(), Instant::now());
        let at = |seconds: u64| t0 + Duration::from_secs(seconds);

        assert_eq!(lines.push(b"Overwrite? [y/N] ", at(0)), "");
        assert_eq!(
            (lines.hangs_at(), lines.open_line().as_deref()),
            (Some(at(2)), Some("Overwrite? [y/N] "))
        );
        assert_eq!(lines.hang(at(1)), "");
        assert_eq!(lines.hang(at(2)), "Overwrite? [y/N] ");
        assert_eq!((lines.hangs_at(), lines.open_line()), (None, None));
        assert_eq!(lines.push(b"y", at(9)), "");
        assert_eq!(lines.push(b"es\nnext\n", at(10)), "yes\nnext\n");
        for dots in 0..3 {
            assert_eq!(lines.push(b".", at(20 + 3 * dots)), "");
            assert_eq!(lines.hang(at(22 + 3 * dots)), ".");
        }
        assert_eq!(lines.push(b" done\n", at(40)), " done\n");
    }

    #[test]
    fn what_was_kept_of_a_line_never_changes() {
        let (mut lines, t0) = (lines(), Instant::now());
        let at = |seconds: u64| t0 + Duration::from_secs(seconds);
        lines.push(b"Loading 10 %", at(0));
        assert_eq!(lines.hang(at(2)), "Loading 10 %");

        assert_eq!(lines.push(b"\rLoading 50 %", at(3)), "\n");
        // One that is written over waits for a pause, not for its first byte.
        assert_eq!(lines.push(b"\rLoading 90 %", at(4)), "");
        assert_eq!((lines.hangs_at(), lines.hang(at(5))), (Some(at(6)), String::new()));
        assert_eq!(lines.hang(at(6)), "Loading 90 %");
        assert_eq!(lines.push(b"\n", at(7)), "\n");
    }

    #[test]
    fn what_may_begin_a_secret_is_held_back_until_it_is_known() {
        let t0 = Instant::now();
        let at = |seconds: u64| t0 + Duration::from_secs(seconds);
        for (before, secret, after) in samples() {
            let whole = format!("{before}{secret}");
            for cut in (1..=whole.len()).rev().step_by(5) {
                let mut lines = lines();
                let mut shown = lines.push(&whole.as_bytes()[..cut], at(0)) + &lines.hang(at(2));
                let open = lines.open_line().unwrap_or_default();
                shown += &lines.push(&whole.as_bytes()[cut..], at(3));
                shown += &lines.push(format!("{after}\n").as_bytes(), at(3));

                // What tells a kind of secret is no part of it, and may have been kept before the rest came.
                let (_, own) = secret.split_at(secret.len().min(17));
                let leaks = |text: &str| {
                    own.as_bytes().windows(8).any(|part| text.contains(str::from_utf8(part).unwrap()))
                };
                assert!(!leaks(&shown) && !leaks(&open), "{cut}: {shown:?} of {whole:?}");
                assert!(!shown.contains(&secret[secret.len() / 2..]), "{cut}: {shown:?} of {whole:?}");
            }
        }
    }

    #[test]
    fn a_known_secret_is_held_back_from_its_first_letter_on() {
        let (mut lines, t0) = (lines(), Instant::now());
        let at = |seconds: u64| t0 + Duration::from_secs(seconds);
        let secret = "known value of the service xyz";

        let kept = lines.push(format!("token: {}", &secret[..9]).as_bytes(), at(0)) + &lines.hang(at(2));
        assert_eq!(kept, "token: ");
        assert_eq!(lines.hang(at(4)), "");
        assert_eq!(lines.push(format!("{} end\n", &secret[9..]).as_bytes(), at(5)), "*** end\n");
    }

    /// What lines are made of, those that a terminal shows as they are and others.
    const PARTS: [&str; 14] = [
        "a plain line",
        "\n",
        "\n",
        "\n",
        "\t",
        "\r",
        "\u{8}",
        "\u{1b}[31m",
        "\u{1b}[0m",
        "\u{1b}[K",
        "é€",
        "\u{85}",
        "Authorization: Bearer abcdef123456",
        "-----BEGIN PRIVATE KEY-----",
    ];

    proptest::proptest! {
        #[test]
        fn whole_lines_give_the_same_as_their_bytes_one_by_one(
            parts in proptest::collection::vec(proptest::sample::select(&PARTS[..]), 0..40),
        ) {
            let text = parts.concat();

            let mut at_once = lines();
            let whole = at_once.take(text.as_bytes()) + at_once.finish().as_str();
            let mut by_byte = lines();
            let mut expected: String = text.as_bytes().iter().map(|byte| by_byte.take(&[*byte])).collect();
            expected += &by_byte.finish();

            proptest::prop_assert_eq!(whole, expected);
        }

        #[test]
        fn any_bytes_give_the_same_text_however_they_are_cut(bytes: Vec<u8>, at: proptest::sample::Index) {
            let at = at.index(bytes.len() + 1);
            let (mut whole, mut split) = (lines(), lines());

            let expected = whole.take(&bytes) + &whole.finish();
            let output = split.take(&bytes[..at]) + &split.take(&bytes[at..]) + &split.finish();

            proptest::prop_assert_eq!(output, expected);
        }
    }
}
