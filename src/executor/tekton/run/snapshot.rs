//! What the cluster has shown of one run.

use crate::domain::Step;
use crate::executor::tekton::names::{BUILD_TASK, DEPLOY_TASK, PUT_BACK_TASK, task_of};
use crate::executor::tekton::types::{PipelineRun, TaskRun};

/// What is known of one run at one moment.
#[derive(Debug, Clone, Default)]
pub struct RunSnapshot {
    /// None before it is seen.
    pub run: Option<PipelineRun>,
    /// None before it exists, and always in a rollback.
    pub build: Option<TaskRun>,
    /// None before it exists.
    pub deploy: Option<TaskRun>,
    /// None but where the deploy task failed.
    pub put_back: Option<TaskRun>,
    /// The last Warning event about the pod that is waited for.
    pub warning: Option<String>,
}

impl RunSnapshot {
    /// The TaskRun of a task.
    pub fn task(&self, name: &str) -> Option<&TaskRun> {
        match name {
            DEPLOY_TASK => self.deploy.as_ref(),
            PUT_BACK_TASK => self.put_back.as_ref(),
            _ => self.build.as_ref(),
        }
    }

    /// Takes what a TaskRun of this run shows, by the name of its task.
    pub(super) fn take(&mut self, task: Option<&str>, shown: TaskRun) {
        match task {
            Some(BUILD_TASK) => self.build = Some(shown),
            Some(DEPLOY_TASK) => self.deploy = Some(shown),
            Some(PUT_BACK_TASK) => self.put_back = Some(shown),
            _ => {}
        }
    }

    /// The pod of a step, once it is known.
    pub fn pod_of(&self, step: Step) -> Option<&str> {
        let pod = self.task(task_of(step))?.status.as_ref()?.pod_name.as_str();
        (!pod.is_empty()).then_some(pod)
    }
}
