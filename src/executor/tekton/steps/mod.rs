//! What runs inside the pods of a run, never in the server: the steps build, release and deploy, and the look for an image.

pub mod build;
mod docker_config;
pub mod look_up;
mod paced_output;
pub mod release;
pub mod rollout;
