//! Local steps with the tools that people deploy by, from their registries. `./test` fetches those that it cannot expect.

use std::path::Path;
use std::process::Command;

use stackblaze::domain::{Reason, Step};
use stackblaze::executor::Outcome;

use crate::executor_contract::log_of;
use crate::harness::guest::output;
use crate::harness::process::client;
use crate::harness::tools;
use crate::local::Bench;

/// A lock of pnpm's for another dependency than the package has.
const PNPM_LOCK: &str = "lockfileVersion: '9.0'

importers:

  .:
    dependencies:
      is-number:
        specifier: 7.0.0
        version: 7.0.0

packages:

  is-number@7.0.0:
    resolution: {integrity: sha512-41Cifkg6e8TylSpdtTpeLVMqvSBEVzTttHvERD741+pnZ8ANv0004MRL43QKPDlK9cGvNp6NZWZUBlbGXYxxng==}

snapshots:

  is-number@7.0.0: {}
";

fn path() -> String {
    let path = std::env::var_os("PATH").unwrap().into_string().unwrap();
    format!("{}:{path}", tools().join("node_modules/.bin").display())
}

fn bench() -> Bench {
    Bench::with_variables(&[("PATH", &path())])
}

/// Whether a tool that not every machine has is here.
fn has(program: &str) -> bool {
    let is_here = Command::new(program).arg("--version").output().is_ok();
    if !is_here {
        eprintln!("LEFT OUT, since {program} is missing: what a build with it finds");
    }
    is_here
}

/// Runs the build and gives its log; it has to succeed.
async fn builds(bench: &Bench, command: &str) -> String {
    let (events, outcome) = bench.end(&bench.run(command, "true")).await;
    let log = log_of(&events, Step::Build);
    assert_eq!(outcome, Outcome::Succeeded, "{log}");
    log
}

#[tokio::test]
#[ignore = "needs tools from their registries"]
async fn a_lock_file_out_of_step_fails_the_build_with_npm_and_with_pnpm() {
    let bench = bench();
    bench.repo.commit(
        "package.json",
        r#"{"name": "a", "version": "1.0.0", "dependencies": {"is-odd": "3.0.1"}}"#,
        "A",
    );
    let npm = r#"{"name": "a", "version": "1.0.0", "lockfileVersion": 3, "requires": true, "packages": {"": {"name": "a", "version": "1.0.0"}}}"#;
    bench.repo.commit("package-lock.json", npm, "Lock");
    bench.repo.commit("pnpm-lock.yaml", PNPM_LOCK, "Lock");

    for (command, cause) in [("npm ci", "in sync"), ("pnpm install", "ERR_PNPM_OUTDATED_LOCKFILE")] {
        let (events, outcome) = bench.end(&bench.run(command, "true")).await;

        let log = log_of(&events, Step::Build);
        assert!(matches!(outcome, Outcome::Failed { reason: Reason::BuildFailed, .. }), "{command}: {log}");
        assert!(log.contains(cause), "{command}: {log}");
    }
}

#[tokio::test]
#[ignore = "needs tools from their registries"]
async fn pm2_restarts_what_the_servers_user_runs() {
    let bench = bench();
    let (home, port) = (bench.home.path(), free_port());
    let app = home.join("app");
    std::fs::create_dir(&app).unwrap();
    let serves = |word: &str| {
        format!(
            "require('http').createServer((_, answer) => answer.end('{word}')).listen({port}, '127.0.0.1')\n"
        )
    };
    std::fs::write(app.join("server.js"), serves("v1")).unwrap();
    let eco = format!(
        "module.exports = {{ apps: [{{ name: 'api', script: '{}' }}] }}\n",
        app.join("server.js").display()
    );
    std::fs::write(app.join("eco.config.js"), eco).unwrap();
    let pm2 = |words: &[&str]| {
        let mut pm2 = Command::new(tools().join("node_modules/.bin/pm2"));
        output(pm2.args(words).env("HOME", home).current_dir(&app))
    };
    pm2(&["start", "eco.config.js"]);
    wait_for(port, "v1").await;
    bench.repo.commit("server.js", &serves("v2"), "Serve the second version");
    let deploy =
        format!("cp server.js {app}/ && pm2 startOrRestart {app}/eco.config.js", app = app.display());

    let (events, outcome) = bench.end(&bench.run("", &deploy)).await;

    assert_eq!(outcome, Outcome::Succeeded, "{}", log_of(&events, Step::Deploy));
    wait_for(port, "v2").await;
    let listed = String::from_utf8(pm2(&["jlist"]).stdout).unwrap();
    pm2(&["kill"]);
    assert_eq!(listed.matches("\"restart_time\":1").count(), 1, "it was the same daemon: {listed}");
}

