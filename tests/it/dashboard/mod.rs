//! What an operator does at a browser, without a script.

mod hook_rules;
mod hooks;
