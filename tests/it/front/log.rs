//! The line that each request leaves in the log.

use std::io;
use std::sync::Mutex;

use super::*;

/// A log that a test reads.
#[derive(Clone, Default)]
struct Lines(Arc<Mutex<Vec<u8>>>);

impl io::Write for Lines {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.lock().unwrap().extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl Lines {
    /// Everything that the present thread logs, at any level, while the guard lives.
    fn watch(&self) -> tracing::subscriber::DefaultGuard {
        let lines = self.clone();
        let log = tracing_subscriber::fmt().json().with_max_level(tracing::Level::TRACE);
        tracing::subscriber::set_default(log.with_writer(move || lines.clone()).finish())
    }

    fn text(&self) -> String {
        String::from_utf8(self.0.lock().unwrap().clone()).unwrap()
    }

    fn requests(&self) -> Vec<serde_json::Value> {
        let text = self.text();
        let lines = text.lines().map(|line| serde_json::from_str::<serde_json::Value>(line).unwrap());
        lines.filter(|line| line["fields"]["message"] == "request").collect()
    }
}

#[tokio::test]
async fn the_log_names_the_route_and_never_the_secret() {
    let lines = Lines::default();
    let _watched = lines.watch();
    let server = Server::start().await;

    let secrets = "Authorization: Bearer s3cret\r\nCookie: session=s3cret\r\nX-Request-Id: ci-1\r\n";
    server.answer_to(&get("/deploy-hooks/s3cret?branch=s3cret", secrets)).await;
    server.answer_to(&get("/deploy-hooks/s3cret%zz", secrets)).await;
    server.answer_to(&get("/s3cret", secrets)).await;

    let requests = lines.requests();
    let routes: Vec<_> = requests.iter().map(|line| &line["fields"]["route"]).collect();
    assert_eq!(routes, ["/deploy-hooks/:token", "-", "-"]);
    let first = &requests[0]["fields"];
    assert_eq!(
        (&first["method"], &first["request.id"], &first["client"]),
        (&"GET".into(), &"ci-1".into(), &"127.0.0.1".into())
    );
    assert!(first["status"] == 401 && first["duration_us"].is_number(), "{first}");
    assert!(!lines.text().contains("s3cret"), "{}", lines.text());
}

#[tokio::test]
async fn reading_is_logged_at_debug_and_refused_hook_calls_once_a_peer() {
    let lines = Lines::default();
    let _watched = lines.watch();
    let server = Server::start().await;

    server.answer_to(HELLO).await;
    for _ in 0..20 {
        server.answer_to(&get("/deploy-hooks/s3cret", "")).await;
    }
    server.answer_to(&get("/missing", "")).await;

    let levels: Vec<_> = lines.requests().iter().map(|line| line["level"].clone()).collect();
    assert_eq!(levels, ["DEBUG", "INFO", "INFO"]);
}
