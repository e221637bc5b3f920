//! The page of a very long log: what it shows, and what showing it takes.

use std::path::Path;

use reqwest::Method;
use serde_json::{Value, json};
use stackblaze::db::logs::{self, Kept};
use stackblaze::db::{Db, Tx};
use stackblaze::domain::{Clock, DeploymentId, Step};
use tempfile::TempDir;

use crate::harness::forms::{Browser, form};
use crate::harness::http::{Api, Send as _};
use crate::harness::process::{Server, client};
use crate::harness::{Script, TestServer};

/// Empty lines of the build.
const LINES: usize = 6_000_000;
const MIB: u64 = 1024 * 1024;
const ALL: Kept = Kept { head: u64::MAX, tail: u64::MAX };

/// The id of a deployment that has failed, on a server that has gone down.
async fn ended(data: &Path) -> DeploymentId {
    let mut server = Server::start(data, &[]);
    let hook = server.hook(json!({ "name": "api", "repository": "/no/such/repository" })).await;
    let call = client().post(format!("{}{hook}", server.url)).send().await.unwrap();
    let id = call.json::<Value>().await.unwrap()["deploymentId"].as_str().unwrap().to_owned();
    let waited = client().get(format!("{}/deployments/{id}/wait", server.url)).send().await.unwrap();
    assert_eq!(waited.status(), 424);
    server.signal("TERM");
    assert!(server.wait().success());
    DeploymentId::parse(&id).unwrap()
}

/// Stores a build's output as the server would.
async fn store(data: &Path, id: &DeploymentId) {
    let (db, id) = (Db::open(data, 0).unwrap(), id.clone());
    let write =
        move |tx: &Tx<'_>| logs::append(tx, &id, Step::Build, &"\n".repeat(LINES), ALL, Clock::System.now());
    db.logs().write(write).await.unwrap();
    tokio::task::spawn_blocking(move || db.close()).await.unwrap();
}

/// An operator at a running server.
struct Desk {
    server: Server,
    api: Api,
    cookie: String,
}

impl Desk {
    async fn at(server: Server) -> Self {
        let made = server.api("POST", "/api/v1/operators", Some(json!({ "name": "mira" }))).await;
        let once = made["signInUrl"].as_str().unwrap().split_once("once=").unwrap().1.to_owned();
        let api = Api::new(server.url.strip_prefix("http://").unwrap().parse().unwrap(), None);
        let signed_in = form(&api, "/login", &[("once", &once)]).answer().await;
        let cookie = signed_in.header("set-cookie").unwrap().split(';').next().unwrap().to_owned();
        Self { server, api, cookie }
    }

    async fn page(&self, path: &str) -> String {
        let answer = self.api.request(Method::GET, path).header("cookie", &self.cookie).answer().await;
        assert_eq!(answer.status, 200, "{path}");
        answer.text()
    }

    /// A page, and the bytes of memory by which the server grew while it made it.
    async fn measured(&self, path: &str) -> (String, u64) {
        let proc = format!("/proc/{}", self.server.pid());
        // Begins a new peak at the present size.
        std::fs::write(format!("{proc}/clear_refs"), "5").unwrap();
        let before = status(&proc, "VmRSS:");
        let html = self.page(path).await;
        // The kernel counts the pages of each thread in batches, so that the peak may be told as less.
        (html, status(&proc, "VmHWM:").saturating_sub(before))
    }
}

/// A size that the kernel tells of a process, in bytes.
fn status(proc: &str, field: &str) -> u64 {
    let text = std::fs::read_to_string(format!("{proc}/status")).unwrap();
    let line = text.lines().find_map(|line| line.strip_prefix(field)).unwrap();
    line.trim().strip_suffix(" kB").unwrap().trim().parse::<u64>().unwrap() * 1024
}

#[tokio::test]
async fn six_million_lines_are_shown_in_part_and_in_bounded_memory() {
    let data = TempDir::new().unwrap();
    let id = ended(data.path()).await;
    store(data.path(), &id).await;
    let desk = Desk::at(Server::start(data.path(), &[])).await;
    let total = desk.page(&format!("/deploys/{id}?times=1")).await;
    let total = total.split_once("<span>The last 2,000 of ").unwrap().1.split_once(" lines").unwrap().0;
    let last = total.replace(',', "").parse::<usize>().unwrap();
    let shows = |html: &str, count: usize| {
        let (first, behind) = (last - count + 1, last + 1);
        assert_eq!(html.matches("<div class=\"l\" id=\"L").count(), count);
        for (line, is_there) in [(first - 1, false), (first, true), (last, true), (behind, false)] {
            assert_eq!(html.contains(&format!("id=\"L{line}\"")), is_there, "{line}");
        }
    };

    let (window, grown_by_window) = desk.measured(&format!("/deploys/{id}")).await;
    let (all, grown_by_all) = desk.measured(&format!("/deploys/{id}?all=1")).await;

    assert!(grown_by_window < 24 * MIB, "{} MiB", grown_by_window / MIB);
    assert!(grown_by_all < 24 * MIB, "{} MiB", grown_by_all / MIB);
    assert!(last > LINES, "{total}");
    shows(&window, 2_000);
    assert!(window.contains("href=\"?all=1#log-h\">All lines</a>"));
    shows(&all, 200_000);
    assert!(all.contains(&format!("The last 200,000 of {total} lines")));
    let download =
        format!("href=\"/deployments/{id}/logs\" download=\"{id}.log\">The download has them all</a>");
    assert!(all.contains(&download));
    assert!(!all.contains("All lines"));
}

