//! Headers that every answer carries, also those that no handler made.

use poem::Response;
use poem::http::HeaderMap;
use poem::http::HeaderName;
use poem::http::HeaderValue;
use poem::http::header;

const POLICY: HeaderValue = HeaderValue::from_static(
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; connect-src 'self'; \
     form-action 'self'; base-uri 'none'; frame-ancestors 'none'; require-trusted-types-for 'script'",
);
/// One year, in seconds. Subdomains are the operator's own business.
const STRICT_TRANSPORT: HeaderValue = HeaderValue::from_static("max-age=31536000");
const NO_STORE: HeaderValue = HeaderValue::from_static("no-store");

const ALWAYS: [(HeaderName, HeaderValue); 5] = [
    (header::X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff")),
    (header::CONTENT_SECURITY_POLICY, POLICY),
    (HeaderName::from_static("cross-origin-opener-policy"), HeaderValue::from_static("same-origin")),
    (HeaderName::from_static("cross-origin-resource-policy"), HeaderValue::from_static("same-origin")),
    (HeaderName::from_static("x-robots-tag"), HeaderValue::from_static("noindex")),
];

/// True where the path carries a hook's secret, or is the address that takes one in a header.
pub(super) fn is_hook_path(path: &str) -> bool {
    path.strip_prefix("/deploy-hooks").is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
}

/// Sets the security headers of an answer to `path`; a `Cache-Control` that is already there stays.
///
/// `https` says that the configured public URL is https: only then may a browser be told to insist.
pub(super) fn protect(response: &mut Response, path: &str, https: bool) {
    let headers = response.headers_mut();
    for (name, value) in ALWAYS {
        headers.insert(name, value);
    }
    headers.insert(header::REFERRER_POLICY, referrer_policy(path));
    if https {
        headers.insert(header::STRICT_TRANSPORT_SECURITY, STRICT_TRANSPORT);
    }
    keep_private(headers);
}

fn referrer_policy(path: &str) -> HeaderValue {
    HeaderValue::from_static(if is_hook_path(path) { "no-referrer" } else { "same-origin" })
}

fn keep_private(headers: &mut HeaderMap) {
    headers.entry(header::CACHE_CONTROL).or_insert(NO_STORE);
}

#[cfg(test)]
mod tests {
    use super::*;

    fn protected(path: &str, https: bool) -> Response {
        let mut response = Response::builder().finish();
        protect(&mut response, path, https);
        response
    }

    #[test]
    fn only_hook_paths_hide_the_whole_referrer() {
        for (path, policy) in [
            ("/deploy-hooks", "no-referrer"),
            ("/deploy-hooks/sbhook_x", "no-referrer"),
            ("/deploy-hooks-help", "same-origin"),
            ("/deployments/dep_x", "same-origin"),
        ] {
            assert_eq!(protected(path, false).header("referrer-policy"), Some(policy), "{path}");
        }
    }

    #[test]
    fn strict_transport_is_said_only_for_a_public_https_address() {
        assert_eq!(protected("/", true).header("strict-transport-security"), Some("max-age=31536000"));
        assert_eq!(protected("/", false).header("strict-transport-security"), None);
    }

    #[test]
    fn the_cache_rule_of_an_answer_stays_and_no_rule_means_no_store() {
        let mut asset = Response::builder().header("cache-control", "public, max-age=60").finish();

        protect(&mut asset, "/", false);

        assert_eq!(asset.header("cache-control"), Some("public, max-age=60"));
        assert_eq!(protected("/", false).header("cache-control"), Some("no-store"));
    }
}
