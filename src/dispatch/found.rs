//! After a restore: runs in the cluster that the restored file does not know are entered, so that what happened since the
//! copy was made is no lie. Those that run are gone on with, those that have ended are entered with their end.

use crate::db::deployments::NewDeployment;
use crate::db::found::{Found, FoundEnd, enter};
use crate::db::{self, Tx, deployments, hooks, services};
use crate::dispatch::{Dispatcher, persist};
use crate::domain::{
    Deployment, DeploymentId, ExactImage, ExecutorKind, ImageReference, ImageTag, Note, Service, Trigger, Who,
};
use crate::executor::{Executor, FoundRun, Outcome};

/// Why, in place of a caller's words.
const NOTE: &str = "found in the cluster after a restore";

impl<E: Executor> Dispatcher<E> {
    /// Enters what the database has lost, where it was put back from a copy; nothing is claimed for the executor before.
    ///
    /// # Errors
    /// Says why that is not done yet.
    pub(super) async fn enter_lost(&self, kind: ExecutorKind, executor: &E) -> Result<(), String> {
        let said = |error: &dyn std::fmt::Display| {
            format!("runs that the restored database has lost cannot be looked for: {error}")
        };
        let core = self.inner.db.core();
        if !kind.survives_restart() || !core.read(db::is_restored).await.map_err(|error| said(&error))? {
            return Ok(());
        }
        let mut ids = executor.runs().await.map_err(|error| said(&error))?;
        // An id begins with the moment of its acceptance.
        ids.sort_unstable_by(|one, other| one.as_str().cmp(other.as_str()));
        for id in ids {
            let own = id.clone();
            let known = core.read(move |reader| deployments::find(reader, &own)).await;
            if known.map_err(|error: db::Error| said(&error))?.is_some() {
                continue;
            }
            if let Some(run) = executor.find_run(&id).await.map_err(|error| said(&error))? {
                self.enter_run(kind, run).await.map_err(|error| said(&error))?;
            }
        }
        core.write(|tx| db::set_restored(tx, false)).await.map_err(|error: db::Error| said(&error))
    }

    async fn enter_run(&self, kind: ExecutorKind, run: FoundRun) -> Result<(), db::Error> {
        let (id, service) = (run.deployment.clone(), run.service.clone());
        // Between the commit and the start nobody may take it for a row without a run.
        self.inner.entering().insert(id.clone());
        let entered = self.inner.db.core().write(move |tx| enter_found(tx, kind, run)).await;
        match entered {
            Ok(Some((deployment, service))) => {
                tracing::warn!(deployment.id = %id, "a run was found that the restored database did not know");
                if deployment.status.is_final() {
                    persist::complete_log(&self.inner.db, &id, self.inner.clock.now()).await;
                } else {
                    self.start(deployment, service);
                }
            }
            Ok(None) => {
                tracing::warn!(
                    deployment.id = %id, service.name = service,
                    "a run was found whose service the restored database does not know; it is left alone"
                );
            }
            Err(error) => {
                self.inner.entering().remove(&id);
                return Err(error);
            }
        }
        self.inner.entering().remove(&id);
        Ok(())
    }
}

/// None where its service is not there any more, or not yet.
fn enter_found(
    tx: &Tx<'_>,
    kind: ExecutorKind,
    run: FoundRun,
) -> Result<Option<(Deployment, Service)>, db::Error> {
    let service = services::find_by_name(tx, &run.service)?;
    let Some(service) = service.filter(|service| service.tekton.is_some()) else { return Ok(None) };
    let hook = match &run.hook {
        Some(hook) => hooks::find_in_service(tx, &service.id, hook)?,
        None => None,
    };
    let end = run.end.as_ref();
    let name = run.image.clone().or_else(|| built(&service, &run.deployment));
    let digest = end.and_then(|end| end.digest.clone());
    let given = run.image.as_ref().and_then(|image| image.clone().exact());
    let image = exact(name, digest).or(given);
    let found = Found {
        new: NewDeployment {
            service_id: service.id.clone(),
            executor: kind,
            trigger: hook.map_or(Trigger::Deploy, |hook| Trigger::Hook(hook.id)),
            hook_generation: None,
            who: Who::Server,
            branch: run.branch,
            commit: run.commit,
            clear_cache: false,
            note: Note::parse(NOTE).ok(),
            asked_image: run.image,
            promoted_from: None,
            image: None,
            ignored_parameters: Vec::new(),
            traceparent: run.traceparent,
        },
        id: run.deployment,
        uid: run.uid,
        began_at: run.began_at,
        end: run.end.map(|end| FoundEnd {
            at: end.at,
            failure: match end.outcome {
                Outcome::Succeeded => None,
                Outcome::Failed { reason, message, detail, aftermath } => {
                    let message =
                        aftermath.iter().fold(message, |message, done| format!("{message}; {done}"));
                    Some((reason, message, detail))
                }
            },
            steps: end.steps,
            commit: end.commit,
            image,
            workloads: end.workloads,
        }),
    };
    Ok(enter(tx, &found)?.map(|deployment| (deployment, service)))
}

/// What an image is called that a deployment builds: its run's name is the tag.
fn built(service: &Service, id: &DeploymentId) -> Option<ImageReference> {
    let repository = service.tekton.as_ref()?.image.clone();
    Some(ImageReference { repository, tag: ImageTag::parse(id.run_name().as_str()), digest: None })
}

fn exact(name: Option<ImageReference>, digest: Option<crate::domain::ImageDigest>) -> Option<ExactImage> {
    let ImageReference { repository, tag, .. } = name?;
    Some(ExactImage { repository, tag, digest: digest? })
}