#[tokio::test]
async fn a_page_that_comes_in_parts_shows_each_line_of_the_log_once_and_in_order() {
    const COUNT: usize = 9_000;
    let server = TestServer::start().await;
    let id = server.service("api").create().await.deploy(json!({})).await;
    server.run_all().await;
    let (own, now) = (DeploymentId::parse(&id).unwrap(), server.clock.now());
    let line = |number: usize| format!("{number} {}", "é<&".repeat(20));
    let text: String = (1..=COUNT).map(|number| line(number) + "\n").collect();
    let write = move |tx: &Tx<'_>| {
        // Cut inside of lines.
        let mut rest = text.as_str();
        while !rest.is_empty() {
            let (part, more) = rest.split_at(rest.floor_char_boundary(10_007));
            logs::append(tx, &own, Step::Build, part, ALL, now)?;
            rest = more;
        }
        Ok::<_, stackblaze::db::Error>(())
    };
    server.state.db().logs().write(write).await.unwrap();
    let browser = Browser::of(&server, "mira").await;

    let answer = browser.get(&format!("/deploys/{id}?all=1")).await;

    assert_eq!(answer.header("content-length"), None);
    assert!(answer.header("content-security-policy").unwrap().contains("default-src 'none'"));
    assert_eq!(answer.header("content-type"), Some("text/html; charset=utf-8"));
    assert_eq!(answer.header("cache-control"), Some("private, no-cache"));
    let html = answer.text();
    let shown: Vec<_> = html
        .split("<div class=\"l\" id=\"L")
        .skip(1)
        .map(|rest| rest.split_once("<span>").unwrap().1.split_once("</span>").unwrap().0)
        .map(|text| text.replace("&#60;", "<").replace("&#38;", "&"))
        .collect();
    assert_eq!(shown.len(), COUNT);
    assert!((1..).zip(&shown).all(|(number, shown)| *shown == line(number)));
    assert!(html.trim_end().ends_with("</html>") && !html.contains("<!--"));
}

/// The page of a deployment with 4 lines of clone, 2,401 of build and one of deploy, and its address.
async fn page(server: &TestServer, kept: Kept) -> (Browser, String) {
    server.executor.next(Script::default().step(Step::Clone, b"a\nb\nc\nd\n"));
    let id = server.service("api").create().await.deploy(json!({})).await;
    server.run_all().await;
    let (own, now) = (DeploymentId::parse(&id).unwrap(), server.clock.now());
    let build = (1..=2_401).map(|number| format!("line {number}\n")).collect::<Vec<_>>().concat();
    let write = move |tx: &Tx<'_>| {
        for part in build.as_bytes().chunks(1_000) {
            logs::append(tx, &own, Step::Build, std::str::from_utf8(part).unwrap(), kept, now)?;
        }
        logs::append(tx, &own, Step::Deploy, "up", kept, now)
    };
    server.state.db().logs().write(write).await.unwrap();
    (Browser::of(server, "mira").await, format!("/deploys/{id}"))
}

#[tokio::test]
async fn the_end_of_a_log_is_numbered_and_counted_as_the_whole_is() {
    let server = TestServer::start().await;
    let (browser, path) = page(&server, ALL).await;

    let window = browser.page(&path).await;
    let with_times = browser.page(&format!("{path}?times=1")).await;
    let all = browser.page(&format!("{path}?all=1")).await;

    for part in [
        "The last 2,000 of 2,406 lines",
        "4 lines, earlier than the last 2,000",
        "402 lines, earlier than the last 2,000",
        "2,406 lines, ",
        "id=\"L407\"><a href=\"#L407\" tabindex=\"-1\">407</a><span>line 403</span>",
        "id=\"L2406\"><a href=\"#L2406\" tabindex=\"-1\">2406</a><span>up</span>",
    ] {
        assert!(window.contains(part), "{part}");
    }
    assert!(!window.contains("id=\"L406\""));
    assert_eq!(with_times.matches("</a><time>").count(), 2_000);
    assert_eq!(all.matches("<div class=\"l\" id=\"L").count(), 2_406);
    assert!(!all.contains("earlier than the last") && all.contains("<span>line 1</span>"));
}

#[tokio::test]
async fn lines_behind_the_cut_keep_the_numbers_that_they_had() {
    let server = TestServer::start().await;
    let (browser, path) = page(&server, Kept { head: 100, tail: 4_000 }).await;

    let html = browser.page(&path).await;

    assert!(html.contains("not kept …</p>") && !html.contains("earlier than the last"), "{html}");
    assert!(html.contains("id=\"L2405\"><a href=\"#L2405\" tabindex=\"-1\">2405</a><span>line 2401</span>"));
    assert!(!html.contains("<span>line 1000</span>"));
}
