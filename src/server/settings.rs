//! What each part is given of the settings.

use std::net::SocketAddr;
use std::sync::Arc;

use anyhow::{Context, Result};

use crate::actions;
use crate::config::Config;
use crate::db::{logs, retention};
use crate::dispatch;
use crate::domain::{AddressRange, ExecutorSet, Urls};
use crate::notify::SenderSettings;
use crate::web::{self, AppState, front};

pub(super) fn urls(config: &Config, address: SocketAddr) -> Urls {
    let public = config.public_url.clone().unwrap_or_else(|| format!("http://{address}"));
    let dashboard = config.dashboard_url.clone().unwrap_or_else(|| public.clone());
    Urls::new(&public, &dashboard)
}

pub(super) fn dispatch(config: &Config, urls: Urls) -> dispatch::Settings {
    dispatch::Settings {
        concurrency: config.concurrency.get(),
        queue_timeout: config.queue_timeout.duration(),
        logs: logs::Kept { head: config.keep.log_head.0, tail: config.keep.log_tail.0 },
        runs: (config.keep.runs.duration(), config.keep.last_runs),
        page_of: Arc::new(move |id| urls.deployment_page(id)),
    }
}

pub(super) fn actions(config: &Config, available: ExecutorSet) -> actions::Settings {
    let (queue_limit, allowed_targets) = (config.queue_limit.get(), config.notify.allow_target.clone());
    actions::Settings { queue_limit, available, allowed_targets }
}

/// What notices are sent with.
///
/// # Errors
/// Where the proxy's address is none.
pub(super) fn sender(config: &Config) -> Result<SenderSettings> {
    let proxy =
        config.notify.notify_proxy.as_deref().map(str::parse).transpose().context("--notify-proxy")?;
    Ok(SenderSettings::new(config.notify.allow_target.clone(), proxy))
}

pub(super) fn web(config: &Config) -> web::Settings {
    web::Settings {
        hook_calls: (config.hook_rate, config.hook_burst),
        token_changes: (config.token_rate, config.token_burst),
    }
}

pub(super) fn front(
    config: &Config,
    limits: front::Limits,
    state: &AppState,
    unbelieved: front::UnbelievedProxy,
) -> front::Settings {
    let size = |number: std::num::NonZeroU32| usize::try_from(number.get()).unwrap_or(usize::MAX);
    front::Settings {
        limits: front::Limits {
            connections: size(config.connections),
            per_peer: size(config.connections_per_peer),
            keep_alive: config.keep_alive.duration(),
            ..limits
        },
        trusted_proxies: config.trusted_proxy.iter().map(AddressRange::network).collect(),
        https: state.urls().is_https(),
        unbelieved,
        gate: web::gate(state),
        is_draining: state.is_draining().clone(),
    }
}

/// How the database is copied; none where it is not.
pub(super) fn backups(config: &Config) -> Option<dispatch::backups::Schedule> {
    let flags = &config.operating;
    Some(dispatch::backups::Schedule {
        every: flags.backup_every?.duration(),
        dir: flags.backup_dir.clone()?,
        keep: usize::try_from(flags.backup_keep.get()).unwrap_or(usize::MAX),
    })
}

pub(super) fn retention(config: &Config) -> retention::Limits {
    retention::Limits {
        deployments: config.keep.deployments.duration(),
        deployments_per_service: config.keep.last,
        logs: config.keep.logs.duration(),
        logs_bytes: config.keep.logs_total.0,
        audit: config.keep.audit.duration(),
        audit_acts: config.keep.audit_acts,
    }
}
