//! Wakes those who wait for a change, after its commit.

use std::hash::{BuildHasher, RandomState};

use tokio::sync::watch;

use crate::domain::DeploymentId;

/// Deployments share this many notices; a waiter reads its row again, so a foreign notice costs one read.
const SHARDS: usize = 64;

/// Notices that something was committed. They only shorten a wait: state is always read from the tables.
pub(super) struct Changes {
    any: watch::Sender<u64>,
    shards: Vec<watch::Sender<u64>>,
    hasher: RandomState,
}

impl Changes {
    pub(super) fn new() -> Self {
        let shards = (0..SHARDS).map(|_| watch::Sender::new(0)).collect();
        Self { any: watch::Sender::new(0), shards, hasher: RandomState::new() }
    }

    pub(super) fn publish(&self, deployments: &[DeploymentId]) {
        for id in deployments {
            self.shard(id).send_modify(|count| *count += 1);
        }
        if !deployments.is_empty() {
            self.wake();
        }
    }

    pub(super) fn wake(&self) {
        self.any.send_modify(|count| *count += 1);
    }

    pub(super) fn any(&self) -> watch::Receiver<u64> {
        self.any.subscribe()
    }

    pub(super) fn of(&self, id: &DeploymentId) -> watch::Receiver<u64> {
        self.shard(id).subscribe()
    }

    fn shard(&self, id: &DeploymentId) -> &watch::Sender<u64> {
        let hash = self.hasher.hash_one(id.as_str());
        &self.shards[usize::try_from(hash % SHARDS as u64).unwrap_or(0)]
    }
}
