//! `stackblaze token`: credentials of programs that use the API.

use clap::{Args, Subcommand};
use serde_json::json;

use crate::cli::answer::Answer;
use crate::cli::client::path;
use crate::cli::completions;
use crate::cli::failure::{Failure, NOT_FOUND};
use crate::cli::output::age;
use crate::cli::remote::{Remote, Session};
use crate::config::DataDir;
use crate::wire::list::List;
use crate::wire::token::{TokenBody, TokenJson};

/// API tokens: credentials of programs
#[derive(Debug, Args)]
#[command(after_long_help = "Examples:
  stackblaze token create ci --scope deploy --service api > token
  stackblaze deployment list api \\
      --server https://deploy.example.com --token-file token")]
pub(super) struct TokenCommand {
    #[command(subcommand)]
    verb: Verb,
    #[command(flatten)]
    remote: Remote,
}

#[derive(Debug, Subcommand)]
enum Verb {
    /// Make a token and print it, once
    #[command(after_long_help = "Examples:
  stackblaze token create laptop --scope admin > token
  stackblaze token create ci --scope deploy --service api --expires 90d > token")]
    Create {
        /// What to call it
        name: String,
        /// What it may do: read, deploy (and read) or admin (everything)
        #[arg(long, value_parser = ["read", "deploy", "admin"])]
        scope: String,
        /// Only this service
        #[arg(long, add = completions::of_services())]
        service: Option<String>,
        /// Worthless after this time [default: never]
        #[arg(long, value_name = "DURATION")]
        expires: Option<String>,
    },
    /// List the tokens that work
    #[command(after_long_help = "Example:
  stackblaze token list")]
    List,
    /// Make a token worthless, for good
    #[command(after_long_help = "Example:
  stackblaze token revoke ci --yes")]
    Revoke {
        /// Name or id of the token
        name: String,
        /// Do not ask
        #[arg(long)]
        yes: bool,
    },
}

impl TokenCommand {
    pub(super) async fn run(self, data_dir: &DataDir) -> Result<(), Failure> {
        let session = self.remote.open(data_dir)?;
        match self.verb {
            Verb::Create { name, scope, service, expires } => {
                let name = Some(name);
                create(&session, &TokenBody { name, scope: Some(scope), service, expires_in: expires }).await
            }
            Verb::List => list(&session).await,
            Verb::Revoke { name, yes } => revoke(&session, &name, yes).await,
        }
    }
}

async fn create(session: &Session, body: &TokenBody) -> Result<(), Failure> {
    let token: Answer<TokenJson> = Answer::read(session.client.post("/api/v1/tokens", body).await?)?;
    session.out.result(&token.json, token.token.as_deref().unwrap_or_default());
    session
        .out
        .note("The token is a secret and is shown this once. Keep it in a file that only you can read.");
    session.next("stackblaze service list --server URL --token-file FILE");
    Ok(())
}

async fn list(session: &Session) -> Result<(), Failure> {
    let list = session.client.get("/api/v1/tokens").await?;
    if session.out.printed_as_json(&list) {
        return Ok(());
    }
    let list: Answer<List<TokenJson>> = Answer::read(list)?;
    if list.items.is_empty() {
        session.out.note("No tokens yet.");
        session.next("stackblaze token create NAME --scope deploy > FILE");
        return Ok(());
    }
    let row = |token: &TokenJson| {
        let service = token.service.clone().unwrap_or_else(|| "all".to_owned());
        let expires = token.expires_at.map_or("-".to_owned(), |at| at.to_string());
        let (name, scope, id) = (token.name.clone(), token.scope.to_string(), token.id.clone());
        vec![name, scope, service, age(token.last_used_at), expires, id]
    };
    let rows: Vec<_> = list.items.iter().map(row).collect();
    session.out.table(&["NAME", "SCOPE", "SERVICE", "LAST USED", "EXPIRES", "ID"], &rows, usize::MAX);
    Ok(())
}

async fn revoke(session: &Session, name: &str, yes: bool) -> Result<(), Failure> {
    // Nobody is asked about what is not there.
    let list: Answer<List<TokenJson>> = Answer::read(session.client.list("/api/v1/tokens").await?)?;
    if !list.items.iter().any(|token| token.name == name || token.id == name) {
        return Err(Failure::new(NOT_FOUND, format!("there is no token {name}")));
    }
    session.out.confirm(&format!("Revoke token {name}? It stops working for good."), yes)?;
    session.client.delete(&path(&["api", "v1", "tokens", name])).await?;
    session.out.result(&json!({ "name": name, "revoked": true }), &format!("token {name} revoked"));
    session.next("stackblaze token list");
    Ok(())
}
