//! What runs deployments here, by kind.

use crate::domain::{ExecutorKind, ExecutorSet};

/// What runs deployments here.
pub struct Executors<E>(Vec<(ExecutorKind, E)>);

impl<E> Executors<E> {
    /// At most one of each kind; a kind that is missing runs nothing here.
    pub fn new(all: impl IntoIterator<Item = (ExecutorKind, E)>) -> Self {
        Self(all.into_iter().collect())
    }

    /// Which kinds there are.
    pub fn kinds(&self) -> ExecutorSet {
        self.0.iter().map(|(kind, _)| *kind).collect()
    }

    /// The one of that kind.
    pub(super) fn get(&self, kind: ExecutorKind) -> Option<&E> {
        self.0.iter().find(|(own, _)| *own == kind).map(|(_, executor)| executor)
    }

    /// All of them.
    pub(super) fn iter(&self) -> impl Iterator<Item = (ExecutorKind, &E)> {
        self.0.iter().map(|(kind, executor)| (*kind, executor))
    }
}
