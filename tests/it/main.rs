//! What a user does, one file a subject. One binary, so that it links once.
#![expect(
    clippy::unwrap_used,
    unreachable_pub,
    reason = "tests fail by panicking; helpers are shared by files"
)]

mod architecture;
mod branches;
mod fault_proxy;
mod front;
mod harness;
