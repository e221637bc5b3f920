//! The hooks of a service.

use crate::domain::Code;
use crate::web::openapi::operation::{Group, Operation};
use crate::wire::hook::{CallJson, HookBody, HookJson, RotateBody};

/// `/api/v1/services/{name}/hooks`.
pub(super) fn group() -> Group {
    Group {
        name: "Hooks",
        about: "The secret URLs of a service and their rules. A URL is in the answer that makes it and nowhere else.",
        operations: vec![
            Operation::get(
                "/api/v1/services/{name}/hooks",
                "listHooks",
                "Lists the hooks of a service, the revoked ones too.",
            )
            .page::<HookJson>("The hooks."),
            Operation::post("/api/v1/services/{name}/hooks", "createHook", "Makes a hook.")
                .body::<HookBody>("NewHook", &["name"])
                .json::<HookJson>(201, "The hook with its secret URL, which is shown this once.")
                .with(&["Location"])
                .made("id")
                .json::<HookJson>(200, "What it would be, of a dry run, without a URL.")
                .refuses(&[Code::NameTaken, Code::Unconfirmed]),
            Operation::get("/api/v1/services/{name}/hooks/{hook}", "getHook", "Shows a hook.")
                .json::<HookJson>(200, "The hook.")
                .with(&["ETag"]),
            Operation::patch(
                "/api/v1/services/{name}/hooks/{hook}",
                "updateHook",
                "Changes name and rules of a hook.",
            )
            .takes(&["If-Match"])
            .body::<HookBody>("HookChanges", &[])
            .json::<HookJson>(200, "The hook as it is now.")
            .with(&["ETag"])
            .refuses(&[Code::NameTaken, Code::Revoked]),
            Operation::delete(
                "/api/v1/services/{name}/hooks/{hook}",
                "revokeHook",
                "Revokes a hook for good.",
            )
            .nothing(204, "Its URL opens nothing any more.")
            .refuses(&[Code::Revoked]),
            Operation::post(
                "/api/v1/services/{name}/hooks/{hook}/rotate",
                "rotateHook",
                "Gives a hook a new URL; the old one is good for an overlap.",
            )
            .body::<RotateBody>("Rotate", &[])
            .json::<HookJson>(200, "The hook with its new secret URL, which is shown this once.")
            .refuses(&[Code::Revoked, Code::OldUrlGood, Code::Unconfirmed]),
            Operation::get(
                "/api/v1/services/{name}/hooks/{hook}/calls",
                "listCalls",
                "Lists the last 50 calls that made no deployment of their own.",
            )
            .page::<CallJson>("The calls, newest first."),
        ],
    }
}
