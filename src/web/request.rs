//! Reads requests: query parameters as they were sent, headers, JSON bodies.

use std::net::IpAddr;

use percent_encoding::percent_decode_str;
use poem::Request;
use poem::http::HeaderMap;

use crate::domain::{Invalid, read_traceparent};
use crate::web::front::Peer;

/// The header by which the script of a page asks whether it has changed; such a request is no use of the session.
pub(super) const FOLLOWS: &str = "x-follows";
/// Largest body with a meaning, in bytes.
pub(super) const BODY_LIMIT: usize = 64 * 1024;

/// Most unknown parameters that are kept and named, and the longest name in characters.
const IGNORED_MAX: usize = 20;
const IGNORED_NAME_MAX: usize = 64;

/// The one parameter of words: a `+` in it is a blank, as curl's `--data-urlencode` writes one.
const WORDS: &str = "note";

/// The query of a request: names and values decoded, `+` literal but for [`WORDS`], each name at most once.
#[derive(Debug, Default)]
pub(super) struct Query(Vec<(String, Option<String>)>);

impl Query {
    /// Reads the query of a request.
    ///
    /// # Errors
    /// Where a name is repeated or a byte cannot be decoded.
    pub(super) fn parse(request: &Request) -> Result<Self, Invalid> {
        Self::parse_text(request.uri().query().unwrap_or_default())
    }

    pub(super) fn parse_text(query: &str) -> Result<Self, Invalid> {
        let mut pairs: Vec<(String, Option<String>)> = Vec::new();
        for pair in query.split('&').filter(|pair| !pair.is_empty()) {
            let (name, value) = match pair.split_once('=') {
                Some((WORDS, value)) => (WORDS.to_owned(), Some(decode(&value.replace('+', " "))?)),
                Some((name, value)) => (decode(name)?, Some(decode(value)?)),
                None => (decode(pair)?, None),
            };
            if pairs.iter().any(|(earlier, _)| *earlier == name) {
                return Err(Invalid::new(name, "is given twice; give it once"));
            }
            pairs.push((name, value));
        }
        Ok(Self(pairs))
    }

    /// The value of a parameter; an empty text for a bare name, none where it is missing.
    pub(super) fn get(&self, name: &str) -> Option<&str> {
        self.0.iter().find(|(own, _)| own == name).map(|(_, value)| value.as_deref().unwrap_or_default())
    }

    /// A yes or no: `true 1 yes false 0 no` in any case, or the bare name for yes. Missing is no.
    ///
    /// # Errors
    /// For anything else, an empty value included.
    pub(super) fn flag(&self, name: &str) -> Result<bool, Invalid> {
        let Some((_, value)) = self.0.iter().find(|(own, _)| own == name) else { return Ok(false) };
        match value.as_deref().map(str::to_ascii_lowercase).as_deref() {
            None | Some("true" | "1" | "yes") => Ok(true),
            Some("false" | "0" | "no") => Ok(false),
            Some("") => Err(Invalid::new(name, "is empty; give true or false, or leave the parameter out")),
            Some(_) => Err(Invalid::new(name, "must be true, 1, yes, false, 0 or no")),
        }
    }

    /// A whole number.
    ///
    /// # Errors
    /// Where it is none or outside `range`.
    pub(super) fn number(
        &self,
        name: &str,
        range: std::ops::RangeInclusive<u64>,
    ) -> Result<Option<u64>, Invalid> {
        let Some(value) = self.get(name) else { return Ok(None) };
        match value.parse() {
            Ok(number) if range.contains(&number) => Ok(Some(number)),
            _ => Err(Invalid::new(
                name,
                format!("must be a whole number from {} to {}", range.start(), range.end()),
            )),
        }
    }

    /// Names that are not among `known`, as they were sent: some of them, where there are many, and of a long one its
    /// beginning.
    pub(super) fn unknown(&self, known: &[&str]) -> Vec<String> {
        let unknown = self.0.iter().map(|(name, _)| name).filter(|name| !known.contains(&name.as_str()));
        unknown.take(IGNORED_MAX).map(|name| name.chars().take(IGNORED_NAME_MAX).collect()).collect()
    }

    /// The parameters among `known` as one text, in one order whatever the caller's; values as they were sent.
    pub(super) fn canonical(&self, known: &[&str]) -> String {
        let mut pairs: Vec<_> = self.0.iter().filter(|(name, _)| known.contains(&name.as_str())).collect();
        pairs.sort();
        serde_json::to_string(&pairs).unwrap_or_default()
    }
}

/// Names what a request had to no effect, where it had anything, as a header may carry it: all but plain letters, digits
/// and a few signs is percent-encoded again.
pub(super) fn ignored_header(names: &[String]) -> Option<(&'static str, String)> {
    let encode = |name: &String| {
        let encoded = percent_encoding::utf8_percent_encode(name, percent_encoding::NON_ALPHANUMERIC);
        encoded.to_string().replace("%5F", "_").replace("%2D", "-")
    };
    let list = names.iter().map(encode).collect::<Vec<_>>().join(", ");
    (!names.is_empty()).then_some(("ignored-parameters", list))
}

