//! The local executor: real git, real processes.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::time::{Duration, Instant};

use stackblaze::domain::{
    Branch, CloneSettings, Commit, DeploymentId, EnvName, ExecutorKind, GitRef, LocalSettings, QueuePolicy,
    Reason, Repository, Service, ServiceId, ServiceName, Span, Step, Timestamp,
};
use stackblaze::executor::local::{LocalExecutor, Variables};
use stackblaze::executor::{Event, Executor, Outcome, Plan, Run};
use tempfile::TempDir;
use tokio_util::sync::CancellationToken;

use crate::executor_contract::{self as contract, log_of, outline, run_to_end};
use crate::harness::git::{GitDaemon, GitHttp, GitRepo};
pub use crate::harness::process::wait_until;

/// Time between TERM and KILL where a run will not end by itself.
const GRACE: Duration = Duration::from_millis(300);
/// Room for all caches together.
pub const NO_LIMIT: u64 = u64::MAX;
/// The same where it will, however busy the machine is.
const LONG_GRACE: Duration = Duration::from_secs(30);

/// An executor with a repository and a service.
pub struct Bench {
    pub executor: LocalExecutor,
    pub data: TempDir,
    pub repo: GitRepo,
    pub service: ServiceId,
    /// The home of the server's user.
    pub home: TempDir,
}

impl Bench {
    pub fn new() -> Self {
        Self::with_variables(&[])
    }

    /// Of a server that has these variables besides PATH and HOME; one that is named again wins.
    pub fn with_variables(variables: &[(&str, &str)]) -> Self {
        Self::with_program(env!("CARGO_BIN_EXE_stackblaze").into(), variables)
    }

    /// The same with something else in the place of our own program.
    pub fn with_program(program: PathBuf, variables: &[(&str, &str)]) -> Self {
        Self::with_all(program, variables, GRACE)
    }

    /// Whose runs have the time to end when they are told to stop.
    pub fn patient() -> Self {
        Self::with_all(env!("CARGO_BIN_EXE_stackblaze").into(), &[], LONG_GRACE)
    }

    fn with_all(program: PathBuf, variables: &[(&str, &str)], grace: Duration) -> Self {
        let (data, home) = (TempDir::new().unwrap(), TempDir::new().unwrap());
        let path = std::env::var_os("PATH").unwrap();
        let mut all = Variables::from([("PATH".into(), path), ("HOME".into(), home.path().into())]);
        all.extend(variables.iter().map(|&(name, value)| (name.into(), value.into())));
        let executor = LocalExecutor::with_grace(data.path(), program, &all, NO_LIMIT, grace).unwrap();
        let repo = GitRepo::new();
        repo.commit("hello", "one\n", "Say hello");
        Self { executor, data, repo, service: ServiceId::generate(), home }
    }

    pub fn run(&self, build: &str, deploy: &str) -> Run {
        let local = LocalSettings {
            build_command: build.to_owned(),
            deploy_command: deploy.to_owned(),
            ..LocalSettings::default()
        };
        Run {
            deployment: DeploymentId::generate(Timestamp::from_millis(1_795_530_649_120)),
            service: Service {
                id: self.service.clone(),
                name: ServiceName::parse("api").unwrap(),
                repository: Repository::parse(&self.repo.url()).ok(),
                default_branch: Branch::parse("main").unwrap(),
                fetch: CloneSettings::default(),
                executor: ExecutorKind::Local,
                queue_policy: QueuePolicy::Coalesce,
                timeout: Span::from_hours(1),
                settle: Span::from_secs(0),
                url: None,
                local,
                tekton: None,
                allowed_images: Vec::new(),
                frozen: None,
                created_at: Timestamp::from_millis(0),
            },
            branch: GitRef::parse("main").unwrap(),
            commit: None,
            given: None,
            clear_cache: false,
            plan: Plan::Local,
        }
    }

    pub async fn end(&self, run: &Run) -> (Vec<Event>, Outcome) {
        run_to_end(&self.executor, run, &CancellationToken::new()).await
    }

    pub async fn failure(&self, run: &Run) -> (Reason, String) {
        match self.end(run).await.1 {
            Outcome::Failed { reason, message, .. } => (reason, message),
            Outcome::Succeeded => panic!("it succeeded"),
        }
    }
}

pub fn is_alive(pid: &str) -> bool {
    let stat = std::fs::read_to_string(format!("/proc/{pid}/stat")).unwrap_or_default();
    stat.rsplit(')').next().is_some_and(|rest| !rest.trim().is_empty() && !rest.trim().starts_with('Z'))
}

#[tokio::test]
async fn it_keeps_the_contract_of_executors() {
    let bench = Bench::new();

    contract::a_good_run_tells_everything_in_order(&bench.executor, &bench.run("true", "true")).await;
    contract::a_failing_build_is_an_outcome(&bench.executor, &bench.run("exit 7", "true")).await;
    contract::a_stopped_run_ends_in_time(&bench.executor, &bench.run("echo ready; sleep 600", "true")).await;
}

