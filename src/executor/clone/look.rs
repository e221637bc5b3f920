//! What a look at a repository has shown. Pure.

use crate::domain::{Finding, Reason, Service};

/// How the step ended that only looks.
pub(in crate::executor) enum Looked {
    /// Well; what it says of submodules and the like that will not be fetched, a line each.
    Well(Option<String>),
    /// Not.
    Badly {
        /// Which exit code it was.
        reason: Reason,
        /// A sentence of ours.
        message: String,
        /// git's own line.
        detail: Option<String>,
    },
}

/// What people are told.
pub(in crate::executor) fn judge(service: &Service, looked: Looked) -> Finding {
    let (repository, what) = (service.source_text(), format!("branch {}", service.default_branch));
    match looked {
        Looked::Well(None) => Finding::good(format!("{repository} answers and has {what}")),
        Looked::Well(Some(notes)) => Finding::advice(
            format!("{repository} answers and has {what}. {}", notes.replace('\n', ". ")),
            None,
        ),
        Looked::Badly { reason, message, detail } => {
            let advice = (reason == Reason::BranchNotFound)
                .then_some("push the branch, or name another default branch");
            let message = detail.map_or_else(|| message.clone(), |detail| format!("{message} ({detail})"));
            Finding::bad(message, advice)
        }
    }
}
