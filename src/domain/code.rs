//! Every refusal: its stable word, its class and what it means. The pages under `/problems` and the API's errors are
//! made from this one table.

/// What kind of refusal it is; each has one status of HTTP, which `web` knows.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Class {
    /// No credential, or one that is not good.
    Credential,
    /// The credential or a rule does not allow it.
    Forbidden,
    /// Something that was sent is wrong.
    Invalid,
    /// There is no such thing.
    NotFound,
    /// The address has no such method.
    Method,
    /// The body did not come in time.
    TooSlow,
    /// The present state does not allow it.
    Conflict,
    /// Somebody else has changed it since it was read.
    Precondition,
    /// The body is of a kind that is not taken.
    MediaType,
    /// The body is too large.
    TooLarge,
    /// The address is too long.
    TargetTooLong,
    /// The head of the request is too large.
    HeadTooLarge,
    /// A position behind the end.
    Range,
    /// It contradicts what was sent before.
    Unprocessable,
    /// An operator has stopped it.
    Locked,
    /// It would be accepted and fail.
    Dependency,
    /// Over a budget.
    TooMany,
    /// An error of ours.
    Internal,
    /// Not now.
    Unavailable,
    /// A version of HTTP that is not served.
    Version,
}

/// Why a request is refused. The words are part of the public contract.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[expect(missing_docs, reason = "each variant is told by its meaning below")]
pub enum Code {
    UnknownHook,
    Unauthenticated,
    Scope,
    BranchNotAllowed,
    AddressNotAllowed,
    SourceNotAllowed,
    SessionNeeded,
    Unconfirmed,
    ForeignOrigin,
    InvalidParameter,
    ImageNotAllowed,
    FromNotPossible,
    ImageRequired,
    HttpVersion,
    Host,
    AmbiguousLength,
    RepeatedHeader,
    RequestTarget,
    PathEncoding,
    UriTooLong,
    HeadTooLarge,
    NotATextProtocol,
    NotFound,
    MethodNotAllowed,
    NameTaken,
    AlreadyFinal,
    Settling,
    NothingToRollBackTo,
    PasswordChanged,
    LastOperator,
    Revoked,
    OldUrlGood,
    OldSecretGood,
    TargetOff,
    CheckFailed,
    ChangedMeanwhile,
    MediaType,
    BodyTooLarge,
    BodyTooSlow,
    BodyBroken,
    BeyondEnd,
    IdempotencyKeyReused,
    ServiceFrozen,
    HookPaused,
    HookBudget,
    TokenBudget,
    TooManyStreams,
    NoStreamLeft,
    QueueFull,
    DatabaseUnavailable,
    DiskNearlyFull,
    ExecutorUnavailable,
    Internal,
}

