//! What runs inside the pods of a run, never in the server: the steps build and deploy.

pub mod build;
mod paced_output;
pub mod rollout;
