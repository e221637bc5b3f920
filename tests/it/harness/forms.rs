//! An operator at a browser without scripts: a session's cookie, forms, pages.

use std::collections::HashMap;

use reqwest::Method;
use serde_json::json;

use super::TestServer;
use super::http::Answer;
use super::http::Api;
use super::http::Send as _;

/// Cheap to clone; one session.
#[derive(Clone)]
pub struct Browser {
    api: Api,
    cookie: String,
}

impl Browser {
    /// Signs a new operator in by a one-time link.
    pub async fn sign_in(server: &TestServer, name: &str) -> Self {
        let made = server.admin.post("/api/v1/operators", json!({ "name": name })).await;
        let link = made.json()["signInUrl"].as_str().unwrap().to_owned();
        let once = link.split_once("once=").unwrap().1.to_owned();
        let api = server.anyone();
        let answer = Self::send(&api, "", "/login", &[("once", &once)]).await;
        assert_eq!(answer.status, 303, "{}", answer.text());
        let cookie = answer.header("set-cookie").unwrap().split(';').next().unwrap().to_owned();
        Self { api, cookie }
    }

    /// Opens a page.
    pub async fn get(&self, path: &str) -> Answer {
        self.api.request(Method::GET, path).header("cookie", &self.cookie).answer().await
    }

    /// Sends a form.
    pub async fn post(&self, path: &str, fields: &[(&str, &str)]) -> Answer {
        Self::send(&self.api, &self.cookie, path, fields).await
    }

    /// Sends a form that stands on a page of another site.
    pub async fn post_from(&self, origin: &str, path: &str, fields: &[(&str, &str)]) -> Answer {
        Self::send_from(&self.api, origin, &self.cookie, path, fields).await
    }

    async fn send(api: &Api, cookie: &str, path: &str, fields: &[(&str, &str)]) -> Answer {
        Self::send_from(api, "http://dashboard.test", cookie, path, fields).await
    }

    async fn send_from(api: &Api, origin: &str, cookie: &str, path: &str, fields: &[(&str, &str)]) -> Answer {
        let body = url::form_urlencoded::Serializer::new(String::new()).extend_pairs(fields).finish();
        let request = api.request(Method::POST, path).header("cookie", cookie);
        let request = request.header("origin", origin);
        request.header("content-type", "application/x-www-form-urlencoded").body(body).answer().await
    }

    /// Sends a form as the page has it, with these fields typed over.
    pub async fn submit(&self, page: &str, fields: &[(&str, &str)]) -> Answer {
        let html = self.get(page).await.text();
        let mut all = hidden(&html);
        all.extend(fields.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())));
        let all: Vec<_> = all.iter().map(|(name, value)| (name.as_str(), value.as_str())).collect();
        self.post(page, &all).await
    }
}

/// The hidden fields of a page.
fn hidden(html: &str) -> HashMap<String, String> {
    let part = |text: &str, name: &str| {
        let rest = text.split_once(&format!("{name}=\""))?.1;
        Some(rest.split('"').next()?.to_owned())
    };
    html.split("<input type=\"hidden\"")
        .skip(1)
        .filter_map(|rest| Some((part(rest, "name")?, part(rest, "value")?)))
        .collect()
}

/// The text that a reader sees of HTML without blocks that scripts hide.
pub fn text_of(html: &str) -> String {
    let mut text = String::new();
    let mut is_tag = false;
    for letter in html.chars() {
        match letter {
            '<' => is_tag = true,
            '>' => is_tag = false,
            _ if !is_tag => text.push(letter),
            _ => {}
        }
    }
    let codes = [("&#34;", "\""), ("&#39;", "'"), ("&#60;", "<"), ("&#62;", ">"), ("&#38;", "&")];
    codes.iter().fold(text, |text, (code, letter)| text.replace(code, letter))
}
