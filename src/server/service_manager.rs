//! What systemd is told of the server (`sd_notify(3)`). Nothing is said where nobody listens for it.

use std::convert::Infallible;
use std::time::Duration;

use sd_notify::NotifyState;

/// It works; calls are accepted.
pub(super) fn ready() {
    say(NotifyState::Ready);
}

/// It goes down in order.
pub(super) fn stopping() {
    say(NotifyState::Stopping);
}

/// Says so twice within the time that the unit's `WatchdogSec=` gives, from the task that runs the server: one that no
/// longer gets its turn is ended and begun anew.
pub(super) async fn show_life() -> Infallible {
    let Some(every) = sd_notify::watchdog_enabled() else { return std::future::pending().await };
    loop {
        say(NotifyState::Watchdog);
        tokio::time::sleep((every / 2).max(Duration::from_millis(1))).await;
    }
}

fn say(state: NotifyState<'_>) {
    if let Err(error) = sd_notify::notify(&[state]) {
        tracing::warn!(error = %error, "the service manager could not be told");
    }
}
