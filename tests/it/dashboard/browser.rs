//! An operator at a browser: keeps the cookie, sends forms, follows nothing.

use reqwest::Method;
use reqwest::RequestBuilder;
use serde_json::json;
use stackblaze::db::Tx;
use stackblaze::db::sessions;
use stackblaze::domain::LinkToken;

use crate::harness::Answer;
use crate::harness::TestServer;
use crate::harness::http::Api;
use crate::harness::http::Send as _;

pub const PASSWORD: &str = "a quiet harbour at dusk";
/// What a template must never let through.
pub const HOSTILE: &str = "\"><script>alert(1)<";

/// A form's body.
pub fn encoded(fields: &[(&str, &str)]) -> String {
    url::form_urlencoded::Serializer::new(String::new()).extend_pairs(fields).finish()
}

/// A form as a browser sends it to its own page.
pub fn form(api: &Api, path: &str, fields: &[(&str, &str)]) -> RequestBuilder {
    let request = api.request(Method::POST, path).header("sec-fetch-site", "same-origin");
    request.header("content-type", "application/x-www-form-urlencoded").body(encoded(fields))
}

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

    pub async fn post(&self, path: &str, fields: &[(&str, &str)]) -> Answer {
        form(&self.api, path, fields).header("cookie", &self.cookie).answer().await
    }

    pub async fn is_signed_in(&self) -> bool {
        self.get("/account").await.status == 200
    }
}

/// A setup link's secret, as a new server prints it.
pub async fn setup_link(server: &TestServer) -> String {
    let (token, now) = (LinkToken::mint(), server.clock.now());
    let (hash, ends) = (token.hash(), now.plus(std::time::Duration::from_hours(1)));
    let write = move |tx: &Tx<'_>| sessions::insert_link(tx, &hash, None, now, ends);
    server.state.db().write(write).await.unwrap();
    token.reveal().to_owned()
}

/// Where an answer leads.
pub fn leads_to(answer: &Answer) -> (u16, Option<&str>) {
    (answer.status, answer.header("location"))
}

/// The text in the field that shows a secret once.
pub fn shown_secret(answer: &Answer) -> String {
    let text = answer.text();
    let field = text.split_once("id=\"secret\"").expect("a secret is shown").1;
    let field = field.split_once('>').unwrap().1;
    field.split_once("</textarea>").unwrap().0.to_owned()
}
