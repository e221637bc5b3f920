//! Runs deployments as Tekton PipelineRuns in a Kubernetes cluster. Only this folder names Kubernetes.

pub mod build_step;
pub mod client;
pub mod clone_step;
pub mod conditions;
pub mod exit_codes;
#[cfg(test)]
mod fixtures;
pub mod manifest;
mod names;
mod process;
pub mod rollout;
mod rollout_judge;
mod step_results;
mod tasks;
#[cfg(test)]
mod testing;
pub mod types;
mod verdict;
