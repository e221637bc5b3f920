//! The server itself, and who may use it.

use crate::domain::Code;
use crate::web::openapi::operation::{Content, Group, Operation, refer};
use crate::wire::operator::{OperatorBody, OperatorJson, SignInLinkJson};
use crate::wire::server::{EntryJson, ReadinessJson, VersionJson};
use crate::wire::token::{TokenBody, TokenJson};

/// API tokens and operators.
pub(super) fn access() -> Group {
    let link = |operation: Operation| {
        operation.json::<SignInLinkJson>(200, "The link; it is good once.").refuses(&[Code::Unconfirmed])
    };
    Group {
        name: "Access",
        about: "API tokens, operators, and what they did.",
        operations: vec![
            Operation::get("/api/v1/tokens", "listTokens", "Lists the live API tokens.")
                .page::<TokenJson>("The tokens, without their secrets."),
            Operation::post("/api/v1/tokens", "createToken", "Makes an API token.")
                .body::<TokenBody>("NewToken", &["name", "scope"])
                .json::<TokenJson>(201, "The token with its secret, which is shown this once.")
                .with(&["Location"])
                .made("id")
                .refuses(&[Code::NotFound, Code::NameTaken, Code::Unconfirmed]),
            Operation::delete("/api/v1/tokens/{token}", "revokeToken", "Revokes an API token.")
                .nothing(204, "It opens nothing any more."),
            Operation::get("/api/v1/operators", "listOperators", "Lists the operators.")
                .page::<OperatorJson>("The operators."),
            Operation::post("/api/v1/operators", "createOperator", "Adds an operator.")
                .body::<OperatorBody>("NewOperator", &["name"])
                .json::<SignInLinkJson>(201, "The operator's first sign-in link; it is good once.")
                .with(&["Location"])
                .made("name")
                .refuses(&[Code::NameTaken, Code::Unconfirmed]),
            link(Operation::post(
                "/api/v1/operators/{name}/login-link",
                "createLoginLink",
                "Makes a sign-in link for an operator.",
            )),
            link(Operation::post(
                "/api/v1/operators/{name}/reset",
                "resetOperator",
                "Ends all sessions and links of an operator, takes the password away, and makes one link.",
            )),
            Operation::get("/api/v1/audit", "listAudit", "Lists what was done, newest first.")
                .page::<EntryJson>("The acts."),
        ],
    }
}

/// Health, copies, and what describes the server.
pub(super) fn group() -> Group {
    Group {
        name: "Server",
        about: "Health, version, backup, and what describes the rest.",
        operations: vec![
            Operation::get("/healthz", "getHealth", "Answers while the process serves.").of(
                "It does.",
                "text/plain",
                Content::Text,
            ),
            Operation::get("/readyz", "getReadiness", "Says whether calls are accepted and kept.")
                .shows_more()
                .of("They are.", "text/plain", Content::Text)
                .or("application/json", Content::Json(refer::<ReadinessJson>))
                .answer(
                    503,
                    "They are not.",
                    vec![
                        ("text/plain", Content::Text),
                        ("application/json", Content::Json(refer::<ReadinessJson>)),
                    ],
                ),
            Operation::get("/version", "getVersion", "Says which version answers.")
                .json::<VersionJson>(200, "The version."),
            Operation::post("/api/v1/backup", "createBackup", "Streams a copy of the database.")
                .more("The server key and the logs are not in it.")
                .of("An SQLite file.", "application/vnd.sqlite3", Content::Bytes)
                .with(&["Content-Length"]),
            Operation::get(
                "/problems/{code}",
                "getProblem",
                "Says what the code of a problem means, and what to do.",
            )
            .of("The code and a sentence.", "text/plain", Content::Text),
            Operation::get("/badges/{file}", "getBadge", "Draws how a service stands, for a README.").of(
                "The badge.",
                "image/svg+xml",
                Content::Text,
            ),
            Operation::get("/openapi.json", "getOpenapi", "Gives this document.")
                .takes(&["If-None-Match"])
                .of("The document.", "application/json", Content::Object)
                .with(&["ETag"])
                .nothing(304, "It has not changed.")
                .with(&["ETag"]),
        ],
    }
}