fn free_port() -> u16 {
    std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port()
}

/// Waits until the app answers so.
async fn wait_for(port: u16, word: &str) {
    let url = format!("http://127.0.0.1:{port}/");
    let said = async || client().get(&url).send().await.ok()?.text().await.ok();
    crate::harness::soon(async {
        while said().await.as_deref() != Some(word) {
            tokio::task::yield_now().await;
        }
    })
    .await;
}

#[tokio::test]
#[ignore = "needs tools from their registries"]
async fn modules_of_go_are_fetched_once() {
    if !has("go") {
        return;
    }
    let bench = bench();
    bench.repo.commit(
        "go.mod",
        "module example.com/a\n\ngo 1.21\n\nrequire rsc.io/quote v1.5.2\n",
        "A module",
    );
    let main =
        "package main\n\nimport (\"fmt\"; \"rsc.io/quote\")\n\nfunc main() { fmt.Println(quote.Hello()) }\n";
    bench.repo.commit("main.go", main, "A program");

    builds(&bench, "go mod tidy && go build -o app . && ./app").await;
    let again = builds(
        &bench,
        "export GOPROXY=off GOFLAGS=-mod=mod GONOSUMDB=*; go mod tidy && go build -o app . && ./app",
    )
    .await;

    assert!(again.contains("world"), "{again}");
}

#[tokio::test]
#[ignore = "needs tools from their registries"]
async fn packages_of_python_are_kept_in_the_services_cache() {
    if !has("python3") {
        return;
    }
    let bench = bench();

    let log = builds(&bench, "python3 -m venv venv && venv/bin/pip install six==1.16.0 && venv/bin/python -c 'import six; print(six.__version__)'").await;

    let cache = bench.data.path().join("cache").join(bench.service.as_str()).join("xdg/pip");
    assert!(log.contains("1.16.0") && cache.is_dir(), "{log}");
}

#[tokio::test]
#[ignore = "needs tools from their registries"]
async fn cargo_of_rustup_finds_its_toolchain_in_the_home_of_the_servers_user() {
    let home = std::env::home_dir().unwrap();
    if !home.join(".rustup").is_dir() {
        eprintln!("LEFT OUT, since rustup is not in the home: cargo build");
        return;
    }
    let bench = Bench::with_variables(&[("HOME", home.to_str().unwrap())]);
    bench.repo.commit(
        "Cargo.toml",
        "[package]\nname = \"a\"\nversion = \"0.1.0\"\nedition = \"2024\"\n",
        "A package",
    );
    std::fs::create_dir(bench.repo.path().join("src")).unwrap();
    bench.repo.commit("src/main.rs", "fn main() { println!(\"built by cargo\") }\n", "A program");

    let log = builds(&bench, "cargo build --offline && target/debug/a").await;

    assert!(log.contains("built by cargo"), "{log}");
}

#[tokio::test]
#[ignore = "needs tools from their registries"]
async fn ccache_finds_again_what_an_earlier_run_compiled() {
    if !has("ccache") {
        return;
    }
    let bench = bench();
    bench.repo.commit("a.c", "int main(void) { return 0; }\n", "A program");
    let build = "ccache -z >/dev/null; ccache gcc -g -c $PWD/a.c -o a.o; ccache --print-stats | grep direct_cache_hit";

    let [first, second] = [builds(&bench, build).await, builds(&bench, build).await];

    assert!(
        first.contains("direct_cache_hit\t0") && second.contains("direct_cache_hit\t1"),
        "{first} {second}"
    );
    assert!(Path::new(&bench.data.path().join("cache")).is_dir());
}
