//! The part of a service that the executor `tekton` needs, as JSON. Null stands for a default, or for nothing.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::domain::{CacheRepository, ImageRepository, Invalid, TektonSettings, Workload};

use super::super::request::Change;

/// What is said of settings of a cluster on a server that has none.
pub(super) const NO_CLUSTER: &str =
    "needs a cluster, and this server has none: start it with --kube-context or inside the cluster";
/// What is said of them for a service that runs elsewhere.
const OTHER_EXECUTOR: &str = "is for executor tekton, and this service's executor is local";

/// What serves.
#[derive(Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(in crate::web) struct WorkloadBody {
    namespace: String,
    deployment: String,
    container: Option<String>,
}

impl From<Workload> for WorkloadBody {
    fn from(workload: Workload) -> Self {
        let Workload { namespace, deployment, container } = workload;
        Self { namespace, deployment, container }
    }
}

/// Changes of build arguments: null removes one, anything else sets it.
pub(in crate::web) type BuildArgs = BTreeMap<String, Option<String>>;

/// All fields of this part.
#[derive(Debug, Default)]
pub(super) struct TektonChanges {
    pub(super) image: Change<String>,
    pub(super) cache_repository: Change<String>,
    pub(super) dockerfile: Change<String>,
    pub(super) context: Change<String>,
    pub(super) build_args: Change<BuildArgs>,
    pub(super) git_secret: Change<String>,
    pub(super) registry_secret: Change<String>,
    pub(super) workload: Change<WorkloadBody>,
    pub(super) rollback: Change<bool>,
}

impl WorkloadBody {
    fn parse(self) -> Result<Workload, Invalid> {
        let Self { namespace, deployment, container } = self;
        let workload = Workload { namespace, deployment, container };
        workload.check()?;
        Ok(workload)
    }
}

impl TektonChanges {
    /// What GET shows.
    pub(super) fn of(settings: Option<&TektonSettings>) -> Self {
        let Some(settings) = settings else { return Self::default() };
        let args = settings.build_args.iter().map(|(name, value)| (name.clone(), Some(value.clone())));
        let cache = Some(settings.cache_repository.as_str().to_owned()).filter(|text| !text.is_empty());
        Self {
            image: Change::Set(settings.image.to_string()),
            cache_repository: cache.into(),
            dockerfile: Change::Set(settings.dockerfile.clone()),
            context: Change::Set(settings.context.clone()),
            build_args: Change::Set(args.collect()),
            git_secret: settings.git_secret.clone().into(),
            registry_secret: settings.registry_secret.clone().into(),
            workload: Change::Set(settings.workload.clone().into()),
            rollback: Change::Set(settings.rollback),
        }
    }

    /// Refuses new settings for a service that runs on this host. What it keeps from a time in a cluster may be sent
    /// back.
    ///
    /// # Errors
    /// Names the field.
    pub(super) fn check_kept(&self, kept: Option<&TektonSettings>, has_cluster: bool) -> Result<(), Invalid> {
        let kept = Self::of(kept);
        let fields = [
            ("workload", is_new(&self.workload, &kept.workload)),
            ("image", is_new(&self.image, &kept.image)),
            ("cacheRepository", is_new(&self.cache_repository, &kept.cache_repository)),
            ("dockerfile", is_new(&self.dockerfile, &kept.dockerfile)),
            ("context", is_new(&self.context, &kept.context)),
            ("buildArgs", is_new(&self.build_args, &kept.build_args)),
            ("gitSecret", is_new(&self.git_secret, &kept.git_secret)),
            ("registrySecret", is_new(&self.registry_secret, &kept.registry_secret)),
            ("rollback", is_new(&self.rollback, &kept.rollback)),
        ];
        let why = if has_cluster { OTHER_EXECUTOR } else { NO_CLUSTER };
        fields
            .into_iter()
            .find(|(_, is_new)| *is_new)
            .map_or(Ok(()), |(field, _)| Err(Invalid::new(field, why)))
    }

