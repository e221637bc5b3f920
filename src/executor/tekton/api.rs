//! Where Tekton's objects are. Watched without types, so that one that cannot be read spoils no other.

use kube::api::{Api, ApiResource, DynamicObject};
use kube::{Client, Resource};

use super::types::{PipelineRun, TaskRun};

/// PipelineRuns of a namespace, unread.
pub(super) fn pipeline_runs(client: &Client, namespace: &str) -> Api<DynamicObject> {
    Api::namespaced_with(client.clone(), namespace, &ApiResource::erase::<PipelineRun>(&()))
}

/// TaskRuns of a namespace, unread.
pub(super) fn task_runs(client: &Client, namespace: &str) -> Api<DynamicObject> {
    Api::namespaced_with(client.clone(), namespace, &ApiResource::erase::<TaskRun>(&()))
}

/// The path of a namespace's PipelineRuns.
pub(super) fn url(namespace: &str) -> String {
    PipelineRun::url_path(&(), Some(namespace))
}
