//! What stands around the content of every page.

use crate::actions::Caller;
use crate::domain::ExecutorKind;
use crate::web::state::AppState;

/// What every page has around its content.
#[derive(Debug, Clone, Default)]
pub struct Frame {
    /// The signed-in operator.
    pub operator: Option<String>,
    /// Whether this server runs builds itself; said on every page.
    pub host_builds: bool,
    /// The entry of the menu that the page belongs to; empty for none.
    pub here: &'static str,
}

impl Frame {
    /// The frame for nobody in particular.
    pub fn signed_out() -> Self {
        Self::default()
    }

    /// The frame of a page below this entry of the menu, for a caller whom a guard let in.
    pub(in crate::web) fn of(caller: &Caller, state: &AppState, here: &'static str) -> Self {
        Self::for_anyone(Some(caller), state, here)
    }

    /// The same for a page that also those may see who have no credential.
    pub(in crate::web) fn for_anyone(caller: Option<&Caller>, state: &AppState, here: &'static str) -> Self {
        let operator = match caller {
            Some(Caller::Operator { operator, .. }) => Some(operator.name.clone()),
            _ => None,
        };
        Self { operator, host_builds: state.settings().available.has(ExecutorKind::Local), here }
    }

    /// This program's version.
    pub fn version(&self) -> &'static str {
        env!("CARGO_PKG_VERSION")
    }
}
