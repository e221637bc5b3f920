//! What is sent to targets of notices, over real sockets.

mod answers;
mod forges;
mod guard;
mod receiver;
mod tls;
mod tools;

use std::sync::Arc;

use stackblaze::domain::{
    AddressRange, Clock, Event, NoticeId, Reason, Repository, Status, Target, TargetId, TargetKind,
    TargetSecret, TargetUrl, Timestamp, TokenKey, Urls, WebhookSecret, Who,
};
use stackblaze::notify::{
    About, AboutDeployment, Delivery, Message, Recipient, Sender, SenderSettings, deliver,
};
use stackblaze::wire::deployment::FoundDeployment;

use crate::harness::stage;
use crate::pages::Case;

/// What holds every address of this machine.
const LOOPBACK: &str = "127.0.0.0/8";
/// The token of each forge.
const TOKEN: &str = "forge-token-0123456789";

fn urls() -> Urls {
    Urls::new("https://hooks.example.com", "https://deploy.example.com")
}

fn now() -> Timestamp {
    Clock::System.now()
}

fn ranges(texts: &[&str]) -> Vec<AddressRange> {
    texts.iter().map(|text| text.parse().unwrap()).collect()
}

/// A sender that may reach this machine.
fn sender() -> Sender {
    Sender::new(SenderSettings::new(ranges(&[LOOPBACK]), None))
}

fn recipient(kind: TargetKind, url: &str) -> Recipient {
    let target = Target {
        id: TargetId::generate(),
        kind,
        url: TargetUrl::parse(url).unwrap(),
        service: None,
        events: kind.default_events(),
        branches: Vec::new(),
        secret: kind.is_forge().then(|| TargetSecret::parse(TOKEN).unwrap()),
        with_lines: true,
        required_contexts: Vec::new(),
        generation: 2,
        previous_until: None,
        off: None,
        failing_since: None,
        delivered_at: None,
        created_at: now(),
        created_by: Who::Socket,
    };
    let key = TokenKey::generate();
    let secrets = [2, 1].map(|generation| WebhookSecret::of(&key, &target.id, generation)).into();
    Recipient { target, secrets, remote: None }
}

fn text() -> Message {
    Message {
        id: NoticeId::generate(),
        event: Event::Test,
        at: now(),
        about: About::Text("Somebody asks whether this arrives".to_owned()),
        left_out: 0,
        is_repeated: false,
    }
}

/// What happened to a deployment whose commit is known.
fn told(event: Event) -> Message {
    let mut case = match event {
        Event::Failed => Case::failed(Reason::BuildFailed),
        Event::Succeeded | Event::Recovered => Case::succeeded(),
        _ => Case::building(),
    };
    case.deployment.status = event.status().unwrap_or(Status::Failed);
    let mut service = stage::run().service;
    service.repository = Repository::parse("https://127.0.0.1/team/api.git").ok();
    service.url = Some("https://api.example.com".to_owned());
    let lines = Some(vec!["error[E0308]: <mismatched> & *types*".to_owned(), "```".to_owned()]);
    let found =
        FoundDeployment { deployment: case.deployment, steps: case.steps.into(), queue_position: None };
    let about = About::Deployment(Box::new(AboutDeployment { found, service, lines }));
    Message { event, about, ..text() }
}

async fn send(sender: &Sender, recipient: &Recipient, message: &Message) -> Delivery {
    deliver(sender, &urls(), recipient, message, now()).await
}

/// Settings whose names are resolved by a function that counts nothing and asks nobody.
fn resolving(
    allowed: &[&str],
    lookup: impl Fn() -> Vec<&'static str> + Send + Sync + 'static,
) -> SenderSettings {
    let lookup: stackblaze::notify::Lookup = Arc::new(move |_name| {
        let addresses = lookup().into_iter().map(|address| address.parse().unwrap()).collect();
        Box::pin(async move { Ok(addresses) })
    });
    SenderSettings { lookup, ..SenderSettings::new(ranges(allowed), None) }
}
