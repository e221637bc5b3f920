//! How a service is built and deployed on the server's own host.

use std::collections::BTreeMap;
use std::fmt;

use serde::{Deserialize, Serialize};

use crate::domain::{Faults, ImageRepository, Invalid};

/// Longest command, in bytes.
const MAX_COMMAND: usize = 4_096;
/// Most variables, and longest value in bytes.
const MAX_VARIABLES: usize = 200;
const MAX_VALUE: usize = 32_768;

/// The name of a variable that a service gives its steps.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(try_from = "String")]
pub struct EnvName(String);

impl TryFrom<String> for EnvName {
    type Error = Invalid;

    fn try_from(text: String) -> Result<Self, Invalid> {
        Self::parse("env", &text)
    }
}

impl EnvName {
    /// Reads a name among those of `field`: letters, digits and `_`, not beginning with a digit, and none of the names that steps are given.
    ///
    /// # Errors
    /// Says which rule is broken.
    pub fn parse(field: &str, text: &str) -> Result<Self, Invalid> {
        let shape = !text.is_empty()
            && text.len() <= 100
            && text.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'_')
            && !text.as_bytes()[0].is_ascii_digit();
        if !shape {
            return Err(Invalid::new(
                format!("{field}.{text}"),
                "a variable's name is letters, digits and _",
            ));
        }
        if text.starts_with("STACKBLAZE_") || text.starts_with("GIT_") {
            return Err(Invalid::new(
                format!("{field}.{text}"),
                "names that begin with STACKBLAZE_ or GIT_ are set by the server",
            ));
        }
        Ok(Self(text.to_owned()))
    }

    /// The name.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for EnvName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// How the local executor builds and deploys a service. Its serde form is that of the database, values of variables
/// included; nothing else may write it.
#[derive(Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct LocalSettings {
    /// Given to `sh -e -c` in the source folder. Empty: nothing to build.
    pub build_command: String,
    /// Given to `sh -e -c` in the source folder after the build. Empty: nothing to deploy.
    pub deploy_command: String,
    /// Variables of the build and deploy commands. Values are never shown or logged again; stored in clear.
    pub env: BTreeMap<EnvName, String>,
    /// Variables of the same commands that are no secrets: shown, and left as they are in logs. `$STACKBLAZE_CACHE_DIR`
    /// in a value stands for the service's cache.
    pub vars: BTreeMap<EnvName, String>,
    /// Where images are that a call names without a repository.
    pub image: Option<ImageRepository>,
    /// A file on the server with a token or password, used in `clone` only.
    pub git_token_file: Option<String>,
    /// A file on the server with an ssh private key, used in `clone` only.
    pub git_ssh_key_file: Option<String>,
}

impl fmt::Debug for LocalSettings {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("LocalSettings").field("env", &self.env.keys()).finish_non_exhaustive()
    }
}

impl LocalSettings {
    /// A command as a shell takes it: with line feeds alone, whatever it was typed on.
    pub fn command(text: &str) -> String {
        text.replace("\r\n", "\n")
    }

    /// Checks lengths, paths and that at most one git credential is named.
    pub fn check(&self, faults: &mut Faults) {
        for (field, command) in
            [("buildCommand", &self.build_command), ("deployCommand", &self.deploy_command)]
        {
            if command.len() > MAX_COMMAND || command.contains('\0') {
                faults.add(field, format!("a command has at most {MAX_COMMAND} bytes and no NUL"));
            }
        }
        for (field, variables) in [("env", &self.env), ("vars", &self.vars)] {
            if variables.len() > MAX_VARIABLES {
                faults.add(field, format!("at most {MAX_VARIABLES} variables"));
            }
            for (name, value) in variables {
                if value.len() > MAX_VALUE || value.contains('\0') {
                    let detail = format!("a value has at most {MAX_VALUE} bytes and no NUL");
                    faults.add(format!("{field}.{}", name.as_str()), detail);
                }
            }
        }
        for name in self.vars.keys().filter(|name| self.env.contains_key(name)) {
            let detail = "is among the variables of env too; name it once";
            faults.add(format!("vars.{}", name.as_str()), detail);
        }
        for (field, path) in
            [("gitTokenFile", &self.git_token_file), ("gitSshKeyFile", &self.git_ssh_key_file)]
        {
            if path.as_ref().is_some_and(|path| !path.starts_with('/') || path.contains('\0')) {
                faults.add(field, "must be an absolute path on the server");
            }
        }
        if self.git_token_file.is_some() && self.git_ssh_key_file.is_some() {
            faults.add("gitSshKeyFile", "give gitTokenFile or gitSshKeyFile, not both");
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_that_the_server_sets_are_not_for_services() {
        assert!(EnvName::parse("env", "DATABASE_URL").is_ok());
        for wrong in ["", "1A", "A-B", "A=B", "STACKBLAZE_COMMIT", "GIT_ASKPASS"] {
            assert!(EnvName::parse("env", wrong).is_err(), "{wrong}");
        }
    }

    #[test]
    fn values_of_variables_do_not_show_in_debug_output() {
        let env = BTreeMap::from([(EnvName::parse("env", "KEY").unwrap(), "hunter2hunter2".to_owned())]);

        let shown = format!("{:?}", LocalSettings { env, ..LocalSettings::default() });

        assert!(shown.contains("KEY") && !shown.contains("hunter2"));
    }
}