    /// The settings after these changes; none where nothing is set.
    ///
    /// # Errors
    /// Names the field that is missing or wrong.
    pub(super) fn apply(self, before: Option<TektonSettings>) -> Result<Option<TektonSettings>, Invalid> {
        let sets_more = self.sets_more();
        let image = self.image.try_map(|text| ImageRepository::parse("image", &text))?;
        let workload = self.workload.try_map(WorkloadBody::parse)?;
        let image = image.apply(before.as_ref().map(|before| before.image.clone()));
        let workload = workload.apply(before.as_ref().map(|before| before.workload.clone()));
        let (image, workload) = match (image, workload) {
            (Some(image), Some(workload)) => (image, workload),
            (None, None) if !sets_more => return Ok(None),
            (None, _) => {
                return Err(Invalid::new("image", "is missing: where the built image is pushed"));
            }
            (_, None) => {
                return Err(Invalid::new("workload", "is missing: which Deployment is given the image"));
            }
        };
        let default = TektonSettings::new(image, workload);
        let before = before.unwrap_or_else(|| default.clone());
        let cache = self.cache_repository.try_map(|text| CacheRepository::parse(&text))?;
        let build_args = match self.build_args {
            Change::Keep => before.build_args,
            Change::Empty => BTreeMap::new(),
            Change::Set(changes) => merged(before.build_args, changes),
        };
        Ok(Some(TektonSettings {
            cache_repository: cache.apply(Some(before.cache_repository)).unwrap_or_default(),
            dockerfile: self.dockerfile.apply(Some(before.dockerfile)).unwrap_or(default.dockerfile),
            context: self.context.apply(Some(before.context)).unwrap_or(default.context),
            build_args,
            git_secret: self.git_secret.apply(before.git_secret),
            registry_secret: self.registry_secret.apply(before.registry_secret),
            rollback: self.rollback.apply(Some(before.rollback)).unwrap_or(default.rollback),
            ..TektonSettings::new(default.image, default.workload)
        }))
    }

    /// Whether anything is set that means nothing without image and workload.
    fn sets_more(&self) -> bool {
        let texts = [
            &self.cache_repository,
            &self.dockerfile,
            &self.context,
            &self.git_secret,
            &self.registry_secret,
        ];
        texts.iter().any(|change| matches!(change, Change::Set(_)))
            || matches!(self.build_args, Change::Set(_))
            || matches!(self.rollback, Change::Set(_))
    }
}

fn is_new<T: PartialEq>(change: &Change<T>, kept: &Change<T>) -> bool {
    matches!(change, Change::Set(_)) && change != kept
}

fn merged(mut before: BTreeMap<String, String>, changes: BuildArgs) -> BTreeMap<String, String> {
    for (name, value) in changes {
        match value {
            Some(value) => drop(before.insert(name, value)),
            None => drop(before.remove(&name)),
        }
    }
    before
}

#[cfg(test)]
mod tests {
    use super::*;

    fn changes(image: &str, workload: Option<(&str, &str)>) -> TektonChanges {
        let workload = workload.map(|(namespace, deployment)| WorkloadBody {
            namespace: namespace.to_owned(),
            deployment: deployment.to_owned(),
            container: None,
        });
        TektonChanges {
            image: Change::Set(image.to_owned()),
            workload: workload.into(),
            ..TektonChanges::default()
        }
    }

    fn settings() -> TektonSettings {
        let changes = TektonChanges {
            build_args: Change::Set(BTreeMap::from([("MODE".to_owned(), Some("fast".to_owned()))])),
            dockerfile: Change::Set("deploy/Dockerfile".to_owned()),
            ..changes("registry.example.com/api", Some(("apps", "api")))
        };
        changes.apply(None).unwrap().unwrap()
    }

    #[test]
    fn what_is_shown_can_be_sent_back_and_changes_nothing() {
        let before = settings();

        assert_eq!(TektonChanges::of(Some(&before)).apply(Some(before.clone())).unwrap(), Some(before));
        assert_eq!(TektonChanges::of(None).apply(None).unwrap(), None);
    }

    #[test]
    fn null_brings_the_default_back_and_removes_an_argument() {
        let args = BTreeMap::from([("MODE".to_owned(), None), ("NEW".to_owned(), Some("x".to_owned()))]);
        let changes = TektonChanges {
            dockerfile: Change::Empty,
            rollback: Change::Set(false),
            build_args: Change::Set(args),
            ..TektonChanges::default()
        };

        let after = changes.apply(Some(settings())).unwrap().unwrap();

        assert_eq!((after.dockerfile.as_str(), after.rollback), ("Dockerfile", false));
        assert_eq!(after.build_args.into_keys().collect::<Vec<_>>(), ["NEW"]);
    }

    #[test]
    fn image_and_workload_come_together_and_before_all_else() {
        let field = |changes: TektonChanges| changes.apply(None).unwrap_err().field;

        assert_eq!(field(changes("registry.example.com/api", None)), "workload");
        assert_eq!(field(changes("no-registry", Some(("apps", "api")))), "image");
        assert_eq!(field(changes("registry.example.com/api", Some(("Apps", "api")))), "workload.namespace");
        let rollback = TektonChanges { rollback: Change::Set(true), ..TektonChanges::default() };
        assert_eq!(field(rollback), "image");
    }
}
