//! The forms in which tools write a secret that they were given: as it is, encoded for an address, in JSON, in base64, and
//! with `\n` for its line ends.

use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD_NO_PAD, URL_SAFE_NO_PAD};
use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};

/// Shortest value that is looked for, in characters; a shorter one would blot out ordinary words.
const MIN: usize = 8;
/// Longest piece of a form that is looked for as one, in bytes; well below the redactor's window.
const MAX_PIECE: usize = 1_024;
/// Lengths of the lines into which base64 is broken: by OpenSSL and PEM, and by coreutils and MIME.
const BROKEN_AT: [usize; 2] = [64, 76];
/// What JavaScript's `encodeURIComponent` leaves, and what Python's `quote` leaves.
const COMPONENT: &AsciiSet = &NON_ALPHANUMERIC
    .remove(b'-')
    .remove(b'_')
    .remove(b'.')
    .remove(b'!')
    .remove(b'~')
    .remove(b'*')
    .remove(b'\'')
    .remove(b'(')
    .remove(b')');
const PATH: &AsciiSet = &NON_ALPHANUMERIC.remove(b'-').remove(b'_').remove(b'.').remove(b'~').remove(b'/');
const UNRESERVED: &AsciiSet = &NON_ALPHANUMERIC.remove(b'-').remove(b'_').remove(b'.').remove(b'~');

/// All texts to look for, some of them more than once.
pub(super) fn of(value: &str) -> Vec<String> {
    let lines: Vec<_> = value.split(['\n', '\r']).map(str::trim).collect();
    let mut forms: Vec<String> = Vec::new();
    for line in lines.iter().filter(|line| line.chars().count() >= MIN) {
        forms.extend([(*line).to_owned()]);
        forms.extend(encoded(line));
    }
    let whole = value.trim();
    if whole.contains('\n') && whole.chars().count() >= MIN {
        forms.push(whole.replace("\r\n", "\n").replace('\n', "\\n"));
        forms.extend(encoded(whole));
    }
    if !whole.is_empty() && value.chars().count() >= MIN {
        forms.extend(base64_of(value.as_bytes()));
        forms.extend(base64_of(whole.as_bytes()));
    }
    forms.iter().flat_map(|form| pieces(form)).collect()
}

fn encoded(text: &str) -> impl Iterator<Item = String> {
    let by = |set: &'static AsciiSet| utf8_percent_encode(text, set).to_string();
    let address = [by(NON_ALPHANUMERIC), by(COMPONENT), by(PATH), by(UNRESERVED)];
    let form = address[3].replace("%20", "+");
    let in_lower_case = address.each_ref().map(|text| lowered(text));
    let json = serde_json::to_string(text).unwrap_or_default();
    let json = json.trim_matches('"').to_owned();
    let more = [lowered(&form), form, json.replace('/', "\\/"), in_ascii(&json), json];
    address.into_iter().chain(in_lower_case).chain(more)
}

/// Percent codes with the digits in lower case.
fn lowered(text: &str) -> String {
    let mut parts = text.split('%');
    let first = parts.next().unwrap_or_default().to_owned();
    parts.fold(first, |all, part| {
        let (code, rest) = part.split_at(part.floor_char_boundary(2));
        all + "%" + &code.to_lowercase() + rest
    })
}

/// JSON as Python writes it.
fn in_ascii(json: &str) -> String {
    let mut escaped = String::new();
    for c in json.chars() {
        if c.is_ascii() {
            escaped.push(c);
            continue;
        }
        for unit in c.encode_utf16(&mut [0; 2]) {
            escaped.extend(["\\u", &format!("{unit:04x}")]);
        }
    }
    escaped
}

