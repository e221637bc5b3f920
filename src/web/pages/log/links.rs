//! Addresses in a log's text, as links.

/// Begins an address that is made a link; nothing else is, least of all a script.
const SCHEMES: [&str; 2] = ["https://", "http://"];
/// Ends an address, beside blanks.
const ENDS: &str = "\"'<>`|\\^{}";
/// Belongs to the sentence where an address ends with it.
const SENTENCE: &str = ".,;:!?)]";

/// A text in parts: whether one is an address, and the part.
pub(super) fn parts(text: &str) -> Vec<(bool, &str)> {
    let mut parts = Vec::new();
    let mut rest = text;
    while let Some(at) = SCHEMES.iter().filter_map(|scheme| rest.find(scheme)).min() {
        let (before, address) = rest.split_at(at);
        let end = address.find(|c: char| c.is_whitespace() || c.is_control() || ENDS.contains(c));
        let address = &address[..end.unwrap_or(address.len())];
        let address = address.trim_end_matches(|c| SENTENCE.contains(c));
        let is_whole =
            SCHEMES.iter().any(|scheme| address.len() > scheme.len() && address.starts_with(scheme));
        // A scheme alone is no address, and what follows may be one.
        let taken = if is_whole { address.len() } else { "http".len() };
        parts.push((false, before));
        parts.push((is_whole, &rest[at..at + taken]));
        rest = &rest[at + taken..];
    }
    parts.push((false, rest));
    parts.retain(|(_, text)| !text.is_empty());
    parts
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_are_found_and_nothing_else_is_taken_for_one() {
        assert_eq!(
            parts("see https://x.example/a?b=1, (http://y/z). End"),
            [
                (false, "see "),
                (true, "https://x.example/a?b=1"),
                (false, ", ("),
                (true, "http://y/z"),
                (false, "). End"),
            ]
        );
        assert_eq!(
            parts("\"https://a\"><script>"),
            [(false, "\""), (true, "https://a"), (false, "\"><script>")]
        );
        for text in ["javascript:alert(1)", "http:/x", "https", "ftp://x", "plain"] {
            assert_eq!(parts(text), [(false, text)]);
        }
        assert_eq!(parts(""), []);
        assert_eq!(parts("https:// and http://").iter().filter(|(is_link, _)| *is_link).count(), 0);
    }
}
