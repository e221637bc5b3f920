//! How a step of the local executor ends, and what becomes of the processes that it leaves behind.

use std::cell::RefCell;
use std::path::PathBuf;

use rustix::process::{Pid, Signal, kill_process};
use stackblaze::domain::{EnvName, Reason, Step};
use stackblaze::executor::Outcome;
use tempfile::TempDir;

use crate::executor_contract::{a_stopped_run_ends_in_time, log_of, outline, whole_log_of};
use crate::harness::guest::Group;
use crate::local::{Bench, is_alive};

/// What the log says of what a command left in its group.
const ENDED: &str = "Ended, since the command left it in its process group: ";

/// A folder for what processes say of themselves. Those that wrote their number into it end with it,
/// and once it was read also where the tests are killed.
struct Notes {
    folder: TempDir,
    left: RefCell<Vec<Group>>,
}

impl Notes {
    fn new() -> Self {
        Self { folder: TempDir::new().unwrap(), left: RefCell::default() }
    }

    fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    fn read(&self, name: &str) -> String {
        std::fs::read_to_string(self.path(name)).unwrap_or_default().trim().to_owned()
    }

    fn pid(&self, name: &str) -> String {
        let pid = self.read(name);
        let number =
            pid.parse().unwrap_or_else(|_| panic!("{name} has not said which process it is: {pid:?}"));
        self.left.borrow_mut().push(Group::of(number));
        pid
    }

    /// The variables of a command: where each of these notes is.
    fn places(&self, names: &[&str]) -> String {
        let place = |name: &&str| format!("{name}='{}'\n", self.path(name).display());
        names.iter().map(place).collect::<Vec<_>>().concat()
    }
}

impl Drop for Notes {
    fn drop(&mut self) {
        let notes = std::fs::read_dir(self.folder.path()).unwrap().flatten();
        for note in notes.filter_map(|note| std::fs::read_to_string(note.path()).ok()) {
            let pid = note.trim().parse().ok().and_then(Pid::from_raw);
            if let Some(pid) = pid.filter(|_| is_alive(note.trim())) {
                kill_process(pid, Signal::KILL).ok();
            }
        }
    }
}

#[tokio::test]
async fn what_leaves_its_group_lives_on_however_that_is_spelled() {
    let spellings = ["setsid sleep 600", "nohup setsid sleep 600", "setsid nohup sleep 600"];
    let bench = Bench::new();

    for spelling in spellings.iter().cycle().take(8) {
        let notes = Notes::new();
        let deploy =
            format!("{spelling} >/dev/null 2>&1 & echo $! > {}; echo deployed", notes.path("pid").display());
        let (events, outcome) = bench.end(&bench.run("", &deploy)).await;

        assert_eq!(outcome, Outcome::Succeeded);
        assert_eq!(log_of(&events, Step::Deploy), "deployed\n");
        assert!(is_alive(&notes.pid("pid")), "{spelling}");
    }
}

#[tokio::test]
async fn what_leaves_its_group_after_the_end_of_the_command_lives_on() {
    let bench = Bench::new();
    let notes = Notes::new();
    // The gate is closed by the end of the shell, and only then does the app leave the group.
    let deploy = notes.places(&["pid"])
        + r#"mkfifo gate
           export pid
           sh -c 'read line < gate; echo $$ > "$pid"; exec setsid sleep 600' >/dev/null 2>&1 &
           exec 3> gate
           echo deployed"#;

    let (events, outcome) = bench.end(&bench.run("", &deploy)).await;

    assert_eq!(outcome, Outcome::Succeeded);
    assert_eq!(log_of(&events, Step::Deploy), "deployed\n");
    assert!(is_alive(&notes.pid("pid")));
}

#[tokio::test]
async fn what_stays_in_its_group_is_asked_to_end_then_ended_and_the_log_names_it() {
    let bench = Bench::new();
    let notes = Notes::new();
    let deploy = notes.places(&["asked", "polite", "stubborn"])
        + r#"export asked polite stubborn
           sh -c 'trap "echo yes > $asked; exit" TERM; echo $$ > "$polite"; while :; do sleep 0.05; done' &
           sh -c 'trap "" TERM; echo $$ > "$stubborn"; while :; do sleep 0.05; done' &
           while [ ! -s "$polite" ] || [ ! -s "$stubborn" ]; do sleep 0.01; done
           printf 'no line end'; exit 3"#;

    let (events, outcome) = bench.end(&bench.run("", &deploy)).await;

    assert!(matches!(outcome, Outcome::Failed { reason: Reason::DeployFailed, .. }), "{outcome:?}");
    assert!(outline(&events).contains(&"deploy finished false Some(3)".to_owned()));
    let (polite, stubborn) = (notes.pid("polite"), notes.pid("stubborn"));
    assert_eq!(notes.read("asked"), "yes");
    assert!(!is_alive(&polite) && !is_alive(&stubborn));
    let log = log_of(&events, Step::Deploy);
    let (said, named) = log.split_once(ENDED).unwrap_or_else(|| panic!("{log}"));
    assert_eq!(said, "no line end\n");
    for pid in [polite, stubborn] {
        assert!(named.contains(&format!("sh (pid {pid})")), "{log}");
    }
}

