//! An operator at a browser without scripts: keeps a session's cookie, opens pages, sends forms, follows nothing.

use std::collections::HashMap;

use reqwest::Method;
use reqwest::RequestBuilder;
use serde_json::json;

use super::TestServer;
use super::http::Answer;
use super::http::Api;
use super::http::Send as _;

pub const PASSWORD: &str = "a quiet harbour at dusk";
/// What a template must never let through.
pub const HOSTILE: &str = "\"><script>alert(1)<";

/// A form's body.
pub fn encoded(fields: &[(&str, &str)]) -> String {
    url::form_urlencoded::Serializer::new(String::new()).extend_pairs(fields).finish()
}

/// A form as a browser sends it to its own page.
pub fn form(api: &Api, path: &str, fields: &[(&str, &str)]) -> RequestBuilder {
    form_with(api, ("sec-fetch-site", "same-origin"), path, fields)
}

fn form_with(api: &Api, (header, from): (&str, &str), path: &str, fields: &[(&str, &str)]) -> RequestBuilder {
    let request = api.request(Method::POST, path).header(header, from);
    request.header("content-type", "application/x-www-form-urlencoded").body(encoded(fields))
}

/// One session.
#[derive(Clone)]
pub struct Browser {
    api: Api,
    pub cookie: String,
}

impl Browser {
    /// A new operator, signed in by a link, without a password.
    pub async fn of(server: &TestServer, name: &str) -> Self {
        let made = server.admin.post("/api/v1/operators", json!({ "name": name })).await.json();
        Self::by_link(server, made["signInUrl"].as_str().unwrap()).await
    }

    pub async fn by_link(server: &TestServer, url: &str) -> Self {
        let once = url.split_once("once=").unwrap().1;
        Self::from(server, &form(&server.anyone(), "/login", &[("once", once)]).answer().await)
    }

    /// A new operator with the password.
    pub async fn with_password(server: &TestServer, name: &str) -> Self {
        let browser = Self::of(server, name).await;
        let fields = [("password", PASSWORD), ("again", PASSWORD)];
        assert_eq!(browser.post("/account/password", &fields).await.status, 303);
        browser
    }

    /// Signed in by name and password.
    pub async fn sign_in(server: &TestServer, name: &str, password: &str) -> Answer {
        form(&server.anyone(), "/login", &[("name", name), ("password", password)]).answer().await
    }

    /// With the session that an answer began.
    pub fn from(server: &TestServer, answer: &Answer) -> Self {
        assert_eq!(answer.status, 303, "{}", answer.text());
        let cookie = answer.header("set-cookie").unwrap().split(';').next().unwrap().to_owned();
        Self { api: server.anyone(), cookie }
    }

    pub fn request(&self, method: Method, path: &str) -> RequestBuilder {
        self.api.request(method, path).header("cookie", &self.cookie)
    }

    pub async fn get(&self, path: &str) -> Answer {
        self.request(Method::GET, path).answer().await
    }

    /// A page that is there.
    pub async fn page(&self, path: &str) -> String {
        let answer = self.get(path).await;
        assert_eq!(answer.status, 200, "{path}: {}", answer.text());
        assert_eq!(answer.header("content-type"), Some("text/html; charset=utf-8"));
        let html = answer.text();
        assert_eq!(html.matches("<script").count(), 1, "the one script of the frame\n{html}");
        assert!(!html.contains(" style=") && !html.contains("javascript:"));
        html
    }

    pub async fn post(&self, path: &str, fields: &[(&str, &str)]) -> Answer {
        form(&self.api, path, fields).header("cookie", &self.cookie).answer().await
    }

    /// Sends a form with a header that says where the page with it is from.
    pub async fn post_from(&self, from: (&str, &str), path: &str, fields: &[(&str, &str)]) -> Answer {
        form_with(&self.api, from, path, fields).header("cookie", &self.cookie).answer().await
    }

    /// Sends a form as the page has it, with these fields typed over.
    pub async fn submit(&self, page: &str, fields: &[(&str, &str)]) -> Answer {
        let html = self.get(page).await.text();
        let mut all = hidden(&html);
        all.extend(fields.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())));
        let all: Vec<_> = all.iter().map(|(name, value)| (name.as_str(), value.as_str())).collect();
        self.post(page, &all).await
    }

    pub async fn is_signed_in(&self) -> bool {
        self.get("/account").await.status == 200
    }
}

/// The hidden fields of a page.
pub fn hidden(html: &str) -> HashMap<String, String> {
    let part = |text: &str, name: &str| {
        let rest = text.split_once(&format!("{name}=\""))?.1;
        Some(rest.split('"').next()?.replace("&#34;", "\""))
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
