//! Calls of hooks, and the deployments that they start.

use crate::domain::Code;
use crate::web::openapi::operation::{Content, Group, Operation, refer};
use crate::wire::deploy::AcceptedJson;
use crate::wire::deployment::DeploymentJson;
use crate::wire::dry_run::DryRunJson;
use crate::wire::log::{EndEvent, LogEvent};

/// Why a call of a hook may be refused.
const CALL: &[Code] = &[
    Code::BranchNotAllowed,
    Code::AddressNotAllowed,
    Code::SourceNotAllowed,
    Code::ImageNotAllowed,
    Code::FromNotPossible,
    Code::ImageRequired,
    Code::IdempotencyKeyReused,
    Code::ServiceFrozen,
    Code::HookPaused,
    Code::HookBudget,
    Code::QueueFull,
    Code::DiskNearlyFull,
    Code::ExecutorUnavailable,
];
/// Why a deployment may not be begun by an operator or an API token.
pub(super) const BEGIN: &[Code] = &[
    Code::ImageNotAllowed,
    Code::FromNotPossible,
    Code::ImageRequired,
    Code::NothingToRollBackTo,
    Code::ServiceFrozen,
    Code::QueueFull,
    Code::DiskNearlyFull,
    Code::ExecutorUnavailable,
];

/// `/deploy-hooks`.
pub(super) fn hook_calls() -> Group {
    Group {
        name: "Deploy hooks",
        about: "The secret URL of a service. One POST starts one deployment; nothing but the URL is needed.",
        operations: vec![
            call("/deploy-hooks/{token}", "callHook", "Starts a deployment, by the secret URL."),
            Operation::delete(
                "/deploy-hooks/{token}",
                "revokeHookByUrl",
                "Revokes the hook for good, by its own URL, wherever that was found.",
            )
            .nothing(204, "The URL opens nothing any more."),
            call(
                "/deploy-hooks",
                "callHookWithToken",
                "Starts a deployment, with the token of the hook as a credential.",
            )
            .for_hooks(),
            Operation::delete(
                "/deploy-hooks",
                "revokeHookWithToken",
                "Revokes the hook for good, with its token as a credential.",
            )
            .for_hooks()
            .nothing(204, "The token opens nothing any more."),
        ],
    }
}

fn call(path: &'static str, id: &'static str, summary: &'static str) -> Operation {
    Operation::post(path, id, summary)
        .more("The answer comes once the deployment is durable. A body is read and means nothing.")
        .takes(&["Idempotency-Key", "traceparent"])
        .json::<AcceptedJson<'_>>(202, "The deployment is durable; its id, and where to look for its end.")
        .with(&[
            "Location",
            "Retry-After",
            "Link",
            "Idempotency-Replayed",
            "Deployment-Coalesced",
            "Deprecation",
            "Sunset",
        ])
        .made("deploymentId")
        .json::<DryRunJson<'_>>(200, "What the call would do, of a dry run.")
        .refuses(CALL)
}

/// An operation that begins a deployment.
pub(super) fn begins(operation: Operation) -> Operation {
    operation
        .json::<AcceptedJson<'_>>(202, "The deployment is durable; its id, and where to look for its end.")
        .with(&["Location", "Retry-After"])
        .made("deploymentId")
        .refuses(BEGIN)
}

/// `/deployments`.
pub(super) fn group() -> Group {
    Group {
        name: "Deployments",
        about: "How far a deployment is, how it ended, its log, and what may be done with it. Knowing the id is the right to \
            read the status; a credential shows more.",
        operations: vec![
            Operation::get("/deployments/{id}", "getDeployment", "Shows how far a deployment is.")
                .shows_more()
                .takes(&["If-None-Match"])
                .json::<DeploymentJson>(200, "The deployment, or its status as a word.")
                .text()
                .with(&["ETag"])
                .nothing(304, "It has not changed.")
                .with(&["ETag"]),
            Operation::get(
                "/deployments/{id}/wait",
                "waitForDeployment",
                "Waits up to 25 seconds for the end of a deployment, for CI: curl's --retry goes on by itself.",
            )
            .shows_more()
            .json::<DeploymentJson>(200, "It has succeeded.")
            .text()
            .json::<DeploymentJson>(424, "It has failed.")
            .text()
            .nothing(503, "It has not ended yet; ask again.")
            .with(&["Retry-After"]),
            Operation::get("/deployments/{id}/logs", "getDeploymentLog", "Gives the log of a deployment.")
                .for_hooks()
                .more("From any byte on, followed while it grows, or as server-sent events.")
                .takes(&["Last-Event-ID"])
                .of("The log.", "text/plain", Content::Text)
                .or(
                    "text/event-stream",
                    Content::Events(&[("log", refer::<LogEvent<'_>>), ("end", refer::<EndEvent>)]),
                )
                .refuses(&[Code::BeyondEnd, Code::TooManyStreams, Code::NoStreamLeft]),
            Operation::post(
                "/deployments/{id}/cancel",
                "cancelDeployment",
                "Cancels a deployment that has not ended.",
            )
            .json::<DeploymentJson>(202, "It ends, or has ended.")
            .refuses(&[Code::AlreadyFinal, Code::Settling]),
            begins(Operation::post(
                "/deployments/{id}/redeploy",
                "redeploy",
                "Deploys the same once more: the commit, or the image.",
            )),
            begins(Operation::post(
                "/deployments/{id}/rollback",
                "rollBack",
                "Goes back to what a deployment served.",
            )),
        ],
    }
}
