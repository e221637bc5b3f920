//! Images as callers name them, and as they are deployed.

use std::fmt;

use super::image::{ImageDigest, ImageRepository, ImageTag};
use super::{DeploymentId, Invalid, RunName};

/// The parameter or field in which a caller names an image.
const FIELD: &str = "image";
/// Longest name that is looked at, in bytes: repository, tag and digest together.
const MAX_NAME: usize = 200 + 1 + 128 + 1 + 71;

/// An image as a caller wrote it; without a repository it is one of the service's own.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NamedImage {
    /// Where it is; none is the service's own.
    pub repository: Option<ImageRepository>,
    which: Which,
}

/// Which image of its repository: by tag, by digest or by both, never by neither.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Which {
    tag: Option<ImageTag>,
    digest: Option<ImageDigest>,
}

impl NamedImage {
    /// Reads `@sha256:…`, `sha256:…`, `:TAG` or `REGISTRY/REPOSITORY[:TAG][@sha256:…]`.
    ///
    /// # Errors
    /// Says which part is wrong and what would be right.
    pub fn parse(text: &str) -> Result<Self, Invalid> {
        let wrong = |detail: String| Err(Invalid::new(FIELD, detail));
        if text.is_empty() {
            return wrong(
                "is empty: an unset CI variable; write @sha256:…, :TAG or registry/repository:tag".to_owned(),
            );
        }
        if text.len() > MAX_NAME {
            return wrong(format!("has more than {MAX_NAME} bytes"));
        }
        if text.starts_with("sha256:") {
            return Ok(Self { repository: None, which: Which { tag: None, digest: Some(digest(text)?) } });
        }
        let (name, digest) = match text.split_once('@') {
            Some((name, text)) => (name, Some(digest(text)?)),
            None => (text, None),
        };
        // A port is behind the first colon, and then a slash follows.
        let (repository, tag) = match name.rsplit_once(':') {
            Some((repository, tag)) if !tag.contains('/') => (repository, Some(self::tag(tag)?)),
            _ => (name, None),
        };
        if repository.is_empty() {
            let which = Which { tag, digest };
            return Ok(Self { repository: None, which });
        }
        if !repository.contains('/')
            && tag.is_none()
            && digest.is_none()
            && ImageTag::parse(repository).is_some()
        {
            return wrong(format!(
                "names no repository; write :{repository} for that tag of the service's own image"
            ));
        }
        let repository = Some(ImageRepository::parse(FIELD, repository)?);
        let tag = tag.or_else(|| digest.is_none().then(ImageTag::latest));
        Ok(Self { repository, which: Which { tag, digest } })
    }

    /// The image in full, where `own` is the service's own repository.
    pub fn in_full(self, own: &ImageRepository) -> ImageReference {
        let Self { repository, which: Which { tag, digest } } = self;
        ImageReference { repository: repository.unwrap_or_else(|| own.clone()), tag, digest }
    }
}

fn tag(text: &str) -> Result<ImageTag, Invalid> {
    ImageTag::parse(text).ok_or_else(|| {
        Invalid::new(
            FIELD,
            "a tag is 1 to 128 letters, digits and . _ -, beginning with a letter, a digit or _",
        )
    })
}

fn digest(text: &str) -> Result<ImageDigest, Invalid> {
    ImageDigest::parse(text).ok_or_else(|| Invalid::new(FIELD, "a digest is sha256: and 64 of 0-9 and a-f"))
}

/// An image with its repository, by tag, by digest or by both: `registry.example.com/team/app:v1`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ImageReference {
    /// Where it is.
    pub repository: ImageRepository,
    /// Its tag.
    pub tag: Option<ImageTag>,
    /// Exactly this image; without one the tag tells when it is looked up.
    pub digest: Option<ImageDigest>,
}

impl ImageReference {
    /// Reads what is shown; `None` where it has another shape.
    pub fn parse(text: &str) -> Option<Self> {
        let named = NamedImage::parse(text).ok()?;
        let own = named.repository.clone()?;
        Some(named.in_full(&own))
    }

    /// Exactly one image, where the digest is known.
    pub fn exact(&self) -> Option<ExactImage> {
        let Self { repository, tag, digest } = self.clone();
        Some(ExactImage { repository, tag, digest: digest? })
    }
}

