//! The dashboard as a browser without scripts uses it.

mod account;
mod answers;
mod audit;
mod csrf;
mod errors;
mod hook_rules;
mod hooks;
mod notification_forms;
mod notification_pages;
mod sign_in;
mod tokens;
