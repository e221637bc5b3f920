//! The flags that say which server a command is for.

use std::ffi::OsStr;
use std::path::{Path, PathBuf};

use anyhow::Context;
use clap::Args;

use crate::cli::client::Client;
use crate::cli::failure::Failure;
use crate::cli::output::Output;
use crate::config::{DataDir, base_url};
use crate::domain::is_this_machine;

/// Which server, and how it is asked.
#[derive(Debug, Args)]
pub(super) struct Remote {
    /// Server elsewhere [default: the one on this machine, over the socket in the data folder]
    #[arg(long, env = "STACKBLAZE_SERVER", value_name = "URL", global = true, value_parser = base_url, help_heading = "Server")]
    server: Option<String>,
    /// File with an API token, `-` for stdin; never the token itself
    #[arg(long, env = "STACKBLAZE_TOKEN_FILE", value_name = "FILE", global = true, help_heading = "Server")]
    token_file: Option<PathBuf>,
    #[command(flatten)]
    output: Output,
}

/// A client and how its results are printed.
pub(super) struct Session {
    pub(super) client: Client,
    pub(super) out: Output,
    /// The flags that say which server, so that a command that is printed works as it stands.
    pub(super) place: String,
}

impl Session {
    /// The command that most likely comes next.
    pub(super) fn next(&self, command: &str) {
        self.out.next(&format!("{command}{}", self.place));
    }
}

impl Remote {
    /// Makes the client. No connection is made yet.
    pub(super) fn open(&self, data_dir: &DataDir) -> Result<Session, Failure> {
        let out = self.output;
        let Some(server) = &self.server else {
            let place =
                data_dir.flag().map(|dir| format!(" --data-dir {}", dir.display())).unwrap_or_default();
            return Ok(Session { client: Client::over_socket(&data_dir.path())?, out, place });
        };
        let token = self.token_file.as_deref().map(read_token).transpose()?;
        if token.is_some() && server.starts_with("http://") && !is_this_machine(server) {
            out.warn(&format!("{server} is not https: whoever is on the way can read the token"));
        }
        let client = Client::over_tcp(server, token)?;
        let place = self.flags(server);
        Ok(Session { client, out, place })
    }

    fn flags(&self, server: &str) -> String {
        let is_new = |name: &str, value: &OsStr| std::env::var_os(name).is_none_or(|set| set != value);
        let mut flags = String::new();
        if is_new("STACKBLAZE_SERVER", OsStr::new(server)) {
            flags = format!(" --server {server}");
        }
        if let Some(file) =
            self.token_file.as_ref().filter(|file| is_new("STACKBLAZE_TOKEN_FILE", file.as_os_str()))
        {
            flags.push_str(" --token-file ");
            flags.push_str(&file.to_string_lossy());
        }
        flags
    }
}

fn read_token(path: &Path) -> Result<String, Failure> {
    let read = if path == Path::new("-") {
        std::io::read_to_string(std::io::stdin())
    } else {
        std::fs::read_to_string(path)
    };
    let text = read.with_context(|| format!("cannot read the token file {}", path.display()))?;
    let token = text.trim();
    if token.is_empty() || !token.bytes().all(|byte| byte.is_ascii_graphic()) {
        return Err(Failure::usage(format!("--token-file: {} does not hold a token", path.display())));
    }
    Ok(token.to_owned())
}
