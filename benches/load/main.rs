//! Measures the product beside bare poem and the bare disk, and says which goals it reaches.
//!
//!     cargo bench --bench load -- [--quick] [--rounds N] [--only P1,P5] [--program FILE] [--out bench.json]
//!
//! Ratios are taken within a round, whose targets run one after the other on the same processor; what is shown is the median
//! of the rounds. Nothing here decides whether a test passes: `./test` runs `--quick` to keep it alive.

#![expect(unreachable_pub, reason = "one program, whose rooms are its own")]
#![expect(
    clippy::cast_precision_loss,
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "figures that people read"
)]

mod driver;
mod probe;
mod rows;
mod stage;
mod table;

use std::path::PathBuf;

use anyhow::{Context, Result, bail};
use poem::http::StatusCode;
use poem::listener::TcpListener;
use poem::{EndpointExt, Response, Route, Server, handler, post};
use serde_json::json;

use rows::Rows;

/// What was asked for.
struct Wanted {
    is_quick: bool,
    rounds: usize,
    only: Vec<String>,
    out: Option<PathBuf>,
}

impl Wanted {
    fn read(mut args: impl Iterator<Item = String>) -> Result<Self> {
        let mut wanted = Self { is_quick: false, rounds: 5, only: Vec::new(), out: None };
        while let Some(arg) = args.next() {
            match arg.as_str() {
                "--quick" => (wanted.is_quick, wanted.rounds) = (true, 1),
                "--rounds" => wanted.rounds = args.next().context("--rounds N")?.parse()?,
                "--only" => {
                    let list = args.next().context("--only P1,P5")?;
                    wanted.only = list.split(',').map(str::to_owned).collect();
                }
                "--program" => {
                    let other = args.next().context("--program FILE")?;
                    drop(stage::OTHER.set(other));
                }
                "--out" => wanted.out = Some(args.next().context("--out FILE")?.into()),
                // Cargo's own.
                "--bench" => {}
                other => bail!(
                    "{other}: cargo bench --bench load -- [--quick] [--rounds N] [--only P1,P5] [--program FILE] [--out FILE]"
                ),
            }
        }
        Ok(wanted)
    }
}

fn main() -> Result<()> {
    let mut args = std::env::args().skip(1).peekable();
    if args.peek().is_some_and(|arg| arg == "anchor") {
        return anchor(&args.nth(1).context("anchor ADDRESS")?);
    }
    let wanted = Wanted::read(args)?;
    println!("{}", probe::conditions());
    let (targets, driver) = probe::processors()?;
    probe::bind_to(driver)?;
    let mut rows = Rows::new(wanted.is_quick, wanted.only, targets)?;
    rows.measure(wanted.rounds)?;
    println!("\n{}", rows.found());
    if let Some(out) = wanted.out {
        let text = json!({ "conditions": probe::conditions(), "rows": rows.found().to_json() }).to_string();
        std::fs::write(&out, text + "\n").with_context(|| out.display().to_string())?;
    }
    if rows.found().is_far_off() && !wanted.is_quick {
        std::process::exit(1);
    }
    Ok(())
}

/// As long as what the product answers.
const BODY: &str = r#"{"deploymentId":"dep_mwzr9vsgj6ig4df8prtr","service":"service-042","status":"queued","branch":"main","dashboardUrl":"http://127.0.0.1:8080/deploys/dep_mwzr9vsgj6ig4df8prtr"}"#;

#[handler]
fn fixed() -> Response {
    Response::builder().status(StatusCode::ACCEPTED).content_type("application/json").body(BODY)
}

/// The framework with its own server, one route and a fixed answer.
fn anchor(address: &str) -> Result<()> {
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build()?;
    let routes = Route::new().at("/healthz", poem::get(fixed)).at("/bare", post(fixed)).boxed();
    Ok(runtime.block_on(Server::new(TcpListener::bind(address.to_owned())).run(routes))?)
}
