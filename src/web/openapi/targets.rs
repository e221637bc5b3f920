//! Who is told of deployments.

use crate::domain::Code;
use crate::web::openapi::operation::{Group, Operation};
use crate::wire::hook::RotateBody;
use crate::wire::target::{NoticeJson, TargetBody, TargetJson};

/// `/api/v1/targets`.
pub(super) fn group() -> Group {
    Group {
        name: "Notifications",
        about: "Targets that are told of deployments: webhooks, forges and chats; and what became of each notice.",
        operations: vec![
            Operation::get("/api/v1/targets", "listTargets", "Lists the targets.")
                .page::<TargetJson>("The targets.")
                .refuses(&[Code::NotFound]),
            Operation::post("/api/v1/targets", "createTarget", "Makes a target.")
                .body::<TargetBody>("NewTarget", &["kind", "url"])
                .json::<TargetJson>(
                    201,
                    "The target; of a webhook with its signing secret, which is shown this once.",
                )
                .with(&["Location"])
                .made("id")
                .json::<TargetJson>(200, "What it would be, of a dry run.")
                .refuses(&[Code::NotFound, Code::Unconfirmed]),
            Operation::get("/api/v1/targets/{id}", "getTarget", "Shows a target.")
                .json::<TargetJson>(200, "The target.")
                .with(&["ETag"]),
            Operation::patch("/api/v1/targets/{id}", "updateTarget", "Changes the named fields of a target.")
                .takes(&["If-Match"])
                .body::<TargetBody>("TargetChanges", &[])
                .json::<TargetJson>(200, "The target as it is now.")
                .with(&["ETag"]),
            Operation::delete(
                "/api/v1/targets/{id}",
                "deleteTarget",
                "Deletes a target and what waits for it.",
            )
            .nothing(204, "It is told of nothing any more."),
            Operation::post(
                "/api/v1/targets/{id}/rotate",
                "rotateTarget",
                "Gives a webhook a new signing secret; both sign for an overlap.",
            )
            .body::<RotateBody>("Rotate", &[])
            .json::<TargetJson>(200, "The target with its new signing secret, which is shown this once.")
            .refuses(&[Code::OldSecretGood, Code::Unconfirmed]),
            Operation::post("/api/v1/targets/{id}/test", "testTarget", "Sends a target a notice now.")
                .json::<NoticeJson>(200, "The notice and the answer, or how far it is after a while.")
                .refuses(&[Code::TargetOff]),
            Operation::get(
                "/api/v1/targets/{id}/notices",
                "listNotices",
                "Lists the last 100 notices to a target, newest first.",
            )
            .page::<NoticeJson>("The notices."),
            Operation::post(
                "/api/v1/targets/{id}/notices/{notice}/redeliver",
                "redeliverNotice",
                "Sends a notice once more, under the id that it has.",
            )
            .json::<NoticeJson>(202, "The notice; it waits.")
            .refuses(&[Code::TargetOff]),
        ],
    }
}
