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

/// What can be done, the likeliest first; nothing where somebody ended it on purpose.
pub(super) fn of(deployment: &Deployment) -> Vec<Advice> {
    let Some(reason) = deployment.reason else { return Vec::new() };
    let advice = |all: &[(&'static str, Leads)]| {
        all.iter().map(|(text, leads)| Advice { text, leads: *leads }).collect::<Vec<_>>()
    };
    let again = ("If whoever did not answer was away only for a while, deploy again.", Leads::Away);
    match reason {
        Reason::Cancelled | Reason::Superseded | Reason::ServiceDeleted => Vec::new(),
        Reason::CloneFailed => advice(&[
            ("Look at the repository’s address and credential.", Leads::Settings),
            ("See what the last check of the repository found.", Leads::Checks),
            again,
        ]),
        Reason::BranchNotFound | Reason::TagNotFound => advice(&[
            ("Push it, or call with one that the repository has.", Leads::Away),
            ("If the default branch has another name now, set it.", Leads::Settings),
        ]),
        Reason::CommitNotFound => advice(&[
            ("Push the commit to the branch that the call names.", Leads::Away),
            ("After a force-push, deploy the branch as it is: call without a commit.", Leads::Away),
        ]),
        Reason::BuildFailed => advice(&[
            ("Most likely the code: the lines beside say where.", Leads::Away),
            ("Push a fix. Its deployment starts from your CI as usual.", Leads::Away),
            ("If you suspect something kept from an earlier build:", Leads::ClearCache),
        ]),
        Reason::PushFailed => advice(&[
            ("Look at the image’s name and the registry’s Secret.", Leads::Settings),
            again,
        ]),
        Reason::DeployFailed if deployment.executor == ExecutorKind::Local => advice(&[
            ("The deploy command failed: the lines beside say where.", Leads::Away),
            ("If the command itself is wrong, change it.", Leads::Settings),
        ]),
        Reason::DeployFailed => advice(&[
            ("See whether the workload is there and may be changed.", Leads::Checks),
            ("If it is another one now, set it.", Leads::Settings),
        ]),
        Reason::RolledBack => advice(&[
            ("The new version did not come up: the lines beside say what it waited for.", Leads::Away),
            ("Look at the pods’ own log for why, and push a fix.", Leads::Away),
        ]),
        Reason::RolloutFailed => advice(&[
            ("Look at what serves now.", Leads::Away),
            ("Put back what served before.", Leads::RollBack),
        ]),
        Reason::Timeout => advice(&[
            ("If the step needs longer than it may, raise its time limit.", Leads::Settings),
            ("If it hung, the last lines say where.", Leads::Away),
        ]),
        Reason::RunDeleted => {
            advice(&[("Somebody deleted the run in the cluster. Deploy again.", Leads::Away)])
        }
        Reason::InvalidPipeline => advice(&[
            ("Run stackblaze doctor where the server runs: it says what the cluster does not take.", Leads::Away),
            ("See what the last checks found.", Leads::Checks),
        ]),
        Reason::ExecutorUnavailable => advice(&[
            ("Start the server with this executor again, or give the service the other one.", Leads::Settings),
        ]),
        Reason::ClusterUnreachable => advice(&[
            ("Run stackblaze doctor where the server runs: it says whether the cluster answers.", Leads::Away),
            again,
        ]),
        Reason::ClusterRefused => advice(&[
            ("Apply what stackblaze manifests prints once more, and look at the namespace’s quota.", Leads::Away),
            ("See what the last checks found.", Leads::Checks),
        ]),
        Reason::Interrupted => {
            advice(&[("The server stopped meanwhile; nothing is wrong with the code. Deploy again.", Leads::Away)])
        }
        Reason::Internal => advice(&[("The server’s own log has the cause.", Leads::Away), again]),
    }
}
