//! What tests build their worlds from.

pub mod git;
pub mod process;
