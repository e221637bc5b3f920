//! Setup, signing in by name and password, and what keeps guesses out.

use std::time::Duration;
use std::time::Instant;

use reqwest::Method;
use reqwest::header::HeaderValue;

use super::answers::leads_to;
use super::answers::setup_link;
use crate::harness::Answer;
use crate::harness::Options;
use crate::harness::TestServer;
use crate::harness::forms::Browser;
use crate::harness::forms::HOSTILE;
use crate::harness::forms::PASSWORD;
use crate::harness::forms::form;
use crate::harness::http::Send as _;

/// Times that a way to sign in is timed.
const ROUNDS: usize = 3;
/// The same where a busy machine hides what is to be seen.
const MOST_ROUNDS: usize = 20;

async fn set_up(server: &TestServer, once: &str, name: &str, password: &str) -> Answer {
    let fields = [("once", once), ("name", name), ("password", password)];
    form(&server.anyone(), "/setup", &fields).answer().await
}

#[tokio::test]
async fn setup_makes_the_first_operator_who_then_signs_in_by_password() {
    let server = TestServer::start().await;
    let once = setup_link(&server).await;
    let asked = server.anyone().get(&format!("/setup?once={once}")).await;

    let made = set_up(&server, &once, "mira", PASSWORD).await;

    assert!(asked.status == 200 && asked.text().contains("What this server knows"));
    assert!(Browser::from(&server, &made).is_signed_in().await);
    let signed_in = Browser::sign_in(&server, "mira", PASSWORD).await;
    assert_eq!(leads_to(&signed_in), (303, Some("/")));
    assert!(Browser::from(&server, &signed_in).is_signed_in().await);
    assert_eq!(set_up(&server, &once, "theo", PASSWORD).await.status, 404);
}

#[tokio::test]
async fn a_setup_link_is_dead_once_there_is_an_operator() {
    let server = TestServer::start().await;
    let once = setup_link(&server).await;
    Browser::of(&server, "mira").await;

    let asked = server.anyone().get(&format!("/setup?once={once}")).await;
    let made = set_up(&server, &once, "theo", PASSWORD).await;

    assert_eq!((asked.status, made.status), (404, 404));
    assert!(asked.text().contains("stackblaze admin create NAME"), "{}", asked.text());
}

#[tokio::test]
async fn a_form_that_will_not_do_leaves_the_setup_link_as_it_is_and_keeps_the_name() {
    let server = TestServer::start().await;
    let once = setup_link(&server).await;

    for (name, password, says) in [
        ("mira", "short", "12 characters or more"),
        ("mira", "passwordpassword", "among the first that are tried"),
        ("a/b", PASSWORD, "without a slash"),
        ("", "", "12 characters or more"),
        (HOSTILE, "short", "12 characters or more"),
    ] {
        let refused = set_up(&server, &once, name, password).await;

        assert!(refused.status == 400 && refused.text().contains(says), "{name} {}", refused.text());
        assert!(!refused.text().contains("<script>alert"), "{name}");
        assert!(password.is_empty() || !refused.text().contains(&format!("value=\"{password}\"")));
    }
    assert_eq!(set_up(&server, &once, "mira", PASSWORD).await.status, 303);
}

#[tokio::test]
async fn a_wrong_name_and_a_wrong_password_are_not_told_apart() {
    let server = TestServer::start().await;
    Browser::with_password(&server, "mira").await;
    Browser::of(&server, "theo").await;

    let mut answers = Vec::new();
    // The fastest of each: a busy machine only adds to them, so that they come near each other with the rounds.
    let mut times = [Duration::MAX; 3];
    for round in 1..=MOST_ROUNDS {
        let tries = [("mira", "not the password"), ("nobo", PASSWORD), ("theo", PASSWORD)];
        for ((name, password), fastest) in tries.into_iter().zip(&mut times) {
            server.clock.advance(Duration::from_mins(1));
            let begin = Instant::now();
            let answer = Browser::sign_in(&server, name, password).await;
            *fastest = begin.elapsed().min(*fastest);
            let text = answer.text().replace(&format!("value=\"{name}\""), "value=\"\"");
            answers.push((answer.status, answer.headers.keys().cloned().collect::<Vec<_>>(), text));
        }
        if round >= ROUNDS && times.iter().all(|time| *time * 4 > times[0]) {
            break;
        }
    }

    assert!(answers[0].0 == 403 && answers[0].2.contains("Name or password is wrong"), "{}", answers[0].2);
    assert!(answers.iter().all(|answer| *answer == answers[0]), "{answers:?}");
    assert!(times.iter().all(|time| *time * 4 > times[0]), "{times:?}");
}

#[tokio::test]
async fn an_operator_without_a_password_signs_in_by_link_alone() {
    let server = TestServer::start().await;
    Browser::of(&server, "mira").await;

    for password in ["", PASSWORD] {
        assert_eq!(Browser::sign_in(&server, "mira", password).await.status, 403);
    }
}

