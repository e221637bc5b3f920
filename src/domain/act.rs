//! What was done, and to what: the words of the audit.

use std::fmt;

use crate::domain::DeploymentId;

/// Which acts one filter of the audit page shows.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ActKind {
    /// Begun, begun again, rolled back, cancelled.
    Deployments,
    /// Made, changed, rotated, revoked.
    Hooks,
    /// Made, changed, frozen, deleted.
    Services,
    /// Sessions, operators, passwords and links.
    SignIns,
    /// API tokens.
    Tokens,
    /// Targets of notices: made, changed, tried, switched off.
    Targets,
    /// The server itself; no filter of its own.
    Server,
}

impl ActKind {
    /// Those that can be filtered by, in the order of the page.
    pub const FILTERS: [Self; 6] =
        [Self::Deployments, Self::Hooks, Self::Services, Self::SignIns, Self::Tokens, Self::Targets];

    /// The word in an address.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Deployments => "deployments",
            Self::Hooks => "hooks",
            Self::Services => "services",
            Self::SignIns => "sign-ins",
            Self::Tokens => "tokens",
            Self::Targets => "targets",
            Self::Server => "server",
        }
    }
}

/// Something that the audit keeps.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[expect(missing_docs, reason = "each variant is told by its sentence in the table below")]
pub enum Act {
    ServiceCreate,
    ServiceUpdate,
    ServiceDelete,
    ServiceFreeze,
    ServiceUnfreeze,
    ServiceEmptyCache,
    BadgeCreate,
    BadgeDelete,
    ServiceDeploy,
    DeploymentRedeploy,
    DeploymentRollback,
    DeploymentCancel,
    HookCreate,
    HookUpdate,
    HookRotate,
    HookEndOldUrl,
    HookRevoke,
    TokenCreate,
    TokenRevoke,
    TargetCreate,
    TargetUpdate,
    TargetDelete,
    TargetRotate,
    TargetTest,
    TargetRedeliver,
    TargetDisable,
    OperatorCreate,
    OperatorDelete,
    OperatorLoginLink,
    OperatorReset,
    OperatorPassword,
    SessionCreate,
    SessionRevoke,
    SessionRefuse,
    ServerBackup,
}

impl Act {
    /// All of them.
    pub const ALL: [Self; 35] = [
        Self::ServiceCreate,
        Self::ServiceUpdate,
        Self::ServiceDelete,
        Self::ServiceFreeze,
        Self::ServiceUnfreeze,
        Self::ServiceEmptyCache,
        Self::BadgeCreate,
        Self::BadgeDelete,
        Self::ServiceDeploy,
        Self::DeploymentRedeploy,
        Self::DeploymentRollback,
        Self::DeploymentCancel,
        Self::HookCreate,
        Self::HookUpdate,
        Self::HookRotate,
        Self::HookEndOldUrl,
        Self::HookRevoke,
        Self::TokenCreate,
        Self::TokenRevoke,
        Self::TargetCreate,
        Self::TargetUpdate,
        Self::TargetDelete,
        Self::TargetRotate,
        Self::TargetTest,
        Self::TargetRedeliver,
        Self::TargetDisable,
        Self::OperatorCreate,
        Self::OperatorDelete,
        Self::OperatorLoginLink,
        Self::OperatorReset,
        Self::OperatorPassword,
        Self::SessionCreate,
        Self::SessionRevoke,
        Self::SessionRefuse,
        Self::ServerBackup,
    ];

    /// The word in the API and the database, its kind, and the sentence that begins with who did it.
    const fn facts(self) -> (&'static str, ActKind, &'static str) {
        use ActKind::{Deployments, Hooks, Server, Services, SignIns, Targets, Tokens};
        match self {
            Self::ServiceCreate => ("service.create", Services, "added the service"),
            Self::ServiceUpdate => ("service.update", Services, "changed the service"),
            Self::ServiceDelete => ("service.delete", Services, "deleted the service"),
            Self::ServiceFreeze => ("service.freeze", Services, "froze the service"),
            Self::ServiceUnfreeze => ("service.unfreeze", Services, "lifted the freeze"),
            Self::ServiceEmptyCache => ("service.empty_cache", Services, "emptied the cache of the service"),
            Self::BadgeCreate => ("badge.create", Services, "made a status badge of the service"),
            Self::BadgeDelete => ("badge.delete", Services, "took away the status badge of the service"),
            Self::ServiceDeploy => ("service.deploy", Deployments, "started a deployment"),
            Self::DeploymentRedeploy => ("deployment.redeploy", Deployments, "deployed again"),
            Self::DeploymentRollback => ("deployment.rollback", Deployments, "rolled back"),
            Self::DeploymentCancel => ("deployment.cancel", Deployments, "cancelled deployment"),
            Self::HookCreate => ("hook.create", Hooks, "generated hook"),
            Self::HookUpdate => ("hook.update", Hooks, "changed hook"),
            Self::HookRotate => ("hook.rotate", Hooks, "rotated hook"),
            Self::HookEndOldUrl => ("hook.end_old_url", Hooks, "ended the old URL of hook"),
            Self::HookRevoke => ("hook.revoke", Hooks, "revoked hook"),
            Self::TokenCreate => ("token.create", Tokens, "created API token"),
            Self::TokenRevoke => ("token.revoke", Tokens, "revoked API token"),
            Self::TargetCreate => ("target.create", Targets, "added target"),
            Self::TargetUpdate => ("target.update", Targets, "changed target"),
            Self::TargetDelete => ("target.delete", Targets, "removed target"),
            Self::TargetRotate => ("target.rotate", Targets, "gave a new secret to target"),
            Self::TargetTest => ("target.test", Targets, "sent a test to target"),
            Self::TargetRedeliver => ("target.redeliver", Targets, "had a notice delivered again to target"),
            Self::TargetDisable => ("target.disable", Targets, "switched off target"),
            Self::OperatorCreate => ("operator.create", SignIns, "added operator"),
            Self::OperatorDelete => ("operator.delete", SignIns, "removed operator"),
            Self::OperatorLoginLink => ("operator.login-link", SignIns, "made a sign-in link for"),
            Self::OperatorReset => ("operator.reset", SignIns, "reset the sign-in of"),
            Self::OperatorPassword => ("operator.password", SignIns, "gave a new password"),
            Self::SessionCreate => ("session.create", SignIns, "signed in"),
            Self::SessionRevoke => ("session.revoke", SignIns, "signed out"),
            Self::SessionRefuse => ("session.refuse", SignIns, "gave a wrong password for"),
            Self::ServerBackup => ("server.backup", Server, "took a backup"),
        }
    }

