//! Whoever does something here.

use std::fmt;

/// Whoever did something, and by which way.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Who {
    /// An operator with a session, by name.
    Operator(String),
    /// An API token, by name.
    Token(String),
    /// An operator on the server, through the socket in its data directory.
    Socket,
    /// Whoever holds a hook URL: network and program of the caller, as `140.82.112.0/24, curl/8.5.0`.
    HookUrl(String),
    /// Somebody who has shown nothing.
    Stranger,
    /// The server, by itself.
    Server,
}

impl Who {
    /// The word for the way.
    pub const fn way(&self) -> &'static str {
        match self {
            Self::Operator(_) => "operator",
            Self::Token(_) => "token",
            Self::Socket => "socket",
            Self::HookUrl(_) => "hook_url",
            Self::Stranger => "stranger",
            Self::Server => "server",
        }
    }

    /// What tells one from another that came the same way; empty where there is one only.
    pub fn name(&self) -> &str {
        match self {
            Self::Operator(name) | Self::Token(name) | Self::HookUrl(name) => name,
            Self::Socket | Self::Stranger | Self::Server => "",
        }
    }

    /// Reads what [`Self::way`] and [`Self::name`] gave.
    pub fn from_parts(way: &str, name: &str) -> Option<Self> {
        Some(match way {
            "operator" => Self::Operator(name.to_owned()),
            "token" => Self::Token(name.to_owned()),
            "socket" => Self::Socket,
            "hook_url" => Self::HookUrl(name.to_owned()),
            "stranger" => Self::Stranger,
            "server" => Self::Server,
            _ => return None,
        })
    }

    /// Who began a deployment, as its `caller` says: of a hook call, network and program.
    pub fn as_caller(&self) -> String {
        match self {
            Self::HookUrl(caller) => caller.clone(),
            other => other.to_string(),
        }
    }

    /// The name alone, where the way is told elsewhere.
    pub fn person(&self) -> String {
        match self {
            Self::Operator(name) => name.clone(),
            other => other.to_string(),
        }
    }
}

impl fmt::Display for Who {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Operator(name) => write!(f, "operator {name}"),
            Self::Token(name) => write!(f, "token {name}"),
            Self::Socket => f.write_str("operator on the server"),
            Self::HookUrl(_) => f.write_str("whoever holds the hook URL"),
            Self::Stranger => f.write_str("somebody who is not signed in"),
            Self::Server => f.write_str("the server"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn whoever_did_it_is_read_back_from_two_columns() {
        let named = |of: fn(String) -> Who| of("mira, with / and blanks".to_owned());
        for who in [
            named(Who::Operator),
            named(Who::Token),
            named(Who::HookUrl),
            Who::Socket,
            Who::Stranger,
            Who::Server,
        ] {
            assert_eq!(Who::from_parts(who.way(), who.name()), Some(who));
        }
        assert_eq!(Who::from_parts("a newer way", "mira"), None);
    }
}
