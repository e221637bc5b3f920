//! A form of another site does nothing, with every header that browsers send or leave out.

use reqwest::Method;
use reqwest::RequestBuilder;
use stackblaze::web::Access;
use stackblaze::web::resources;

use super::answers::setup_link;
use crate::harness::TestServer;
use crate::harness::forms::Browser;
use crate::harness::forms::PASSWORD;
use crate::harness::forms::encoded;
use crate::harness::http::Send as _;

/// What a browser says of where a form comes from, and whether that is one of our pages.
const SAYS: [(&[(&str, &str)], bool); 8] = [
    (&[("sec-fetch-site", "same-origin"), ("origin", "http://dashboard.test")], true),
    (&[("sec-fetch-site", "none")], true),
    (&[("sec-fetch-site", "cross-site"), ("origin", "http://dashboard.test")], false),
    (&[("sec-fetch-site", "same-site")], false),
    (&[("origin", "http://dashboard.test")], true),
    (&[("origin", "https://evil.test")], false),
    (&[("origin", "null")], false),
    // No browser sends neither with a form.
    (&[], true),
];

fn with(request: RequestBuilder, headers: &[(&str, &str)]) -> RequestBuilder {
    headers.iter().fold(request, |request, (name, value)| request.header(*name, *value))
}

fn posted(request: RequestBuilder, fields: &[(&str, &str)]) -> RequestBuilder {
    request.header("content-type", "application/x-www-form-urlencoded").body(encoded(fields))
}

#[tokio::test]
async fn method_by_header_by_cookie() {
    let server = TestServer::start().await;
    let mira = Browser::of(&server, "mira").await;

    for (headers, is_ours) in SAYS {
        for method in [Method::GET, Method::HEAD, Method::POST] {
            for has_cookie in [true, false] {
                let request = server.anyone().request(method.clone(), "/account/operators/remove?name=mira");
                let request = with(request, headers);
                let request = if has_cookie { request.header("cookie", &mira.cookie) } else { request };

                // The last operator is never removed, so that the form can be let through again and again.
                let answer = posted(request, &[("name", "mira")]).answer().await;

                let wanted = match (has_cookie, &method, is_ours) {
                    (false, ..) => 401,
                    (true, &Method::POST, true) => 409,
                    (true, &Method::POST, false) => 403,
                    (true, ..) => 200,
                };
                assert_eq!(answer.status, wanted, "{method} {headers:?} cookie: {has_cookie}");
            }
        }
    }
}

#[tokio::test]
async fn signing_in_is_a_form_too() {
    let server = TestServer::start().await;
    Browser::with_password(&server, "mira").await;

    for (headers, is_ours) in SAYS {
        let request = with(server.anyone().request(Method::POST, "/login"), headers);
        let answer = posted(request, &[("name", "mira"), ("password", PASSWORD)]).answer().await;

        let wanted = if is_ours { (303, true) } else { (403, false) };
        assert_eq!((answer.status, answer.headers.contains_key("set-cookie")), wanted, "{headers:?}");
    }
}

#[tokio::test]
async fn setting_up_is_a_form_too_and_a_refusal_leaves_the_link() {
    let server = TestServer::start().await;
    let once = setup_link(&server).await;
    let fields = [("once", once.as_str()), ("name", "mira"), ("password", PASSWORD)];

    for (headers, _) in SAYS.into_iter().filter(|(_, is_ours)| !is_ours) {
        let request = with(server.anyone().request(Method::POST, "/setup"), headers);
        assert_eq!(posted(request, &fields).answer().await.status, 403, "{headers:?}");
    }
    let request = with(server.anyone().request(Method::POST, "/setup"), SAYS[4].0);
    assert_eq!(posted(request, &fields).answer().await.status, 303);
}

/// Over plain http a browser sends `Sec-Fetch-Site` to loopback hosts alone, so `Origin` decides.
#[tokio::test]
async fn over_plain_http_on_another_host_the_origin_decides() {
    let server = TestServer::start().await;
    let mira = Browser::with_password(&server, "mira").await;

    for host in ["deploy.lan:8080", "192.0.2.7", "[2001:db8::7]:8080"] {
        for (origin, is_ours) in [
            (format!("http://{host}"), true),
            (format!("http://{host}0"), false),
            ("http://evil.test".to_owned(), false),
            (format!("http://evil.{host}"), false),
            ("null".to_owned(), false),
            (String::new(), false),
        ] {
            let at = |path: &str| {
                let request = server.anyone().request(Method::POST, path);
                request.header("host", host).header("origin", &origin)
            };
            let signed_in = posted(at("/login"), &[("name", "mira"), ("password", PASSWORD)]).answer().await;
            let form = at("/account/operators/remove").header("cookie", &mira.cookie);
            let form = posted(form, &[("name", "mira")]).answer().await;

            let wanted = if is_ours { (303, 409) } else { (403, 403) };
            assert_eq!((signed_in.status, form.status), wanted, "{host} {origin}");
        }
    }
}

#[tokio::test]
async fn no_address_takes_a_foreign_form() {
    let server = TestServer::start().await;
    let mira = Browser::of(&server, "mira").await;
    let mut looked_at = 0;

    for resource in resources().iter().filter(|one| one.access == Access::Operator) {
        let path = resource.path.replace(":id", "dep_aaaaaaaaaaaaaaaaaaaa").replace(':', "");
        let is_safe = |method: &Method| [Method::GET, Method::HEAD, Method::OPTIONS].contains(method);
        for method in resource.methods.iter().filter(|method| !is_safe(method)) {
            for (headers, _) in SAYS.into_iter().filter(|(_, is_ours)| !is_ours) {
                let request = mira.request(method.clone(), &path);
                assert_eq!(with(request, headers).answer().await.status, 403, "{method} {path} {headers:?}");
                looked_at += 1;
            }
        }
    }
    assert!(looked_at >= 4 * 20, "{looked_at}");
    assert!(mira.is_signed_in().await);
}

#[tokio::test]
async fn pages_send_the_origin_of_their_forms_and_hook_addresses_send_nothing() {
    let server = TestServer::start().await;
    let mira = Browser::of(&server, "mira").await;

    for path in ["/login", "/setup", "/account", "/tokens", "/audit", "/confirm", "/nothing"] {
        assert_eq!(mira.get(path).await.header("referrer-policy"), Some("same-origin"), "{path}");
    }
    for path in ["/deploy-hooks", "/deploy-hooks/sbhook_x"] {
        let request = mira.request(Method::GET, path).header("accept", "text/html");
        let answer = request.answer().await;
        assert_eq!(answer.header("referrer-policy"), Some("no-referrer"), "{path}");
        assert!(answer.text().contains("<meta name=\"referrer\" content=\"no-referrer\">"), "{path}");
    }
}
