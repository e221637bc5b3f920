//! What is refused before the router, since strangers may ask for it without end.

use std::fmt;
use std::sync::Arc;

use poem::Response;
use poem::http::request::Parts;

/// Looks at the head of a request: an answer, or nothing where it goes on to its handler.
type Look = dyn Fn(&mut Parts) -> Option<Response> + Send + Sync;

/// A look before anything is made for a request. It may leave what it has found with the request.
#[derive(Clone)]
pub struct Gate(Arc<Look>);

impl Gate {
    /// A gate that asks `look`, which must neither wait nor block.
    pub fn new(look: impl Fn(&mut Parts) -> Option<Response> + Send + Sync + 'static) -> Self {
        Self(Arc::new(look))
    }

    pub(super) fn look(&self, parts: &mut Parts) -> Option<Response> {
        (self.0)(parts)
    }
}

/// Open for everybody.
impl Default for Gate {
    fn default() -> Self {
        Self::new(|_| None)
    }
}

impl fmt::Debug for Gate {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Gate").finish_non_exhaustive()
    }
}
