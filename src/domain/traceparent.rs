//! Where a caller's trace goes on: the header `traceparent` of W3C Trace Context.

/// Lengths of the four fields of version 00, in hexadecimal digits: version, trace, parent, flags.
const FIELDS: [usize; 4] = [2, 32, 16, 2];

/// Reads the header as callers send it. What has another form than version 00 means nothing, as the standard has it: a trace
/// is then not gone on with, and nobody is told.
pub fn read_traceparent(text: &str) -> Option<String> {
    let fields: Vec<&str> = text.split('-').collect();
    let is_hex = |field: &str| field.bytes().all(|byte| matches!(byte, b'0'..=b'9' | b'a'..=b'f'));
    let has_form =
        fields.iter().map(|field| field.len()).eq(FIELDS) && fields.iter().all(|field| is_hex(field));
    let is_nothing = |field: &str| field.bytes().all(|byte| byte == b'0');
    let is_good = has_form && fields[0] == "00" && !is_nothing(fields[1]) && !is_nothing(fields[2]);
    is_good.then(|| text.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    const GOOD: &str = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01";

    #[test]
    fn version_00_is_read_as_it_stands() {
        assert_eq!(read_traceparent(GOOD).as_deref(), Some(GOOD));
        assert!(read_traceparent(&GOOD.replace("-01", "-00")).is_some());
    }

    #[test]
    fn whatever_has_another_form_means_nothing() {
        let trace = "4bf92f3577b34da6a3ce929d0e0e4736";
        for wrong in [
            String::new(),
            GOOD.to_uppercase(),
            GOOD.replacen("00", "ff", 1),
            GOOD.replacen("00", "01", 1),
            GOOD.replace(trace, &"0".repeat(32)),
            GOOD.replace("00f067aa0ba902b7", &"0".repeat(16)),
            GOOD.replace(trace, &trace[1..]),
            format!("{GOOD}-what-is-more"),
            format!("{GOOD}-"),
            format!(" {GOOD}"),
            GOOD.replace('4', "g"),
            GOOD.replace('-', ""),
        ] {
            assert_eq!(read_traceparent(&wrong), None, "{wrong}");
        }
    }
}
