//! Measures how runs come into a cluster, beside a bare client of the same cluster: rows P14, P15 and P25.
//!
//!     cargo bench --no-run --bench cluster
//!     tests/cluster/cluster up --api-only
//!     tests/cluster/cluster exec cargo bench --offline --bench cluster -- [--rounds N] [--out cluster.json]
//!
//! No pod runs: what is measured ends where the PipelineRun exists. A watch of its own says when that is, for the server's
//! runs and for those of the bare client alike. P14 alone asks a scripted API. Nothing here decides whether a test passes.

#![expect(unreachable_pub, reason = "one program, whose rooms are its own")]
#![expect(
    clippy::cast_precision_loss,
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "figures that people read"
)]

mod api;
mod installation;
#[path = "../load/probe.rs"]
#[expect(dead_code, reason = "what the measurements of the server alone need more")]
mod probe;
mod rows;
#[path = "../load/stage.rs"]
#[expect(dead_code, reason = "what the measurements of the server alone need more")]
mod stage;
#[path = "../load/table.rs"]
#[expect(dead_code, reason = "what the measurements of the server alone need more")]
mod table;

use std::path::PathBuf;

use anyhow::{Context, Result, bail};
use serde_json::json;

use rows::Rows;

fn main() -> Result<()> {
    let (mut rounds, mut out) = (3_usize, None::<PathBuf>);
    let mut args = std::env::args().skip(1);
    while let Some(arg) = args.next() {
        match arg.as_str() {
            "--rounds" => rounds = args.next().context("--rounds N")?.parse()?,
            "--out" => out = Some(args.next().context("--out FILE")?.into()),
            // Cargo's own.
            "--bench" => {}
            other => bail!("{other}: cargo bench --bench cluster -- [--rounds N] [--out FILE]"),
        }
    }
    println!("{}", probe::conditions());
    let table = tokio::runtime::Runtime::new()?.block_on(async {
        let mut rows = Rows::new().await?;
        let measured = rows.measure(rounds).await;
        rows.leave().await?;
        measured.map(|()| rows.found)
    })?;
    println!("\n{table}");
    if let Some(out) = out {
        let text = json!({ "conditions": probe::conditions(), "rows": table.to_json() }).to_string();
        std::fs::write(&out, text + "\n").with_context(|| out.display().to_string())?;
    }
    Ok(())
}
