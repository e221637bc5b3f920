//! Who may use an address, and who asks there.

/// Who may use an address.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Access {
    /// Anybody; the handler decides how much is shown.
    Public,
    /// Whoever holds the hook's token; the handler reads it.
    Hook,
    /// A session, the socket, or an API token; a guard refuses others before the handler runs.
    Operator,
}

/// Who asks at an address, and so what a refusal looks like.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Audience {
    /// Browsers: a refusal is a page.
    People,
    /// A refusal is a problem in JSON, whatever the caller accepts.
    Programs,
}
