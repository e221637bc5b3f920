//! The dashboard as a browser without scripts uses it.

mod account;
mod audit;
pub mod browser;
mod csrf;
mod sign_in;
mod tokens;
