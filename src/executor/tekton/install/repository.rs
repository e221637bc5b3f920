//! A look at a service's repository by a short run in the build namespace: the clone step, with the Secret that it would
//! have. The server itself has no right to read Secrets, and may sit in another network.

use std::time::Duration;

use kube::Client;

use crate::domain::{Finding, Service, Step, TektonSettings};
use crate::executor::Outcome;
use crate::executor::clone::look::{Looked, judge};
use crate::executor::tekton::Common;
use crate::executor::tekton::install::small_run;
use crate::executor::tekton::names::MESSAGE_RESULT;
use crate::executor::tekton::run::small_runs::{look_name, look_run};
use crate::executor::tekton::types::find_result;

/// The run has a limit of its own, a minute; after this nobody waits for its end any more.
const PATIENCE: Duration = Duration::from_secs(90);

/// Looks, and leaves nothing in the cluster.
pub(super) async fn look(
    client: &Client,
    common: &Common,
    service: &Service,
    settings: &TektonSettings,
) -> Finding {
    let object = match look_run(service, settings, common) {
        Ok(object) => object,
        Err(error) => return Finding::bad(error.to_string(), None),
    };
    let name = look_name(&service.id);
    let ended = small_run::run(client, &common.namespace, &name, object, PATIENCE).await;
    let finding = match ended {
        Ok(Some((Outcome::Succeeded, task))) => {
            let notes = task.and_then(|task| find_result(&task, Step::Clone, MESSAGE_RESULT));
            judge(service, Looked::Well(notes.filter(|notes| !notes.is_empty())))
        }
        Ok(Some((Outcome::Failed { reason, message, detail, .. }, _))) => {
            judge(service, Looked::Badly { reason, message, detail })
        }
        Ok(None) => {
            let text =
                format!("{} was not looked at: the run that looks does not end", service.source_text());
            Finding::advice(text, Some("look at its pod: is there room for it?"))
        }
        Err(refusal) => {
            Finding::advice(format!("{} was not looked at: {}", service.source_text(), refusal.text), None)
        }
    };
    small_run::delete(client, &common.namespace, &name).await;
    finding
}
