//! Runs deployments as Tekton PipelineRuns in a Kubernetes cluster. Only this folder names Kubernetes.

pub mod exit_codes;
pub mod types;
