//! The build step of a deployment whose image is named by its tag: asks the registry, once, which image that is.

use std::path::{Path, PathBuf};
use std::time::Duration;

use oci_client::client::{Certificate, CertificateEncoding, ClientConfig, ClientProtocol};
use oci_client::errors::{OciDistributionError, OciErrorCode};
use oci_client::manifest::ImageIndexEntry;
use oci_client::secrets::RegistryAuth;
use oci_client::{Client, Reference};
use serde_json::Value;
use tokio::time::Instant;

use super::docker_config::{self, AUTHORITY};
use crate::domain::ImageReference;
use crate::executor::exit_codes::{IMAGE_NOT_FOUND, IMAGE_REFUSED, IMAGE_UNAVAILABLE, SUCCEEDED};
use crate::executor::step_failure::{StepFailure, write_result};
use crate::executor::{Variables, proxies};

/// How long a registry that does not answer is asked again, and how often.
const PATIENCE: Duration = Duration::from_mins(5);
const PAUSE: Duration = Duration::from_secs(5);
/// A refusal is believed when it was heard so often: what hands tokens out for a registry may fail for a moment, which
/// looks the same.
const REFUSALS: u32 = 3;
/// Longest time for one answer.
const ANSWER_LIMIT: Duration = Duration::from_secs(20);
/// The label that tells what an image was built from, as the OCI image specification names it.
const REVISION: &str = "org.opencontainers.image.revision";
/// Longest revision that is handed on, in bytes.
const MAX_REVISION: usize = 100;
/// Begins a line that says what is waited for; the server shows it beside the deployment.
pub(in crate::executor::tekton) const WAITS: &str = "waiting: ";

/// The look for one image.
#[derive(Debug)]
pub struct LookUpStep {
    /// Look only whether the registry answers: one try, and that there is no such image is well.
    pub is_look: bool,
    /// By its tag.
    pub image: ImageReference,
    /// Folder of the mounted registry Secret.
    pub registry_secret: Option<PathBuf>,
    /// Registries that are spoken to over http.
    pub insecure_registries: Vec<String>,
    /// The server's proxy variables.
    pub variables: Variables,
    /// Where the digest is written; the files are results of the task.
    pub digest_file: PathBuf,
    /// Where it is written which commit the image says it was built from.
    pub revision_file: PathBuf,
    /// Where the sentence about a failure is written.
    pub message_file: PathBuf,
    /// Where the registry's own words about it are written.
    pub detail_file: PathBuf,
}

/// Why one look found nothing.
enum Missed {
    NotFound(String),
    Refused(String),
    Unavailable(String),
}

impl LookUpStep {
    /// Looks, and gives the exit code of the table.
    pub async fn run(&self) -> u8 {
        match self.look().await {
            Ok(()) => SUCCEEDED,
            Err(failure) => failure.tell(&self.message_file, &self.detail_file),
        }
    }

    async fn look(&self) -> Result<(), StepFailure> {
        println!("Looking up {}", self.image);
        let refused = |detail: String| {
            let message = format!(
                "{} does not let this service see the image; look at its registry Secret",
                self.registry()
            );
            StepFailure::new(IMAGE_REFUSED, message).with_detail(detail)
        };
        let config = self.config().map_err(refused)?;
        let (client, auth) = self.client(&config).map_err(refused)?;
        let reference = Reference::try_from(self.image.to_string()).map_err(|error| {
            StepFailure::new(IMAGE_NOT_FOUND, "the image's name is none for a registry")
                .with_detail(error.to_string())
        })?;
        let patience = if self.is_look { Duration::ZERO } else { PATIENCE };
        let (until, mut refusals) = (Instant::now() + patience, 0);
        let digest = loop {
            let missed = match ask(&client, &reference, &auth).await {
                Ok(digest) => break digest,
                Err(missed) => missed,
            };
            let late = Instant::now() >= until;
            match missed {
                Missed::NotFound(_) if self.is_look => return Ok(()),
                Missed::NotFound(detail) => {
                    let message = format!("{} has no image {}", self.registry(), self.image);
                    return Err(StepFailure::new(IMAGE_NOT_FOUND, message).with_detail(detail));
                }
                Missed::Refused(detail) if late || refusals + 1 == REFUSALS => return Err(refused(detail)),
                Missed::Refused(_) => refusals += 1,
                Missed::Unavailable(detail) if late => {
                    let message = match patience.as_secs() / 60 {
                        0 => format!("{} does not answer", self.registry()),
                        minutes => format!("{} did not answer for {minutes} minutes", self.registry()),
                    };
                    return Err(StepFailure::new(IMAGE_UNAVAILABLE, message).with_detail(detail));
                }
                Missed::Unavailable(detail) => {
                    println!(
                        "{WAITS}{} does not answer; it is asked for 5 minutes ({detail})",
                        self.registry()
                    );
                }
            }
            tokio::time::sleep(PAUSE).await;
        };
        println!("{} is {digest}", self.image);
        self.tell(&digest, revision(&client, &reference, &digest, &auth).await)
    }

