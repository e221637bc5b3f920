//! What serves in a cluster.

use std::fmt;

use serde::{Deserialize, Serialize};

use super::Invalid;
use super::names::{is_label, is_subdomain};

/// The Kubernetes Deployment that serves, and which of its containers is given the image.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(into = "String", try_from = "String")]
pub struct Workload {
    /// Its namespace.
    pub namespace: String,
    /// Its name.
    pub deployment: String,
    /// The container; needed only where there is more than one.
    pub container: Option<String>,
}

impl Workload {
    /// Reads `NAMESPACE/DEPLOYMENT` or `NAMESPACE/DEPLOYMENT/CONTAINER`.
    ///
    /// # Errors
    /// Says which part is wrong.
    pub fn parse(text: &str) -> Result<Self, Invalid> {
        let mut parts = text.splitn(3, '/');
        let (Some(namespace), Some(deployment)) = (parts.next(), parts.next()) else {
            return Err(Invalid::new(
                "workload",
                "must be NAMESPACE/DEPLOYMENT or NAMESPACE/DEPLOYMENT/CONTAINER",
            ));
        };
        let container = parts.next().map(str::to_owned);
        let workload = Self { namespace: namespace.to_owned(), deployment: deployment.to_owned(), container };
        workload.check()?;
        Ok(workload)
    }

    /// Checks the three names.
    ///
    /// # Errors
    /// Says which one is wrong.
    pub fn check(&self) -> Result<(), Invalid> {
        let wrong = |part: &str, detail: &str| Err(Invalid::new(format!("workload.{part}"), detail));
        if !is_label(&self.namespace) {
            return wrong("namespace", "is 1 to 63 of a-z, 0-9 and -, with no - at either end");
        }
        if !is_subdomain(&self.deployment) {
            return wrong("deployment", "is the name of a Kubernetes Deployment: a-z, 0-9, - and .");
        }
        if self.container.as_ref().is_some_and(|container| !is_label(container)) {
            return wrong("container", "is 1 to 63 of a-z, 0-9 and -, with no - at either end");
        }
        Ok(())
    }
}

impl From<Workload> for String {
    fn from(workload: Workload) -> Self {
        workload.to_string()
    }
}

impl TryFrom<String> for Workload {
    type Error = Invalid;

    fn try_from(text: String) -> Result<Self, Invalid> {
        Self::parse(&text)
    }
}

impl fmt::Display for Workload {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.namespace, self.deployment)?;
        self.container.as_ref().map_or(Ok(()), |container| write!(f, "/{container}"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_workload_is_two_or_three_names() {
        assert_eq!(Workload::parse("apps/api/web").unwrap().to_string(), "apps/api/web");
        assert_eq!(Workload::parse("apps/api").unwrap().container, None);
        for wrong in ["", "api", "apps/", "/api", "Apps/api", "apps/api/", "apps/api/web/x", "apps/a_b"] {
            assert!(Workload::parse(wrong).is_err(), "{wrong}");
        }
    }
}
