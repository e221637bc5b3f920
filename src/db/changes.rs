//! Wakes those who wait for a change, after its commit.

use std::hash::{BuildHasher, RandomState};
use std::sync::atomic::{AtomicU64, Ordering};

use tokio::sync::watch;

use super::meters::{Ended, Meters};
use crate::domain::DeploymentId;

/// Deployments share this many notices; a waiter reads its row again, so a foreign notice costs one read.
const SHARDS: usize = 64;

/// What a batch has changed that somebody waits for.
#[derive(Debug, Default)]
pub(super) struct Touched {
    pub(super) deployments: Vec<DeploymentId>,
    /// Whether a hook URL may open something else than before.
    pub(super) hooks: bool,
    /// Whether somebody is to be told something, or no longer.
    pub(super) notices: bool,
    /// What has ended.
    pub(super) ended: Vec<Ended>,
}

impl Touched {
    /// How much there is, for [`shorten`](Self::shorten).
    pub(super) fn lengths(&self) -> (usize, usize) {
        (self.deployments.len(), self.ended.len())
    }

    /// Forgets what a closure has added that is rolled back.
    pub(super) fn shorten(&mut self, (deployments, ended): (usize, usize)) {
        self.deployments.truncate(deployments);
        self.ended.truncate(ended);
    }
}

/// Notices that something was committed. They only shorten a wait: state is always read from the tables.
pub(super) struct Changes {
    any: watch::Sender<u64>,
    notices: watch::Sender<u64>,
    /// Commits so far.
    commits: AtomicU64,
    /// Commits so far that changed what a hook URL opens.
    hooks: AtomicU64,
    shards: Vec<watch::Sender<u64>>,
    hasher: RandomState,
    meters: Meters,
}

impl Changes {
    pub(super) fn new() -> Self {
        let shards = (0..SHARDS).map(|_| watch::Sender::new(0)).collect();
        Self {
            any: watch::Sender::new(0),
            notices: watch::Sender::new(0),
            commits: AtomicU64::new(0),
            hooks: AtomicU64::new(0),
            shards,
            hasher: RandomState::new(),
            meters: Meters::new(),
        }
    }

    pub(super) fn publish(&self, touched: &Touched) {
        self.commits.fetch_add(1, Ordering::SeqCst);
        self.meters.count(&touched.ended);
        if touched.hooks {
            self.hooks.fetch_add(1, Ordering::SeqCst);
        }
        if touched.notices {
            self.notices.send_modify(|count| *count += 1);
        }
        let deployments = &touched.deployments;
        for id in deployments {
            self.tell(id);
        }
        if !deployments.is_empty() {
            self.wake();
        }
    }

    /// What is counted of commits.
    pub(super) fn meters(&self) -> &Meters {
        &self.meters
    }

    pub(super) fn commits(&self) -> u64 {
        self.commits.load(Ordering::SeqCst)
    }

    pub(super) fn hooks(&self) -> u64 {
        self.hooks.load(Ordering::SeqCst)
    }

    /// Wakes those who wait for this deployment without any commit.
    pub(super) fn tell(&self, id: &DeploymentId) {
        self.shard(id).send_modify(|count| *count += 1);
    }

    pub(super) fn wake(&self) {
        self.any.send_modify(|count| *count += 1);
    }

    pub(super) fn any(&self) -> watch::Receiver<u64> {
        self.any.subscribe()
    }

    pub(super) fn notices(&self) -> watch::Receiver<u64> {
        self.notices.subscribe()
    }

    pub(super) fn of(&self, id: &DeploymentId) -> watch::Receiver<u64> {
        self.shard(id).subscribe()
    }

    pub(super) fn count(&self, id: &DeploymentId) -> u64 {
        *self.shard(id).borrow()
    }

    fn shard(&self, id: &DeploymentId) -> &watch::Sender<u64> {
        let hash = self.hasher.hash_one(id.as_str());
        &self.shards[usize::try_from(hash % SHARDS as u64).unwrap_or(0)]
    }
}
