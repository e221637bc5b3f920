//! The program that most callers use.

use std::process::Command;

use super::guest::output_of;
use super::soon;

/// What a caller's script sees.
#[derive(Debug)]
pub struct Curl {
    pub exit_code: i32,
    pub body: String,
    pub said: String,
}

impl Curl {
    pub fn json(&self) -> serde_json::Value {
        serde_json::from_str(&self.body).unwrap_or_else(|_| panic!("no JSON: {self:?}"))
    }
}

/// Runs the documented form `curl --fail-with-body -sS` with more arguments.
pub async fn curl(arguments: &[&str]) -> Curl {
    let mut command = Command::new("curl");
    command.args(["--fail-with-body", "-sS", "--noproxy", "*"]).args(arguments);
    let output = soon(output_of(command, "")).await;
    Curl {
        exit_code: output.status.code().unwrap(),
        body: String::from_utf8(output.stdout).unwrap(),
        said: String::from_utf8(output.stderr).unwrap(),
    }
}
