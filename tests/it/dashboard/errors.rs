//! Pages for what went wrong.

use crate::harness::Answer;
use crate::harness::TestServer;
use crate::harness::forms::Browser;
use crate::harness::http::Send as _;

/// Whether the page has the menu, and whether it names its request.
fn shows(answer: &Answer) -> (u16, bool, bool) {
    let (html, id) = (answer.text(), answer.header("x-request-id").unwrap());
    (answer.status, html.contains("Sign out mira"), html.contains(&format!("<code id=\"rid\">{id}</code>")))
}

#[tokio::test]
async fn an_operator_keeps_the_menu_and_everybody_gets_the_name_of_the_request() {
    let server = TestServer::start().await;
    let browser = Browser::of(&server, "mira").await;
    let stranger = server.anyone();

    for (path, signed_in, signed_out) in [
        ("/services/nothing", 404, 401),
        ("/services/Not%20A%20Name/settings", 404, 401),
        ("/deploys/dep_x", 404, 404),
    ] {
        assert_eq!(shows(&browser.get(path).await), (signed_in, true, true), "{path}");
        assert_eq!(shows(&stranger.get(path).await), (signed_out, false, true), "{path}");
    }
    let nowhere = stranger.request(reqwest::Method::GET, "/nowhere").header("accept", "text/html");
    assert_eq!(shows(&nowhere.answer().await), (404, false, true));
}
