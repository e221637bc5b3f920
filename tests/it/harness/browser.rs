//! Debian's Chromium with its driver, and what a page is looked at for.

use std::io::{BufRead, BufReader};
use std::net::{Ipv4Addr, Ipv6Addr, TcpListener};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::Duration;

use serde_json::{Value, json};
use tempfile::TempDir;
use thirtyfour::LoggingPrefsLogLevel;
use thirtyfour::prelude::*;

use super::PATIENCE;
use super::guest::Guest;
use super::soon;

/// Ends the line in which the driver says where it listens.
const LISTENS: &str = "was started successfully on port ";

/// Between two looks for what a page has to show.
const LOOK: Duration = Duration::from_millis(100);

/// What a page is looked at in.
#[derive(Clone, Copy, Debug)]
pub enum Theme {
    Light,
    Dark,
}

impl Theme {
    pub const BOTH: [Self; 2] = [Self::Light, Self::Dark];

    pub const fn word(self) -> &'static str {
        match self {
            Self::Light => "light",
            Self::Dark => "dark",
        }
    }
}

/// A browser of its own for one test. It ends with its driver, in whose process group it is: asked to end alone, the
/// driver would leave it behind.
pub struct Browser {
    pub driver: WebDriver,
    _guest: Guest,
    /// What it writes beside the tests.
    _folder: TempDir,
}

impl Browser {
    pub async fn start() -> Self {
        Self::with_scripts(true).await
    }

    /// One whose user has switched scripts off.
    pub async fn without_scripts() -> Self {
        Self::with_scripts(false).await
    }

    async fn with_scripts(scripts: bool) -> Self {
        super::process::install_tls();
        let folder = TempDir::new().unwrap();
        let (guest, port) = driver(folder.path());
        let mut wanted = DesiredCapabilities::chrome();
        for argument in
            ["--headless=new", "--no-sandbox", "--disable-dev-shm-usage", "--window-size=1280,900"]
        {
            wanted.add_arg(argument).unwrap();
        }
        wanted.set_browser_log_level(LoggingPrefsLogLevel::All).unwrap();
        if !scripts {
            let off = json!({ "profile.managed_default_content_settings.javascript": 2 });
            wanted.add_experimental_option("prefs", off).unwrap();
        }
        let driver = soon(WebDriver::new(format!("http://127.0.0.1:{port}"), wanted)).await.unwrap();
        soon(driver.set_script_timeout(PATIENCE)).await.unwrap();
        soon(driver.set_page_load_timeout(PATIENCE)).await.unwrap();
        Self { driver, _guest: guest, _folder: folder }
    }

    /// Opens an address.
    pub async fn open(&self, url: &str) {
        soon(self.driver.goto(url)).await.unwrap();
    }

    /// Turns to a theme and a width in pixels.
    pub async fn looks(&self, theme: Theme, width: u32) {
        let features = json!([
            { "name": "prefers-color-scheme", "value": theme.word() },
            // Colours in the middle of a change are nobody's.
            { "name": "prefers-reduced-motion", "value": "reduce" },
        ]);
        self.devtools("Emulation.setEmulatedMedia", json!({ "features": features })).await;
        let size = json!({ "width": width, "height": 900, "deviceScaleFactor": 1, "mobile": width < 600 });
        self.devtools("Emulation.setDeviceMetricsOverride", size).await;
    }

    async fn devtools(&self, command: &str, parameters: Value) {
        soon(self.driver.cdp().send_raw(command, parameters)).await.unwrap();
    }

    /// The first element that fits, which has to be there.
    pub async fn find(&self, css: &str) -> WebElement {
        let query = self.driver.query(By::Css(css)).wait(PATIENCE, LOOK);
        soon(query.first()).await.unwrap_or_else(|error| panic!("{css}: {error}"))
    }

    /// Clicks the button with these words.
    pub async fn press(&self, words: &str) {
        self.click(&format!("//button[contains(normalize-space(.), '{words}') and not(@hidden)]")).await;
    }

    /// Follows the link with these words.
    pub async fn follow(&self, words: &str) {
        self.click(&format!("//a[contains(normalize-space(.), '{words}')]")).await;
    }

    async fn click(&self, path: &str) {
        let query = self.driver.query(By::XPath(path)).wait(PATIENCE, LOOK);
        let found = soon(query.first()).await.unwrap_or_else(|error| panic!("{path}: {error}"));
        soon(found.click()).await.unwrap();
    }