#[tokio::test]
async fn exit_codes_and_reasons_are_those_of_the_commands() {
    let bench = Bench::new();

    let (events, _) = bench.end(&bench.run("exit 101", "true")).await;
    let deploy = bench.failure(&bench.run("", "exit 3")).await;
    let missing = bench.failure(&bench.run("no-such-program", "")).await;

    assert!(outline(&events).contains(&"build finished false Some(101)".to_owned()));
    assert_eq!(deploy, (Reason::DeployFailed, "the deploy command ended with exit code 3".to_owned()));
    assert_eq!(
        missing,
        (
            Reason::BuildFailed,
            "the build command ended with exit code 127: a program was not found on PATH".to_owned()
        )
    );
}

#[tokio::test]
async fn a_missing_branch_commit_or_repository_is_told_apart() {
    let bench = Bench::new();
    let elsewhere = bench.repo.branch("other").commit("hello", "two\n", "Elsewhere");
    let run = |branch: &str, commit: Option<&str>| Run {
        branch: GitRef::parse(branch).unwrap(),
        commit: commit.map(|commit| Commit::parse(commit).unwrap()),
        ..bench.run("", "")
    };
    let mut gone = run("main", None);
    gone.service.repository = Repository::parse("/no/such/repository").ok();

    assert_eq!(bench.failure(&run("nope", None)).await.0, Reason::BranchNotFound);
    assert_eq!(bench.failure(&run("main", Some(&"0".repeat(40)))).await.0, Reason::CommitNotFound);
    assert_eq!(bench.failure(&run("main", Some(&elsewhere))).await.0, Reason::CommitNotFound);
    assert_eq!(bench.failure(&gone).await.0, Reason::CloneFailed);
}

#[tokio::test]
async fn a_commit_that_was_asked_for_is_what_gets_built() {
    let bench = Bench::new();
    let first = bench.repo.git(&["rev-parse", "HEAD"]);
    bench.repo.commit("hello", "two\n", "Second");
    let run = Run { commit: Some(Commit::parse(&first).unwrap()), ..bench.run("cat hello", "") };

    let (events, outcome) = bench.end(&run).await;

    assert_eq!(outcome, Outcome::Succeeded);
    assert_eq!(log_of(&events, Step::Build), "one\n");
    assert!(
        events.iter().any(|event| matches!(event, Event::Commit { commit, .. } if commit.as_str() == first))
    );
}

#[tokio::test]
async fn the_head_is_resolved_once_and_its_subject_is_clipped() {
    let bench = Bench::new();
    let subject = "ä".repeat(150);
    let commit = bench.repo.commit("hello", "two\n", &subject);

    let (events, _) = bench.end(&bench.run("git rev-parse HEAD", "")).await;

    assert_eq!(log_of(&events, Step::Build).trim(), commit);
    let told = events.iter().find_map(|event| match event {
        Event::Commit { subject, .. } => Some(subject.clone()),
        _ => None,
    });
    assert_eq!(told.unwrap(), "ä".repeat(98) + "…");
}

#[tokio::test]
async fn commands_see_exactly_the_promised_variables() {
    let bench =
        Bench::with_variables(&[("USER", "mira"), ("LOGNAME", "mira"), ("DATABASE_PASSWORD", "hunter2")]);
    let mut run = bench.run("env | cut -d= -f1 | LC_ALL=C sort | tr '\\n' ' '", "echo $OWN");
    run.service.local.env = BTreeMap::from([(EnvName::parse("env", "OWN").unwrap(), "own value".to_owned())]);

    let (events, _) = bench.end(&run).await;

    let names = "CI HOME LANG LOGNAME OWN PATH PWD STACKBLAZE_BRANCH STACKBLAZE_CACHE_DIR STACKBLAZE_COMMIT \
                 STACKBLAZE_DEPLOYMENT_ID STACKBLAZE_SERVICE TERM TMPDIR USER XDG_CACHE_HOME npm_config_cache ";
    let seen = log_of(&events, Step::Build).replace("OLDPWD ", "").replace("SHLVL ", "").replace("_ ", "");
    assert_eq!(seen, names);
    assert_eq!(log_of(&events, Step::Deploy), "own value\n");
}

#[tokio::test]
async fn the_cache_stays_until_it_is_cleared_and_belongs_to_the_service() {
    let bench = Bench::new();
    let count = "cd $STACKBLAZE_CACHE_DIR; echo x >> count; wc -l < count";
    let counted = async |clear_cache| {
        let run = Run { clear_cache, ..bench.run(count, "") };
        log_of(&bench.end(&run).await.0, Step::Build).trim().to_owned()
    };

    assert_eq!(counted(false).await, "1");
    assert_eq!(counted(false).await, "2");
    assert_eq!(counted(true).await, "1");
    assert_eq!(counted(false).await, "2");
}

