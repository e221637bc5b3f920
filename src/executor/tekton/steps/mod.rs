//! What runs inside the pods of a run, never in the server: the three steps and how they start programs.

pub mod build;
pub mod clone;
mod failure;
mod paced_output;
mod process;
pub mod rollout;
mod rollout_judge;
