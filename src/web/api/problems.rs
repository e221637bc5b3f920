//! What the `type` of a problem leads to: one sentence for each code.

use poem::web::Path;
use poem::{Response, handler};

use super::super::error::Error;

/// Every code of a problem, what it means and what to do.
const PROBLEMS: &[(&str, &str)] = &[
    (
        "unknown_hook",
        "The hook URL is unknown, cut, revoked or expired. Ask an operator for a new one; nothing was looked up or started.",
    ),
    ("unauthenticated", "This needs an API token, as Authorization: Bearer, or a session."),
    ("scope", "The token's scope or service does not reach so far."),
    ("branch_not_allowed", "The hook has branch patterns and none of them matches."),
    ("address_not_allowed", "The hook has address ranges and the caller is in none of them."),
    ("session_needed", "This is for an operator's own session; a token has none."),
    (
        "unconfirmed",
        "A session makes secrets within 10 minutes of signing in or of giving the password at /confirm.",
    ),
    ("foreign_origin", "A browser sent this form for a page of another site."),
    (
        "invalid_parameter",
        "The parameter, header or field that is named is wrong; the detail says what would be right.",
    ),
    ("http_version", "HTTP/1.0 and HTTP/1.1 are served."),
    ("host", "The request needs exactly one Host header, naming a host."),
    (
        "ambiguous_length",
        "Content-Length and Transfer-Encoding were both sent, so the body could be read in two ways.",
    ),
    ("repeated_header", "Authorization and Idempotency-Key may be sent once each."),
    ("request_target", "The request's target is not a path."),
    ("path_encoding", "The path has a percent code that is no UTF-8 text, or a control character."),
    ("uri_too_long", "Path and query together must not be longer than 2048 bytes."),
    ("not_found", "There is nothing by that name, or not any more."),
    ("method_not_allowed", "The Allow header lists the methods of this address."),
    ("name_taken", "Something alive has that name already."),
    ("already_final", "The deployment has ended; its status never changes again."),
    ("nothing_to_roll_back_to", "The deployment never served, or left no image that could serve again."),
    (
        "check_failed",
        "Of a dry run: the call would be accepted, and its deployment would fail, by what was found when the server looked last.",
    ),
    ("revoked", "The hook is revoked for good; make a new one."),
    (
        "body_too_large",
        "The body is larger than 1 MiB for a hook, which needs none, or than 64 KiB for anything else.",
    ),
    ("body_too_slow", "The body stopped for 5 seconds, or took more than 30 in all."),
    ("body_broken", "The body ended early or its framing is wrong."),
    ("beyond_end", "The log has fewer bytes than were skipped."),
    ("idempotency_key_reused", "This Idempotency-Key was used within 24 hours with other parameters."),
    ("service_frozen", "An operator has frozen the service; the detail says why."),
    ("hook_paused", "An operator has paused the hook; the detail says why."),
    ("hook_budget", "The hook is called more often than it may; Retry-After says when to come back."),
    (
        "too_many_streams",
        "The credential has as many open log streams as it may; close one or come back later.",
    ),
    ("no_stream_left", "The server has as many open log streams as it may; come back later."),
    ("last_operator", "The last operator cannot be removed: nobody could sign in any more."),
    ("queue_full", "The service has as many queued deployments as it may."),
    (
        "database_unavailable",
        "The database cannot be written just now. The call may or may not have been stored: send it again with the same Idempotency-Key.",
    ),
    ("disk_nearly_full", "The server's disk is nearly full; nothing is accepted until there is room."),
    ("executor_unavailable", "The service's executor is not configured on this server."),
    ("internal", "An error of the server; its log has it under the request id."),
];

/// `GET /problems/{code}`, with `-` for `_`.
#[handler]
pub(in crate::web) fn show(Path(code): Path<String>) -> Result<Response, Error> {
    let code = code.replace('-', "_");
    let (code, meaning) = PROBLEMS
        .iter()
        .find(|(own, _)| *own == code)
        .ok_or_else(|| Error::NotFound("problem of this name".to_owned()))?;
    Ok(Response::builder().content_type("text/plain; charset=utf-8").body(format!("{code}\n\n{meaning}\n")))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_code_that_the_sources_name_is_explained() {
        let sources = [
            include_str!("../error.rs"),
            include_str!("hook_call.rs"),
            include_str!("deployments.rs"),
            include_str!("deploy_hooks.rs"),
            include_str!("hooks.rs"),
            include_str!("../auth.rs"),
            include_str!("../streams.rs"),
            include_str!("operators.rs"),
            include_str!("../front/guard.rs"),
        ];
        let codes =
            regex::Regex::new(r#"code: "([a-z_]+)"|=> "([a-z_]+)",|code: "([a-z_]+)", detail"#).unwrap();

        let named: Vec<_> = sources
            .iter()
            .flat_map(|source| codes.captures_iter(source))
            .filter_map(|found| found.get(1).or(found.get(2)).map(|code| code.as_str().to_owned()))
            .collect();

        assert!(named.len() > 20, "{named:?}");
        for code in named {
            assert!(PROBLEMS.iter().any(|(own, _)| *own == code), "{code} has no explanation");
        }
    }
}
