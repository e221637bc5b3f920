//! Measurements on the full test cluster, which judge nothing. `tests/cluster/run-full --nocapture cluster_times::` has all.

mod away;
mod by_hand;