/// Each code with its word and its class, in the order of the variants.
const TABLE: [(Code, &str, Class); 53] = [
    (Code::UnknownHook, "unknown_hook", Class::Credential),
    (Code::Unauthenticated, "unauthenticated", Class::Credential),
    (Code::Scope, "scope", Class::Forbidden),
    (Code::BranchNotAllowed, "branch_not_allowed", Class::Forbidden),
    (Code::AddressNotAllowed, "address_not_allowed", Class::Forbidden),
    (Code::SourceNotAllowed, "source_not_allowed", Class::Forbidden),
    (Code::SessionNeeded, "session_needed", Class::Forbidden),
    (Code::Unconfirmed, "unconfirmed", Class::Forbidden),
    (Code::ForeignOrigin, "foreign_origin", Class::Forbidden),
    (Code::InvalidParameter, "invalid_parameter", Class::Invalid),
    (Code::ImageNotAllowed, "image_not_allowed", Class::Invalid),
    (Code::FromNotPossible, "from_not_possible", Class::Invalid),
    (Code::ImageRequired, "image_required", Class::Invalid),
    (Code::HttpVersion, "http_version", Class::Version),
    (Code::Host, "host", Class::Invalid),
    (Code::AmbiguousLength, "ambiguous_length", Class::Invalid),
    (Code::RepeatedHeader, "repeated_header", Class::Invalid),
    (Code::RequestTarget, "request_target", Class::Invalid),
    (Code::PathEncoding, "path_encoding", Class::Invalid),
    (Code::UriTooLong, "uri_too_long", Class::TargetTooLong),
    (Code::HeadTooLarge, "head_too_large", Class::HeadTooLarge),
    (Code::NotATextProtocol, "not_http", Class::Invalid),
    (Code::NotFound, "not_found", Class::NotFound),
    (Code::MethodNotAllowed, "method_not_allowed", Class::Method),
    (Code::NameTaken, "name_taken", Class::Conflict),
    (Code::AlreadyFinal, "already_final", Class::Conflict),
    (Code::Settling, "settling", Class::Conflict),
    (Code::NothingToRollBackTo, "nothing_to_roll_back_to", Class::Conflict),
    (Code::PasswordChanged, "password_changed", Class::Conflict),
    (Code::LastOperator, "last_operator", Class::Conflict),
    (Code::Revoked, "revoked", Class::Conflict),
    (Code::OldUrlGood, "old_url_good", Class::Conflict),
    (Code::OldSecretGood, "old_secret_good", Class::Conflict),
    (Code::TargetOff, "target_off", Class::Conflict),
    (Code::CheckFailed, "check_failed", Class::Dependency),
    (Code::ChangedMeanwhile, "changed_meanwhile", Class::Precondition),
    (Code::MediaType, "media_type", Class::MediaType),
    (Code::BodyTooLarge, "body_too_large", Class::TooLarge),
    (Code::BodyTooSlow, "body_too_slow", Class::TooSlow),
    (Code::BodyBroken, "body_broken", Class::Invalid),
    (Code::BeyondEnd, "beyond_end", Class::Range),
    (Code::IdempotencyKeyReused, "idempotency_key_reused", Class::Unprocessable),
    (Code::ServiceFrozen, "service_frozen", Class::Locked),
    (Code::HookPaused, "hook_paused", Class::Locked),
    (Code::HookBudget, "hook_budget", Class::TooMany),
    (Code::TokenBudget, "token_budget", Class::TooMany),
    (Code::TooManyStreams, "too_many_streams", Class::TooMany),
    (Code::NoStreamLeft, "no_stream_left", Class::Unavailable),
    (Code::QueueFull, "queue_full", Class::TooMany),
    (Code::DatabaseUnavailable, "database_unavailable", Class::Unavailable),
    (Code::DiskNearlyFull, "disk_nearly_full", Class::Unavailable),
    (Code::ExecutorUnavailable, "executor_unavailable", Class::Unavailable),
    (Code::Internal, "internal", Class::Internal),
];

