//! Services, and what is seen and done of their deployments.

use crate::domain::Code;
use crate::web::openapi::deployments::begins;
use crate::web::openapi::operation::{Group, Operation};
use crate::wire::checks::ChecksJson;
use crate::wire::deploy::DeployBody;
use crate::wire::deployment::DeploymentJson;
use crate::wire::service::{BadgeJson, CacheJson, FreezeBody, ServiceBody, ServiceJson};
use crate::wire::status::ServiceStatusJson;

/// `/api/v1/services` and the lists over all of them.
pub(super) fn group() -> Group {
    let mut operations = own();
    operations.extend(of_one());
    operations.extend(of_deployments());
    Group {
        name: "Services",
        about: "The applications: where they come from, how they are built and deployed, and how their calls queue.",
        operations,
    }
}

fn own() -> Vec<Operation> {
    vec![
        Operation::get("/api/v1/services", "listServices", "Lists the services by name.")
            .page::<ServiceJson>("The services."),
        Operation::post("/api/v1/services", "createService", "Makes a service.")
            .body::<ServiceBody>("NewService", &["name"])
            .json::<ServiceJson>(201, "The service.")
            .with(&["Location"])
            .made("name")
            .json::<ServiceJson>(200, "What it would be, of a dry run.")
            .refuses(&[Code::NameTaken]),
        Operation::get("/api/v1/services/{name}", "getService", "Shows a service.")
            .json::<ServiceJson>(200, "The service; values of variables are `***`.")
            .with(&["ETag"]),
        Operation::patch(
            "/api/v1/services/{name}",
            "updateService",
            "Changes the named fields of a service.",
        )
        .takes(&["If-Match"])
        .body::<ServiceBody>("ServiceChanges", &[])
        .json::<ServiceJson>(200, "The service as it is now.")
        .with(&["ETag"]),
        Operation::delete("/api/v1/services/{name}", "deleteService", "Deletes a service.")
            .more("Its queued deployments end, the running one is cancelled, and its hooks are revoked.")
            .nothing(204, "It is deleted."),
    ]
}

fn of_one() -> Vec<Operation> {
    vec![
        Operation::put(
            "/api/v1/services/{name}/freeze",
            "freezeService",
            "Stops all deployments of a service.",
        )
        .body::<FreezeBody>("Freeze", &["reason"])
        .json::<ServiceJson>(200, "The service; its calls are refused with the reason."),
        Operation::delete(
            "/api/v1/services/{name}/freeze",
            "unfreezeService",
            "Lifts the freeze of a service.",
        )
        .json::<ServiceJson>(200, "The service; it takes calls."),
        Operation::put(
            "/api/v1/services/{name}/badge",
            "createBadge",
            "Makes a status badge, in the place of an earlier one.",
        )
        .json::<BadgeJson>(201, "The address of the badge."),
        Operation::delete("/api/v1/services/{name}/badge", "deleteBadge", "Takes the status badge away.")
            .nothing(204, "There is none."),
        Operation::get(
            "/api/v1/services/{name}/cache",
            "getCache",
            "Says how much builds of a service keep on the host.",
        )
        .json::<CacheJson>(200, "As it was measured last."),
        Operation::delete("/api/v1/services/{name}/cache", "emptyCache", "Empties the cache of a service.")
            .nothing(204, "It is emptied once no run uses it."),
        Operation::get(
            "/api/v1/services/{name}/checks",
            "getChecks",
            "Shows what was found about the needs of a service.",
        )
        .json::<ChecksJson>(200, "What was found last."),
        Operation::post(
            "/api/v1/services/{name}/checks",
            "check",
            "Looks at what a service needs, for up to 10 seconds.",
        )
        .json::<ChecksJson>(200, "What was found."),
    ]
}

fn of_deployments() -> Vec<Operation> {
    vec![
        Operation::get(
            "/api/v1/services/{name}/deployments",
            "listDeploymentsOfService",
            "Lists the deployments of a service, newest first.",
        )
        .page::<DeploymentJson>("The deployments."),
        begins(
            Operation::post("/api/v1/services/{name}/deployments", "deploy", "Deploys a service now.")
                .body::<DeployBody>("Deploy", &[]),
        ),
        Operation::get(
            "/api/v1/deployments",
            "listDeployments",
            "Lists the deployments of all services, newest first.",
        )
        .page::<DeploymentJson>("The deployments."),
        Operation::get(
            "/api/v1/status",
            "listStatuses",
            "Says of each service what serves, what runs and how many wait.",
        )
        .page::<ServiceStatusJson>("The services."),
    ]
}
