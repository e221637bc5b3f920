//! Where notices may go.

use clap::Args;

use crate::config::values::base_url;
use crate::domain::AddressRange;

/// Where notices may go, and how.
#[derive(Debug, Clone, Default, Args)]
pub struct NotifyFlags {
    /// Address or network beside the public internet that notices may be sent to, by http too; repeatable
    #[arg(long, env = "STACKBLAZE_ALLOW_TARGET", value_name = "ADDR|CIDR", value_delimiter = ',')]
    pub allow_target: Vec<AddressRange>,
    /// Proxy that notices are sent through; it checks where they go in the server's place
    #[arg(long, env = "STACKBLAZE_NOTIFY_PROXY", value_name = "URL", value_parser = base_url)]
    pub notify_proxy: Option<String>,
}