fn decode(text: &str) -> Result<String, Invalid> {
    let decoded = percent_decode_str(text).decode_utf8();
    decoded.map(Into::into).map_err(|_| Invalid::new("query", "has a percent code that is no UTF-8 text"))
}

/// The address of the client; none through the socket.
pub(super) fn address(request: &Request) -> Option<IpAddr> {
    match request.data::<Peer>() {
        Some(Peer::Tcp(address)) => Some(*address),
        _ => None,
    }
}

/// The same as a text for the audit.
pub(super) fn address_text(request: &Request) -> String {
    address(request).map_or_else(|| "socket".to_owned(), |address| address.to_string())
}

/// The byte of a log to begin at: `?from=`, or where events are wanted what `Last-Event-ID` says.
///
/// # Errors
/// Where it is no byte offset.
pub(super) fn first_byte(request: &Request, query: &Query, wants_events: bool) -> Result<u64, Invalid> {
    if let (true, Some(last)) = (wants_events, header(request.headers(), "last-event-id")) {
        let wrong = |_| Invalid::new("Last-Event-ID", "must be the byte offset that an event gave");
        return last.parse().map_err(wrong);
    }
    let largest = u64::try_from(i64::MAX).unwrap_or(0);
    Ok(query.number("from", 0..=largest)?.unwrap_or(0))
}

/// A header as text; none where it is missing or not visible ASCII.
pub(super) fn header<'a>(headers: &'a HeaderMap, name: &str) -> Option<&'a str> {
    headers.get(name).and_then(|value| value.to_str().ok())
}

/// Where the caller's trace goes on; none where the header is missing, repeated or of another form.
pub(super) fn traceparent(headers: &HeaderMap) -> Option<String> {
    let mut sent = headers.get_all("traceparent").iter();
    let first = sent.next()?.to_str().ok()?;
    if sent.next().is_some() { None } else { read_traceparent(first) }
}

/// The credential of an `Authorization: Bearer …` header.
pub(super) fn bearer(headers: &HeaderMap) -> Option<&str> {
    let (scheme, token) = header(headers, "authorization")?.split_once(' ')?;
    scheme.eq_ignore_ascii_case("bearer").then(|| token.trim())
}

/// Whether the client would rather have `wanted` than JSON: it names the type, and not JSON before it.
pub(super) fn prefers(headers: &HeaderMap, wanted: &str) -> bool {
    let accept = header(headers, "accept").unwrap_or_default();
    let mut types = accept.split(',').map(|item| item.split(';').next().unwrap_or_default().trim());
    types.find(|kind| *kind == wanted || kind.ends_with("/json") || *kind == "*/*") == Some(wanted)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_plus_is_a_plus_and_percent_codes_are_decoded() {
        let query = Query::parse_text("branch=feat/c++&x=a%2Fb%20c&bare").unwrap();

        assert_eq!(query.get("branch"), Some("feat/c++"));
        let note = Query::parse_text("note=c%2B%2B+and+more%20of%20it").unwrap();
        assert_eq!(note.get("note"), Some("c++ and more of it"));
        assert_eq!(query.get("x"), Some("a/b c"));
        assert_eq!((query.get("bare"), query.get("none")), (Some(""), None));
    }

    #[test]
    fn a_repeated_name_is_refused_however_it_is_spelled() {
        assert_eq!(Query::parse_text("a=1&b=2&%61=3").unwrap_err().field, "a");
        assert!(Query::parse_text("a=%ff").is_err());
    }

    #[test]
    fn flags_take_six_words_and_the_bare_name() {
        for (text, expected) in
            [("f", true), ("f=TRUE", true), ("f=1", true), ("f=Yes", true), ("f=no", false), ("", false)]
        {
            assert_eq!(Query::parse_text(text).unwrap().flag("f").unwrap(), expected, "{text}");
        }
        assert!(Query::parse_text("f=").unwrap().flag("f").is_err());
        assert!(Query::parse_text("f=maybe").unwrap().flag("f").is_err());
    }

    #[test]
    fn the_canonical_text_does_not_depend_on_the_order() {
        let known = ["branch", "commit"];
        let one = Query::parse_text("commit=x&branch=main&utm=1").unwrap();
        let other = Query::parse_text("branch=main&commit=x").unwrap();

        assert_eq!(one.canonical(&known), other.canonical(&known));
        assert_eq!(one.unknown(&known), ["utm"]);
    }

    #[test]
    fn the_first_known_type_of_accept_decides() {
        let prefers_text = |accept: &str| {
            let mut headers = HeaderMap::new();
            headers.insert("accept", accept.parse().unwrap());
            prefers(&headers, "text/plain")
        };

        assert!(prefers_text("text/plain") && prefers_text("text/plain;q=0.9, application/json"));
        assert!(
            !prefers_text("application/json, text/plain")
                && !prefers_text("*/*")
                && !prefers_text("text/html")
        );
    }
}