#[tokio::test]
async fn an_address_has_five_tries_a_minute_and_is_told_when_the_next_is() {
    let server = TestServer::start().await;
    let made = Browser::with_password(&server, "mira").await;

    let mut left = Vec::new();
    for _ in 0..5 {
        let text = Browser::sign_in(&server, "mira", "not the password").await.text();
        left.push((0..5).find(|left| text.contains(&format!("{left} tr"))).unwrap_or(0));
    }
    server.clock.advance(Duration::from_secs(20));
    let right_too_early = Browser::sign_in(&server, "mira", PASSWORD).await;

    assert_eq!(left, [4, 3, 2, 1, 0]);
    assert_eq!((right_too_early.status, right_too_early.header("retry-after")), (429, Some("40")));
    assert!(right_too_early.text().contains("Try again at 14:31:50 UTC"), "{}", right_too_early.text());
    let link = server.admin.post("/api/v1/operators/mira/login-link", serde_json::json!({})).await;
    let by_link = Browser::by_link(&server, link.json()["signInUrl"].as_str().unwrap()).await;
    assert!(by_link.is_signed_in().await && made.is_signed_in().await);
    server.clock.advance(Duration::from_secs(40));
    assert_eq!(Browser::sign_in(&server, "mira", PASSWORD).await.status, 303);
}

#[tokio::test]
async fn a_name_is_not_guessed_from_many_addresses() {
    let options = Options { trusted_proxies: vec!["127.0.0.1/32"], ..Options::default() };
    let server = TestServer::with(options).await;
    Browser::with_password(&server, "mira").await;

    let mut statuses = Vec::new();
    for address in 0..12 {
        let request = form(&server.anyone(), "/login", &[("name", "mira"), ("password", "not the password")]);
        let request = request.header("x-forwarded-for", format!("192.0.2.{address}"));
        statuses.push(request.answer().await.status);
    }
    let other = form(&server.anyone(), "/login", &[("name", "theo"), ("password", "not the password")]);
    let other = other.header("x-forwarded-for", "192.0.2.11").answer().await.status;

    assert_eq!(statuses, [[403; 10].as_slice(), &[429; 2]].concat());
    assert_eq!(other, 403);
}

#[tokio::test]
async fn signing_in_leads_to_the_page_that_was_asked_for_and_never_elsewhere() {
    let server = TestServer::start().await;
    Browser::with_password(&server, "mira").await;

    for (next, wanted) in [
        ("/deploys/dep_x?all=1", "/deploys/dep_x?all=1"),
        ("https://evil.test/", "/"),
        ("//evil.test", "/"),
        ("/\\evil.test", "/"),
        ("", "/"),
    ] {
        let fields = [("name", "mira"), ("password", PASSWORD), ("next", next)];
        let answer = form(&server.anyone(), "/login", &fields).answer().await;

        assert_eq!(leads_to(&answer), (303, Some(wanted)), "{next}");
    }
}

#[tokio::test]
async fn a_page_that_needs_an_operator_leads_to_the_sign_in_and_back() {
    let server = TestServer::start().await;

    let asked = server.anyone().get("/audit?kind=hooks").await;
    let posted = form(&server.anyone(), "/tokens", &[]).answer().await;

    let link = "href=\"/login?next=%2Faudit%3Fkind%3Dhooks\"";
    assert!(asked.status == 401 && asked.text().contains(link), "{}", asked.text());
    assert!(posted.status == 401 && posted.text().contains("href=\"/login\""), "{}", posted.text());
    let login = server.anyone().get("/login?next=%2Faudit%3Fkind%3Dhooks").await.text();
    assert!(login.contains("name=\"next\" value=\"/audit?kind=hooks\""), "{login}");
}

#[tokio::test]
async fn each_sign_in_begins_a_session_of_its_own_whatever_cookie_came_with_it() {
    let server = TestServer::start().await;
    let first = Browser::with_password(&server, "mira").await;

    let request = form(&server.anyone(), "/login", &[("name", "mira"), ("password", PASSWORD)]);
    let second = Browser::from(&server, &request.header("cookie", &first.cookie).answer().await);

    assert_ne!(first.cookie, second.cookie);
    assert!(first.is_signed_in().await && second.is_signed_in().await);
}

#[tokio::test]
async fn a_reset_takes_the_password_away() {
    let server = TestServer::start().await;
    let old = Browser::with_password(&server, "mira").await;

    let made = server.admin.post("/api/v1/operators/mira/reset", serde_json::json!({})).await.json();

    assert!(!old.is_signed_in().await);
    assert_eq!(Browser::sign_in(&server, "mira", PASSWORD).await.status, 403);
    let new = Browser::by_link(&server, made["signInUrl"].as_str().unwrap()).await;
    assert!(new.get("/account").await.text().contains("Set a password"));
}