impl fmt::Display for ImageReference {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.repository)?;
        self.tag.iter().try_for_each(|tag| write!(f, ":{tag}"))?;
        self.digest.iter().try_for_each(|digest| write!(f, "@{digest}"))
    }
}

/// Exactly one image: `registry.example.com/team/app:dep-x@sha256:…`, the tag for people.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ExactImage {
    /// Where it is.
    pub repository: ImageRepository,
    /// The tag that it was pushed or found under.
    pub tag: Option<ImageTag>,
    /// Exactly this image.
    pub digest: ImageDigest,
}

impl ExactImage {
    /// The image that a deployment pushed: its run's name is the tag.
    pub fn built(repository: ImageRepository, by: &DeploymentId, digest: ImageDigest) -> Self {
        let tag = ImageTag::parse(by.run_name().as_str());
        Self { repository, tag, digest }
    }

    /// Reads what is shown; `None` where it has another shape.
    pub fn parse(text: &str) -> Option<Self> {
        ImageReference::parse(text)?.exact()
    }

    /// The deployment that built it, as far as the tag tells.
    pub fn built_by(&self) -> Option<DeploymentId> {
        let tag = self.tag.as_ref()?.as_str();
        DeploymentId::parse(tag).filter(|id| RunName::as_str(&id.run_name()) == tag)
    }

    /// The same as a reference.
    pub fn reference(&self) -> ImageReference {
        let Self { repository, tag, digest } = self.clone();
        ImageReference { repository, tag, digest: Some(digest) }
    }
}

impl fmt::Display for ExactImage {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.reference().fmt(f)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn hex() -> String {
        format!("sha256:{}", "0a".repeat(32))
    }

    fn full(text: &str) -> String {
        let own = ImageRepository::parse("image", "r.example.com:5000/team/api").unwrap();
        NamedImage::parse(text).map_or_else(|wrong| wrong.detail, |named| named.in_full(&own).to_string())
    }

    #[test]
    fn every_form_of_a_name_is_read() {
        let digest = hex();
        let own = "r.example.com:5000/team/api";
        assert_eq!(full(&digest), format!("{own}@{digest}"));
        assert_eq!(full(&format!("@{digest}")), format!("{own}@{digest}"));
        assert_eq!(full(":v1"), format!("{own}:v1"));
        assert_eq!(full(&format!(":v1@{digest}")), format!("{own}:v1@{digest}"));
        assert_eq!(full("q.example.com:443/x"), "q.example.com:443/x:latest");
        assert_eq!(full("q.example.com:443/x:1"), "q.example.com:443/x:1");
        assert_eq!(full(&format!("q.example.com/x@{digest}")), format!("q.example.com/x@{digest}"));
        assert_eq!(full(&format!("q.example.com/x:1@{digest}")), format!("q.example.com/x:1@{digest}"));
    }

    #[test]
    fn what_is_no_name_is_refused_with_what_would_be_right() {
        assert!(full("v1").contains("write :v1 "));
        assert!(full("").contains("unset"));
        for wrong in [
            ":",
            "@",
            "sha256:0",
            ":a b",
            "team/app",
            "app:1",
            "r.example.com/App",
            "r.example.com/a@sha512:0",
            "@sha256:",
        ] {
            assert!(NamedImage::parse(wrong).is_err(), "{wrong}");
        }
    }

    #[test]
    fn an_exact_image_is_read_as_it_is_shown_and_tells_who_built_it() {
        let text = format!("localhost:5000/api:dep-mwuangvh9xk2mq7rz4tb@{}", hex());

        let image = ExactImage::parse(&text).unwrap();

        assert_eq!(image.to_string(), text);
        assert_eq!(image.built_by().unwrap().as_str(), "dep_mwuangvh9xk2mq7rz4tb");
        assert!(ExactImage::parse("localhost:5000/api:latest").is_none());
        let foreign = ExactImage::parse(&format!("localhost:5000/api@{}", hex())).unwrap();
        assert_eq!(
            (foreign.built_by(), foreign.to_string()),
            (None, format!("localhost:5000/api@{}", hex()))
        );
    }
}
