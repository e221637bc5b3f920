//! What `/tokens` and the pages under it show.

use askama::Template;

use crate::db::tokens::{self, Listed};
use crate::domain::Timestamp;
use crate::web::pages::Frame;
use crate::web::pages::format::Moment;

/// `/tokens`.
#[derive(Debug, Template)]
#[template(path = "pages/tokens/index.html")]
pub struct TokensPage {
    /// Around it.
    pub frame: Frame,
    /// Whether making a token asks for the password first.
    pub needs_confirmation: bool,
    /// Names of all services.
    pub services: Vec<String>,
    /// The tokens.
    pub rows: Vec<TokenRow>,
    /// The form as it stands.
    pub form: Form,
    /// Whether one was just revoked.
    pub is_revoked: bool,
}

/// The form that makes a token.
#[derive(Debug, Clone, Default)]
pub struct Form {
    /// What to call it.
    pub name: String,
    /// What it may do.
    pub scope: String,
    /// The one service; empty for all.
    pub service: String,
    /// How long it lives.
    pub expires: String,
    /// Ids of the fields that are wrong, and what would be right.
    pub errors: Vec<(&'static str, String)>,
}

impl Form {
    /// The id of the field that an error names.
    pub fn id_of(field: &str) -> &'static str {
        match field {
            "scope" => "ts",
            "service" => "tv",
            "expiresIn" => "te",
            _ => "tn",
        }
    }

    fn error_at(&self, id: &str) -> Option<&str> {
        self.errors.iter().find(|(own, _)| *own == id).map(|(_, detail)| detail.as_str())
    }

    fn has(&self, value: &str) -> bool {
        [&self.scope, &self.service, &self.expires].into_iter().any(|own| own == value)
    }
}

/// One token.
#[derive(Debug, Clone)]
pub struct TokenRow {
    /// Its id.
    pub id: String,
    /// What it is called.
    pub name: String,
    /// What is shown of it.
    pub masked: String,
    /// What it may do.
    pub scope: &'static str,
    /// The one service.
    pub service: Option<String>,
    /// Class, icon and word of its state, and a detail.
    pub state: State,
    /// When it was made, and by whom.
    pub created: Moment,
    /// Who made it.
    pub created_by: String,
    /// About when it was last used.
    pub used: Option<Moment>,
}

/// The state of a token: word, shape and colour.
#[derive(Debug, Clone)]
pub struct State {
    /// The class that carries the colour.
    pub class: &'static str,
    /// The shape.
    pub icon: &'static str,
    /// The word.
    pub word: &'static str,
    /// What is to be said beside it.
    pub detail: String,
}

impl State {
    fn is_live(&self) -> bool {
        self.word == "Active"
    }

    fn new(listed: &Listed, now: Timestamp) -> Self {
        let state = |class, icon, word, detail: String| Self { class, icon, word, detail };
        let moment = |at| Moment::new(at, now).text;
        if let Some(at) = listed.revoked_at {
            return state("st-none", "revoke", "Revoked", moment(at));
        }
        let ends = listed.token.expires_at;
        if let Some(at) = ends.filter(|at| *at <= now) {
            return state("st-none", "clock", "Expired", moment(at));
        }
        let day = |text: String| text.split(',').next().unwrap_or_default().to_owned();
        let detail = ends.map(|at| format!("ends {}", day(moment(at))));
        match listed.token.last_used_at {
            Some(_) => state("st-active", "hk-active", "Active", detail.unwrap_or_default()),
            None => {
                state("st-none", "hk-unused", "Active", detail.unwrap_or_else(|| "never used".to_owned()))
            }
        }
    }
}

impl TokenRow {
    /// The row of a token.
    pub fn new(listed: Listed, now: Timestamp) -> Self {
        let state = State::new(&listed, now);
        let token = listed.token;
        Self {
            state,
            masked: masked(&token.id),
            id: token.id,
            name: token.name,
            scope: token.scope.as_str(),
            service: token.service.map(|(_, name)| name),
            created: Moment::new(token.created_at, now),
            created_by: token.created_by.person(),
            used: token.last_used_at.map(|at| Moment::new(at, now)),
        }
    }
}

/// Four characters of the id, which is no secret.
fn masked(id: &str) -> String {
    format!("sbapi_••{}••", id.chars().take(4).collect::<String>())
}

/// A token that was just made.
#[derive(Debug, Template)]
#[template(path = "pages/tokens/made.html")]
pub struct TokenMadePage {
    /// Around it.
    pub frame: Frame,
    /// What it is called.
    pub name: String,
    /// What it may do.
    pub scope: &'static str,
    /// The one service.
    pub service: Option<String>,
    /// When it ends.
    pub ends: Option<Moment>,
    /// The token; a secret.
    pub token: String,
}

impl TokenMadePage {
    /// The page of a new token.
    pub fn new(frame: Frame, row: tokens::TokenRow, token: &str, now: Timestamp) -> Self {
        Self {
            frame,
            name: row.name,
            scope: row.scope.as_str(),
            service: row.service.map(|(_, name)| name),
            ends: row.expires_at.map(|at| Moment::new(at, now)),
            token: token.to_owned(),
        }
    }
}

/// Asks before a token is revoked.
#[derive(Debug, Template)]
#[template(path = "pages/tokens/revoke.html")]
pub struct RevocationPage {
    /// Around it.
    pub frame: Frame,
    /// The token.
    pub row: TokenRow,
}

impl RevocationPage {
    /// The page of a live token.
    pub fn new(frame: Frame, token: tokens::TokenRow, now: Timestamp) -> Self {
        Self { frame, row: TokenRow::new(Listed { token, revoked_at: None }, now) }
    }
}