#[tokio::test]
async fn no_password_is_stored_or_logged_as_it_was_typed() {
    let lines = crate::harness::Lines::default();
    let _watched = lines.watch();
    let server = TestServer::start().await;
    let browser = Browser::with_password(&server, "mira").await;
    Browser::sign_in(&server, "mira", PASSWORD).await;
    Browser::sign_in(&server, "mira", "canary not the password").await;

    let mut texts = vec![browser.get("/account").await.text(), server.audit().await.join("\n"), lines.text()];
    texts.extend(
        server.files().iter().map(|file| String::from_utf8_lossy(&std::fs::read(file).unwrap()).into_owned()),
    );

    assert!(texts.iter().any(|text| text.contains("$argon2id$")), "the files are looked at");
    for word in [PASSWORD, "canary not"] {
        assert!(texts.iter().all(|text| !text.contains(word)), "{word}");
    }
    assert!(!texts[0].contains("$argon2id$") && !texts[1].contains("$argon2id$"));
}

#[tokio::test]
async fn the_sign_in_page_keeps_next_and_the_typed_name_as_text() {
    let server = TestServer::start().await;

    let page =
        server.anyone().request(Method::GET, "/login?next=/deploys/x%22%3E%3Cscript%3E").answer().await;
    let fields = [("name", HOSTILE), ("password", "x")];
    let refused = form(&server.anyone(), "/login", &fields).answer().await;

    for answer in [page, refused] {
        assert!(!answer.text().contains("<script>"), "{}", answer.text());
        assert_eq!(answer.header("referrer-policy"), Some("same-origin"));
        assert_eq!(answer.header("cache-control"), Some("no-store"));
    }
}

#[tokio::test]
async fn guesses_from_everywhere_keep_nobody_out_of_where_they_have_signed_in_from() {
    let options = Options { trusted_proxies: vec!["127.0.0.1/32"], ..Options::default() };
    let server = TestServer::with(options).await;
    Browser::with_password(&server, "mira").await;
    let sign_in = async |from: String, name: &str, password: &str| {
        let request = form(&server.anyone(), "/login", &[("name", name), ("password", password)]);
        request.header("x-forwarded-for", from).answer().await.status
    };
    let at_home = || "203.0.113.5".to_owned();
    assert_eq!(sign_in(at_home(), "mira", PASSWORD).await, 303);
    for guess in 0..40 {
        let name = if guess < 10 { "mira".to_owned() } else { format!("name {guess}") };
        sign_in(format!("192.0.2.{guess}"), &name, "not the password").await;
    }

    let elsewhere = sign_in("198.51.100.1".to_owned(), "mira", PASSWORD).await;

    assert_eq!(elsewhere, 429);
    assert_eq!(sign_in(at_home(), "mira", PASSWORD).await, 303);
    let server = server.restart().await;
    let request = form(&server.anyone(), "/login", &[("name", "mira"), ("password", "not the password")]);
    assert_eq!(request.header("x-forwarded-for", at_home()).answer().await.status, 403);
}

#[tokio::test]
async fn setup_wrong_passwords_and_the_end_of_a_session_are_in_the_audit() {
    let server = TestServer::start().await;
    let once = setup_link(&server).await;
    set_up(&server, &once, "mira", PASSWORD).await;
    Browser::sign_in(&server, "mira", "not the password").await;
    Browser::sign_in(&server, "typed into the wrong field", PASSWORD).await;
    let mira = Browser::from(&server, &Browser::sign_in(&server, "mira", PASSWORD).await);
    mira.post("/logout", &[]).await;
    let reader = Browser::from(&server, &Browser::sign_in(&server, "mira", PASSWORD).await);

    let text = reader.get("/audit?kind=sign-ins").await.text();
    let acts = server.admin.get("/api/v1/audit").await.text();

    for part in [
        "added operator <strong>mira</strong>: the first, by setup link",
        "gave a wrong password for <strong>mira</strong>",
        "gave a wrong password for <strong>a name that nobody has</strong>",
        "sign-in page <span class=\"sub\">127.0.0.0/24</span>",
        ">signed out<",
    ] {
        assert!(text.contains(part), "{part} in {text}");
    }
    assert!(!text.contains("typed into") && !acts.contains("typed into"));
    assert!(acts.contains("session.refuse"), "{acts}");
}

#[tokio::test]
async fn a_neighbours_cookie_of_any_bytes_signs_nobody_out() {
    let server = TestServer::start().await;
    let mira = Browser::of(&server, "mira").await;
    let both = [b"n=Gr\xf6\xdfe; ".as_slice(), mira.cookie.as_bytes()].concat();

    let request = server.anyone().request(Method::GET, "/services");
    let answer = request.header("cookie", HeaderValue::from_bytes(&both).unwrap()).answer().await;

    assert_eq!(answer.status, 200);
}

/// Browsers keep cookies by host, whatever the port.
#[tokio::test]
async fn two_servers_of_one_host_do_not_sign_each_other_out() {
    let (one, other) = (TestServer::start().await, TestServer::start().await);
    let (first, second) = (Browser::of(&one, "mira").await, Browser::of(&other, "mira").await);
    let both = format!("{}; {}", first.cookie, second.cookie);

    for server in [&one, &other] {
        let request = server.anyone().request(Method::GET, "/services").header("cookie", &both);
        assert_eq!(request.answer().await.status, 200);
    }
}
