//! `stackblaze admin`: the people at the dashboard.

use clap::{Args, Subcommand};
use serde_json::{Value, json};

use crate::config::DataDir;

use super::client::path;
use super::failure::{FAILED, Failure, NOT_FOUND};
use super::output::{text, without_fraction};
use super::remote::{Remote, Session};

/// Operators: the people at the dashboard
#[derive(Debug, Args)]
#[command(after_long_help = "Examples:
  stackblaze admin create mira
  stackblaze admin login-link")]
pub(super) struct AdminCommand {
    #[command(subcommand)]
    verb: Verb,
    #[command(flatten)]
    remote: Remote,
}

#[derive(Debug, Subcommand)]
enum Verb {
    /// Make an operator and print a sign-in link
    #[command(after_long_help = "Example:
  stackblaze admin create mira")]
    Create {
        /// What to call them
        name: String,
    },
    /// End all sessions and links of an operator, take the password away, then print a new sign-in link
    #[command(after_long_help = "Example:
  stackblaze admin reset mira --yes")]
    Reset {
        /// Name of the operator
        name: String,
        /// Do not ask
        #[arg(long)]
        yes: bool,
    },
    /// Print a sign-in link: one use, 15 minutes
    #[command(after_long_help = "Examples:
  stackblaze admin login-link
  stackblaze admin login-link mira")]
    LoginLink {
        /// Name of the operator [default: the only one there is]
        name: Option<String>,
    },
}

impl AdminCommand {
    pub(super) async fn run(self, data_dir: &DataDir) -> Result<(), Failure> {
        let session = self.remote.open(data_dir)?;
        let link = match self.verb {
            Verb::Create { name } => {
                session.client.post("/api/v1/operators", &json!({ "name": name })).await?
            }
            Verb::Reset { name, yes } => {
                session
                    .out
                    .confirm(&format!("End all sessions of {name} and take the password away?"), yes)?;
                session.client.post(&path(&["api", "v1", "operators", &name, "reset"]), &json!({})).await?
            }
            Verb::LoginLink { name } => {
                let name = match name {
                    Some(name) => name,
                    None => only_operator(&session).await?,
                };
                session
                    .client
                    .post(&path(&["api", "v1", "operators", &name, "login-link"]), &json!({}))
                    .await?
            }
        };
        print(&session, &link);
        Ok(())
    }
}

async fn only_operator(session: &Session) -> Result<String, Failure> {
    let list = session.client.get("/api/v1/operators").await?;
    let names: Vec<String> =
        list["items"].as_array().into_iter().flatten().map(|operator| text(operator, "name")).collect();
    match names.as_slice() {
        [name] => Ok(name.clone()),
        [] => Err(Failure::new(NOT_FOUND, "there is no operator yet")
            .hint("make one: stackblaze admin create NAME")),
        _ => {
            Err(Failure::new(FAILED, format!("there are several operators; name one: {}", names.join(", "))))
        }
    }
}

fn print(session: &Session, link: &Value) {
    if session.out.json {
        session.out.value(link);
    } else {
        session.out.line(&text(link, "signInUrl"));
    }
    let (name, until) = (text(link, "name"), without_fraction(&text(link, "expiresAt")));
    session.out.note(&format!("Open it in a browser: it signs {name} in, once, until {until}."));
}
