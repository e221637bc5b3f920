//! What serves in a cluster.

use std::collections::BTreeSet;
use std::fmt;

use serde::{Deserialize, Serialize};

use super::names::{is_label, is_subdomain};
use super::{Faults, Invalid};

/// Most workloads of a service.
pub const MAX_WORKLOADS: usize = 16;

/// What kind of object a workload is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum WorkloadKind {
    /// Replicas that are all alike.
    Deployment,
    /// Replicas with a name and a disk each, replaced one after the other.
    StatefulSet,
    /// A pod on each node that takes it.
    DaemonSet,
    /// Jobs by the clock; nothing of it runs all the time.
    CronJob,
}

impl WorkloadKind {
    /// All, in the order of the documentation.
    pub const ALL: [Self; 4] = [Self::Deployment, Self::StatefulSet, Self::DaemonSet, Self::CronJob];

    /// The word of a setting and of the API.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Deployment => "deployment",
            Self::StatefulSet => "statefulset",
            Self::DaemonSet => "daemonset",
            Self::CronJob => "cronjob",
        }
    }

    /// The kind as Kubernetes writes it.
    pub const fn title(self) -> &'static str {
        match self {
            Self::Deployment => "Deployment",
            Self::StatefulSet => "StatefulSet",
            Self::DaemonSet => "DaemonSet",
            Self::CronJob => "CronJob",
        }
    }

    /// The kind of that word.
    pub fn parse(word: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|kind| kind.as_str() == word)
    }
}

/// An object of the cluster that serves, and which of its containers is given the image.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(into = "String", try_from = "String")]
pub struct Workload {
    /// What it is.
    pub kind: WorkloadKind,
    /// Its namespace.
    pub namespace: String,
    /// Its name.
    pub name: String,
    /// The container; none is the only one, else those that run the service's image.
    pub container: Option<String>,
}

impl Workload {
    /// Reads `[KIND:]NAMESPACE/NAME[/CONTAINER]`.
    ///
    /// # Errors
    /// Says which part is wrong.
    pub fn parse(text: &str) -> Result<Self, Invalid> {
        let wrong = |detail: &str| Err(Invalid::new("workload", format!("\"{text}\" {detail}")));
        let (kind, names) = match text.split_once(':') {
            None => (Some(WorkloadKind::Deployment), text),
            Some((kind, names)) => (WorkloadKind::parse(kind), names),
        };
        let Some(kind) = kind else {
            return wrong("begins with another kind than deployment:, statefulset:, daemonset: or cronjob:");
        };
        let mut parts = names.splitn(3, '/').map(str::to_owned);
        let (Some(namespace), Some(name)) = (parts.next(), parts.next()) else {
            return wrong("is not [KIND:]NAMESPACE/NAME[/CONTAINER]");
        };
        let workload = Self { kind, namespace, name, container: parts.next() };
        if !is_label(&workload.namespace) {
            return wrong("has a namespace that is not 1 to 63 of a-z, 0-9 and -, with no - at either end");
        }
        if !is_subdomain(&workload.name) {
            return wrong("has a name that is not of a-z, 0-9, - and .");
        }
        if workload.container.as_ref().is_some_and(|container| !is_label(container)) {
            return wrong("has a container that is not 1 to 63 of a-z, 0-9 and -, with no - at either end");
        }
        Ok(workload)
    }

    /// The object without a container: what may be named once.
    pub const fn object(&self) -> (WorkloadKind, &String, &String) {
        (self.kind, &self.namespace, &self.name)
    }

    /// The object for sentences, `Deployment apps/api`.
    pub fn title(&self) -> String {
        format!("{} {}/{}", self.kind.title(), self.namespace, self.name)
    }

    /// What `--workload` of `manifests` takes.
    #[must_use]
    pub fn without_container(&self) -> Self {
        Self { container: None, ..self.clone() }
    }
}

/// Reads a service's list; each that is wrong is told as `workloads.I`, counted from 0. None where something is.
pub fn read_workloads(texts: &[String], faults: &mut Faults) -> Option<Vec<Workload>> {
    faults.take_each(texts.iter().enumerate().map(|(at, text)| {
        let read = Workload::parse(text.trim());
        read.map_err(|wrong| Invalid::new(format!("workloads.{at}"), wrong.detail))
    }))
}

/// Checks the list as a whole.
pub(super) fn check_workloads(workloads: &[Workload], faults: &mut Faults) {
    if workloads.is_empty() {
        faults.add("workloads", "is missing: what is given the image");
    }
    if workloads.len() > MAX_WORKLOADS {
        faults.add("workloads", format!("at most {MAX_WORKLOADS} workloads"));
    }
    let mut known = BTreeSet::new();
    for (at, workload) in workloads.iter().enumerate() {
        if !known.insert(workload.object()) {
            faults.add(format!("workloads.{at}"), format!("\"{workload}\" is there twice"));
        }
    }
}

impl From<Workload> for String {
    fn from(workload: Workload) -> Self {
        workload.to_string()
    }
}

impl TryFrom<String> for Workload {
    type Error = Invalid;

    fn try_from(text: String) -> Result<Self, Invalid> {
        Self::parse(&text)
    }
}

impl fmt::Display for Workload {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.kind != WorkloadKind::Deployment {
            write!(f, "{}:", self.kind.as_str())?;
        }
        write!(f, "{}/{}", self.namespace, self.name)?;
        self.container.as_ref().map_or(Ok(()), |container| write!(f, "/{container}"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_workload_is_two_or_three_names_and_a_kind_where_it_is_no_deployment() {
        for text in ["apps/api", "apps/api/web", "statefulset:apps/db", "daemonset:a/b/c", "cronjob:a/b.c"] {
            assert_eq!(Workload::parse(text).unwrap().to_string(), text);
        }
        assert_eq!(Workload::parse("deployment:apps/api").unwrap().to_string(), "apps/api");
        assert_eq!(Workload::parse("cronjob:apps/api").unwrap().title(), "CronJob apps/api");
        let wrong = ["", "api", "apps/", "/api", "Apps/api", "apps/api/", "apps/api/web/x", "apps/a_b"];
        for wrong in wrong.into_iter().chain(["job:apps/api", "Deployment:apps/api", ":apps/api"]) {
            assert!(Workload::parse(wrong).is_err(), "{wrong}");
        }
    }

    #[test]
    fn each_wrong_one_of_a_list_is_told_by_its_place() {
        let mut faults = Faults::default();
        let texts = ["apps/api", "api", "x:a/b"].map(str::to_owned);

        assert_eq!(read_workloads(&texts, &mut faults), None);

        let told = faults.finish(()).unwrap_err();
        let fields: Vec<_> = told.iter().map(|fault| fault.field.as_str()).collect();
        assert_eq!(fields, ["workloads.1", "workloads.2"]);
    }

    #[test]
    fn a_list_has_one_to_sixteen_different_objects() {
        let told = |texts: &[&str]| {
            let workloads: Vec<_> = texts.iter().map(|text| Workload::parse(text).unwrap()).collect();
            let mut faults = Faults::default();
            check_workloads(&workloads, &mut faults);
            faults.finish(()).err().map(|all| all[0].field.clone()).unwrap_or_default()
        };
        let many: Vec<_> = (0..17).map(|n| format!("apps/a{n}")).collect();
        let many: Vec<_> = many.iter().map(String::as_str).collect();

        assert_eq!(told(&[]), "workloads");
        assert_eq!(told(&many), "workloads");
        assert_eq!(told(&many[..16]), "");
        assert_eq!(told(&["apps/api", "statefulset:apps/api", "apps/api/web"]), "workloads.2");
    }
}
