//! What a log looks like on its page: colours, lines, steps and blocks, and how much of a kept one is read.

pub mod ansi;
pub(super) mod kept;
pub mod lines;
mod links;
mod place;
pub mod steps;
pub(super) mod stream;
pub mod view;
