//! What a user does, one file a subject. One binary, so that it links once.
#![expect(
    clippy::unwrap_used,
    unreachable_pub,
    reason = "tests fail by panicking; helpers are shared by files"
)]

mod api_docs;
mod api_edits;
mod api_lists;
mod architecture;
mod backups;
mod branches;
mod browser;
mod chart;
mod ci_clients;
mod ci_runners;
mod cli;
mod clone;
mod cluster_runs;
mod cluster_server;
mod cluster_times;
mod contract;
mod crash;
mod dashboard;
mod dispatch;
mod executor_contract;
mod fault_proxy;
mod faults;
mod front;
mod git_credentials;
mod guests;
mod guides;
mod harness;
mod hooks;
mod image_docs;
mod litestream;
mod local;
mod local_caches;
mod local_clone;
mod local_host;
mod local_steps;
mod local_tools;
mod log_faults;
mod logs;
mod long_logs;
mod metrics;
mod notices;
mod notification_docs;
mod notify;
mod operators;
mod outgrowing;
mod packaging;
mod pages;
mod poll;
mod proxies;
mod readme;
mod refusals;
mod releases;
mod restarts;
mod rollouts;
mod routes;
mod secrets;
mod server_log;
mod service_manager;
mod service_needs;
mod service_pages;
mod services;
mod snippets;
mod startup;
mod tekton;
mod tekton_scenarios;
mod tokens;
mod trigger;
mod upgrade;
