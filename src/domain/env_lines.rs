//! Variables as files and form fields have them: `NAME=value`, one a line.

use super::Invalid;

/// Shortest line that is taken for the end of something encoded, in bytes.
const MIN_ENCODED: usize = 12;

/// Reads names and values, in their order. Blank lines and those that begin with `#` are skipped, as are a byte order mark
/// and `export` before a name. A value is taken literally but for one in double quotes, which may have several lines, and
/// in which `\"`, `\\` and `\n` stand for what they do in a shell's `$"…"`.
///
/// # Errors
/// Names the line, and never quotes it: it may be the rest of a secret.
pub fn read_env_lines(field: &str, text: &str) -> Result<Vec<(String, String)>, Invalid> {
    let text = text.strip_prefix('\u{feff}').unwrap_or(text);
    let mut found: Vec<(String, String)> = Vec::new();
    let mut lines = (1..).zip(text.split('\n').map(|line| line.strip_suffix('\r').unwrap_or(line)));
    while let Some((number, line)) = lines.next() {
        let line = line.trim_start();
        if line.is_empty() || line.starts_with('#') {
            continue;
        }
        let wrong = |why: &str| Invalid::new(field, format!("line {number} {why}"));
        let (name, value) = line.split_once('=').ok_or_else(|| wrong("has no =; write NAME=value"))?;
        if is_encoded(line) {
            return Err(wrong(
                "looks like the rest of a value; put a value of several lines into double quotes",
            ));
        }
        let name = name.trim();
        let name = name.strip_prefix("export ").unwrap_or(name).trim();
        let mut value = value.to_owned();
        while is_open(&value) {
            let (_, more) =
                lines.next().ok_or_else(|| wrong("begins a value whose double quote never ends"))?;
            value.push('\n');
            value.push_str(more);
        }
        if found.iter().any(|(earlier, _)| earlier == name) {
            return Err(wrong(&format!("names {name} a second time")));
        }
        found.push((name.to_owned(), unquoted(&value)));
    }
    Ok(found)
}

/// Whether a line is the end of something in base64 rather than a name: `=` at its end alone, and nobody's name before it.
fn is_encoded(line: &str) -> bool {
    let bare = line.trim_end_matches('=');
    let is_base64 = |b: u8| b.is_ascii_alphanumeric() || b == b'+' || b == b'/';
    let is_name = bare.bytes().all(|b| b.is_ascii_uppercase() || b.is_ascii_digit());
    let is_padded = line.len() - bare.len() == 2;
    line.len() >= MIN_ENCODED
        && !bare.contains('=')
        && bare.bytes().all(is_base64)
        && (is_padded || !is_name)
        && bare.len() < line.len()
}

/// Whether a value begins with a double quote that has not ended.
fn is_open(value: &str) -> bool {
    value.starts_with('"') && closing(value).is_none()
}

/// Where the double quote ends that a value begins with.
fn closing(value: &str) -> Option<usize> {
    let mut is_escaped = false;
    value
        .char_indices()
        .skip(1)
        .find(|(_, char)| {
            let is_end = *char == '"' && !is_escaped;
            is_escaped = *char == '\\' && !is_escaped;
            is_end
        })
        .map(|(at, _)| at)
}

/// What a value in double quotes means; anything else is itself.
fn unquoted(value: &str) -> String {
    let end = value.starts_with('"').then(|| closing(value)).flatten();
    let Some(inside) = end.filter(|end| value[end + 1..].trim().is_empty()).map(|end| &value[1..end]) else {
        return value.to_owned();
    };
    let mut text = String::with_capacity(inside.len());
    let mut chars = inside.chars();
    while let Some(char) = chars.next() {
        match (char, char == '\\') {
            (_, true) => match chars.next() {
                Some('n') => text.push('\n'),
                Some(own @ ('"' | '\\')) => text.push(own),
                other => text.extend(std::iter::once('\\').chain(other)),
            },
            (char, false) => text.push(char),
        }
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(text: &str) -> Result<Vec<(String, String)>, String> {
        read_env_lines("env", text).map_err(|error| error.detail)
    }

    fn pair(name: &str, value: &str) -> (String, String) {
        (name.to_owned(), value.to_owned())
    }

    #[test]
    fn lines_are_names_and_values_taken_literally() {
        assert_eq!(read("").unwrap(), []);
        assert_eq!(
            read("A=1\r\n\r\n# B=2\n  B ='x'=y \nexport C=$HOME").unwrap(),
            [pair("A", "1"), pair("B", "'x'=y "), pair("C", "$HOME")]
        );
        assert_eq!(read("\u{feff}A=").unwrap(), [pair("A", "")]);
    }

    #[test]
    fn a_value_in_double_quotes_may_have_several_lines() {
        let key = "KEY=\"-----BEGIN\r\nc2VjcmV0c2VjcmV0==\r\n-----END\"\nB=\"say \\\"x\\\"\\n\"\nC=\"a\" b\n";

        assert_eq!(
            read(key).unwrap(),
            [
                pair("KEY", "-----BEGIN\nc2VjcmV0c2VjcmV0==\n-----END"),
                pair("B", "say \"x\"\n"),
                pair("C", "\"a\" b")
            ]
        );
        assert_eq!(
            read("A=1\nKEY=\"x\ny").unwrap_err(),
            "line 2 begins a value whose double quote never ends"
        );
    }

    #[test]
    fn the_rest_of_a_value_is_refused_by_its_number_and_never_quoted() {
        let rest = "line 2 looks like the rest of a value; put a value of several lines into double quotes";
        for line in ["c2VjcmV0c2VjcmV0==", "c2VjcmV0c2VjcmV0c2Vj=", "SECRETSECRET=="] {
            assert_eq!(read(&format!("KEY=line1\n{line}\n")).unwrap_err(), rest, "{line}");
        }
        assert_eq!(read("A=1\nB").unwrap_err(), "line 2 has no =; write NAME=value");
        assert_eq!(read("A=1\nA=2").unwrap_err(), "line 2 names A a second time");
        for fine in ["DATABASEPASSWORD=", "lower=", "some_long_lower_name=", "A=c2VjcmV0c2VjcmV0=="] {
            assert!(read(fine).is_ok(), "{fine}");
        }
    }

    proptest::proptest! {
        #[test]
        fn what_is_quoted_comes_back(value in r"[ -~\n]{0,20}") {
            let quoted = value.replace('\\', "\\\\").replace('"', "\\\"");
            proptest::prop_assert_eq!(read(&format!("A=\"{quoted}\"")).unwrap(), [pair("A", &value)]);
        }
    }
}