    fn tell(&self, digest: &str, revision: Option<String>) -> Result<(), StepFailure> {
        let failed = |error: String| {
            StepFailure::new(IMAGE_UNAVAILABLE, "the digest could not be handed on").with_detail(error)
        };
        write_result(&self.digest_file, digest).map_err(failed)?;
        if let Some(revision) = revision {
            println!("It says that it was built from {revision}");
            write_result(&self.revision_file, &revision).map_err(failed)?;
        }
        Ok(())
    }

    fn registry(&self) -> &str {
        self.image.repository.registry()
    }

    /// Docker's configuration out of the Secret.
    fn config(&self) -> Result<String, String> {
        let Some(secret) = &self.registry_secret else { return Ok(String::new()) };
        docker_config::read(secret)
    }

    fn client(&self, config: &str) -> Result<(Client, RegistryAuth), String> {
        let auth = docker_config::credentials(config, self.registry())
            .map_or(RegistryAuth::Anonymous, |(user, password)| RegistryAuth::Basic(user, password));
        let proxies = proxies(&self.variables);
        let variable =
            |name: &str| proxies.iter().find(|(own, _)| own == name).map(|(_, value)| value.clone());
        let config = ClientConfig {
            protocol: ClientProtocol::HttpsExcept(self.insecure_registries.clone()),
            extra_root_certificates: self.authority()?.into_iter().collect(),
            platform_resolver: Some(Box::new(one_of_them)),
            read_timeout: Some(ANSWER_LIMIT),
            connect_timeout: Some(ANSWER_LIMIT),
            https_proxy: variable("https_proxy").or_else(|| variable("HTTPS_PROXY")),
            http_proxy: variable("http_proxy"),
            no_proxy: variable("no_proxy").or_else(|| variable("NO_PROXY")),
            ..ClientConfig::default()
        };
        let client =
            Client::try_from(config).map_err(|error| format!("no connection can be made: {error}"))?;
        Ok((client, auth))
    }

    /// The certificate of a private authority.
    fn authority(&self) -> Result<Option<Certificate>, String> {
        let file = self.registry_secret.as_deref().map(|secret: &Path| secret.join(AUTHORITY));
        let Some(file) = file.filter(|file| file.exists()) else { return Ok(None) };
        let data = std::fs::read(&file).map_err(|error| format!("{AUTHORITY} cannot be read: {error}"))?;
        Ok(Some(Certificate { encoding: CertificateEncoding::Pem, data }))
    }
}

/// The digest of an image, or of an index of images.
async fn ask(client: &Client, image: &Reference, auth: &RegistryAuth) -> Result<String, Missed> {
    client.fetch_manifest_digest(image, auth).await.map_err(|error| missed(&error))
}

fn missed(error: &OciDistributionError) -> Missed {
    let said = error_chain(error);
    match error {
        OciDistributionError::UnauthorizedError { .. } | OciDistributionError::AuthenticationFailure(_) => {
            Missed::Refused(said)
        }
        OciDistributionError::ServerError { code: 401 | 403, .. } => Missed::Refused(said),
        OciDistributionError::ServerError { code: 404, .. }
        | OciDistributionError::ImageManifestNotFoundError(_) => Missed::NotFound(said),
        OciDistributionError::RegistryError { envelope, .. } => {
            let code = envelope.errors.first().map(|first| &first.code);
            match code {
                Some(OciErrorCode::Unauthorized | OciErrorCode::Denied) => Missed::Refused(said),
                Some(
                    OciErrorCode::ManifestUnknown
                    | OciErrorCode::NameUnknown
                    | OciErrorCode::NameInvalid
                    | OciErrorCode::NotFound,
                ) => Missed::NotFound(said),
                _ => Missed::Unavailable(said),
            }
        }
        _ => Missed::Unavailable(said),
    }
}

/// An error with those that it comes from.
fn error_chain(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut source = error.source();
    while let Some(cause) = source {
        text = format!("{text}: {cause}");
        source = cause.source();
    }
    text
}

/// Of an index any image will do: all were built from one commit. That of this machine, where there is one.
fn one_of_them(entries: &[ImageIndexEntry]) -> Option<String> {
    oci_client::client::current_platform_resolver(entries)
        .or_else(|| entries.first().map(|entry| entry.digest.clone()))
}

/// What the image says it was built from. Whatever keeps it from being read is no matter.
async fn revision(client: &Client, image: &Reference, digest: &str, auth: &RegistryAuth) -> Option<String> {
    let image = image.clone_with_digest(digest.to_owned());
    let (manifest, _, config) = client.pull_manifest_and_config(&image, auth).await.ok()?;
    let config: Value = serde_json::from_str(&config).unwrap_or_default();
    let label = config["config"]["Labels"][REVISION].as_str().map(str::to_owned);
    let annotation = || manifest.annotations.as_ref()?.get(REVISION).cloned();
    label
        .or_else(annotation)
        .filter(|text| (1..=MAX_REVISION).contains(&text.len()) && !text.contains(char::is_control))
}
