//! The mounted registry Secret, and docker's `config.json` in it: whose credentials that has.

use std::path::Path;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use serde_json::Value;

/// Keys of the Secret: the credentials, as Kubernetes names them, and a private authority's certificate.
pub(super) const CREDENTIALS: &str = ".dockerconfigjson";
pub(super) const AUTHORITY: &str = "ca.crt";
/// Docker's own registry has several names, and its credentials stand under an address of long ago.
const DOCKER: &[&str] = &["docker.io", "index.docker.io", "registry-1.docker.io"];

/// The `config.json` of the Secret that is mounted at this folder.
pub(super) fn read(secret: &Path) -> Result<String, String> {
    std::fs::read_to_string(secret.join(CREDENTIALS))
        .map_err(|_| format!("the registry Secret has no key {CREDENTIALS}"))
}

/// The registries that it has credentials for.
pub(super) fn hosts(config: &str) -> Vec<String> {
    let config: Value = serde_json::from_str(config).unwrap_or_default();
    let names = config["auths"].as_object().into_iter().flat_map(serde_json::Map::keys);
    names.map(|name| host_of(name).to_owned()).collect()
}

/// The user name and password for a registry.
pub(super) fn credentials(config: &str, registry: &str) -> Option<(String, String)> {
    let config: Value = serde_json::from_str(config).ok()?;
    let is_docker = |host: &str| DOCKER.contains(&host);
    let is_meant = |name: &str| {
        let host = host_of(name);
        host == registry || (is_docker(host) && is_docker(registry))
    };
    let (_, entry) = config["auths"].as_object()?.iter().find(|(name, _)| is_meant(name))?;
    let text = |field: &str| entry[field].as_str().filter(|text| !text.is_empty());
    if let (Some(user), Some(password)) = (text("username"), text("password")) {
        return Some((user.to_owned(), password.to_owned()));
    }
    let both = String::from_utf8(STANDARD.decode(text("auth")?.trim()).ok()?).ok()?;
    let (user, password) = both.split_once(':')?;
    Some((user.to_owned(), password.to_owned()))
}

/// A registry may be written as an address.
fn host_of(name: &str) -> &str {
    let bare = name.split_once("://").map_or(name, |(_, rest)| rest);
    bare.split('/').next().unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    const CONFIG: &str = r#"{"auths":{
        "https://index.docker.io/v1/":{"auth":"bWlyYTpzZWNyZXQ6Mg=="},
        "r.example.com:5000":{"username":"ci","password":"word"},
        "empty.example.com":{}}}"#;

    #[test]
    fn credentials_are_found_by_the_registrys_name_however_it_is_written() {
        let found = |registry: &str| {
            let (user, password) = credentials(CONFIG, registry)?;
            Some(format!("{user} {password}"))
        };

        assert_eq!(found("docker.io").as_deref(), Some("mira secret:2"));
        assert_eq!(found("r.example.com:5000").as_deref(), Some("ci word"));
        assert_eq!((found("r.example.com"), found("empty.example.com")), (None, None));
        assert_eq!(hosts(CONFIG), ["index.docker.io", "r.example.com:5000", "empty.example.com"]);
        assert!(hosts("no json").is_empty());
    }
}
