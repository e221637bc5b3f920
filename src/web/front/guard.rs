//! What a request must be before poem sees it. Pure: a head in, a refusal or nothing out.
//!
//! Two readers that disagree about a message are how requests are smuggled through a proxy, so whatever
//! can be read in two ways is refused, and the connection is closed.

use percent_encoding::percent_decode_str;
use poem::Response;
use poem::http::HeaderMap;
use poem::http::HeaderName;
use poem::http::Method;
use poem::http::Uri;
use poem::http::Version;
use poem::http::header;
use poem::http::request::Parts;
use poem::http::uri::Authority;
use poem::http::uri::PathAndQuery;

use crate::domain::Code;
use crate::web::problem::problem;
use crate::web::problem::status_of;

/// Longest request target, in bytes.
pub(super) const TARGET_MAX: usize = 8 * 1024;

/// Headers that decide something and so may come only once.
const SINGLE: [HeaderName; 2] = [header::AUTHORIZATION, HeaderName::from_static("idempotency-key")];

/// Why a request goes no further; each closes the connection.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Refusal {
    Version,
    Target,
    TargetTooLong,
    PathEncoding,
    Host,
    Length,
    RepeatedHeader,
}

impl Refusal {
    const fn code(self) -> Code {
        match self {
            Self::Version => Code::HttpVersion,
            Self::Target => Code::RequestTarget,
            Self::TargetTooLong => Code::UriTooLong,
            Self::PathEncoding => Code::PathEncoding,
            Self::Host => Code::Host,
            Self::Length => Code::AmbiguousLength,
            Self::RepeatedHeader => Code::RepeatedHeader,
        }
    }

    fn detail(self) -> &'static str {
        match self {
            Self::Version => "only HTTP/1.0 and HTTP/1.1 are spoken here",
            Self::Target => "the request target must be a path or an http or https address",
            Self::TargetTooLong => "path and query together must not be longer than 8192 bytes",
            Self::PathEncoding => "the path must be UTF-8, percent-encoded, without control characters",
            Self::Host => "HTTP/1.1 needs exactly one valid Host header",
            Self::Length => "Content-Length and Transfer-Encoding must not come together",
            Self::RepeatedHeader => "Authorization and Idempotency-Key must not be repeated",
        }
    }

    /// The answer to the refused request.
    pub(super) fn response(self) -> Response {
        Response::builder()
            .status(status_of(self.code().class()))
            .content_type("application/problem+json")
            .body(problem(self.code(), self.detail(), None, &[]))
    }
}

/// Checks a request's head and brings its target to the form `/path?query`.
///
/// `length_seen` says that the head on the wire had a Content-Length: hyper removes that header where
/// Transfer-Encoding stands beside it.
///
/// # Errors
/// The first rule that the request breaks.
pub(super) fn check(parts: &mut Parts, length_seen: bool) -> Result<(), Refusal> {
    if !matches!(parts.version, Version::HTTP_10 | Version::HTTP_11) {
        return Err(Refusal::Version);
    }
    check_length(&parts.headers, length_seen)?;
    check_host(&parts.headers, parts.version)?;
    let target = check_target(&parts.method, &parts.uri)?;
    check_path(target.path())?;
    if SINGLE.iter().any(|name| parts.headers.get_all(name).iter().nth(1).is_some()) {
        return Err(Refusal::RepeatedHeader);
    }
    parts.uri = Uri::from(target);
    Ok(())
}

fn check_length(headers: &HeaderMap, length_seen: bool) -> Result<(), Refusal> {
    let has_length = length_seen || headers.contains_key(header::CONTENT_LENGTH);
    if has_length && headers.contains_key(header::TRANSFER_ENCODING) {
        return Err(Refusal::Length);
    }
    Ok(())
}

fn check_host(headers: &HeaderMap, version: Version) -> Result<(), Refusal> {
    let mut hosts = headers.get_all(header::HOST).iter();
    match (hosts.next(), hosts.next()) {
        (None, _) if version == Version::HTTP_10 => Ok(()),
        (Some(host), None) if is_host(host.as_bytes()) => Ok(()),
        _ => Err(Refusal::Host),
    }
}

/// An empty Host is legal: the target's scheme has no authority.
fn is_host(value: &[u8]) -> bool {
    value.is_empty() || Authority::try_from(value).is_ok_and(|host| !host.as_str().contains(['@', ',']))
}

fn check_target(method: &Method, uri: &Uri) -> Result<PathAndQuery, Refusal> {
    let target = uri.path_and_query().ok_or(Refusal::Target)?;
    let prefix = uri.authority().map_or(0, |authority| authority.as_str().len());
    if prefix + target.as_str().len() > TARGET_MAX {
        return Err(Refusal::TargetTooLong);
    }
    let scheme_fits = uri.scheme_str().is_none_or(|scheme| matches!(scheme, "http" | "https"));
    let is_path = target.path().starts_with('/') || (target.as_str() == "*" && method == Method::OPTIONS);
    if *method == Method::CONNECT || !scheme_fits || !is_path {
        return Err(Refusal::Target);
    }
    Ok(target.clone())
}

/// What begins the address of a hook.
const HOOKS: &str = "/deploy-hooks/";

