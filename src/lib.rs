//! StackBlaze deploy hooks: one secret URL, one POST, one id, one truthful end state.
//!
//! The layers, top to bottom; each knows only what stands below it in `ARCHITECTURE.md`:
pub mod actions;
pub mod cli;
pub mod config;
pub mod db;
pub mod dispatch;
pub mod domain;
pub mod executor;
pub mod notify;
pub mod server;
pub mod web;
pub mod wire;
