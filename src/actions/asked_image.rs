//! The image that a caller names, judged by the service that it is for.

use crate::actions::wanted::{Wanted, WantedImage};
use crate::actions::{Error, Result};
use crate::db::{Reader, deployments, services};
use crate::domain::{
    Branch, Code, Commit, DeploymentId, ExactImage, GitRef, ImageReference, ImageRepository, NamedImage,
    Service, ServiceId, Status,
};

/// What is deployed, once the service has been asked.
#[derive(Debug)]
pub(super) struct Chosen {
    /// The branch or tag, where the caller or the promoted deployment names one.
    pub(super) what: Option<GitRef>,
    /// The commit, likewise.
    pub(super) commit: Option<Commit>,
    /// The image in full, where one was named.
    pub(super) asked: Option<ImageReference>,
    /// The deployment whose image it is.
    pub(super) promoted_from: Option<DeploymentId>,
}

impl Chosen {
    /// Exactly the image, where it is known already.
    pub(super) fn exact(&self) -> Option<ExactImage> {
        self.asked.as_ref()?.exact()
    }

    /// What is deployed where nothing else was said.
    pub(super) fn what_or(&self, default: &Branch) -> GitRef {
        self.what.clone().unwrap_or_else(|| default.clone().into())
    }
}

/// Chooses what is deployed of a service.
///
/// # Errors
/// Codes `image_required`, `image_not_allowed` and `from_not_possible`.
pub(super) fn choose(
    reader: &Reader<'_>,
    id: &ServiceId,
    is_image_only: bool,
    wanted: &Wanted,
) -> Result<Chosen> {
    let Some(image) = &wanted.image else {
        if is_image_only {
            let detail = "this service has no repository to build from: name an image with image, or a deployment to promote with from";
            return Err(at("image", Code::ImageRequired, detail));
        }
        let (what, commit) = (wanted.what.clone(), wanted.commit.clone());
        return Ok(Chosen { what, commit, asked: None, promoted_from: None });
    };
    let service = services::find(reader, id)?.ok_or_else(|| Error::not_found("service of that id"))?;
    match image {
        WantedImage::Named(named) => Ok(Chosen {
            what: wanted.what.clone(),
            commit: wanted.commit.clone(),
            asked: Some(named_of(&service, named)?),
            promoted_from: None,
        }),
        WantedImage::Of(origin) => promoted(reader, &service, origin),
    }
}

fn named_of(service: &Service, named: &NamedImage) -> Result<ImageReference> {
    let refused = |detail: String| at("image", Code::ImageNotAllowed, detail);
    let Some(own) = service.own_image().or(named.repository.as_ref()) else {
        let detail = "names no repository, and the service has no image repository of its own; write registry/repository:tag";
        return Err(refused(detail.to_owned()));
    };
    let image = named.clone().in_full(own);
    if service.admits_image(&image.repository) {
        return Ok(image);
    }
    Err(refused(format!("may be an image of {}, not of {}", admitted(service), image.repository)))
}

/// The repositories that a service admits, for people.
fn admitted(service: &Service) -> String {
    let all = service.own_image().into_iter().chain(&service.allowed_images);
    let all: Vec<_> = all.map(ImageRepository::as_str).collect();
    if all.is_empty() { "no repository, since the service names none".to_owned() } else { all.join(", ") }
}

fn promoted(reader: &Reader<'_>, service: &Service, origin: &DeploymentId) -> Result<Chosen> {
    let refused = |detail: String| at("from", Code::FromNotPossible, detail);
    let Some(found) = deployments::find(reader, origin)? else {
        return Err(refused(format!("there is no deployment {origin}")));
    };
    if found.status != Status::Succeeded {
        return Err(refused(format!("{origin} has not succeeded: it is {}", found.status.as_str())));
    }
    let Some(image) = found.image else {
        return Err(refused(format!(
            "the digest of what {origin} serves is not known, so it cannot be promoted"
        )));
    };
    if !service.admits_image(&image.repository) {
        let detail = format!(
            "{origin} serves an image of {}; this service admits {}",
            image.repository,
            admitted(service)
        );
        return Err(refused(detail));
    }
    Ok(Chosen {
        what: Some(found.branch),
        commit: found.commit,
        asked: Some(image.reference()),
        promoted_from: Some(origin.clone()),
    })
}

fn at(field: &str, code: Code, detail: impl Into<String>) -> Error {
    Error { field: Some(field.to_owned()), ..Error::new(code, detail) }
}
