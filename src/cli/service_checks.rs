//! What the server finds when it looks at what a service needs.

use std::process::ExitCode;
use std::time::Duration;

use serde_json::{Value, json};
use tokio::time::Instant;

use crate::domain::Timestamp;

use super::client::path;
use super::failure::{FAILED, Failure};
use super::output::{Style, age, has_colour, text};
use super::remote::Session;

/// How long a look is waited for, and the time between two questions.
const LONGEST_WAIT: Duration = Duration::from_mins(2);
const PAUSE: Duration = Duration::from_millis(500);

/// Shows it; exit code 1 where something would make deployments fail.
pub(super) async fn show(session: &Session, name: &str) -> Result<ExitCode, Failure> {
    let found = looked_at(session, name).await?;
    let checks = found["checks"].as_array().map_or(&[][..], Vec::as_slice);
    let is_bad = checks.iter().any(|check| check["verdict"] == "bad");
    let code = if is_bad { ExitCode::from(FAILED) } else { ExitCode::SUCCESS };
    if session.out.printed_as_json(&found) {
        return Ok(code);
    }
    if found["checkedAt"].is_null() {
        session.out.note("The server has not looked since the service was changed; try again in a moment.");
        return Ok(code);
    }
    if found["looking"] == true {
        session.out.note("Still looking; this was found before:");
    }
    let has_colour = has_colour(&std::io::stdout());
    for check in checks {
        print(session, check, has_colour);
    }
    session.out.note(&format!("Looked at {}.", age(Timestamp::parse(&text(&found, "checkedAt")).ok())));
    Ok(code)
}

/// What is found now: asks for a look, and waits for it a while.
async fn looked_at(session: &Session, name: &str) -> Result<Value, Failure> {
    let deadline = Instant::now() + LONGEST_WAIT;
    let checks = path(&["api", "v1", "services", name, "checks"]);
    let mut found = session.client.post(&checks, &json!({})).await?;
    while found["looking"] == true && Instant::now() < deadline {
        tokio::time::sleep(PAUSE).await;
        found = session.client.get(&checks).await?;
    }
    Ok(found)
}

fn print(session: &Session, check: &Value, has_colour: bool) {
    let mark = match text(check, "verdict").as_str() {
        "good" => Style::Good.paint("✓", has_colour),
        "bad" => Style::Bad.paint("✗", has_colour),
        _ => "!".to_owned(),
    };
    session.out.line(&format!("{mark} {}", text(check, "detail")));
    if !check["fix"].is_null() {
        session.out.line(&format!("  fix: {}", text(check, "fix")));
    }
}