    /// Types into a field, in place of what is there.
    pub async fn fill(&self, css: &str, text: &str) {
        let field = self.find(css).await;
        soon(field.clear()).await.unwrap();
        soon(field.send_keys(text)).await.unwrap();
    }

    /// All text that is shown.
    pub async fn text(&self) -> String {
        soon(self.find("body").await.text()).await.unwrap()
    }

    /// Waits until the page shows this.
    pub async fn shows(&self, words: &str) {
        let path = format!("//body[contains(normalize-space(.), '{words}')]");
        let query = self.driver.query(By::XPath(path));
        let waited = query.wait(PATIENCE, LOOK).first().await;
        assert!(waited.is_ok(), "\"{words}\" is not shown in: {}", self.text().await);
    }

    /// What the browser complained about since it was asked last: blocked by the policy, errors of scripts. That an
    /// address is not there is the server's answer and no complaint.
    pub async fn complaints(&self) -> Vec<String> {
        let entries = soon(self.driver.browser_log()).await.unwrap();
        let texts = entries.into_iter().map(|entry| entry.message);
        texts.filter(|text| !text.contains("the server responded with a status of")).collect()
    }

    /// Pixels by which the page is wider than the window.
    pub async fn overhang(&self) -> i64 {
        let script = "const e = document.documentElement; return e.scrollWidth - e.clientWidth";
        soon(self.driver.execute(script, Vec::new())).await.unwrap().json().as_i64().unwrap()
    }

    /// What axe-core finds wrong: rule and element, one a line. The file is named by `STACKBLAZE_TEST_AXE`.
    pub async fn axe(&self) -> String {
        #[expect(
            clippy::disallowed_methods,
            reason = "where the test's own tool lies is no setting of the product"
        )]
        let file = std::env::var("STACKBLAZE_TEST_AXE").expect("names axe.min.js; ./test sets it");
        let source = std::fs::read_to_string(file).unwrap();
        soon(self.driver.execute(&source, Vec::new())).await.unwrap();
        let script = "const done = arguments[arguments.length - 1];
            axe.run(document, { resultTypes: ['violations'] }).then(r => done(r.violations.map(v =>
                v.id + ': ' + v.nodes.map(n => n.html.slice(0, 200) + ' | ' + n.failureSummary).join('; ')).join('\\n')))";
        let found = soon(self.driver.execute_async(script, Vec::new())).await.unwrap();
        found.json().as_str().unwrap().to_owned()
    }

    /// Keeps a picture of the whole page where CI can find it.
    pub async fn picture(&self, name: &str) {
        let folder = PathBuf::from(env!("CARGO_TARGET_TMPDIR")).join("screenshots");
        std::fs::create_dir_all(&folder).unwrap();
        let script = "return [document.documentElement.clientWidth, document.documentElement.scrollHeight]";
        let size = soon(self.driver.execute(script, Vec::new())).await.unwrap().json().clone();
        let whole = json!({ "width": size[0], "height": size[1], "deviceScaleFactor": 1, "mobile": false });
        self.devtools("Emulation.setDeviceMetricsOverride", whole).await;
        soon(self.driver.screenshot(&folder.join(format!("{name}.png")))).await.unwrap();
    }
}

impl Drop for Browser {
    fn drop(&mut self) {
        // Its end is that of the driver, which the session must not wait for then.
        self.driver.clone().leak().ok();
    }
}

/// Starts a driver that has its temporary files in a folder.
fn driver(folder: &Path) -> (Guest, u16) {
    let port = free_port();
    let mut command = Command::new("chromedriver");
    command.arg(format!("--port={port}")).env("TMPDIR", folder);
    let mut guest = Guest::start(command.stdout(Stdio::piped()).stderr(Stdio::null()));
    let mut lines = BufReader::new(guest.child.stdout.take().unwrap()).lines().map_while(Result::ok);
    let mut said = Vec::new();
    let listens = lines.any(|line| {
        said.push(line);
        said.last().is_some_and(|line| line.contains(LISTENS))
    });
    assert!(listens, "{said:?}");
    (guest, port)
}

/// A port that is free for both protocols: given none, the driver takes one that is free for the first and ends where it
/// is not for the second.
fn free_port() -> u16 {
    loop {
        let first = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
        let port = first.local_addr().unwrap().port();
        let second = TcpListener::bind((Ipv6Addr::LOCALHOST, port));
        if !second.is_err_and(|error| error.kind() == std::io::ErrorKind::AddrInUse) {
            return port;
        }
    }
}
