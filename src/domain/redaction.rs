//! Blots out secrets in build output. Best effort: a net, not a wall.

/// Replaces what looks like a secret, and what is known to be one, in lines of a log.
#[derive(Debug, Clone, Default)]
pub struct Redactor;
