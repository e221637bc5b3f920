//! Targets of notices in the file that declares things.

use std::path::Path;

use toml::de::DeTable;

use crate::cli::apply_file::{DeclaringFile, Table, place_of};
use crate::cli::target_secret::read_file;
use crate::domain::{TargetKind, TargetUrl};
use crate::wire::Change;
use crate::wire::target::TargetBody;

/// What is not a field of the API.
const OWN: [&str; 3] = ["url_file", "secret", "secret_file"];

/// A target as the file declares it.
#[derive(Debug)]
pub(in crate::cli) struct DeclaredTarget {
    pub(in crate::cli) kind: TargetKind,
    pub(in crate::cli) url: TargetUrl,
    /// With kind, address and service.
    pub(in crate::cli) body: TargetBody,
}

impl DeclaredTarget {
    /// The service that it is told of; none: of all.
    pub(in crate::cli) fn service(&self) -> Option<&str> {
        self.body.service.value().map(String::as_str)
    }

    /// Its address as the server shows it.
    pub(in crate::cli) fn shown_url(&self) -> String {
        self.url.shown(self.kind)
    }
}

impl DeclaringFile<'_> {
    /// The targets of a service, or those that stand outside of any.
    pub(super) fn targets(&mut self, table: &DeTable<'_>, service: Option<&str>) -> Vec<DeclaredTarget> {
        let tables = self.tables(table, "target");
        tables.into_iter().filter_map(|table| self.target(table, service)).collect()
    }

    fn target(&mut self, table: Table<'_, '_>, service: Option<&str>) -> Option<DeclaredTarget> {
        let url = self.address(table);
        let secret = self.secret(table.1);
        let body = self.shape::<TargetBody>(table, &OWN, &[]);
        if service.is_some() && table.1.contains_key("service") {
            self.unknown(place_of(table, "service"), "service");
        }
        let kind = self.kind(table, url.as_ref());
        let (mut body, url, kind) = (body?, url?, kind?);
        if let Some(service) = service {
            body.service = Change::Set(service.to_owned());
        }
        (body.kind, body.url) = (Some(kind.as_str().to_owned()), Some(url.reveal().to_string()));
        body.secret = secret;
        Some(DeclaredTarget { kind, url, body })
    }

    /// Its kind, which two hosts tell by themselves.
    fn kind(&mut self, table: Table<'_, '_>, url: Option<&TargetUrl>) -> Option<TargetKind> {
        let Some(value) = table.1.get("kind") else {
            let known = TargetKind::of_known_host(url?.reveal().as_str());
            if known.is_none() {
                self.missing(table, "kind");
            }
            return known;
        };
        // Of what is no text its shape tells.
        let kind = TargetKind::parse(value.get_ref().as_str()?);
        if kind.is_none() {
            let kinds = TargetKind::ALL.map(TargetKind::as_str).join(", ");
            self.faults.push((value.span().start, format!("kind: must be one of {kinds}")));
        }
        kind
    }

    /// Its address, which stands in the file or in one of its own.
    fn address(&mut self, table: Table<'_, '_>) -> Option<TargetUrl> {
        let (name, text) = match (table.1.get("url"), table.1.contains_key("url_file")) {
            (Some(_), true) => {
                let fault = "url_file: stands in place of url; leave one of them out";
                self.faults.push((place_of(table, "url_file"), fault.to_owned()));
                return None;
            }
            // Of what is no text its shape tells.
            (Some(value), false) => ("url", value.get_ref().as_str()?.to_owned()),
            (None, true) => ("url_file", self.text_in(table.1, "url_file")?),
            (None, false) => {
                self.missing(table, "url");
                return None;
            }
        };
        let read = TargetUrl::parse(&text);
        read.map_err(|wrong| self.faults.push((place_of(table, name), format!("{name}: {}", wrong.detail))))
            .ok()
    }

    /// The token of a forge, which stands in a file of its own.
    fn secret(&mut self, table: &DeTable<'_>) -> Option<String> {
        if let Some(value) = table.get("secret") {
            let fault = "secret: is not written here; name a file with it as secret_file";
            self.faults.push((value.span().start, fault.to_owned()));
        }
        self.text_in(table, "secret_file")
    }

    /// What stands in the file that a setting names.
    fn text_in(&mut self, table: &DeTable<'_>, name: &str) -> Option<String> {
        let file = self.text_of(table, name)?;
        let place = table.get(name)?.span().start;
        let read = read_file(&self.folder.join(Path::new(&file)));
        read.map_err(|failure| self.faults.push((place, format!("{name}: {}", failure.text)))).ok()
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use crate::cli::apply_file::{Declared, read};

    use super::*;

    fn read_in(folder: &Path, text: &str) -> Result<Declared, String> {
        read(text, "s.toml", folder).map_err(|failure| failure.text)
    }

    #[test]
    fn targets_stand_in_a_service_or_outside_and_secrets_in_files() {
        let folder = tempfile::tempdir().unwrap();
        std::fs::write(folder.path().join("token"), "ghp_x\n").unwrap();
        std::fs::write(folder.path().join("slack"), "https://hooks.slack.com/services/T0/B0/XSECRET\n")
            .unwrap();

        let declared = read_in(
            folder.path(),
            "[[service]]\nname = 'api'\n[[service.target]]\nkind = 'slack'\nurl_file = 'slack'\nwith_lines = true\n\
             [[service]]\nname = 'shop'\ntarget = 'release'\n\
             [[target]]\nurl = 'https://github.com/you/shop'\nservice = 'shop'\nsecret_file = 'token'\n\
             required_contexts = ['ci']\n[[target]]\nkind = 'webhook'\nurl = 'https://EXAMPLE.com'\n",
        )
        .unwrap();

        let slack = &declared.services[0].targets[0];
        assert!(slack.shown_url().starts_with("https://hooks.slack.com/••"), "{}", slack.shown_url());
        assert_eq!((slack.service(), slack.body.with_lines), (Some("api"), Some(true)));
        assert!(declared.services[1].targets.is_empty());
        assert_eq!(declared.services[1].body.tekton.target.value().map(String::as_str), Some("release"));
        assert_eq!(
            serde_json::to_value(&declared.targets[0].body).unwrap(),
            json!({
                "kind": "github", "url": "https://github.com/you/shop", "service": "shop", "secret": "ghp_x",
                "requiredContexts": ["ci"],
            })
        );
        let webhook = &declared.targets[1];
        assert_eq!((webhook.shown_url().as_str(), webhook.service()), ("https://example.com/", None));
    }

    #[test]
    fn everything_that_is_wrong_is_told_with_its_line() {
        let told = read_in(
            Path::new("/nowhere"),
            "[[service]]\nname = 'api'\n[[service.target]]\nkind = 'slak'\nurl = 'example.com'\nservice = 'api'\n\
             [[target]]\nevents = 'deployment.failed'\nsecret = 'ghp_hunter2'\n\
             [[target]]\nurl = 'https://example.com'\nid = 'tgt_x'\nsecret_file = 'token'\n\
             [[target]]\nkind = 7\nurl = 'https://example.com'\nurl_file = 'x'\n",
        )
        .unwrap_err();

        let lines: Vec<&str> = told.lines().map(str::trim).collect();
        let wanted = [
            "s.toml: line 4: kind: must be one of webhook, github, gitlab, gitea, slack, discord, teams",
            "line 5: url: is no address; write it whole, for example https://example.com/hooks/deploys",
            "line 6: unknown field `service`",
            "line 7: missing field `url`",
            "line 8: events: must be a list of texts, not a text",
            "line 9: secret: is not written here; name a file with it as secret_file",
            "line 10: missing field `kind`",
            "line 12: unknown field `id`",
            "line 13: secret_file: cannot read /nowhere/token: No such file or directory (os error 2)",
            "line 15: kind: must be a text, not a number",
            "line 17: url_file: stands in place of url; leave one of them out",
        ];
        assert_eq!(lines, wanted);
    }
}