#[tokio::test]
async fn what_is_stopped_has_no_time_to_leave_and_is_not_named() {
    let bench = Bench::new();
    let notes = Notes::new();
    let build = notes.places(&["left"])
        + r#"trap '' TERM
           sleep 600 & echo $! > "$left"
           trap 'exit 0' TERM
           echo ready
           while :; do sleep 0.05; done"#;

    let events = a_stopped_run_ends_in_time(&bench.executor, &bench.run(&build, "")).await;

    assert!(!is_alive(&notes.pid("left")));
    assert!(!log_of(&events, Step::Build).contains(ENDED));
}

#[tokio::test]
async fn a_steps_log_begins_with_its_command_and_ends_with_why_it_failed() {
    let bench = Bench::new();

    let (silent, _) = bench.end(&bench.run("true", "grep -q healthy hello 2>/dev/null\necho fine")).await;
    let (missing, outcome) = bench.end(&bench.run("printf 'no end'; no-such-program", "true")).await;
    let (killed, _) = bench.end(&bench.run("kill -9 $$", "true")).await;

    let deploy =
        "$ grep -q healthy hello 2>/dev/null\n$ echo fine\nthe deploy command ended with exit code 1\n";
    assert_eq!(whole_log_of(&silent, Step::Deploy), deploy);
    let log = whole_log_of(&missing, Step::Build);
    let sentence = "the build command ended with exit code 127: a program was not found on PATH";
    assert!(log.starts_with("$ printf") && log.ends_with(&format!("\n{sentence}\n")), "{log}");
    assert!(matches!(outcome, Outcome::Failed { message, .. } if message == sentence));
    let log = whole_log_of(&killed, Step::Build);
    assert!(log.ends_with("exit code 137: it was killed (signal 9), often out of memory\n"), "{log}");
}

#[tokio::test]
async fn a_failing_line_ends_the_step_unless_the_command_takes_that_back() {
    let bench = Bench::new();

    let (events, outcome) =
        bench.end(&bench.run("echo one\nsh -c 'exit 7'\necho built anyway", "true")).await;
    let (taken_back, succeeded) = bench.end(&bench.run("set +e\nsh -c 'exit 7'\necho went on", "true")).await;

    assert!(matches!(outcome, Outcome::Failed { reason: Reason::BuildFailed, .. }), "{outcome:?}");
    assert!(outline(&events).contains(&"build finished false Some(7)".to_owned()));
    assert_eq!(log_of(&events, Step::Build), "one\n");
    assert_eq!(succeeded, Outcome::Succeeded);
    assert_eq!(log_of(&taken_back, Step::Build), "went on\n");
}

#[tokio::test]
async fn a_command_that_kills_its_supervisor_leaves_nothing_that_goes_on() {
    let (bench, notes) = (Bench::new(), Notes::new());
    let places = notes.places(&["left"]);
    let build = format!("{places}sleep 600 & echo $! > \"$left\"; kill -9 $PPID; wait");

    let (reason, message) = bench.failure(&bench.run(&build, "true")).await;

    assert_eq!(reason, Reason::BuildFailed, "{message}");
    assert!(!is_alive(&notes.read("left")));
}

#[tokio::test]
async fn a_stopped_supervisor_does_not_keep_a_stopped_run_from_ending() {
    let (bench, notes) = (Bench::new(), Notes::new());
    let places = notes.places(&["left"]);
    let build = format!("{places}sleep 600 & echo $! > \"$left\"; kill -STOP $PPID; echo ready; wait");

    a_stopped_run_ends_in_time(&bench.executor, &bench.run(&build, "true")).await;

    assert!(!is_alive(&notes.read("left")));
}

#[tokio::test]
async fn variables_of_a_service_have_no_hold_on_our_own_program() {
    let bench = Bench::new();
    let mut run = bench.run(":", "true");
    run.service.local.vars =
        [(EnvName::parse("vars", "LD_PRELOAD").unwrap(), "/no/such/library.so".to_owned())].into();

    let (events, outcome) = bench.end(&run).await;

    assert_eq!(outcome, Outcome::Succeeded);
    // The loader says so for each program that it starts with it.
    assert_eq!(log_of(&events, Step::Build).matches("cannot be preloaded").count(), 1);
}