/// What each code means and what to do, in the same order.
const MEANINGS: [(Code, &str); 53] = [
    (
        Code::UnknownHook,
        "The hook URL is unknown, cut, revoked or expired. Ask an operator for a new one; nothing was looked up or started.",
    ),
    (Code::Unauthenticated, "This needs an API token, as Authorization: Bearer, or a session."),
    (Code::Scope, "The token's scope or service does not reach so far."),
    (Code::BranchNotAllowed, "The hook has branch patterns and none of them matches."),
    (Code::AddressNotAllowed, "The hook has address ranges and the caller is in none of them."),
    (Code::SourceNotAllowed, "The hook may ask for builds only, or for images that are built already only."),
    (Code::SessionNeeded, "This is for an operator's own session; a token has none."),
    (
        Code::Unconfirmed,
        "A session makes secrets within 10 minutes of signing in or of giving the password at /confirm.",
    ),
    (Code::ForeignOrigin, "A browser sent this form for a page of another site."),
    (
        Code::InvalidParameter,
        "The parameter, header or field that is named is wrong; the detail says what would be right.",
    ),
    (
        Code::ImageNotAllowed,
        "The image is in a repository that is neither the service's own nor one of its allowedImages.",
    ),
    (
        Code::FromNotPossible,
        "A deployment is promoted that has succeeded, whose image is known by its digest, and in a repository that the service admits.",
    ),
    (
        Code::ImageRequired,
        "The service has no repository to build from: name an image, or a deployment to promote.",
    ),
    (Code::HttpVersion, "HTTP/1.0 and HTTP/1.1 are served."),
    (Code::Host, "The request needs exactly one Host header, naming a host."),
    (
        Code::AmbiguousLength,
        "Content-Length and Transfer-Encoding were both sent, so the body could be read in two ways.",
    ),
    (Code::RepeatedHeader, "Authorization and Idempotency-Key may be sent once each."),
    (Code::RequestTarget, "The request's target is not a path."),
    (Code::PathEncoding, "The path has a percent code that is no UTF-8 text, or a control character."),
    (Code::UriTooLong, "Path and query together must not be longer than 8192 bytes."),
    (Code::HeadTooLarge, "The head of a request has at most 32 KiB and 64 header lines."),
    (Code::NotATextProtocol, "Plain HTTP is spoken here, and TLS was sent: a proxy in front ends TLS."),
    (Code::NotFound, "There is nothing by that name, or not any more."),
    (Code::MethodNotAllowed, "The Allow header lists the methods of this address."),
    (Code::NameTaken, "Something alive has that name already."),
    (Code::AlreadyFinal, "The deployment has ended; its status never changes again."),
    (
        Code::Settling,
        "The new version serves already and is only watched for the service's settle time; roll back instead.",
    ),
    (Code::NothingToRollBackTo, "The deployment never served, or left no image that could serve again."),
    (Code::PasswordChanged, "The password was changed while this was being done; look again."),
    (Code::LastOperator, "The last operator cannot be removed: nobody could sign in any more."),
    (Code::Revoked, "The hook is revoked for good; make a new one."),
    (
        Code::OldUrlGood,
        "The old URL of the last rotation is still good, and no URL ends before the hour that was promised. End it first, or rotate with overlap 0, which ends all old URLs at once.",
    ),
    (
        Code::OldSecretGood,
        "The old secret of the last rotation still signs too; rotate with overlap 0 to end it.",
    ),
    (
        Code::TargetOff,
        "The target of notices is switched off, by an operator or since nothing arrived; switch it on.",
    ),
    (
        Code::CheckFailed,
        "Of a dry run: the call would be accepted, and its deployment would fail, by what was found when the server looked last.",
    ),
    (
        Code::ChangedMeanwhile,
        "It was changed since it was read: the ETag that If-Match names is not its own any more. Read it again, and change that.",
    ),
    (Code::MediaType, "The body is not JSON; send a JSON object with Content-Type: application/json."),
    (
        Code::BodyTooLarge,
        "The body is larger than 1 MiB for a hook, which needs none, or than 64 KiB for anything else.",
    ),
    (Code::BodyTooSlow, "The body stopped for 5 seconds, or took more than 30 in all."),
    (Code::BodyBroken, "The body ended early or its framing is wrong."),
    (Code::BeyondEnd, "The log has fewer bytes than were skipped."),
    (Code::IdempotencyKeyReused, "This Idempotency-Key was used within 24 hours with other parameters."),
    (Code::ServiceFrozen, "An operator has frozen the service; the detail says why."),
    (Code::HookPaused, "An operator has paused the hook; the detail says why."),
    (Code::HookBudget, "The hook is called more often than it may; Retry-After says when to come back."),
    (
        Code::TokenBudget,
        "The API token asks for changes more often than it may; Retry-After says when to come back.",
    ),
    (
        Code::TooManyStreams,
        "The credential has as many open log streams as it may; close one or come back later.",
    ),
    (Code::NoStreamLeft, "The server has as many open log streams as it may; come back later."),
    (Code::QueueFull, "The service has as many queued deployments as it may."),
    (
        Code::DatabaseUnavailable,
        "The database cannot be written just now. The call may or may not have been stored: send it again with the same Idempotency-Key.",
    ),
    (Code::DiskNearlyFull, "The server's disk is nearly full; nothing is accepted until there is room."),
    (Code::ExecutorUnavailable, "The service's executor is not configured on this server."),
    (Code::Internal, "An error of the server; its log has it under the request id."),
];

impl Code {
    /// All of them.
    pub fn all() -> impl Iterator<Item = Self> {
        TABLE.into_iter().map(|(code, ..)| code)
    }

    /// The stable word for programs.
    pub const fn as_str(self) -> &'static str {
        TABLE[self as usize].1
    }

    /// Reads the word.
    pub fn parse(text: &str) -> Option<Self> {
        Self::all().find(|code| code.as_str() == text)
    }

    /// What kind of refusal it is.
    pub const fn class(self) -> Class {
        TABLE[self as usize].2
    }

    /// What it means and what to do, for people.
    pub const fn meaning(self) -> &'static str {
        MEANINGS[self as usize].1
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_word_is_read_back_and_is_one_word() {
        for (index, code) in Code::all().enumerate() {
            assert_eq!(
                (code as usize, MEANINGS[index].0, Code::parse(code.as_str())),
                (index, code, Some(code))
            );
            assert!(code.as_str().bytes().all(|byte| byte == b'_' || byte.is_ascii_lowercase()), "{code:?}");
        }
    }
}
