//! Names and values as lines of a form's field.

use std::collections::BTreeMap;
use std::fmt::Display;

use crate::domain::Invalid;

/// What is set, as the field shows it.
pub(super) fn lines<N: Display, T: Display>(pairs: &BTreeMap<N, T>) -> String {
    let lines: Vec<_> = pairs.iter().map(|(name, value)| format!("{name}={value}")).collect();
    lines.join("\n")
}

/// `NAME=value` lines, taken literally.
pub(super) fn pairs(field: &str, text: &str) -> Result<Vec<(String, String)>, Invalid> {
    let mut pairs: Vec<(String, String)> = Vec::new();
    for (number, line) in (1..).zip(text.lines()) {
        if line.trim().is_empty() {
            continue;
        }
        let (name, value) = line
            .split_once('=')
            .ok_or_else(|| Invalid::new(field, format!("line {number} has no =; write NAME=value")))?;
        let name = name.trim().to_owned();
        if pairs.iter().any(|(earlier, _)| *earlier == name) {
            return Err(Invalid::new(field, format!("line {number} names {name} a second time")));
        }
        pairs.push((name, value.to_owned()));
    }
    Ok(pairs)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_are_names_and_values() {
        let read = |text| pairs("env", text).map_err(|error| error.detail);

        assert_eq!(
            read("A=1\r\n\r\n B =x=y ").unwrap(),
            [("A".into(), "1".into()), ("B".into(), "x=y ".into())]
        );
        assert_eq!(read("A=1\nB").unwrap_err(), "line 2 has no =; write NAME=value");
        assert_eq!(read("A=1\nA=2").unwrap_err(), "line 2 names A a second time");
        assert_eq!(read("").unwrap(), []);
    }
}
