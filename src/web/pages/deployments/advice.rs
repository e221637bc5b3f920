//! What somebody can do about a deployment that failed.

use crate::domain::{Deployment, ExecutorKind, Reason};

/// One thing to do.
#[derive(Debug)]
pub(super) struct Advice {
    pub(super) text: &'static str,
    pub(super) leads: Leads,
}

/// Where it is done.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Leads {
    /// Elsewhere.
    Away,
    /// On the settings of the service.
    Settings,
    /// On the page of the service, which tells what was checked.
    Checks,
    /// Here: once more with a cleared cache.
    ClearCache,
    /// On the page of what served before.
    RollBack,
}

const AGAIN: (&str, Leads) =
    ("If whoever did not answer was away only for a while, deploy again.", Leads::Away);

type Advices = &'static [(&'static str, Leads)];

/// What can be done, the likeliest first; nothing where somebody ended it on purpose.
pub(super) fn of(deployment: &Deployment) -> Vec<Advice> {
    let all = match deployment.reason {
        None | Some(Reason::Cancelled | Reason::Superseded | Reason::ServiceDeleted) => &[],
        Some(reason) => of_source(reason)
            .or_else(|| of_steps(reason, deployment.executor))
            .unwrap_or_else(|| of_surroundings(reason)),
    };
    all.iter().map(|(text, leads)| Advice { text, leads: *leads }).collect()
}

/// About what could not be fetched.
fn of_source(reason: Reason) -> Option<Advices> {
    Some(match reason {
        Reason::CloneFailed => &[
            ("Look at the repository’s address and credential.", Leads::Settings),
            ("See what the last check of the repository found.", Leads::Checks),
            AGAIN,
        ],
        Reason::BranchNotFound | Reason::TagNotFound => &[
            ("Push it, or call with one that the repository has.", Leads::Away),
            ("If the default branch has another name now, set it.", Leads::Settings),
        ],
        Reason::CommitNotFound => &[
            ("Push the commit to the branch that the call names.", Leads::Away),
            ("After a force-push, deploy the branch as it is: call without a commit.", Leads::Away),
        ],
        _ => return None,
    })
}

/// About what a step did.
fn of_steps(reason: Reason, executor: ExecutorKind) -> Option<Advices> {
    Some(match (reason, executor) {
        (Reason::BuildFailed, _) => &[
            ("Most likely the code: the lines beside say where.", Leads::Away),
            ("Push a fix. Its deployment starts from your CI as usual.", Leads::Away),
            ("If you suspect something kept from an earlier build:", Leads::ClearCache),
        ],
        (Reason::PushFailed, _) => {
            &[("Look at the image’s name and the registry’s Secret.", Leads::Settings), AGAIN]
        }
        (Reason::ReleaseFailed, _) => &[
            ("Most likely the release command itself: the lines beside say where.", Leads::Away),
            ("See whether its Job may be made.", Leads::Checks),
            ("If the command is wrong or needs longer, change it.", Leads::Settings),
        ],
        (Reason::DeployFailed, ExecutorKind::Local) => &[
            ("The deploy command failed: the lines beside say where.", Leads::Away),
            ("If the command itself is wrong, change it.", Leads::Settings),
        ],
        (Reason::DeployFailed, ExecutorKind::Tekton) => &[
            ("See whether the workload is there and may be changed.", Leads::Checks),
            ("If it is another one now, set it.", Leads::Settings),
        ],
        (Reason::RolledBack, _) => &[
            ("The new version did not come up: the lines beside say what it waited for.", Leads::Away),
            ("Look at the pods’ own log for why, and push a fix.", Leads::Away),
        ],
        (Reason::RolloutFailed, _) => {
            &[("Look at what serves now.", Leads::Away), ("Put back what served before.", Leads::RollBack)]
        }
        (Reason::Timeout, _) => &[
            ("If the step needs longer than it may, raise its time limit.", Leads::Settings),
            ("If it hung, the last lines say where.", Leads::Away),
        ],
        _ => return None,
    })
}

/// About the server and the cluster.
fn of_surroundings(reason: Reason) -> Advices {
    match reason {
        Reason::RunDeleted => &[("Somebody deleted the run in the cluster. Deploy again.", Leads::Away)],
        Reason::InvalidPipeline => &[
            (
                "Run stackblaze doctor where the server runs: it says what the cluster does not take.",
                Leads::Away,
            ),
            ("See what the last checks found.", Leads::Checks),
        ],
        Reason::ExecutorUnavailable => &[(
            "Start the server with this executor again, or give the service the other one.",
            Leads::Settings,
        )],
        Reason::ClusterUnreachable => &[
            (
                "Run stackblaze doctor where the server runs: it says whether the cluster answers.",
                Leads::Away,
            ),
            AGAIN,
        ],
        Reason::ClusterRefused => &[
            (
                "Apply what stackblaze manifests prints once more, and look at the namespace’s quota.",
                Leads::Away,
            ),
            ("See what the last checks found.", Leads::Checks),
        ],
        Reason::Interrupted => {
            &[("The server stopped meanwhile; nothing is wrong with the code. Deploy again.", Leads::Away)]
        }
        _ => &[("The server’s own log has the cause.", Leads::Away), AGAIN],
    }
}