fn check_path(path: &str) -> Result<(), Refusal> {
    let encoded = path.split('%').skip(1);
    let is_hex = |escape: &str| escape.bytes().take(2).filter(u8::is_ascii_hexdigit).count() == 2;
    if !encoded.into_iter().all(is_hex) {
        return Err(Refusal::PathEncoding);
    }
    match percent_decode_str(path).decode_utf8() {
        // A token with a line feed behind it is a token that nobody knows, and is answered as one.
        Ok(_) if path.starts_with(HOOKS) => Ok(()),
        Ok(decoded) if !decoded.contains(|character: char| character.is_control()) => Ok(()),
        _ => Err(Refusal::PathEncoding),
    }
}

#[cfg(test)]
mod tests {
    use poem::http::Request;
    use poem::http::StatusCode;

    use super::*;

    fn parts(method: &str, target: &str, headers: &[(&str, &str)]) -> Parts {
        let mut request = Request::builder().method(method).uri(target);
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        request.body(()).unwrap().into_parts().0
    }

    fn refusal(method: &str, target: &str) -> Option<Refusal> {
        check(&mut parts(method, target, &[("host", "h")]), false).err()
    }

    fn refusal_of(headers: &[(&str, &str)]) -> Option<Refusal> {
        check(&mut parts("POST", "/", headers), false).err()
    }

    #[test]
    fn a_plain_request_passes() {
        for target in ["/", "/a%20b", "/%C3%A9?x=%zz", "/a//b;c=d", "/ok?", "/deploy-hooks/x%0a"] {
            assert_eq!(refusal("GET", target), None, "{target}");
        }
    }

    #[test]
    fn a_path_that_decodes_to_no_text_is_refused() {
        for target in ["/%zz", "/%", "/%4", "/%ff", "/%c3", "/%00", "/a%0d%0ab", "/%7f", "/%C2%85"] {
            assert_eq!(refusal("GET", target), Some(Refusal::PathEncoding), "{target}");
        }
    }

    #[test]
    fn a_target_is_a_path_or_a_web_address() {
        assert_eq!(refusal("OPTIONS", "*"), None);
        for (method, target) in
            [("GET", "*"), ("POST", "*"), ("CONNECT", "h:80"), ("GET", "h:80"), ("GET", "ftp://h/x")]
        {
            assert_eq!(refusal(method, target), Some(Refusal::Target), "{method} {target}");
        }
    }

    #[test]
    fn an_absolute_target_becomes_its_path() {
        let mut head = parts("GET", "http://other.example/a?b", &[("host", "h")]);

        check(&mut head, false).unwrap();

        assert_eq!(head.uri, "/a?b");
    }

    #[test]
    fn a_target_of_8192_bytes_is_the_longest() {
        let longest = format!("/{}", "a".repeat(TARGET_MAX - 1));

        assert_eq!(refusal("GET", &longest), None);
        assert_eq!(refusal("GET", &format!("{longest}a")), Some(Refusal::TargetTooLong));
        assert_eq!(refusal("GET", &format!("http://h{longest}")), Some(Refusal::TargetTooLong));
    }

    #[test]
    fn http_1_1_names_one_host() {
        for hosts in [
            &[][..],
            &[("host", "a"), ("host", "a")],
            &[("host", "a/b")],
            &[("host", "u@h")],
            &[("host", "a,b")],
        ] {
            assert_eq!(refusal_of(hosts), Some(Refusal::Host), "{hosts:?}");
        }
        for host in ["", "h", "h:80", "[::1]:80"] {
            assert_eq!(refusal_of(&[("host", host)]), None, "{host}");
        }
        let mut old = parts("GET", "/", &[]);
        old.version = Version::HTTP_10;
        assert_eq!(check(&mut old, false), Ok(()));
    }

    #[test]
    fn two_ways_to_say_the_length_are_refused_also_where_one_was_removed() {
        let chunked = [("host", "h"), ("transfer-encoding", "chunked")];
        let both = [("host", "h"), ("transfer-encoding", "chunked"), ("content-length", "1")];

        assert_eq!(check(&mut parts("POST", "/", &chunked), true), Err(Refusal::Length));
        assert_eq!(check(&mut parts("POST", "/", &both), false), Err(Refusal::Length));
        assert_eq!(check(&mut parts("POST", "/", &chunked), false), Ok(()));
        assert_eq!(check(&mut parts("POST", "/", &[("host", "h")]), true), Ok(()));
    }

    #[test]
    fn a_header_that_decides_comes_once() {
        for name in ["authorization", "idempotency-key"] {
            assert_eq!(refusal_of(&[("host", "h"), (name, "a")]), None);
            assert_eq!(
                refusal_of(&[("host", "h"), (name, "a"), (name, "a")]),
                Some(Refusal::RepeatedHeader),
                "{name}"
            );
        }
    }

    #[tokio::test]
    async fn a_refusal_is_a_problem() {
        let response = Refusal::TargetTooLong.response();

        assert_eq!(response.status(), StatusCode::URI_TOO_LONG);
        assert_eq!(response.content_type(), Some("application/problem+json"));
        let body = response.into_body().into_string().await.unwrap();
        let expected = r#"{"type":"/problems/uri-too-long","title":"URI Too Long","status":414,"detail":"path and query together must not be longer than 8192 bytes","code":"uri_too_long"}"#;
        assert_eq!(body, format!("{expected}\n"));
    }
}
