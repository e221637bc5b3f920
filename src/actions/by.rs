//! Who acts, and what they may.

use std::net::IpAddr;
use std::time::Duration;

use crate::actions::{Error, Result};
use crate::db::audit::{self, Actor, Record};
use crate::db::operators::Operator;
use crate::db::{Reader, Tx, hooks, sessions, tokens};
use crate::domain::{Code, Deployment, HookId, Scope, ServiceId, Timestamp, TokenHash, Trigger, Who};

/// How long after signing in, or giving the password, a session may make secrets.
const FRESH: Duration = Duration::from_mins(10);
/// Longest text that is kept of what a program calls itself, in characters.
const PROGRAM_MAX: usize = 80;

/// A caller whose credential is good.
#[derive(Debug, Clone)]
pub enum Caller {
    /// Through the socket in the data directory; the file's permissions are the credential.
    Socket,
    /// An operator's session. `confirmed_at` is when they last signed in or gave their password; `None` where they have
    /// no password.
    Operator {
        operator: Operator,
        /// The hash of the session's secret.
        session: [u8; 32],
        /// See above.
        confirmed_at: Option<Timestamp>,
    },
    /// An API token, perhaps for one service only.
    Token {
        id: String,
        /// What it is called.
        name: String,
        /// What it may do.
        scope: Scope,
        /// The one service that it is for, and what that is called.
        service: Option<(ServiceId, String)>,
    },
    /// A hook token; good for the deployments that it started.
    Hook { hook: HookId },
}

impl Caller {
    /// Who it is, for the audit.
    pub fn who(&self) -> Who {
        match self {
            Self::Socket => Who::Socket,
            Self::Operator { operator, .. } => Who::Operator(operator.name.clone()),
            Self::Token { name, .. } => Who::Token(name.clone()),
            Self::Hook { .. } => Who::HookUrl(String::new()),
        }
    }

    /// What tells this credential from every other; no secret.
    pub fn credential(&self) -> String {
        match self {
            Self::Socket => "socket".to_owned(),
            Self::Operator { session, .. } => format!("session {session:02x?}"),
            Self::Token { id, .. } => format!("token {id}"),
            Self::Hook { hook } => format!("hook {}", hook.as_str()),
        }
    }

    /// Whether the caller may do what needs `scope` to things of `service`; `None`: to the whole server.
    pub fn may(&self, scope: Scope, service: Option<&ServiceId>) -> bool {
        match self {
            Self::Socket | Self::Operator { .. } => true,
            Self::Token { scope: own, service: only, .. } => {
                *own >= scope && only.as_ref().is_none_or(|(only, _)| Some(only) == service)
            }
            Self::Hook { .. } => false,
        }
    }

    /// Refuses a caller who may not.
    ///
    /// # Errors
    /// Code `scope`; names the scope.
    pub fn require(&self, scope: Scope, service: Option<&ServiceId>) -> Result<()> {
        if self.may(scope, service) {
            return Ok(());
        }
        let detail = match self {
            Self::Token { scope: own, service: Some((_, only)), .. } if *own >= scope => {
                format!("{} is for service {only} only", self.who())
            }
            _ => format!("{} may not do this; it needs scope {}", self.who(), scope.as_str()),
        };
        Err(Error::new(Code::Scope, detail))
    }

    /// The one service whose things the caller may reach, where there is such a limit.
    pub fn only_service(&self) -> Option<&ServiceId> {
        match self {
            Self::Token { service, .. } => service.as_ref().map(|(id, _)| id),
            _ => None,
        }
    }

    /// Whether the caller may see the log and the details of a deployment.
    pub fn may_see(&self, deployment: &Deployment) -> bool {
        match (self, &deployment.trigger) {
            (Self::Hook { hook }, Trigger::Hook(own)) => hook == own,
            (Self::Hook { .. }, _) => false,
            _ => self.may(Scope::Read, Some(&deployment.service_id)),
        }
    }

    /// An operator's own session.
    ///
    /// # Errors
    /// Code `session_needed` for every other caller.
    pub fn own_session(&self) -> Result<(Operator, TokenHash)> {
        if let Self::Operator { operator, session, .. } = self
            && let Some(hash) = TokenHash::from_bytes(session)
        {
            return Ok((operator.clone(), hash));
        }
        Err(Error::new(Code::SessionNeeded, "this is for an operator's own session"))
    }

    /// Whether the caller may make a secret now: everybody but a session whose operator has a password and gave it, or
    /// signed in, more than 10 minutes ago.
    pub fn is_fresh(&self, now: Timestamp) -> bool {
        match self {
            Self::Operator { confirmed_at: Some(at), .. } => now.since(*at) < FRESH,
            _ => true,
        }
    }

    /// Whether the credential, which was good, still is.
    ///
    /// # Errors
    /// Where the database cannot be read.
    pub fn is_still_good(&self, reader: &Reader<'_>, now: Timestamp) -> Result<bool> {
        Ok(match self {
            Self::Socket => true,
            Self::Operator { session, .. } => match TokenHash::from_bytes(session) {
                Some(hash) => sessions::find(reader, &hash, now)?.is_some(),
                None => false,
            },
            Self::Token { id, .. } => tokens::is_live(reader, id, now)?,
            Self::Hook { hook } => hooks::is_live(reader, hook, now)?,
        })
    }
}

/// Who acts, from where, and when.
#[derive(Debug, Clone)]
pub struct By {
    pub caller: Caller,
    /// The address, or `socket`.
    pub address: String,
    /// The moment of the act.
    pub at: Timestamp,
    /// Where the caller's trace goes on.
    pub traceparent: Option<String>,
}

impl By {
    /// Who it is, for the audit.
    pub fn who(&self) -> Who {
        self.caller.who()
    }

    /// Refuses a caller who may not; see [`Caller::require`].
    ///
    /// # Errors
    /// Code `scope`.
    pub fn require(&self, scope: Scope, service: Option<&ServiceId>) -> Result<()> {
        self.caller.require(scope, service)
    }

    /// Refuses to make a secret (a hook URL, an API token, a sign-in link) for a session that is not fresh.
    ///
    /// # Errors
    /// Code `unconfirmed`.
    pub fn require_fresh(&self) -> Result<()> {
        if self.caller.is_fresh(self.at) {
            return Ok(());
        }
        let detail = "this makes a secret and needs your password: give it at /confirm, then send this again";
        Err(Error::new(Code::Unconfirmed, detail))
    }

    /// Writes the act down.
    ///
    /// # Errors
    /// Where the database does not take it.
    pub fn record(&self, tx: &Tx<'_>, record: &Record) -> Result<()> {
        let actor = Actor { who: self.who(), address: self.address.clone() };
        Ok(audit::record(tx, &actor, record, self.at)?)
    }
}

/// Who called a hook, for people: the network of the address and the program, `140.82.112.0/24, curl/8.5.0`.
pub fn describe_caller(address: Option<IpAddr>, user_agent: Option<&str>) -> String {
    let network = match address {
        Some(IpAddr::V4(address)) => {
            let [a, b, c, _] = address.octets();
            format!("{a}.{b}.{c}.0/24")
        }
        Some(IpAddr::V6(address)) => {
            let [a, b, c, ..] = address.segments();
            format!("{a:x}:{b:x}:{c:x}::/48")
        }
        None => "socket".to_owned(),
    };
    let program: String =
        user_agent.unwrap_or_default().chars().filter(|c| !c.is_control()).take(PROGRAM_MAX).collect();
    if program.is_empty() { network } else { format!("{network}, {program}") }
}
