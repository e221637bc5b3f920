//! What else is known of a deployment, as names and values.

use crate::domain::{Deployment, Source, Status};
use crate::web::pages::format;

/// A name and a value, in machine words or not.
#[derive(Debug)]
pub(super) struct Fact {
    pub(super) name: &'static str,
    pub(super) value: String,
    pub(super) is_code: bool,
}

pub(super) fn of(deployment: &Deployment) -> Vec<Fact> {
    let fact = |name, value: String, is_code| Fact { name, value, is_code };
    let mut facts = vec![
        fact("Run", deployment.id.run_name().to_string(), true),
        fact("Executor", deployment.executor.as_str().to_owned(), true),
    ];
    if deployment.source() == Source::Build {
        let cache = if deployment.clear_cache { "cleared" } else { "kept" };
        facts.push(fact("Build cache", cache.to_owned(), false));
    }
    let source = match deployment.source() {
        Source::Build => None,
        Source::Image => Some("an image that was named".to_owned()),
        Source::Promoted => {
            let from = deployment.promoted_from.as_ref().map(ToString::to_string).unwrap_or_default();
            Some(format!("promoted from {from}"))
        }
        Source::Kept => Some("what served before".to_owned()),
    };
    facts.extend(source.map(|source| fact("Source", source, false)));
    let image = deployment.given_image().filter(|_| deployment.status != Status::Succeeded);
    facts.extend(image.map(|image| fact("Image", image.to_string(), true)));
    facts.extend(deployment.note.as_ref().map(|note| fact("Note", note.to_string(), false)));
    // A receipt tells these in its own way.
    if deployment.status != Status::Succeeded {
        facts.insert(0, fact("Deployment", deployment.id.to_string(), true));
        facts.insert(3, fact("Caller", deployment.who.as_caller(), false));
        facts.extend(deployment.commit.as_ref().map(|commit| {
            let name = if deployment.claim().is_some() {
                "Commit, as the caller says"
            } else if deployment.commit_requested {
                "Commit, as asked for"
            } else {
                "Commit"
            };
            fact(name, commit.as_str().to_owned(), true)
        }));
    }
    if let (Some(started), Some(stop)) = (deployment.started_at, deployment.stop_at) {
        facts.push(fact("Time limit", format::limit(stop.since(started)), false));
    }
    facts
}