    /// The word for it, as `noun.verb`.
    pub const fn as_str(self) -> &'static str {
        self.facts().0
    }

    /// Reads the word.
    pub fn parse(text: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|act| act.as_str() == text)
    }

    /// Which filter shows it.
    pub const fn kind(self) -> ActKind {
        self.facts().1
    }

    /// What whoever did it did, for people.
    pub const fn sentence(self) -> &'static str {
        self.facts().2
    }
}

/// What an act was done to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Subject {
    /// A service, by name.
    Service(String),
    /// A hook, by name, of a service.
    Hook {
        /// The service's name; empty where it is gone.
        service: String,
        /// The hook's name.
        hook: String,
    },
    /// A deployment.
    Deployment(DeploymentId),
    /// An API token, by name.
    Token(String),
    /// A target of notices, by kind and address as far as that may be shown.
    Target(String),
    /// An operator, by name.
    Operator(String),
    /// The core file of the database.
    Database,
}

impl Subject {
    /// The word for what kind of thing it is.
    pub const fn noun(&self) -> &'static str {
        match self {
            Self::Service(_) => "service",
            Self::Hook { .. } => "hook",
            Self::Deployment(_) => "deployment",
            Self::Token(_) => "token",
            Self::Target(_) => "target",
            Self::Operator(_) => "operator",
            Self::Database => "database",
        }
    }

    /// The service that it is or belongs to, where that is told.
    pub fn service(&self) -> Option<&str> {
        match self {
            Self::Service(service) | Self::Hook { service, .. } => Some(service),
            _ => None,
        }
    }

    /// Its own name, where it is not that of its service.
    pub fn name(&self) -> Option<&str> {
        match self {
            Self::Hook { hook: name, .. } | Self::Token(name) | Self::Target(name) | Self::Operator(name) => {
                Some(name)
            }
            Self::Deployment(id) => Some(id.as_str()),
            Self::Service(_) | Self::Database => None,
        }
    }

    /// Reads what [`Self::noun`], [`Self::service`] and [`Self::name`] gave.
    pub fn from_parts(noun: &str, service: Option<String>, name: Option<String>) -> Option<Self> {
        Some(match noun {
            "service" => Self::Service(service?),
            "hook" => Self::Hook { service: service?, hook: name? },
            "deployment" => Self::Deployment(DeploymentId::parse(&name?)?),
            "token" => Self::Token(name?),
            "target" => Self::Target(name?),
            "operator" => Self::Operator(name?),
            "database" => Self::Database,
            _ => return None,
        })
    }
}

/// As the API shows it: `service api`, `hook api/ci`, a deployment's id.
impl fmt::Display for Subject {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Hook { service, hook } => write!(f, "hook {service}/{hook}"),
            Self::Deployment(id) => f.write_str(id.as_str()),
            Self::Database => f.write_str("core.db"),
            Self::Service(name) | Self::Token(name) | Self::Target(name) | Self::Operator(name) => {
                write!(f, "{} {name}", self.noun())
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_act_is_read_back_and_has_a_sentence_of_its_own() {
        for (index, act) in Act::ALL.into_iter().enumerate() {
            assert_eq!(Act::parse(act.as_str()), Some(act));
            assert!(Act::ALL[..index].iter().all(|earlier| earlier.sentence() != act.sentence()), "{act:?}");
        }
    }

    #[test]
    fn what_it_was_done_to_is_read_back_from_three_columns() {
        let id = DeploymentId::parse("dep_mwuangvh9xk2mq7rz4tb").unwrap();
        for (subject, text) in [
            (Subject::Service("api".to_owned()), "service api"),
            (Subject::Hook { service: "api".to_owned(), hook: "a/b c".to_owned() }, "hook api/a/b c"),
            (Subject::Deployment(id), "dep_mwuangvh9xk2mq7rz4tb"),
            (Subject::Token("ci".to_owned()), "token ci"),
            (Subject::Target("slack https://x/••1".to_owned()), "target slack https://x/••1"),
            (Subject::Operator("mira".to_owned()), "operator mira"),
            (Subject::Database, "core.db"),
        ] {
            let owned = |text: Option<&str>| text.map(str::to_owned);
            let read = Subject::from_parts(subject.noun(), owned(subject.service()), owned(subject.name()));

            assert_eq!(subject.to_string(), text);
            assert_eq!(read, Some(subject));
        }
    }
}
