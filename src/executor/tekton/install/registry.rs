//! A look at a service's registry by a short run in the build namespace: the step that looks an image up, with the Secret
//! that it would have.

use std::time::Duration;

use kube::Client;

use crate::domain::{Finding, Reason, Service, TektonSettings};
use crate::executor::Outcome;
use crate::executor::tekton::Common;
use crate::executor::tekton::install::small_run;
use crate::executor::tekton::run::small_runs::{registry_name, registry_run};

/// The run has a limit of its own, a minute; after this nobody waits for its end any more.
const PATIENCE: Duration = Duration::from_secs(90);

/// Looks, and leaves nothing in the cluster.
pub(super) async fn look(
    client: &Client,
    common: &Common,
    service: &Service,
    settings: &TektonSettings,
) -> Finding {
    let (name, object) = (registry_name(&service.id), registry_run(&service.id, settings, common));
    let ended = small_run::run(client, &common.namespace, &name, object, PATIENCE).await;
    let finding = match ended {
        Ok(Some((outcome, _))) => judge(settings, outcome),
        Ok(None) => {
            let text = format!("the registry of {} was not looked at: the run does not end", settings.image);
            Finding::advice(text, Some("look at its pod: is there room for it?"))
        }
        Err(refusal) => {
            let text = format!("the registry of {} was not looked at: {}", settings.image, refusal.text);
            Finding::advice(text, None)
        }
    };
    small_run::delete(client, &common.namespace, &name).await;
    finding
}

/// Some registries refuse a repository that is not there yet in the words of a wrong password, and take the first push all
/// the same: a refusal is advice.
fn judge(settings: &TektonSettings, outcome: Outcome) -> Finding {
    let image = &settings.image;
    match outcome {
        Outcome::Succeeded => Finding::good(format!("{} answers about {image}", image.registry())),
        Outcome::Failed { reason: Reason::ImageRefused, detail, .. } => {
            let why = detail.map(|detail| format!(" ({detail})")).unwrap_or_default();
            let text = format!("{} does not let this service see {image}{why}", image.registry());
            let fix = "look at the registry Secret, unless the repository is not there yet";
            Finding::advice(text, Some(fix))
        }
        Outcome::Failed { message, detail, .. } => {
            let why = detail.map(|detail| format!(" ({detail})")).unwrap_or_default();
            Finding::bad(
                format!("{message}{why}"),
                Some("look at the image's name and at the network of builds"),
            )
        }
    }
}
