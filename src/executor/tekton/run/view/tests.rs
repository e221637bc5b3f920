//! Runs as a cluster showed them, and what they mean. Each file in `tests/data/tekton/status` is one moment of one run.

use serde::Deserialize;
use serde_json::Value;

use crate::domain::Step;
use crate::executor::Outcome;

use super::{StepEnd, StepView, view};
use crate::executor::tekton::run::snapshot::RunSnapshot;
use crate::executor::tekton::types::has_release;

/// Fewer files than this means that some are not read.
const AT_LEAST: usize = 40;

#[derive(Deserialize)]
struct Fixture {
    run: Value,
    build: Value,
    deploy: Value,
    #[serde(default)]
    put_back: Value,
    warning: Option<String>,
    expect: Vec<String>,
}

fn snapshot(fixture: &Fixture) -> RunSnapshot {
    RunSnapshot {
        run: serde_json::from_value(fixture.run.clone()).unwrap(),
        build: serde_json::from_value(fixture.build.clone()).unwrap(),
        deploy: serde_json::from_value(fixture.deploy.clone()).unwrap(),
        put_back: serde_json::from_value(fixture.put_back.clone()).unwrap(),
        warning: fixture.warning.clone(),
    }
}

fn step(step: Step, view: StepView) -> String {
    let state = match view {
        StepView { has_begun: false, .. } => "pending".to_owned(),
        StepView { finished: None, .. } => "works".to_owned(),
        StepView { finished: Some(StepEnd { succeeded, exit_code }), .. } => {
            let word = if succeeded { "succeeded" } else { "failed" };
            exit_code.map_or_else(|| word.to_owned(), |code| format!("{word} {code}"))
        }
    };
    format!("{} {state}", step.as_str())
}

fn rendered(snapshot: &RunSnapshot) -> Vec<String> {
    let view = view(snapshot);
    let releases = snapshot.deploy.as_ref().is_some_and(has_release);
    let steps = Step::ALL.into_iter().filter(|which| *which != Step::Release || releases);
    let mut lines: Vec<_> = steps.map(|which| step(which, view.step(which))).collect();
    lines
        .extend(view.commit.as_ref().map(|(commit, subject)| format!("commit {} {subject}", commit.short())));
    lines.extend(view.digest.as_ref().map(|digest| format!("digest {}", &digest.as_str()[..14])));
    lines.extend(view.waiting.as_ref().map(|waiting| format!("waiting: {waiting}")));
    match &view.end {
        None => {}
        Some(Outcome::Succeeded) => lines.push("end: succeeded".to_owned()),
        Some(Outcome::Failed { reason, message, detail, aftermath }) => {
            lines.push(format!("end: {}: {message}", reason.as_str()));
            lines.extend(detail.as_ref().map(|detail| format!("detail: {detail}")));
            lines.extend(aftermath.as_ref().map(|done| format!("then: {done}")));
        }
    }
    lines
}

#[test]
fn every_recorded_moment_means_what_it_should() {
    let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/data/tekton/status");
    let (mut read, mut wrong) = (0, Vec::new());
    let mut files: Vec<_> = std::fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path()).collect();
    files.sort();
    for path in files {
        let fixture: Fixture = serde_json::from_str(&std::fs::read_to_string(&path).unwrap()).unwrap();
        let lines = rendered(&snapshot(&fixture));
        read += 1;
        if lines != fixture.expect {
            let name = path.file_stem().unwrap().to_string_lossy().into_owned();
            wrong.push(format!("{name}\n  {}", lines.join("\n  ")));
        }
    }

    assert!(wrong.is_empty(), "{} differ, they give now:\n{}", wrong.len(), wrong.join("\n"));
    assert!(read >= AT_LEAST, "{read} files");
}
