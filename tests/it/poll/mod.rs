//! Asking how far a deployment is.

mod details;
mod ends;
mod object;
mod waiting;
