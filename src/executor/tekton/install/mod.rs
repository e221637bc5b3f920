//! What an operator installs in a cluster, and the look at whether it is there.

mod build_namespace;
mod deployer_rights;
pub mod manifests;
mod owners;
pub mod preflight;
pub mod probe_build;
mod registry;
mod releases;
mod repository;
mod small_run;
pub(in crate::executor::tekton) mod workloads;
