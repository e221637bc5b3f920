//! What our own steps end with, and which reason each code means. The one table: the steps end by it, the server reads
//! by it.

use crate::domain::{Reason, Step};

/// The step did what it is for.
pub const SUCCEEDED: u8 = 0;
/// The repository could not be fetched.
pub const CLONE_FAILED: u8 = 80;
/// The repository has no such branch.
pub const BRANCH_NOT_FOUND: u8 = 81;
/// The commit is not on the branch.
pub const COMMIT_NOT_FOUND: u8 = 82;
/// The repository has no such tag.
pub const TAG_NOT_FOUND: u8 = 83;
/// The build failed with a code that would be taken for one of this table, or without one.
pub const BUILD_FAILED: u8 = 90;
/// The image was built and could not be pushed.
pub const PUSH_FAILED: u8 = 91;
/// The registry has no image of that name.
pub const IMAGE_NOT_FOUND: u8 = 92;
/// The registry does not let this service see the image.
pub const IMAGE_REFUSED: u8 = 93;
/// The registry did not answer.
pub const IMAGE_UNAVAILABLE: u8 = 94;
/// The release command did not succeed, or could not be run; nothing was changed.
pub const RELEASE_FAILED: u8 = 98;
/// Nothing was changed.
pub const DEPLOY_FAILED: u8 = 100;
/// The new version did not come up and the old one was not put back.
pub const ROLLOUT_FAILED: u8 = 101;
/// The new version did not come up; the old one serves again.
pub const ROLLED_BACK: u8 = 102;
/// Another deployment took over.
pub const SUPERSEDED: u8 = 103;

const TABLE: &[(Step, u8, Reason)] = &[
    (Step::Clone, CLONE_FAILED, Reason::CloneFailed),
    (Step::Clone, BRANCH_NOT_FOUND, Reason::BranchNotFound),
    (Step::Clone, COMMIT_NOT_FOUND, Reason::CommitNotFound),
    (Step::Clone, TAG_NOT_FOUND, Reason::TagNotFound),
    (Step::Build, BUILD_FAILED, Reason::BuildFailed),
    (Step::Build, PUSH_FAILED, Reason::PushFailed),
    (Step::Build, IMAGE_NOT_FOUND, Reason::ImageNotFound),
    (Step::Build, IMAGE_REFUSED, Reason::ImageRefused),
    (Step::Build, IMAGE_UNAVAILABLE, Reason::ImageUnavailable),
    (Step::Release, RELEASE_FAILED, Reason::ReleaseFailed),
    (Step::Deploy, DEPLOY_FAILED, Reason::DeployFailed),
    (Step::Deploy, ROLLOUT_FAILED, Reason::RolloutFailed),
    (Step::Deploy, ROLLED_BACK, Reason::RolledBack),
    (Step::Deploy, SUPERSEDED, Reason::Superseded),
];

/// The reason that a step's exit code means.
///
/// Codes outside the table are a step that was killed or that runs another image (`--step-image`). Such a deploy step may
/// have changed something, so it never counts as `deploy_failed`, which promises that nothing was.
pub fn reason(step: Step, code: i32) -> Reason {
    let row = TABLE.iter().find(|(of, own, _)| *of == step && i32::from(*own) == code);
    row.map_or_else(
        || match step {
            Step::Clone => Reason::CloneFailed,
            Step::Build => Reason::BuildFailed,
            // However it ended, the step that changes something comes after it.
            Step::Release => Reason::ReleaseFailed,
            Step::Deploy => Reason::RolloutFailed,
        },
        |(_, _, reason)| *reason,
    )
}

/// Whether the deploy step has said with this code how it left the workloads.
pub fn is_of_deploy(code: i32) -> bool {
    TABLE.iter().any(|(step, own, _)| *step == Step::Deploy && i32::from(*own) == code)
}

/// What a shell's exit code says beyond its number, to be put behind it; often nothing.
pub fn meaning(code: i32) -> &'static str {
    match code {
        126 => ": a file was found that cannot be run",
        127 => ": a program was not found on PATH",
        130 => ": it was interrupted (signal 2)",
        134 => ": it aborted (signal 6)",
        137 => ": it was killed (signal 9), often out of memory",
        139 => ": it crashed (signal 11)",
        143 => ": it was ended (signal 15)",
        _ => "",
    }
}

/// What the build step ends with where the builder ended with `code`: the user's own exit code stays visible, unless it
/// would be read as something else.
pub fn of_failed_build(code: Option<i32>) -> u8 {
    let is_taken = |code: u8| code == SUCCEEDED || TABLE.iter().any(|(_, own, _)| *own == code);
    code.and_then(|code| u8::try_from(code).ok()).filter(|code| !is_taken(*code)).unwrap_or(BUILD_FAILED)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_code_stands_once_and_means_one_reason() {
        for (step, code, expected) in TABLE {
            assert_eq!(reason(*step, i32::from(*code)), *expected);
            assert_eq!(TABLE.iter().filter(|(_, other, _)| other == code).count(), 1, "{code}");
        }
    }

    #[test]
    fn a_code_of_another_step_or_of_nobody_falls_back_on_the_step() {
        assert_eq!(reason(Step::Build, i32::from(BRANCH_NOT_FOUND)), Reason::BuildFailed);
        assert_eq!(reason(Step::Clone, 128), Reason::CloneFailed);
        assert_eq!(reason(Step::Deploy, 137), Reason::RolloutFailed);
        assert_eq!(reason(Step::Release, 137), Reason::ReleaseFailed);
    }

    #[test]
    fn a_failing_command_keeps_its_code_unless_that_would_lie() {
        assert_eq!(of_failed_build(Some(7)), 7);
        assert_eq!(of_failed_build(Some(i32::from(PUSH_FAILED))), BUILD_FAILED);
        assert_eq!(of_failed_build(Some(0)), BUILD_FAILED);
        assert_eq!(of_failed_build(None), BUILD_FAILED);
    }
}
