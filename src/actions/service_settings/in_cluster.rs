//! The settings that a service has in a cluster, out of its shape.

use std::collections::BTreeMap;

use crate::actions::service_settings::NO_CLUSTER;
use crate::domain::{
    CacheRepository, DEFAULT_RELEASE_TIMEOUT, Faults, ImageRepository, Invalid, ReleaseCommand,
    ReleaseSettings, SecretKey, Span, StepResources, TektonSettings, read_workloads,
};
use crate::wire::Change;
use crate::wire::service::{Pairs, TektonFields};

/// What is said of settings of a cluster for a service that runs elsewhere.
const OTHER_EXECUTOR: &str = "is for executor tekton, and this service's executor is local";

/// Something could not be read.
pub(super) struct Unread;

/// Refuses new settings of a cluster for a service that runs on this host. What it keeps from a time in a cluster may be
/// sent back.
pub(super) fn check_kept(
    fields: &TektonFields,
    kept: Option<&TektonSettings>,
    has_cluster: bool,
    faults: &mut Faults,
) {
    let why = if has_cluster { OTHER_EXECUTOR } else { NO_CLUSTER };
    if let Some(field) = fields.first_new(&TektonFields::of(kept)) {
        faults.add(field, why);
    }
}

/// The settings after these changes, none where nothing is set.
///
/// # Errors
/// Where something cannot be read, which `faults` then has.
pub(super) fn change_tekton(
    fields: TektonFields,
    before: Option<TektonSettings>,
    faults: &mut Faults,
) -> Result<Option<TektonSettings>, Unread> {
    let bare = TektonFields { image: Change::Keep, workloads: Change::Keep, ..fields.clone() };
    let sets_more = bare.first_new(&TektonFields::default()).is_some();
    let image = faults.take(fields.image.try_map(|text| ImageRepository::parse("image", &text)));
    let workloads = fields.workloads.try_map(|texts| read_workloads(&texts, faults).ok_or(Unread)).ok();
    let (is_image_read, are_workloads_read) = (image.is_some(), workloads.is_some());
    let image = image.unwrap_or_default().apply(before.as_ref().map(|before| before.image.clone()));
    let known = before.as_ref().map(|before| before.workloads.clone());
    let workloads = workloads.unwrap_or_default().apply(known);
    if image.is_none() && workloads.is_none() && is_image_read && are_workloads_read && !sets_more {
        return Ok(None);
    }
    if image.is_none() && is_image_read {
        faults.add("image", "is missing: where the built image is pushed");
    }
    if workloads.is_none() && are_workloads_read {
        faults.add("workloads", "is missing: what is given the image");
    }
    let release_timeout =
        faults.take(fields.release_timeout.try_map(|text| {
            text.parse::<Span>().map_err(|error| Invalid::new("releaseTimeout", error.detail))
        }));
    let cache = faults.take(fields.cache_repository.try_map(|text| CacheRepository::parse(&text)));
    let kept = before.as_ref();
    let known = kept.map(|own| own.build_args.clone()).unwrap_or_default();
    let build_args = merged(known, fields.build_args, faults, |_, value| Ok(value));
    let known = kept.map(|own| own.build_secrets.clone()).unwrap_or_default();
    let build_secrets = merged(known, fields.build_secrets, faults, |name, value| {
        SecretKey::parse(&format!("buildSecrets.{name}"), &value)
    });
    let known = kept.map(|own| own.resources.named().clone()).unwrap_or_default();
    let resources = merged(known, fields.resources, faults, |_, amount| Ok(amount));
    let resources = faults.take_all(StepResources::parse(resources));
    let default = TektonSettings::new(image.ok_or(Unread)?, workloads.ok_or(Unread)?);
    let before = before.unwrap_or_else(|| default.clone());
    Ok(Some(TektonSettings {
        cache_repository: cache.ok_or(Unread)?.apply(Some(before.cache_repository)).unwrap_or_default(),
        dockerfile: fields.dockerfile.apply(Some(before.dockerfile)).unwrap_or(default.dockerfile),
        context: fields.context.apply(Some(before.context)).unwrap_or(default.context),
        target: fields.target.apply(before.target),
        build_args,
        build_secrets,
        resources: resources.ok_or(Unread)?,
        git_secret: fields.git_secret.apply(before.git_secret),
        registry_secret: fields.registry_secret.apply(before.registry_secret),
        release: ReleaseSettings {
            command: fields
                .release_command
                .apply(before.release.command)
                .map(ReleaseCommand::with_line_feeds),
            timeout: release_timeout
                .ok_or(Unread)?
                .apply(Some(before.release.timeout))
                .unwrap_or(DEFAULT_RELEASE_TIMEOUT),
        },
        rollback: fields.rollback.apply(Some(before.rollback)).unwrap_or(default.rollback),
        ..TektonSettings::new(default.image, default.workloads)
    }))
}

/// Null removes one, a text sets it.
fn merged<T>(
    mut before: BTreeMap<String, T>,
    changes: Change<Pairs>,
    faults: &mut Faults,
    read: impl Fn(&str, String) -> Result<T, Invalid>,
) -> BTreeMap<String, T> {
    match changes {
        Change::Keep => {}
        Change::Empty => before.clear(),
        Change::Set(changes) => {
            for (name, value) in changes {
                match value.map(|value| read(&name, value)) {
                    Some(read) => drop(faults.take(read).map(|value| before.insert(name, value))),
                    None => drop(before.remove(&name)),
                }
            }
        }
    }
    before
}
