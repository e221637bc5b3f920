//! One-time links and sessions: 256 random bits, stored as a hash.

use zeroize::Zeroizing;

use super::TokenHash;
use super::entropy::{BASE62, random_digits};

/// Base62 digits that hold at least 256 bits.
const LENGTH: usize = 43;

/// The secret of a one-time setup or sign-in link; the same care as for a hook token.
pub struct LinkToken(Zeroizing<String>);

/// The secret in a session cookie; the same care as for a hook token.
pub struct SessionToken(Zeroizing<String>);

impl LinkToken {
    /// Draws a new one.
    pub fn mint() -> Self {
        Self(Zeroizing::new(random_digits(BASE62, LENGTH)))
    }

    /// The secret, to be shown once inside a URL.
    pub fn reveal(&self) -> &str {
        &self.0
    }

    /// What is stored in its place.
    pub fn hash(&self) -> TokenHash {
        TokenHash::of(&self.0)
    }
}

impl SessionToken {
    /// Draws a new one.
    pub fn mint() -> Self {
        Self(Zeroizing::new(random_digits(BASE62, LENGTH)))
    }

    /// The secret, for the cookie alone.
    pub fn reveal(&self) -> &str {
        &self.0
    }

    /// What is stored in its place.
    pub fn hash(&self) -> TokenHash {
        TokenHash::of(&self.0)
    }
}
