//! The command line as a person or a script uses it: the real program against a real server.

#[path = "harness/binary.rs"]
pub mod binary;

mod apply;
mod demo;
mod deployments;
mod help;
mod nouns;
mod remote;
mod server_folder;
mod target_files;
mod targets;
mod values;
