//! What the tests of the dashboard read from answers.

use stackblaze::db::Tx;
use stackblaze::db::sessions;
use stackblaze::domain::LinkToken;

use crate::harness::Answer;
use crate::harness::TestServer;

/// A setup link's secret, as a new server prints it.
pub async fn setup_link(server: &TestServer) -> String {
    let (token, now) = (LinkToken::mint(), server.clock.now());
    let (hash, ends) = (token.hash(), now.plus(std::time::Duration::from_hours(1)));
    let write = move |tx: &Tx<'_>| sessions::insert_link(tx, &hash, None, now, ends);
    server.state.db().core().write(write).await.unwrap();
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
