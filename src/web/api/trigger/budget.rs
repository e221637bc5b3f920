//! Whether a hook URL may be called once more.

use crate::actions;
use crate::actions::trigger::{Call, over_budget};
use crate::db::hooks;
use crate::domain::HookToken;
use crate::web::error::Error;
use crate::web::limits::budgets::Standing;
use crate::web::state::AppState;

/// Takes one call from the budget of this URL.
///
/// # Errors
/// 401 where it is known to be dead, whatever is left; 429 where it is good and nothing is left.
pub(super) async fn spend(state: &AppState, call: &Call) -> Result<(), Error> {
    let (key, now, changes) = (*call.token.hash().as_bytes(), state.clock().now(), state.db().hook_changes());
    let budgets = state.budgets();
    if budgets.is_known_dead(&key, changes, now) {
        return Err(actions::Error::unknown_hook().into());
    }
    let Err(wait) = budgets.spend(&key) else { return Ok(()) };
    match budgets.standing(&key, changes, now, async || ask(state, &call.token).await).await? {
        Standing::Dead => Err(actions::Error::unknown_hook().into()),
        Standing::GoodUntil(_) => {
            budgets.count(&call.token.hook, &call.caller);
            Err(over_budget(wait).into())
        }
    }
}

/// What the database says of a URL.
async fn ask(state: &AppState, token: &HookToken) -> Result<Standing, Error> {
    let (token, now) = (token.clone(), state.clock().now());
    let found = state.read(move |reader, _| Ok(hooks::verify(reader, &token, now)?)).await?;
    Ok(found.map_or(Standing::Dead, |verified| Standing::GoodUntil(verified.good_until())))
}