/// Base64, wherever the value stands in what was encoded: the digits that are the value's alone.
fn base64_of(value: &[u8]) -> Vec<String> {
    let mut forms = Vec::new();
    for before in 0..3 {
        // Bytes before it move its digits; the first digits, and the last, may be made of its neighbours too.
        let text = [&[0; 2][..before], value].concat();
        let begin = [0, 2, 3][before];
        let end = text.len() * 8 / 6;
        for all in [STANDARD_NO_PAD.encode(&text), URL_SAFE_NO_PAD.encode(&text)] {
            let own = &all[begin.min(end)..end];
            if own.len() >= MIN {
                forms.push(own.to_owned());
            }
            if before == 0 {
                let broken = BROKEN_AT.iter().filter(|length| own.len() > **length);
                forms.extend(broken.flat_map(|length| {
                    own.as_bytes().chunks(*length).map(|line| String::from_utf8_lossy(line).into_owned())
                }));
            }
        }
    }
    forms.retain(|form| form.len() >= MIN);
    forms
}

/// A form in pieces that the window can hold; nothing where it is too short to look for.
fn pieces(form: &str) -> Vec<String> {
    if form.chars().count() < MIN {
        return Vec::new();
    }
    let mut pieces = Vec::new();
    let mut rest = form;
    while rest.len() > 2 * MAX_PIECE {
        let (piece, tail) = rest.split_at(rest.floor_char_boundary(MAX_PIECE));
        pieces.push(piece.to_owned());
        rest = tail;
    }
    pieces.push(rest.to_owned());
    pieces
}

#[cfg(test)]
mod tests {
    use base64::engine::general_purpose::{STANDARD, URL_SAFE};

    use crate::domain::Redactor;

    /// Whether nothing of eight characters of these secrets is left.
    fn gone(secret: &str, line: &str) {
        let shown = Redactor::new([secret.to_owned()]).redact_line(line);
        assert!(shown.contains("***"), "{line} stays");
    }

    #[test]
    fn a_secret_goes_in_every_form_in_which_tools_write_it() {
        use base64::Engine as _;
        let secret = "p@ss/w\u{f6}rd \"x\" + 100%";
        let json = serde_json::to_string(secret).unwrap();
        for line in [
            secret.to_owned(),
            format!("https://h/?k={}", "p%40ss%2Fw%C3%B6rd%20%22x%22%20%2B%20100%25"),
            format!("https://h/?k={}", "p%40ss%2fw%c3%b6rd%20%22x%22%20%2b%20100%25"),
            format!("form: {}", "p%40ss%2Fw%C3%B6rd+%22x%22+%2B+100%25"),
            format!("quote: {}", "p%40ss/w%C3%B6rd%20%22x%22%20%2B%20100%25"),
            json.clone(),
            json.replace('/', "\\/"),
            json.replace('\u{f6}', "\\u00f6"),
            STANDARD.encode(secret),
            STANDARD.encode(format!("{secret}\n")),
            URL_SAFE.encode(secret),
        ] {
            gone(secret, &line);
        }
        for before in ["", "u:", "us:", "user:"] {
            let line = STANDARD.encode(format!("{before}{secret}"));
            let shown = Redactor::new([secret.to_owned()]).redact_line(&line);
            assert!(shown.replace("***", "").len() <= before.len() * 4 / 3 + 4, "{before} {shown}");
        }
    }

    #[test]
    fn a_secret_of_several_lines_goes_as_base64_in_lines_and_with_its_line_ends_spelled_out() {
        use base64::Engine as _;
        let secret =
            "first part of it\nsecond part\nab\nand the last one of them, which is a little longer\n";
        let mut redactor = Redactor::new([secret.to_owned()]);

        let literal = redactor.redact_line(&format!("k='{}'", secret.trim().replace('\n', "\\n")));
        let all = STANDARD.encode(secret);
        let lines: Vec<_> =
            all.as_bytes().chunks(76).map(|line| String::from_utf8_lossy(line).into_owned()).collect();
        let shown: Vec<_> = lines.iter().map(|line| redactor.redact_line(line)).collect();

        assert_eq!(literal, "k='***'");
        // A last line of less than eight characters stays.
        assert!(
            lines.len() > 1 && shown.iter().all(|line| line.starts_with("***") && line.len() <= 7),
            "{shown:?}"
        );
    }

    #[test]
    fn ordinary_words_stay() {
        let mut redactor = Redactor::new(["hunter2hunter2".to_owned(), "short".to_owned()]);

        assert_eq!(redactor.redact_line("short words and a hunter"), "short words and a hunter");
    }
}
