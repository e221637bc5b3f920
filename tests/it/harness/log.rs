//! What the server logs, for a test to read.

use std::io;
use std::sync::Arc;
use std::sync::Mutex;
use std::sync::OnceLock;

use tracing::Dispatch;
use tracing::subscriber::DefaultGuard;

/// Everything but what the test's own client says.
const FILTER: &str = "trace,reqwest=off,hyper_util::client=off,hyper::client=off";

/// A log in memory. Cheap to clone; clones are the same log.
#[derive(Clone, Default)]
pub struct Lines(Arc<Mutex<Vec<u8>>>);

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
    /// Everything that the present thread logs, at any level, as JSON, while the guard lives.
    pub fn watch(&self) -> DefaultGuard {
        // Where only one subscriber lives, tracing-core asks the thread that meets an event first whether anybody wants
        // it. That may be a test without a log, and its "no" would hold for all threads. A second one prevents that.
        static SECOND: OnceLock<Dispatch> = OnceLock::new();
        SECOND.get_or_init(|| Dispatch::new(tracing_subscriber::registry()));
        let lines = self.clone();
        let log = tracing_subscriber::fmt().json().with_env_filter(FILTER).with_writer(move || lines.clone());
        tracing::subscriber::set_default(log.finish())
    }

    pub fn text(&self) -> String {
        String::from_utf8(self.0.lock().unwrap().clone()).unwrap()
    }

    /// The lines that requests leave.
    pub fn requests(&self) -> Vec<serde_json::Value> {
        let text = self.text();
        let lines = text.lines().map(|line| serde_json::from_str::<serde_json::Value>(line).unwrap());
        lines.filter(|line| line["fields"]["message"] == "request").collect()
    }
}