#[tokio::test]
async fn what_is_kept_for_a_deleted_service_goes() {
    let bench = Bench::new();
    bench.end(&bench.run("touch $STACKBLAZE_CACHE_DIR/kept", "")).await;
    let folder = |name: &str| bench.data.path().join(name).join(bench.service.as_str());
    assert!(folder("cache").join("kept").exists() && folder("work").exists());

    bench.executor.forget(&bench.service).await;
    bench.executor.forget(&bench.service).await;

    assert!(!folder("cache").exists() && !folder("work").exists());
}

#[tokio::test]
async fn a_hostile_branch_name_never_reaches_a_shell() {
    let bench = Bench::new();
    let name = "feat/a=b,#%+@x";
    bench.repo.branch(name).commit("hello", "odd\n", "Odd");
    let run =
        Run { branch: GitRef::parse(name).unwrap(), ..bench.run("printf '%s' \"$STACKBLAZE_BRANCH\"", "") };

    let (events, outcome) = bench.end(&run).await;

    assert_eq!(outcome, Outcome::Succeeded);
    assert_eq!(log_of(&events, Step::Build), name);
}

#[tokio::test]
async fn a_stop_is_first_asked_and_then_forced() {
    let (bench, impatient) = (Bench::patient(), Bench::new());
    let note = bench.data.path().join("note");
    let polite = format!(
        "trap 'echo asked > {}; exit 0' TERM; echo ready; while :; do sleep 0.05; done",
        note.display()
    );
    let stubborn = "trap '' TERM; echo ready; while :; do sleep 0.05; done";

    contract::a_stopped_run_ends_in_time(&bench.executor, &bench.run(&polite, "")).await;
    assert_eq!(std::fs::read_to_string(&note).unwrap(), "asked\n");

    let began = Instant::now();
    contract::a_stopped_run_ends_in_time(&impatient.executor, &impatient.run(stubborn, "")).await;
    assert!(began.elapsed() >= GRACE);
}

#[tokio::test]
async fn dropping_the_run_leaves_no_process_behind() {
    let bench = Bench::new();
    let file = bench.data.path().join("pid");
    let run = bench.run(&format!("echo $$ > {}; sleep 600 & wait", file.display()), "");
    let pid = || std::fs::read_to_string(&file).unwrap_or_default().trim().to_owned();
    let (events, mut inbox) = tokio::sync::mpsc::channel(16);
    let stop = CancellationToken::new();

    tokio::select! {
        _ = bench.executor.run(&run, &events, &stop) => panic!("it ended"),
        () = async { while pid().is_empty() { tokio::task::yield_now().await; inbox.try_recv().ok(); } } => {}
    }

    wait_until("the end of the group", || !is_alive(&pid()));
}

#[tokio::test]
async fn a_repository_of_git_daemon_is_cloned() {
    let bench = Bench::new();
    let daemon = GitDaemon::serve(bench.repo.parent());
    let mut run = bench.run("cat hello", "");
    run.service.repository = Repository::parse(&daemon.url("sample")).ok();

    let (events, outcome) = bench.end(&run).await;

    assert_eq!(outcome, Outcome::Succeeded, "{}", log_of(&events, Step::Clone));
    assert_eq!(log_of(&events, Step::Build), "one\n");
}

#[tokio::test]
async fn a_private_repository_needs_the_right_token_file_and_nothing_else_sees_it() {
    let bench = Bench::new();
    let http = GitHttp::serve(bench.repo.parent(), "sample", "right-password-1");
    let file = |name: &str, text: &str| {
        let path = bench.data.path().join(name);
        std::fs::write(&path, text).unwrap();
        Some(path.to_string_lossy().into_owned())
    };
    let run = |token_file: Option<String>| {
        let mut run = bench.run("cat hello; env; git config --list; cat .git/config", "");
        run.service.repository = Repository::parse(&http.url("sample/.git")).ok();
        run.service.local.git_token_file = token_file;
        run
    };

    let (events, outcome) = bench.end(&run(file("right", "sample:right-password-1\n"))).await;
    let wrong = bench.failure(&run(file("wrong", "sample:wrong-password-1\n"))).await;
    let none = bench.failure(&run(None)).await;
    let unreadable = bench.failure(&run(Some("/no/such/file".to_owned()))).await;

    assert_eq!(outcome, Outcome::Succeeded, "{}", log_of(&events, Step::Clone));
    for step in Step::ALL {
        assert!(!log_of(&events, step).contains("right-password-1"));
    }
    assert!(wrong.0 == Reason::CloneFailed && wrong.1.contains("gitTokenFile"), "{}", wrong.1);
    assert!(
        none.0 == Reason::CloneFailed && none.1.contains("gitTokenFile") && none.1.contains("gitSshKeyFile")
    );
    assert!(
        unreadable.1.contains("gitTokenFile") && !unreadable.1.contains("/no/such/file"),
        "{}",
        unreadable.1
    );
}
