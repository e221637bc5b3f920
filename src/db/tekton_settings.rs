//! How a service is built in a cluster, as the JSON of one column.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::domain::{CacheRepository, ImageRepository, TektonSettings, Workload};

#[derive(Serialize, Deserialize)]
struct Stored {
    image: String,
    cache_repository: String,
    dockerfile: String,
    context: String,
    build_args: BTreeMap<String, String>,
    git_secret: Option<String>,
    registry_secret: Option<String>,
    workload: String,
    rollback: bool,
}

/// Writes the column.
pub(super) fn write(settings: &TektonSettings) -> Option<String> {
    let stored = Stored {
        image: settings.image.to_string(),
        cache_repository: settings.cache_repository.as_str().to_owned(),
        dockerfile: settings.dockerfile.clone(),
        context: settings.context.clone(),
        build_args: settings.build_args.clone(),
        git_secret: settings.git_secret.clone(),
        registry_secret: settings.registry_secret.clone(),
        workload: settings.workload.to_string(),
        rollback: settings.rollback,
    };
    serde_json::to_string(&stored).ok()
}

/// Reads the column; none where it breaks a rule of the domain.
pub(super) fn read(json: &str) -> Option<TektonSettings> {
    let stored: Stored = serde_json::from_str(json).ok()?;
    Some(TektonSettings {
        image: ImageRepository::parse("image", &stored.image).ok()?,
        cache_repository: CacheRepository::parse(&stored.cache_repository).ok()?,
        dockerfile: stored.dockerfile,
        context: stored.context,
        build_args: stored.build_args,
        git_secret: stored.git_secret,
        registry_secret: stored.registry_secret,
        workload: Workload::parse(&stored.workload).ok()?,
        rollback: stored.rollback,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn settings_are_read_as_they_were_written() {
        let image = ImageRepository::parse("image", "registry.example.com/team/app").unwrap();
        let settings = TektonSettings {
            cache_repository: CacheRepository::None,
            build_args: BTreeMap::from([("KEY".to_owned(), "a \"value\" $(x)".to_owned())]),
            git_secret: Some("git".to_owned()),
            rollback: false,
            ..TektonSettings::new(image, Workload::parse("apps/api/web").unwrap())
        };

        assert_eq!(read(&write(&settings).unwrap()), Some(settings));
        assert_eq!(read("{}"), None);
    }
}
