//! Where a value is kept that the server itself never reads.

use std::fmt;

use serde::{Deserialize, Serialize};

use super::Invalid;
use super::names::is_subdomain;

/// What a Secret with a registry's credentials has; the only key of any kind that begins with a dot.
const DOCKER_CONFIG_KEY: &str = ".dockerconfigjson";

/// One value of a Kubernetes Secret in the build namespace.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(into = "String", try_from = "String")]
pub struct SecretKey {
    /// The Secret's name.
    pub secret: String,
    /// The key in it.
    pub key: String,
}

impl SecretKey {
    /// Reads `SECRET/KEY`; `field` is how the caller spells it.
    ///
    /// # Errors
    /// Says what would be right.
    pub fn parse(field: &str, text: &str) -> Result<Self, Invalid> {
        let found = text.split_once('/').filter(|(secret, key)| is_subdomain(secret) && is_secret_key(key));
        let Some((secret, key)) = found else {
            let detail = "must be SECRET/KEY: the name of a Secret in the build namespace, and a key in it";
            return Err(Invalid::new(field, detail));
        };
        Ok(Self { secret: secret.to_owned(), key: key.to_owned() })
    }
}

impl fmt::Display for SecretKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.secret, self.key)
    }
}

impl From<SecretKey> for String {
    fn from(key: SecretKey) -> Self {
        key.to_string()
    }
}

impl TryFrom<String> for SecretKey {
    type Error = Invalid;

    fn try_from(text: String) -> Result<Self, Invalid> {
        Self::parse("buildSecrets", &text)
    }
}

/// A key of a Secret, as Kubernetes has it; not one that begins with a dot, since it becomes a file's name.
fn is_secret_key(key: &str) -> bool {
    (1..=253).contains(&key.len())
        && key.bytes().all(|b| b.is_ascii_alphanumeric() || b"-._".contains(&b))
        && (!key.starts_with('.') || key == DOCKER_CONFIG_KEY)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_is_a_key_of_a_secret() {
        let key = SecretKey::parse("buildSecrets.npm", "npm-token/.dockerconfigjson").unwrap();
        assert_eq!((key.secret.as_str(), key.key.as_str()), ("npm-token", ".dockerconfigjson"));
        for wrong in ["", "npm", "/token", "npm/", "Npm/token", "npm/a/b", "npm/..", "npm/.x", "npm/$(x)"] {
            assert!(SecretKey::parse("buildSecrets", wrong).is_err(), "{wrong}");
        }
    }
}
