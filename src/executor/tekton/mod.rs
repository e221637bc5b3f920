//! Runs deployments as Tekton PipelineRuns in a Kubernetes cluster. Only this folder names Kubernetes.

pub mod exit_codes;
pub mod manifest;
mod names;
mod tasks;
#[cfg(test)]
mod testing;
pub mod types;
