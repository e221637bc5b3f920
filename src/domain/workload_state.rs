//! How a deployment left a workload.

use std::fmt;

use super::workload::Workload;

/// How a deployment left a workload.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum WorkloadStatus {
    /// It was not touched.
    Unchanged,
    /// It was given the image, and it was not seen to its end.
    Updating,
    /// All of it is new and available.
    Complete,
    /// The new image did not come up.
    Failed,
    /// It was given back what it had, and that serves.
    Returned,
    /// Somebody else has changed it since.
    TakenOver,
}

impl WorkloadStatus {
    /// All of them.
    pub const ALL: [Self; 6] =
        [Self::Unchanged, Self::Updating, Self::Complete, Self::Failed, Self::Returned, Self::TakenOver];

    /// The word of the API and of the database.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Unchanged => "unchanged",
            Self::Updating => "updating",
            Self::Complete => "complete",
            Self::Failed => "failed",
            Self::Returned => "returned",
            Self::TakenOver => "taken_over",
        }
    }

    fn parse(word: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|status| status.as_str() == word)
    }
}

/// A workload as a deployment left it. Its text is `WORKLOAD STATUS READY/DESIRED`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct WorkloadState {
    /// Which one, with the container that was given the image where that is known.
    pub workload: Workload,
    /// How far it came.
    pub status: WorkloadStatus,
    /// Pods of the image it has now that are ready; 0 of what does not run all the time.
    pub ready: u32,
    /// Pods that there should be.
    pub desired: u32,
}

impl WorkloadState {
    /// Reads the text.
    pub fn parse(text: &str) -> Option<Self> {
        let mut parts = text.split(' ');
        let workload = Workload::parse(parts.next()?).ok()?;
        let status = WorkloadStatus::parse(parts.next()?)?;
        let (ready, desired) = parts.next()?.split_once('/')?;
        let (ready, desired) = (ready.parse().ok()?, desired.parse().ok()?);
        parts.next().is_none().then_some(Self { workload, status, ready, desired })
    }

    /// Reads a text of several, one a line; lines that cannot be read are left out.
    pub fn parse_lines(text: &str) -> Vec<Self> {
        text.lines().filter_map(Self::parse).collect()
    }

    /// As many as fit into so many bytes, one a line.
    pub fn lines(all: &[Self], most: usize) -> String {
        let mut text = String::new();
        for state in all {
            let line = state.to_string();
            if text.len() + line.len() + 1 > most {
                break;
            }
            if !text.is_empty() {
                text.push('\n');
            }
            text.push_str(&line);
        }
        text
    }
}

impl fmt::Display for WorkloadState {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {} {}/{}", self.workload, self.status.as_str(), self.ready, self.desired)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn state(text: &str) -> WorkloadState {
        WorkloadState::parse(text).unwrap()
    }

    #[test]
    fn a_state_is_read_as_it_was_written() {
        for status in WorkloadStatus::ALL {
            let text = format!("statefulset:apps/db/web {} 2/3", status.as_str());
            assert_eq!(state(&text).to_string(), text);
        }
        for wrong in ["", "apps/db", "apps/db good 1/1", "apps/db complete 1", "apps/db complete 1/1 x"] {
            assert_eq!(WorkloadState::parse(wrong), None, "{wrong}");
        }
    }

    #[test]
    fn a_text_of_several_holds_what_fits() {
        let all = [state("apps/a complete 1/1"), state("apps/b failed 0/1")];
        let whole = WorkloadState::lines(&all, 1_500);

        assert_eq!(WorkloadState::parse_lines(&whole), all);
        assert_eq!(WorkloadState::lines(&all, 25), "apps/a complete 1/1");
    }
}
