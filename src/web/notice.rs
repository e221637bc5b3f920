//! Waits for what becomes of a notice, for API and pages.

use std::time::Duration;

use tokio::time::Instant;

use crate::actions::{self, Context};
use crate::db::{Reader, notices};
use crate::domain::{Notice, NoticeId, NoticeState, TargetId};
use crate::web::error::Error;
use crate::web::state::AppState;

/// How long a try is waited for: it takes at most so long. And the time between two questions to the database.
const LONGEST_WAIT: Duration = Duration::from_secs(12);
const PAUSE: Duration = Duration::from_millis(50);

/// The notice once it was tried or has ended; as it stands after a while, or where the server goes down.
pub(super) async fn await_try(state: &AppState, target: TargetId, id: NoticeId) -> Result<Notice, Error> {
    let deadline = Instant::now() + LONGEST_WAIT;
    loop {
        let (own_target, own) = (target.clone(), id.clone());
        let read = move |reader: &Reader<'_>, _: &Context| {
            let found = notices::find(reader, &own_target, &own)?;
            found.ok_or_else(|| actions::Error::not_found("notice of this id"))
        };
        let notice = state.read(read).await?;
        let is_over = Instant::now() >= deadline || state.is_draining().is_cancelled();
        if notice.state != NoticeState::Waiting || notice.tries > 0 || is_over {
            return Ok(notice);
        }
        tokio::time::sleep(PAUSE).await;
    }
}
